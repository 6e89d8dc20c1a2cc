/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ckpt.import: what ckpt.export gave, saved again.
 *
 *   lock the partitions of all sessions named  -->  item by item: check, plan  -->  commit
 *
 * One transaction: a call imports all of its items or none. A checkpoint is saved as ckpt.save does
 * it, at the time it was saved at, with a new number; its writes and notes follow. One that is to
 * be overwritten is deleted first, with all that belongs to it.
 *
 * Threads: any loop. Failures: nothing is changed; the error has the index of the item.
 */
#include "common/err.h"
#include "proto/pack.h"
#include "proto/rpc.h"
#include "server/ops/op_ckpt_save.h"

enum { IMPORT_OVERHEAD = 512 };

/* Fields of an item, be it a session (no id) or a checkpoint. Some are for people only. */
#define IMPORT_FIELDS(FIELD)                                                                       \
    FIELD(session, NAME)                                                                           \
    FIELD(ns, BYTES)                                                                               \
    FIELD(id, NAME)                                                                                \
    FIELD(seq, UINT)                                                                               \
    FIELD(version, UINT)                                                                           \
    FIELD(bytes, UINT)                                                                             \
    FIELD(parent, NAME)                                                                            \
    FIELD(created_at, UINT)                                                                        \
    FIELD(message, DATA)                                                                           \
    FIELD(tags, ARRAY)                                                                             \
    FIELD(trigger, DATA)                                                                           \
    FIELD(metadata, MAP)                                                                           \
    FIELD(state, VALUE)                                                                            \
    FIELD(checkpoint, VALUE)                                                                       \
    FIELD(channel_versions, ARRAY)                                                                 \
    FIELD(blobs, ARRAY)                                                                            \
    FIELD(writes, ARRAY)                                                                           \
    FIELD(notes, ARRAY)                                                                            \
    FIELD(name, DATA)                                                                              \
    FIELD(meta, MAP)                                                                               \
    FIELD(ttl_ms, UINT)                                                                            \
    FIELD(min_interval_ms, UINT)                                                                   \
    FIELD(delta, BOOL)

#define IMPORT_ARG(name, type) struct arg name;
struct import_item {
    IMPORT_FIELDS(IMPORT_ARG)
};

#define IMPORT_DESC(name, type) {#name, ARG_##type, ARG_NAMED, ""},
static const struct arg_desc import_fields[] = {IMPORT_FIELDS(IMPORT_DESC)};

/* What decodes an item: a row that is not in the table. */
static const struct op import_op = {
    .name = "ckpt.import", .n_args = LENGTH_OF(import_fields), .args = import_fields};

_Static_assert(LENGTH_OF(import_fields) <= OP_ARGS_MAX, "an item fits into a request");

enum import_mode { IMPORT_SKIP, IMPORT_OVERWRITE, IMPORT_FAIL };

struct import {
    struct op_ctx *ctx;
    enum import_mode mode;
    struct ckpt_session s; /* that of the last item */
    bool opened, changed;
    struct buf name; /* of s, encoded */
    uint64_t imported, skipped, overwritten;
};

static int import_read_mode(struct op_ctx *ctx, const struct arg *arg, enum import_mode *out)
{
    static const char *const words[] = {
        [IMPORT_SKIP] = "skip", [IMPORT_OVERWRITE] = "overwrite", [IMPORT_FAIL] = "fail"};
    struct bytes word = arg->present ? arg->bytes : bytes_of(words[IMPORT_SKIP]);
    for (unsigned i = 0; i < LENGTH_OF(words); i++)
        if (bytes_equal(word, bytes_of(words[i]))) {
            *out = (enum import_mode)i;
            return 0;
        }
    return problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                       "ckpt.import: 'mode' must be skip, overwrite or fail");
}

/* ---- sessions ---- */

/* Plan the record of the session that was worked on. */
static int import_close(struct import *im)
{
    int err = im->opened && im->changed ? ckpt_close(&im->s) : 0;
    im->opened = im->changed = false;
    return err;
}

