/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Codes: a vector as one byte an element, from -127 to 127, times a step of its own.
 *
 * The largest element is 127 (or -127) steps, others the nearest number of them; so an element is
 * off by half a step at most. Under cosine it is the vector of length 1 that is coded.
 * Pure; any thread.
 */
#pragma once

#include "server/ds/rows.h"

/* Write dim bytes; returns the step. */
float rows_code(const struct rows *rows, const float *vector, int8_t *out_code);

/* Sum of the squares of the elements, as a code has them. */
float rows_code_square(const struct rows *rows, const int8_t *code, float step);

/* The square of the length, of vectors for which single precision will not do. */
double rows_square(const float *vector, size_t n);
