/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Jobs in slices: see ckpt_sliced.h.
 *
 * Threads: the loop of the request. Failures: those of a step, which end the job.
 */
#include "server/ops/ckpt_sliced.h"

#include "common/clock.h"

enum { SLICE_NS = 100000 };

static bool sliced_step(struct job *job, struct op_env *env)
{
    struct ckpt_sliced *self = (struct ckpt_sliced *)job;
    uint64_t until = clock_mono_ns() + SLICE_NS;
    struct request request = {.op = self->op};
    struct buf out = {0};
    struct reply reply; /* for walks; nothing is written */
    bool done = false;
    int err = 0;
    reply_begin(&reply, &out, REPLY_PLAIN, 0, SIZE_MAX);
    do {
        struct op_ctx ctx = {.env = env,
                             .store = env->store,
                             .request = &request,
                             .run = self->run,
                             .reply = &reply,
                             .problem = &self->problem};
        err = self->step(self, &ctx, &done);
        env->scratch.size = 0;
    } while (err == 0 && !done && clock_mono_ns() < until);
    buf_deinit(&out);
    if (err < 0 && self->problem.err == 0)
        op_problem(&self->problem, err);
    return err != 0 || done;
}

void ckpt_sliced_start(struct ckpt_sliced *self, struct op_ctx *ctx)
{
    self->run = ctx->run != NULL ? run_ref(ctx->run) : NULL;
    self->op = ctx->request->op;
    self->job.step = sliced_step;
    ctx->job = &self->job;
}

void ckpt_sliced_deinit(struct ckpt_sliced *self)
{
    run_unref(self->run);
}
