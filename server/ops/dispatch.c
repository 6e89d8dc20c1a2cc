/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Dispatch: checks that hold for every operation, the call of the handler, the reply, the counting.
 *
 *   request -> admitted? -> run -> handler (op_<id>) -> reply or error -> counters
 *                            ^        |
 *                            '--------' TXN_RETRY: the run was dropped under it, look again
 *
 * Threads: each loop with its own op_env; the store below locks itself.
 * Failures: everything becomes an error reply; only a reply that has no memory is told to the
 * caller.
 */
#include "server/ops/dispatch.h"

#include "common/clock.h"
#include "common/err.h"

typedef int (*dispatch_handler_fn)(struct op_ctx *ctx, const struct arg *args);

#define ARGS_OF_ALL(args)
#define OP(id, name, flags, reply, args, summary)                                                  \
    static int dispatch_to_##id(struct op_ctx *ctx, const struct arg *a)                           \
    {                                                                                              \
        return op_##id(ctx, (const struct args_##id *)a);                                          \
    }
#define ALIAS(name, id)
#include "proto/ops.def"
#undef OP

static const dispatch_handler_fn dispatch_handlers[OP_COUNT] = {
#define OP(id, name, flags, reply, args, summary) dispatch_to_##id,
#include "proto/ops.def"
};
#undef ARGS_OF_ALL
#undef OP
#undef ALIAS

void dispatch_prefetch(struct op_env *env, const struct session *session, struct request *request)
{
    struct run *run;
    if (!(request->op->flags & OP_KEYED) || request->all.run.present ||
        (run = session_run_at_hand(session)) == NULL)
        return;
    struct record_key key = {run_id(run), KIND_kv, request->args[0].bytes};
    request->hash = store_hash(env->store, &key);
    request->hashed = true;
    partition_prefetch(&env->store->partitions[store_partition_index(env->store, request->hash)],
                       request->hash);
}

void dispatch_prefetch_record(struct op_env *env, const struct request *request)
{
    if (request->hashed)
        partition_prefetch_record(
            &env->store->partitions[store_partition_index(env->store, request->hash)],
            request->hash);
}

/* A request may ask for more durability than the server gives, but then it is not done. */
static int dispatch_check_durability(struct op_ctx *ctx)
{
    const struct arg *level = &ctx->request->all.durability;
    if (level->present && bytes_equal(level->bytes, bytes_of("memory")))
        return 0;
    if (level->present && !bytes_equal(level->bytes, bytes_of("buffered")) &&
        !bytes_equal(level->bytes, bytes_of("strict")))
        return problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                           "durability must be memory, buffered or strict");
    if (!level->present && ctx->session->durability == DURABILITY_LEVEL_MEMORY)
        return 0;
    return problem_set(ctx->problem, ERR_UNSUPPORTED,
                       "this server runs with durability.mode: memory and cannot promise more");
}

static int dispatch_admit(struct op_ctx *ctx)
{
    unsigned flags = ctx->request->op->flags;
    if (ctx->env->login_required && !ctx->session->logged_in && !(flags & OP_LOGIN))
        return problem_set(ctx->problem, ERR_NOAUTH, NULL);
    if (ctx->request->all.durability.present ||
        ((flags & OP_WRITE) && ctx->session->durability != DURABILITY_LEVEL_MEMORY))
        return dispatch_check_durability(ctx);
    return 0;
}

int dispatch_find_run(struct op_ctx *ctx)
{
    const struct request *request = ctx->request;
    const struct bytes *option = request->all.run.present ? &request->all.run.bytes : NULL;
    bool create = (request->op->flags & OP_WRITE) != 0;
    int err = session_run(ctx->session, ctx->store, option, create, &ctx->run);
    if (err == ERR_LIMIT_EXCEEDED)
        return problem_set(ctx->problem, err, "there are limits.runs (%llu) runs; drop some",
                           (unsigned long long)ctx->env->limits->runs);
    return err == 0 ? 0 : problem_set(ctx->problem, err, NULL);
}

int dispatch_call(struct op_ctx *ctx)
{
    const struct op *op = ctx->request->op;
    ctx->problem->err = 0;
    int err = dispatch_admit(ctx);
    /* The run of an atomic batch was found and its partitions locked: do not look again. */
    if (err == 0 && (op->flags & (OP_READ | OP_WRITE)) && !(op->flags & OP_ADMIN) &&
        ctx->batch == NULL)
        err = dispatch_find_run(ctx);
    if (err == 0)
        err = dispatch_handlers[op->id](ctx, ctx->request->args);
    if (err < 0 && ctx->problem->err == 0)
        (void)problem_set(ctx->problem, err, NULL);
    return err;
}

static void dispatch_begin(const struct op_env *env, const struct session *session, uint32_t msgid,
                           bool notification, struct buf *out, struct reply *reply)
{
    reply_begin(reply, out, REPLY_RPC, msgid, env->limits->reply_bytes);
    reply->silent = notification;
    reply->error_maps = session->error_maps;
}

struct job *dispatch_run(struct op_env *env, struct session *session, const struct request *request,
                         struct buf *out, bool *out_failed)
{
    struct problem problem;
    struct reply reply;
    struct txn txn;
    struct op_ctx ctx = {.env = env,
                         .store = env->store,
                         .session = session,
                         .request = request,
                         .txn = &txn,
                         .reply = &reply,
                         .problem = &problem};
    bool timed = stats_is_timed(env->stats, request->op);
    uint64_t start = timed ? clock_ticks() : 0;
    size_t mark = out->size;
    int err;
    session_count(session, request->op);
    do {
        out->size = mark;
        dispatch_begin(env, session, request->msgid, request->notification, out, &reply);
        txn_init(&txn, env->store, env->now_ms);
        err = dispatch_call(&ctx);
        txn_deinit(&txn);
    } while (err == TXN_RETRY);
    env->scratch.size = 0;
    if (err != 0)
        reply_error(&reply, &problem);
    if (ctx.job != NULL)
        out->size = mark;
    else if (reply_end(&reply) != 0)
        *out_failed = true;
    stats_count(env->stats, request->op->id, err != 0);
    if (timed)
        stats_time(env->stats, request->op->id, clock_ticks_to_ns(clock_ticks() - start));
    return ctx.job;
}

int dispatch_finish(struct op_env *env, const struct session *session, uint32_t msgid,
                    bool notification, struct job *job, const struct problem *problem,
                    struct buf *out)
{
    struct reply reply;
    dispatch_begin(env, session, msgid, notification, out, &reply);
    if (problem != NULL)
        reply_error(&reply, problem);
    else
        job->finish(job, &reply);
    return reply_end(&reply);
}
