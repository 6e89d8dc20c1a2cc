/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Arrival times.
 *
 * How: those of a constant rate follow from the number alone, so that no rounding adds up; those of
 * Poisson are a sum of gaps, -log(u) times the mean.
 *
 * Invariants: times never go down. Threads: one for each schedule. Failures: none.
 */
#include "client/loadgen/schedule.h"

#include <math.h>

void schedule_init(struct schedule *schedule, double rate, bool poisson, uint64_t seed,
                   unsigned thread, unsigned threads)
{
    *schedule = (struct schedule){
        .gap_ns = 1e9 / rate,
        .stride = threads,
        .poisson = poisson,
        .rng = {rng_mix(seed ^ rng_mix(thread + 0x9e3779b97f4a7c15u))},
    };
}

uint64_t schedule_next_ns(struct schedule *schedule, uint64_t index)
{
    if (!schedule->poisson)
        return (uint64_t)((double)index * schedule->gap_ns);
    double uniform = ((double)(rng_next(&schedule->rng) >> 11) + 0.5) * 0x1p-53;
    schedule->at_ns += -log(uniform) * schedule->gap_ns * schedule->stride;
    return (uint64_t)schedule->at_ns;
}
