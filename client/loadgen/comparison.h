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

/* Does the verdict say anything? */
bool comparison_is_judged(const struct comparison *comparison);

/* Does it count for the exit code? */
bool comparison_is_regression(const struct comparison *comparison);

/* A table: its head, where A and B are called something, then a line for each comparison. */
void comparison_print_head(FILE *out, const char *a, const char *b);
void comparison_print(FILE *out, const struct comparison *comparison);

/* The members of an object; open and close it around. */
void comparison_write(struct writer *json, const struct comparison *comparison);

/* The verdict with what it takes to read it: "no difference shown (could have seen >= 6 %)". */
enum { COMPARISON_TEXT_SIZE = 96 };
void comparison_text(const struct comparison *comparison,
                     char out_text[static COMPARISON_TEXT_SIZE]);
