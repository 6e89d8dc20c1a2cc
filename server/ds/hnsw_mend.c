/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Mending: rows that link to doomed ones get other links instead, so that those can go. (After
 * Singh et al., FreshDiskANN, 2021, who call it consolidation of deletes.)
 *
 *   begin   what died until now is doomed; walks begin at a row that stays
 *   step    each linked row that stays, level by level: keep the links to rows that stay; from the
 *           neighbours of the doomed ones choose more, as an insert does, and have them link back.
 *           If most links were to doomed rows, the neighbourhood is searched for as by an insert.
 *           Behind the last of them: rows that no walk comes to get a link (hnsw_reach.c).
 *   end     doomed rows are unlinked
 *
 * What a round costs grows with the rows that are doomed: those that have links to them are many
 * times as many while few are doomed, but each has the less to replace. So rounds may be small.
 *
 * Nobody links to a doomed row while the round lasts: inserts do not choose any, and a doomed row
 * that is inserted gets no links. So a row that has been mended stays so.
 *
 * Threads: begin and end are alone. Those that mend take a few rows at a time from the same count;
 * one of them leads, and goes on when all rows have been looked at. Lists are read without locks,
 * and changed under the lock of their row, keeping what inserts and others that mend have added.
 * Failures: memory; the step can be done again. What was taken and not done is taken again then,
 * with what others took behind it, where there is nothing to replace any more.
 */
#include "server/ds/hnsw_impl.h"

#include "common/err.h"

enum {
    LOOKS = 16, /* rows looked at for the price of one that is mended, */
    TAKE = 16,  /* and taken together */
};

/* The linked row of the highest level that stays. */
static uint64_t find_entry(const struct hnsw *hnsw, uint32_t n_slots)
{
    uint64_t best = ENTRY_NONE;
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        if (!row_linked(hnsw, slot) || row_doomed(hnsw, slot))
            continue;
        if (best == ENTRY_NONE || level_of(hnsw, slot) > entry_level(best))
            best = entry_make(slot, level_of(hnsw, slot));
    }
    return best;
}

int hnsw_mend_begin(struct hnsw *hnsw)
{
    REQUIRE(!hnsw->mending);
    uint32_t n_slots = slots_used(hnsw);
    hnsw->doom = atomic_load_explicit(&hnsw->rows->clock, memory_order_acquire);
    hnsw->mending = true;
    atomic_store(&hnsw->at, 0);
    atomic_store(&hnsw->to, n_slots);
    uint64_t entry = atomic_load(&hnsw->entry);
    if (entry != ENTRY_NONE && row_doomed(hnsw, entry_slot(entry)))
        atomic_store(&hnsw->entry, find_entry(hnsw, n_slots));
    return 0;
}

static bool is_hurt(const struct hnsw *hnsw, uint32_t slot, unsigned level)
{
    const link_t *list = links_of(hnsw, slot, level);
    for (unsigned i = 0; i < links_max(hnsw, level); i++) {
        uint32_t other = link_get(&list[i]);
        if (other == ROWS_NONE)
            return false;
        if (row_doomed(hnsw, other))
            return true;
    }
    return false;
}

/* The live neighbours of a doomed row, as keys of `base`, into the pool. */
static int pool_neighbours(const struct hnsw *hnsw, struct hnsw_scratch *scratch, struct base base,
                           unsigned level, uint32_t doomed)
{
    struct heap *pool = &scratch->pool;
    if (heap_reserve(pool, pool->count + links_max(hnsw, level)) != 0)
        return ERR_OUT_OF_MEMORY;
    unsigned n = links_get(hnsw, doomed, level, scratch->fresh);
    for (unsigned i = 0; i < n; i++) {
        uint32_t other = scratch->fresh[i];
        if (rows_dead(hnsw->rows, other) || !scratch_mark(scratch, other))
            continue;
        float distance = rows_distance_between(hnsw->rows, base.slot, other);
        pool->keys[pool->count++] = base_key(base, distance, other);
    }
    return 0;
}

