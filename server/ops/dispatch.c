/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Dispatch: checks that hold for every operation, the call of the handler, the reply, the counting.
 *
 *   request -> admitted? -> run -> handler (op_<id>) -> reply or error -> counters, slow log
 *                            ^        |
 *                            '--------' TXN_RETRY: the run was dropped under it, look again
 *
 * Time: the clock is read once when a batch of requests begins to run and once after each, so that
 * the end of one is the start of the next. The time of a job is the sum of its slices: what it kept
 * the loop from doing other work, not how long it took turns with it.
 *
 * Threads: each loop with its own op_env; the store below locks itself.
 * Failures: everything becomes an error reply; only a reply that has no memory is told to the
 * caller.
 */
#include "server/ops/dispatch.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mutant.h"
#include "server/wal/wal.h"

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
    request->hashed_run = key.run;
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

int dispatch_read_durability(const struct store *store, struct bytes word,
                             enum durability *out_level, struct problem *problem)
{
    for (unsigned i = DURABILITY_LEVEL_MEMORY; i <= DURABILITY_LEVEL_STRICT; i++) {
        if (!bytes_equal(word, bytes_of(durability_name((enum durability)i))))
            continue;
        if (i > DURABILITY_LEVEL_MEMORY && store->wal == NULL)
            return problem_set(
                problem, ERR_UNSUPPORTED,
                "this server runs with durability.mode: memory and cannot promise more");
        *out_level = (enum durability)i;
        return 0;
    }
    return problem_set(problem, ERR_BAD_ARGUMENT, "durability must be memory, buffered or strict");
}

/* A request may ask for more durability than the server gives by itself, if it can be had. */
static int dispatch_check_durability(struct op_ctx *ctx)
{
    enum durability *level = &ctx->env->level, wanted = ctx->session->durability;
    const struct arg *word = &ctx->request->all.durability;
    int err = 0;
    if (word->present)
        err = dispatch_read_durability(ctx->store, word->bytes, &wanted, ctx->problem);
    if (err == 0 && wanted > *level)
        *level = wanted;
    return err;
}

/* Is this nothing for a full disk? The calls of a batch are asked one by one. */
static bool dispatch_disk_full(const struct op_ctx *ctx)
{
    const struct op *op = ctx->request->op;
    return (op->flags & OP_WRITE) && ctx->store->wal != NULL && op->id != OP_batch &&
           wal_refuses(ctx->store->wal, op->flags & OP_GROWS, ctx->request->size);
}

static int dispatch_admit(struct op_ctx *ctx)
{
    unsigned flags = ctx->request->op->flags;
    if (ctx->env->login_required && !ctx->session->logged_in && !(flags & OP_LOGIN))
        return problem_set(ctx->problem, ERR_NOAUTH, NULL);
    if (dispatch_disk_full(ctx))
        return problem_set(ctx->problem, ERR_DISK_FULL, NULL);
    if (ctx->request->all.durability.present || ctx->session->durability != DURABILITY_LEVEL_MEMORY)
        return dispatch_check_durability(ctx);
    return 0;
}

/* Remember what the reply rests on. Of operations on one key the transaction knows it; whatever
 * else looks at records rests on all that is there. While the log has no room nobody writes for a
 * reply: it waits until the log thread has. */
void dispatch_rest_on(struct op_env *env, enum durability level, uint64_t lsn)
{
    if (env->store->wal == NULL)
        return;
    bool room = wal_has_room(env->store->wal);
    if (room && lsn > env->written_first)
        env->written_first = lsn;
    if ((level == DURABILITY_LEVEL_STRICT || !room) && lsn > env->synced_first)
        env->synced_first = lsn;
}

static void dispatch_rest(struct op_env *env, const struct op *op, const struct txn *txn)
{
    uint64_t lsn = op->flags & OP_KEYED && txn != NULL
                       ? txn->seen
                       : atomic_load_explicit(&env->store->version, memory_order_relaxed);
    if (env->store->wal == NULL || !(op->flags & (OP_READ | OP_WRITE)) || op->flags & OP_ADMIN)
        return;
    if (MUTANT(show_unsynced) && !(op->flags & OP_WRITE))
        dispatch_rest_on(env, DURABILITY_LEVEL_MEMORY, lsn);
    else
        dispatch_rest_on(env, env->level, lsn);
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
        op_problem(ctx->problem, err);
    return err;
}

