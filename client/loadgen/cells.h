/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A small histogram of durations, for intervals of which hundreds are kept: 16 steps to each
 * doubling, about 1.1 KiB. What it says is at most 6.3 % above the truth.
 */
#pragma once

#include "common/hist.h"

enum {
    CELLS_WIDTH = 1 << (HIST_SUB_BITS - 4), /* buckets of a histogram to a cell */
    CELLS = HIST_BUCKETS / CELLS_WIDTH,
};

/* All zero: nothing. */
struct cells {
    uint64_t count;
    uint64_t max_ns; /* as exact as a bucket of the histogram */
    uint32_t cell[CELLS];
};

/* Add what a histogram has more than it had before. */
void cells_add(struct cells *into, const struct hist *now, const struct hist *before);

/* Add all of `from`. */
void cells_merge(struct cells *into, const struct cells *from);

/* As hist_quantile. */
uint64_t cells_quantile(const struct cells *cells, double q);
