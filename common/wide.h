/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Products of 64-bit numbers that need 128 bits in between.
 */
#pragma once

#include <stdint.h>

__extension__ typedef unsigned __int128 wide_uint;

/* a * b >> shift, exact; the result must fit. */
static inline uint64_t wide_mul_shift(uint64_t a, uint64_t b, unsigned shift)
{
    return (uint64_t)(((wide_uint)a * b) >> shift);
}
