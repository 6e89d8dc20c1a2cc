/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How evenly a server serves connections that all ask as much as they can.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Requests answered on a connection. */
struct fairness {
    size_t connections; /* 0: nothing is known */
    uint64_t min, median, max;
    double jain; /* index (R. Jain, 1984): 1 if all are equal, 1/n if one has everything */
};

/* Of these connections, which are put in order. */
struct fairness fairness_of(uint64_t *done, size_t n);
