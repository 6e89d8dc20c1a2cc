/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows are taken in the order of their slots. Their vectors stand anywhere in memory, so they are
 * asked for some rows ahead, about as many bytes as are on their way at a time.
 *
 * Several searches take turns over blocks of rows that stay in the cache meanwhile.
 */
#include "server/ds/flat.h"

#include "common/prefetch.h"

enum {
    FLAT_LINE = 64,
    FLAT_AHEAD_BYTES = 4096,
    FLAT_BLOCK_BYTES = 128 * 1024,
};

/* A number of rows that is about so many bytes, from 1 to `most`. */
static uint32_t flat_rows_of(const struct rows *rows, size_t bytes, uint32_t most)
{
    size_t n = bytes / (rows->dim * sizeof(float)) + 1;
    return n < most ? (uint32_t)n : most;
}

static inline void flat_prefetch(const struct rows *rows, uint32_t slot)
{
    const char *vector = (const char *)rows_vector(rows, slot);
    for (size_t at = 0; at < rows->dim * sizeof(float); at += FLAT_LINE)
        prefetch(vector + at);
}

static bool flat_accepts(const struct rows *rows, struct flat_search *search, uint32_t slot)
{
    if (search->accept == NULL)
        return true;
    search->asked++;
    return search->accept(search->context, rows_item(rows, slot));
}

static bool flat_has(const struct topk *topk, uint32_t slot)
{
    for (size_t i = 0; i < topk->count; i++)
        if (topk->hits[i].slot == slot)
            return true;
    return false;
}

/* Look at a row. */
static inline void flat_visit(const struct rows *rows, struct flat_search *search, uint32_t slot,
                              bool once)
{
    if (!rows_alive(rows, slot, search->query->clock))
        return;
    if (search->filter_first && !flat_accepts(rows, search, slot))
        return;
    struct hit hit = {rows_distance(rows, search->query, slot), slot};
    search->scanned++;
    if (hit.distance > search->within || !topk_wants(search->topk, hit.distance))
        return;
    if (once && flat_has(search->topk, slot))
        return;
    if (search->filter_first || flat_accepts(rows, search, slot))
        topk_offer(search->topk, hit);
}

void flat_scan(const struct rows *rows, struct flat_search *search, uint32_t from, uint32_t to)
{
    uint32_t ahead = flat_rows_of(rows, FLAT_AHEAD_BYTES, 64);
    bool prefetching = !search->filter_first;
    for (uint32_t slot = from; slot < to; slot++) {
        if (prefetching && to - slot > ahead)
            flat_prefetch(rows, slot + ahead);
        flat_visit(rows, search, slot, false);
    }
}

void flat_scan_slots(const struct rows *rows, struct flat_search *search, const uint32_t *slots,
                     size_t n)
{
    size_t ahead = flat_rows_of(rows, FLAT_AHEAD_BYTES, 64);
    for (size_t i = 0; i < n; i++) {
        if (n - i > ahead)
            flat_prefetch(rows, slots[i + ahead]);
        flat_visit(rows, search, slots[i], true);
    }
}

void flat_scan_many(const struct rows *rows, struct flat_search *searches, size_t n_searches,
                    uint32_t from, uint32_t to)
{
    uint32_t block = flat_rows_of(rows, FLAT_BLOCK_BYTES, UINT32_MAX);
    for (uint32_t next; from < to; from = next) {
        next = to - from > block ? from + block : to;
        for (size_t i = 0; i < n_searches; i++)
            flat_scan(rows, &searches[i], from, next);
    }
}
