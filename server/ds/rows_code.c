/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Codes of vectors. All is computed in double, which holds the quotients of any two floats.
 */
#include "server/ds/rows_code.h"

#include <math.h>
#include <string.h>

enum { CODE_MAX = 127 };

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

float rows_code(const struct rows *rows, const float *vector, int8_t *out_code)
{
    double largest = code_largest(vector, rows->dim);
    double scale = largest > 0 ? CODE_MAX / largest : 0;
    for (size_t i = 0; i < rows->dim; i++)
        out_code[i] = code_rounded(code_element(vector, i) * scale);
    if (rows->metric == METRIC_COSINE && largest > 0)
        largest /= sqrt(rows_square(vector, rows->dim));
    return (float)(largest / CODE_MAX);
}

float rows_code_square(const struct rows *rows, const int8_t *code, float step)
{
    return (float)rows->kernels->dot_int8(code, code, rows->dim) * step * step;
}
