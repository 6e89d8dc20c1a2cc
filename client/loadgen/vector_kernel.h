/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Products and distances of two vectors, for the oracle. Nothing of the server's is used here: who
 * checks it must not share its mistakes. Sixteen sums side by side are what compilers make vector
 * instructions of.
 */
#pragma once

#include <stddef.h>

enum { VECTOR_LANES = 16 };

static inline float vector_kernel_sum(const float sums[static VECTOR_LANES])
{
    float sum = 0;
    for (size_t j = 0; j < VECTOR_LANES; j++)
        sum += sums[j];
    return sum;
}

/* Sum of a[i] * b[i]. */
static inline float vector_kernel_dot(const float *a, const float *b, size_t n)
{
    float sums[VECTOR_LANES] = {0}, rest = 0;
    size_t i = 0;
    for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
        for (size_t j = 0; j < VECTOR_LANES; j++)
            sums[j] += a[i + j] * b[i + j];
    for (; i < n; i++)
        rest += a[i] * b[i];
    return vector_kernel_sum(sums) + rest;
}

/* Sum of (a[i] - b[i])^2. */
static inline float vector_kernel_l2(const float *a, const float *b, size_t n)
{
    float sums[VECTOR_LANES] = {0}, rest = 0;
    size_t i = 0;
    for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
        for (size_t j = 0; j < VECTOR_LANES; j++)
            sums[j] += (a[i + j] - b[i + j]) * (a[i + j] - b[i + j]);
    for (; i < n; i++)
        rest += (a[i] - b[i]) * (a[i] - b[i]);
    return vector_kernel_sum(sums) + rest;
}
