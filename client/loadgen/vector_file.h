/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files of vectors.
 *
 *   .fvecs   for each vector its dimension (int32) and its elements (float32), little-endian
 *   .npy     a two-dimensional array of float32 as numpy.save writes it, little-endian, in C order
 *
 * What it is is seen from its first bytes, not from its name.
 */
#pragma once

#include "client/loadgen/vector_set.h"

#include <stdio.h>

/* A table of vectors in a file. */
struct vector_table {
    size_t dim;
    uint64_t rows;
    size_t begin;  /* of the first row in the file */
    size_t stride; /* bytes from row to row */
    size_t skip;   /* bytes of a row before its elements */
};

/* Find out what is in a file of this size, whose first bytes these are (at most
 * VECTOR_FILE_HEAD). False: it is no such table; *out_why says why. The bytes may be anything. */
enum { VECTOR_FILE_HEAD = 65536 };
MUST_USE bool vector_table_find(const uint8_t *head, size_t head_size, uint64_t file_size,
                                struct vector_table *out, const char **out_why);

/* Read `n` rows from number `from` on into rows[0 .. n * dim). 0, ERR_IO, or ERR_BAD_ARGUMENT: a
 * row of another dimension, or an element that is no finite number; *out_row is the row. */
MUST_USE int vector_table_read(FILE *file, const struct vector_table *table, uint64_t from,
                               uint64_t n, float *rows, uint64_t *out_row);

/* Fill a set from its spec's files: the first rows are the vectors, those of the query file, or the
 * last rows, the queries. spec.n and spec.queries are as many as are asked for, 0: as there are
 * (queries: VECTOR_FILE_QUERIES). As vector_set_make. */
enum { VECTOR_FILE_QUERIES = 10000 };
MUST_USE int vector_file_fill(struct vector_set *set, char out_detail[static VECTOR_DETAIL_SIZE]);
