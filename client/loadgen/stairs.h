/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How many connections send at which time of a test: all, or more and more, as a staircase:
 *
 *   start 10, step 20, top 50, each 5 s     10 for 5 s, then 30 for 5 s, then 50
 *
 * All are open before the test begins; the staircase says which of them are used.
 */
#pragma once

#include <stdint.h>

struct stairs {
    unsigned start, step, top; /* connections; start at least 1, top at least start */
    uint64_t each_ns;          /* how long a step takes; 0: there is only the top */
};

/* At most: figures are kept for 150 intervals or more, and each step should have some. */
enum { STAIRS_STEPS_MAX = 50 };

/* Steps; 1 if there is only the top. */
unsigned stairs_steps(const struct stairs *stairs);

/* Connections on a step, counted from 0. */
unsigned stairs_at(const struct stairs *stairs, unsigned step);

/* On which step a test is after this time. */
unsigned stairs_step(const struct stairs *stairs, uint64_t time_ns);

/* When the next step begins; UINT64_MAX: there is none. */
uint64_t stairs_next_ns(const struct stairs *stairs, uint64_t time_ns);

/* How long all steps take together. */
uint64_t stairs_length_ns(const struct stairs *stairs);

/* The time that connections were used until then, all together. */
uint64_t stairs_used_ns(const struct stairs *stairs, uint64_t time_ns);
