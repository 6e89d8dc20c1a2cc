/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When requests are to be sent in an open loop, whatever has become of those before: the share of
 * one thread.
 *
 *   constant    request i of all at i / rate: even, and the same for any number of threads
 *   Poisson     exponential gaps; those of the threads together are Poisson arrivals again
 *
 * The rate need not be the same all the time. Both are laid out at one request a unit of work, and
 * the law says at which time how much work is due:
 *
 *   bursts      none during off; while on as much more that the mean is the rate
 *   ramp        the rate grows or falls evenly, then stays
 */
#pragma once

#include "common/check.h"
#include "common/rng.h"

#include <stdbool.h>

/* Requests a second over time; all zero: there is no schedule, the loop is closed. */
struct schedule_law {
    double rate; /* on average; of a ramp, at its end */
    bool poisson;
    uint64_t on_ns, off_ns; /* bursts; both 0: none */
    double from;            /* a ramp: the rate it begins with, */
    uint64_t ramp_ns;       /* and how long it takes; 0: there is none */
};

struct schedule {
    struct schedule_law law;
    unsigned stride; /* threads */
    double at;       /* Poisson: work until the last request */
    struct rng rng;
};

/* Read "1s:4s", two times above 0, and "100:2000:30s": two rates, of which the second is above 0,
 * and a time. ERR_BAD_ARGUMENT: the text is no such. */
MUST_USE int schedule_read_burst(const char *text, struct schedule_law *law);
MUST_USE int schedule_read_ramp(const char *text, struct schedule_law *law);

enum { SCHEDULE_TEXT_SIZE = 240 };

/* "2,000 requests/s, even arrivals" */
void schedule_format(const struct schedule_law *law, char out_text[static SCHEDULE_TEXT_SIZE]);

/* When so many requests have come due on average, in ns since the beginning: goes up. */
double schedule_time_ns(const struct schedule_law *law, double requests);

/* How many have by this time. */
double schedule_count(const struct schedule_law *law, uint64_t time_ns);

/* The mean rate of so many requests, or, if duration_ns is above 0, of so long. */
double schedule_mean_rate(const struct schedule_law *law, uint64_t requests, uint64_t duration_ns);

/* A law over so many threads, of which this is number `thread`. */
void schedule_init(struct schedule *schedule, const struct schedule_law *law, uint64_t seed,
                   unsigned thread, unsigned threads);

/* Time of the thread's next request, in ns since the beginning. index: its number in the stream,
 * which goes up by `threads` from one call to the next. */
uint64_t schedule_next_ns(struct schedule *schedule, uint64_t index);
