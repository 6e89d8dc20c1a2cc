/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What differs between two MessagePack values, by paths.
 *
 *   .messages[2].text     keys that are words; elements by number
 *   ["a b"][null]         any other key, in JSON
 *
 * The path of the whole value is ".".
 */
#pragma once

#include "common/buf.h"

struct ckpt_diff {
    struct buf rows; /* packed ["+", path, value], ["-", path, value], ["~", path, old, new] */
    uint64_t added, removed, changed;
    struct buf path;
};

/* Compare. *out all zero before; ckpt_diff_deinit in any case. 0 or a negative enum err. */
MUST_USE int ckpt_diff(struct bytes from, struct bytes to, struct ckpt_diff *out);
void ckpt_diff_deinit(struct ckpt_diff *diff);
