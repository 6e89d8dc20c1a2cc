/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What one phase came to: the sum of its workers, and the figures derived from it.
 */
#pragma once

#include "client/loadgen/cpu.h"
#include "client/loadgen/fairness.h"
#include "client/loadgen/kinds.h"
#include "client/loadgen/series.h"
#include "client/loadgen/server_cpu.h"
#include "client/loadgen/server_stats.h"
#include "client/loadgen/steady.h"
#include "client/loadgen/worker.h"

enum { RESULT_THREADS = 512 };

struct result {
    const struct workload *workload;
    struct worker_counts counts;
    struct hist latency;                 /* of all successful requests, ns */
    struct hist by_shape[WORKLOAD_ROWS]; /* the same by shape of the workload, and steps */
    struct worker_kind kinds[WORKLOAD_SHAPES];
    struct worker_times times[WORKLOAD_SHAPES]; /* by kind of request */
    struct fairness fairness;                   /* of several runs, that of the least fair */
    uint64_t digest;                            /* of the requests, with --digest */
    uint64_t begun_ns;                          /* clock_mono_ns when the phase began */
    uint64_t elapsed_ns;                        /* from the first request to the last reply */
    struct cpu_time client;
    struct cpu_system system; /* all of this machine */
    bool has_server_cpu;
    uint64_t server_cpu_ns;
    struct server_cpu_told server_told; /* where that is from */
    double busiest; /* share of the time the busiest thread was on a CPU, 0..1 */
    struct cpu_thread threads[RESULT_THREADS];
    uint64_t waiting_ns; /* threads of loadgen were ready to run, but others ran: all together */
    char first_error[WORKER_ERROR_SIZE];
    struct failure failure;
    struct hist service;    /* of all: from sending to the reply, ns; as latency in a closed loop */
    struct hist first_byte; /* from sending to the first byte of the reply, ns */
    struct hist slip;       /* open loop: how late loadgen itself was, ns */
    double offered;         /* open loop: requests a second asked for; else 0 */
    char first_corrupt[WORKER_ERROR_SIZE]; /* of the values that --verify found wrong */
    char first_stale[WORKER_ERROR_SIZE];   /* of those that had been overwritten */
    struct series series;                  /* of `latency`, over time */
    struct kinds over_time;                /* of each kind, if the workload mixes some */
    uint64_t replies;                      /* to all requests, an update being one of its own */
    struct server_change server;           /* what the server says */
    struct steady length;                  /* what --until-ci came to, and how precise rates are */
    struct steady warmup;                  /* what --warmup auto came to */
    struct vector_recall recall;           /* of searches for vectors */
};

/* Start from nothing. */
void result_init(struct result *result, const struct workload *workload);

/* Add what a worker has done that has returned. elapsed_ns must be known. */
void result_add(struct result *result, const struct worker *worker);

/* All has been added: see how steady it was, unless that is known already. */
void result_judge(struct result *result, const struct steady_rules *rules);

/* Add another run of the same workload: it counts as if it had followed. */
void result_merge(struct result *into, const struct result *from);

/* Replies in all, errors included; requests that were never answered are not. */
uint64_t result_requests(const struct result *result);

/* Successful requests per second. */
double result_rate(const struct result *result);

/* The same of an open loop, without the time for which only the last replies were waited for: that
 * is no lack of speed. */
double result_paced_rate(const struct result *result);

/* Requests that were in flight on average, by Little's law: throughput times time of service. */
double result_in_flight(const struct result *result);

/* CPU time per request in us: of this process, of the server (0 if unknown). */
double result_client_us(const struct result *result);
double result_server_us(const struct result *result);

/* Shares of the time of all CPUs of this machine, 0..1: that the host ran others; that programs ran
 * besides loadgen and the server. The latter is -1 unless the CPU time of the server is known. Of a
 * short test both are not known well: the kernel counts in ticks of 10 ms. */
double result_stolen(const struct result *result);
double result_other_programs(const struct result *result);

/* Requests of a kind that were answered, errors included. */
uint64_t result_kind_requests(const struct result *result, unsigned shape);

/* Share of reads that found their key, 0..1; 1 if there were none. */
double result_hit_share(const struct result *result);
