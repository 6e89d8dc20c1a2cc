/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inserting: algorithm 1 of the paper, with neighbours chosen by algorithm 4.
 *
 * The new row's own lists are complete before the first link to it is made, so whoever comes to it
 * can go on from it on every level. An insert at a new top level has the entry's lock until it is
 * the entry, so that the next one begins at it.
 *
 * Equal vectors: a row links to one of those equal to it as to any other; only what is left of M
 * links goes to more of them. So they are no island, however many.
 *
 * A way to every row: one that all its neighbours decline is taken by the nearest, and where a full
 * list has dead rows, living ones behind these come into it in their places.
 *
 * Threads, failures: see hnsw.h.
 */
#include "server/ds/hnsw_impl.h"

#include "common/err.h"

/* Is it nearer to the base than to any of these? */
static bool is_apart(const struct rows *rows, uint32_t slot, float distance, const uint32_t *picked,
                     unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (rows_distance_between(rows, slot, picked[i]) < distance)
            return false;
    return true;
}

unsigned neighbours_pick(const struct hnsw *hnsw, struct base base, uint64_t *keys, size_t n_keys,
                         uint32_t *picked, unsigned n_picked, unsigned max)
{
    keys_sort(keys, n_keys);
    size_t n_same = 0; /* keys of those equal to base, but for the first */
    for (size_t i = 0; i < n_keys && n_picked < max; i++) {
        if (i > 0 && keys[i] >> 32 == base.same)
            keys[n_same++] = keys[i];
        else if (is_apart(hnsw->rows, base_slot(base, keys[i]), key_distance(keys[i]), picked,
                          n_picked))
            picked[n_picked++] = base_slot(base, keys[i]);
    }
    for (size_t i = 0; i < n_same && n_picked < max && n_picked < hnsw->m; i++)
        picked[n_picked++] = base_slot(base, keys[i]);
    return n_picked;
}

/* ---- full lists with dead rows ---- */

enum { THROUGH_MAX = 64, POOL_MAX = 2 * HNSW_M_MAX + 1 + 128 }; /* dead rows gone through; keys */

struct through {
    uint32_t dead[THROUGH_MAX];
    unsigned n_dead;
};

/* Living rows into the pool, dead ones to be gone through. */
static void through_take(const struct hnsw *hnsw, struct hnsw_scratch *scratch, struct base base,
                         struct through *through, uint32_t slot)
{
    struct heap *pool = &scratch->pool;
    if (rows_dead(hnsw->rows, slot)) {
        if (through->n_dead < THROUGH_MAX)
            through->dead[through->n_dead++] = slot;
    } else if (pool->count < POOL_MAX) {
        float distance = rows_distance_between(hnsw->rows, base.slot, slot);
        pool->keys[pool->count++] = base_key(base, distance, slot);
    }
}

/* What of the pool, the nearest first, neither was picked nor has a link from what was, is kept as
 * well if there is room: who comes here still comes to it. */
static unsigned through_keep(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                             struct base base, unsigned level, unsigned n_picked)
{
    struct heap *pool = &scratch->pool;
    uint32_t list[2 * HNSW_M_MAX];
    unsigned max = links_max(hnsw, level), n_best = n_picked;
    size_t n_left = 0;
    for (size_t i = 0; i < pool->count; i++)
        if (!among(scratch->picked, n_picked, base_slot(base, pool->keys[i])))
            pool->keys[n_left++] = pool->keys[i];
    for (unsigned i = 0; i < n_best && n_left > 0; i++) {
        unsigned n = links_get(hnsw, scratch->picked[i], level, list);
        size_t kept = 0;
        for (size_t k = 0; k < n_left; k++)
            if (!among(list, n, base_slot(base, pool->keys[k])))
                pool->keys[kept++] = pool->keys[k];
        n_left = kept;
    }
    for (size_t k = 0; k < n_left && n_picked < max; k++)
        scratch->picked[n_picked++] = base_slot(base, pool->keys[k]);
    return n_picked;
}

