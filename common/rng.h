/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Small seeded random number generator (splitmix64: Steele, Lea, Flood, OOPSLA 2014) for tests,
 * load and sampling. Not for secrets.
 */
#pragma once

#include "common/wide.h"

#include <stdint.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t rng_next(struct rng *rng)
{
    return rng_mix(rng->state += 0x9e3779b97f4a7c15u);
}

/* Uniform in 0..n-1 (n > 0), by multiplication (Lemire); bias below n / 2^64. */
static inline uint64_t rng_below(struct rng *rng, uint64_t n)
{
    return wide_mul_shift(rng_next(rng), n, 64);
}
