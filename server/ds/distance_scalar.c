/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Kernels in plain C: what the others are measured by. Sums of floats are kept in four lanes, which
 * halves the rounding twice and lets additions overlap.
 */
#include "server/ds/distance_sets.h"

#include <string.h>

enum { SCALAR_LANES = 4 };

/* Elements stand at any address. */
static inline float scalar_at(const float *elements, size_t i)
{
    float element;
    memcpy(&element, (const char *)elements + i * sizeof element, sizeof element);
    return element;
}

static inline float scalar_square(float x)
{
    return x * x;
}

static float scalar_dot(const float *a, const float *b, size_t n)
{
    float sum[SCALAR_LANES] = {0};
    size_t i = 0;
    for (; n - i >= SCALAR_LANES; i += SCALAR_LANES)
        for (size_t lane = 0; lane < SCALAR_LANES; lane++)
            sum[lane] += scalar_at(a, i + lane) * scalar_at(b, i + lane);
    for (; i < n; i++)
        sum[i % SCALAR_LANES] += scalar_at(a, i) * scalar_at(b, i);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static float scalar_l2(const float *a, const float *b, size_t n)
{
    float sum[SCALAR_LANES] = {0};
    size_t i = 0;
    for (; n - i >= SCALAR_LANES; i += SCALAR_LANES)
        for (size_t lane = 0; lane < SCALAR_LANES; lane++)
            sum[lane] += scalar_square(scalar_at(a, i + lane) - scalar_at(b, i + lane));
    for (; i < n; i++)
        sum[i % SCALAR_LANES] += scalar_square(scalar_at(a, i) - scalar_at(b, i));
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static int32_t scalar_dot_int8(const int8_t *a, const int8_t *b, size_t n)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

const struct kernels *kernels_scalar(void)
{
    static const struct kernels kernels = {"scalar", scalar_dot, scalar_l2, scalar_dot_int8};
    return &kernels;
}
