/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of the graph share; nobody else includes this.
 *
 *   hnsw.c         life, memory, lists of links, scratch
 *   hnsw_search.c  the walk, and search
 *   hnsw_insert.c  choosing of neighbours, and insert
 *   hnsw_mend.c    giving other links for those to dead rows
 *   hnsw_reach.c   giving links to rows that no walk comes to
 *   hnsw_load.c    reading and writing of links, checks
 *
 * A list of links is an array of slots, full or ended by ROWS_NONE, behind which there are only
 * more of them. It is changed under the lock of its row, which is a byte; nobody holds two. It is
 * read by anybody: a link is stored with release order when all that a reader needs of the row it
 * points to is there, and loaded with acquire order.
 */
#pragma once

#include "server/ds/hnsw.h"
#include "server/ds/hnsw_heap.h"

typedef _Atomic uint32_t link_t;

/* Beside the chunk of rows with the same number. */
struct hnsw_chunk {
    link_t *lists; /* of level 0: 2M links for each row; not set before the row is linked */
    _Atomic(link_t *) *upper; /* of levels 1..: M links each; NULL if the level is 0 */
    _Atomic uint8_t *levels;
    _Atomic uint8_t *locks;
};

/* The end of a round: what has been reached. All of it is 0 before it begins. */
struct hnsw_reach {
    bool *reached;
    uint32_t *front; /* reached, and still to be gone on from */
    uint32_t n_front, n_slots;
    uint32_t at; /* rows from here on are still to be asked */
};

struct hnsw {
    struct rows *rows;
    unsigned m, ef_construction;
    unsigned n_chunks;
    _Atomic uint32_t n_slots; /* a slot from here on was not there when the reader began */
    _Atomic uint32_t count;
    _Atomic size_t upper_bytes;
    _Atomic uint64_t entry; /* where walks begin: entry_make, or ENTRY_NONE */
    _Atomic uint8_t entry_lock;

    /* The round of mending, if there is one. */
    bool mending;
    uint32_t doom;           /* rows that died until then are doomed */
    _Atomic uint32_t at, to; /* slots that are still to be looked at; mend_lock, but to be read */
    uint32_t n_taken;        /* mend_lock: how many are looking at some below `at` */
    _Atomic uint8_t mend_lock;
    struct hnsw_reach reach;

    struct hnsw_chunk chunks[ROWS_CHUNKS];
};

#define ENTRY_NONE UINT64_MAX

static inline uint64_t entry_make(uint32_t slot, unsigned level)
{
    return (uint64_t)level << 32 | slot;
}
static inline unsigned entry_level(uint64_t entry)
{
    return (unsigned)(entry >> 32);
}
static inline uint32_t entry_slot(uint64_t entry)
{
    return (uint32_t)entry;
}

/* How many rows of a walk were at exactly this distance. */
struct crowd {
    uint32_t distance, n;
};
enum { CROWDS = 128 };

struct hnsw_scratch {
    uint8_t *seen; /* seen[slot] == epoch: this walk has been there */
    uint32_t n_seen;
    uint8_t epoch;
    struct heap near;  /* to go on from, the nearest at the root */
    struct heap found; /* complements: the farthest at the root */
    struct heap pool;  /* keys to choose from; no heap */
    struct crowd crowds[CROWDS];
    uint32_t fresh[2 * HNSW_M_MAX];
    uint32_t list[2 * HNSW_M_MAX];
    uint32_t picked[2 * HNSW_M_MAX];
    uint16_t n_chosen[HNSW_LEVEL_MAX + 1];
    uint32_t chosen[HNSW_LEVEL_MAX + 1][HNSW_M_MAX];
};

/* ---- hnsw.c ---- */

static inline unsigned links_max(const struct hnsw *hnsw, unsigned level)
{
    return level == 0 ? 2 * hnsw->m : hnsw->m;
}

