/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The header of a .npy file, as numpy.save writes and numpy.load reads it.
 *
 *   "\x93NUMPY" | major u8 | minor u8 | size u16 (u32 from version 2 on) | a dict in Python | rows
 *
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
#pragma once

#include "client/common/usage.h"
#include "common/bytes.h"

enum {
    NPY_MAGIC = 6, /* bytes by which it is known */
    NPY_HEAD_MAX = 12 + 65535,
    NPY_HEAD_WRITTEN = 128,
};

/* Rows of numbers, in the order in which they stand in the file. */
struct npy {
    uint64_t rows, columns; /* an array of one dimension is one row */
    size_t element;         /* bytes: 2, 4 or 8; little-endian floats */
    size_t size;            /* of the header: the rows begin there */
};

/* Is this the beginning of such a file? */
bool npy_is(struct bytes bytes);

/* Read the header, of which bytes is the beginning: NPY_HEAD_MAX of them, or all there are. 0, or
 * ERR_BAD_ARGUMENT told in *usage: it is damaged, or holds something else than float16, 32 or 64
 * in C order, in one or two dimensions. */
MUST_USE int npy_read(struct bytes bytes, struct npy *out, struct usage *usage);

/* The header of so many rows of 32-bit floats: always of this size, so that it can be written
 * behind the rows, at the beginning of the file. */
void npy_write(uint64_t rows, uint64_t columns, uint8_t out[static NPY_HEAD_WRITTEN]);
