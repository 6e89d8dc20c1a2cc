/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Adds and reads small histograms.
 *
 * How: a cell is a few neighbouring buckets of common/hist.h.
 *
 * Invariants: count is the sum of the cells.
 * Threads: any; no state. Failures: none.
 */
#include "client/loadgen/cells.h"

void cells_add(struct cells *into, const struct hist *now, const struct hist *before)
{
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        uint64_t n = now->bucket[i] - before->bucket[i];
        uint64_t top = hist_bucket_top(i) < now->max ? hist_bucket_top(i) : now->max;
        into->cell[i / CELLS_WIDTH] += (uint32_t)n;
        into->count += n;
        if (n > 0 && top > into->max_ns)
            into->max_ns = top;
    }
}

void cells_merge(struct cells *into, const struct cells *from)
{
    into->count += from->count;
    into->max_ns = from->max_ns > into->max_ns ? from->max_ns : into->max_ns;
    for (unsigned i = 0; i < CELLS; i++)
        into->cell[i] += from->cell[i];
}

uint64_t cells_quantile(const struct cells *cells, double q)
{
    double wanted = q * (double)cells->count;
    uint64_t seen = 0;
    for (unsigned i = 0; i < CELLS && cells->count > 0; i++) {
        uint64_t top = hist_bucket_top(i * CELLS_WIDTH + CELLS_WIDTH - 1);
        seen += cells->cell[i];
        if (seen > 0 && (double)seen >= wanted)
            return top < cells->max_ns ? top : cells->max_ns;
    }
    return cells->max_ns;
}
