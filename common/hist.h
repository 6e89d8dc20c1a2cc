/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Histogram of durations in nanoseconds: log-linear buckets (HdrHistogram's scheme, G. Tene) with
 * 128 buckets to an octave, so that a reported value is at most 0.8 % above the recorded one.
 * Minimum, maximum and sum are exact. About 35 KiB. Values above 2^41 ns (36 min) count in the last
 * bucket.
 */
#pragma once

#include <stdint.h>

enum {
    HIST_SUB_BITS = 7,
    HIST_TOP_BITS = 41,
    HIST_BUCKETS = (HIST_TOP_BITS - HIST_SUB_BITS + 1) << HIST_SUB_BITS,
};

struct hist {
    uint64_t count, sum, min, max;
    uint64_t bucket[HIST_BUCKETS];
};

void hist_init(struct hist *hist);

/* Record one value, or n equal values. */
void hist_add(struct hist *hist, uint64_t value);
void hist_add_n(struct hist *hist, uint64_t value, uint64_t n);

/* Add all of `from` to `into`. */
void hist_merge(struct hist *into, const struct hist *from);

/* The value below or at which a fraction q (0..1) of all lies: the upper bound of its bucket, never
 * above max; 0 if empty. */
uint64_t hist_quantile(const struct hist *hist, double q);

/* Arithmetic mean; 0 if empty. */
double hist_mean(const struct hist *hist);

/* The largest value that falls into a bucket. */
uint64_t hist_bucket_top(unsigned index);
