/* SPDX-License-Identifier: BSD-3-Clause
 *
 * gather: how long a sync that somebody waits for is put off so that it serves more of them.
 *
 *   sync |#######|            |#######|            |#######|
 *   wait          1 2 3 .. 64          1 2 3 .. 64
 *                 `--------' those whom the last sync answered write again, one after the other
 *
 * A sync as soon as the first of them is there would serve that one alone, and all others wait for
 * it and for another one. So if syncs lately served many, the next one waits for nearly as many,
 * but for no longer than half the time a sync takes. Where few write at a time, or as many come
 * during a sync, there is nothing to wait for. (PostgreSQL's commit_delay and commit_siblings,
 * without numbers to be set.) A log that one thread writes has no need of it: all that came in a
 * turn of that thread is a batch already.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct gather {
    uint64_t crowd;   /* entries a sync served lately */
    uint64_t sync_ns; /* that one takes, lately */
};

/* A sync of so many entries took so long. */
static inline void gather_synced(struct gather *gather, uint64_t entries, uint64_t took_ns)
{
    uint64_t faded = gather->crowd - gather->crowd / 4;
    gather->crowd = entries > faded ? entries : faded;
    gather->sync_ns = gather->sync_ns == 0 ? took_ns : (7 * gather->sync_ns + took_ns) / 8;
}

/* Are so many enough to begin a sync at once? */
static inline bool gather_enough(const struct gather *gather, uint64_t entries)
{
    return entries >= gather->crowd - gather->crowd / 8 || gather->crowd < 4;
}

/* How long to wait for more, if the last sync ended so long ago; 0: begin. */
static inline uint64_t gather_wait_ns(const struct gather *gather, uint64_t entries,
                                      uint64_t since_ns)
{
    uint64_t most_ns = gather->sync_ns / 2;
    return gather_enough(gather, entries) || since_ns >= most_ns ? 0 : most_ns - since_ns;
}
