/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The search for the knee (--knee): the highest rate at which a server still keeps its objective.
 *
 *   maximum   the rate of a closed loop, as a scale
 *   grid      5, 10, 20 ... 105 % of it, until two rates in turn were not kept
 *   bisect    between the last rate that was kept and the first that was not, to 2 %
 *   confirm   three longer runs at what was found; if two of them fail, bisect below it
 *
 * All decisions are functions of what was measured so far: nothing here measures or waits.
 *
 * A rate is kept if 99 % of it was done, the quantile of the response time meets the objective and
 * nothing failed. A rate that is not kept while loadgen itself was short of CPU says nothing about
 * the server: the knee is then "at least" what was kept. (A rate that is kept nevertheless is kept:
 * what loadgen adds is in the latencies.)
 */
#pragma once

#include "client/loadgen/result.h"

enum { KNEE_POINTS_MAX = 64, KNEE_RUNS = 3 };

struct knee_rules {
    double quantile; /* of the response time: 0.99 */
    double slo_ns;   /* it must be at most; 0: twice what it is at the lowest rate */
    uint64_t window_ns;
    bool poisson; /* arrivals may be fewer by chance */
};

enum knee_phase { KNEE_MAXIMUM, KNEE_GRID, KNEE_BISECT, KNEE_CONFIRM, KNEE_DONE };

/* What to measure next. */
struct knee_step {
    enum knee_phase phase;
    double rate; /* requests a second; 0: closed loop */
    uint64_t duration_ns;
};

/* What was measured. */
struct knee_point {
    enum knee_phase phase;
    double offered, achieved; /* requests a second; offered 0: closed loop, else the upper bound */
    double chance;            /* share of the rate that may be missing by chance */
    double latency_ns;        /* at the quantile of the objective */
    double median_ns, p99_ns, p999_ns;
    double slip_ns;       /* p99 of how late loadgen sent */
    double busy, waiting; /* of its busiest thread; of all, waiting for a CPU; shares of the time */
    uint64_t errors;
};

struct knee {
    const struct workload *workload;
    struct knee_rules rules;
    struct knee_point points[KNEE_POINTS_MAX]; /* in the order in which they were measured */
    size_t n;
};

enum knee_verdict {
    KNEE_KEPT,
    KNEE_TOO_FEW,  /* less than 99 % of the rate */
    KNEE_TOO_SLOW, /* the objective was missed */
    KNEE_FAILED,   /* requests were refused */
    KNEE_CLIENT,   /* not kept, but loadgen was short of CPU */
};

enum knee_outcome {
    KNEE_UNFINISHED,
    KNEE_FOUND,
    KNEE_CLIENT_LIMITED, /* at least this: above it loadgen was short of CPU */
    KNEE_BEYOND,         /* at least this: all rates of the grid were kept */
    KNEE_NOWHERE,        /* not even the lowest rate was kept */
    KNEE_UNCONFIRMED,    /* what was found was not kept again */
};

struct knee_span {
    double median, low, high;
};

struct knee_answer {
    enum knee_outcome outcome;
    double rate;                 /* the knee; 0 if there is none */
    struct knee_span achieved;   /* of the confirming runs */
    struct knee_span latency_ns; /* the same, at the quantile of the objective */
};

/* "p99=5ms" or "p99.9=2ms". False: it is something else. */
MUST_USE bool knee_parse_slo(const char *text, struct knee_rules *rules);

/* A measurement of this step; `threads` is how many loadgen had. */
struct knee_point knee_point_of(const struct knee_rules *rules, const struct knee_step *step,
                                const struct result *result, unsigned threads);

/* The latency that must be kept, in ns; 0: not known before the lowest rate was measured. */
double knee_objective_ns(const struct knee *knee);

enum knee_verdict knee_judge(const struct knee *knee, const struct knee_point *point);
const char *knee_verdict_text(enum knee_verdict verdict);

/* What to do next, after all points so far. */
struct knee_step knee_next(const struct knee *knee);

/* What has come of it. */
struct knee_answer knee_answer(const struct knee *knee);
const char *knee_outcome_text(enum knee_outcome outcome); /* the word in the JSON */
