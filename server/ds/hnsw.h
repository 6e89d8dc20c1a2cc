/* SPDX-License-Identifier: BSD-3-Clause
 *
 * HNSW: a graph over rows in which a greedy walk finds near neighbours (Malkov, Yashunin: Efficient
 * and robust approximate nearest neighbor search using Hierarchical Navigable Small World graphs,
 * TPAMI 2020); neighbours are chosen by its heuristic (algorithm 4).
 *
 *   slot --> links of level 0: count, up to 2M slots        in chunks like those of rows
 *        --> links of levels 1..top: count, up to M each     one block, if the level is above 0
 *
 * Threads: any number search (hnsw_search), insert (hnsw_insert) and help to mend (hnsw_mend_help)
 * at the same time, and one leads in mending (hnsw_mend_*). Links are atomics; a list that changes
 * under a reader gives it some of the old and some of the new, all of them slots that were valid
 * when the reader began. So what must not happen while anybody is in here is that a slot is used
 * again: hnsw_mend_begin, hnsw_mend_end, rows_free and hnsw_drop are for the time when nobody else
 * is (the caller's lock).
 *
 * Deleting: rows_kill hides a row at once; the walk still passes through it. A mending round gives
 * every row that links to dead ones other links in their place; then they are unlinked.
 *
 * Failures: memory, before anything has changed.
 */
#pragma once

#include "server/ds/rows.h"
#include "server/ds/topk.h"

enum {
    HNSW_M_MIN = 2,
    HNSW_M_MAX = 128,
    HNSW_EF_MAX = 100000,
    HNSW_LEVEL_MAX = 16,
};

struct hnsw;
struct hnsw_scratch; /* what a thread needs to search and insert; grows, belongs to one at a time */

/* NULL without memory. `rows` must outlive it. */
struct hnsw *hnsw_create(struct rows *rows, unsigned m, unsigned ef_construction) MUST_USE;
void hnsw_destroy(struct hnsw *hnsw);

struct hnsw_scratch *hnsw_scratch_create(void) MUST_USE;
void hnsw_scratch_destroy(struct hnsw_scratch *scratch);

/* The level of a new row: from 64 random bits (a hash of its key), geometric with factor 1/ln M. */
unsigned hnsw_level(const struct hnsw *hnsw, uint64_t random);

/* Links for slots below `n_slots` exist afterwards. One thread at a time, others may search. 0 or
 * ERR_OUT_OF_MEMORY. */
MUST_USE int hnsw_reserve(struct hnsw *hnsw, uint32_t n_slots);

/* Link a row in state ROW_TAIL; it is ROW_LINKED then. It may die meanwhile. 0 or
 * ERR_OUT_OF_MEMORY. */
MUST_USE int hnsw_insert(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t slot,
                         unsigned level);

typedef bool (*hnsw_accept_fn)(void *context, const void *item);

struct hnsw_search {
    const struct rows_query *query;
    size_t ef;             /* at least topk->k; candidates kept while walking */
    float within;          /* distances above this do not count; INFINITY: all do */
    hnsw_accept_fn accept; /* NULL: all. What it refuses is walked through, but no candidate */
    void *context;
    uint64_t visits_max; /* give up behind so many distances; UINT64_MAX: never */
    struct topk *topk;   /* in and out; distances are in full precision */
    uint64_t scanned;    /* out: distances computed */
    bool gave_up;        /* out */
};

/* 0 or ERR_OUT_OF_MEMORY. With int8 the walk goes by codes, and the candidates (ef) are ranked
 * again in full precision. */
MUST_USE int hnsw_search(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                         struct hnsw_search *search);

/* ---- mending ---- */

/* Linked rows, dead ones included. */
uint32_t hnsw_count(const struct hnsw *hnsw);

/* Begin a round: exactly the rows that are dead and linked now will be unlinked by it. Nobody else
 * is in here. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int hnsw_mend_begin(struct hnsw *hnsw);

/* Mend up to `budget` rows; *out_done: all are. Others may search and insert, which take no link to
 * a row that is to go. 0 or ERR_OUT_OF_MEMORY (then call it again later). */
MUST_USE int hnsw_mend_step(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t budget,
                            bool *out_done);

/* Mend up to `budget` rows beside who leads, if there is a round and any are left. What there is no
 * memory for is left to the leader. */
void hnsw_mend_help(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t budget);

/* How many rows of how many this round has still to look at. Any thread, at any time. */
void hnsw_mend_left(const struct hnsw *hnsw, uint32_t *out_left, uint32_t *out_of);

/* End a round that is done, or give it up: calls `gone` for each row that nothing links to any more
 * (its state is ROW_TAIL again, and it is dead; the caller frees it). Nobody else is in here. */
void hnsw_mend_end(struct hnsw *hnsw, void (*gone)(void *context, uint32_t slot), void *context);

size_t hnsw_bytes(const struct hnsw *hnsw);

/* ---- saving and loading ---- */

/* The links of a linked row: of each level 0..*out_level a count in out_counts and the slots, one
 * after the other, in out_links (room for 2M + level * M). False if it is not linked. */
bool hnsw_read(const struct hnsw *hnsw, uint32_t slot, unsigned *out_level, uint16_t *out_counts,
               uint32_t *out_links);
/* Room that hnsw_read needs, in links. */
size_t hnsw_links_max(const struct hnsw *hnsw);

/* Give a row in state ROW_TAIL these links, as they were read, to slots of rows that are in use;
 * it is ROW_LINKED then. Only while nobody else is in here. 0, ERR_OUT_OF_MEMORY, or
 * ERR_DATA_DAMAGED for a level, a count or a slot that cannot be: nothing has changed then. */
MUST_USE int hnsw_write(struct hnsw *hnsw, uint32_t slot, unsigned level, const uint16_t *counts,
                        const uint32_t *links);

/* Behind all of hnsw_write: drop links to rows that are not linked, or not on that level, and
 * choose where walks begin. Calls `lost` for each row that lost more than half of its links on
 * level 0, or has none, and is in state ROW_TAIL again, for the caller to insert. */
void hnsw_write_end(struct hnsw *hnsw, void (*lost)(void *context, uint32_t slot), void *context);

/* Is the graph sound: levels, counts, slots, the entry? For tests and for what was loaded. */
bool hnsw_sound(const struct hnsw *hnsw);