/* Turn to the session of this item. */
static int import_open(struct import *im, const struct arg *session)
{
    struct ckpt_id id;
    if (im->opened && bytes_equal(im->s.key.bytes, session->bytes))
        return 0;
    int err = ckpt_id_arg(im->ctx, session, "session", &id);
    if (err == 0)
        err = import_close(im);
    if (err == 0)
        err = ckpt_read_session(im->ctx, id.bytes, &im->s);
    if (err != 0)
        return err;
    if (im->s.record == NULL)
        im->s.text = id.text;
    im->opened = true;
    im->name.size = 0;
    return 0;
}

static int import_exists(struct import *im, const struct record *record, const char *what)
{
    return problem_conflict(im->ctx->problem, record_version(record),
                            "ckpt.import: there is a %s of this name already", what);
}

static int import_session_set(struct import *im, const struct import_item *item)
{
    struct ckpt_session *s = &im->s;
    bool text = item->name.text && mp_utf8_valid(item->name.bytes);
    int err = !item->name.present ? pack_nil(&im->name)
              : text              ? pack_str(&im->name, item->name.bytes)
                                  : pack_bin(&im->name, item->name.bytes);
    s->name = buf_bytes(&im->name);
    if (item->meta.present)
        s->meta = item->meta.bytes;
    s->ttl_ms = item->ttl_ms.present ? item->ttl_ms.uint : 0;
    s->min_interval_ms = item->min_interval_ms.present ? item->min_interval_ms.uint : 0;
    im->changed = true;
    return err;
}

static int import_session(struct import *im, const struct import_item *item)
{
    struct ckpt_session *s = &im->s;
    bool made = s->record == NULL && !im->changed;
    if (item->name.present && item->name.bytes.size > CKPT_TEXT_MAX)
        return problem_set(im->ctx->problem, ERR_LIMIT_EXCEEDED,
                           "ckpt.import: 'name' has more than %d bytes", CKPT_TEXT_MAX);
    if (item->meta.present && item->meta.bytes.size > CKPT_TEXT_MAX)
        return problem_set(im->ctx->problem, ERR_LIMIT_EXCEEDED,
                           "ckpt.import: 'meta' has more than %d bytes", CKPT_TEXT_MAX);
    if (!made && im->mode == IMPORT_SKIP)
        return 0;
    if (s->record != NULL && im->mode == IMPORT_FAIL)
        return import_exists(im, s->record, "session");
    int err = ckpt_begin_session(s);
    if (err == 0 && made) {
        s->delta = item->delta.present && item->delta.boolean;
        if (item->created_at.present && item->created_at.uint > 0)
            s->created_at = item->created_at.uint;
    }
    im->name.size = 0;
    return err != 0 ? err : import_session_set(im, item);
}

/* ---- checkpoints ---- */

/* The elements of an array that was checked, each as its bytes. */
static struct bytes import_row(struct mp_reader *reader)
{
    const uint8_t *start = reader->at;
    REQUIRE(mp_skip(reader, MP_DEPTH_MAX) == 0);
    return (struct bytes){start, (size_t)(reader->at - start)};
}

static struct bytes import_array(const struct arg *arg)
{
    return arg->present ? arg->bytes : BYTES_NONE;
}

/* Plan a record of this row, with its checksum. */
static int import_put(struct ckpt_session *s, const struct ckpt_key *key, bool text,
                      struct bytes row)
{
    struct buf *scratch = &s->ctx->env->scratch;
    int err = ckpt_row_begin(scratch);
    if (err == 0)
        err = buf_append(scratch, row.data, row.size);
    return err != 0 ? err : ckpt_put(s, key, text, ckpt_row_end(scratch));
}