/* ---- time ---- */

void dispatch_start_clock(struct op_env *env)
{
    env->ticks = clock_ticks();
}

/* Nanoseconds since the clock was started or the last lap ended. */
static uint64_t dispatch_lap(struct op_env *env)
{
    uint64_t start = env->ticks, now = clock_ticks();
    env->ticks = now;
    if (__builtin_expect(now < start, 0))
        return 0; /* the counters of two processors may differ a bit */
    return clock_ticks_to_ns(now - start);
}

/* Who asks for what: all that the slow log will say, except how it ended. */
static void dispatch_describe(const struct op_env *env, const struct session *session,
                              const struct request *request, uint64_t ns, struct slow_request *out)
{
    bool option = request->all.run.present;
    struct bytes run = option ? request->all.run.bytes : session_run_name(session);
    *out =
        (struct slow_request){.ns = ns,
                              .op = request->op->id,
                              .loop = env->loop,
                              .connection = session->id,
                              .request_bytes = request->size,
                              .run_size = run.size < sizeof out->run ? run.size : sizeof out->run};
    memcpy(out->run, run.data, out->run_size);
    memcpy(out->address, session->address, sizeof out->address);
    memcpy(out->client_name, session->client_name, sizeof out->client_name);
}

static void dispatch_keep_slow(struct op_env *env, struct slow_request *slow, size_t reply_bytes)
{
    slow->at_ms = env->now_ms;
    slow->reply_bytes = reply_bytes;
    slowlog_add(env->slowlog, slow);
    stats_add(env->stats, METRIC_slow_requests, 1);
    log_notice("ops", "%s took %llu us on connection %llu", op_table[slow->op].name,
               (unsigned long long)(slow->ns / 1000), (unsigned long long)slow->connection);
}

/* By itself, as those that are not slow need no room for it on the stack. */
__attribute__((noinline)) static void dispatch_note_slow(struct op_env *env,
                                                         const struct session *session,
                                                         const struct request *request, uint64_t ns,
                                                         size_t reply_bytes)
{
    struct slow_request slow;
    dispatch_describe(env, session, request, ns, &slow);
    dispatch_keep_slow(env, &slow, reply_bytes);
}

/* A request has ended; or the first part of one that goes on as a job has. */
static void dispatch_take_time(struct op_env *env, const struct session *session,
                               const struct request *request, struct job *job, size_t reply_bytes)
{
    uint64_t ns = dispatch_lap(env);
    if (job != NULL) {
        dispatch_describe(env, session, request, ns, &job->slow);
        return;
    }
    if (stats_is_sampled(env->stats, request->op))
        stats_time(env->stats, request->op->id, ns);
    if (__builtin_expect(slowlog_wants(env->slowlog, ns), 0))
        dispatch_note_slow(env, session, request, ns, reply_bytes);
}

bool dispatch_step(struct op_env *env, struct job *job)
{
    dispatch_start_clock(env);
    bool done = job->step(job, env);
    job->slow.ns += dispatch_lap(env);
    return done;
}

void dispatch_end_job(struct op_env *env, struct job *job, size_t reply_bytes)
{
    stats_time(env->stats, job->slow.op, job->slow.ns);
    if (slowlog_wants(env->slowlog, job->slow.ns))
        dispatch_keep_slow(env, &job->slow, reply_bytes);
    env->level = job->level;
    dispatch_rest(env, &op_table[job->slow.op], NULL);
    job->destroy(job);
}

/* ---- requests ---- */

/* How a result is to be written. */
struct dispatch_form {
    enum reply_form form;
    uint32_t msgid;
    bool silent;
};

