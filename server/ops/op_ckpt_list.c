/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ckpt.list: which checkpoints there are, newest first.
 *
 *   session and ns    in the order of ids, from the ordered map     before and after bound it
 *   session           in the order of numbers, from its index       from_seq and to_seq bound these
 *   neither           the same over all sessions of the run
 *
 * What does not bound the walk is looked at. A page ends early, with a cursor, when LIST_LOOK
 * checkpoints have been looked at, so that a filter that matches nothing does not hold up others.
 *
 * A checkpoint that cannot be read is an item that says so, wherever its key does not exclude it.
 *
 * Threads: any loop; locks are held for a slice at a time. Failures: as the walk.
 */
#include "common/err.h"
#include "proto/filter.h"
#include "server/ops/ckpt_args.h"
#include "server/ops/ckpt_walk.h"

enum { LIST_LOOK = 2000 };

/* What was asked for. */
struct list {
    struct op_ctx *ctx;
    const struct args_ckpt_list *a;
    struct ckpt_id session, ns;
    struct ckpt_show show;
    bool filtered;
    struct filter filter;
    struct ckpt_walk walk;
};

static int list_check(struct list *list)
{
    struct op_ctx *ctx = list->ctx;
    const struct args_ckpt_list *a = list->a;
    int err = ckpt_id_arg(ctx, &a->session, "session", &list->session);
    if (err == 0)
        err = ckpt_id_arg(ctx, &a->ns, "ns", &list->ns);
    list->filtered = a->filter.present;
    if (err == 0 && list->filtered)
        err = filter_compile(&list->filter, a->filter.bytes, ctx->problem);
    bool all = a->with_state.present && a->with_state.boolean;
    list->show = (struct ckpt_show){all, all, all, false, NULL};
    return err;
}

static struct bytes list_bound(const struct arg *arg)
{
    return arg->present ? arg->bytes : BYTES_NONE;
}

static int list_begin(struct list *list)
{
    const struct args_ckpt_list *a = list->a;
    int err;
    if (a->session.present && a->ns.present)
        return ckpt_walk_begin_ns(&list->walk, list->ctx, list->session.bytes, list->ns.bytes,
                                  list_bound(&a->after), list_bound(&a->before), &a->cursor);
    if (a->session.present)
        err = ckpt_walk_begin_session(&list->walk, list->ctx, list->session.bytes, &a->cursor);
    else
        err = ckpt_walk_begin_run(&list->walk, list->ctx, INDEX_ckpt_of_run, &a->cursor);
    if (a->to_seq.present)
        ckpt_walk_limit(&list->walk, a->to_seq.uint);
    return err;
}

/* The text in an encoded str or bin; none of anything else. */
static struct bytes list_text(struct bytes encoded)
{
    struct mp_reader reader = mp_reader_of(encoded);
    struct bytes bytes;
    bool text;
    return mp_read_bytes(&reader, &bytes, &text) == 0 ? bytes : BYTES_NONE;
}

static bool list_in(const struct arg *from, const struct arg *to, uint64_t number)
{
    return (!from->present || number >= from->uint) && (!to->present || number <= to->uint);
}

/* As far as its key tells. */
static bool list_matches_key(const struct list *list, struct bytes ns, struct bytes id)
{
    const struct args_ckpt_list *a = list->a;
    return (!a->ns.present || bytes_equal(ns, a->ns.bytes)) &&
           (!a->before.present || bytes_compare(id, a->before.bytes) < 0) &&
           (!a->after.present || bytes_compare(id, a->after.bytes) > 0);
}

/* As far as its value tells. */
static bool list_matches(const struct list *list, const struct ckpt_value *value)
{
    const struct args_ckpt_list *a = list->a;
    return list_in(&a->from_seq, &a->to_seq, value->number) &&
           list_in(&a->from_time, &a->to_time, value->created_at) &&
           (!a->trigger.present || bytes_equal(list_text(value->trigger), a->trigger.bytes)) &&
           (!a->tag.present || ckpt_has(value->tags, a->tag.bytes)) &&
           (!list->filtered || filter_match(&list->filter, value->metadata));
}

