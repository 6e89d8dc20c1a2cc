/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Checks of arguments of ckpt.* that are arrays of arrays: that they are arrays, whole and bounded,
 * was checked.
 */
#pragma once

#include "server/ops/ckpt.h"

/* An array of [..] whose elements are told by `shape`, a letter each: c channel (0 to CKPT_ID_MAX
 * bytes), n name (1 to CKPT_ID_MAX bytes), v version (a number, or 1 to CKPT_ID_MAX bytes), t type
 * (0 to CKPT_ID_MAX bytes), b bytes, o bytes or nil, i integer of 32 bits, u integer from 0. 0,
 * or an error with ctx->problem. Absent is fine. */
MUST_USE int ckpt_check_rows(struct op_ctx *ctx, const struct arg *arg, const char *what,
                             const char *shape);

/* An array of 1 to CKPT_ID_MAX bytes each, at most `max`. Absent is fine. */
MUST_USE int ckpt_check_ids(struct op_ctx *ctx, const struct arg *arg, const char *what,
                            uint64_t max);

/* Is this among the elements of an encoded array? */
bool ckpt_has(struct bytes encoded_array, struct bytes wanted);
