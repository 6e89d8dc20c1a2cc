/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The job that deletes a range of records in slices and answers with their number: kv.clear and
 * run.drop.
 */
#pragma once

#include "server/ops/ops.h"

/* Make ctx->job, which deletes records of `kind` (KIND_NONE: of all), then of `then` (KIND_NONE: no
 * more). `dropped`: a run that the caller drops next, whose reference is the job's from now on, in
 * any case; NULL: it is an ordinary clear of ctx->run. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int op_clear_job(struct op_ctx *ctx, struct run *dropped, enum record_kind kind,
                          enum record_kind then, struct bytes prefix);
