/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two servers measured in turn (--vs): collects the pairs of a test and says how B compares with A.
 *
 *   pair   1    2    3    4         which side goes first alternates, so that what drifts is in
 *         A B  B A  A B  B A        both sides alike
 */
#pragma once

#include "client/loadgen/comparison.h"

struct versus_pair {
    double a[METRIC_COUNT], b[METRIC_COUNT];
};

struct versus {
    const struct workload *workload;
    double threshold; /* a change up to this does not matter: 0.05 is 5 % */
    size_t asked;     /* pairs there should be */
    struct versus_pair *pairs;
    size_t n, capacity;
    struct result *a, *b; /* all runs of a side together */
};

/* 0 or ERR_OUT_OF_MEMORY; versus_deinit is due either way. */
MUST_USE int versus_init(struct versus *versus, const struct workload *workload, size_t asked,
                         double threshold);
void versus_deinit(struct versus *versus);

/* Does B go first in the pair of this number? */
bool versus_b_first(size_t pair);

/* Add a pair: one run of each side. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int versus_add(struct versus *versus, const struct result *a, const struct result *b);

/* Compare a figure. 0; ERR_NOT_FOUND if it is not known of every run; ERR_OUT_OF_MEMORY. */
MUST_USE int versus_compare(const struct versus *versus, enum metric_id metric,
                            struct comparison *out);

enum versus_outcome {
    VERSUS_UNKNOWN, /* nothing could be judged */
    VERSUS_FINE,    /* no figure of B that counts is worse */
    VERSUS_WORSE,
};

enum versus_outcome versus_outcome(const struct versus *versus);

/* All figures that are known, as a table; `a` and `b` say what the sides are. */
void versus_print(FILE *out, const struct versus *versus, const char *a, const char *b);

/* The same on one line: throughput and p99. */
void versus_print_line(FILE *out, const struct versus *versus);

/* The member "versus" of the report, of n tests (docs/loadgen-json.md). */
void versus_write(struct writer *json, const struct versus *versus, size_t n);

/* The member "runs" of the result of a side: the figures of each. */
void versus_write_runs(struct writer *json, const struct versus *versus, bool of_b);