static inline unsigned level_of(const struct hnsw *hnsw, uint32_t slot)
{
    uint32_t i;
    unsigned c = rows_chunk_of(slot, &i);
    return atomic_load_explicit(&hnsw->chunks[c].levels[i], memory_order_relaxed);
}

static inline link_t *links_of(const struct hnsw *hnsw, uint32_t slot, unsigned level)
{
    uint32_t i;
    unsigned c = rows_chunk_of(slot, &i);
    const struct hnsw_chunk *chunk = &hnsw->chunks[c];
    if (level == 0)
        return chunk->lists + (size_t)i * 2 * hnsw->m;
    return atomic_load_explicit(&chunk->upper[i], memory_order_relaxed) +
           (size_t)(level - 1) * hnsw->m;
}

static inline uint32_t link_get(const link_t *link)
{
    return atomic_load_explicit(link, memory_order_acquire);
}
static inline void link_set(link_t *link, uint32_t slot)
{
    atomic_store_explicit(link, slot, memory_order_release);
}

/* Slots below this may be linked. */
static inline uint32_t slots_used(const struct hnsw *hnsw)
{
    uint32_t ours = atomic_load_explicit(&hnsw->n_slots, memory_order_acquire);
    uint32_t theirs = atomic_load_explicit(&hnsw->rows->n_slots, memory_order_acquire);
    return ours < theirs ? ours : theirs;
}

static inline bool row_linked(const struct hnsw *hnsw, uint32_t slot)
{
    return slot < slots_used(hnsw) && rows_state(hnsw->rows, slot) == ROW_LINKED;
}

static inline bool among(const uint32_t *slots, unsigned n, uint32_t slot)
{
    for (unsigned i = 0; i < n; i++)
        if (slots[i] == slot)
            return true;
    return false;
}

/* Copy a list; how many there are. */
unsigned links_get(const struct hnsw *hnsw, uint32_t slot, unsigned level, uint32_t *out_links);
/* Replace it. The row's lock is held, or nobody else knows the row. */
void links_set(struct hnsw *hnsw, uint32_t slot, unsigned level, const uint32_t *links, unsigned n);

/* Locks are bytes, held for microseconds; only that of the entry for as long as an insert takes,
 * when one makes a new level or the first row, which is rare. */
void lock_take(_Atomic uint8_t *lock);
void lock_drop(_Atomic uint8_t *lock);
_Atomic uint8_t *lock_of(const struct hnsw *hnsw, uint32_t slot);

/* Give a row that nobody knows empty lists for levels 0..level. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int row_open(struct hnsw *hnsw, uint32_t slot, unsigned level);
/* Take them away again. */
void row_close(struct hnsw *hnsw, uint32_t slot);

/* Will this round unlink it? */
static inline bool row_doomed(const struct hnsw *hnsw, uint32_t slot)
{
    if (!hnsw->mending)
        return false;
    uint32_t died = atomic_load_explicit(&rows_row(hnsw->rows, slot)->died, memory_order_acquire);
    return died != 0 && (int32_t)(died - hnsw->doom) <= 0;
}

/* Room for walks that keep ef rows; slots below n_seen can be marked. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int scratch_prepare(struct hnsw_scratch *scratch, const struct hnsw *hnsw, size_t ef);
/* All marks are gone. */
void scratch_forget(struct hnsw_scratch *scratch);
MUST_USE int heap_reserve(struct heap *heap, size_t room);

/* Mark a slot. False if it was, or cannot be because it is newer than the walk. */
static inline bool scratch_mark(struct hnsw_scratch *scratch, uint32_t slot)
{
    if (slot >= scratch->n_seen || scratch->seen[slot] == scratch->epoch)
        return false;
    scratch->seen[slot] = scratch->epoch;
    return true;
}

/* ---- hnsw_search.c ---- */

/* Who looks for others to link to. Rows that are equal to it are ordered by a mix of both slots:
 * each of a thousand equal rows meets and chooses others of them. Were it the order of slots, all
 * would choose the same few. */
