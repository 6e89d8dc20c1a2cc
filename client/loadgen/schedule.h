/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When requests are to be sent in an open loop, whatever has become of those before: the share of
 * one thread.
 *
 *   constant    request i of all at i / rate: even, and the same for any number of threads
 *   Poisson     exponential gaps; those of the threads together are Poisson arrivals again
 */
#pragma once

#include "common/rng.h"

#include <stdbool.h>

struct schedule {
    double gap_ns;   /* mean time between requests of all threads */
    unsigned stride; /* threads */
    bool poisson;
    double at_ns; /* Poisson: when the last one was */
    struct rng rng;
};

/* `rate` requests a second (above 0) over so many threads, of which this is number `thread`. */
void schedule_init(struct schedule *schedule, double rate, bool poisson, uint64_t seed,
                   unsigned thread, unsigned threads);

/* Time of the thread's next request, in ns since the beginning. index: its number in the stream,
 * which goes up by `threads` from one call to the next. */
uint64_t schedule_next_ns(struct schedule *schedule, uint64_t index);
