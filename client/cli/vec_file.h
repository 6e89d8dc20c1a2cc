/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files of vectors, read a row at a time.
 *
 *   lines of JSON   {"key": "a", "vector": [1, 2.5], "metadata": {"kind": "note"}}
 *                   the key may be called id (a number is taken, too), the vector embedding or
 *                   values, the metadata payload; any other field joins the metadata
 *   .fvecs, .npy    client/common/vector_table.h; keys and metadata may stand in a second file, a
 *                   line for each row, as above without the vector
 *
 * The form is known by the first bytes. Memory is bounded by the largest row, not by the file.
 */
#pragma once

#include "client/common/vector_table.h"

enum {
    VEC_FILE_LINE_MAX = 64 << 20, /* bytes of a line */
    VEC_FILE_FIELDS_MAX = 256,    /* of a line, besides key, vector and metadata */
};

/* A row; views that hold until the next one is read. */
struct vec_row {
    struct bytes key;      /* packed; none: it has only its number */
    struct bytes elements; /* 32-bit floats, all finite, aligned */
    struct bytes metadata; /* a packed map, or none */
};

struct vec_file {
    struct window window;
    bool is_table;             /* else of lines */
    struct vector_table table; /* its elements are those of lines, too */
    bool has_keys;
    struct window keys; /* lines for the rows of a table */
    uint64_t keys_line;
    uint64_t count;  /* rows read */
    uint64_t number; /* of the row for people: of the line from 1, else of the row from 0 */
    struct buf packed, key, metadata; /* of the line */
};

/* Begin to read; keys: the file of keys, or NULL. vec_file_deinit in any case. 0,
 * ERR_OUT_OF_MEMORY, or ERR_BAD_ARGUMENT told in *usage, as below. Of a table that is no pipe it is
 * seen at once whether it has all its rows. */
MUST_USE int vec_file_begin(FILE *in, FILE *keys, struct vec_file *out, struct usage *usage);

/* The next row: 1; 0: there is none; or an error, told with the place of the row. */
MUST_USE int vec_file_next(struct vec_file *file, struct vec_row *out, struct usage *usage);

/* Elements of every vector; 0: none was read yet. */
unsigned vec_file_dim(const struct vec_file *file);

/* What `number` counts: "line" or "row". */
const char *vec_file_unit(const struct vec_file *file);

void vec_file_deinit(struct vec_file *file);

/* One vector as an argument, packed: JSON, a .npy file with one row, or raw 32-bit floats. */
MUST_USE int vec_file_vector(struct bytes bytes, struct buf *out, struct usage *usage);

/* A packed vector, bin or array of numbers, as the elements of one more row. 0, ERR_OUT_OF_MEMORY,
 * or ERR_BAD_ARGUMENT told in *usage. */
MUST_USE int vec_file_elements(struct elements *elements, struct bytes packed, struct usage *usage);
