/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files that are a table of numbers, a vector in each row, read a row at a time.
 *
 *   .fvecs   dim i32 | dim 32-bit floats, little-endian, for each row
 *   .npy     npy.h
 *
 * What it is is seen from its first bytes, not from its name. Memory is bounded by the largest row,
 * whatever the file says of itself.
 */
#pragma once

#include "client/common/elements.h"
#include "client/common/npy.h"
#include "client/common/window.h"

struct vector_table {
    struct window *window;
    struct elements elements; /* of the row that was read; their dim is that of all */
    uint64_t row;             /* number of the one that is read next, from 0 */
    bool is_counted;          /* else only the end of the file tells how many rows there are */
    uint64_t rows;            /* in all */
    uint64_t begin;           /* where in the file rows begin */
    size_t head;              /* bytes of a row before its elements: the dim of .fvecs */
    size_t element;           /* bytes of one in the file */
};

/* Does such a file begin in the window? 1: yes, it is at its first row, whose dimension is known;
 * 0: no, nothing was taken; ERR_OUT_OF_MEMORY; or ERR_BAD_ARGUMENT told: it does, but is damaged or
 * holds something else. vector_table_deinit in any case; the window stays the caller's. */
MUST_USE int vector_table_begin(struct vector_table *table, struct window *window,
                                struct usage *usage);
void vector_table_deinit(struct vector_table *table);

/* The file is so large: are those all the rows that there should be? Then they are counted. 0, or
 * ERR_BAD_ARGUMENT told. To be asked before anything is reserved for rows. */
MUST_USE int vector_table_measure(struct vector_table *table, uint64_t file_size,
                                  struct usage *usage);

/* The next row, 32-bit floats that hold until the one after: 1; 0: there is none; or as
 * vector_table_begin, told with the row and its byte. */
MUST_USE int vector_table_next(struct vector_table *table, struct bytes *out, struct usage *usage);

/* Go on at this row, of a file that is no pipe. 0, or ERR_BAD_ARGUMENT told. */
MUST_USE int vector_table_seek(struct vector_table *table, uint64_t row, struct usage *usage);
