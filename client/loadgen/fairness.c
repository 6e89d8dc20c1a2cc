/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fairness between connections.
 *
 * How: Jain's index is the square of the sum, divided by the sum of the squares and their number.
 *
 * Invariants: the index is from 1/n to 1; that of connections which have nothing is 1.
 * Threads: any; no state. Failures: none.
 */
#include "client/loadgen/fairness.h"

#include <stdlib.h>

static int fairness_order(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

struct fairness fairness_of(uint64_t *done, size_t n)
{
    double sum = 0, squares = 0;
    if (n == 0)
        return (struct fairness){.connections = 0};
    qsort(done, n, sizeof *done, fairness_order);
    for (size_t i = 0; i < n; i++) {
        sum += (double)done[i];
        squares += (double)done[i] * (double)done[i];
    }
    return (struct fairness){
        .connections = n,
        .min = done[0],
        .median = n % 2 == 1 ? done[n / 2] : (done[n / 2 - 1] + done[n / 2]) / 2,
        .max = done[n - 1],
        .jain = squares > 0 ? sum * sum / ((double)n * squares) : 1,
    };
}
