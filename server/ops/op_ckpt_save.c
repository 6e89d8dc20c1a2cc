/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ckpt.save, ckpt.save_many, ckpt.put_writes and ckpt.auto: arguments to plans, plans to replies.
 *
 * Threads: any loop; the partition of the session is locked throughout.
 * Failures: nothing is changed.
 */
#include "server/ops/op_ckpt_save.h"

#include "common/err.h"
#include "proto/pack.h"
#include "proto/rpc.h"
#include "server/ops/ckpt_args.h"

enum { SAVE_ID_SIZE = 36, SAVE_OVERHEAD = 512 }; /* bytes a checkpoint takes besides its parts */

/* What is known of a checkpoint that was planned. */
struct save_result {
    struct ckpt_id id;
    uint64_t number, version; /* version: of one that was there already */
    bool throttled;
    char made[SAVE_ID_SIZE + 1]; /* an id that was not given */
};

static const struct bytes save_nil = {(const uint8_t *)"\xc0", 1};
static const struct bytes save_none = {(const uint8_t *)"\x90", 1};
static const struct bytes save_map = {(const uint8_t *)"\x80", 1};

static struct bytes save_arg(const struct arg *arg, struct bytes if_absent)
{
    return arg->present ? arg->bytes : if_absent;
}

/* 128 bits as the text of a UUID: in a tenth of the instructions of snprintf, which would be one in
 * seven of those of a small save. */
static void save_put_uuid(uint64_t high, uint64_t low, char out[static SAVE_ID_SIZE + 1])
{
    static const char digits[] = "0123456789abcdef";
    out[SAVE_ID_SIZE] = 0;
    for (unsigned i = SAVE_ID_SIZE; i-- > 0;) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            out[i] = '-';
            continue;
        }
        out[i] = digits[low & 0xf];
        low = low >> 4 | high << 60;
        high >>= 4;
    }
}

/* A UUID of version 7 (RFC 9562): 48 bits of milliseconds; 42 bits of the sequence number, so that
 * those of one session sort in the order they were made; 32 bits that cannot be guessed. */
static void save_make_id(const struct ckpt_session *s, uint64_t number, char out[SAVE_ID_SIZE + 1])
{
    uint64_t now = (uint64_t)s->ctx->env->now_ms;
    uint64_t ms = (now > s->last_at ? now : s->last_at) & 0xffffffffffff;
    uint64_t high = (number >> 30) & 0xfff, low = number & 0x3fffffff;
    uint64_t rest = hash_word_bytes(&s->ctx->store->hash_key, number, bytes_of("ckpt"));
    save_put_uuid(ms << 16 | 0x7000 | high, UINT64_C(2) << 62 | low << 32 | (rest & 0xffffffff),
                  out);
}

/* [channel, version] of each blob, where channel_versions is not given. */
static int save_own_versions(struct bytes blobs, struct buf *out)
{
    uint32_t count;
    struct mp_reader reader = ckpt_array(blobs, &count);
    int err = pack_array(out, count);
    while (count-- > 0 && err == 0) {
        struct mp mp;
        REQUIRE(mp_read(&reader, &mp) == 0);
        const uint8_t *start = reader.at;
        REQUIRE(mp_skip(&reader, MP_DEPTH_MAX) == 0 && mp_skip(&reader, MP_DEPTH_MAX) == 0);
        const uint8_t *end = reader.at;
        REQUIRE(mp_skip(&reader, MP_DEPTH_MAX) == 0 && mp_skip(&reader, MP_DEPTH_MAX) == 0);
        err = pack_array(out, 2);
        if (err == 0)
            err = buf_append(out, start, (size_t)(end - start));
    }
    return err;
}

/* ---- a checkpoint ---- */

int op_ckpt_save_check(struct op_ctx *ctx, const struct args_ckpt_save *a)
{
    int err = ckpt_check_ids(ctx, &a->tags, "tags", CKPT_TAGS_MAX);
    if (err == 0)
        err = ckpt_check_rows(ctx, &a->blobs, "blobs", "cvtb");
    return err != 0 ? err : ckpt_check_rows(ctx, &a->channel_versions, "channel_versions", "cv");
}

