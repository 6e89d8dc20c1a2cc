/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Draws from Zipf's distribution: rank r of 1..n comes with a probability proportional to r^-s.
 * Exact for any s > 0, 1 included, and any n; no table.
 */
#pragma once

#include "common/rng.h"

struct zipf {
    uint64_t n;
    double s;
    double h_first, h_last; /* integral of the hat at 1.5, less 1, and at n + 0.5 */
    double accept;          /* a candidate so close to its rank needs no further test */
};

/* n >= 1, s > 0. */
void zipf_init(struct zipf *zipf, uint64_t n, double s);

/* A rank, less 1: 0..n-1, of which 0 is the most frequent. */
uint64_t zipf_draw(const struct zipf *zipf, struct rng *rng);
