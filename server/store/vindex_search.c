/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Searching an index: see vindex.h.
 *
 *   no graph, exact, or ef near the number of rows     all rows are looked at
 *   else             first the rows of the tail, then the graph; both together are ranked
 *
 * Queries next to each other that look at all rows share a pass, up to VINDEX_TOGETHER of them.
 *
 * The tail comes first: a row that leaves it meanwhile is in the graph before it is not in the tail
 * any more, so it is met at least once. What is replaced meanwhile may be met in both forms; the
 * newer one stays.
 *
 * With a filter there is a plan. A sample of the rows says how many match. A walk that keeps only
 * what matches takes about 1/share as long as one that keeps all, and finds little if the share is
 * small; looking at all rows costs the filter for each. The cheaper is done; a walk that takes
 * longer than the other would have, or finds fewer than k, is followed by the other. So a filter
 * never costs matches.
 *
 * Threads: any, between vindex_enter and vindex_leave. Failures: memory, before anything is told.
 */
#include "server/store/vindex_impl.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "proto/filter.h"

#include <math.h>
#include <stdlib.h>

enum {
    SEARCH_SAMPLE = 96,      /* rows asked to learn how many match */
    SEARCH_AGAIN = 3,        /* searches until one was not disturbed */
    SEARCH_ROW_NS = 4,       /* looking at a row, besides its elements, */
    SEARCH_FILTER_NS = 150,  /* asking a filter, */
    SEARCH_ELEMENTS_NS = 16, /* elements in a nanosecond */
    SEARCH_EF_NS = 2500,     /* walking, for each candidate, before it was measured */
    SEARCH_EF_VISITS = 14,   /* distances of a walk for each candidate, about */
    SEARCH_EF_ROWS = 2,      /* a walk with 1 candidate for so many rows meets about all of them */
};

struct vindex_searcher {
    struct hnsw_scratch *scratch;
    struct buf query; /* storage of rows_query, and */
    struct buf hits;  /* of topk, of those who search together */
    struct buf walked, scanned, tail;
    struct buf results; /* of vindex_hit, of all queries */
};

struct vindex_searcher *vindex_searcher_create(void)
{
    struct vindex_searcher *searcher = mem_calloc(1, sizeof *searcher);
    if (searcher == NULL)
        return NULL;
    searcher->scratch = hnsw_scratch_create();
    if (searcher->scratch == NULL) {
        mem_free(searcher);
        return NULL;
    }
    return searcher;
}

void vindex_searcher_destroy(struct vindex_searcher *searcher)
{
    if (searcher == NULL)
        return;
    hnsw_scratch_destroy(searcher->scratch);
    buf_deinit(&searcher->query);
    buf_deinit(&searcher->walked);
    buf_deinit(&searcher->scanned);
    buf_deinit(&searcher->hits);
    buf_deinit(&searcher->tail);
    buf_deinit(&searcher->results);
    mem_free(searcher);
}

void vindex_enter(struct vindex *vindex)
{
    (void)pthread_rwlock_rdlock(&vindex->use);
}

bool vindex_try_enter(struct vindex *vindex)
{
    return pthread_rwlock_tryrdlock(&vindex->use) == 0;
}

void vindex_leave(struct vindex *vindex)
{
    (void)pthread_rwlock_unlock(&vindex->use);
}

/* ---- one search ---- */

struct search {
    struct vindex *vindex;
    struct vindex_searcher *searcher;
    const struct vindex_query *query;
    const struct hnsw *hnsw; /* NULL: none, or not wanted */
    struct rows_query rows_query;
    float within;
    size_t k;
    struct topk topk;
    uint64_t scanned;
    bool filter_first; /* few match: looking at all, ask before computing distances */
    bool exact;
};

static bool search_accepts(void *context, const void *item)
{
    const struct filter *filter = context;
    return filter_match(filter, vec_read_vector(record_value(item)).metadata);
}

static void *search_context(const struct search *search)
{
    return (void *)(uintptr_t)search->query->filter;
}

/* Room for so many hits. */
static int search_room(struct buf *buf, size_t n, struct topk *out_topk)
{
    buf->size = 0;
    if (buf_reserve(buf, n * sizeof(struct hit)) != 0)
        return ERR_OUT_OF_MEMORY;
    *out_topk = (struct topk){.hits = (struct hit *)(void *)buf->data, .k = n};
    return 0;
}

static size_t search_query_bytes(const struct rows *rows)
{
    return (rows_query_bytes(rows) + ROWS_CODE_ALIGN - 1) & ~(size_t)(ROWS_CODE_ALIGN - 1);
}

