/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Operations about clients: server.clients lists them, server.kill closes one.
 *
 * A page is copied loop by loop, so that it shows no single instant; a client that is connected
 * throughout is in exactly one page, as ids ascend and are never given twice.
 *
 * Threads: any loop.
 */
#include "common/err.h"
#include "common/mem.h"
#include "server/ops/ops.h"

static void clients_uint(struct reply *reply, const char *key, uint64_t value)
{
    reply_key(reply, key);
    reply_uint(reply, value);
}

/* nil if there is nothing. */
static void clients_text(struct reply *reply, const char *key, const char *value)
{
    reply_key(reply, key);
    if (value == NULL || value[0] == 0)
        reply_nil(reply);
    else
        reply_text(reply, value);
}

static void clients_write_item(struct reply *reply, const struct session_view *client)
{
    struct bytes run = {client->run, client->run_size};
    reply_map(reply, 11);
    clients_uint(reply, "id", client->id);
    clients_text(reply, "address", client->address);
    clients_text(reply, "protocol", client->protocol);
    clients_text(reply, "name", client->client_name);
    reply_key(reply, "run");
    reply_bytes(reply, run, mp_utf8_valid(run));
    clients_uint(reply, "age_s", client->age_s);
    clients_uint(reply, "idle_s", client->idle_s);
    clients_uint(reply, "requests", client->requests);
    clients_text(reply, "last", client->last == OP_COUNT ? NULL : op_table[client->last].name);
    clients_uint(reply, "loop", client->loop);
    reply_key(reply, "logged_in");
    reply_bool(reply, client->logged_in);
}

/* The page ends at the limit, or early at limits.page_bytes. */
static void clients_write_page(struct op_ctx *ctx, const struct session_view *clients, size_t count,
                               uint64_t limit)
{
    struct reply *reply = ctx->reply;
    size_t n = 0;
    reply_map(reply, 2);
    reply_key(reply, "items");
    size_t mark = reply_array_open(reply);
    while (n < count && n < limit && reply_size(reply) < ctx->env->limits->page_bytes)
        clients_write_item(reply, &clients[n++]);
    reply_array_close(reply, mark, n);
    reply_key(reply, "cursor");
    if (n < count)
        reply_uint(reply, clients[n - 1].id);
    else
        reply_nil(reply);
}

int op_server_clients(struct op_ctx *ctx, const struct args_server_clients *a)
{
    const struct op_host *host = ctx->env->host;
    struct session_view *clients = NULL;
    size_t count = 0;
    uint64_t limit;
    int err = op_page_limit(ctx, &a->limit, &limit);
    if (err == 0) /* one more, to know whether there are more */
        err = host->clients(host->self, a->cursor.present ? a->cursor.uint : 0, limit + 1, &clients,
                            &count);
    if (err == 0)
        clients_write_page(ctx, clients, count, limit);
    mem_free(clients);
    return err;
}

int op_server_kill(struct op_ctx *ctx, const struct args_server_kill *a)
{
    const struct op_host *host = ctx->env->host;
    bool found = false;
    int err = host->kill(host->self, a->id.uint, &found);
    if (err != 0)
        return err;
    if (found && a->id.uint == ctx->session->id)
        ctx->session->leaving = true; /* this reply goes out first */
    reply_bool(ctx->reply, found);
    return 0;
}
