/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tables of vectors: see vector_table.h.
 *
 * How: rows of both forms are a head, which .npy has none of, and elements of one size, so all that
 * differs is where they begin and how many there are.
 *
 * Invariants
 *   1. Every row has as many elements as the first, 1 to ELEMENTS_MAX, all finite.
 *   2. What is reserved is bounded by these limits and by what was read.
 *   3. Sizes are computed from a dim of at most ELEMENTS_MAX; with a number of rows, only checked.
 *
 * Threads: one. Failures: no memory; what is wrong, as a sentence that begins with its place.
 */
#include "client/common/vector_table.h"

#include "common/err.h"

#include <inttypes.h>
#include <string.h>

enum { FVECS_HEAD = 4 };

static size_t table_stride(const struct vector_table *table)
{
    return table->head + table->elements.dim * table->element;
}

/* Something is wrong with the row: say which, and where it begins. */
static int table_wrong(const struct vector_table *table, int err, struct usage *usage)
{
    uint64_t offset = window_offset(table->window);
    return err != ERR_BAD_ARGUMENT
               ? err
               : usage_at(usage, "row %" PRIu64 " (byte %" PRIu64 ")", table->row, offset);
}

/* ---- Beginning ------------------------------------------------------------------------------ */

/* No text has a NUL, and no row of .fvecs has 65,536 elements. */
static bool table_is_fvecs(struct bytes bytes)
{
    return bytes.size >= FVECS_HEAD && bytes.data[2] == 0 && bytes.data[3] == 0;
}

static uint32_t table_u32(struct bytes bytes)
{
    uint32_t value;
    memcpy(&value, bytes.data, sizeof value);
    return value;
}

static int table_begin_fvecs(struct vector_table *table, struct bytes bytes, struct usage *usage)
{
    table->head = FVECS_HEAD;
    table->element = sizeof(float);
    return table_wrong(table, elements_begin(&table->elements, table_u32(bytes), usage), usage);
}

static int table_begin_npy(struct vector_table *table, struct usage *usage)
{
    struct npy npy;
    int err = window_have(table->window, NPY_HEAD_MAX, usage);
    if (err == 0)
        err = npy_read(window_bytes(table->window), &npy, usage);
    if (err == 0 && (npy.columns == 0 || npy.columns > ELEMENTS_MAX))
        err = usage_set(usage,
                        "the rows of the .npy file have %" PRIu64 " elements; 1 to %d are possible",
                        npy.columns, ELEMENTS_MAX);
    if (err == 0)
        err = elements_begin(&table->elements, npy.columns, usage);
    if (err != 0)
        return err;
    window_take(table->window, npy.size);
    table->is_counted = true;
    table->rows = npy.rows;
    table->element = npy.element;
    return 0;
}

int vector_table_begin(struct vector_table *table, struct window *window, struct usage *usage)
{
    *table = (struct vector_table){.window = window};
    elements_init(&table->elements);
    int err = window_have(window, NPY_MAGIC, usage);
    if (err != 0)
        return err;
    struct bytes bytes = window_bytes(window);
    bool npy = npy_is(bytes);
    if (!npy && !table_is_fvecs(bytes))
        return 0;
    err = npy ? table_begin_npy(table, usage) : table_begin_fvecs(table, bytes, usage);
    table->begin = window_offset(window);
    return err != 0 ? err : 1;
}

void vector_table_deinit(struct vector_table *table)
{
    elements_deinit(&table->elements);
}

int vector_table_measure(struct vector_table *table, uint64_t file_size, struct usage *usage)
{
    size_t stride = table_stride(table);
    uint64_t left = file_size > table->begin ? file_size - table->begin : 0;
    uint64_t there = left / stride, rest = left % stride;
    if (table->is_counted && (there != table->rows || rest != 0))
        return usage_set(usage,
                         "%" PRIu64 " bytes follow the header of the .npy file, which tells of "
                         "%" PRIu64 " rows of %zu bytes: it is cut, or damaged; copy or save it "
                         "again",
                         left, table->rows, stride);
    if (!table->is_counted && rest != 0)
        return usage_set(usage,
                         "the file has %" PRIu64 " rows of %u elements and %" PRIu64 " bytes more: "
                         "it is cut, or no .fvecs file, or not all of one dimension",
                         there, table->elements.dim, rest);
    table->is_counted = true;
    table->rows = there;
    return 0;
}

/* ---- Rows ----------------------------------------------------------------------------------- */

/* Behind the last row that was told of. */
static int table_end(struct vector_table *table, struct usage *usage)
{
    int err = window_have(table->window, 1, usage);
    if (err != 0 || window_bytes(table->window).size == 0)
        return err;
    return usage_set(usage,
                     "there is more behind the %" PRIu64 " rows that the file should have, from "
                     "byte %" PRIu64 " on: its header is wrong, or something was appended",
                     table->rows, window_offset(table->window));
}

static int table_row(struct vector_table *table, struct usage *usage)
{
    size_t size = table_stride(table);
    int err = window_have(table->window, size, usage);
    struct bytes bytes = window_bytes(table->window);
    if (err != 0 || (bytes.size == 0 && !table->is_counted))
        return err;
    bool has_head = bytes.size >= table->head;
    uint64_t dim = has_head && table->head > 0 ? table_u32(bytes) : table->elements.dim;
    if (has_head)
        err = elements_begin(&table->elements, dim, usage);
    if (err == 0 && bytes.size < size)
        err = usage_set(usage, "the file is cut inside of it: %zu bytes are there, %zu expected",
                        bytes.size, size);
    if (err == 0)
        err = elements_take(&table->elements, bytes.data + table->head, table->element, usage);
    if (err == 0)
        window_take(table->window, size);
    return err != 0 ? err : 1;
}

int vector_table_next(struct vector_table *table, struct bytes *out, struct usage *usage)
{
    if (table->is_counted && table->row == table->rows)
        return table_end(table, usage);
    int got = table_row(table, usage);
    if (got < 0)
        return table_wrong(table, got, usage);
    table->row += got == 1;
    *out = buf_bytes(&table->elements.row);
    return got;
}

int vector_table_seek(struct vector_table *table, uint64_t row, struct usage *usage)
{
    uint64_t offset;
    if (__builtin_mul_overflow(row, table_stride(table), &offset) ||
        __builtin_add_overflow(offset, table->begin, &offset))
        return usage_set(usage, "the file has no row %" PRIu64, row);
    int err = window_seek(table->window, offset, usage);
    if (err == 0)
        table->row = row;
    return err;
}