/* Room for the queries and the hits of all of them. */
static int search_reserve(const struct search *searches, size_t n)
{
    struct vindex_searcher *searcher = searches->searcher;
    size_t bytes = n * search_query_bytes(&searches->vindex->rows) + ROWS_CODE_ALIGN, hits = 0;
    for (size_t i = 0; i < n; i++)
        hits += searches[i].k;
    searcher->query.size = searcher->hits.size = 0;
    if (buf_reserve(&searcher->query, bytes) != 0 ||
        buf_reserve(&searcher->hits, hits * sizeof(struct hit)) != 0)
        return ERR_OUT_OF_MEMORY;
    return 0;
}

/* Begin them, which search together. */
static int search_begin(struct search *searches, size_t n)
{
    const struct rows *rows = &searches->vindex->rows;
    struct vindex_searcher *searcher = searches->searcher;
    if (search_reserve(searches, n) != 0)
        return ERR_OUT_OF_MEMORY;
    uintptr_t at =
        ((uintptr_t)searcher->query.data + ROWS_CODE_ALIGN - 1) & ~(uintptr_t)(ROWS_CODE_ALIGN - 1);
    struct hit *hits = (struct hit *)(void *)searcher->hits.data;
    for (struct search *search = searches; search < searches + n; search++) {
        const struct vindex_query *query = search->query;
        rows_query(rows, query->vector, (void *)at, &search->rows_query);
        search->within = query->has_min_score
                             ? rows_distance_of_score(rows->metric, (float)query->min_score)
                             : INFINITY;
        search->topk = (struct topk){.hits = hits, .k = search->k};
        search->exact = false;
        at += search_query_bytes(rows);
        hits += search->k;
    }
    return 0;
}

/* ---- ties ---- */

static struct bytes search_key(const struct search *search, uint32_t slot)
{
    return record_key_bytes(vindex_record(search->vindex, slot));
}

