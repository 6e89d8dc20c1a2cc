/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Operations on one checkpoint: get, history, restore, tag, untag, annotate, notes, delete.
 *
 * Threads: any loop. Failures: a session or checkpoint that is not there is nil for those that
 * read, NOT_FOUND for those that change it, nothing for delete.
 */
#include "common/err.h"
#include "proto/pack.h"
#include "server/ops/ckpt_args.h"

#include <endian.h>

enum { CKPT_OVERHEAD = 512 };

/* ---- finding one ---- */

/* The session and ids of a request that is about one checkpoint. */
struct one {
    struct ckpt_session s;
    struct ckpt_id ns, id;
    struct ckpt_key key;
    const struct record *record; /* NULL: there is none */
};

static int one_open(struct op_ctx *ctx, const struct arg *session, const struct arg *ns,
                    const struct arg *id, uint64_t need, struct one *one)
{
    int err = ckpt_id_arg(ctx, ns, "ns", &one->ns);
    if (err == 0)
        err = ckpt_id_arg(ctx, id, "id", &one->id);
    if (err == 0)
        err = ckpt_open(ctx, session, need, &one->s);
    one->record = NULL;
    if (err != 0 || one->s.record == NULL)
        return err;
    if (!id->present) {
        one->record = ckpt_latest(&one->s, one->ns.bytes);
        return 0;
    }
    ckpt_key(&one->s, one->ns.bytes, one->id.bytes, &one->key);
    one->record = ckpt_find(&one->s, &one->key);
    return 0;
}

/* The same for those that need it to be there. */
static int one_open_existing(struct op_ctx *ctx, const struct arg *session, const struct arg *ns,
                             const struct arg *id, struct one *one, struct ckpt_value *out_value)
{
    int err = one_open(ctx, session, ns, id, 2 * (uint64_t)ctx->request->size + CKPT_OVERHEAD, one);
    if (err == 0)
        err = ckpt_must_exist(&one->s);
    if (err == 0 && one->record == NULL)
        err = problem_set(ctx->problem, ERR_NOT_FOUND,
                          "%s: there is no such checkpoint in the "
                          "session",
                          ctx->request->op->name);
    if (err == 0 && ckpt_decode(record_value(one->record), out_value) != 0)
        err = ckpt_damaged(ctx, "the checkpoint");
    return err;
}

int op_ckpt_get(struct op_ctx *ctx, const struct args_ckpt_get *a)
{
    static const struct ckpt_show show = {true, true, true, false, NULL};
    struct one one;
    int err = one_open(ctx, &a->session, &a->ns, &a->id, 0, &one);
    if (err == 0 && one.record == NULL)
        reply_nil(ctx->reply);
    else if (err == 0)
        err = ckpt_reply(&one.s, one.record, &show);
    if (err == 0)
        txn_unlock(ctx->txn);
    return err;
}

/* ---- history ---- */

/* The id in an encoded parent, or none. */
static struct bytes history_parent(const struct ckpt_value *value)
{
    struct mp_reader reader = mp_reader_of(value->parent);
    struct bytes id = BYTES_NONE;
    bool text;
    return mp_read_bytes(&reader, &id, &text) == 0 && id.size <= CKPT_ID_MAX ? id : BYTES_NONE;
}

/* Where the page begins: *steps of the walk were taken before. */
static int history_begin(struct op_ctx *ctx, const struct args_ckpt_history *a, struct one *one,
                         uint64_t *steps)
{
    struct bytes cursor = a->cursor.present ? a->cursor.bytes : BYTES_NONE;
    *steps = 0;
    int err = one_open(ctx, &a->session, &a->ns, &a->id, 0, one);
    if (err != 0 || one->s.record == NULL || !a->cursor.present)
        return err;
    if (cursor.size <= sizeof *steps || cursor.size > sizeof *steps + CKPT_ID_MAX)
        return problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                           "ckpt.history: 'cursor' is none of its own");
    memcpy(steps, cursor.data, sizeof *steps);
    *steps = be64toh(*steps);
    ckpt_key(&one->s, one->ns.bytes,
             (struct bytes){cursor.data + sizeof *steps, cursor.size - sizeof *steps}, &one->key);
    one->record = ckpt_find(&one->s, &one->key);
    return 0;
}

