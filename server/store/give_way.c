/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Giving way: see give_way.h.
 *
 *   share of a CPU for the work = (1 - busy)^2, at least 1/16
 *
 * busy 0: 1; 0.3: a half; 0.5: a quarter; 0.75 and more: a sixteenth. What is left beside the
 * others and the work is what keeps queues short.
 *
 * Threads: the one that works. CPU times are read, not wall times, as waiting for locks or the disk
 * harms nobody.
 */
#include "server/store/give_way.h"

#include <sched.h>
#include <time.h>

enum { GIVE_WAY_WINDOW_NS = 5000000, GIVE_WAY_LEAST = 62500 /* millionths */ };

static uint64_t give_way_clock(clockid_t clock)
{
    struct timespec t = {0, 0};
    (void)clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void give_way_begin_window(struct give_way *give_way, uint64_t wall_ns, uint64_t process_ns)
{
    give_way->wall_ns = wall_ns;
    give_way->process_ns = process_ns;
    give_way->thread_ns = give_way_clock(CLOCK_THREAD_CPUTIME_ID);
}

void give_way_begin(struct give_way *give_way)
{
    cpu_set_t cpus;
    *give_way = (struct give_way){.cpus = 1};
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) > 0)
        give_way->cpus = (unsigned)CPU_COUNT(&cpus);
    give_way_begin_window(give_way, give_way_clock(CLOCK_MONOTONIC),
                          give_way_clock(CLOCK_PROCESS_CPUTIME_ID));
    give_way->rested_ns = give_way->thread_ns;
}

/* How busy the others were, when a window ends. */
static void give_way_watch(struct give_way *give_way, uint64_t thread_ns)
{
    uint64_t wall_ns = give_way_clock(CLOCK_MONOTONIC), passed_ns = wall_ns - give_way->wall_ns;
    if (passed_ns < GIVE_WAY_WINDOW_NS)
        return;
    uint64_t process_ns = give_way_clock(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t all_ns = process_ns - give_way->process_ns, own_ns = thread_ns - give_way->thread_ns;
    uint64_t busy = all_ns > own_ns ? (all_ns - own_ns) * 1000 / (passed_ns * give_way->cpus) : 0;
    give_way->busy = busy < 1000 ? (unsigned)busy : 1000;
    give_way_begin_window(give_way, wall_ns, process_ns);
}

uint64_t give_way_rest_ns(uint64_t worked_ns, unsigned busy)
{
    uint64_t left = busy < 1000 ? 1000 - busy : 0;
    uint64_t share = left * left > GIVE_WAY_LEAST ? left * left : GIVE_WAY_LEAST;
    return worked_ns * (1000000 - share) / share;
}

void give_way_rest(struct give_way *give_way)
{
    uint64_t thread_ns = give_way_clock(CLOCK_THREAD_CPUTIME_ID);
    uint64_t worked_ns = thread_ns - give_way->rested_ns;
    if (worked_ns < GIVE_WAY_BURST_NS)
        return;
    give_way_watch(give_way, thread_ns);
    uint64_t rest_ns = give_way_rest_ns(worked_ns, give_way->busy);
    struct timespec t = {(time_t)(rest_ns / 1000000000), (long)(rest_ns % 1000000000)};
    if (rest_ns > worked_ns / 16)
        (void)nanosleep(&t, NULL);
    give_way->rested_ns = thread_ns;
}
