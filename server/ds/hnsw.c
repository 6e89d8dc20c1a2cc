/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The graph's memory: chunks of lists, blocks of upper levels, locks, and what a thread works with.
 *
 * Threads, failures: see hnsw.h and hnsw_impl.h.
 */
#include "server/ds/hnsw_impl.h"

#include "common/err.h"
#include "common/mem.h"

#include <sched.h>

enum { LINE = 64, SPINS = 100 };

struct hnsw *hnsw_create(struct rows *rows, unsigned m, unsigned ef_construction)
{
    REQUIRE(m >= HNSW_M_MIN && m <= HNSW_M_MAX);
    struct hnsw *hnsw = mem_calloc(1, sizeof *hnsw);
    if (hnsw == NULL)
        return NULL;
    hnsw->rows = rows;
    hnsw->m = m;
    hnsw->ef_construction = ef_construction > m ? ef_construction : m;
    atomic_init(&hnsw->entry, ENTRY_NONE);
    return hnsw;
}

static uint32_t chunk_slots(unsigned c)
{
    return (uint32_t)1 << (ROWS_FIRST_BITS + c);
}

static void chunk_free(struct hnsw_chunk *chunk, uint32_t n)
{
    for (uint32_t i = 0; chunk->upper != NULL && i < n; i++)
        mem_free(atomic_load_explicit(&chunk->upper[i], memory_order_relaxed));
    mem_free(chunk->lists);
    mem_free(chunk->upper);
    mem_free(chunk->levels);
    mem_free(chunk->locks);
    *chunk = (struct hnsw_chunk){0};
}

/* Slots of this chunk that may have been used. */
static uint32_t chunk_used(const struct hnsw *hnsw, unsigned c)
{
    uint32_t first = chunk_slots(c) - chunk_slots(0);
    uint32_t n = atomic_load(&hnsw->n_slots);
    if (n <= first)
        return 0;
    return n - first < chunk_slots(c) ? n - first : chunk_slots(c);
}

void hnsw_destroy(struct hnsw *hnsw)
{
    if (hnsw == NULL)
        return;
    for (unsigned c = 0; c < hnsw->n_chunks; c++)
        chunk_free(&hnsw->chunks[c], chunk_used(hnsw, c));
    reach_end(hnsw);
    mem_free(hnsw);
}

unsigned hnsw_level(const struct hnsw *hnsw, uint64_t random)
{
    unsigned level = 0;
    for (uint64_t below = UINT64_MAX / hnsw->m; random < below && level < HNSW_LEVEL_MAX;
         below /= hnsw->m)
        level++;
    return level;
}

static int chunk_add(struct hnsw *hnsw)
{
    uint32_t n = chunk_slots(hnsw->n_chunks);
    struct hnsw_chunk *chunk = &hnsw->chunks[hnsw->n_chunks];
    chunk->lists = mem_aligned(LINE, (size_t)n * 2 * hnsw->m * sizeof *chunk->lists);
    chunk->upper = mem_calloc(n, sizeof *chunk->upper);
    chunk->levels = mem_calloc(n, sizeof *chunk->levels);
    chunk->locks = mem_calloc(n, sizeof *chunk->locks);
    if (chunk->lists == NULL || chunk->upper == NULL || chunk->levels == NULL ||
        chunk->locks == NULL) {
        chunk_free(chunk, 0);
        return ERR_OUT_OF_MEMORY;
    }
    hnsw->n_chunks++;
    return 0;
}

int hnsw_reserve(struct hnsw *hnsw, uint32_t n_slots)
{
    REQUIRE(n_slots <= ROWS_MAX);
    while (chunk_slots(hnsw->n_chunks) - chunk_slots(0) < n_slots) {
        int r = chunk_add(hnsw);
        if (r != 0)
            return r;
    }
    if (atomic_load_explicit(&hnsw->n_slots, memory_order_relaxed) < n_slots)
        atomic_store_explicit(&hnsw->n_slots, n_slots, memory_order_release);
    return 0;
}

uint32_t hnsw_count(const struct hnsw *hnsw)
{
    return atomic_load_explicit(&hnsw->count, memory_order_relaxed);
}

size_t hnsw_bytes(const struct hnsw *hnsw)
{
    size_t row = 2 * hnsw->m * sizeof(link_t) + sizeof(link_t *) + 2;
    return sizeof *hnsw + row * atomic_load(&hnsw->n_slots) + atomic_load(&hnsw->upper_bytes);
}

unsigned links_get(const struct hnsw *hnsw, uint32_t slot, unsigned level, uint32_t *out_links)
{
    const link_t *list = links_of(hnsw, slot, level);
    unsigned n = 0;
    for (unsigned max = links_max(hnsw, level); n < max; n++) {
        out_links[n] = link_get(&list[n]);
        if (out_links[n] == ROWS_NONE)
            break;
    }
    return n;
}

