/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The walk: greedy down to level 0, there best first.
 *
 * walk_level is algorithm 2 of the paper. It takes a row's unseen neighbours all together: in one
 * pass they are marked and their vectors asked for from memory, in the next the distances are
 * computed; so one wait for memory serves them all. What is known to be too far for the result is
 * never put among those to go on from.
 *
 * Threads, failures: see hnsw.h. Links are only followed to slots below scratch->n_seen; higher
 * ones came after the walk began.
 */
#include "server/ds/hnsw_impl.h"

#include "common/err.h"
#include "common/prefetch.h"

enum { LINE = 64, AHEAD = 3, PREFETCH_LINES = 9 };

static inline void prefetch_row(const struct rows *rows, uint32_t slot)
{
    prefetch(rows_row(rows, slot));
}

static inline void prefetch_vector(const struct rows *rows, uint32_t slot)
{
    if (rows->int8) {
        rows_prefetch(rows, slot);
        return;
    }
    const char *at = (const char *)rows_vector(rows, slot);
    size_t bytes = rows->vector_bytes;
    if (bytes > PREFETCH_LINES * LINE)
        bytes = PREFETCH_LINES * LINE;
    for (size_t i = 0; i < bytes; i += LINE)
        prefetch(at + i);
}

static inline void prefetch_links(const struct hnsw *hnsw, unsigned level, uint32_t slot)
{
    if (level > 0)
        return;
    const link_t *list = links_of(hnsw, slot, 0);
    for (unsigned i = 0; i < links_max(hnsw, 0); i += LINE / sizeof *list)
        prefetch((const void *)(uintptr_t)(list + i));
}

uint32_t walk_down(const struct hnsw *hnsw, struct walk *walk, uint64_t entry, unsigned level)
{
    const struct rows *rows = hnsw->rows;
    uint64_t best =
        key_make(rows_distance_fast(rows, walk->query, entry_slot(entry)), entry_slot(entry));
    walk->scanned++;
    for (unsigned l = entry_level(entry); l > level;) {
        uint32_t links[HNSW_M_MAX];
        uint64_t from = best;
        unsigned n = links_get(hnsw, key_slot(best), l, links);
        for (unsigned i = 0; i < n; i++)
            rows_prefetch(rows, links[i]);
        for (unsigned i = 0; i < n; i++) {
            uint64_t key = key_make(rows_distance_fast(rows, walk->query, links[i]), links[i]);
            best = key < best ? key : best;
        }
        walk->scanned += n;
        if (best == from)
            l--;
    }
    return key_slot(best);
}

/* Keys of a walk that is to link are those of who links. */
static inline uint64_t walk_key(const struct walk *walk, enum want want, float distance,
                                uint32_t slot)
{
    return want == WANT_FOUND ? key_make(distance, slot) : base_key(walk->base, distance, slot);
}
static inline uint32_t walk_slot(const struct walk *walk, enum want want, uint64_t key)
{
    return want == WANT_FOUND ? key_slot(key) : base_slot(walk->base, key);
}

static inline bool walk_wants(const struct hnsw *hnsw, const struct walk *walk, enum want want,
                              uint32_t slot)
{
    switch (want) {
    case WANT_FOUND:
        return rows_alive(hnsw->rows, slot, walk->query->clock) &&
               (walk->accept == NULL || walk->accept(walk->context, rows_item(hnsw->rows, slot)));
    case WANT_LIVE:
        return slot != walk->base.slot && !rows_dead(hnsw->rows, slot);
    case WANT_STAYS:
        return slot != walk->base.slot && !row_doomed(hnsw, slot);
    default:
        return false;
    }
}

/* Does a walk that is to link know enough rows at exactly this distance? They are equal, most
 * likely, and a thousand of them must not hide all others. */
static inline bool walk_crowded(struct hnsw_scratch *scratch, const struct walk *walk, uint64_t key)
{
    uint32_t distance = (uint32_t)(key >> 32);
    struct crowd *crowd =
        &scratch->crowds[distance * UINT32_C(0x9e3779b1) / (UINT32_MAX / CROWDS + 1)];
    if (crowd->distance != distance)
        *crowd = (struct crowd){.distance = distance};
    return crowd->n++ >= walk->ef / 2;
}

/* A row that is near enough: to go on from, and among the found if it is wanted. */
static inline void walk_take(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                             const struct walk *walk, enum want want, uint64_t key, uint32_t slot)
{
    heap_push(&scratch->near, key);
    if (!walk_wants(hnsw, walk, want, slot))
        return;
    if (scratch->found.count < walk->ef)
        heap_push(&scratch->found, ~key);
    else
        heap_replace(&scratch->found, ~key);
}

/* The neighbours of a row that this walk has not seen, into scratch->fresh. */
static inline unsigned walk_fresh(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                                  unsigned level, uint32_t slot)
{
    const link_t *list = links_of(hnsw, slot, level);
    unsigned n = 0;
    for (unsigned i = 0, max = links_max(hnsw, level); i < max; i++) {
        uint32_t next = link_get(&list[i]);
        if (next == ROWS_NONE)
            break;
        if (!scratch_mark(scratch, next))
            continue;
        prefetch_row(hnsw->rows, next);
        scratch->fresh[n++] = next;
    }
    return n;
}