struct base {
    uint32_t slot;
    uint32_t same; /* the high half of a key at the distance of equal rows */
};

static inline struct base base_of(const struct hnsw *hnsw, uint32_t slot)
{
    uint64_t key = key_make(rows_distance_between(hnsw->rows, slot, slot), slot);
    return (struct base){.slot = slot, .same = (uint32_t)(key >> 32)};
}

static inline uint64_t base_key(struct base base, float distance, uint32_t slot)
{
    uint64_t key = key_make(distance, slot);
    if (key >> 32 == base.same)
        key = (uint64_t)base.same << 32 | (uint32_t)((slot ^ base.slot) * UINT32_C(0x9e3779b1));
    return key;
}
static inline uint32_t base_slot(struct base base, uint64_t key)
{
    if (key >> 32 == base.same) /* the inverse, modulo 2^32 */
        return (key_slot(key) * UINT32_C(0x0e8b2f51)) ^ base.slot;
    return key_slot(key);
}

enum want {
    WANT_FOUND, /* alive for the query, accepted by the caller */
    WANT_LIVE,  /* to link to: not dead, not the base */
    WANT_STAYS, /* to link to: not doomed, not the base */
};

struct walk {
    const struct rows_query *query;
    size_t ef;
    enum want want;
    struct base base;
    hnsw_accept_fn accept;
    void *context;
    uint64_t visits_max;
    uint64_t scanned;
    bool gave_up;
};

/* From an entry down to `level` by the nearest neighbour alone: the slot where that ends. */
uint32_t walk_down(const struct hnsw *hnsw, struct walk *walk, uint64_t entry, unsigned level);

/* The nearest rows of a level from there on, into scratch->found; but for WANT_FOUND their keys are
 * those of `base`. scratch_prepare has been called. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int walk_level(const struct hnsw *hnsw, struct hnsw_scratch *scratch, struct walk *walk,
                        unsigned level, uint32_t from);

/* Make of scratch->found keys in ascending order, no heap. */
void walk_sort(struct hnsw_scratch *scratch);

/* ---- hnsw_insert.c ---- */

/* Find what the walk's base (the query) could link to on a level, into scratch->found as sorted
 * keys. Dead rows only if there are no others. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int find_neighbours(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                             struct walk *walk, unsigned level, uint32_t from);

/* Algorithm 4: of these keys (of `base`; they are sorted here), add to the `n_picked`
 * slots in `picked` those that are nearer to base than to any picked, up to `max`; and if they are
 * fewer than M, others that are equal to base. Returns how many are picked. */
unsigned neighbours_pick(const struct hnsw *hnsw, struct base base, uint64_t *keys, size_t n_keys,
                         uint32_t *picked, unsigned n_picked, unsigned max);

/* Link base to slot, which replaces others if the list is full. False: those there are to be kept
 * rather. */
bool link_add(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t base, unsigned level,
              uint32_t slot);

/* Have `base` link to `slot` on level 0: in the place of its last link if the list is full. */
void link_force(struct hnsw *hnsw, uint32_t base, uint32_t slot);

/* ---- hnsw_mend.c ---- */

/* What a search for the base finds that stays, into scratch->pool as sorted keys. 0 or
 * ERR_OUT_OF_MEMORY. */
MUST_USE int pool_search(const struct hnsw *hnsw, struct hnsw_scratch *scratch, struct base base,
                         unsigned level);

/* ---- hnsw_reach.c ---- */

/* Go on until *left is used up: 1 for each row that is looked at, bridge_price besides for each
 * that gets a link. 0 or ERR_OUT_OF_MEMORY (then call it again later). */
MUST_USE int reach_step(struct hnsw *hnsw, struct hnsw_scratch *scratch, int64_t *left,
                        int64_t bridge_price, bool *out_done);
void reach_end(struct hnsw *hnsw);
