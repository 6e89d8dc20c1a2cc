/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Operations about the watches of a connection. What they are told: server/ops/watch.c.
 *
 * Threads: any loop, each with the watches of its own connections.
 */
#include "common/err.h"
#include "server/ops/ops.h"

static int op_watch_kind(struct op_ctx *ctx, const struct arg *kind, enum record_kind *out_kind)
{
    static const enum record_kind kinds[] = {KIND_kv,   KIND_run,        KIND_session,
                                             KIND_ckpt, KIND_collection, KIND_vector};
    *out_kind = kind->present ? record_kind_find(kind->bytes) : KIND_kv;
    for (size_t i = 0; i < LENGTH_OF(kinds); i++)
        if (*out_kind == kinds[i])
            return 0;
    return problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                       "watch.open: 'kind' must be kv, run, session, ckpt, collection or vector");
}

static int op_watch_check(struct op_ctx *ctx, const struct watch_options *options)
{
    uint64_t max = ctx->env->limits->watches;
    const char *name = ctx->request->op->name;
    if (options->history_given && !options->resume)
        return problem_set(ctx->problem, ERR_BAD_ARGUMENT, "%s: 'history' goes with 'from_version'",
                           name);
    if (options->values && options->kind != KIND_kv && options->kind != KIND_run)
        return problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                           "%s: 'values' are for kv; ckpt.get and vec.get have the others", name);
    if (ctx->session->n_watches >= max)
        return problem_set(ctx->problem, ERR_LIMIT_EXCEEDED,
                           "the connection has limits.watches (%llu) watches; close some",
                           (unsigned long long)max);
    return 0;
}

/* Open it in the run of the request, and answer. */
static int op_watch_begin(struct op_ctx *ctx, struct watch_options *options)
{
    const struct arg *run = &ctx->request->all.run;
    struct watch *watch;
    options->run = run->present ? run->bytes : session_run_name(ctx->session);
    int err = op_watch_check(ctx, options);
    if (err == 0)
        err = watch_open(ctx->env, ctx->session, options, &watch);
    if (err != 0)
        return err;
    reply_map(ctx->reply, 3);
    reply_key(ctx->reply, "watch");
    reply_uint(ctx->reply, watch->id);
    reply_key(ctx->reply, "version");
    reply_uint(ctx->reply, watch->cursor.after);
    reply_key(ctx->reply, "history");
    reply_uint(ctx->reply, ctx->store->history);
    return 0;
}

static bool op_watch_is_set(const struct arg *arg)
{
    return arg->present && arg->boolean;
}

static uint64_t op_watch_uint(const struct arg *arg)
{
    return arg->present ? arg->uint : 0;
}

int op_watch_open(struct op_ctx *ctx, const struct args_watch_open *a)
{
    struct watch_options options = {.prefix = a->prefix.present ? a->prefix.bytes : BYTES_NONE,
                                    .exact = op_watch_is_set(&a->exact),
                                    .resume = a->from_version.present,
                                    .from_version = op_watch_uint(&a->from_version),
                                    .history_given = a->history.present,
                                    .history = op_watch_uint(&a->history),
                                    .limited = a->credit.present,
                                    .credit = op_watch_uint(&a->credit),
                                    .values = op_watch_is_set(&a->values)};
    int err = op_watch_kind(ctx, &a->kind, &options.kind);
    return err != 0 ? err : op_watch_begin(ctx, &options);
}

int op_ckpt_subscribe(struct op_ctx *ctx, const struct args_ckpt_subscribe *a)
{
    struct watch_options options = {.prefix = a->session.present ? a->session.bytes : BYTES_NONE,
                                    .kind = KIND_ckpt,
                                    .exact = a->session.present,
                                    .resume = a->from_version.present,
                                    .from_version = op_watch_uint(&a->from_version),
                                    .history_given = a->history.present,
                                    .history = op_watch_uint(&a->history),
                                    .limited = a->credit.present,
                                    .credit = op_watch_uint(&a->credit)};
    return op_watch_begin(ctx, &options);
}

int op_watch_credit(struct op_ctx *ctx, const struct args_watch_credit *a)
{
    struct watch *watch = watch_find(ctx->session, a->watch.uint);
    if (watch == NULL)
        return problem_set(ctx->problem, ERR_NOT_FOUND,
                           "this connection has no watch %llu; watch.list has those it has",
                           (unsigned long long)a->watch.uint);
    if (!watch->limited)
        return problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                           "watch %llu was opened without 'credit': it needs none",
                           (unsigned long long)a->watch.uint);
    reply_uint(ctx->reply, watch_add_credit(watch, a->events.uint));
    return 0;
}

int op_watch_close(struct op_ctx *ctx, const struct args_watch_close *a)
{
    struct watch *watch = watch_find(ctx->session, a->watch.uint);
    if (watch != NULL)
        watch_close(watch);
    reply_bool(ctx->reply, watch != NULL);
    return 0;
}

static void op_watch_write(struct reply *reply, const struct watch *watch)
{
    struct bytes run = watch_run(watch), prefix = watch_prefix(watch);
    reply_map(reply, 8);
    reply_key(reply, "watch");
    reply_uint(reply, watch->id);
    reply_key(reply, "kind");
    reply_text(reply, record_kind_name(watch->kind));
    reply_key(reply, "run");
    reply_bytes(reply, run, mp_utf8_valid(run));
    reply_key(reply, "prefix");
    reply_bytes(reply, prefix, mp_utf8_valid(prefix));
    reply_key(reply, "version");
    reply_uint(reply, watch->cursor.after);
    reply_key(reply, "credit");
    if (watch->limited)
        reply_uint(reply, watch->credit);
    else
        reply_nil(reply);
    reply_key(reply, "events");
    reply_uint(reply, watch->events);
    reply_key(reply, "lost");
    reply_uint(reply, watch->losses);
}

int op_watch_list(struct op_ctx *ctx, const struct args_watch_list *a)
{
    struct reply *reply = ctx->reply;
    uint64_t limit, n = 0, last = a->cursor.present ? a->cursor.uint : 0;
    int err = op_page_limit(ctx, &a->limit, &limit);
    if (err != 0)
        return err;
    const struct watch *watch = watch_next(ctx->session, last);
    reply_map(reply, 2);
    reply_key(reply, "items");
    size_t mark = reply_array_open(reply);
    for (; watch != NULL && n < limit && reply_size(reply) < ctx->env->limits->page_bytes; n++) {
        op_watch_write(reply, watch);
        last = watch->id;
        watch = watch->next_of_session;
    }
    reply_array_close(reply, mark, n);
    reply_key(reply, "cursor");
    if (watch != NULL)
        reply_uint(reply, last);
    else
        reply_nil(reply);
    return 0;
}
