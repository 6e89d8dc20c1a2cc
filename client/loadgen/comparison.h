/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One figure of a test on two sides: how it is judged, printed and written. Made by
 * client/loadgen/versus.c from pairs of runs and by client/loadgen/compare.c from files.
 */
#pragma once

#include "client/loadgen/metric.h"
#include "client/loadgen/stats.h"
#include "client/loadgen/writer.h"

#define COMPARISON_THRESHOLD 0.05  /* a change that matters */
#define COMPARISON_UNSTABLE  0.1   /* coefficient of variation of a side that should be told */
#define COMPARISON_SEED      20240 /* of the resampling: the same files give the same table */

struct comparison {
    enum metric_id metric;
    struct stats_ratio ratio;
    enum stats_verdict verdict;
    double visible; /* the smallest change that would have been shown */
};

/* The verdict about *ratio. */
struct comparison comparison_make(enum metric_id metric, const struct stats_ratio *ratio,
                                  double threshold);

/* Does a side vary more than it should from sample to sample? */
bool comparison_is_unstable(const struct comparison *comparison);

/* Does it count for the exit code? */
bool comparison_is_regression(const struct comparison *comparison);

/* A table: its head, where A and B are called something, then a line for each comparison. */
void comparison_print_head(FILE *out, const char *a, const char *b);
void comparison_print(FILE *out, const struct comparison *comparison);

/* The members of an object; open and close it around. */
void comparison_write(struct writer *json, const struct comparison *comparison);

/* The verdict with what it takes to read it: "no difference shown (6 % would have been)". */
enum { COMPARISON_TEXT_SIZE = 96 };
void comparison_text(const struct comparison *comparison,
                     char out_text[static COMPARISON_TEXT_SIZE]);
