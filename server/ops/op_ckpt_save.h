/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Saving a checkpoint by the arguments of ckpt.save, wherever they come from.
 */
#pragma once

#include "server/ops/ckpt_args.h"

/* Check the arrays among them. 0, or an error with ctx->problem. */
MUST_USE int op_ckpt_save_check(struct op_ctx *ctx, const struct args_ckpt_save *a);

/* Plan it in a session that was begun. The ids were checked by ckpt_id_arg; those in `a` but for
 * the parent do not count. 0, ERR_OUT_OF_MEMORY or ERR_LIMIT_EXCEEDED. */
MUST_USE int op_ckpt_save_plan(struct ckpt_session *s, const struct args_ckpt_save *a,
                               struct ckpt_id ns, struct ckpt_id id, uint64_t number,
                               uint64_t created_at);

/* The number for the next checkpoint of a session that was begun. */
uint64_t op_ckpt_save_number(struct ckpt_session *s);
