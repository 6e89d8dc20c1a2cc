/* SPDX-License-Identifier: BSD-3-Clause
 *
 * kv.scan, kv.walk, kv.count and kv.clear: operations on ranges of keys.
 *
 * A page ends at its limit, or early at limits.page_bytes; its cursor is the last key of the page,
 * so it stays valid whatever happens in between, and costs the server nothing.
 *
 * Threads: any loop. Failures: a page too large for limits.reply_bytes is refused by the reply
 * itself.
 */
#include "common/err.h"
#include "common/glob.h"
#include "server/ops/op_clear_job.h"
#include "server/ops/op_kv.h"
#include "server/store/walk.h"

/* The page being written. */
struct scan_page {
    struct op_ctx *ctx;
    bool keys_only, with_version;
    uint64_t items;
};

static bool scan_is_set(const struct arg *arg)
{
    return arg->present && arg->boolean;
}

static struct bytes scan_arg(const struct arg *arg)
{
    return arg->present ? arg->bytes : BYTES_NONE;
}

static void scan_write_item(const struct scan_page *page, const struct record *record)
{
    struct reply *reply = page->ctx->reply;
    if (!page->keys_only)
        reply_array(reply, page->with_version ? 4 : 2);
    reply_bytes(reply, record_key_bytes(record), record_is_text(record));
    if (page->keys_only)
        return;
    reply_value(reply, record_value(record));
    if (!page->with_version)
        return;
    int64_t at = record_expires_at_ms(record);
    reply_uint(reply, record_version(record));
    if (at == 0)
        reply_nil(reply);
    else
        reply_int(reply, at - page->ctx->env->now_ms);
}

static bool scan_visit_item(void *context, const struct record *record)
{
    struct scan_page *page = context;
    scan_write_item(page, record);
    page->items++;
    return page->ctx->reply->failed == 0 &&
           reply_size(page->ctx->reply) < page->ctx->env->limits->page_bytes;
}

static int scan_write_page(struct op_ctx *ctx, struct scan *scan, const struct args_kv_scan *a,
                           uint64_t limit)
{
    struct scan_page page = {ctx, scan_is_set(&a->keys_only), scan_is_set(&a->with_version), 0};
    bool more = false;
    reply_map(ctx->reply, 2);
    reply_key(ctx->reply, "items");
    size_t mark = reply_array_open(ctx->reply);
    int err = scan_visit(ctx->store, ctx->run, scan, ctx->env->now_ms, limit, scan_visit_item,
                         &page, &more);
    if (err != 0)
        return err;
    reply_array_close(ctx->reply, mark, page.items);
    reply_key(ctx->reply, "cursor");
    if (more)
        reply_bytes(ctx->reply, scan_cursor(scan), false);
    else
        reply_nil(ctx->reply);
    return 0;
}

int op_kv_scan(struct op_ctx *ctx, const struct args_kv_scan *a)
{
    struct scan scan;
    uint64_t limit;
    int err = op_page_limit(ctx, &a->limit, &limit);
    if (err == 0 && scan_is_set(&a->keys_only) && scan_is_set(&a->with_version))
        err = problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                          "kv.scan: give 'keys_only' or 'with_version', not both");
    if (err != 0)
        return err;
    err = scan_init(&scan, ctx->run, KIND_kv, scan_arg(&a->prefix), scan_arg(&a->from),
                    scan_arg(&a->to), scan_arg(&a->cursor), scan_is_set(&a->reverse));
    if (err == 0)
        err = scan_write_page(ctx, &scan, a, limit);
    scan_deinit(&scan);
    return err;
}

/* The kinds of records that kv.walk is to list. */
static int walk_kinds(struct op_ctx *ctx, const struct arg *kind, uint64_t *out_kinds)
{
    static const uint64_t kv = (uint64_t)1 << KIND_kv, collection = (uint64_t)1 << KIND_collection;
    struct bytes word = kind->present ? kind->bytes : bytes_of("kv");
    *out_kinds = bytes_equal(word, bytes_of("kv"))           ? kv
                 : bytes_equal(word, bytes_of("collection")) ? collection
                 : bytes_equal(word, bytes_of("any"))        ? kv | collection
                                                             : 0;
    if (*out_kinds != 0)
        return 0;
    return problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                       "kv.walk: 'kind' must be kv, collection or any");
}

/* A page of kv.walk being written. */
struct walk_page {
    struct op_ctx *ctx;
    struct bytes match;
    bool all;
    uint64_t items;
};

static bool walk_visit_item(void *context, const struct record *record)
{
    struct walk_page *page = context;
    struct bytes key = record_key_bytes(record);
    if (page->all || glob_match(page->match, key)) {
        reply_bytes(page->ctx->reply, key, record_is_text(record));
        page->items++;
    }
    return page->ctx->reply->failed == 0 &&
           reply_size(page->ctx->reply) < page->ctx->env->limits->page_bytes;
}

int op_kv_walk(struct op_ctx *ctx, const struct args_kv_walk *a)
{
    struct walk_page page = {ctx, scan_arg(&a->match), !a->match.present, 0};
    uint64_t limit, kinds, cursor = a->cursor.present ? a->cursor.uint : 0;
    int err = op_page_limit(ctx, &a->limit, &limit);
    if (err == 0)
        err = walk_kinds(ctx, &a->kind, &kinds);
    if (err != 0)
        return err;
    reply_map(ctx->reply, 2);
    reply_key(ctx->reply, "items");
    size_t mark = reply_array_open(ctx->reply);
    if (ctx->run == NULL)
        cursor = 0;
    else
        err = walk_visit(ctx->store, ctx->run, kinds, ctx->env->now_ms, limit, walk_visit_item,
                         &page, &cursor);
    reply_array_close(ctx->reply, mark, page.items);
    reply_key(ctx->reply, "cursor");
    reply_uint(ctx->reply, cursor);
    return err;
}

/* Add how many there are of a kind. */
static int count_kind(struct op_ctx *ctx, const struct args_kv_count *a, enum record_kind kind,
                      uint64_t *count)
{
    struct scan scan;
    uint64_t more = 0;
    int err = scan_init(&scan, ctx->run, kind, scan_arg(&a->prefix), scan_arg(&a->from),
                        scan_arg(&a->to), BYTES_NONE, false);
    if (err == 0)
        err = scan_count(ctx->store, ctx->run, &scan, ctx->env->now_ms, &more);
    scan_deinit(&scan);
    *count += more;
    return err;
}

int op_kv_count(struct op_ctx *ctx, const struct args_kv_count *a)
{
    uint64_t count = 0;
    int err = count_kind(ctx, a, KIND_kv, &count);
    if (err == 0 && kv_typed(ctx))
        err = count_kind(ctx, a, KIND_collection, &count);
    if (err == 0)
        reply_uint(ctx->reply, count);
    return err;
}

int op_kv_clear(struct op_ctx *ctx, const struct args_kv_clear *a)
{
    enum record_kind then = kv_typed(ctx) ? KIND_collection : KIND_NONE;
    return op_clear_job(ctx, NULL, KIND_kv, then, scan_arg(&a->prefix));
}
