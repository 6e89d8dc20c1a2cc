/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sees how late a thread wakes up.
 *
 * How: clock_nanosleep until the next millisecond. A tenth of one is what waking up may take.
 *
 * Invariants: what is lost is never more than the time that has passed.
 * Threads: one of its own between start and stop. Failures: none; it then sees nothing.
 */
#include "client/loadgen/selftest_witness.h"

#include "common/clock.h"

#include <sys/prctl.h>
#include <time.h>

enum { WITNESS_STEP_NS = 1000000, WITNESS_GRACE_NS = 100000 };

static void *witness_main(void *argument)
{
    struct witness *witness = argument;
    uint64_t due = clock_mono_ns();
    (void)prctl(PR_SET_TIMERSLACK, 1);
    while (!atomic_load_explicit(&witness->at_end, memory_order_relaxed)) {
        due += WITNESS_STEP_NS;
        const struct timespec until = {.tv_sec = (time_t)(due / 1000000000),
                                       .tv_nsec = (long)(due % 1000000000)};
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        uint64_t now = clock_mono_ns();
        if (now <= due + WITNESS_GRACE_NS)
            continue;
        witness->lost_ns += now - due - WITNESS_GRACE_NS;
        due = now;
    }
    return NULL;
}

void witness_start(struct witness *witness)
{
    witness->lost_ns = 0;
    atomic_store(&witness->at_end, false);
    witness->runs = pthread_create(&witness->thread, NULL, witness_main, witness) == 0;
}

uint64_t witness_stop(struct witness *witness)
{
    atomic_store(&witness->at_end, true);
    if (witness->runs)
        pthread_join(witness->thread, NULL);
    witness->runs = false;
    return witness->lost_ns;
}
