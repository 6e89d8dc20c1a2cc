/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Checkpoints as replies, with the blobs and writes that belong to them; and what lets go of those.
 *
 * Threads: the loop of the request, with the partition of the session locked.
 * Failures: what cannot be read is DATA_DAMAGED; a blob that was named and never saved is left out.
 */
#include "common/err.h"
#include "proto/pack.h"
#include "server/ops/ckpt_args.h"

enum { SHOW_FIELDS = 14 };

bool ckpt_read_version(struct mp_reader *reader, struct bytes *out_channel,
                       uint8_t out_version[static CKPT_VERSION_MAX], size_t *out_size)
{
    struct mp mp;
    bool text;
    if (mp_read_bytes(reader, out_channel, &text) != 0 || mp_read(reader, &mp) != 0 ||
        out_channel->size > CKPT_ID_MAX)
        return false;
    if (mp.kind == MP_STR || mp.kind == MP_BIN) { /* the same, whichever it came as */
        if (mp.bytes.size > CKPT_ID_MAX)
            return false;
        out_version[0] = 0xd9;
        out_version[1] = (uint8_t)mp.bytes.size;
        memcpy(out_version + 2, mp.bytes.data, mp.bytes.size);
        *out_size = 2 + mp.bytes.size;
        return true;
    }
    /* A number: its kind and 8 bytes of it, so that 1 is 1 in whatever form it came. */
    if (mp.kind != MP_UINT && mp.kind != MP_SINT && mp.kind != MP_FLOAT)
        return false;
    out_version[0] = mp.kind == MP_UINT ? 0xcf : mp.kind == MP_SINT ? 0xd3 : 0xcb;
    for (int i = 0; i < 8; i++)
        out_version[1 + i] = (uint8_t)(mp.uint >> (56 - 8 * i));
    *out_size = 9;
    return true;
}

/* Is this one value, and nothing behind it? What is stored may be damaged, and would damage the
 * whole reply. */
static bool show_is_value(struct bytes encoded)
{
    struct mp_reader reader = mp_reader_of(encoded);
    return mp_skip(&reader, MP_DEPTH_MAX) == 0 && reader.at == reader.end;
}

/* And an array of so many. */
static bool show_is_array(struct bytes encoded, uint32_t count)
{
    struct mp_reader reader = mp_reader_of(encoded);
    struct mp mp;
    return mp_read(&reader, &mp) == 0 && mp.kind == MP_ARRAY && mp.count == count &&
           show_is_value(encoded);
}

/* Of the value of a blob that was saved: that of its record, or as it is replied. */
static bool show_is_blob(struct bytes encoded)
{
    enum { FIELDS = 4 };
    return show_is_array(encoded, FIELDS);
}

/* Is this channel wanted? */
static bool show_wants(const struct ckpt_show *show, struct bytes channel)
{
    return show->channels == NULL || !show->channels->present ||
           ckpt_has(show->channels->bytes, channel);
}

static int show_blobs(struct ckpt_session *s, struct bytes ns, struct bytes versions,
                      const struct ckpt_show *show)
{
    struct reply *reply = s->ctx->reply;
    struct buf *scratch = &s->ctx->env->scratch;
    uint8_t version[CKPT_VERSION_MAX];
    struct ckpt_key key;
    struct bytes channel;
    uint32_t count;
    size_t size, shown = 0, mark = reply_array_open(reply);
    struct mp_reader reader = ckpt_array(versions, &count);
    struct mp mp;
    while (count-- > 0) {
        if (mp_read(&reader, &mp) != 0 || !ckpt_read_version(&reader, &channel, version, &size))
            return ckpt_damaged(s->ctx, "a checkpoint");
        if (!show_wants(show, channel))
            continue;
        ckpt_blob_key(s, ns, channel, (struct bytes){version, size}, &key);
        const struct record *record = ckpt_find(s, &key);
        struct bytes value = record == NULL ? BYTES_NONE : record_value(record);
        if (value.size <= RECORD_COUNT_BYTES)
            continue;
        scratch->size = 0;
        int err = ckpt_read_blob(s, record, scratch);
        if (err != 0)
            return err;
        reply_value(reply, buf_bytes(scratch));
        shown++;
    }
    reply_array_close(reply, mark, shown);
    return 0;
}