/* The list of a row is full, and some of it is dead: living rows behind those take their places.
 * Otherwise the dead of a place where much comes and goes would crowd out the ways to the living,
 * long before a round comes. 0: no memory. */
static unsigned link_replace_dead(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                                  uint32_t row, unsigned level, uint32_t slot)
{
    unsigned max = links_max(hnsw, level);
    struct base base = base_of(hnsw, row);
    struct through through = {.n_dead = 0};
    struct heap *pool = &scratch->pool;
    uint32_t list[2 * HNSW_M_MAX];
    pool->count = 0;
    if (heap_reserve(pool, POOL_MAX) != 0)
        return 0;
    scratch_forget(scratch);
    (void)scratch_mark(scratch, row);
    for (unsigned i = 0; i <= max; i++) {
        uint32_t other = i < max ? scratch->list[i] : slot;
        (void)scratch_mark(scratch, other);
        through_take(hnsw, scratch, base, &through, other);
    }
    for (unsigned d = 0; d < through.n_dead; d++) {
        unsigned n = links_get(hnsw, through.dead[d], level, list);
        for (unsigned i = 0; i < n; i++)
            if (scratch_mark(scratch, list[i]))
                through_take(hnsw, scratch, base, &through, list[i]);
    }
    uint64_t keys[POOL_MAX]; /* which picking mixes up */
    memcpy(keys, pool->keys, pool->count * sizeof *keys);
    keys_sort(pool->keys, pool->count);
    unsigned n = neighbours_pick(hnsw, base, keys, pool->count, scratch->picked, 0, max);
    return through_keep(hnsw, scratch, base, level, n);
}

static bool any_dead(const struct hnsw *hnsw, const uint32_t *slots, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (rows_dead(hnsw->rows, slots[i]))
            return true;
    return false;
}

/* ---- links ---- */

/* The list of base is full: which of it and the new one to keep. */
static unsigned link_replace(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t row,
                             unsigned level, uint32_t slot)
{
    unsigned max = links_max(hnsw, level), n = max + 1;
    const struct rows *rows = hnsw->rows;
    struct base base = base_of(hnsw, row);
    unsigned mended =
        any_dead(hnsw, scratch->list, max) ? link_replace_dead(hnsw, scratch, row, level, slot) : 0;
    if (mended > 0)
        return mended;
    uint64_t keys[2 * HNSW_M_MAX + 1];
    for (unsigned i = 0; i < n; i++)
        rows_prefetch(rows, i < max ? scratch->list[i] : slot);
    for (unsigned i = 0; i < n; i++) {
        uint32_t other = i < max ? scratch->list[i] : slot;
        keys[i] = base_key(base, rows_distance_between(rows, row, other), other);
    }
    return neighbours_pick(hnsw, base, keys, n, scratch->picked, 0, max);
}

bool link_add(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t base, unsigned level,
              uint32_t slot)
{
    lock_take(lock_of(hnsw, base));
    unsigned n = links_get(hnsw, base, level, scratch->list);
    bool has = among(scratch->list, n, slot);
    if (!has && n < links_max(hnsw, level)) {
        link_set(links_of(hnsw, base, level) + n, slot);
        has = true;
    } else if (!has) {
        n = link_replace(hnsw, scratch, base, level, slot);
        links_set(hnsw, base, level, scratch->picked, n);
        has = among(scratch->picked, n, slot);
    }
    lock_drop(lock_of(hnsw, base));
    return has;
}

void link_force(struct hnsw *hnsw, uint32_t base, uint32_t slot)
{
    uint32_t list[2 * HNSW_M_MAX];
    lock_take(lock_of(hnsw, base));
    unsigned n = links_get(hnsw, base, 0, list);
    if (!among(list, n, slot))
        link_set(links_of(hnsw, base, 0) + (n < links_max(hnsw, 0) ? n : n - 1), slot);
    lock_drop(lock_of(hnsw, base));
}