/* Distances of the fresh ones; near ones are taken. */
static inline __attribute__((always_inline)) void walk_measure(const struct hnsw *hnsw,
                                                               struct hnsw_scratch *scratch,
                                                               const struct walk *walk,
                                                               enum want want, unsigned n)
{
    const struct rows *rows = hnsw->rows;
    const struct heap *found = &scratch->found;
    for (unsigned i = 0; i < n && i < AHEAD; i++)
        prefetch_vector(rows, scratch->fresh[i]);
    for (unsigned i = 0; i < n; i++) {
        if (i + AHEAD < n)
            prefetch_vector(rows, scratch->fresh[i + AHEAD]);
        uint32_t slot = scratch->fresh[i];
        float distance = rows_distance_fast(rows, walk->query, slot);
        uint64_t key = walk_key(walk, want, distance, slot);
        if (found->count == walk->ef && key >= ~found->keys[0])
            continue;
        if (want == WANT_FOUND || !walk_crowded(scratch, walk, key))
            walk_take(hnsw, scratch, walk, want, key, slot);
    }
}

static inline __attribute__((always_inline)) int walk_level_for(const struct hnsw *hnsw,
                                                                struct hnsw_scratch *scratch,
                                                                struct walk *walk, unsigned level,
                                                                uint64_t from, enum want want)
{
    struct heap *near = &scratch->near, *found = &scratch->found;
    near->count = found->count = 0;
    scratch_forget(scratch);
    if (want != WANT_FOUND)
        memset(scratch->crowds, 0, sizeof scratch->crowds);
    (void)scratch_mark(scratch, from);
    scratch->fresh[0] = from;
    walk_measure(hnsw, scratch, walk, want, 1);
    while (near->count > 0) {
        uint64_t key = heap_pop(near);
        if (found->count == walk->ef && key > ~found->keys[0])
            break;
        if (walk->scanned >= walk->visits_max) {
            walk->gave_up = true;
            break;
        }
        if (near->count > 0)
            prefetch_links(hnsw, level, walk_slot(walk, want, near->keys[0]));
        unsigned n = walk_fresh(hnsw, scratch, level, walk_slot(walk, want, key));
        if (heap_reserve(near, near->count + n) != 0)
            return ERR_OUT_OF_MEMORY;
        walk->scanned += n;
        uint64_t next = near->count > 0 ? near->keys[0] : 0;
        walk_measure(hnsw, scratch, walk, want, n);
        if (near->count > 0 && near->keys[0] != next)
            prefetch_links(hnsw, level, walk_slot(walk, want, near->keys[0]));
    }
    return 0;
}

int walk_level(const struct hnsw *hnsw, struct hnsw_scratch *scratch, struct walk *walk,
               unsigned level, uint32_t from)
{
    switch (walk->want) {
    case WANT_LIVE:
        return walk_level_for(hnsw, scratch, walk, level, from, WANT_LIVE);
    case WANT_STAYS:
        return walk_level_for(hnsw, scratch, walk, level, from, WANT_STAYS);
    case WANT_FOUND:
    default:
        return walk_level_for(hnsw, scratch, walk, level, from, WANT_FOUND);
    }
}

void walk_sort(struct hnsw_scratch *scratch)
{
    struct heap *found = &scratch->found;
    size_t n = found->count;
    while (found->count > 0) {
        uint64_t key = ~heap_pop(found);
        found->keys[found->count] = key;
    }
    found->count = n;
}

/* Offer what was found, but for what is among the hits already. */
static void search_offer(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                         struct hnsw_search *search)
{
    struct topk *topk = search->topk;
    const struct heap *found = &scratch->found;
    scratch_forget(scratch);
    for (size_t i = 0; i < topk->count; i++)
        (void)scratch_mark(scratch, topk->hits[i].slot);
    for (size_t i = 0; i < found->count; i++) {
        uint64_t key = ~found->keys[i];
        struct hit hit = {.distance = key_distance(key), .slot = key_slot(key)};
        if (hnsw->rows->int8)
            hit.distance = rows_distance(hnsw->rows, search->query, hit.slot);
        if (hit.distance <= search->within && topk_wants(topk, hit.distance) &&
            scratch_mark(scratch, hit.slot))
            topk_offer(topk, hit);
    }
}

int hnsw_search(const struct hnsw *hnsw, struct hnsw_scratch *scratch, struct hnsw_search *search)
{
    struct walk walk = {
        .query = search->query,
        .ef = search->ef > search->topk->k ? search->ef : search->topk->k,
        .want = WANT_FOUND,
        .accept = search->accept,
        .context = search->context,
        .visits_max = search->visits_max,
    };
    search->scanned = 0;
    search->gave_up = false;
    uint64_t entry = atomic_load_explicit(&hnsw->entry, memory_order_acquire);
    if (entry == ENTRY_NONE)
        return 0;
    uint32_t count = hnsw_count(hnsw);
    if (walk.ef > count)
        walk.ef = count > 0 ? count : 1;
    int r = scratch_prepare(scratch, hnsw, walk.ef);
    if (r != 0)
        return r;
    uint32_t from = walk_down(hnsw, &walk, entry, 0);
    r = walk_level(hnsw, scratch, &walk, 0, from);
    if (r == 0)
        search_offer(hnsw, scratch, search);
    search->scanned = walk.scanned;
    search->gave_up = walk.gave_up;
    return r;
}