/* Where among slots[0..n-1], which are in the order of their keys, this one belongs. */
static size_t search_place(const struct search *search, const uint32_t *slots, size_t n,
                           uint32_t slot)
{
    size_t low = 0;
    while (low < n) {
        size_t middle = low + (n - low) / 2;
        if (bytes_compare(search_key(search, slots[middle]), search_key(search, slot)) < 0)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

/* Of the rows that are exactly this far, those with the first `room` keys. Returns how many. */
static size_t search_first_keys(const struct search *search, float distance, uint32_t *slots,
                                size_t room)
{
    const struct rows *rows = &search->vindex->rows;
    uint32_t n_slots = atomic_load_explicit(&rows->n_slots, memory_order_acquire);
    size_t n = 0;
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        if (!rows_alive(rows, slot, search->rows_query.clock) ||
            rows_distance(rows, &search->rows_query, slot) != distance ||
            (search->query->filter != NULL &&
             !search_accepts(search_context(search), rows_item(rows, slot))))
            continue;
        size_t at = search_place(search, slots, n, slot);
        if (at == room)
            continue;
        n += n < room;
        memmove(slots + at + 1, slots + at, (n - 1 - at) * sizeof *slots);
        slots[at] = slot;
    }
    return n;
}

/* More rows are as far as the last of the hits than there is room for: the first keys get it. */
static int search_settle_ties(struct search *search)
{
    struct topk *topk = &search->topk;
    struct buf *slots = &search->searcher->tail;
    float distance = topk->hits[0].distance; /* the farthest */
    size_t nearer = 0;
    for (size_t i = 0; i < topk->count; i++)
        if (topk->hits[i].distance != distance)
            topk->hits[nearer++] = topk->hits[i];
    slots->size = 0;
    if (buf_reserve(slots, (topk->count - nearer) * sizeof(uint32_t)) != 0)
        return ERR_OUT_OF_MEMORY;
    uint32_t *first = (uint32_t *)(void *)slots->data;
    size_t n = search_first_keys(search, distance, first, topk->count - nearer);
    for (size_t i = 0; i < n; i++)
        topk->hits[nearer + i] = (struct hit){distance, first[i]};
    topk->count = nearer + n;
    return 0;
}

/* ---- one after the other, and the tail ---- */

/* Look at all, in one pass for all of them. */
static int search_all(struct search *searches, size_t n)
{
    struct flat_search flat[VINDEX_TOGETHER];
    struct rows *rows = &searches->vindex->rows;
    int err = 0;
    for (size_t i = 0; i < n; i++) {
        struct search *search = &searches[i];
        flat[i] =
            (struct flat_search){.query = &search->rows_query,
                                 .within = search->within,
                                 .accept = search->query->filter != NULL ? search_accepts : NULL,
                                 .context = search_context(search),
                                 .filter_first = search->filter_first,
                                 .topk = &search->topk};
        search->topk.count = 0;
        search->topk.tied = false;
    }
    flat_scan_many(rows, flat, n, 0, atomic_load_explicit(&rows->n_slots, memory_order_acquire));
    for (size_t i = 0; i < n && err == 0; i++) {
        searches[i].scanned += flat[i].scanned;
        searches[i].exact = true;
        err = searches[i].topk.tied ? search_settle_ties(&searches[i]) : 0;
    }
    return err;
}

/* Look at the rows that are not in the graph. */
static int search_tail(struct search *search, struct topk *topk)
{
    struct rows *rows = &search->vindex->rows;
    struct buf *slots = &search->searcher->tail;
    uint32_t n_slots = atomic_load_explicit(&rows->n_slots, memory_order_acquire), slot = 0;
    int err = search_room(&search->searcher->scanned, search->k, topk);
    slots->size = 0;
    if (atomic_load_explicit(&search->vindex->n_tail, memory_order_acquire) == 0)
        return err;
    while (err == 0 && (slot = rows_next_tail(rows, slot, n_slots)) < n_slots) {
        err = buf_append(slots, &slot, sizeof slot);
        slot++;
    }
    struct flat_search flat = {.query = &search->rows_query,
                               .within = search->within,
                               .accept = search->query->filter != NULL ? search_accepts : NULL,
                               .context = search_context(search),
                               .topk = topk};
    if (err == 0)
        flat_scan_slots(rows, &flat, (const uint32_t *)(const void *)slots->data,
                        slots->size / sizeof slot);
    search->scanned += flat.scanned;
    return err;
}

static bool search_has(const struct topk *topk, uint32_t slot)
{
    for (size_t i = 0; i < topk->count; i++)
        if (topk->hits[i].slot == slot)
            return true;
    return false;
}

/* What a walk and the tail have found, each once. */
static void search_merge(struct search *search, const struct topk *walked, const struct topk *tail)
{
    search->topk.count = 0;
    for (size_t i = 0; i < tail->count; i++)
        topk_offer(&search->topk, tail->hits[i]);
    for (size_t i = 0; i < walked->count; i++)
        if (tail->count == 0 || !search_has(tail, walked->hits[i].slot))
            topk_offer(&search->topk, walked->hits[i]);
}

/* Walk the graph, up to so many distances. */
static int search_walk(struct search *search, size_t ef, uint64_t visits_max, bool *out_gave_up)
{
    struct topk walked, tail;
    int err = search_tail(search, &tail);
    if (err == 0)
        err = search_room(&search->searcher->walked, search->k, &walked);
    struct hnsw_search walk = {.query = &search->rows_query,
                               .ef = ef,
                               .within = search->within,
                               .accept = search->query->filter != NULL ? search_accepts : NULL,
                               .context = search_context(search),
                               .visits_max = visits_max,
                               .topk = &walked};
    if (err == 0)
        err = hnsw_search(search->hnsw, search->searcher->scratch, &walk);
    if (err != 0)
        return err;
    search->scanned += walk.scanned;
    *out_gave_up = walk.gave_up;
    search_merge(search, &walked, &tail);
    return 0;
}

/* ---- the plan ---- */

static uint64_t search_row_ns(const struct vindex *vindex)
{
    return SEARCH_ROW_NS + vindex->config.dim / SEARCH_ELEMENTS_NS;
}

static uint64_t search_rows(const struct vindex *vindex)
{
    return atomic_load_explicit(&vindex->rows.n_slots, memory_order_relaxed);
}

static size_t search_ef(const struct vindex_query *query)
{
    size_t ef = query->ef == 0 ? VINDEX_EF : query->ef;
    return ef < query->k ? query->k : ef;
}

/* Does it walk the graph, if there is one? Not where a walk would meet about every row: it takes
 * longer than looking at all of them one after the other, and may miss some. */
static bool search_walks(const struct vindex *vindex, const struct vindex_query *query)
{
    return !query->exact && search_ef(query) * SEARCH_EF_ROWS < search_rows(vindex);
}

static uint64_t search_walk_ns(const struct vindex *vindex)
{
    uint64_t ns = atomic_load_explicit(&vindex->walk_ns, memory_order_relaxed);
    return ns != 0 ? ns : SEARCH_EF_NS;
}

/* The share of the rows that match, from a sample; never 0. */
static double search_share(const struct search *search)
{
    const struct rows *rows = &search->vindex->rows;
    uint32_t n = atomic_load_explicit(&rows->n_slots, memory_order_acquire);
    uint32_t step = n / SEARCH_SAMPLE + 1, asked = 0, matched = 0;
    for (uint32_t slot = step / 2; slot < n; slot += step) {
        if (!rows_alive(rows, slot, search->rows_query.clock))
            continue;
        asked++;
        matched += search_accepts(search_context(search), rows_item(rows, slot));
    }
    return (matched + 0.5) / (asked + 1.0);
}

/* With a filter: true if a walk is to be tried, with how many distances at most. */
static bool search_plan(const struct search *search, double share, uint64_t *out_visits_max)
{
    const struct vindex *vindex = search->vindex;
    double rows = (double)search_rows(vindex);
    double all_ns = rows * (SEARCH_FILTER_NS + share * (double)search_row_ns(vindex));
    double walk_ns = (double)search_ef(search->query) *
                     ((double)search_walk_ns(vindex) / share + SEARCH_FILTER_NS);
    double visit_ns = (double)search_walk_ns(vindex) / SEARCH_EF_VISITS + 1;
    *out_visits_max = (uint64_t)(all_ns / visit_ns) + 1;
    return walk_ns < all_ns;
}

static int search_filtered(struct search *search, double share)
{
    uint64_t visits_max = UINT64_MAX;
    bool gave_up = true;
    int err = 0;
    if (search_plan(search, share, &visits_max))
        err = search_walk(search, search_ef(search->query), visits_max, &gave_up);
    if (err == 0 && (gave_up || search->topk.count < search->k))
        err = search_all(search, 1);
    return err;
}

/* A walk keeps a moving average of what it takes. */
static void search_measure(struct vindex *vindex, uint64_t ns, size_t ef)
{
    uint32_t then = atomic_load_explicit(&vindex->walk_ns, memory_order_relaxed);
    uint64_t now = ns / ef;
    now = now > UINT32_MAX / 8 ? UINT32_MAX / 8 : now;
    uint32_t next = then == 0 ? (uint32_t)now : (uint32_t)((then * (uint64_t)7 + now) / 8);
    atomic_store_explicit(&vindex->walk_ns, next == 0 ? 1 : next, memory_order_relaxed);
}

static int search_unfiltered(struct search *search)
{
    bool gave_up;
    uint64_t from = clock_mono_ns();
    int err = search_walk(search, search_ef(search->query), UINT64_MAX, &gave_up);
    search_measure(search->vindex, clock_mono_ns() - from, search_ef(search->query));
    if (err == 0 && search->topk.count < search->k && search->within == INFINITY)
        err = search_all(search, 1);
    return err;
}

/* Search, all of them if they look at all rows, else the one. */
static int search_do(struct search *searches, size_t n)
{
    double share = 1;
    for (size_t i = 0; i < n; i++) {
        if (searches[i].query->filter != NULL)
            share = search_share(&searches[i]);
        searches[i].filter_first = share < 0.5;
    }
    if (searches->hnsw == NULL)
        return search_all(searches, n);
    return searches->query->filter != NULL ? search_filtered(searches, share)
                                           : search_unfiltered(searches);
}

/* ---- results ---- */

static int search_compare(const void *a, const void *b)
{
    const struct vindex_hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return bytes_compare(record_key_bytes(x->record), record_key_bytes(y->record));
}

/* Of two forms of one key the newer stays; these have been met during a change only. */
static size_t search_drop_older(struct vindex_hit *hits, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        bool older = false;
        for (size_t j = 0; j < n && !older; j++)
            older =
                j != i &&
                bytes_equal(record_key_bytes(hits[i].record), record_key_bytes(hits[j].record)) &&
                record_version(hits[i].record) < record_version(hits[j].record);
        if (!older)
            hits[kept++] = hits[i];
    }
    return kept;
}