static void history_cursor(struct reply *reply, uint64_t steps, struct bytes id)
{
    uint8_t cursor[sizeof steps + CKPT_ID_MAX];
    steps = htobe64(steps);
    memcpy(cursor, &steps, sizeof steps);
    memcpy(cursor + sizeof steps, id.data, id.size);
    reply_bytes(reply, (struct bytes){cursor, sizeof steps + id.size}, false);
}

/* A walk without a circle is no longer than there are checkpoints. */
static int history_page(struct op_ctx *ctx, const struct args_ckpt_history *a, struct one *one,
                        uint64_t limit, uint64_t steps)
{
    const struct ckpt_show show = {true, true, true, false, &a->channels};
    struct reply *reply = ctx->reply;
    size_t items = 0, mark = reply_array_open(reply);
    struct bytes parent = BYTES_NONE;
    int err = 0;
    while (err == 0 && one->record != NULL && items < limit && steps < one->s.checkpoints &&
           reply_size(reply) < ctx->env->limits->page_bytes && reply->failed == 0) {
        struct ckpt_value value;
        const struct record *record = one->record;
        err = ckpt_reply(&one->s, record, &show);
        if (err == 0 && ckpt_decode(record_value(record), &value) != 0)
            err = ckpt_damaged(ctx, "a checkpoint");
        items++;
        steps++;
        parent = err == 0 ? history_parent(&value) : BYTES_NONE;
        one->record = NULL;
        if (parent.size == 0)
            break;
        ckpt_key(&one->s, one->ns.bytes, parent, &one->key);
        one->record = ckpt_find(&one->s, &one->key);
    }
    reply_array_close(reply, mark, items);
    reply_key(reply, "cursor");
    if (one->record != NULL && steps < one->s.checkpoints)
        history_cursor(reply, steps, parent);
    else
        reply_nil(reply);
    return err;
}

int op_ckpt_history(struct op_ctx *ctx, const struct args_ckpt_history *a)
{
    struct one one;
    uint64_t limit, steps = 0;
    int err = op_page_limit(ctx, &a->limit, &limit);
    if (err == 0)
        err = ckpt_check_ids(ctx, &a->channels, "channels", ctx->env->limits->items);
    if (err == 0)
        err = history_begin(ctx, a, &one, &steps);
    if (err != 0)
        return err;
    reply_map(ctx->reply, 2);
    reply_key(ctx->reply, "items");
    err = history_page(ctx, a, &one, limit, steps);
    if (err == 0)
        txn_unlock(ctx->txn);
    return err;
}

/* ---- notes ---- */

/* The value of a note: [at, type, severity, note], the latter two encoded. */
static int note_put(struct one *one, uint64_t number, const char *type, struct bytes severity,
                    const struct arg *note)
{
    struct buf *scratch = &one->s.ctx->env->scratch;
    struct ckpt_key key;
    int err = ckpt_row_begin(scratch);
    (void)(err == 0 && (err = pack_array(scratch, 4)) == 0 &&
           (err = pack_uint(scratch, (uint64_t)one->s.ctx->env->now_ms)) == 0 &&
           (err = pack_str(scratch, bytes_of(type))) == 0 &&
           (err = severity.size > 0 ? pack_str(scratch, severity) : pack_nil(scratch)) == 0 &&
           (err = note == NULL ? pack_nil(scratch)
                  : note->text && mp_utf8_valid(note->bytes)
                      ? pack_str(scratch, note->bytes)
                      : pack_bin(scratch, note->bytes)) == 0);
    struct bytes ns, id;
    if (err != 0 || !ckpt_key_parts(record_key_bytes(one->record), &ns, &id))
        return err;
    ckpt_note_key(&one->s, ns, id, number, &key);
    return ckpt_put(&one->s, &key, record_is_text(one->record), ckpt_row_end(scratch));
}

