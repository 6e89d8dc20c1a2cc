/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Statistics of repeated measurements: median, spread, and the ratio of two sides with a bootstrap
 * confidence interval.
 *
 * The unit is a run (or an interval of one), never a request: requests of the same run resemble
 * each other, so that an interval over them would be far too narrow.
 */
#pragma once

#include "common/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STATS_RESAMPLES = 10000, STATS_RUNS_MIN = 5 };

/* The median; `values` are sorted by this. 0 if there are none. */
double stats_median(double *values, size_t n);

double stats_mean(const double *values, size_t n);

/* Standard deviation of the sample divided by its mean; 0 for fewer than two values. */
double stats_cv(const double *values, size_t n);

/* Runs of the same. */
struct stats_spread {
    size_t runs;
    double median, cv;
    double low, high; /* 95 % confidence interval of the median; of fewer than STATS_RUNS_MIN runs
                       * both are the median */
};

/* Values must be finite and above 0. 0, ERR_BAD_ARGUMENT or ERR_OUT_OF_MEMORY. */
MUST_USE int stats_spread_of(const double *values, size_t n, uint64_t seed,
                             struct stats_spread *out);

/* How side B compares with side A. */
struct stats_ratio {
    size_t runs;       /* of the side that has fewer */
    double a, b;       /* medians */
    double a_cv, b_cv; /* coefficients of variation */
    double ratio;      /* of B to A */
    double low, high;  /* 95 % confidence interval; both are `ratio` if there is but one run */
};

/* Of pairs taken in turn: the median of the ratios of each pair, so that what changed slowly in
 * between is in both sides of a ratio. Pairs are resampled. Values must be finite and above 0.
 * 0, ERR_BAD_ARGUMENT or ERR_OUT_OF_MEMORY. */
MUST_USE int stats_ratio_of_pairs(const double *a, const double *b, size_t n, uint64_t seed,
                                  struct stats_ratio *out);

/* Of runs that were not taken in turn: the ratio of the medians; each side is resampled alone. */
MUST_USE int stats_ratio_of_groups(const double *a, size_t n_a, const double *b, size_t n_b,
                                   uint64_t seed, struct stats_ratio *out);

enum stats_verdict {
    STATS_TOO_FEW,       /* fewer than STATS_RUNS_MIN runs: an interval would promise too much */
    STATS_NO_DIFFERENCE, /* none shown; there may be one below stats_visible */
    STATS_UNSTABLE,      /* runs of the same side differ about as much as the sides do */
    STATS_BETTER,
    STATS_WORSE,
};

/* A side varies from run to run by more than this (coefficient of variation). */
#define STATS_CV_MAX 0.1

bool stats_is_unstable(const struct stats_ratio *ratio);

/* The interval must exclude 1, and the ratio must differ from 1 by more than the threshold (0.05
 * for 5 %). If a side is unstable, the interval must lie clear of how much it varies. */
enum stats_verdict stats_judge(const struct stats_ratio *ratio, bool higher_is_better,
                               double threshold);

/* The smallest change that these runs would have shown: half the width of the interval, or the
 * threshold if that is larger. */
double stats_visible(const struct stats_ratio *ratio, double threshold);

const char *stats_verdict_text(enum stats_verdict verdict);