/* The channel of [task, idx, channel ...]. */
static struct bytes show_write_channel(struct bytes value)
{
    struct mp_reader reader = mp_reader_of(value);
    struct bytes channel = BYTES_NONE;
    struct mp mp;
    bool text;
    if (mp_read(&reader, &mp) != 0 || mp_read(&reader, &mp) != 0 || mp_read(&reader, &mp) != 0 ||
        mp_read_bytes(&reader, &channel, &text) != 0)
        return BYTES_NONE;
    return channel;
}

/* The writes or notes of a checkpoint, one after the other. */
struct show_rows {
    struct ckpt_key prefix;
    struct omap_iter iter;
};

static void show_rows_begin(const struct ckpt_session *s, enum record_kind kind, struct bytes ns,
                            struct bytes id, struct show_rows *out)
{
    ckpt_of_key(s, kind, ns, id, &out->prefix);
    omap_seek(&txn_partition_at(s->ctx->txn, s->hash)->order, &out->prefix.key, &out->iter);
}

static const struct record *show_rows_next(struct show_rows *rows)
{
    const struct record_key *prefix = &rows->prefix.key;
    const struct record *record = omap_next(&rows->iter);
    bool is_of_it = record != NULL && record_run(record) == prefix->run &&
                    record_kind_of(record) == prefix->kind &&
                    bytes_start_with(record_key_bytes(record), prefix->bytes);
    return is_of_it ? record : NULL;
}

/* All writes or notes of a checkpoint, as they are stored. */
static int show_range(struct ckpt_session *s, enum record_kind kind, struct bytes ns,
                      struct bytes id, const struct ckpt_show *show)
{
    struct reply *reply = s->ctx->reply;
    size_t shown = 0, mark = reply_array_open(reply);
    const struct record *record;
    struct show_rows rows;
    struct bytes row;
    show_rows_begin(s, kind, ns, id, &rows);
    while ((record = show_rows_next(&rows)) != NULL) {
        if (!ckpt_row(record_value(record), kind, &row))
            return ckpt_damaged(s->ctx, kind == KIND_write ? "a write" : "a note");
        if (kind == KIND_write && !show_wants(show, show_write_channel(row)))
            continue;
        reply_value(reply, row);
        shown++;
    }
    reply_array_close(reply, mark, shown);
    return 0;
}

/* Is each of them what was stored? */
static bool show_range_holds(struct ckpt_session *s, enum record_kind kind, struct bytes ns,
                             struct bytes id)
{
    const struct record *record;
    struct show_rows rows;
    struct bytes row;
    show_rows_begin(s, kind, ns, id, &rows);
    while ((record = show_rows_next(&rows)) != NULL)
        if (!ckpt_row(record_value(record), kind, &row))
            return false;
    return true;
}

/* nil as an array or a map that is empty. */
static struct bytes show_or(struct bytes value, struct bytes if_nil)
{
    return value.size == 1 && value.data[0] == 0xc0 ? if_nil : value;
}

static void show_fields(struct ckpt_session *s, const struct record *record, struct bytes ns,
                        struct bytes id, const struct ckpt_value *v)
{
    static const struct bytes map = {(const uint8_t *)"\x80", 1};
    struct reply *reply = s->ctx->reply;
    const struct {
        const char *key;
        struct bytes value;
    } fields[] = {{"parent", v->parent},
                  {"message", v->message},
                  {"tags", v->tags},
                  {"trigger", v->trigger},
                  {"metadata", show_or(v->metadata, map)},
                  {"checkpoint", v->checkpoint},
                  {"channel_versions", v->versions}};
    reply_key(reply, "session");
    reply_bytes(reply, s->key.bytes, s->text);
    reply_key(reply, "ns");
    reply_bytes(reply, ns, v->ns_text);
    reply_key(reply, "id");
    reply_bytes(reply, id, record_is_text(record));
    reply_key(reply, "seq");
    reply_uint(reply, v->number);
    reply_key(reply, "version");
    reply_uint(reply, record_version(record));
    reply_key(reply, "created_at");
    reply_uint(reply, v->created_at);
    reply_key(reply, "bytes");
    reply_uint(reply, v->state_bytes);
    for (size_t i = 0; i < LENGTH_OF(fields); i++) {
        reply_key(reply, fields[i].key);
        reply_value(reply, fields[i].value);
    }
}