int op_ckpt_restore(struct op_ctx *ctx, const struct args_ckpt_restore *a)
{
    struct buf *scratch = &ctx->env->scratch;
    struct ckpt_value value;
    struct one one;
    int err = one_open_existing(ctx, &a->session, &a->ns, &a->id, &one, &value);
    scratch->size = 0;
    if (err == 0)
        err = ckpt_read_state(&one.s, &value, scratch);
    if (err != 0)
        return err;
    reply_value(ctx->reply, buf_bytes(scratch));
    err = note_put(&one, store_next_number(ctx->store, 1), "restored", BYTES_NONE, NULL);
    if (err == 0)
        err = ckpt_note(&one.s, &one.key.key, record_is_text(one.record), EVENT_restored);
    if (err == 0)
        err = ckpt_commit(&one.s, NULL);
    return err;
}

static bool note_severity(struct bytes word)
{
    return bytes_equal(word, bytes_of("info")) || bytes_equal(word, bytes_of("warning")) ||
           bytes_equal(word, bytes_of("critical"));
}

int op_ckpt_annotate(struct op_ctx *ctx, const struct args_ckpt_annotate *a)
{
    struct bytes severity = a->severity.present ? a->severity.bytes : bytes_of("info");
    struct ckpt_value value;
    struct one one;
    if (!note_severity(severity))
        return problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                           "ckpt.annotate: 'severity' must be info, warning or critical");
    int err = one_open_existing(ctx, &a->session, &a->ns, &a->id, &one, &value);
    if (err != 0)
        return err;
    uint64_t version, number = store_next_number(ctx->store, 1);
    err = note_put(&one, number, "annotation", severity, &a->note);
    if (err == 0)
        err = ckpt_commit(&one.s, &version);
    if (err != 0)
        return err;
    reply_map(ctx->reply, 2);
    reply_key(ctx->reply, "seq");
    reply_uint(ctx->reply, number);
    reply_key(ctx->reply, "version");
    op_reply_version(ctx, version);
    return 0;
}

static bool notes_item(struct op_ctx *ctx, const struct record *record)
{
    static const char *const fields[] = {"at", "type", "severity", "note"};
    struct reply *reply = ctx->reply;
    struct bytes ns, id, row;
    uint64_t number;
    uint32_t count;
    if (!ckpt_note_parts(record_key_bytes(record), &ns, &id, &number) ||
        !ckpt_row(record_value(record), KIND_note, &row))
        return false;
    struct mp_reader reader = ckpt_array(row, &count);
    reply_map(reply, 3 + LENGTH_OF(fields));
    reply_key(reply, "ns");
    reply_bytes(reply, ns, mp_utf8_valid(ns));
    reply_key(reply, "id");
    reply_bytes(reply, id, record_is_text(record));
    reply_key(reply, "seq");
    reply_uint(reply, number);
    for (size_t i = 0; i < LENGTH_OF(fields); i++) {
        const uint8_t *start = reader.at;
        if (mp_skip(&reader, MP_DEPTH_MAX) != 0)
            return false;
        reply_key(reply, fields[i]);
        reply_value(reply, (struct bytes){start, (size_t)(reader.at - start)});
    }
    return true;
}

