/* SPDX-License-Identifier: BSD-3-Clause
 *
 * pace: keeps what is written to a rate of bytes per second. Time not used is not saved up, so that
 * no burst follows a pause.
 */
#pragma once

#include <stdint.h>

struct pace {
    uint64_t bytes_per_s; /* 0: as fast as it goes */
    uint64_t due_ns;      /* when the next bytes may be written */
};

/* About to write so many bytes (less than 2^34) at `now_ns`: how long to wait before. */
static inline uint64_t pace_wait_ns(struct pace *pace, uint64_t bytes, uint64_t now_ns)
{
    uint64_t begin_ns = pace->due_ns > now_ns ? pace->due_ns : now_ns;
    if (pace->bytes_per_s == 0)
        return 0;
    pace->due_ns = begin_ns + bytes * 1000000000 / pace->bytes_per_s;
    return begin_ns - now_ns;
}
