/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A staircase of connections.
 *
 * How: everything follows from the time since the test began.
 *
 * Invariants: the number of connections never goes down, nor over the top.
 * Threads: any; no state. Failures: none.
 */
#include "client/loadgen/stairs.h"

unsigned stairs_steps(const struct stairs *stairs)
{
    if (stairs->each_ns == 0)
        return 1;
    return 1 + (stairs->top - stairs->start + stairs->step - 1) / stairs->step;
}

unsigned stairs_at(const struct stairs *stairs, unsigned step)
{
    return step + 1 < stairs_steps(stairs) ? stairs->start + step * stairs->step : stairs->top;
}

unsigned stairs_step(const struct stairs *stairs, uint64_t time_ns)
{
    unsigned last = stairs_steps(stairs) - 1;
    return last > 0 && time_ns / stairs->each_ns < last ? (unsigned)(time_ns / stairs->each_ns)
                                                        : last;
}

uint64_t stairs_next_ns(const struct stairs *stairs, uint64_t time_ns)
{
    unsigned step = stairs_step(stairs, time_ns) + 1;
    return step < stairs_steps(stairs) ? step * stairs->each_ns : UINT64_MAX;
}

uint64_t stairs_length_ns(const struct stairs *stairs)
{
    return stairs_steps(stairs) * stairs->each_ns;
}

uint64_t stairs_used_ns(const struct stairs *stairs, uint64_t time_ns)
{
    unsigned step = stairs_step(stairs, time_ns);
    uint64_t used = 0;
    for (unsigned i = 0; i < step; i++)
        used += stairs_at(stairs, i) * stairs->each_ns;
    return used + stairs_at(stairs, step) * (time_ns - step * stairs->each_ns);
}