/* Is the last one of the namespace too young for another? */
static bool save_throttles(struct ckpt_session *s, const struct args_ckpt_save *a, struct bytes ns,
                           struct save_result *out)
{
    struct ckpt_value value;
    if (s->min_interval_ms == 0 || !a->trigger.present ||
        bytes_equal(a->trigger.bytes, bytes_of("manual")))
        return false;
    const struct record *record = ckpt_latest(s, ns);
    if (record == NULL || ckpt_decode(record_value(record), &value) != 0)
        return false;
    uint64_t now = (uint64_t)s->ctx->env->now_ms; /* of this loop: that of another may be ahead */
    uint64_t apart = now > value.created_at ? now - value.created_at : value.created_at - now;
    if (apart >= s->min_interval_ms)
        return false;
    struct bytes at;
    (void)ckpt_key_parts(record_key_bytes(record), &at, &out->id.bytes);
    out->id.text = record_is_text(record);
    out->number = value.number;
    out->version = record_version(record);
    out->throttled = true;
    return true;
}

static int save_text(struct buf *out, const struct arg *arg)
{
    if (!arg->present)
        return pack_nil(out);
    return arg->text && mp_utf8_valid(arg->bytes) ? pack_str(out, arg->bytes)
                                                  : pack_bin(out, arg->bytes);
}

/* Encode the parts that did not come encoded into `out`, and note where they are. */
struct save_parts {
    struct buf buf;
    size_t at[5]; /* parent, message, trigger, versions, end */
};

static int save_parts(struct save_parts *parts, const struct args_ckpt_save *a)
{
    struct buf *buf = &parts->buf;
    int err = save_text(buf, &a->parent);
    parts->at[1] = buf->size;
    if (err == 0)
        err = save_text(buf, &a->message);
    parts->at[2] = buf->size;
    if (err == 0)
        err = save_text(buf, &a->trigger);
    parts->at[3] = buf->size;
    if (err == 0 && a->channel_versions.present)
        err = buf_append(buf, a->channel_versions.bytes.data, a->channel_versions.bytes.size);
    else if (err == 0)
        err = save_own_versions(save_arg(&a->blobs, save_none), buf);
    parts->at[4] = buf->size;
    return err;
}

static struct bytes save_part(const struct save_parts *parts, int i)
{
    if (parts->buf.size == 0)
        return BYTES_NONE;
    return (struct bytes){parts->buf.data + parts->at[i], parts->at[i + 1] - parts->at[i]};
}

static struct ckpt_value save_value(const struct args_ckpt_save *a, const struct save_parts *parts,
                                    uint64_t number, uint64_t created_at)
{
    return (struct ckpt_value){
        .number = number,
        .created_at = created_at,
        .parent = save_part(parts, 0),
        .message = save_part(parts, 1),
        .tags = save_arg(&a->tags, save_none),
        .trigger = save_part(parts, 2),
        .metadata = save_arg(&a->metadata, save_map),
        .checkpoint = save_arg(&a->checkpoint, save_nil),
        .versions = save_part(parts, 3),
        .state = a->state.bytes,
    };
}

int op_ckpt_save_plan(struct ckpt_session *s, const struct args_ckpt_save *a, struct ckpt_id ns,
                      struct ckpt_id id, uint64_t number, uint64_t created_at)
{
    struct save_parts parts = {{0}, {0}};
    int err = save_parts(&parts, a);
    if (err == 0) {
        struct ckpt_value value = save_value(a, &parts, number, created_at);
        err = ckpt_plan(s, ns, id, &value, save_arg(&a->blobs, save_none));
    }
    buf_deinit(&parts.buf);
    return err;
}

uint64_t op_ckpt_save_number(struct ckpt_session *s)
{
    uint64_t number = s->spare != 0 ? s->spare : store_next_number(s->ctx->store, 1);
    s->spare = 0;
    return number;
}

/* Plan one checkpoint. */
static int save_entry(struct ckpt_session *s, const struct args_ckpt_save *a,
                      struct save_result *out)
{
    struct op_ctx *ctx = s->ctx;
    struct ckpt_id ns, parent;
    *out = (struct save_result){0};
    int err = op_ckpt_save_check(ctx, a);
    if (err == 0)
        err = ckpt_id_arg(ctx, &a->ns, "ns", &ns);
    if (err == 0)
        err = ckpt_id_arg(ctx, &a->id, "id", &out->id);
    if (err == 0)
        err = ckpt_id_arg(ctx, &a->parent, "parent", &parent);
    if (err != 0 || save_throttles(s, a, ns.bytes, out))
        return err;
    err = ckpt_begin_session(s);
    if (err != 0)
        return err;
    if (a->ttl_ms.present)
        s->ttl_ms = a->ttl_ms.uint;
    out->number = op_ckpt_save_number(s);
    if (!a->id.present) {
        save_make_id(s, out->number, out->made);
        out->id = (struct ckpt_id){{(const uint8_t *)out->made, SAVE_ID_SIZE}, true};
    }
    return op_ckpt_save_plan(s, a, ns, out->id, out->number, (uint64_t)ctx->env->now_ms);
}