int ckpt_read_state(struct ckpt_session *s, const struct ckpt_value *value, struct buf *out)
{
    struct ckpt_space space = ckpt_space(s);
    if (value->manifest.size == 0)
        return buf_append(out, value->state.data, value->state.size);
    if (value->manifest.size != CKPT_HASH_BYTES)
        return ckpt_damaged(s->ctx, "the state of a checkpoint");
    size_t start = out->size;
    int err = ckpt_state_read(&space, value->manifest, out);
    if (err == 0 && !show_is_value((struct bytes){out->data + start, out->size - start}))
        err = ERR_DATA_DAMAGED;
    return err == ERR_DATA_DAMAGED ? ckpt_damaged(s->ctx, "the state of a checkpoint") : err;
}

/* [channel, version, type, hash, size] with the bytes in place of the latter two. */
static int show_join_blob(struct ckpt_session *s, struct bytes value, struct bytes manifest,
                          struct buf *out)
{
    enum { BIN32_HEAD = 5 };
    const uint8_t *from = value.data + RECORD_COUNT_BYTES + 1; /* behind the header of the array */
    const uint8_t *end = manifest.data - 2;                    /* before that of the hash */
    struct ckpt_space space = ckpt_space(s);
    size_t start = out->size;
    int err = pack_array(out, 4);
    if (err == 0)
        err = buf_append(out, from, (size_t)(end - from));
    size_t head = out->size;
    if (err == 0)
        err = buf_append(out, "\xc6\0\0\0", BIN32_HEAD);
    if (err == 0)
        err = ckpt_state_read(&space, manifest, out);
    size_t size = out->size - head - BIN32_HEAD;
    for (int i = 0; i < 4 && err == 0; i++)
        out->data[head + 1 + (size_t)i] = (uint8_t)(size >> (24 - 8 * i));
    if (err == 0 && !show_is_blob((struct bytes){out->data + start, out->size - start}))
        err = ERR_DATA_DAMAGED;
    if (err != 0)
        out->size = start;
    return err == ERR_DATA_DAMAGED ? ckpt_damaged(s->ctx, "a blob") : err;
}

int ckpt_read_blob(struct ckpt_session *s, const struct record *record, struct buf *out)
{
    struct bytes value = record_value(record), manifest = ckpt_blob_manifest(value), row;
    bool whole = ckpt_blob_row(value, &row);
    if (whole && manifest.size > 0)
        return show_join_blob(s, value, manifest, out);
    if (!whole || !show_is_blob(row))
        return ckpt_damaged(s->ctx, "a blob");
    return buf_append(out, row.data, row.size);
}

/* Can this blob be read, and is it, with its pieces if it is in pieces, what it was? */
static bool show_blob_holds(struct ckpt_session *s, const struct record *record)
{
    struct ckpt_space space = ckpt_space(s);
    struct bytes value = record == NULL ? BYTES_NONE : record_value(record);
    if (value.size <= RECORD_COUNT_BYTES)
        return record == NULL || value.size == RECORD_COUNT_BYTES;
    struct bytes manifest = ckpt_blob_manifest(value), row;
    if (!ckpt_blob_row(value, &row))
        return false;
    return manifest.size > 0 ? ckpt_state_verify(&space, manifest) == 0 : show_is_blob(row);
}

