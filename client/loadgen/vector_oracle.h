/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What searches should find, worked out by looking at every vector, before anything is timed.
 *
 * Of a query only the distance of the k-th nearest vector is kept: whatever is no farther counts as
 * found, also one of several that are equally far, within a thousandth. So ties, and the rounding
 * of other kernels, are no mistakes.
 */
#pragma once

#include "client/loadgen/vector_set.h"

struct vector_oracle {
    uint64_t every;    /* queries 0, every, 2 * every ... are known */
    uint64_t n;        /* so many */
    uint64_t expected; /* how many vectors each should find: k, or all that match if fewer */
    double *farthest;  /* vector_distance of the last of them, of query i * every */
};

/* What is asked of it. */
struct vector_question {
    uint64_t k;      /* how many a search should find */
    uint64_t reach;  /* only the first so many queries will be used; more than there are: all */
    uint64_t sample; /* of these so many are looked at; 0: all */
};

/* 0 or ERR_OUT_OF_MEMORY; vector_oracle_deinit is due either way. */
MUST_USE int vector_oracle_make(struct vector_oracle *oracle, const struct vector_set *set,
                                const struct vector_question *question, unsigned threads);
void vector_oracle_deinit(struct vector_oracle *oracle);

/* Is this query one of those that are known? */
static inline bool vector_oracle_knows(const struct vector_oracle *oracle, uint64_t query)
{
    return oracle->n > 0 && query % oracle->every == 0 && query / oracle->every < oracle->n;
}

/* Is a vector at this distance from a known query one of those to be found? */
bool vector_oracle_counts(const struct vector_oracle *oracle, uint64_t query, double distance);
