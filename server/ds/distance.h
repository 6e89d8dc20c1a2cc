/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Kernels: products and distances of vectors, for the instructions this processor has.
 *
 * The scalar ones define the results; others add in another order, so their results differ by
 * rounding (for n elements by no more than about n / 2 units in the last place of the sum of the
 * absolute terms); those of integers are exact. Pointers need no alignment. Pure; any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct kernels {
    const char *name; /* of the instructions: "avx512-vnni", "avx2", "neon", "scalar" */
    /* Sum of a[i] * b[i]; sum of (a[i] - b[i])^2. n may be 0. */
    float (*dot)(const float *a, const float *b, size_t n);
    float (*l2)(const float *a, const float *b, size_t n);
    /* Sum of a[i] * b[i] for n <= 65536 elements from -127 to 127. */
    int32_t (*dot_int8)(const int8_t *a, const int8_t *b, size_t n);
};

/* The best this processor can run. Chosen once, by the first call. */
const struct kernels *kernels_best(void);

/* All that this processor can run, the best first; NULL behind the last. For tests and
 * measurements. */
const struct kernels *kernels_at(unsigned i);
