/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows: the vectors of a collection by slot number, what flat and hnsw search over.
 *
 *   slot --> place    of the vector in somebody else's block of memory (an item), never copied: its
 *                     address, and the bytes from the beginning of the item to it
 *            died     0: alive; else the time of rows_kill
 *            factor   cosine: 1 / length of the vector
 *            state    free, tail (not in the graph), linking (being put in), linked
 *            code     int8: dim bytes, with what scales them; with CODES_ONLY in the item itself
 *
 * Slots stand in chunks, each twice the one before, that never move.
 *
 * Distances: smaller is nearer, none is a NaN or infinite. cosine: minus the cosine (0 for a vector
 * of zeros); l2: the square of the distance; dot: minus the product. rows_score makes the score
 * users see of it, where larger is better. What single precision cannot hold on the way (elements
 * of 1e30, or of 1e-30) is computed in double. With CODES_ONLY the full distance is that of the
 * codes to a query of 16 bits an element.
 *
 * Threads: one writer at a time reserves, adds, kills and moves, while any number of readers
 * search. A reader that has begun when a row is killed may still use it, so rows_free (and freeing
 * the item) is for when no reader is left that began before. Readers and writers meet in atomics:
 * a slot is published by whoever tells of it (the tail's end, a link) with release order.
 * Failures: rows_reserve, for memory.
 */
#pragma once

#include "common/check.h"
#include "server/ds/distance.h"

#include <stdatomic.h>
#include <stdbool.h>

enum metric { METRIC_COSINE, METRIC_L2, METRIC_DOT, METRIC_COUNT };

/* The lowest bit says that a row is not in the graph yet. linking: somebody is at it. */
enum row_state { ROW_FREE, ROW_TAIL, ROW_LINKED, ROW_LINKING };

/* What searches read: the vectors; codes that the rows have of them, and the vectors of what was
 * found; or codes that stand where the vectors would (rows_code.h: stored codes). */
enum rows_codes { CODES_NONE, CODES_BESIDE, CODES_ONLY, CODES_COUNT };

enum {
    ROWS_DIM_MAX = 8192,
    ROWS_FIRST_BITS = 4, /* the first chunk has so many slots (a power of two) */
    ROWS_CHUNKS = 27,
    ROWS_CODE_ALIGN = 64,
    ROWS_CODE_HEAD = sizeof(float), /* of a stored code, before its bytes */
};
#define ROWS_MAX  (((uint32_t)1 << (ROWS_FIRST_BITS + ROWS_CHUNKS)) - (1u << ROWS_FIRST_BITS))
#define ROWS_NONE UINT32_MAX

/* What a search needs of a row besides its elements, in one line of the cache. */
struct row {
    _Atomic uint64_t place; /* address << 16 | back, in one so that rows_move changes both */
    _Atomic uint32_t died;
    float factor; /* NaN: the length is such that products are computed in double */
};

struct rows_chunk {
    void *memory; /* of all these; NULL: not yet there */
    struct row *rows;
    _Atomic uint8_t *states;
    int8_t *codes;    /* CODES_BESIDE: code_bytes each, aligned to ROWS_CODE_ALIGN */
    float *steps;     /* int8: an element is code * step; cosine: of the vector of length 1 */
    int32_t *squares; /* int8 and l2: sum of the squares of the bytes of the code */
};

struct rows {
    unsigned dim;
    enum metric metric;
    bool int8;           /* there are codes, */
    bool coded;          /* and nothing else */
    size_t vector_bytes; /* of a vector, or a stored code, in an item */
    size_t code_bytes;   /* of a row in a chunk: dim, rounded up; 0 if there are none */
    const struct kernels *kernels;
    _Atomic uint32_t n_slots; /* slots below this are or were in use */
    uint32_t n_alive;         /* writer's */
    bool frozen;              /* writer's: rows_freeze */
    uint32_t capacity;
    uint32_t *free; /* writer's: slots to use again */
    uint32_t n_free, free_capacity;
    _Atomic uint32_t clock; /* of deaths; never 0 */
    struct rows_chunk chunks[ROWS_CHUNKS];
};

/* What is searched for: made by rows_query, which copies the vector into `aligned`. */
struct rows_query {
    const float *vector;
    float factor;
    const int8_t *code; /* NULL without int8 */
    const int8_t *rest; /* CODES_ONLY: what code leaves over, in steps of step / CODE_REST */
    float step;
    double square, full_square; /* l2: of the vector as code has it; as code and rest have it */
    uint32_t clock;             /* rows that died later count as alive */
};

/* Where a slot's chunk is, and where in it. */
static inline unsigned rows_chunk_of(uint32_t slot, uint32_t *out_index)
{
    uint32_t biased = slot + (1u << ROWS_FIRST_BITS);
    unsigned bits = 31 - (unsigned)__builtin_clz(biased);
    *out_index = biased - (1u << bits);
    return bits - ROWS_FIRST_BITS;
}

void rows_init(struct rows *rows, unsigned dim, enum metric metric, enum rows_codes codes,
               const struct kernels *kernels);
/* Memory of the rows alone; items are the caller's. */
void rows_deinit(struct rows *rows);

/* ---- the writer ---- */

/* Make sure that the next `more` rows_add and rows_free cannot fail. 0, ERR_OUT_OF_MEMORY, or
 * ERR_LIMIT_EXCEEDED above ROWS_MAX. */
MUST_USE int rows_reserve(struct rows *rows, uint32_t more);

/* A new row, in state ROW_TAIL. `vector` (any alignment; with CODES_ONLY a stored code) is `back`
 * bytes into its item. The caller tells others of the slot. */
uint32_t rows_add(struct rows *rows, const void *vector, uint16_t back);

/* The same vector is at another place now. */
void rows_move(struct rows *rows, uint32_t slot, const void *vector, uint16_t back);

/* It is to be found no more by who begins from now on. */
void rows_kill(struct rows *rows, uint32_t slot);

/* Whoever begins from now on finds the rows that are alive now, also when they are killed. */
void rows_freeze(struct rows *rows);

/* The slot may be used again; see Threads. */
void rows_free(struct rows *rows, uint32_t slot);

/* Memory of the rows, untouched parts of the last chunk left out. */
size_t rows_bytes(const struct rows *rows);

/* ---- readers ---- */

/* Bytes of storage a query needs, aligned to ROWS_CODE_ALIGN; and prepare one (it takes the time
 * of rows->clock). */
size_t rows_query_bytes(const struct rows *rows);
void rows_query(const struct rows *rows, const float *vector, void *storage,
                struct rows_query *out_query);

static inline struct row *rows_row(const struct rows *rows, uint32_t slot)
{
    uint32_t i;
    unsigned c = rows_chunk_of(slot, &i);
    return &rows->chunks[c].rows[i];
}

/* vector_bytes: the vector, or the stored code. */
static inline const uint8_t *rows_stored(const struct rows *rows, uint32_t slot)
{
    uint64_t place = atomic_load_explicit(&rows_row(rows, slot)->place, memory_order_acquire);
    return (const uint8_t *)(uintptr_t)(place >> 16);
}

/* Not with CODES_ONLY. */
static inline const float *rows_vector(const struct rows *rows, uint32_t slot)
{
    return (const void *)rows_stored(rows, slot);
}

/* The item that holds the vector. */
static inline void *rows_item(const struct rows *rows, uint32_t slot)
{
    uint64_t place = atomic_load_explicit(&rows_row(rows, slot)->place, memory_order_acquire);
    return (void *)(uintptr_t)((place >> 16) - (place & UINT16_MAX));
}

static inline enum row_state rows_state(const struct rows *rows, uint32_t slot)
{
    uint32_t i;
    unsigned c = rows_chunk_of(slot, &i);
    return (enum row_state)atomic_load_explicit(&rows->chunks[c].states[i], memory_order_acquire);
}

void rows_set_state(struct rows *rows, uint32_t slot, enum row_state state);

/* Make a row of the tail a linking one. False: it is no row of the tail (any more). */
bool rows_claim(struct rows *rows, uint32_t slot);

/* The first slot from..to-1 that is in state tail or linking; `to` if there is none. */
uint32_t rows_next_tail(const struct rows *rows, uint32_t from, uint32_t to);

/* Is the row to be found by a query that began at this clock? */
static inline bool rows_alive(const struct rows *rows, uint32_t slot, uint32_t clock)
{
    uint32_t died = atomic_load_explicit(&rows_row(rows, slot)->died, memory_order_acquire);
    return died == 0 || (int32_t)(died - clock) > 0;
}

/* Was it killed, or freed? */
static inline bool rows_dead(const struct rows *rows, uint32_t slot)
{
    return atomic_load_explicit(&rows_row(rows, slot)->died, memory_order_acquire) != 0;
}

/* int8: the code of a row. */
static inline const int8_t *rows_code_at(const struct rows *rows, uint32_t slot)
{
    uint32_t i;
    const struct rows_chunk *chunk = &rows->chunks[rows_chunk_of(slot, &i)];
    return rows->coded ? (const int8_t *)rows_stored(rows, slot) + ROWS_CODE_HEAD
                       : chunk->codes + i * rows->code_bytes;
}

/* A row as the query; without full precision if there are codes only. It views the row. */
void rows_query_row(const struct rows *rows, uint32_t slot, struct rows_query *out_query);

/* In full precision; and by the codes, about, if rows->int8 (else the same). */
float rows_distance(const struct rows *rows, const struct rows_query *query, uint32_t slot);
float rows_distance_fast(const struct rows *rows, const struct rows_query *query, uint32_t slot);
/* Between two rows, fast: what a graph is built by. */
float rows_distance_between(const struct rows *rows, uint32_t a, uint32_t b);

/* Hint that the row will be needed: the first lines of vector or code. */
void rows_prefetch(const struct rows *rows, uint32_t slot);

/* The score of a distance: cosine in [-1, 1]; l2: 1 / (1 + distance); dot: the product. */
float rows_score(enum metric metric, float distance);
/* The greatest distance whose score is at least this (min_score); INFINITY if all are. */
float rows_distance_of_score(enum metric metric, float score);