/* The range of a page: keys that begin with *out_prefix, behind the cursor. */
static int notes_range(struct op_ctx *ctx, const struct args_ckpt_notes *a, struct one *one,
                       struct ckpt_key *out_prefix, struct ckpt_key *out_from)
{
    if (a->id.present) {
        ckpt_of_key(&one->s, KIND_note, one->ns.bytes, one->id.bytes, out_prefix);
    } else {
        memcpy(out_prefix->bytes, one->s.prefix, one->s.prefix_size);
        out_prefix->key =
            (struct record_key){one->s.key.run, KIND_note, {out_prefix->bytes, one->s.prefix_size}};
        if (a->ns.present) {
            ckpt_ns_key(&one->s, one->ns.bytes, out_prefix);
            out_prefix->key.kind = KIND_note;
        }
    }
    *out_from = *out_prefix;
    out_from->key.bytes.data = out_from->bytes;
    if (!a->cursor.present)
        return 0;
    size_t room = CKPT_KEY_MAX - one->s.prefix_size;
    if (a->cursor.bytes.size > room - 1)
        return problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                           "ckpt.notes: 'cursor' is none of its own");
    memcpy(out_from->bytes + one->s.prefix_size, a->cursor.bytes.data, a->cursor.bytes.size);
    size_t size = one->s.prefix_size + a->cursor.bytes.size;
    out_from->bytes[size] = 0; /* the first key behind it */
    struct bytes from = {out_from->bytes, size + 1};
    if (bytes_compare(from, out_from->key.bytes) > 0 || size + 1 > out_from->key.bytes.size)
        out_from->key.bytes = from;
    return 0;
}

static int notes_page(struct op_ctx *ctx, struct one *one, const struct ckpt_key *prefix,
                      const struct ckpt_key *from, uint64_t limit)
{
    const struct partition *partition = txn_partition_at(ctx->txn, one->s.hash);
    struct reply *reply = ctx->reply;
    size_t items = 0, mark = reply_array_open(reply);
    const struct record *record = NULL, *last = NULL;
    struct omap_iter iter;
    omap_seek(&partition->order, &from->key, &iter);
    while ((record = omap_next(&iter)) != NULL && record_run(record) == prefix->key.run &&
           record_kind_of(record) == KIND_note &&
           bytes_start_with(record_key_bytes(record), prefix->key.bytes) && items < limit &&
           reply_size(reply) < ctx->env->limits->page_bytes) {
        if (!notes_item(ctx, record))
            return ckpt_damaged(ctx, "a note");
        last = record;
        items++;
    }
    bool more = record != NULL && record_run(record) == prefix->key.run &&
                record_kind_of(record) == KIND_note &&
                bytes_start_with(record_key_bytes(record), prefix->key.bytes);
    reply_array_close(reply, mark, items);
    reply_key(reply, "cursor");
    if (more && last != NULL) {
        struct bytes key = record_key_bytes(last);
        reply_bytes(reply,
                    (struct bytes){key.data + one->s.prefix_size, key.size - one->s.prefix_size},
                    false);
    } else
        reply_nil(reply);
    return 0;
}

int op_ckpt_notes(struct op_ctx *ctx, const struct args_ckpt_notes *a)
{
    static const struct arg none;
    struct ckpt_key prefix, from;
    struct one one;
    uint64_t limit;
    int err = op_page_limit(ctx, &a->limit, &limit);
    if (err == 0)
        err = one_open(ctx, &a->session, &a->ns, a->id.present ? &a->id : &none, 0, &one);
    if (err == 0 && one.s.record != NULL)
        err = notes_range(ctx, a, &one, &prefix, &from);
    if (err != 0)
        return err;
    reply_map(ctx->reply, 2);
    reply_key(ctx->reply, "items");
    if (one.s.record == NULL) {
        reply_array(ctx->reply, 0);
        reply_key(ctx->reply, "cursor");
        reply_nil(ctx->reply);
    } else
        err = notes_page(ctx, &one, &prefix, &from, limit);
    if (err == 0)
        txn_unlock(ctx->txn);
    return err;
}

/* ---- tags ---- */

/* Is it among these elements of an array without its header? */
static bool tags_among(const struct buf *elements, uint32_t count, struct bytes wanted)
{
    struct mp_reader reader = mp_reader_of(buf_bytes(elements));
    struct bytes tag;
    bool text;
    while (count-- > 0 && mp_read_bytes(&reader, &tag, &text) == 0)
        if (bytes_equal(tag, wanted))
            return true;
    return false;
}

