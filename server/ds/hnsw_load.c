/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Links in and out, and whether they can be right.
 *
 * What is read in is believed in nothing: hnsw_write checks what a row's links say by themselves,
 * hnsw_write_end what they say of other rows, when all are there. A row that has lost most of its
 * links, or has none, is taken out, to be inserted anew; others lose their links to it.
 *
 * Threads: alone, but for hnsw_read, which may meet others. Failures: see hnsw.h.
 */
#include "server/ds/hnsw_impl.h"

#include "common/err.h"

size_t hnsw_links_max(const struct hnsw *hnsw)
{
    return (size_t)hnsw->m * (2 + HNSW_LEVEL_MAX);
}

bool hnsw_read(const struct hnsw *hnsw, uint32_t slot, unsigned *out_level, uint16_t *out_counts,
               uint32_t *out_links)
{
    if (!row_linked(hnsw, slot))
        return false;
    *out_level = level_of(hnsw, slot);
    for (unsigned l = 0; l <= *out_level; l++) {
        out_counts[l] = (uint16_t)links_get(hnsw, slot, l, out_links);
        out_links += out_counts[l];
    }
    return true;
}

/* ---- writing ---- */

/* No row twice, not the row itself, none that does not exist. */
static bool list_possible(const struct hnsw *hnsw, uint32_t slot, const uint32_t *links, unsigned n)
{
    uint32_t n_slots = slots_used(hnsw);
    for (unsigned i = 0; i < n; i++) {
        if (links[i] >= n_slots || links[i] == slot || rows_state(hnsw->rows, links[i]) == ROW_FREE)
            return false;
        for (unsigned j = 0; j < i; j++)
            if (links[j] == links[i])
                return false;
    }
    return true;
}

static bool row_possible(const struct hnsw *hnsw, uint32_t slot, unsigned level,
                         const uint16_t *counts, const uint32_t *links)
{
    if (slot >= slots_used(hnsw) || rows_state(hnsw->rows, slot) != ROW_TAIL ||
        level > HNSW_LEVEL_MAX)
        return false;
    for (unsigned l = 0; l <= level; l++) {
        if (counts[l] > links_max(hnsw, l) || !list_possible(hnsw, slot, links, counts[l]))
            return false;
        links += counts[l];
    }
    return true;
}

int hnsw_write(struct hnsw *hnsw, uint32_t slot, unsigned level, const uint16_t *counts,
               const uint32_t *links)
{
    if (!row_possible(hnsw, slot, level, counts, links))
        return ERR_DATA_DAMAGED;
    int r = row_open(hnsw, slot, level);
    if (r != 0)
        return r;
    for (unsigned l = 0; l <= level; l++) {
        links_set(hnsw, slot, l, links, counts[l]);
        links += counts[l];
    }
    rows_set_state(hnsw->rows, slot, ROW_LINKED);
    atomic_fetch_add_explicit(&hnsw->count, 1, memory_order_relaxed);
    return 0;
}

static void row_unlink(struct hnsw *hnsw, uint32_t slot)
{
    row_close(hnsw, slot);
    rows_set_state(hnsw->rows, slot, ROW_TAIL);
    atomic_fetch_sub_explicit(&hnsw->count, 1, memory_order_relaxed);
}

/* Drop the links of a list that lead nowhere. How many stay; *out_had: how many there were. */
static unsigned list_clean(struct hnsw *hnsw, uint32_t slot, unsigned level, unsigned *out_had)
{
    uint32_t links[2 * HNSW_M_MAX];
    unsigned n = 0;
    *out_had = links_get(hnsw, slot, level, links);
    for (unsigned i = 0; i < *out_had; i++)
        if (row_linked(hnsw, links[i]) && level_of(hnsw, links[i]) >= level)
            links[n++] = links[i];
    if (n < *out_had)
        links_set(hnsw, slot, level, links, n);
    return n;
}

/* Clean all lists. With `lost`, rows left with too few links are unlinked; returns how many. */
static uint32_t clean_all(struct hnsw *hnsw, void (*lost)(void *context, uint32_t slot),
                          void *context)
{
    uint32_t n_lost = 0, n_slots = slots_used(hnsw);
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        if (!row_linked(hnsw, slot))
            continue;
        unsigned had, n = list_clean(hnsw, slot, 0, &had), upper;
        for (unsigned l = 1; l <= level_of(hnsw, slot); l++)
            (void)list_clean(hnsw, slot, l, &upper);
        bool poor = 2 * n < had || (n == 0 && hnsw_count(hnsw) > 1);
        if (lost == NULL || !poor)
            continue;
        row_unlink(hnsw, slot);
        lost(context, slot);
        n_lost++;
    }
    return n_lost;
}

void hnsw_write_end(struct hnsw *hnsw, void (*lost)(void *context, uint32_t slot), void *context)
{
    if (clean_all(hnsw, lost, context) > 0)
        (void)clean_all(hnsw, NULL, NULL); /* of links to those */
    uint64_t entry = ENTRY_NONE;
    uint32_t n_slots = slots_used(hnsw);
    for (uint32_t slot = 0; slot < n_slots; slot++)
        if (row_linked(hnsw, slot) &&
            (entry == ENTRY_NONE || level_of(hnsw, slot) > entry_level(entry)))
            entry = entry_make(slot, level_of(hnsw, slot));
    atomic_store_explicit(&hnsw->entry, entry, memory_order_release);
}

/* ---- checking ---- */

static bool list_sound(const struct hnsw *hnsw, uint32_t slot, unsigned level)
{
    uint32_t links[2 * HNSW_M_MAX];
    unsigned n = links_get(hnsw, slot, level, links);
    if (!list_possible(hnsw, slot, links, n))
        return false;
    for (unsigned i = 0; i < n; i++)
        if (!row_linked(hnsw, links[i]) || level_of(hnsw, links[i]) < level)
            return false;
    const link_t *list = links_of(hnsw, slot, level);
    for (unsigned i = n; i < links_max(hnsw, level); i++)
        if (link_get(&list[i]) != ROWS_NONE)
            return false;
    return true;
}

/* Is the entry a linked row of the highest level, if there is any that stays? */
static bool entry_sound(const struct hnsw *hnsw, unsigned top, bool any)
{
    uint64_t entry = atomic_load_explicit(&hnsw->entry, memory_order_acquire);
    if (entry == ENTRY_NONE)
        return !any;
    return row_linked(hnsw, entry_slot(entry)) && entry_level(entry) >= top &&
           level_of(hnsw, entry_slot(entry)) == entry_level(entry);
}

bool hnsw_sound(const struct hnsw *hnsw)
{
    uint32_t n_linked = 0, n_slots = slots_used(hnsw);
    unsigned top = 0;
    bool any = false;
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        if (!row_linked(hnsw, slot))
            continue;
        n_linked++;
        unsigned level = level_of(hnsw, slot);
        if (level > HNSW_LEVEL_MAX)
            return false;
        for (unsigned l = 0; l <= level; l++)
            if (!list_sound(hnsw, slot, l))
                return false;
        if (rows_dead(hnsw->rows, slot))
            continue;
        any = true;
        top = level > top ? level : top;
    }
    return n_linked == hnsw_count(hnsw) && entry_sound(hnsw, top, any);
}