/* Is nothing that is older wanted? */
static bool list_is_past(const struct list *list, const struct ckpt_value *value)
{
    return !list->walk.by_id && list->a->from_seq.present && value->number < list->a->from_seq.uint;
}

/* One that cannot be read: what its key tells. */
static void list_damaged(struct list *list, const struct record *record, struct bytes ns,
                         struct bytes id)
{
    struct reply *reply = list->ctx->reply;
    struct bytes session = group_name(record_key_bytes(record));
    reply_map(reply, 4);
    reply_key(reply, "session");
    reply_bytes(reply, session, mp_utf8_valid(session));
    reply_key(reply, "ns");
    reply_bytes(reply, ns, mp_utf8_valid(ns));
    reply_key(reply, "id");
    reply_bytes(reply, id, record_is_text(record));
    reply_key(reply, "damaged");
    reply_bool(reply, true);
}

/* An item of the page. What is damaged is one, too: it must not hide the others. */
static int list_show(struct list *list, struct ckpt_session *s, const struct record *record)
{
    size_t mark = reply_size(list->ctx->reply);
    s->ctx = &list->walk.inner;
    int err = ckpt_reply(s, record, &list->show);
    if (err == ERR_DATA_DAMAGED) {
        reply_cut(list->ctx->reply, mark);
        list->ctx->problem->err = 0;
    }
    return err;
}

static int list_item(struct list *list, const struct record *record, uint64_t *items, bool *past)
{
    struct ckpt_session s;
    struct ckpt_value value;
    struct bytes ns, id;
    if (!ckpt_key_parts(record_key_bytes(record), &ns, &id))
        return ckpt_damaged(list->ctx, "the key of a checkpoint");
    int err = ckpt_decode(record_value(record), &value);
    *past = err == 0 && list_is_past(list, &value);
    if (*past || !list_matches_key(list, ns, id) || (err == 0 && !list_matches(list, &value)))
        return 0;
    int found = ckpt_walk_session(&list->walk, record, &s);
    if (found == ERR_NOT_FOUND)
        return 0;
    ++*items;
    if (err == 0)
        err = found;
    if (err == 0)
        err = list_show(list, &s, record);
    if (err == ERR_DATA_DAMAGED) {
        list_damaged(list, record, ns, id);
        err = 0;
    }
    return err;
}

static int list_page(struct list *list, uint64_t limit)
{
    struct op_ctx *ctx = list->ctx;
    const struct record *record;
    uint64_t items = 0;
    bool past = false;
    size_t mark = reply_array_open(ctx->reply);
    int err = list_begin(list);
    for (unsigned looked = 0;
         err == 0 && items < limit && looked < LIST_LOOK && !past && ctx->reply->failed == 0 &&
         reply_size(ctx->reply) < ctx->env->limits->page_bytes;
         looked++) {
        err = ckpt_walk_next(&list->walk, &record);
        if (err != 0 || record == NULL)
            break;
        err = list_item(list, record, &items, &past);
    }
    reply_array_close(ctx->reply, mark, items);
    reply_key(ctx->reply, "cursor");
    if (past)
        reply_nil(ctx->reply);
    else
        ckpt_walk_reply_cursor(&list->walk);
    return err;
}

int op_ckpt_list(struct op_ctx *ctx, const struct args_ckpt_list *a)
{
    struct list list; /* large: not cleared */
    uint64_t limit;
    list.ctx = ctx;
    list.a = a;
    list.walk.locked = false;
    int err = op_page_limit(ctx, &a->limit, &limit);
    if (err == 0)
        err = list_check(&list);
    if (err != 0)
        return err;
    reply_map(ctx->reply, 2);
    reply_key(ctx->reply, "items");
    err = list_page(&list, limit);
    ckpt_walk_end(&list.walk);
    return err;
}
