/* SPDX-License-Identifier: BSD-3-Clause
 *
 * All that the workers of a phase have done until now, and what it took: two of these, one after
 * the other, are an interval. About 640 KiB.
 */
#pragma once

#include "client/loadgen/workload.h"
#include "client/loadgen/writer.h"
#include "common/hist.h"

struct phase;
struct worker;

enum { SNAPSHOT_THREADS = 512 };

/* CPU time since some begin. */
struct snapshot_cpu {
    uint64_t thread_ns[SNAPSHOT_THREADS]; /* of each thread that sends */
    bool has_server;                      /* known is that of the server as well: */
    uint64_t server_ns;
};

struct snapshot {
    uint64_t now_ns; /* clock_mono_ns */
    uint64_t errors;
    struct hist latency;               /* of all successful requests */
    struct hist slip;                  /* how late they were sent */
    struct hist kind[WORKLOAD_SHAPES]; /* latency by kind of request */
    struct snapshot_cpu cpu;
    uint64_t conn_ns; /* how long connections were used until now, all together */
};

/* Look at workers that may be running. What is known of the server, and how
 * long connections were used, is for the caller to add. */
void snapshot_take(struct snapshot *out, const struct phase *phase, struct worker *const *workers,
                   unsigned n_workers);

/* CPU time of an interval, or (added) of several that follow each other. */
struct snapshot_used {
    uint64_t client_ns;  /* of all threads that send */
    uint64_t busiest_ns; /* of the one that had most */
    bool has_server;
    uint64_t server_ns;
};

struct snapshot_used snapshot_used(const struct snapshot_cpu *before,
                                   const struct snapshot_cpu *now);
void snapshot_used_add(struct snapshot_used *into, const struct snapshot_used *from);

/* Was a thread on a CPU for so much of an interval that it may have been what limited the rate? As
 * the warning client-saturated has it of a whole test. */
bool snapshot_saturated(const struct snapshot_used *used, uint64_t length_ns);

/* As members of an object: CPU time of an interval of this length, of so many threads, in which so
 * many requests were answered. */
void snapshot_write(struct writer *json, const struct snapshot_used *used, uint64_t length_ns,
                    unsigned threads, uint64_t requests);
