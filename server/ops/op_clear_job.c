/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Clearing as a job: a few slices per loop turn until nothing is left.
 *
 * Threads: the loop that made it.
 * Failures: a slice without memory is tried again in the next turn.
 */
#include "server/ops/op_clear_job.h"

#include "common/err.h"
#include "common/mem.h"
#include "server/store/clear.h"

enum { CLEAR_SLICES_PER_STEP = 4 };

struct clear_job {
    struct job job;
    struct clear clear;
    struct run *dropped;
    enum record_kind then; /* what is cleared next; KIND_NONE: nothing */
};

static bool clear_job_step(struct job *job, struct op_env *env)
{
    struct clear_job *self = (struct clear_job *)job;
    bool done = false;
    for (int i = 0; i < CLEAR_SLICES_PER_STEP && !done; i++)
        if (clear_step(&self->clear, env->store, env->now_ms, &done) != 0)
            break;
    if (!done || self->then == KIND_NONE)
        return done;
    clear_again(&self->clear, self->then);
    self->then = KIND_NONE;
    return false;
}

static void clear_job_finish(struct job *job, struct reply *reply)
{
    reply_uint(reply, ((struct clear_job *)job)->clear.deleted);
}

static void clear_job_destroy(struct job *job)
{
    struct clear_job *self = (struct clear_job *)job;
    clear_deinit(&self->clear);
    run_unref(self->dropped);
    mem_free(self);
}

int op_clear_job(struct op_ctx *ctx, struct run *dropped, enum record_kind kind,
                 enum record_kind then, struct bytes prefix)
{
    struct clear_job *self = mem_calloc(1, sizeof *self);
    const struct run *run = dropped != NULL ? dropped : ctx->run;
    if (self == NULL || clear_init(&self->clear, ctx->store, run, kind, prefix) != 0) {
        if (self != NULL)
            clear_deinit(&self->clear);
        mem_free(self);
        run_unref(dropped);
        return ERR_OUT_OF_MEMORY;
    }
    if (dropped != NULL) { /* nobody can write to it any more, or read */
        self->clear.version = UINT64_MAX;
        self->clear.silent = true;
    }
    self->dropped = dropped;
    self->then = then;
    self->job = (struct job){
        .step = clear_job_step, .finish = clear_job_finish, .destroy = clear_job_destroy};
    ctx->job = &self->job;
    return 0;
}