static void dispatch_begin(const struct op_env *env, const struct session *session,
                           const struct dispatch_form *form, struct buf *out, struct reply *reply)
{
    reply_begin(reply, out, form->form, form->msgid, env->limits->reply_bytes);
    reply->silent = form->silent;
    reply->error_maps = session->error_maps;
}

/* Run the handler, again where a run was dropped under it, and count. On 0 the result stands in
 * *reply, not ended, or *out_job is what goes on; else *problem says why not. */
static int dispatch_execute(struct op_env *env, struct session *session,
                            const struct request *request, const struct dispatch_form *form,
                            struct buf *out, struct reply *reply, struct problem *problem,
                            struct job **out_job)
{
    struct txn txn;
    struct op_ctx ctx = {.env = env,
                         .store = env->store,
                         .session = session,
                         .request = request,
                         .txn = &txn,
                         .reply = reply,
                         .problem = problem};
    size_t mark = out->size;
    int err;
    session_count(session, request->op);
    env->level = env->store->durability;
    do {
        out->size = mark;
        dispatch_begin(env, session, form, out, reply);
        txn_init(&txn, env->store, env->now_ms);
        err = dispatch_call(&ctx);
        txn_deinit(&txn);
    } while (err == TXN_RETRY);
    dispatch_rest(env, request->op, &txn);
    env->scratch.size = 0;
    *out_job = ctx.job;
    if (ctx.job != NULL)
        ctx.job->level = env->level;
    stats_count(env->stats, request->op->id, err != 0);
    return err;
}

struct job *dispatch_run(struct op_env *env, struct session *session, const struct request *request,
                         struct buf *out, bool *out_failed)
{
    struct dispatch_form form = {REPLY_RPC, request->msgid, request->notification};
    struct problem problem;
    struct reply reply;
    struct job *job;
    size_t mark = out->size;
    int err = dispatch_execute(env, session, request, &form, out, &reply, &problem, &job);
    if (err != 0)
        reply_error(&reply, &problem);
    if (job != NULL)
        out->size = mark;
    else if (reply_end(&reply) != 0)
        *out_failed = true;
    dispatch_take_time(env, session, request, job, out->size - mark);
    return job;
}

/* What a plain reply that could not be written comes to. */
static int dispatch_plain_problem(const struct op_env *env, int err, struct problem *problem)
{
    if (err != ERR_LIMIT_EXCEEDED)
        return problem_set(problem, err, NULL);
    return problem_set(problem, err, "the reply exceeds limits.reply_bytes (%llu); ask for less",
                       (unsigned long long)env->limits->reply_bytes);
}

int dispatch_plain(struct op_env *env, struct session *session, const struct request *request,
                   struct buf *out, struct problem *problem, struct job **out_job)
{
    static const struct dispatch_form form = {.form = REPLY_PLAIN};
    struct reply reply;
    size_t mark = out->size;
    int err = dispatch_execute(env, session, request, &form, out, &reply, problem, out_job);
    if (err == 0 && *out_job == NULL && (err = reply_end(&reply)) != 0)
        err = dispatch_plain_problem(env, err, problem);
    if (err != 0 || *out_job != NULL)
        out->size = mark;
    dispatch_take_time(env, session, request, *out_job, out->size - mark);
    return err;
}

int dispatch_finish_plain(struct op_env *env, const struct session *session, struct job *job,
                          struct buf *out, struct problem *problem)
{
    static const struct dispatch_form form = {.form = REPLY_PLAIN};
    struct reply reply;
    dispatch_begin(env, session, &form, out, &reply);
    job->finish(job, &reply);
    int err = reply_end(&reply);
    return err == 0 ? 0 : dispatch_plain_problem(env, err, problem);
}

int dispatch_finish(struct op_env *env, const struct session *session, uint32_t msgid,
                    bool notification, struct job *job, const struct problem *problem,
                    struct buf *out)
{
    struct dispatch_form form = {REPLY_RPC, msgid, notification};
    struct reply reply;
    dispatch_begin(env, session, &form, out, &reply);
    if (problem != NULL)
        reply_error(&reply, problem);
    else
        job->finish(job, &reply);
    return reply_end(&reply);
}