/* [task, idx, channel, type, bytes]: what is stored, too. */
static int import_writes(struct ckpt_session *s, const struct arg *writes, struct bytes ns,
                         struct bytes id)
{
    uint32_t count;
    struct mp_reader reader = ckpt_array(import_array(writes), &count);
    int err = 0;
    while (count-- > 0 && err == 0) {
        struct bytes row = import_row(&reader), task;
        struct mp_reader inside = mp_reader_of(row);
        struct ckpt_key key;
        struct mp mp;
        bool text;
        REQUIRE(mp_read(&inside, &mp) == 0 && mp_read_bytes(&inside, &task, &text) == 0 &&
                mp_read(&inside, &mp) == 0);
        int32_t idx = mp.kind == MP_UINT ? (int32_t)mp.uint : (int32_t)mp.sint;
        ckpt_write_key(s, ns, id, task, idx, &key);
        err = import_put(s, &key, false, row);
    }
    return err;
}

/* [at, type, severity, note]: what is stored, too. */
static int import_notes(struct ckpt_session *s, const struct arg *notes, struct bytes ns,
                        const struct ckpt_id *id)
{
    uint32_t count;
    struct mp_reader reader = ckpt_array(import_array(notes), &count);
    int err = 0;
    while (count-- > 0 && err == 0) {
        struct ckpt_key key;
        ckpt_note_key(s, ns, id->bytes, store_next_number(s->ctx->store, 1), &key);
        err = import_put(s, &key, id->text, import_row(&reader));
    }
    return err;
}

/* The arguments that ckpt.save would have had. */
static struct args_ckpt_save import_args(const struct import_item *item)
{
    return (struct args_ckpt_save){.state = item->state,
                                   .parent = item->parent,
                                   .message = item->message,
                                   .tags = item->tags,
                                   .trigger = item->trigger,
                                   .metadata = item->metadata,
                                   .checkpoint = item->checkpoint,
                                   .blobs = item->blobs,
                                   .channel_versions = item->channel_versions};
}

static int import_check(struct import *im, const struct import_item *item,
                        const struct args_ckpt_save *a, struct ckpt_id *out_ns,
                        struct ckpt_id *out_id)
{
    struct op_ctx *ctx = im->ctx;
    struct ckpt_id parent;
    int err = 0;
    if (!item->state.present)
        return problem_set(ctx->problem, ERR_BAD_ARGUMENT, "ckpt.import: 'state' is missing");
    (void)((err = ckpt_id_arg(ctx, &item->ns, "ns", out_ns)) == 0 &&
           (err = ckpt_id_arg(ctx, &item->id, "id", out_id)) == 0 &&
           (err = ckpt_id_arg(ctx, &item->parent, "parent", &parent)) == 0 &&
           (err = op_ckpt_save_check(ctx, a)) == 0 &&
           (err = ckpt_check_rows(ctx, &item->writes, "writes", "nictb")) == 0 &&
           (err = ckpt_check_rows(ctx, &item->notes, "notes", "unoo")) == 0);
    return err;
}

/* Is the place of this checkpoint free, or made so? *out_there: it is not, and stays. */
static int import_make_room(struct import *im, struct bytes ns, struct bytes id, bool *out_there)
{
    struct ckpt_key key;
    ckpt_key(&im->s, ns, id, &key);
    const struct record *record = ckpt_find(&im->s, &key);
    *out_there = record != NULL && im->mode == IMPORT_SKIP;
    im->skipped += *out_there;
    if (record == NULL)
        im->imported++;
    if (record == NULL || *out_there)
        return 0;
    if (im->mode == IMPORT_FAIL)
        return import_exists(im, record, "checkpoint");
    im->overwritten++;
    return ckpt_plan_delete(&im->s, record);
}