bool ckpt_verify(struct ckpt_session *s, struct bytes ns, struct bytes id,
                 const struct ckpt_value *value)
{
    struct ckpt_space space = ckpt_space(s);
    uint8_t version[CKPT_VERSION_MAX];
    struct bytes channel;
    uint32_t count;
    size_t size;
    struct mp_reader reader = ckpt_array(value->versions, &count);
    struct mp mp;
    if (value->manifest.size > 0 && (value->manifest.size != CKPT_HASH_BYTES ||
                                     ckpt_state_verify(&space, value->manifest) != 0))
        return false;
    while (count-- > 0) {
        struct ckpt_key key;
        if (mp_read(&reader, &mp) != 0 || !ckpt_read_version(&reader, &channel, version, &size))
            return false;
        ckpt_blob_key(s, ns, channel, (struct bytes){version, size}, &key);
        if (!show_blob_holds(s, ckpt_find(s, &key)))
            return false;
    }
    return show_range_holds(s, KIND_write, ns, id) && show_range_holds(s, KIND_note, ns, id);
}

int ckpt_reply(struct ckpt_session *s, const struct record *record, const struct ckpt_show *show)
{
    struct reply *reply = s->ctx->reply;
    struct buf *scratch = &s->ctx->env->scratch;
    struct ckpt_value v;
    struct bytes ns, id;
    int err = 0;
    if (!ckpt_key_parts(record_key_bytes(record), &ns, &id) ||
        ckpt_decode(record_value(record), &v) != 0)
        return ckpt_damaged(s->ctx, "a checkpoint");
    reply_map(reply,
              SHOW_FIELDS + (unsigned)show->state + show->blobs + show->writes + show->notes);
    show_fields(s, record, ns, id, &v);
    if (show->state) {
        scratch->size = 0;
        err = ckpt_read_state(s, &v, scratch);
        reply_key(reply, "state");
        reply_value(reply, buf_bytes(scratch));
    }
    if (show->blobs && err == 0) {
        reply_key(reply, "blobs");
        err = show_blobs(s, ns, v.versions, show);
    }
    if (show->writes && err == 0) {
        reply_key(reply, "writes");
        err = show_range(s, KIND_write, ns, id, show);
    }
    if (show->notes && err == 0) {
        reply_key(reply, "notes");
        err = show_range(s, KIND_note, ns, id, show);
    }
    return err;
}

static int show_unref(struct ckpt_session *s, struct bytes manifest)
{
    struct ckpt_space space = ckpt_space(s);
    uint64_t freed = 0;
    int err = ckpt_state_unref(&space, manifest, &freed);
    s->bytes -= freed < s->bytes ? freed : s->bytes;
    return err;
}

/* Nobody names it any more. */
static int show_drop_blob(struct ckpt_session *s, const struct record *record)
{
    struct bytes manifest = ckpt_blob_manifest(record_value(record));
    int err = 0;
    if (manifest.size > 0)
        err = show_unref(s, manifest);
    return err != 0 ? err : ckpt_del(s, record);
}

int ckpt_release(struct ckpt_session *s, struct bytes ns, const struct ckpt_value *value)
{
    uint8_t version[CKPT_VERSION_MAX];
    struct ckpt_key key;
    struct bytes channel;
    uint32_t count;
    struct mp_reader reader = ckpt_array(value->versions, &count);
    struct mp mp;
    size_t size;
    int err = 0;
    while (count-- > 0 && err == 0) {
        if (mp_read(&reader, &mp) != 0 || !ckpt_read_version(&reader, &channel, version, &size))
            break; /* damaged: what else it named cannot be known, and stays */
        ckpt_blob_key(s, ns, channel, (struct bytes){version, size}, &key);
        const struct record *record = ckpt_find(s, &key);
        if (record == NULL)
            continue;
        err = txn_count(s->ctx->txn, record, -1);
        if (err == 0 && record_count(record) == 0)
            err = show_drop_blob(s, record);
    }
    if (err == 0 && value->manifest.size == CKPT_HASH_BYTES)
        err = show_unref(s, value->manifest);
    return err;
}