/* Add the elements of an array that `except` does not have, and that are not there yet. */
static int tags_add(struct buf *out, struct bytes array, struct bytes except, uint32_t *count)
{
    uint32_t left;
    struct mp_reader reader = ckpt_array(array, &left);
    struct bytes tag;
    bool text;
    int err = 0;
    while (left-- > 0 && err == 0) {
        const uint8_t *start = reader.at;
        if (mp_read_bytes(&reader, &tag, &text) != 0)
            return ERR_DATA_DAMAGED;
        if (ckpt_has(except, tag) || tags_among(out, *count, tag))
            continue;
        err = buf_append(out, start, (size_t)(reader.at - start));
        *count += 1;
    }
    return err;
}

/* Replace the tags of a checkpoint and answer with them. */
static int tags_set(struct one *one, struct ckpt_value *value, struct bytes elements,
                    uint32_t count)
{
    struct op_ctx *ctx = one->s.ctx;
    struct buf tags = {0}, *scratch = &ctx->env->scratch;
    struct bytes ns, id;
    if (count > CKPT_TAGS_MAX)
        return problem_set(ctx->problem, ERR_LIMIT_EXCEEDED, "a checkpoint has at most %d tags",
                           CKPT_TAGS_MAX);
    int err = pack_array(&tags, count);
    if (err == 0)
        err = buf_append(&tags, elements.data, elements.size);
    value->tags = buf_bytes(&tags);
    scratch->size = 0;
    if (err == 0 && ckpt_key_parts(record_key_bytes(one->record), &ns, &id))
        err = ckpt_encode(scratch, value, ns, id);
    if (err == 0)
        err = ckpt_put(&one->s, &one->key, record_is_text(one->record), buf_bytes(scratch));
    if (err == 0)
        reply_value(ctx->reply, value->tags);
    buf_deinit(&tags);
    if (err == 0)
        err = ckpt_commit(&one->s, NULL);
    return err;
}

static int tags_change(struct op_ctx *ctx, const struct arg *session, const struct arg *ns,
                       const struct arg *id, const struct arg *tags, bool add)
{
    static const struct bytes none = {(const uint8_t *)"\x90", 1};
    struct ckpt_value value;
    struct buf elements = {0};
    uint32_t count = 0;
    struct one one;
    int err = ckpt_check_ids(ctx, tags, "tags", CKPT_TAGS_MAX);
    if (err == 0)
        err = one_open_existing(ctx, session, ns, id, &one, &value);
    if (err == 0)
        err = tags_add(&elements, value.tags, add ? none : tags->bytes, &count);
    if (err == 0 && add)
        err = tags_add(&elements, tags->bytes, none, &count);
    if (err == ERR_DATA_DAMAGED)
        err = ckpt_damaged(ctx, "the checkpoint");
    if (err == 0)
        err = tags_set(&one, &value, buf_bytes(&elements), count);
    buf_deinit(&elements);
    return err;
}

int op_ckpt_tag(struct op_ctx *ctx, const struct args_ckpt_tag *a)
{
    return tags_change(ctx, &a->session, &a->ns, &a->id, &a->tags, true);
}

int op_ckpt_untag(struct op_ctx *ctx, const struct args_ckpt_untag *a)
{
    return tags_change(ctx, &a->session, &a->ns, &a->id, &a->tags, false);
}

int op_ckpt_delete(struct op_ctx *ctx, const struct args_ckpt_delete *a)
{
    struct one one;
    int err = one_open(ctx, &a->session, &a->ns, &a->id, 0, &one);
    if (err != 0)
        return err;
    reply_bool(ctx->reply, one.record != NULL);
    if (one.record == NULL)
        return 0;
    err = ckpt_plan_delete(&one.s, one.record);
    if (err == 0)
        err = ckpt_commit(&one.s, NULL);
    return err;
}