/* Returns where the version belongs; 0: it is there. */
static size_t save_reply(struct op_ctx *ctx, const struct save_result *result)
{
    size_t place = 0;
    reply_map(ctx->reply, result->throttled ? 4 : 3);
    reply_key(ctx->reply, "id");
    reply_bytes(ctx->reply, result->id.bytes, result->id.text);
    reply_key(ctx->reply, "seq");
    reply_uint(ctx->reply, result->number);
    reply_key(ctx->reply, "version");
    if (!result->throttled) {
        place = op_reply_version_later(ctx);
        return place;
    }
    reply_uint(ctx->reply, result->version);
    reply_key(ctx->reply, "throttled");
    reply_bool(ctx->reply, true);
    return place;
}

static uint64_t save_need(const struct op_ctx *ctx, uint64_t entries)
{
    return 2 * (uint64_t)ctx->request->size + entries * SAVE_OVERHEAD;
}

int op_ckpt_save(struct op_ctx *ctx, const struct args_ckpt_save *a)
{
    struct ckpt_session s;
    struct save_result result;
    int err = ckpt_open(ctx, &a->session, save_need(ctx, 1), &s);
    if (err == 0)
        err = save_entry(&s, a, &result);
    if (err != 0)
        return err;
    size_t place = save_reply(ctx, &result);
    if (result.throttled) {
        txn_unlock(ctx->txn);
        return 0;
    }
    uint64_t version;
    err = ckpt_commit(&s, &version);
    if (err == 0)
        op_reply_version_now(ctx, place, version);
    return err;
}

/* One of many: the arguments of ckpt.save by name. */
static int save_next(struct ckpt_session *s, struct mp_reader *reader, uint32_t i,
                     struct save_result *out)
{
    struct op_ctx *ctx = s->ctx;
    struct request request = {0};
    struct args_ckpt_save *a = (struct args_ckpt_save *)(void *)request.args;
    int err =
        rpc_decode_named(reader, ctx->env->limits, &op_table[OP_ckpt_save], &request, ctx->problem);
    if (err == 0 && (!a->state.present || a->session.present || request.all.run.present ||
                     request.all.durability.present))
        err = problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                          "ckpt.save_many: an entry needs 'state', and has no 'session' or options "
                          "of the request");
    if (err == 0)
        err = save_entry(s, a, out);
    if (err < 0 && err != ERR_OUT_OF_MEMORY) {
        ctx->problem->has_index = true;
        ctx->problem->index = i;
    }
    return err;
}

static int save_many(struct op_ctx *ctx, struct ckpt_session *s, struct mp_reader *reader,
                     uint32_t count, struct buf *places)
{
    int err = 0;
    reply_array(ctx->reply, count);
    for (uint32_t i = 0; i < count && err == 0; i++) {
        struct save_result result;
        err = save_next(s, reader, i, &result);
        size_t place = err == 0 ? save_reply(ctx, &result) : 0;
        if (err == 0 && !result.throttled)
            err = buf_append(places, &place, sizeof place);
    }
    return err;
}

int op_ckpt_save_many(struct op_ctx *ctx, const struct args_ckpt_save_many *a)
{
    uint32_t count;
    struct mp_reader reader = ckpt_array(a->entries.bytes, &count);
    struct buf places = {0};
    struct ckpt_session s;
    size_t place;
    int err = ckpt_open(ctx, &a->session, save_need(ctx, count), &s);
    if (err == 0)
        err = save_many(ctx, &s, &reader, count, &places);
    uint64_t version = 0;
    if (err == 0 && places.size > 0)
        err = ckpt_commit(&s, &version);
    else if (err == 0)
        txn_unlock(ctx->txn);
    for (size_t i = 0; i < places.size && err == 0; i += sizeof place) {
        memcpy(&place, places.data + i, sizeof place);
        op_reply_version_now(ctx, place, version);
    }
    buf_deinit(&places);
    return err;
}

/* ---- pending writes ---- */

/* One [idx, channel, type, bytes] without its head, and the key of its record. */
struct save_write {
    struct ckpt_key key;
    struct bytes row;
};