int pool_search(const struct hnsw *hnsw, struct hnsw_scratch *scratch, struct base base,
                unsigned level)
{
    struct rows_query query;
    rows_query_row(hnsw->rows, base.slot, &query);
    struct walk walk = {
        .query = &query, .ef = hnsw->ef_construction, .base = base, .visits_max = UINT64_MAX};
    uint64_t entry = atomic_load_explicit(&hnsw->entry, memory_order_acquire);
    scratch->pool.count = 0;
    if (entry == ENTRY_NONE || entry_level(entry) < level)
        return 0;
    uint32_t from = walk_down(hnsw, &walk, entry, level);
    int r = find_neighbours(hnsw, scratch, &walk, level, from);
    if (r == 0)
        r = heap_reserve(&scratch->pool, scratch->found.count);
    if (r != 0)
        return r;
    for (size_t i = 0; i < scratch->found.count; i++)
        scratch->pool.keys[scratch->pool.count++] = scratch->found.keys[i];
    return 0;
}

/* The links of a list that stay, into `out_links`; how many go in *out_hurt. */
static unsigned links_that_stay(const struct hnsw *hnsw, uint32_t slot, unsigned level,
                                uint32_t *out_links, unsigned *out_hurt)
{
    unsigned n = links_get(hnsw, slot, level, out_links), kept = 0;
    for (unsigned i = 0; i < n; i++)
        if (!row_doomed(hnsw, out_links[i]))
            out_links[kept++] = out_links[i];
    *out_hurt = n - kept;
    return kept;
}

/* Candidates for the place of links to doomed rows, into the pool; `kept` are not among them. */
static int mend_candidates(const struct hnsw *hnsw, struct hnsw_scratch *scratch, struct base base,
                           unsigned level, const uint32_t *kept, unsigned n_kept)
{
    uint32_t links[2 * HNSW_M_MAX];
    unsigned n = links_get(hnsw, base.slot, level, links);
    scratch->pool.count = 0;
    scratch_forget(scratch);
    (void)scratch_mark(scratch, base.slot);
    for (unsigned i = 0; i < n_kept; i++)
        (void)scratch_mark(scratch, kept[i]);
    for (unsigned i = 0; i < n; i++) {
        int r =
            row_doomed(hnsw, links[i]) ? pool_neighbours(hnsw, scratch, base, level, links[i]) : 0;
        if (r != 0)
            return r;
    }
    return 0;
}

/* Replace the list: what stays of it now, then `picked` as far as there is room. */
static void mend_list(struct hnsw *hnsw, uint32_t slot, unsigned level, const uint32_t *picked,
                      unsigned n_picked)
{
    uint32_t links[2 * HNSW_M_MAX];
    unsigned hurt;
    lock_take(lock_of(hnsw, slot));
    unsigned n = links_that_stay(hnsw, slot, level, links, &hurt);
    for (unsigned i = 0; i < n_picked && n < links_max(hnsw, level); i++)
        if (!among(links, n, picked[i]))
            links[n++] = picked[i];
    links_set(hnsw, slot, level, links, n);
    lock_drop(lock_of(hnsw, slot));
}

static int mend_row(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t slot, unsigned level)
{
    uint32_t picked[2 * HNSW_M_MAX];
    struct base base = base_of(hnsw, slot);
    unsigned hurt, kept = links_that_stay(hnsw, slot, level, picked, &hurt);
    int r = hurt > kept ? pool_search(hnsw, scratch, base, level)
                        : mend_candidates(hnsw, scratch, base, level, picked, kept);
    if (r != 0)
        return r;
    struct heap *pool = &scratch->pool;
    size_t n_keys = 0;
    for (size_t i = 0; i < pool->count; i++)
        if (!among(picked, kept, base_slot(base, pool->keys[i])))
            pool->keys[n_keys++] = pool->keys[i];
    unsigned max = kept + hurt > hnsw->m ? kept + hurt : hnsw->m;
    unsigned n = neighbours_pick(hnsw, base, pool->keys, n_keys, picked, kept, max);
    mend_list(hnsw, slot, level, picked + kept, n - kept);
    for (unsigned i = kept; i < n; i++)
        (void)link_add(hnsw, scratch, picked[i], level, slot);
    return 0;
}

