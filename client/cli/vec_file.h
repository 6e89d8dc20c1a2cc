/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files of vectors, read a row at a time.
 *
 *   lines of JSON   {"key": "a", "vector": [1, 2.5], "metadata": {"kind": "note"}}
 *                   the key may be called id (a number is taken, too), the vector embedding or
 *                   values, the metadata payload; any other field joins the metadata
 *   .fvecs          dim i32 | dim floats, little-endian, for each row
 *   .npy            npy.h
 *
 * The form is known by the first bytes. Memory is bounded by the largest row, not by the file.
 */
#pragma once

#include "client/cli/npy.h"
#include "common/buf.h"

#include <stdio.h>

enum {
    VEC_FILE_DIM_MAX = 8192,
    VEC_FILE_LINE_MAX = 64 << 20, /* bytes of a line */
    VEC_FILE_FIELDS_MAX = 256,    /* of a line, besides key, vector and metadata */
};

enum vec_file_form { VEC_FILE_LINES, VEC_FILE_FVECS, VEC_FILE_NPY };

/* A row; views that hold until the next one is read. */
struct vec_row {
    struct bytes key;      /* packed; none: it has only its number */
    struct bytes elements; /* 32-bit floats, all finite, aligned */
    struct bytes metadata; /* a packed map, or none */
};

struct vec_file {
    FILE *in;
    enum vec_file_form form;
    unsigned dim;    /* of all rows; 0: none was read yet */
    uint64_t count;  /* rows read */
    uint64_t number; /* of the row for people: of the line from 1, else of the row from 0 */
    struct npy npy;
    struct buf raw; /* read from `in` and not yet taken, from `at` on */
    size_t at;
    bool ended;                                 /* `in` has no more */
    struct buf packed, key, elements, metadata; /* of the row */
};

/* Begin to read; vec_file_deinit in any case. 0, ERR_OUT_OF_MEMORY, or ERR_BAD_ARGUMENT told in
 * *usage, as below. */
MUST_USE int vec_file_begin(FILE *in, struct vec_file *out, struct usage *usage);

/* The next row: 1; 0: there is none; or an error, told with the place of the row. */
MUST_USE int vec_file_next(struct vec_file *file, struct vec_row *out, struct usage *usage);

/* What `number` counts: "line" or "row". */
const char *vec_file_unit(const struct vec_file *file);

void vec_file_deinit(struct vec_file *file);

/* One vector as an argument, packed: JSON, a .npy file with one row, or raw 32-bit floats. */
MUST_USE int vec_file_vector(struct bytes bytes, struct buf *out, struct usage *usage);
