/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The index of a collection: rows over its vector records, and a graph over the rows. Derived from
 * records as they are applied; searched by any thread; tended by the workers.
 *
 *   partition_apply --> vindex_on_put / vindex_on_del     (lock of the partition)
 *                             |
 *      rows:  [ linked: in the graph | tail: not yet ]    a search walks the one, scans the other
 *                             ^
 *      workers --> vindex_tend: link the tail, mend the graph, free what died
 *
 * A vector can be found as soon as its record is applied, and not any more when it is gone. What
 * died (records, rows) stays in memory until no search can see it.
 *
 * Life: made with the collection's record; found by its generation while the partition is locked
 * (vindex_find), which takes a reference; a search and a worker hold one. Whoever has a reference
 * and is between vindex_enter and vindex_leave may read rows and the records of hits.
 */
#pragma once

#include "server/ds/flat.h"
#include "server/ds/hnsw.h"
#include "server/store/store.h"
#include "server/store/vec_value.h"

struct vindex;
struct filter;

enum {
    VINDEX_TAIL_MAX = 8192, /* rows in the tail of a graph, beyond which writers wait */
    VINDEX_EF = 64,         /* of a search that does not say */
    VINDEX_TOGETHER = 16,   /* queries that share a pass over all rows */
};

/* ---- for handlers, with the partition locked ---- */

/* The index of the collection with this generation, with a reference for the caller; NULL if there
 * is none. The partition of the collection is locked. */
struct vindex *vindex_find(const struct partition *partition, uint64_t generation);
struct vindex *vindex_ref(struct vindex *vindex);
/* Any thread, no lock. */
void vindex_unref(struct vindex *vindex);

/* Has the tail grown so long that writers should wait? Then vindex_wait. */
bool vindex_is_behind(const struct vindex *vindex);
/* Have so many died that `more` vectors would take memory beside theirs? Then vindex_wait: the dead
 * go in rounds, and while one is under way what room there is may be used up as fast as it goes. */
bool vindex_is_crowded(const struct vindex *vindex, size_t more);
/* Do a part of what is to be done, as this worker; for a writer that waits. */
void vindex_help(struct vindex *vindex, unsigned worker);

/* ---- for the store, with the partition locked ---- */

void vindex_table_init(struct partition *partition);
void vindex_table_deinit(struct partition *partition);

/* A put of a RECORD_INDEXED kind is planned: take the memory that applying it needs. 0,
 * ERR_OUT_OF_MEMORY or ERR_LIMIT_EXCEEDED. Undone by vindex_effect_deinit, if not applied. */
MUST_USE int vindex_plan(struct store *store, struct partition *partition, struct effect *effect);
void vindex_effect_deinit(struct effect *effect);

/* It has been applied; the record that stood there went to vindex_on_free before, as replaced. */
void vindex_on_put(struct partition *partition, const struct effect *effect);

/* A record of a RECORD_INDEXED kind goes. True: the index frees it when nobody can see it. */
bool vindex_on_free(struct partition *partition, const struct record *record, bool replaced);

/* What is due now and then. */
void vindex_sweep(struct partition *partition);

/* After recovery: make the indexes of all collections. 0, ERR_OUT_OF_MEMORY, or ERR_DATA_DAMAGED
 * for a vector that is not like its collection. */
MUST_USE int vindex_build(struct store *store, struct partition *partition);

/* Memory that a new row takes in the index, for admission. */
size_t vindex_row_bytes(const struct vec_config *config);

/* ---- searching ---- */

struct vindex_query {
    const float *vector;         /* dim elements, checked */
    size_t k;                    /* at least 1 */
    size_t ef;                   /* 0: VINDEX_EF; raised to k */
    bool exact;                  /* look at all; so does an ef of at least half the rows */
    const struct filter *filter; /* of the metadata; NULL: all */
    bool has_min_score;
    double min_score;
};

struct vindex_hit {
    const struct record *record;
    double score;
};

/* The nearest first, ties by key. Valid until vindex_leave. */
struct vindex_result {
    struct vindex_hit *hits; /* in the searcher's memory */
    size_t count;
    uint64_t scanned; /* distances computed */
    bool exact;       /* nothing was left out */
};

struct vindex_searcher; /* memory a thread searches with */
struct vindex_searcher *vindex_searcher_create(void) MUST_USE;
void vindex_searcher_destroy(struct vindex_searcher *searcher);

/* Nanoseconds this search will take, about. */
uint64_t vindex_cost_ns(const struct vindex *vindex, const struct vindex_query *query);

/* Searches and reading of hits stand between these two. vindex_enter may wait a little (tens of
 * microseconds); vindex_try_enter does not: false if it would. */
void vindex_enter(struct vindex *vindex);
bool vindex_try_enter(struct vindex *vindex);
void vindex_leave(struct vindex *vindex);

/* Several queries, as if one after the other; those that look at all rows share passes.
 * results[i] is of queries[i]. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int vindex_search(struct vindex *vindex, struct vindex_searcher *searcher,
                           const struct vindex_query *queries, size_t n,
                           struct vindex_result *out_results);

/* The rows that a row is linked to. */
struct vindex_link {
    const struct record *record;
    double score; /* of the two vectors to each other; with int8 about */
};

struct vindex_links {
    unsigned levels; /* at least 1: of a row outside the graph one without links */
    uint16_t counts[HNSW_LEVEL_MAX + 1];
    struct vindex_link *links; /* of the highest level, then of those below; for mem_free */
};

/* Of a living row, between vindex_enter and vindex_leave. 0 or ERR_OUT_OF_MEMORY (links: NULL). */
MUST_USE int vindex_links(const struct vindex *vindex, uint32_t slot,
                          struct vindex_links *out_links);

struct vindex_figures {
    uint64_t count;      /* vectors */
    uint64_t linked;     /* in the graph */
    uint64_t tail;       /* to be linked; flat: 0 */
    uint64_t tombstones; /* died, and still in memory */
    uint64_t bytes;      /* of rows, codes, links */
    uint64_t searches, scanned;
    bool graph; /* there is one */
    bool mending;
};
void vindex_figures(struct vindex *vindex, struct vindex_figures *out_figures);