int find_neighbours(const struct hnsw *hnsw, struct hnsw_scratch *scratch, struct walk *walk,
                    unsigned level, uint32_t from)
{
    walk->want = WANT_LIVE;
    int r = walk_level(hnsw, scratch, walk, level, from);
    if (r == 0 && scratch->found.count == 0) {
        walk->want = WANT_STAYS;
        r = walk_level(hnsw, scratch, walk, level, from);
    }
    if (r == 0)
        walk_sort(scratch);
    return r;
}

/* Choose neighbours for levels 0..top, into scratch->chosen. */
static int insert_choose(const struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t slot,
                         uint64_t entry, unsigned top)
{
    struct rows_query query;
    rows_query_row(hnsw->rows, slot, &query);
    struct walk walk = {.query = &query,
                        .ef = hnsw->ef_construction,
                        .base = base_of(hnsw, slot),
                        .visits_max = UINT64_MAX};
    uint32_t from = walk_down(hnsw, &walk, entry, top);
    for (unsigned l = top + 1; l-- > 0;) {
        int r = find_neighbours(hnsw, scratch, &walk, l, from);
        if (r != 0)
            return r;
        struct heap *found = &scratch->found;
        if (found->count > 0)
            from = base_slot(walk.base, found->keys[0]);
        scratch->n_chosen[l] = (uint16_t)neighbours_pick(hnsw, walk.base, found->keys, found->count,
                                                         scratch->chosen[l], 0, hnsw->m);
    }
    return 0;
}

static void insert_link(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t slot,
                        unsigned top)
{
    for (unsigned l = 0; l <= top; l++)
        links_set(hnsw, slot, l, scratch->chosen[l], scratch->n_chosen[l]);
    bool known = false; /* on level 0 somebody links to it */
    for (unsigned l = 0; l <= top; l++)
        for (unsigned i = 0; i < scratch->n_chosen[l]; i++)
            known |= link_add(hnsw, scratch, scratch->chosen[l][i], l, slot) && l == 0;
    if (!known && scratch->n_chosen[0] > 0)
        link_force(hnsw, scratch->chosen[0][0], slot);
}

/* Insert where walks begin at `entry`; it is not ENTRY_NONE. */
static int insert_from(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t slot,
                       unsigned level, uint64_t entry)
{
    unsigned top = level < entry_level(entry) ? level : entry_level(entry);
    int r = insert_choose(hnsw, scratch, slot, entry, top);
    if (r == 0)
        insert_link(hnsw, scratch, slot, top);
    return r;
}

/* The same, but this row might be the first, or the new entry. */
static int insert_on_top(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t slot,
                         unsigned level)
{
    lock_take(&hnsw->entry_lock);
    uint64_t entry = atomic_load_explicit(&hnsw->entry, memory_order_acquire);
    int r = entry == ENTRY_NONE ? 0 : insert_from(hnsw, scratch, slot, level, entry);
    if (r == 0 && (entry == ENTRY_NONE || level > entry_level(entry)))
        atomic_store_explicit(&hnsw->entry, entry_make(slot, level), memory_order_release);
    lock_drop(&hnsw->entry_lock);
    return r;
}

int hnsw_insert(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t slot, unsigned level)
{
    REQUIRE(slot < atomic_load_explicit(&hnsw->n_slots, memory_order_relaxed) &&
            level <= HNSW_LEVEL_MAX);
    int r = scratch_prepare(scratch, hnsw, hnsw->ef_construction);
    if (r == 0)
        r = row_open(hnsw, slot, level);
    if (r != 0)
        return r;
    uint64_t entry = atomic_load_explicit(&hnsw->entry, memory_order_acquire);
    if (row_doomed(hnsw, slot))
        r = 0; /* it will be unlinked by this round, so nothing may link to it */
    else if (entry == ENTRY_NONE || level > entry_level(entry))
        r = insert_on_top(hnsw, scratch, slot, level);
    else
        r = insert_from(hnsw, scratch, slot, level, entry);
    if (r != 0) {
        row_close(hnsw, slot);
        return r;
    }
    atomic_fetch_add_explicit(&hnsw->count, 1, memory_order_relaxed);
    rows_set_state(hnsw->rows, slot, ROW_LINKED);
    return 0;
}
