/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ckpt.export: all of a session, or of all sessions of the run, a page at a time.
 *
 *   session "a"    checkpoint 7    checkpoint 9    session "b"    checkpoint 8 ...
 *
 * Sessions in the order of their ids, the checkpoints of each from its index, upwards by number:
 * what is saved meanwhile has a higher one and comes later. The cursor is where to go on: a number,
 * big-endian, and the session. A session is named before its checkpoints: it is, as long as the
 * walk stands below its generation, a number that is below all others in it; so one that was
 * deleted and made again between two pages is named again.
 *
 * Threads: any loop; locks are held for a slice at a time. Failures: as the walk.
 */
#include "common/err.h"
#include "server/ops/ckpt_walk.h"
#include "server/store/scan.h"

#include <endian.h>

enum { EXPORT_NAMES = 64, EXPORT_CURSOR = 8 + CKPT_ID_MAX };

#define EXPORT_ENDED UINT64_MAX /* as `from`: all of the session was there */

struct export
{
    struct op_ctx *ctx;
    bool of_session;
    uint64_t limit, items;
    struct bytes session; /* where it is: a view of `bytes`; none: before the first */
    uint64_t from;        /* numbers below this one were there */
    uint8_t bytes[CKPT_ID_MAX];
    struct buf names; /* of sessions that follow, each behind its size byte */
    size_t names_at;
    bool ended; /* there are no more sessions */
};

static bool export_is_full(const struct export *e)
{
    return e->items >= e->limit || e->ctx->reply->failed != 0 ||
           reply_size(e->ctx->reply) >= e->ctx->env->limits->page_bytes;
}

static void export_go_to(struct export *e, struct bytes session, uint64_t from)
{
    if (session.size > 0)
        memmove(e->bytes, session.data, session.size);
    e->session = (struct bytes){e->bytes, session.size};
    e->from = from;
}

/* ---- sessions ---- */

struct export_names {
    struct buf *names;
    int err;
};

static bool export_add_name(void *context, const struct record *record)
{
    struct export_names *found = context;
    struct bytes name = record_key_bytes(record);
    uint8_t size = (uint8_t)name.size;
    found->err = buf_append(found->names, &size, 1);
    if (found->err == 0)
        found->err = buf_append(found->names, name.data, name.size);
    return found->err == 0;
}

/* The names behind the present one, as many as are read at once. */
static int export_find_names(struct export *e)
{
    struct export_names found = {&e->names, 0};
    struct op_ctx *ctx = e->ctx;
    struct scan scan;
    bool more;
    e->names.size = e->names_at = 0;
    struct bytes after = e->session.size > 0 ? e->session : BYTES_NONE;
    int err =
        scan_init(&scan, ctx->run, KIND_session, BYTES_NONE, BYTES_NONE, BYTES_NONE, after, false);
    if (err == 0)
        err = scan_visit(ctx->store, ctx->run, &scan, ctx->env->now_ms, EXPORT_NAMES,
                         export_add_name, &found, &more);
    scan_deinit(&scan);
    return err != 0 ? err : found.err;
}

static int export_next_session(struct export *e)
{
    if (e->names_at == e->names.size) {
        int err = export_find_names(e);
        if (err != 0)
            return err;
    }
    e->ended = e->names.size == 0;
    if (e->ended)
        return 0;
    const uint8_t *name = e->names.data + e->names_at;
    export_go_to(e, (struct bytes){name + 1, name[0]}, 0);
    e->names_at += 1 + (size_t)name[0];
    return 0;
}

static void export_session_item(struct export *e, const struct ckpt_session *s)
{
    struct reply *reply = e->ctx->reply;
    reply_map(reply, 7);
    reply_key(reply, "session");
    reply_bytes(reply, s->key.bytes, s->text);
    reply_key(reply, "name");
    reply_value(reply, s->name);
    reply_key(reply, "meta");
    reply_value(reply, s->meta);
    reply_key(reply, "created_at");
    reply_uint(reply, s->created_at);
    reply_key(reply, "ttl_ms");
    reply_uint(reply, s->ttl_ms);
    reply_key(reply, "min_interval_ms");
    reply_uint(reply, s->min_interval_ms);
    reply_key(reply, "delta");
    reply_bool(reply, s->delta);
    e->items++;
    e->from = s->group.generation;
}

