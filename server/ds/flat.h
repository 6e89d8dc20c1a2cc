/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Exact search: every row is looked at.
 *
 * Any thread; see rows.h for who may write meanwhile. Nothing allocates, nothing fails.
 */
#pragma once

#include "server/ds/rows.h"
#include "server/ds/topk.h"

/* Is this item wanted? Asked only of rows whose distance would be taken, or of all if
 * filter_first. */
typedef bool (*flat_accept_fn)(void *context, const void *item);

struct flat_search {
    const struct rows_query *query;
    float within;          /* distances above this do not count; INFINITY: all do */
    flat_accept_fn accept; /* NULL: all */
    void *context;
    bool filter_first; /* ask before computing the distance: few are wanted */
    struct topk *topk; /* in and out: may hold hits already */
    uint64_t scanned;  /* out: distances computed, added up */
    uint64_t asked;    /* out: calls of accept, added up */
};

/* Slots from..to-1 that are alive (free ones are not). In full precision (rows_distance). */
void flat_scan(const struct rows *rows, struct flat_search *search, uint32_t from, uint32_t to);

/* These slots, in any order; a slot that is in topk already is not taken twice. */
void flat_scan_slots(const struct rows *rows, struct flat_search *search, const uint32_t *slots,
                     size_t n);

/* Several queries over the same rows share a pass: each search has its own query and topk. */
void flat_scan_many(const struct rows *rows, struct flat_search *searches, size_t n_searches,
                    uint32_t from, uint32_t to);