/* Read the next one, and start to fetch where its record is looked for. */
static void save_read_write(struct ckpt_session *s, struct mp_reader *reader,
                            struct save_write *out)
{
    struct mp mp, idx;
    REQUIRE(mp_read(reader, &mp) == 0);
    const uint8_t *start = reader->at;
    REQUIRE(mp_read(reader, &idx) == 0);
    for (int i = 0; i < 3; i++)
        REQUIRE(mp_read(reader, &mp) == 0); /* str or bin */
    out->row = (struct bytes){start, (size_t)(reader->at - start)};
    ckpt_write_key_at(s, idx.kind == MP_UINT ? (int32_t)idx.uint : (int32_t)idx.sint, &out->key);
    partition_prefetch(txn_partition_at(s->ctx->txn, s->hash), out->key.hash);
}

/* The row is [task, idx, channel, type, bytes]; scratch has the first `head` bytes of the value. */
static int save_write(struct ckpt_session *s, const struct save_write *write, size_t head,
                      bool overwrite, uint64_t *stored)
{
    struct buf *scratch = &s->ctx->env->scratch;
    const struct record *there = ckpt_find(s, &write->key);
    if (!overwrite && there != NULL)
        return 0;
    scratch->size = head;
    int err = buf_append(scratch, write->row.data, write->row.size);
    if (err == 0)
        err = ckpt_put_over(s, &write->key, false, ckpt_row_end(scratch), there);
    *stored += err == 0;
    return err;
}

static int save_writes(struct ckpt_session *s, const struct args_ckpt_put_writes *a,
                       struct bytes ns, struct bytes id, const struct ckpt_id *task,
                       uint64_t *stored)
{
    struct save_write writes[2]; /* one, and the next */
    struct buf *scratch = &s->ctx->env->scratch;
    uint32_t count;
    struct mp_reader reader = ckpt_array(a->writes.bytes, &count);
    bool overwrite = a->overwrite.present && a->overwrite.boolean;
    if (count == 0)
        return 0;
    int err = ckpt_begin_session(s);
    if (err == 0)
        err = ckpt_row_begin(scratch);
    if (err == 0)
        err = pack_array(scratch, 5);
    if (err == 0)
        err = task->text ? pack_str(scratch, task->bytes) : pack_bin(scratch, task->bytes);
    if (err != 0)
        return err;
    size_t head = scratch->size;
    for (size_t i = 0; i < LENGTH_OF(writes); i++)
        ckpt_write_key(s, ns, id, task->bytes, 0, &writes[i].key);
    save_read_write(s, &reader, &writes[0]);
    for (uint32_t i = 0; i < count && err == 0; i++) {
        if (i + 1 < count)
            save_read_write(s, &reader, &writes[(i + 1) % 2]);
        err = save_write(s, &writes[i % 2], head, overwrite, stored);
    }
    return err;
}

int op_ckpt_put_writes(struct op_ctx *ctx, const struct args_ckpt_put_writes *a)
{
    struct ckpt_session s;
    struct ckpt_id ns, id, task;
    uint64_t stored = 0;
    int err = ckpt_id_arg(ctx, &a->ns, "ns", &ns);
    if (err == 0)
        err = ckpt_id_arg(ctx, &a->id, "id", &id);
    if (err == 0)
        err = ckpt_id_arg(ctx, &a->task, "task", &task);
    if (err == 0)
        err = ckpt_check_rows(ctx, &a->writes, "writes", "ictb");
    if (err == 0)
        err = ckpt_open(ctx, &a->session, save_need(ctx, 1), &s);
    if (err == 0)
        err = save_writes(&s, a, ns.bytes, id.bytes, &task, &stored);
    if (err == 0 && stored > 0)
        err = ckpt_commit(&s, NULL);
    else if (err == 0)
        txn_unlock(ctx->txn);
    if (err != 0)
        return err;
    reply_uint(ctx->reply, stored);
    return 0;
}

int op_ckpt_auto(struct op_ctx *ctx, const struct args_ckpt_auto *a)
{
    struct ckpt_session s;
    int err = ckpt_open(ctx, &a->session, SAVE_OVERHEAD, &s);
    if (err == 0)
        err = ckpt_begin_session(&s);
    if (err != 0)
        return err;
    s.min_interval_ms = a->min_interval_ms.uint;
    uint64_t version;
    err = ckpt_commit(&s, &version);
    if (err != 0)
        return err;
    reply_map(ctx->reply, 1);
    reply_key(ctx->reply, "version");
    op_reply_version(ctx, version);
    return 0;
}
