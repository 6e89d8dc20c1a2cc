/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows are taken in the order of their slots. Their vectors stand anywhere in memory, so they are
 * asked for ahead, in two steps: into the second cache, from which many lines can be on their way,
 * and when they are nearer into the first. One step alone, of either kind, scans at two thirds of
 * the speed (Zen 4; bench/flat_scan.c).
 *
 * Several searches take turns over blocks of rows that stay in the cache meanwhile.
 */
#include "server/ds/flat.h"

#include "common/prefetch.h"

enum {
    FLAT_LINE = 64,
    FLAT_NEAR_BYTES = 4096,
    FLAT_FAR_BYTES = 16384,
    FLAT_AHEAD_ROWS = 64, /* at most; near: a quarter */
    FLAT_BLOCK_BYTES = 128 * 1024,
};

/* A number of rows that is about so many bytes, from 1 to `most`. */
static uint32_t flat_rows_of(const struct rows *rows, size_t bytes, uint32_t most)
{
    size_t n = bytes / rows->vector_bytes + 1;
    return n < most ? (uint32_t)n : most;
}

static inline void flat_prefetch_far(const struct rows *rows, uint32_t slot)
{
    const uint8_t *vector = rows_stored(rows, slot);
    for (size_t at = 0; at < rows->vector_bytes; at += FLAT_LINE)
        prefetch_early(vector + at);
}

static inline void flat_prefetch_near(const struct rows *rows, uint32_t slot)
{
    const uint8_t *vector = rows_stored(rows, slot);
    for (size_t at = 0; at < rows->vector_bytes; at += FLAT_LINE)
        prefetch(vector + at);
}

/* What a filter reads stands around the vector. */
static inline void flat_prefetch_item(const struct rows *rows, uint32_t slot)
{
    prefetch(rows_item(rows, slot));
    prefetch(rows_stored(rows, slot) + rows->vector_bytes);
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

/* How many rows ahead to ask for vectors. */
struct flat_ahead {
    uint32_t near, far;
};

static struct flat_ahead flat_ahead(const struct rows *rows)
{
    return (struct flat_ahead){
        .near = flat_rows_of(rows, FLAT_NEAR_BYTES, FLAT_AHEAD_ROWS / 4),
        .far = flat_rows_of(rows, FLAT_FAR_BYTES, FLAT_AHEAD_ROWS),
    };
}

/* Most rows are only asked about. */
static void flat_scan_filtered(const struct rows *rows, struct flat_search *search, uint32_t from,
                               uint32_t to)
{
    for (uint32_t slot = from; slot < to; slot++) {
        if (to - slot > FLAT_AHEAD_ROWS / 4)
            flat_prefetch_item(rows, slot + FLAT_AHEAD_ROWS / 4);
        flat_visit(rows, search, slot, false);
    }
}

void flat_scan(const struct rows *rows, struct flat_search *search, uint32_t from, uint32_t to)
{
    struct flat_ahead ahead = flat_ahead(rows);
    if (search->filter_first) {
        flat_scan_filtered(rows, search, from, to);
        return;
    }
    for (uint32_t slot = from; slot < to; slot++) {
        if (to - slot > ahead.far)
            flat_prefetch_far(rows, slot + ahead.far);
        if (to - slot > ahead.near)
            flat_prefetch_near(rows, slot + ahead.near);
        flat_visit(rows, search, slot, false);
    }
}

void flat_scan_slots(const struct rows *rows, struct flat_search *search, const uint32_t *slots,
                     size_t n)
{
    struct flat_ahead ahead = flat_ahead(rows);
    for (size_t i = 0; i < n; i++) {
        if (n - i > ahead.far)
            flat_prefetch_far(rows, slots[i + ahead.far]);
        if (n - i > ahead.near)
            flat_prefetch_near(rows, slots[i + ahead.near]);
        flat_visit(rows, search, slots[i], true);
    }
}

void flat_scan_many(const struct rows *rows, struct flat_search *searches, size_t n_searches,
                    uint32_t from, uint32_t to)
{
    uint32_t block = n_searches > 1 ? flat_rows_of(rows, FLAT_BLOCK_BYTES, UINT32_MAX) : UINT32_MAX;
    for (uint32_t next; from < to; from = next) {
        next = to - from > block ? from + block : to;
        for (size_t i = 0; i < n_searches; i++)
            flat_scan(rows, &searches[i], from, next);
    }
}
