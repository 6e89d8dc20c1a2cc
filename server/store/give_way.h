/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Giving way: background work that takes what the others of this process leave of the CPUs.
 *
 * After each burst of work the thread sleeps, the longer the busier the others are; so a loop that
 * wants its CPU waits for a burst, not for a time slice, and the work never makes a machine that
 * had room a machine that has none. While nobody else does anything it does not sleep at all.
 */
#pragma once

#include <stdint.h>

enum { GIVE_WAY_BURST_NS = 100000 };

/* A thread and what it has seen. Times are CPU times, but for wall_ns. */
struct give_way {
    unsigned cpus;      /* the process may run on */
    uint64_t rested_ns; /* of the thread, at the end of the last rest */
    /* The window over which the others are watched. */
    uint64_t wall_ns, process_ns, thread_ns;
    unsigned busy; /* thousandths of all CPUs that the others took in the last window */
};

/* By the thread that does the work. */
void give_way_begin(struct give_way *give_way);

/* Between two small pieces of work: sleep if a burst is over. */
void give_way_rest(struct give_way *give_way);

/* How long to sleep after so much work. */
uint64_t give_way_rest_ns(uint64_t worked_ns, unsigned busy);
