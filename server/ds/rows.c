/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of rows: its chunks, and the life of a slot.
 *
 *   free --rows_add--> tail <--rows_set_state--> linked
 *     ^---rows_free---- dead (rows_kill), of any state
 *
 * A chunk is one block of memory, its arrays one behind the other, those that need the most
 * alignment first. It is not cleared, so that what has not been used yet takes no memory; rows_add
 * writes all of a row.
 *
 * Invariants: `died` of a free slot is not 0, which is how readers pass by it; it becomes 0, in
 * release order, when all else of the row is written. Chunks and capacity grow together, the array
 * of free slots before them, so that every slot fits in there.
 * Threads: see rows.h. A reader looks at chunks below n_slots only, which was stored behind them.
 */
#include "server/ds/rows.h"

#include "common/err.h"
#include "common/mem.h"
#include "server/ds/rows_code.h"

#include <math.h>
#include <string.h>

#define ROWS_FIRST ((uint32_t)1 << ROWS_FIRST_BITS)

/* Squares of lengths outside of these are for double. */
#define ROWS_SQUARE_MIN 1e-30f
#define ROWS_SQUARE_MAX 1e30f

static size_t rows_aligned(size_t bytes)
{
    return (bytes + ROWS_CODE_ALIGN - 1) & ~((size_t)ROWS_CODE_ALIGN - 1);
}

void rows_init(struct rows *rows, unsigned dim, enum metric metric, enum rows_codes codes,
               const struct kernels *kernels)
{
    REQUIRE(dim >= 1 && dim <= ROWS_DIM_MAX && metric < METRIC_COUNT && codes < CODES_COUNT);
    memset(rows, 0, sizeof *rows);
    rows->dim = dim;
    rows->metric = metric;
    rows->int8 = codes != CODES_NONE;
    rows->coded = codes == CODES_ONLY;
    rows->vector_bytes = rows->coded ? code_stored_bytes(dim) : dim * sizeof(float);
    rows->code_bytes = codes == CODES_BESIDE ? rows_aligned(dim) : 0;
    rows->kernels = kernels;
    atomic_init(&rows->clock, 1);
}

void rows_deinit(struct rows *rows)
{
    for (unsigned c = 0; c < ROWS_CHUNKS; c++)
        mem_free(rows->chunks[c].memory);
    mem_free(rows->free);
    memset(rows, 0, sizeof *rows);
}

/* ---- memory ---- */

static bool rows_has_squares(const struct rows *rows)
{
    return rows->int8 && rows->metric == METRIC_L2;
}

/* What one row takes of a chunk. */
static size_t rows_row_bytes(const struct rows *rows)
{
    return sizeof(struct row) + sizeof(uint8_t) + rows->code_bytes +
           (rows->int8 ? sizeof(float) : 0) + (rows_has_squares(rows) ? sizeof(int32_t) : 0);
}

