/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A hint to the processor to fetch a cache line that will be read soon.
 */
#pragma once

/* The empty asm keeps the hint: gcc takes a function that does nothing but prefetch for one without
 * effect, and with link-time optimisation drops the calls of it (seen with 12.2). */
__attribute__((always_inline)) static inline void prefetch(const void *address)
{
    __builtin_prefetch(address);
    __asm__ volatile("");
}
