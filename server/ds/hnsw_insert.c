/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inserting: algorithm 1 of the paper, with neighbours chosen by algorithm 4.
 *
 * The new row's own lists are complete before the first link to it is made, so whoever comes to it
 * can go on from it on every level. An insert at a new top level has the entry's lock until it is
 * the entry, so that the next one begins at it.
 *
 * Equal vectors: a row links to one of those equal to it as to any other; only what is left of M
 * links goes to more of them. So they are no island, however many. Which of them is by an order that
 * depends on the base: were it the order of slots, all would link to the same few, and nothing to
 * the rest.
 *
 * Threads, failures: see hnsw.h.
 */
#include "server/ds/hnsw_impl.h"

#include "common/err.h"

/* x * TIE_MIX * TIE_UNMIX == x (modulo 2^32) */
#define TIE_MIX   UINT32_C(0x9e3779b1)
#define TIE_UNMIX UINT32_C(0x0e8b2f51)

/* The same key, but equal distances are ordered by a mix of slot and base. */
static uint64_t key_mix(uint64_t key, uint32_t base)
{
    return (key >> 32 << 32) | (uint32_t)((key_slot(key) ^ base) * TIE_MIX);
}
static uint32_t key_unmix(uint64_t key, uint32_t base)
{
    return (key_slot(key) * TIE_UNMIX) ^ base;
}

enum verdict { APART, BEHIND, SAME };

/* Is a candidate at this distance from the base apart from those that are picked, or behind one of
 * them (nearer to it than to the base), or the same as one, and as the base? */
static enum verdict pick_judge(const struct rows *rows, uint32_t slot, float distance,
                               const uint32_t *picked, const float *distances, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        float between = rows_distance_between(rows, slot, picked[i]);
        if (between < distance)
            return BEHIND;
        if (between == distance && distance == distances[i])
            return SAME;
    }
    return APART;
}

unsigned neighbours_pick(const struct hnsw *hnsw, uint32_t base, uint64_t *keys, size_t n_keys,
                         uint32_t *picked, unsigned n_picked, unsigned max)
{
    float distances[2 * HNSW_M_MAX];
    for (unsigned i = 0; i < n_picked; i++)
        distances[i] = rows_distance_between(hnsw->rows, base, picked[i]);
    for (size_t i = 0; i < n_keys; i++)
        keys[i] = key_mix(keys[i], base);
    keys_sort(keys, n_keys);
    size_t n_same = 0;
    for (size_t i = 0; i < n_keys && n_picked < max; i++) {
        uint32_t slot = key_unmix(keys[i], base);
        float distance = key_distance(keys[i]);
        enum verdict verdict = pick_judge(hnsw->rows, slot, distance, picked, distances, n_picked);
        if (verdict == SAME)
            keys[n_same++] = keys[i];
        if (verdict != APART)
            continue;
        distances[n_picked] = distance;
        picked[n_picked++] = slot;
    }
    for (size_t i = 0; i < n_same && n_picked < max && n_picked < hnsw->m; i++)
        picked[n_picked++] = key_unmix(keys[i], base);
    return n_picked;
}

/* The list of base is full: which of it and the new one to keep. */
static unsigned link_replace(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t base,
                             unsigned level, uint32_t slot)
{
    unsigned max = links_max(hnsw, level), n = max + 1;
    const struct rows *rows = hnsw->rows;
    uint64_t keys[2 * HNSW_M_MAX + 1];
    for (unsigned i = 0; i < n; i++)
        rows_prefetch(rows, i < max ? scratch->list[i] : slot);
    for (unsigned i = 0; i < n; i++) {
        uint32_t other = i < max ? scratch->list[i] : slot;
        keys[i] = key_make(rows_distance_between(rows, base, other), other);
    }
    return neighbours_pick(hnsw, base, keys, n, scratch->picked, 0, max);
}

void link_add(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t base, unsigned level,
              uint32_t slot)
{
    lock_take(lock_of(hnsw, base));
    unsigned n = links_get(hnsw, base, level, scratch->list);
    bool has = false;
    for (unsigned i = 0; i < n; i++)
        has |= scratch->list[i] == slot;
    if (has) {
        lock_drop(lock_of(hnsw, base));
        return;
    }
    if (n < links_max(hnsw, level)) {
        link_set(links_of(hnsw, base, level) + n, slot);
    } else {
        n = link_replace(hnsw, scratch, base, level, slot);
        links_set(hnsw, base, level, scratch->picked, n);
    }
    lock_drop(lock_of(hnsw, base));
}

int find_neighbours(const struct hnsw *hnsw, struct hnsw_scratch *scratch, struct walk *walk,
                    unsigned level, uint64_t from)
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
    query_of_row(hnsw->rows, slot, &query);
    struct walk walk = {
        .query = &query, .ef = hnsw->ef_construction, .self = slot, .visits_max = UINT64_MAX};
    uint64_t from = walk_down(hnsw, &walk, entry, top);
    for (unsigned l = top + 1; l-- > 0;) {
        int r = find_neighbours(hnsw, scratch, &walk, l, from);
        if (r != 0)
            return r;
        struct heap *found = &scratch->found;
        if (found->count > 0)
            from = found->keys[0];
        scratch->n_chosen[l] = (uint16_t)neighbours_pick(hnsw, slot, found->keys, found->count,
                                                         scratch->chosen[l], 0, hnsw->m);
    }
    return 0;
}

static void insert_link(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t slot,
                        unsigned top)
{
    for (unsigned l = 0; l <= top; l++)
        links_set(hnsw, slot, l, scratch->chosen[l], scratch->n_chosen[l]);
    for (unsigned l = 0; l <= top; l++)
        for (unsigned i = 0; i < scratch->n_chosen[l]; i++)
            link_add(hnsw, scratch, scratch->chosen[l][i], l, slot);
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
