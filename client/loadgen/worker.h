/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A worker: one thread with its connections, which sends a share of the requests of a phase, takes
 * the replies and records them. Workers share nothing but what is constant.
 *
 * Life: init; worker_add for each connection; for each phase prepare and run; deinit.
 */
#pragma once

#include "client/loadgen/conn.h"
#include "client/loadgen/cpu.h"
#include "client/loadgen/failure.h"
#include "client/loadgen/phase.h"
#include "client/loadgen/schedule.h"
#include "client/loadgen/target.h"
#include "client/loadgen/vector_recall.h"
#include "common/hist.h"

#include <stdatomic.h>

/* What a worker has counted in this phase. While it runs, others read with worker_load. */
struct worker_counts {
    uint64_t errors; /* replies that are errors; not in the histograms */
    uint64_t hits, misses;
    uint64_t bytes_in, bytes_out;
    uint64_t unanswered; /* in flight when the worker gave up; in the latencies with their age */
    uint64_t unsent;     /* due, but not sent within the time to drain; the same */
    uint64_t dropped;    /* due when no connection was free, and not sent: in no latency */
    uint64_t corrupt;    /* values read that cannot have been written; they are hits as well */
    uint64_t checked;    /* values of which that was looked at */
    uint64_t followed;   /* of these and of misses, those of keys with a history */
    uint64_t stale;      /* of these, what had been overwritten before it was asked for */
};

/* The same of one kind of request. */
struct worker_kind {
    uint64_t errors, hits, misses;
};

/* Where the time of a kind of request went, in ns: besides the response time, which is in
 * worker.latency. */
struct worker_times {
    struct hist service;    /* from sending to the reply; open loop only */
    struct hist first_byte; /* from sending to the first byte of the reply */
    struct hist slip; /* from the intended start to sending, or until no connection was free */
};

void worker_times_init(struct worker_times *times);
void worker_times_merge(struct worker_times *into, const struct worker_times *from);

enum { WORKER_ERROR_SIZE = 200, WORKER_INPUT_BYTES = 256 * 1024 };

struct worker {
    unsigned index; /* among the threads of the run */
    int epoll_fd;
    struct conn *conns;
    unsigned n_conns, conns_capacity;
    unsigned n_used;       /* the first of them */
    uint64_t next_step_ns; /* since `started`: when more are */
    struct conn **queue;   /* connections with requests to be sent this turn */
    unsigned n_queue, next_conn;
    struct conn **thinking; /* a heap: client/loadgen/worker_think.c */
    unsigned n_thinking;
    uint8_t *input;              /* what one recv takes: WORKER_INPUT_BYTES */
    const struct target *target; /* for phases that reconnect */

    const struct phase *phase;
    const atomic_bool *stop;
    uint64_t next_index, end_index; /* of the stream: this thread takes every threads-th */
    uint64_t in_flight;
    struct schedule schedule; /* open loop only */
    struct buf acks;          /* acknowledgements not written yet */
    struct vector_kept kept;  /* replies to searches, to be looked at when all is over */
    uint64_t due_ns;          /* of request next_index, since `started` */
    double ticks_per_ns;
    bool late; /* the request that is due next has waited for a free connection */
    uint64_t full_since, full_until; /* clock_ticks: when last no connection was free */
    uint64_t horizon;    /* of a stream that grows: requests of all threads below it are answered */
    unsigned mark_turns; /* since it was worked out */

    /* Stamps, in clock_ticks. */
    uint64_t started; /* set before an open loop, so that all workers agree; else 0 */
    uint64_t last_reply;
    uint64_t quiet_since; /* nothing has come since, though something was in flight */

    /* For worker_cpu_ns. */
    atomic_int cpu_clock; /* of the thread that runs it; 0: none does */
    uint64_t cpu_begin_ns;
    atomic_uint_least64_t cpu_ns; /* of the phase, when it has returned */

    /* Results. Others may read counts, latency and times (hist_merge) while the worker runs, the
     * rest when it has returned. */
    struct worker_counts counts;
    struct worker_kind kinds[WORKLOAD_SHAPES];
    struct hist latency[WORKLOAD_ROWS]; /* ns from the intended start to the reply; of a step, from
                                         * when it was sent */
    struct worker_times times[WORKLOAD_SHAPES];
    uint64_t replies; /* all of them; each step of a sequence is one */
    uint64_t digest;  /* of the requests; see phase_digest */
    struct cpu_thread cpu;
    char first_error[WORKER_ERROR_SIZE];   /* "" if there was none */
    char first_corrupt[WORKER_ERROR_SIZE]; /* the same */
    char first_stale[WORKER_ERROR_SIZE];   /* the same */
    struct failure failure;
};

/* Room for this many connections. 0, or ERR_OUT_OF_MEMORY, ERR_IO; deinit is due either way. */
MUST_USE int worker_init(struct worker *worker, unsigned index, unsigned connections);
void worker_deinit(struct worker *worker);

/* Add a connection; the socket belongs to the worker on success. 0 or ERR_OUT_OF_MEMORY, ERR_IO. */
MUST_USE int worker_add(struct worker *worker, int fd, unsigned window);

/* Get ready: forget the results of the last phase, reserve memory. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int worker_prepare(struct worker *worker, const struct phase *phase,
                            const atomic_bool *stop);

/* Do the phase, in this thread. Returns when all is done, when *stop is set or the time is over and
 * what was in flight has been answered, or with worker->failure. */
void worker_run(struct worker *worker);

/* CPU time that its thread has had of the phase, user and system. Others may ask while it runs. */
uint64_t worker_cpu_ns(const struct worker *worker);

/* Add to a count that others may read. */
static inline void worker_count(uint64_t *count, uint64_t n)
{
    __atomic_store_n(count, *count + n, __ATOMIC_RELAXED);
}

/* A count of a worker that may be running. */
static inline uint64_t worker_load(const uint64_t *count)
{
    return __atomic_load_n(count, __ATOMIC_RELAXED);
}
