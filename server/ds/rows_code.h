/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Codes: a vector as one byte an element, from -127 to 127, times a step of its own.
 *
 * The largest element is 127 (or -127) steps, others the nearest number of them; so an element is
 * off by half a step at most. Under cosine it is the vector of length 1 that is coded.
 *
 *   stored code  | step, a float | dim bytes |    which is what CODES_ONLY has of a vector
 *
 * Pure; any thread.
 */
#pragma once

#include "server/ds/rows.h"

/* Write dim bytes; returns the step. */
float rows_code(const struct rows *rows, const float *vector, int8_t *out_code);

/* Sum of the squares of the bytes of a code: at most ROWS_DIM_MAX * 127 * 127. */
int32_t rows_code_square(const struct rows *rows, const int8_t *code);

/* A code of what rows_code left over of the vector, in steps of 1 / CODE_REST of its step. Returns
 * the square of the length of both together, in its steps. */
double rows_code_rest(const struct rows *rows, const float *vector, const int8_t *code,
                      int8_t *out_rest);

enum { CODE_MAX = 127, CODE_REST = 2 * CODE_MAX };

static inline size_t code_stored_bytes(size_t dim)
{
    return ROWS_CODE_HEAD + dim;
}
/* Its step; and where its bytes begin. */
float code_stored_step(const uint8_t *stored);
static inline const int8_t *code_of_stored(const uint8_t *stored)
{
    return (const int8_t *)(stored + ROWS_CODE_HEAD);
}

/* Write code_stored_bytes(dim) of a vector (any alignment); and the vector, about, of them. */
void code_store(const float *vector, size_t dim, uint8_t *out_stored);
void code_load(const uint8_t *stored, size_t dim, float *out_vector);
/* False: code_store does not write such. The vectors of others are finite. */
bool code_check_stored(const uint8_t *stored, size_t dim);

/* The square of the length, of vectors for which single precision will not do. */
double rows_square(const float *vector, size_t n);
