/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server.slowlog: the slow log, newest first, a page at a time; and emptying it.
 *
 * Threads: any loop. Failures: without memory for a page, ERR_OUT_OF_MEMORY.
 */
#include "common/err.h"
#include "common/mem.h"
#include "server/ops/ops.h"

static void slowlog_write_uint(struct reply *reply, const char *key, uint64_t value)
{
    reply_key(reply, key);
    reply_uint(reply, value);
}

static void slowlog_write_item(struct reply *reply, const struct slow_request *slow)
{
    struct bytes run = {slow->run, slow->run_size};
    reply_map(reply, 11);
    slowlog_write_uint(reply, "id", slow->id);
    reply_key(reply, "at_ms");
    reply_int(reply, slow->at_ms);
    slowlog_write_uint(reply, "duration_us", slow->ns / 1000);
    reply_key(reply, "op");
    reply_text(reply, op_table[slow->op].name);
    reply_key(reply, "run");
    reply_bytes(reply, run, mp_utf8_valid(run));
    slowlog_write_uint(reply, "connection", slow->connection);
    reply_key(reply, "address");
    reply_text(reply, slow->address);
    reply_key(reply, "name");
    if (slow->client_name[0] == 0)
        reply_nil(reply);
    else
        reply_text(reply, slow->client_name);
    slowlog_write_uint(reply, "request_bytes", slow->request_bytes);
    slowlog_write_uint(reply, "reply_bytes", slow->reply_bytes);
    slowlog_write_uint(reply, "loop", slow->loop);
}

/* The page ends at the limit, or early at limits.page_bytes. */
static void slowlog_write_page(struct op_ctx *ctx, const struct slow_request *requests,
                               size_t count, uint64_t limit, bool reset)
{
    struct reply *reply = ctx->reply;
    size_t n = 0;
    reply_key(reply, "items");
    size_t mark = reply_array_open(reply);
    while (n < count && n < limit && reply_size(reply) < ctx->env->limits->page_bytes)
        slowlog_write_item(reply, &requests[n++]);
    reply_array_close(reply, mark, n);
    reply_key(reply, "cursor");
    if (n < count && !reset)
        reply_uint(reply, requests[n - 1].id);
    else
        reply_nil(reply);
}

int op_server_slowlog(struct op_ctx *ctx, const struct args_server_slowlog *a)
{
    struct slowlog *log = ctx->env->slowlog;
    bool reset = a->reset.present && a->reset.boolean;
    size_t held = 0;
    uint64_t limit;
    int err = op_page_limit(ctx, &a->limit, &limit);
    if (err != 0)
        return err;
    size_t room = limit < log->capacity ? limit + 1 : log->capacity; /* one more: are there more? */
    struct slow_request *requests = mem_calloc(room, sizeof *requests);
    if (requests == NULL)
        return ERR_OUT_OF_MEMORY;
    size_t n = slowlog_read(log, a->cursor.present ? a->cursor.uint : UINT64_MAX, room, reset,
                            requests, &held);
    reply_map(ctx->reply, 3);
    slowlog_write_uint(ctx->reply, "entries", held);
    slowlog_write_page(ctx, requests, n, limit, reset);
    mem_free(requests);
    return 0;
}
