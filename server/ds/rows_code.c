/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Codes of vectors. All is computed in double, which holds the quotients of any two floats.
 */
#include "server/ds/rows_code.h"

#include <endian.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* Elements stand at any address. */
static inline float code_element(const float *vector, size_t i)
{
    float element;
    memcpy(&element, (const char *)vector + i * sizeof element, sizeof element);
    return element;
}

static float code_largest(const float *vector, size_t n)
{
    float largest = 0;
    for (size_t i = 0; i < n; i++) {
        float size = fabsf(code_element(vector, i));
        largest = size > largest ? size : largest;
    }
    return largest;
}

/* To the nearest integer, by adding a number so large that nothing behind the point remains: unlike
 * a call of lrint this can be done to several at once. */
static inline int8_t code_rounded(double number)
{
    double shifted = number + 0x1.8p52;
    int64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    return (int8_t)bits;
}

double rows_square(const float *vector, size_t n)
{
    double square = 0;
    for (size_t i = 0; i < n; i++)
        square += (double)code_element(vector, i) * code_element(vector, i);
    return square;
}

/* Returns the largest element, without its sign. */
static double code_write(const float *vector, size_t dim, int8_t *out_code)
{
    double largest = code_largest(vector, dim);
    double scale = largest > 0 ? CODE_MAX / largest : 0;
    for (size_t i = 0; i < dim; i++)
        out_code[i] = code_rounded(code_element(vector, i) * scale);
    return largest;
}

float rows_code(const struct rows *rows, const float *vector, int8_t *out_code)
{
    double largest = code_write(vector, rows->dim, out_code);
    if (rows->metric == METRIC_COSINE && largest > 0)
        largest /= sqrt(rows_square(vector, rows->dim));
    return (float)(largest / CODE_MAX);
}

int32_t rows_code_square(const struct rows *rows, const int8_t *code)
{
    return rows->kernels->dot_int8(code, code, rows->dim);
}

double rows_code_rest(const struct rows *rows, const float *vector, const int8_t *code,
                      int8_t *out_rest)
{
    const struct kernels *kernels = rows->kernels;
    size_t dim = rows->dim;
    double largest = code_largest(vector, dim);
    double scale = largest > 0 ? CODE_MAX / largest : 0;
    for (size_t i = 0; i < dim; i++)
        out_rest[i] = code_rounded((code_element(vector, i) * scale - code[i]) * CODE_REST);
    return kernels->dot_int8(code, code, dim) +
           2.0 / CODE_REST * kernels->dot_int8(code, out_rest, dim) +
           1.0 / CODE_REST / CODE_REST * kernels->dot_int8(out_rest, out_rest, dim);
}

/* ---- stored codes ---- */

static void code_step_write(uint8_t *to, float step)
{
    uint32_t bits;
    memcpy(&bits, &step, sizeof bits);
    bits = htole32(bits);
    memcpy(to, &bits, sizeof bits);
}

float code_stored_step(const uint8_t *stored)
{
    uint32_t bits;
    float step;
    memcpy(&bits, stored, sizeof bits);
    bits = le32toh(bits);
    memcpy(&step, &bits, sizeof step);
    return step;
}

void code_store(const float *vector, size_t dim, uint8_t *out_stored)
{
    double largest = code_write(vector, dim, (int8_t *)(out_stored + ROWS_CODE_HEAD));
    code_step_write(out_stored, (float)(largest / CODE_MAX));
}

void code_load(const uint8_t *stored, size_t dim, float *out_vector)
{
    const int8_t *code = code_of_stored(stored);
    float step = code_stored_step(stored);
    for (size_t i = 0; i < dim; i++)
        out_vector[i] = (float)code[i] * step;
}

bool code_check_stored(const uint8_t *stored, size_t dim)
{
    const int8_t *code = code_of_stored(stored);
    float step = code_stored_step(stored);
    for (size_t i = 0; i < dim; i++)
        if (code[i] < -CODE_MAX)
            return false;
    return step >= 0 && step <= FLT_MAX / CODE_MAX;
}
