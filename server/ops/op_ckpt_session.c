/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ckpt.session_create, _get, _list, _delete, and ckpt.metrics.
 *
 * Deleting a session deletes one record: its group has no owner then (server/store/group.h).
 *
 * Threads: any loop. Failures: nothing is changed.
 */
#include "common/err.h"
#include "proto/pack.h"
#include "server/ops/ckpt_args.h"
#include "server/ops/ckpt_walk.h"
#include "server/store/scan.h"

enum { SESSION_OVERHEAD = 512 };

/* ---- one ---- */

static int session_set(struct ckpt_session *s, const struct args_ckpt_session_create *a,
                       struct buf *name)
{
    bool created = s->record == NULL;
    int err = ckpt_begin_session(s);
    if (err == 0 && a->name.present) {
        bool text = a->name.text && mp_utf8_valid(a->name.bytes);
        err = text ? pack_str(name, a->name.bytes) : pack_bin(name, a->name.bytes);
        s->name = buf_bytes(name);
    }
    if (err != 0)
        return err;
    if (a->meta.present)
        s->meta = a->meta.bytes;
    if (a->ttl_ms.present)
        s->ttl_ms = a->ttl_ms.uint;
    if (a->min_interval_ms.present)
        s->min_interval_ms = a->min_interval_ms.uint;
    if (a->delta.present && created)
        s->delta = a->delta.boolean;
    else if (a->delta.present && a->delta.boolean != s->delta)
        return problem_set(s->ctx->problem, ERR_CONFLICT,
                           "ckpt.session_create: the session exists with another 'delta', which "
                           "cannot be changed");
    return 0;
}

static int session_check(struct op_ctx *ctx, const struct args_ckpt_session_create *a)
{
    if (a->name.present && a->name.bytes.size > CKPT_TEXT_MAX)
        return problem_set(ctx->problem, ERR_LIMIT_EXCEEDED,
                           "ckpt.session_create: 'name' has more than %d bytes", CKPT_TEXT_MAX);
    if (a->meta.present && a->meta.bytes.size > CKPT_TEXT_MAX)
        return problem_set(ctx->problem, ERR_LIMIT_EXCEEDED,
                           "ckpt.session_create: 'meta' has more than %d bytes; keep more in a "
                           "checkpoint",
                           CKPT_TEXT_MAX);
    return 0;
}

int op_ckpt_session_create(struct op_ctx *ctx, const struct args_ckpt_session_create *a)
{
    struct buf name = {0};
    struct ckpt_session s;
    int err = session_check(ctx, a);
    if (err == 0)
        err = ckpt_open(ctx, &a->session, ctx->request->size + SESSION_OVERHEAD, &s);
    if (err == 0)
        err = session_set(&s, a, &name);
    if (err == 0)
        err = ckpt_close(&s);
    buf_deinit(&name);
    if (err != 0)
        return err;
    reply_map(ctx->reply, 2);
    reply_key(ctx->reply, "created");
    reply_bool(ctx->reply, s.record == NULL);
    reply_key(ctx->reply, "version");
    op_reply_version(ctx, txn_commit(ctx->txn));
    return 0;
}

int op_ckpt_session_get(struct op_ctx *ctx, const struct args_ckpt_session_get *a)
{
    struct ckpt_session s;
    int err = ckpt_open(ctx, &a->session, 0, &s);
    if (err != 0)
        return err;
    if (s.record == NULL)
        reply_nil(ctx->reply);
    else
        ckpt_reply_session(ctx, &s, record_version(s.record));
    txn_unlock(ctx->txn);
    return 0;
}

int op_ckpt_session_delete(struct op_ctx *ctx, const struct args_ckpt_session_delete *a)
{
    struct ckpt_session s = {.record = NULL};
    int err = ckpt_open(ctx, &a->session, 0, &s);
    if (err != 0 && (err != ERR_DATA_DAMAGED || s.record == NULL))
        return err;
    reply_uint(ctx->reply, s.record == NULL ? 0 : s.checkpoints);
    if (s.record == NULL)
        return 0;
    s.group.generation = group_generation(record_value(s.record)); /* also of a damaged one */
    struct reap *reap = reap_create(&s.group);
    if (reap == NULL)
        return ERR_OUT_OF_MEMORY;
    err = txn_del(ctx->txn, &s.key, s.hash);
    if (err != 0) {
        reap_destroy(reap);
        return err;
    }
    struct partition *partition = (struct partition *)(uintptr_t)txn_partition_at(ctx->txn, s.hash);
    group_orphan(partition, reap);
    (void)txn_commit(ctx->txn);
    return 0;
}