static int import_checkpoint(struct import *im, const struct import_item *item)
{
    struct args_ckpt_save a = import_args(item);
    struct ckpt_session *s = &im->s;
    struct ckpt_id ns, id;
    bool there = false;
    int err = import_check(im, item, &a, &ns, &id);
    if (err == 0)
        err = ckpt_begin_session(s);
    if (err == 0)
        err = import_make_room(im, ns.bytes, id.bytes, &there);
    if (err != 0 || there)
        return err;
    im->changed = true;
    uint64_t created_at =
        item->created_at.present ? item->created_at.uint : (uint64_t)im->ctx->env->now_ms;
    err = op_ckpt_save_plan(s, &a, ns, id, op_ckpt_save_number(s), created_at);
    if (err == 0)
        err = import_writes(s, &item->writes, ns.bytes, id.bytes);
    return err != 0 ? err : import_notes(s, &item->notes, ns.bytes, &id);
}

/* ---- the call ---- */

static int import_item(struct import *im, struct mp_reader *reader)
{
    struct op_ctx *ctx = im->ctx;
    struct request request = {0};
    const struct import_item *item = (const struct import_item *)(const void *)request.args;
    int err = rpc_decode_named(reader, ctx->env->limits, &import_op, &request, ctx->problem);
    if (err == 0 &&
        (!item->session.present || request.all.run.present || request.all.durability.present))
        err =
            problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                        "ckpt.import: an item needs 'session', and has no options of the request");
    if (err == 0)
        err = import_open(im, &item->session);
    if (err != 0)
        return err;
    return item->id.present ? import_checkpoint(im, item) : import_session(im, item);
}

/* The session that an item names, if it names one. */
static struct bytes import_session_of(struct mp_reader reader)
{
    struct bytes key, name = BYTES_NONE;
    struct mp mp;
    bool text;
    if (mp_read(&reader, &mp) != 0 || mp.kind != MP_MAP)
        return name;
    for (uint32_t i = 0; i < mp.count && mp_read_bytes(&reader, &key, &text) == 0; i++) {
        if (bytes_equal(key, bytes_of("session")))
            return mp_read_bytes(&reader, &name, &text) == 0 ? name : BYTES_NONE;
        if (mp_skip(&reader, MP_DEPTH_MAX) != 0)
            break;
    }
    return name;
}

static int import_lock(struct op_ctx *ctx, const struct arg *items)
{
    struct mp_reader reader = mp_reader_of(items->bytes);
    struct txn_set set = {0};
    for (uint32_t i = 0; i < items->count; i++) {
        struct record_key key = {run_id(ctx->run), KIND_session, import_session_of(reader)};
        if (key.bytes.size > 0)
            txn_set_add(&set, ctx->store, store_hash(ctx->store, &key));
        (void)import_row(&reader);
    }
    uint64_t need = 2 * (uint64_t)ctx->request->size + (uint64_t)items->count * IMPORT_OVERHEAD;
    int err = txn_lock_set(ctx->txn, ctx->run, &set, need);
    ctx->txn->many = true; /* all is prepared before anything changes */
    return err;
}

static int import_all(struct import *im, const struct arg *items)
{
    struct problem *problem = im->ctx->problem;
    struct mp_reader reader = mp_reader_of(items->bytes);
    int err = 0;
    for (uint32_t i = 0; i < items->count && err == 0; i++) {
        err = import_item(im, &reader);
        if (err < 0 && problem->err != 0) {
            problem->has_index = true;
            problem->index = i;
        }
    }
    return err != 0 ? err : import_close(im);
}

int op_ckpt_import(struct op_ctx *ctx, const struct args_ckpt_import *a)
{
    struct import im = {.ctx = ctx};
    int err = import_read_mode(ctx, &a->mode, &im.mode);
    if (err == 0)
        err = import_lock(ctx, &a->items);
    if (err == 0)
        err = import_all(&im, &a->items);
    buf_deinit(&im.name);
    if (err != 0)
        return err;
    (void)txn_commit(ctx->txn);
    reply_map(ctx->reply, 3);
    reply_key(ctx->reply, "imported");
    reply_uint(ctx->reply, im.imported);
    reply_key(ctx->reply, "skipped");
    reply_uint(ctx->reply, im.skipped);
    reply_key(ctx->reply, "overwritten");
    reply_uint(ctx->reply, im.overwritten);
    return 0;
}
