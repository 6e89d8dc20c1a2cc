/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Operations about the server and the connection. What only the layers above know (configuration,
 * statistics of all loops) is asked of them through op_host.
 *
 * Threads: any loop.
 */
#include "common/err.h"
#include "server/ops/dispatch.h"
#include "server/ops/ops.h"

enum { PROTOCOL_VERSION = 1 };

int op_server_ping(struct op_ctx *ctx, const struct args_server_ping *a)
{
    if (a->payload.present)
        reply_value(ctx->reply, a->payload.bytes);
    else
        reply_text(ctx->reply, "pong");
    return 0;
}

static int server_log_in(struct op_ctx *ctx, struct bytes token)
{
    const struct op_host *host = ctx->env->host;
    if (!ctx->env->login_required)
        return 0; /* nothing to check against: everybody is in */
    if (!host->token_valid(host->self, token))
        return problem_set(ctx->problem, ERR_AUTH_FAILED, NULL);
    session_log_in(ctx->session);
    return 0;
}

int op_server_auth(struct op_ctx *ctx, const struct args_server_auth *a)
{
    int err = server_log_in(ctx, a->token.bytes);
    if (err == 0)
        reply_bool(ctx->reply, true);
    return err;
}

static void server_write_limits(struct op_ctx *ctx)
{
#define LIMIT(name, default_value, min, max, text) +1
    reply_map(ctx->reply, 0
#include "proto/limits.def"
    );
#undef LIMIT
#define LIMIT(name, default_value, min, max, text)                                                 \
    reply_key(ctx->reply, #name);                                                                  \
    reply_uint(ctx->reply, ctx->env->limits->name);
#include "proto/limits.def"
#undef LIMIT
}

static void server_write_hello(struct op_ctx *ctx)
{
    struct reply *reply = ctx->reply;
    reply_map(reply, 8);
    reply_key(reply, "server");
    reply_text(reply, "cairn");
    reply_key(reply, "version");
    reply_text(reply, ctx->env->host->server_version);
    reply_key(reply, "protocol");
    reply_uint(reply, PROTOCOL_VERSION);
    reply_key(reply, "id");
    reply_uint(reply, ctx->session->id);
    reply_key(reply, "role");
    reply_text(reply, "primary");
    reply_key(reply, "durability");
    reply_text(reply, durability_name(ctx->store->durability));
    reply_key(reply, "features");
    reply_array(reply, 4);
    reply_text(reply, "kv");
    reply_text(reply, "batch");
    reply_text(reply, "run");
    reply_text(reply, "watch");
    reply_key(reply, "limits");
    server_write_limits(ctx);
}

/* Check everything before anything is changed. */
static int server_check_hello(struct op_ctx *ctx, const struct args_server_hello *a,
                              enum durability *out_level)
{
    const struct arg *errors = &a->errors, *level = &ctx->request->all.durability;
    if (errors->present && !bytes_equal(errors->bytes, bytes_of("string")) &&
        !bytes_equal(errors->bytes, bytes_of("map")))
        return problem_set(ctx->problem, ERR_BAD_ARGUMENT, "'errors' must be string or map");
    if (level->present) {
        int err = dispatch_read_durability(ctx->store, level->bytes, out_level, ctx->problem);
        if (err != 0)
            return err;
    }
    return a->auth.present ? server_log_in(ctx, a->auth.bytes) : 0;
}

int op_server_hello(struct op_ctx *ctx, const struct args_server_hello *a)
{
    const struct arg *run = &ctx->request->all.run;
    enum durability level = ctx->session->durability;
    int err = server_check_hello(ctx, a, &level);
    if (err == 0 && run->present)
        err = session_use(ctx->session, run->bytes);
    if (err != 0)
        return err;
    ctx->session->durability = level;
    if (a->errors.present)
        ctx->session->error_maps = bytes_equal(a->errors.bytes, bytes_of("map"));
    if (a->client.present)
        session_set_client_name(ctx->session, a->client.bytes);
    if (a->ordered.present)
        ctx->session->ordered = a->ordered.boolean;
    server_write_hello(ctx);
    return 0;
}

static const char *const server_sections[INFO_SECTIONS] = {
    [INFO_SERVER] = "server",
    [INFO_MEMORY] = "memory",
    [INFO_CLIENTS] = "clients",
    [INFO_KEYSPACE] = "keyspace",
};

/* One section, or all (section of size 0). */
int op_server_info(struct op_ctx *ctx, const struct args_server_info *a)
{
    const struct op_host *host = ctx->env->host;
    struct bytes wanted = a->section.present ? a->section.bytes : BYTES_NONE;
    bool limits = bytes_equal(wanted, bytes_of("limits"));
    bool known = wanted.size == 0 || limits;
    for (unsigned i = 0; i < INFO_SECTIONS; i++)
        known = known || bytes_equal(wanted, bytes_of(server_sections[i]));
    if (!known)
        return problem_set(ctx->problem, ERR_NOT_FOUND,
                           "sections are server, memory, clients, keyspace and limits");
    reply_map(ctx->reply, wanted.size > 0 ? 1 : INFO_SECTIONS + 1);
    for (unsigned i = 0; i < INFO_SECTIONS; i++) {
        if (wanted.size > 0 && !bytes_equal(wanted, bytes_of(server_sections[i])))
            continue;
        reply_key(ctx->reply, server_sections[i]);
        host->info(host->self, i, ctx->reply);
    }
    if (wanted.size == 0 || limits) {
        reply_key(ctx->reply, "limits");
        server_write_limits(ctx);
    }
    return 0;
}

int op_server_stats(struct op_ctx *ctx, const struct args_server_stats *a)
{
    const struct op_host *host = ctx->env->host;
    if (a->op.present && op_find(a->op.bytes) == NULL)
        return problem_set(ctx->problem, ERR_NOT_FOUND, "there is no such operation");
    host->stats(host->self, a->op.present ? a->op.bytes : BYTES_NONE, ctx->reply);
    if (a->reset.present && a->reset.boolean)
        host->stats_reset(host->self);
    return 0;
}

int op_server_sync(struct op_ctx *ctx, const struct args_server_sync *a)
{
    uint64_t lsn = atomic_load(&ctx->store->version);
    (void)a;
    if (ctx->store->wal == NULL)
        return problem_set(ctx->problem, ERR_UNSUPPORTED,
                           "durability.mode is memory: nothing here is ever durable");
    if (lsn > ctx->env->synced_first)
        ctx->env->synced_first = lsn; /* the reply waits for that */
    reply_nil(ctx->reply);
    return 0;
}

int op_server_config_get(struct op_ctx *ctx, const struct args_server_config_get *a)
{
    const struct op_host *host = ctx->env->host;
    host->config_get(host->self, a->prefix.present ? a->prefix.bytes : BYTES_NONE, ctx->reply);
    return 0;
}

int op_server_config_set(struct op_ctx *ctx, const struct args_server_config_set *a)
{
    const struct op_host *host = ctx->env->host;
    int err = host->config_set(host->self, a->option.bytes, a->value.bytes, ctx->problem);
    if (err == 0)
        reply_bool(ctx->reply, true);
    return err;
}