/* ---- all ---- */

/* A page of sessions being written. */
struct sessions_page {
    struct op_ctx *ctx;
    uint64_t items;
    int err;
};

static bool sessions_item(struct sessions_page *page, const struct record *record)
{
    struct op_ctx *ctx = page->ctx;
    struct ckpt_session s;
    struct txn txn; /* reads only, under the locks of the walk */
    struct op_ctx inner = *ctx;
    txn_init(&txn, ctx->store, ctx->env->now_ms);
    inner.txn = &txn;
    page->err = ckpt_read_session(&inner, record_key_bytes(record), &s);
    if (page->err == 0 && s.record != NULL) {
        ckpt_reply_session(ctx, &s, record_version(record));
        page->items++;
    }
    return page->err == 0 && ctx->reply->failed == 0 &&
           reply_size(ctx->reply) < ctx->env->limits->page_bytes;
}

static bool sessions_scanned(void *context, const struct record *record)
{
    return sessions_item(context, record);
}

static int sessions_by_id(struct op_ctx *ctx, const struct args_ckpt_session_list *a,
                          uint64_t limit, struct sessions_page *page)
{
    struct scan scan;
    bool more = false;
    struct bytes prefix = a->prefix.present ? a->prefix.bytes : BYTES_NONE;
    struct bytes cursor = a->cursor.present ? a->cursor.bytes : BYTES_NONE;
    size_t mark = reply_array_open(ctx->reply);
    int err =
        scan_init(&scan, ctx->run, KIND_session, prefix, BYTES_NONE, BYTES_NONE, cursor, false);
    if (err == 0)
        err = scan_visit(ctx->store, ctx->run, &scan, ctx->env->now_ms, limit, sessions_scanned,
                         page, &more);
    reply_array_close(ctx->reply, mark, page->items);
    reply_key(ctx->reply, "cursor");
    if (err == 0 && more)
        reply_bytes(ctx->reply, scan_cursor(&scan), false);
    else
        reply_nil(ctx->reply);
    scan_deinit(&scan);
    return err;
}

static int sessions_newest(struct op_ctx *ctx, const struct args_ckpt_session_list *a,
                           uint64_t limit, struct sessions_page *page)
{
    struct bytes prefix = a->prefix.present ? a->prefix.bytes : BYTES_NONE;
    struct ckpt_walk walk;
    const struct record *record;
    size_t mark = reply_array_open(ctx->reply);
    bool full = false;
    int err = ckpt_walk_begin_run(&walk, ctx, INDEX_session_of_run, &a->cursor);
    while (err == 0 && !full && (err = ckpt_walk_next(&walk, &record)) == 0 && record != NULL)
        if (bytes_start_with(record_key_bytes(record), prefix) &&
            !record_expired(record, ctx->env->now_ms))
            full = !sessions_item(page, record) || page->items == limit;
    reply_array_close(ctx->reply, mark, page->items);
    reply_key(ctx->reply, "cursor");
    if (err == 0)
        ckpt_walk_reply_cursor(&walk);
    ckpt_walk_end(&walk);
    return err;
}

int op_ckpt_session_list(struct op_ctx *ctx, const struct args_ckpt_session_list *a)
{
    struct sessions_page page = {ctx, 0, 0};
    uint64_t limit;
    int err = op_page_limit(ctx, &a->limit, &limit);
    if (err != 0)
        return err;
    reply_map(ctx->reply, 2);
    reply_key(ctx->reply, "items");
    if (a->newest.present && a->newest.boolean)
        err = sessions_newest(ctx, a, limit, &page);
    else
        err = sessions_by_id(ctx, a, limit, &page);
    return err != 0 ? err : page.err;
}

/* From sums that are kept, so that it costs the same however many sessions there are. */
int op_ckpt_metrics(struct op_ctx *ctx, const struct args_ckpt_metrics *a)
{
    static const char *const names[RECORD_SUMMED_NUMBERS] = {"checkpoints", "bytes"};
    struct sums_row sums;
    (void)a;
    int err = scan_sums(ctx->store, ctx->run, KIND_session, ctx->env->now_ms, &sums);
    if (err != 0)
        return err;
    reply_map(ctx->reply, 1 + LENGTH_OF(names));
    reply_key(ctx->reply, "sessions");
    reply_uint(ctx->reply, sums.records);
    for (size_t i = 0; i < LENGTH_OF(names); i++) {
        reply_key(ctx->reply, names[i]);
        reply_uint(ctx->reply, sums.numbers[i]);
    }
    return 0;
}