/* ---- checkpoints ---- */

/* The session the walk is in, and the next record of it, as far as the page has room. */
static int export_step(struct export *e, struct ckpt_walk *walk)
{
    static const struct ckpt_show show = {true, true, true, true, NULL};
    const struct record *record;
    int err = ckpt_walk_next(walk, &record);
    if (err != 0)
        return err;
    if (walk->s.record != NULL && e->from < walk->s.group.generation)
        export_session_item(e, &walk->s);
    if (record == NULL) {
        e->from = EXPORT_ENDED;
        return 0;
    }
    if (export_is_full(e))
        return 0;
    e->items++;
    e->from = walk->to;
    return ckpt_reply(&walk->s, record, &show);
}

static int export_session(struct export *e)
{
    struct ckpt_walk walk; /* large: not cleared */
    int err = 0;
    ckpt_walk_begin_session_up(&walk, e->ctx, e->session, e->from);
    while (err == 0 && e->from != EXPORT_ENDED && !export_is_full(e))
        err = export_step(e, &walk);
    ckpt_walk_end(&walk);
    return err;
}

/* ---- the page ---- */

static int export_begin(struct export *e, const struct args_ckpt_export *a)
{
    struct op_ctx *ctx = e->ctx;
    struct bytes cursor = a->cursor.bytes;
    struct ckpt_id session;
    uint64_t from = a->session.present ? 0 : EXPORT_ENDED;
    int err = ckpt_id_arg(ctx, &a->session, "session", &session);
    if (err != 0)
        return err;
    e->of_session = a->session.present;
    if (a->cursor.present) {
        struct bytes name = {cursor.data + sizeof from, cursor.size - sizeof from};
        if (cursor.size <= sizeof from || cursor.size > EXPORT_CURSOR ||
            (e->of_session && !bytes_equal(name, session.bytes)))
            return problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                               "ckpt.export: 'cursor' is not of a page with the same options");
        memcpy(&from, cursor.data, sizeof from);
        from = be64toh(from);
        session.bytes = name;
    }
    export_go_to(e, session.bytes, from);
    return 0;
}

static int export_page(struct export *e)
{
    int err = 0;
    while (err == 0 && !e->ended && !export_is_full(e)) {
        if (e->from != EXPORT_ENDED)
            err = export_session(e);
        else if (e->of_session)
            e->ended = true;
        else
            err = export_next_session(e);
    }
    return err;
}

static void export_reply_cursor(struct export *e)
{
    uint8_t cursor[EXPORT_CURSOR];
    uint64_t from = htobe64(e->from);
    if (e->ended || (e->of_session && e->from == EXPORT_ENDED)) {
        reply_nil(e->ctx->reply);
        return;
    }
    memcpy(cursor, &from, sizeof from);
    memcpy(cursor + sizeof from, e->session.data, e->session.size);
    reply_bytes(e->ctx->reply, (struct bytes){cursor, sizeof from + e->session.size}, false);
}

int op_ckpt_export(struct op_ctx *ctx, const struct args_ckpt_export *a)
{
    struct export e = {.ctx = ctx};
    int err = op_page_limit(ctx, &a->limit, &e.limit);
    if (err == 0)
        err = export_begin(&e, a);
    if (err != 0)
        return err;
    reply_map(ctx->reply, 2);
    reply_key(ctx->reply, "items");
    size_t mark = reply_array_open(ctx->reply);
    err = export_page(&e);
    reply_array_close(ctx->reply, mark, e.items);
    reply_key(ctx->reply, "cursor");
    export_reply_cursor(&e);
    buf_deinit(&e.names);
    return err;
}