/* Was anything replaced since the search began? */
static bool search_disturbed(const struct search *search)
{
    return atomic_load_explicit(&search->vindex->rows.clock, memory_order_acquire) !=
           search->rows_query.clock;
}

/* Append the hits to the results of the searcher. *out_short: fewer than there might be. */
static int search_tell(struct search *search, size_t *out_count, bool *out_short)
{
    struct buf *results = &search->searcher->results;
    size_t n = search->topk.count;
    if (buf_reserve(results, n * sizeof(struct vindex_hit)) != 0)
        return ERR_OUT_OF_MEMORY;
    struct vindex_hit *hits = (struct vindex_hit *)(void *)(results->data + results->size);
    for (size_t i = 0; i < n; i++) {
        struct hit hit = search->topk.hits[i];
        hits[i].record = vindex_record(search->vindex, hit.slot);
        hits[i].score = (double)rows_score(search->vindex->rows.metric, hit.distance);
    }
    *out_count = search_disturbed(search) ? search_drop_older(hits, n) : n;
    *out_short = *out_count < n && n == search->k;
    if (*out_count > 1)
        qsort(hits, *out_count, sizeof *hits, search_compare);
    results->size += *out_count * sizeof *hits;
    return 0;
}

/* Search and tell, until no change meanwhile has cost one of them hits. */
static int search_run(struct search *searches, size_t n, struct vindex_result *out_results)
{
    struct buf *results = &searches->searcher->results;
    size_t mark = results->size;
    bool again = true;
    int err = 0;
    for (int i = 0; i < SEARCH_AGAIN && err == 0 && again; i++) {
        results->size = mark;
        again = false;
        err = search_begin(searches, n);
        if (err == 0)
            err = search_do(searches, n);
        for (size_t j = 0; j < n && err == 0; j++) {
            bool fewer;
            err = search_tell(&searches[j], &out_results[j].count, &fewer);
            again = again || fewer;
        }
    }
    for (size_t i = 0; i < n; i++) {
        out_results[i].scanned = searches[i].scanned;
        out_results[i].exact = searches[i].exact;
    }
    return err;
}

