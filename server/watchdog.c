/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Looks at the beats of the event loops.
 *
 * How: a loop notes the time at each tick, several times a second (server/net/loop.c); one that has
 * not for long hangs in a request, in a system call or in a lock. The main thread asks, so that its
 * own hanging stops the feed as well.
 *
 * Threads: the main thread.
 * Failures: none.
 */
#include "server/watchdog.h"

#include "common/log.h"
#include "server/net/loop.h"

bool watchdog_is_alive(struct loop *const *loops, unsigned n_loops, uint64_t patience_ns)
{
    bool alive = true;
    for (unsigned i = 0; i < n_loops; i++) {
        uint64_t age_ns = loop_age_ns(loops[i]);
        if (age_ns <= patience_ns)
            continue;
        log_error("watchdog", "loop %u hangs: it last came round %.1f s ago", loops[i]->index,
                  (double)age_ns / 1e9);
        alive = false;
    }
    return alive;
}
