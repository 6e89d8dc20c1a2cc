/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Counters and latencies of one event loop. Each loop counts its own, without locks; whoever wants
 * the sum reads all of them (stats_merge) and may be a little behind.
 */
#pragma once

#include "common/hist.h"
#include "proto/op.h"

#include <stdint.h>

enum stats_metric {
#define METRIC(name, type, unit, text) METRIC_##name,
#include "server/ops/metrics.def"
    STATS_METRICS
};

/* Every call is timed (dispatch.c), but to add each time to a histogram would cost a cheap
 * operation 1.5 % more instructions, so of those with the flag KEYED one in STATS_SAMPLE is added.
 */
enum { STATS_SAMPLE = 16 };

struct op_stats {
    uint64_t count, errors;
    _Atomic(struct hist *) latency; /* nanoseconds of execution; made at the first call */
};

struct stats {
    unsigned until_sample;           /* KEYED calls until the next that is sampled */
    uint64_t counter[STATS_METRICS]; /* gauges are not kept here */
    struct op_stats op[OP_COUNT];
};

/* Add to a counter of one's own loop. */
static inline void stats_add(struct stats *stats, enum stats_metric metric, uint64_t n)
{
    __atomic_store_n(&stats->counter[metric], stats->counter[metric] + n, __ATOMIC_RELAXED);
}

/* Is the time of this call to be added? */
static inline bool stats_is_sampled(struct stats *stats, const struct op *op)
{
    if ((op->flags & OP_KEYED) && stats->until_sample > 0) {
        stats->until_sample--;
        return false;
    }
    stats->until_sample = STATS_SAMPLE - 1;
    return true;
}

/* A call was answered; and, if it is sampled, how long it took. */
void stats_count(struct stats *stats, enum op_id op, bool failed);
void stats_time(struct stats *stats, enum op_id op, uint64_t ns);

/* Add up. `into` is the caller's alone and starts as all zero; histograms are made as needed (one
 * that cannot be had for lack of memory is left out). */
void stats_merge(struct stats *into, const struct stats *from);

/* Release the histograms. */
void stats_deinit(struct stats *stats);