/* Room for every slot of a new capacity among the free ones. */
static bool rows_grow_free(struct rows *rows, uint32_t capacity)
{
    uint32_t *grown = mem_alloc(capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    if (rows->n_free > 0) /* no mem_realloc: it would touch what is not in use */
        memcpy(grown, rows->free, rows->n_free * sizeof *grown);
    mem_free(rows->free);
    rows->free = grown;
    rows->free_capacity = capacity;
    return true;
}

static bool rows_add_chunk(struct rows *rows)
{
    uint32_t i;
    unsigned c = rows_chunk_of(rows->capacity, &i);
    size_t n = (size_t)ROWS_FIRST << c;
    struct rows_chunk *chunk = &rows->chunks[c];
    char *memory = mem_aligned(ROWS_CODE_ALIGN, n * rows_row_bytes(rows));
    if (memory == NULL)
        return false;
    if (!rows_grow_free(rows, rows->capacity + (uint32_t)n)) {
        mem_free(memory);
        return false;
    }
    chunk->memory = memory;
    chunk->codes = rows->code_bytes > 0 ? (int8_t *)memory : NULL;
    memory += n * rows->code_bytes;
    chunk->rows = (struct row *)memory;
    memory += n * sizeof(struct row);
    chunk->steps = rows->int8 ? (float *)memory : NULL;
    memory += rows->int8 ? n * sizeof(float) : 0;
    chunk->squares = rows_has_squares(rows) ? (int32_t *)memory : NULL;
    memory += rows_has_squares(rows) ? n * sizeof(int32_t) : 0;
    chunk->states = (_Atomic uint8_t *)memory;
    rows->capacity += (uint32_t)n;
    return true;
}

int rows_reserve(struct rows *rows, uint32_t more)
{
    uint32_t n_slots = atomic_load_explicit(&rows->n_slots, memory_order_relaxed);
    if (more > ROWS_MAX - (n_slots - rows->n_free))
        return ERR_LIMIT_EXCEEDED;
    while (rows->capacity - n_slots + rows->n_free < more)
        if (!rows_add_chunk(rows))
            return ERR_OUT_OF_MEMORY;
    return 0;
}

size_t rows_bytes(const struct rows *rows)
{
    return atomic_load_explicit(&rows->n_slots, memory_order_relaxed) * rows_row_bytes(rows) +
           rows->n_free * sizeof *rows->free;
}

/* ---- the life of a slot ---- */

static uint64_t rows_place(const void *vector, uint16_t back)
{
    uint64_t address = (uintptr_t)vector;
    REQUIRE(address >> 48 == 0 && address > back);
    return address << 16 | back;
}

/* 1 / length; NaN if that is not for single precision. */
static float rows_factor(const struct rows *rows, const float *vector)
{
    if (rows->metric != METRIC_COSINE)
        return 1;
    float square = rows->kernels->dot(vector, vector, rows->dim);
    return square >= ROWS_SQUARE_MIN && square <= ROWS_SQUARE_MAX ? 1 / sqrtf(square) : NAN;
}

/* The step of a stored code. Of the vector of length 1 it is 1 / length of the code. */
static float rows_stored_step(const struct rows *rows, const uint8_t *stored)
{
    const int8_t *code = code_of_stored(stored);
    if (rows->metric != METRIC_COSINE)
        return code_stored_step(stored);
    int32_t square = rows_code_square(rows, code);
    return square > 0 ? (float)(1 / sqrt(square)) : 0;
}

static void rows_encode(const struct rows *rows, uint32_t slot, const void *vector)
{
    uint32_t i;
    const struct rows_chunk *chunk = &rows->chunks[rows_chunk_of(slot, &i)];
    const int8_t *code = rows->coded ? code_of_stored(vector) : chunk->codes + i * rows->code_bytes;
    chunk->steps[i] = rows->coded ? rows_stored_step(rows, vector)
                                  : rows_code(rows, vector, chunk->codes + i * rows->code_bytes);
    if (chunk->squares != NULL)
        chunk->squares[i] = rows_code_square(rows, code);
}

uint32_t rows_add(struct rows *rows, const void *vector, uint16_t back)
{
    uint32_t n_slots = atomic_load_explicit(&rows->n_slots, memory_order_relaxed);
    uint32_t slot = rows->n_free > 0 ? rows->free[--rows->n_free] : n_slots;
    REQUIRE(slot < rows->capacity);
    struct row *row = rows_row(rows, slot);
    row->factor = rows->coded ? 1 : rows_factor(rows, vector);
    if (rows->int8)
        rows_encode(rows, slot, vector);
    atomic_store_explicit(&row->place, rows_place(vector, back), memory_order_release);
    rows_set_state(rows, slot, ROW_TAIL);
    atomic_store_explicit(&row->died, 0, memory_order_release);
    if (slot == n_slots)
        atomic_store_explicit(&rows->n_slots, n_slots + 1, memory_order_release);
    rows->n_alive++;
    return slot;
}

void rows_move(struct rows *rows, uint32_t slot, const void *vector, uint16_t back)
{
    atomic_store_explicit(&rows_row(rows, slot)->place, rows_place(vector, back),
                          memory_order_release);
}

void rows_kill(struct rows *rows, uint32_t slot)
{
    REQUIRE(!rows_dead(rows, slot));
    uint32_t now = atomic_load_explicit(&rows->clock, memory_order_relaxed) + 1;
    now += now == 0;
    atomic_store_explicit(&rows_row(rows, slot)->died, now, memory_order_release);
    if (!rows->frozen)
        atomic_store_explicit(&rows->clock, now, memory_order_release);
    rows->n_alive--;
}

void rows_freeze(struct rows *rows)
{
    rows->frozen = true;
}

void rows_free(struct rows *rows, uint32_t slot)
{
    REQUIRE(rows_dead(rows, slot) && rows_state(rows, slot) != ROW_FREE);
    rows_set_state(rows, slot, ROW_FREE);
    REQUIRE(rows->n_free < rows->free_capacity);
    rows->free[rows->n_free++] = slot;
}

void rows_set_state(struct rows *rows, uint32_t slot, enum row_state state)
{
    uint32_t i;
    unsigned c = rows_chunk_of(slot, &i);
    atomic_store_explicit(&rows->chunks[c].states[i], (uint8_t)state, memory_order_release);
}

bool rows_claim(struct rows *rows, uint32_t slot)
{
    uint32_t i;
    unsigned c = rows_chunk_of(slot, &i);
    uint8_t tail = ROW_TAIL;
    return atomic_compare_exchange_strong(&rows->chunks[c].states[i], &tail, ROW_LINKING);
}

/* Eight states at a time: the bytes of a chunk's states begin at a multiple of 8. */
static uint32_t rows_next_tail_in(const _Atomic uint8_t *states, uint32_t i, uint32_t end)
{
    const uint64_t low_bits = 0x0101010101010101;
    while (i < end) {
        if (i % 8 == 0 && end - i >= 8) {
            const _Atomic uint64_t *eight = (const _Atomic uint64_t *)(uintptr_t)(states + i);
            if ((atomic_load_explicit(eight, memory_order_acquire) & low_bits) == 0) {
                i += 8;
                continue;
            }
        }
        if (atomic_load_explicit(&states[i], memory_order_acquire) & 1)
            return i;
        i++;
    }
    return end;
}

uint32_t rows_next_tail(const struct rows *rows, uint32_t from, uint32_t to)
{
    while (from < to) {
        uint32_t i;
        unsigned c = rows_chunk_of(from, &i);
        uint32_t n = ROWS_FIRST << c, left = to - from;
        uint32_t end = n - i < left ? n : i + left;
        uint32_t found = rows_next_tail_in(rows->chunks[c].states, i, end);
        from += found - i;
        if (found < end)
            return from;
    }
    return to;
}

/* ---- queries ---- */

size_t rows_query_bytes(const struct rows *rows)
{
    size_t code = rows_aligned(rows->dim);
    return rows_aligned(rows->dim * sizeof(float)) + (rows->int8 ? code : 0) +
           (rows->coded ? code : 0);
}

/* The codes, behind the vector. */
static void rows_query_code(const struct rows *rows, int8_t *code, struct rows_query *query)
{
    query->code = code;
    query->step = rows_code(rows, query->vector, code);
    double unit = (double)query->step * query->step;
    query->square = rows_code_square(rows, code) * unit;
    if (!rows->coded)
        return;
    int8_t *rest = code + rows_aligned(rows->dim);
    query->full_square = rows_code_rest(rows, query->vector, code, rest) * unit;
    query->rest = rest;
}

void rows_query(const struct rows *rows, const float *vector, void *storage,
                struct rows_query *out_query)
{
    float *copy = storage;
    memcpy(copy, (const void *)vector, rows->dim * sizeof *copy);
    *out_query = (struct rows_query){
        .vector = copy,
        .factor = rows_factor(rows, copy),
        .clock = atomic_load_explicit(&rows->clock, memory_order_acquire),
    };
    if (rows->int8)
        rows_query_code(rows, (int8_t *)storage + rows_aligned(rows->dim * sizeof *copy),
                        out_query);
}

void rows_query_row(const struct rows *rows, uint32_t slot, struct rows_query *out_query)
{
    uint32_t i;
    const struct rows_chunk *chunk = &rows->chunks[rows_chunk_of(slot, &i)];
    double step = rows->int8 ? chunk->steps[i] : 0;
    double square = chunk->squares != NULL ? chunk->squares[i] * step * step : 0;
    *out_query = (struct rows_query){
        .vector = rows->coded ? NULL : rows_vector(rows, slot),
        .factor = chunk->rows[i].factor,
        .code = rows->int8 ? rows_code_at(rows, slot) : NULL,
        .step = (float)step,
        .square = square,
        .full_square = square,
        .clock = atomic_load_explicit(&rows->clock, memory_order_acquire),
    };
}