void links_set(struct hnsw *hnsw, uint32_t slot, unsigned level, const uint32_t *links, unsigned n)
{
    link_t *list = links_of(hnsw, slot, level);
    for (unsigned i = 0; i < n; i++)
        link_set(&list[i], links[i]);
    for (unsigned i = n; i < links_max(hnsw, level); i++)
        link_set(&list[i], ROWS_NONE);
}

void lock_take(_Atomic uint8_t *lock)
{
    for (unsigned spins = 0; atomic_exchange_explicit(lock, 1, memory_order_acquire) != 0; spins++)
        if (spins >= SPINS)
            sched_yield();
}

void lock_drop(_Atomic uint8_t *lock)
{
    atomic_store_explicit(lock, 0, memory_order_release);
}

_Atomic uint8_t *lock_of(const struct hnsw *hnsw, uint32_t slot)
{
    uint32_t i;
    unsigned c = rows_chunk_of(slot, &i);
    return &hnsw->chunks[c].locks[i];
}

int row_open(struct hnsw *hnsw, uint32_t slot, unsigned level)
{
    uint32_t i;
    unsigned c = rows_chunk_of(slot, &i);
    struct hnsw_chunk *chunk = &hnsw->chunks[c];
    link_t *upper = NULL;
    if (level > 0) {
        size_t bytes = (size_t)level * hnsw->m * sizeof *upper;
        upper = mem_alloc(bytes);
        if (upper == NULL)
            return ERR_OUT_OF_MEMORY;
        atomic_fetch_add_explicit(&hnsw->upper_bytes, bytes, memory_order_relaxed);
    }
    atomic_store_explicit(&chunk->upper[i], upper, memory_order_relaxed);
    atomic_store_explicit(&chunk->levels[i], (uint8_t)level, memory_order_relaxed);
    for (unsigned l = 0; l <= level; l++)
        links_set(hnsw, slot, l, NULL, 0);
    return 0;
}

void row_close(struct hnsw *hnsw, uint32_t slot)
{
    uint32_t i;
    unsigned c = rows_chunk_of(slot, &i);
    struct hnsw_chunk *chunk = &hnsw->chunks[c];
    size_t level = level_of(hnsw, slot);
    mem_free(atomic_exchange_explicit(&chunk->upper[i], NULL, memory_order_relaxed));
    atomic_fetch_sub_explicit(&hnsw->upper_bytes, level * hnsw->m * sizeof(link_t),
                              memory_order_relaxed);
    atomic_store_explicit(&chunk->levels[i], 0, memory_order_relaxed);
}

struct hnsw_scratch *hnsw_scratch_create(void)
{
    return mem_calloc(1, sizeof(struct hnsw_scratch));
}

void hnsw_scratch_destroy(struct hnsw_scratch *scratch)
{
    if (scratch == NULL)
        return;
    mem_free(scratch->seen);
    mem_free(scratch->near.keys);
    mem_free(scratch->found.keys);
    mem_free(scratch->pool.keys);
    mem_free(scratch);
}

int heap_reserve(struct heap *heap, size_t room)
{
    if (room <= heap->room)
        return 0;
    room = room > 2 * heap->room ? room : 2 * heap->room;
    uint64_t *keys = mem_realloc(heap->keys, room * sizeof *keys);
    if (keys == NULL)
        return ERR_OUT_OF_MEMORY;
    heap->keys = keys;
    heap->room = room;
    return 0;
}

int scratch_prepare(struct hnsw_scratch *scratch, const struct hnsw *hnsw, size_t ef)
{
    uint32_t n = atomic_load_explicit(&hnsw->n_slots, memory_order_acquire);
    if (n > scratch->n_seen) {
        size_t room = n + (size_t)n / 2;
        uint8_t *seen = mem_calloc(room, 1);
        if (seen == NULL)
            return ERR_OUT_OF_MEMORY;
        mem_free(scratch->seen);
        scratch->seen = seen;
        scratch->n_seen = room < ROWS_MAX ? (uint32_t)room : ROWS_MAX;
        scratch->epoch = 0;
    }
    if (heap_reserve(&scratch->found, ef) != 0 ||
        heap_reserve(&scratch->near, 2 * ef + 2 * (size_t)hnsw->m) != 0)
        return ERR_OUT_OF_MEMORY;
    return 0;
}

void scratch_forget(struct hnsw_scratch *scratch)
{
    if (++scratch->epoch != 0)
        return;
    memset(scratch->seen, 0, scratch->n_seen);
    scratch->epoch = 1;
}
