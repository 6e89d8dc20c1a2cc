/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Counting calls and their latencies.
 *
 * Histograms are made when an operation is first called, so that an idle server stays small. All
 * fields are written by their loop alone and read by others as relaxed atomics.
 *
 * Threads: one writer, any reader through stats_merge.
 * Failures: without memory for a histogram latencies are not kept; counts are.
 */
#include "server/ops/stats.h"

#include "common/mem.h"

#include <stdatomic.h>

static struct hist *stats_hist(struct op_stats *op)
{
    struct hist *hist = atomic_load_explicit(&op->latency, memory_order_relaxed);
    if (__builtin_expect(hist == NULL, 0) && (hist = mem_alloc(sizeof *hist)) != NULL) {
        hist_init(hist);
        atomic_store_explicit(&op->latency, hist, memory_order_release);
    }
    return hist;
}

void stats_count(struct stats *stats, enum op_id op, bool failed)
{
    struct op_stats *row = &stats->op[op];
    stats_add(stats, METRIC_requests, 1);
    __atomic_store_n(&row->count, row->count + 1, __ATOMIC_RELAXED);
    if (failed) {
        stats_add(stats, METRIC_errors, 1);
        __atomic_store_n(&row->errors, row->errors + 1, __ATOMIC_RELAXED);
    }
}

void stats_time(struct stats *stats, enum op_id op, uint64_t ns)
{
    struct hist *hist = stats_hist(&stats->op[op]);
    if (hist != NULL)
        hist_add(hist, ns);
}

void stats_merge(struct stats *into, const struct stats *from)
{
    for (unsigned i = 0; i < STATS_METRICS; i++)
        into->counter[i] += __atomic_load_n(&from->counter[i], __ATOMIC_RELAXED);
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct hist *hist = atomic_load_explicit(&from->op[i].latency, memory_order_acquire);
        into->op[i].count += __atomic_load_n(&from->op[i].count, __ATOMIC_RELAXED);
        into->op[i].errors += __atomic_load_n(&from->op[i].errors, __ATOMIC_RELAXED);
        if (hist != NULL && stats_hist(&into->op[i]) != NULL)
            hist_merge(stats_hist(&into->op[i]), hist);
    }
}

void stats_deinit(struct stats *stats)
{
    for (unsigned i = 0; i < OP_COUNT; i++)
        mem_free(atomic_exchange(&stats->op[i].latency, NULL));
}
