/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Time. Code below server/net never reads a clock: it is handed the time, so tests choose it.
 *
 * ticks: a cheap counter of unspecified unit for measuring many short durations (the time stamp
 * counter where it is constant, about 6 ns a read instead of 25); convert differences only.
 */
#pragma once

#include <stdint.h>

/* Nanoseconds since an arbitrary point; never goes back. */
uint64_t clock_mono_ns(void);

/* Milliseconds since 1970-01-01 UTC; may jump when the clock is set. */
int64_t clock_wall_ms(void);

/* Measure the tick length (about 1 ms). Once, before threads. */
void clock_init(void);

/* The counter; and a difference of two readings in nanoseconds. */
uint64_t clock_ticks(void);
uint64_t clock_ticks_to_ns(uint64_t ticks);
