/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two servers measured in turn (--vs): collects the pairs of a test and says how B compares with A.
 * Which side goes first should alternate: A B, B A, A B ...
 */
#pragma once

#include "client/loadgen/comparison.h"

struct versus_pair {
    double a[METRIC_COUNT], b[METRIC_COUNT];
};

struct versus {
    const struct workload *workload;
    struct versus_pair *pairs;
    size_t n, capacity;
};

void versus_init(struct versus *versus, const struct workload *workload);
void versus_deinit(struct versus *versus);

/* Add a pair: one run of each side. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int versus_add(struct versus *versus, const struct result *a, const struct result *b);

/* Compare a figure. 0; ERR_NOT_FOUND if it is not known of every run; ERR_OUT_OF_MEMORY. */
MUST_USE int versus_compare(const struct versus *versus, enum metric_id metric, double threshold,
                            struct comparison *out);

/* All figures that are known, as a table with the names of the sides. */
void versus_print(FILE *out, const struct versus *versus, const char *a, const char *b);

/* The same as elements of the array "comparison" (docs/loadgen-json.md). */
void versus_write(struct writer *json, const struct versus *versus);
