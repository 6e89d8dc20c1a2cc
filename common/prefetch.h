/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hints to the processor to fetch a cache line that will be read soon.
 */
#pragma once

/* The empty asm keeps the hint: gcc takes a function that does nothing but prefetch for one without
 * effect, and with link-time optimisation drops the calls of it (seen with 12.2). */
__attribute__((always_inline)) static inline void prefetch(const void *address)
{
    __builtin_prefetch(address);
    __asm__ volatile("");
}

/* The same for a line that is needed a little later: not into the nearest cache, which has fewer
 * lines on their way at a time. */
__attribute__((always_inline)) static inline void prefetch_early(const void *address)
{
    __builtin_prefetch(address, 0, 2);
    __asm__ volatile("");
}
