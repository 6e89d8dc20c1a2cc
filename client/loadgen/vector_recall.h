/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How much searches found. While a test runs, the replies to the queries that the oracle knows are
 * kept as they came, which costs a copy; they are looked at when it is over.
 */
#pragma once

#include "client/loadgen/vector_plan.h"
#include "common/buf.h"

/* Replies of one thread. All zero: nothing is kept. */
struct vector_kept {
    struct buf bytes;
};

/* Of all searches that were looked at. */
struct vector_recall {
    uint64_t scored;      /* searches; 0: nothing was looked at */
    uint64_t k;           /* vectors each should find */
    uint64_t few;         /* searches that found fewer, though there are as many */
    uint64_t wrong;       /* results that are no vector stored, do not match or come twice */
    double mean, min, p5; /* share of what should be found, 0..1; p5: 5 % found less or as much */
    uint64_t ef;
    size_t dim;
    uint64_t vectors;
    double selectivity;
};

/* Make room, and forget what was kept. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int vector_kept_prepare(struct vector_kept *kept, const struct vector_plan *plan,
                                 bool many);
void vector_kept_deinit(struct vector_kept *kept);

/* The result of request number `index` has come: keep it if the oracle knows its query, and it is
 * the first request for it. */
void vector_kept_add(struct vector_kept *kept, const struct vector_plan *plan, uint64_t index,
                     bool many, struct bytes result);

/* Look at all that threads have kept. Without memory nothing is scored. */
void vector_recall_score(const struct vector_plan *plan, const struct vector_kept *const *kept,
                         size_t n, struct vector_recall *out);

/* Several runs: the mean of all, the worst minimum and percentile. */
void vector_recall_merge(struct vector_recall *into, const struct vector_recall *from);
