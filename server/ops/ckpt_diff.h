/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a state has in common with the one before: the new one as ranges of the old and bytes of its
 * own, in order; ranges of the old go forward only.
 *
 * Two MessagePack values are walked side by side: what is equal at the same place of maps and
 * arrays is common, at whatever depth; elements that were put in or taken out are looked for a few
 * elements on. Bodies of strings, and bytes that are not MessagePack, are compared from both ends
 * and at the same offset in between. It is no shortest difference: it takes time in proportion to
 * the bytes, also if somebody tries to make it slow.
 */
#pragma once

#include "common/bytes.h"
#include "common/check.h"

struct ckpt_run {
    bool common;
    size_t old_at, new_at, size; /* old_at: only if common */
};

struct ckpt_diff {
    struct ckpt_run *runs; /* one behind the other, they make the new state */
    size_t count, capacity;
    size_t added; /* bytes that are not common */
};

/* Fill an empty diff (all zero). 0 or ERR_OUT_OF_MEMORY; ckpt_diff_deinit in any case. */
MUST_USE int ckpt_diff_make(struct bytes old, struct bytes new, struct ckpt_diff *out_diff);
void ckpt_diff_deinit(struct ckpt_diff *diff);
