/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cutting by content: see ckpt_cut.h.
 *
 * A gear hash (a shift, an addition and a look-up a byte) knows the last 64 bytes; where some of
 * its bits are all zero a piece ends. Before the average size more bits must be zero than behind
 * it, which keeps sizes near the average. The table is splitmix64 of 1 to 256.
 *
 * Threads: pure. Failures: none.
 */
#include "server/ops/ckpt_cut.h"

#define MIX1(z)   (((z) ^ ((z) >> 30)) * 0xbf58476d1ce4e5b9u)
#define MIX2(z)   (((z) ^ ((z) >> 27)) * 0x94d049bb133111ebu)
#define MIX3(z)   ((z) ^ ((z) >> 31))
#define GEAR(n)   MIX3(MIX2(MIX1(((uint64_t)(n) + 1) * 0x9e3779b97f4a7c15u)))
#define GEAR4(n)  GEAR(n), GEAR((n) + 1), GEAR((n) + 2), GEAR((n) + 3)
#define GEAR16(n) GEAR4(n), GEAR4((n) + 4), GEAR4((n) + 8), GEAR4((n) + 12)
#define GEAR64(n) GEAR16(n), GEAR16((n) + 16), GEAR16((n) + 32), GEAR16((n) + 48)

static const uint64_t gear[256] = {GEAR64(0), GEAR64(64), GEAR64(128), GEAR64(192)};

/* The highest bits, which all of the last 64 bytes have a part in: 2 more than the average says
 * before it, 2 less behind it. */
#define CUT_BITS(n) (~(uint64_t)0 << (64 - (n)))
static const uint64_t cut_rarely = CUT_BITS(12), cut_often = CUT_BITS(8);

/* The first place from `at` to `end` behind which to cut, or `end`. */
static size_t cut_between(const uint8_t *data, size_t at, size_t end, uint64_t mask, uint64_t *hash)
{
    for (; at < end; at++) {
        *hash = (*hash << 1) + gear[data[at]];
        if ((*hash & mask) == 0)
            return at + 1;
    }
    return end;
}

size_t ckpt_cut(struct bytes bytes)
{
    uint64_t hash = 0;
    size_t end = bytes.size < CKPT_CUT_MAX ? bytes.size : CKPT_CUT_MAX;
    size_t middle = end < CKPT_CUT_AVERAGE ? end : CKPT_CUT_AVERAGE;
    if (end <= CKPT_CUT_MIN)
        return end;
    size_t at = cut_between(bytes.data, CKPT_CUT_MIN, middle, cut_rarely, &hash);
    return at < middle ? at : cut_between(bytes.data, at, end, cut_often, &hash);
}