/* Look at a row, and mend its lists if it stays. *out_mended: any. */
static int mend_look(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t slot,
                     bool *out_mended)
{
    *out_mended = false;
    if (!row_linked(hnsw, slot) || row_doomed(hnsw, slot))
        return 0;
    for (unsigned l = 0; l <= level_of(hnsw, slot); l++) {
        if (!is_hurt(hnsw, slot, l))
            continue;
        *out_mended = true;
        int r = mend_row(hnsw, scratch, slot, l);
        if (r != 0)
            return r;
    }
    return 0;
}

/* ---- who looks at which ---- */

/* Take the next few rows: *out_from until before *out_to. False: there are none left. */
static bool mend_take(struct hnsw *hnsw, uint32_t *out_from, uint32_t *out_to)
{
    lock_take(&hnsw->mend_lock);
    uint32_t from = atomic_load(&hnsw->at), left = atomic_load(&hnsw->to) - from;
    *out_from = from;
    *out_to = from + (left < TAKE ? left : TAKE);
    atomic_store(&hnsw->at, *out_to);
    hnsw->n_taken += left > 0;
    lock_drop(&hnsw->mend_lock);
    return left > 0;
}

/* They are done; or, if that failed, to be taken again. */
static void mend_give_back(struct hnsw *hnsw, uint32_t from, bool failed)
{
    lock_take(&hnsw->mend_lock);
    hnsw->n_taken--;
    if (failed && from < atomic_load(&hnsw->at))
        atomic_store(&hnsw->at, from);
    lock_drop(&hnsw->mend_lock);
}

static bool mend_all_looked_at(struct hnsw *hnsw)
{
    lock_take(&hnsw->mend_lock);
    bool all = hnsw->n_taken == 0 && atomic_load(&hnsw->at) == atomic_load(&hnsw->to);
    lock_drop(&hnsw->mend_lock);
    return all;
}

/* Look at rows until there are none to be taken, or *left is used up. */
static int mend_rows(struct hnsw *hnsw, struct hnsw_scratch *scratch, int64_t *left)
{
    uint32_t slot, to;
    int r = scratch_prepare(scratch, hnsw, hnsw->ef_construction);
    while (r == 0 && *left > 0 && mend_take(hnsw, &slot, &to)) {
        uint32_t from = slot;
        for (bool mended; r == 0 && slot < to; slot++) {
            r = mend_look(hnsw, scratch, slot, &mended);
            *left -= mended ? LOOKS : 1;
        }
        mend_give_back(hnsw, from, r != 0);
    }
    return r;
}

void hnsw_mend_help(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t budget)
{
    int64_t left = (int64_t)budget * LOOKS;
    int r = hnsw->mending ? mend_rows(hnsw, scratch, &left) : 0;
    (void)r; /* it has been given back */
}

int hnsw_mend_step(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t budget, bool *out_done)
{
    REQUIRE(hnsw->mending);
    *out_done = false;
    int64_t left = (int64_t)budget * LOOKS;
    int r = mend_rows(hnsw, scratch, &left);
    if (r == 0 && left > 0 && mend_all_looked_at(hnsw))
        r = reach_step(hnsw, scratch, &left, LOOKS, out_done);
    return r;
}

void hnsw_mend_end(struct hnsw *hnsw, void (*gone)(void *context, uint32_t slot), void *context)
{
    REQUIRE(hnsw->mending);
    bool done = mend_all_looked_at(hnsw); /* nothing links to a doomed row; reach may be given up */
    uint32_t n_slots = slots_used(hnsw);
    reach_end(hnsw);
    for (uint32_t slot = 0; done && slot < n_slots; slot++) {
        if (!row_linked(hnsw, slot) || !row_doomed(hnsw, slot))
            continue;
        row_close(hnsw, slot);
        rows_set_state(hnsw->rows, slot, ROW_TAIL);
        atomic_fetch_sub_explicit(&hnsw->count, 1, memory_order_relaxed);
        gone(context, slot);
    }
    hnsw->mending = false;
}

void hnsw_mend_left(const struct hnsw *hnsw, uint32_t *out_left, uint32_t *out_of)
{
    uint32_t of = atomic_load(&hnsw->to), at = atomic_load(&hnsw->at);
    *out_of = of;
    *out_left = at < of ? of - at : 0;
}