/* Make searches of the first of the queries, as many as can be run together; returns how many. */
static size_t search_take(struct vindex *vindex, struct vindex_searcher *searcher,
                          const struct vindex_query *queries, size_t n, struct search *out_searches)
{
    const struct hnsw *hnsw = atomic_load_explicit(&vindex->hnsw, memory_order_acquire);
    size_t rows = search_rows(vindex), taken = 0;
    for (; taken < n && taken < VINDEX_TOGETHER; taken++) {
        const struct vindex_query *query = &queries[taken];
        bool walks = hnsw != NULL && search_walks(vindex, query);
        if (walks && taken > 0)
            break;
        out_searches[taken] = (struct search){.vindex = vindex,
                                              .searcher = searcher,
                                              .query = query,
                                              .hnsw = walks ? hnsw : NULL,
                                              .k = query->k < rows ? query->k : rows};
        if (walks)
            return 1;
    }
    return taken;
}

int vindex_search(struct vindex *vindex, struct vindex_searcher *searcher,
                  const struct vindex_query *queries, size_t n, struct vindex_result *out_results)
{
    struct search searches[VINDEX_TOGETHER];
    uint64_t scanned = 0;
    searcher->results.size = 0;
    int err = buf_reserve(&searcher->results, sizeof(struct vindex_hit));
    for (size_t i = 0, taken; i < n && err == 0; i += taken) {
        taken = search_take(vindex, searcher, queries + i, n - i, searches);
        for (size_t j = 0; j < taken; j++)
            out_results[i + j] = (struct vindex_result){.exact = true};
        if (searches->k > 0) /* else there are no rows */
            err = search_run(searches, taken, out_results + i);
        for (size_t j = 0; j < taken; j++)
            scanned += searches[j].scanned;
    }
    struct vindex_hit *hits = (struct vindex_hit *)(void *)searcher->results.data;
    for (size_t i = 0; i < n && err == 0; hits += out_results[i++].count)
        out_results[i].hits = hits;
    atomic_fetch_add_explicit(&vindex->searches, n, memory_order_relaxed);
    atomic_fetch_add_explicit(&vindex->scanned, scanned, memory_order_relaxed);
    vindex_add(&vindex->store->vectors.searches, n);
    vindex_add(&vindex->store->vectors.distances, scanned);
    return err;
}

uint64_t vindex_cost_ns(const struct vindex *vindex, const struct vindex_query *query)
{
    uint64_t rows = search_rows(vindex);
    bool graph = atomic_load_explicit(&vindex->hnsw, memory_order_relaxed) != NULL;
    uint64_t filter_ns = query->filter != NULL ? SEARCH_FILTER_NS : 0;
    if (graph && query->filter == NULL && search_walks(vindex, query))
        return search_ef(query) * search_walk_ns(vindex) +
               atomic_load_explicit(&vindex->n_tail, memory_order_relaxed) * search_row_ns(vindex);
    return rows * (search_row_ns(vindex) + filter_ns);
}
