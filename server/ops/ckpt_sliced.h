/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Jobs over checkpoints: steps, each a transaction or a few, one after the other until the time of
 * a slice is up.
 */
#pragma once

#include "server/ops/ops.h"

/* What such a job begins with. */
struct ckpt_sliced {
    struct job job;
    struct run *run; /* NULL: it does not exist */
    const struct op *op;
    struct problem problem; /* what it ended with, if that is an error */
    /* One step; *out_done: there is nothing left. An error ends the job, and so does TXN_RETRY: the
     * run is gone, and all that was in it. */
    int (*step)(struct ckpt_sliced *self, struct op_ctx *ctx, bool *out_done);
};

/* The job goes on behind the handler of this request. `job` is to have finish and destroy. */
void ckpt_sliced_start(struct ckpt_sliced *self, struct op_ctx *ctx);

/* For its destroy: what it holds. */
void ckpt_sliced_deinit(struct ckpt_sliced *self);
