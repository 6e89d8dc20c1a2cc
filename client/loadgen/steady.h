/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether a load has become steady, and whether its figures are known well enough: what ends a
 * warm-up (--warmup auto) and a test (--until-ci) before its time. All decisions are functions of
 * what was measured so far.
 *
 *   steady    the later half of the intervals, at least ten, has no trend: the straight line
 *             through their rates, and through their medians, rises or falls by 5 % at most, or by
 *             no more than chance makes, which must be less than 20 %
 *   precise   the intervals so far, in ten batches one behind the other, differ so little that the
 *             95 % confidence interval of their mean is as narrow as was asked for
 *
 * Batches, and not intervals, as neighbours resemble each other: an interval over them would be too
 * narrow. It is looked at each time ten intervals have come, not after every one, as whoever looks
 * often enough finds a lucky moment.
 */
#pragma once

#include "client/loadgen/series.h"

enum { STEADY_WINDOW = 10, STEADY_BATCHES = 10, STEADY_BATCH_REQUESTS = 1000 };

#define STEADY_DRIFT 0.05
#define STEADY_NOISE 0.2

/* What is asked for. All zero: nothing, the phase takes its time. */
struct steady_rules {
    bool until_steady;
    double rate, p99; /* half widths of their confidence intervals, relative; 0: not asked for */
};

/* A straight line through values: from the first to the last, relative to their mean. */
struct steady_trend {
    double drift;
    double noise; /* half width of its 95 % confidence interval */
};

/* What was found. */
struct steady {
    struct steady_rules rules;
    bool enough;        /* what was asked for is there */
    uint64_t after_ns;  /* from the begin of the phase until it was, or until now */
    unsigned intervals; /* that there were */
    bool has_trends;    /* there are enough for trends */
    bool has_rate;      /* and for batches */
    bool has_p99;       /* with enough requests in them */
    double rate, p99;   /* half widths, relative */
    struct steady_trend rate_trend, median_trend;
};

bool steady_asked(const struct steady_rules *rules);

/* Look at what there is, as if it were time to. */
struct steady steady_judge(const struct steady_rules *rules, const struct series *series);

/* The same while a phase runs; it is not enough before it is time to look. */
struct steady steady_look(const struct steady_rules *rules, const struct series *series);

/* ---- parts ---- */

/* Of n values (at least 3) in order; their mean must be above 0. */
struct steady_trend steady_trend(const double *values, unsigned n);
bool steady_is_flat(const struct steady_trend *trend);

/* Half width of the 95 % confidence interval of the mean of these values, relative to it. */
double steady_half_width(const double values[static STEADY_BATCHES]);
