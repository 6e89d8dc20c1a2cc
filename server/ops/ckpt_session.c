/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sessions in a transaction, and plans over the records of one.
 *
 *   value of a session: [ number u64, generation u64, created_at, last_at, name, meta, ttl_ms,
 *                         min_interval_ms, delta, checkpoints u64, bytes u64 ]
 *
 * Those with u64 stand in their long forms (RECORD_NUMBERED, group_generation, RECORD_SUMMED).
 *
 * Invariants
 *   1. The partition of the session is locked from ckpt_open to the commit.
 *   2. checkpoints and bytes are those of the records, but for what is planned and given up.
 *
 * Threads: the loop of the request. Failures: memory; what was planned is then forgotten.
 */
#include "common/err.h"
#include "proto/pack.h"
#include "server/ops/ckpt.h"

#include <endian.h>

enum { SESSION_FIELDS = 11 };

int ckpt_damaged(struct op_ctx *ctx, const char *what)
{
    return problem_set(ctx->problem, ERR_DATA_DAMAGED, "%s: %s cannot be read",
                       ctx->request->op->name, what);
}

struct mp_reader ckpt_array(struct bytes encoded, uint32_t *out_count)
{
    struct mp_reader reader = mp_reader_of(encoded);
    struct mp mp = {.kind = MP_NIL};
    *out_count = 0;
    if (mp_read(&reader, &mp) == 0 && mp.kind == MP_ARRAY)
        *out_count = mp.count;
    return reader;
}

static bool session_uint(struct mp_reader *reader, uint64_t *out)
{
    struct mp mp;
    bool fine = mp_read(reader, &mp) == 0 && mp.kind == MP_UINT;
    *out = fine ? mp.uint : 0;
    return fine;
}

static bool session_view(struct mp_reader *reader, struct bytes *out)
{
    const uint8_t *start = reader->at;
    bool fine = mp_skip(reader, MP_DEPTH_MAX) == 0;
    *out = (struct bytes){start, (size_t)(reader->at - start)};
    return fine;
}

static bool session_decode(struct ckpt_session *s, struct bytes value)
{
    struct mp_reader reader = mp_reader_of(value);
    struct mp mp;
    bool fine = mp_read(&reader, &mp) == 0 && mp.kind == MP_ARRAY && mp.count == SESSION_FIELDS &&
                session_uint(&reader, &s->number) && session_uint(&reader, &s->group.generation) &&
                session_uint(&reader, &s->created_at) && session_uint(&reader, &s->last_at) &&
                session_view(&reader, &s->name) && session_view(&reader, &s->meta) &&
                session_uint(&reader, &s->ttl_ms) && session_uint(&reader, &s->min_interval_ms) &&
                mp_read(&reader, &mp) == 0 && mp.kind == MP_BOOL;
    s->delta = fine && mp.boolean;
    return fine && session_uint(&reader, &s->checkpoints) && session_uint(&reader, &s->bytes);
}

int ckpt_read_session(struct op_ctx *ctx, struct bytes name, struct ckpt_session *s)
{
    *s = (struct ckpt_session){.ctx = ctx, .key = {run_id(ctx->run), KIND_session, name}};
    s->hash = store_hash(ctx->store, &s->key);
    s->group = (struct group){s->key.run, KIND_session, name, 0};
    s->record = txn_find(ctx->txn, &s->key, s->hash);
    if (s->record == NULL)
        return 0;
    s->text = record_is_text(s->record);
    if (!session_decode(s, record_value(s->record)))
        return ckpt_damaged(ctx, "the record of the session");
    s->prefix_size = group_write_prefix(&s->group, s->prefix);
    return 0;
}

int ckpt_open(struct op_ctx *ctx, const struct arg *session, uint64_t need, struct ckpt_session *s)
{
    struct ckpt_id id;
    int err = ckpt_id_arg(ctx, session, "session", &id);
    if (err != 0)
        return err;
    struct record_key key = {run_id(ctx->run), KIND_session, id.bytes};
    err = txn_lock(ctx->txn, ctx->run, store_hash(ctx->store, &key), need);
    if (err != 0)
        return err;
    ctx->txn->many = true; /* all is prepared before anything changes */
    err = ckpt_read_session(ctx, id.bytes, s);
    if (s->record == NULL)
        s->text = id.text;
    return err;
}

/* One that expired and was not swept yet stands in the place of the new one: nobody would know any
 * more what it owned. */
static int session_bury(struct ckpt_session *s)
{
    struct partition *partition =
        (struct partition *)(uintptr_t)txn_partition_at(s->ctx->txn, s->hash);
    const struct record *old = partition_find(partition, s->hash, &s->key);
    if (old == NULL)
        return 0;
    struct group group = s->group;
    group.generation = group_generation(record_value(old));
    struct reap *reap = reap_create(&group);
    if (reap == NULL)
        return ERR_OUT_OF_MEMORY;
    group_orphan(partition, reap);
    return 0;
}

int ckpt_begin_session(struct ckpt_session *s)
{
    static const struct bytes nil = {(const uint8_t *)"\xc0", 1};
    if (s->record != NULL || s->created_at != 0)
        return 0;
    int err = session_bury(s);
    if (err != 0)
        return err;
    s->created_at = (uint64_t)s->ctx->env->now_ms;
    s->name = s->meta = nil;
    s->group.generation = s->spare = store_next_number(s->ctx->store, 1);
    s->prefix_size = group_write_prefix(&s->group, s->prefix);
    return 0;
}

int ckpt_must_exist(struct ckpt_session *s)
{
    if (s->record != NULL)
        return 0;
    return problem_set(s->ctx->problem, ERR_NOT_FOUND, "%s: there is no such session",
                       s->ctx->request->op->name);
}

static int session_add_long(struct buf *out, uint64_t number)
{
    uint8_t encoded[RECORD_SUMMED_BYTES] = {0xcf};
    number = htobe64(number);
    memcpy(encoded + 1, &number, sizeof number);
    return buf_append(out, encoded, sizeof encoded);
}

static int session_encode(const struct ckpt_session *s, struct buf *out)
{
    uint8_t head[RECORD_NUMBER_BYTES + 9] = {0x90 | SESSION_FIELDS, 0xcf};
    uint64_t number = htobe64(s->number), generation = htobe64(s->group.generation);
    memcpy(head + 2, &number, sizeof number);
    head[RECORD_NUMBER_BYTES] = 0xcf;
    memcpy(head + RECORD_NUMBER_BYTES + 1, &generation, sizeof generation);
    int err = buf_append(out, head, sizeof head);
    (void)(err == 0 && (err = pack_uint(out, s->created_at)) == 0 &&
           (err = pack_uint(out, s->last_at)) == 0 &&
           (err = buf_append(out, s->name.data, s->name.size)) == 0 &&
           (err = buf_append(out, s->meta.data, s->meta.size)) == 0 &&
           (err = pack_uint(out, s->ttl_ms)) == 0 &&
           (err = pack_uint(out, s->min_interval_ms)) == 0 &&
           (err = pack_bool(out, s->delta)) == 0 &&
           (err = session_add_long(out, s->checkpoints)) == 0 &&
           (err = session_add_long(out, s->bytes)) == 0);
    return err;
}

static int session_plan(struct ckpt_session *s,
                        int (*put)(struct txn *, const struct record_spec *, uint64_t))
{
    struct op_ctx *ctx = s->ctx;
    struct buf *scratch = &ctx->env->scratch;
    s->number = atomic_load_explicit(&ctx->store->number, memory_order_relaxed);
    s->last_at = (uint64_t)ctx->env->now_ms;
    scratch->size = 0;
    int err = session_encode(s, scratch);
    if (err != 0)
        return err;
    struct record_spec spec = {.key = s->key, .text = s->text, .value = buf_bytes(scratch)};
    if (s->ttl_ms > 0)
        spec.expires_at_ms = ctx->env->now_ms + (int64_t)s->ttl_ms;
    (void)txn_find(ctx->txn, &s->key, s->hash);
    return put(ctx->txn, &spec, s->hash);
}

int ckpt_close(struct ckpt_session *s)
{
    return session_plan(s, txn_put);
}

int ckpt_commit(struct ckpt_session *s, uint64_t *out_version)
{
    int err = session_plan(s, txn_put_last);
    if (err != 0)
        return err;
    uint64_t version = txn_commit(s->ctx->txn);
    if (out_version != NULL)
        *out_version = version;
    return 0;
}

void ckpt_reply_session(struct op_ctx *ctx, const struct ckpt_session *s, uint64_t version)
{
    struct reply *reply = ctx->reply;
    reply_map(reply, 13);
    reply_key(reply, "session");
    reply_bytes(reply, s->key.bytes, s->text);
    reply_key(reply, "name");
    reply_value(reply, s->name);
    reply_key(reply, "meta");
    reply_value(reply, s->meta);
    reply_key(reply, "created_at");
    reply_uint(reply, s->created_at);
    reply_key(reply, "last_at");
    reply_uint(reply, s->last_at);
    reply_key(reply, "seq");
    reply_uint(reply, s->number);
    reply_key(reply, "ttl_ms");
    reply_uint(reply, s->ttl_ms);
    reply_key(reply, "expires_at");
    if (s->ttl_ms > 0)
        reply_int(reply, record_expires_at_ms(s->record));
    else
        reply_nil(reply);
    reply_key(reply, "min_interval_ms");
    reply_uint(reply, s->min_interval_ms);
    reply_key(reply, "delta");
    reply_bool(reply, s->delta);
    reply_key(reply, "checkpoints");
    reply_uint(reply, s->checkpoints);
    reply_key(reply, "bytes");
    reply_uint(reply, s->bytes);
    reply_key(reply, "version");
    reply_uint(reply, version);
}

/* ---- records of the session ---- */

static uint64_t session_size(const struct record *record)
{
    return record == NULL ? 0 : record_key_bytes(record).size + record_value(record).size;
}

struct ckpt_space ckpt_space(const struct ckpt_session *s)
{
    return (struct ckpt_space){.txn = s->ctx->txn,
                               .store = s->ctx->store,
                               .run = s->key.run,
                               .prefix = {s->prefix, s->prefix_size}};
}

const struct record *ckpt_find(struct ckpt_session *s, const struct ckpt_key *key)
{
    return txn_find(s->ctx->txn, &key->key, key->hash);
}

int ckpt_put_over(struct ckpt_session *s, const struct ckpt_key *key, bool text, struct bytes value,
                  const struct record *there)
{
    struct record_spec spec = {.key = key->key, .text = text, .value = value};
    uint64_t then = session_size(there);
    int err = txn_put(s->ctx->txn, &spec, key->hash);
    if (err == 0)
        s->bytes += key->key.bytes.size + value.size - then;
    return err;
}

int ckpt_put(struct ckpt_session *s, const struct ckpt_key *key, bool text, struct bytes value)
{
    return ckpt_put_over(s, key, text, value, ckpt_find(s, key));
}

int ckpt_note(struct ckpt_session *s, const struct record_key *key, bool text, enum event event)
{
    struct record_key kept = *key;
    if (!feed_is_on(s->ctx->store->feed))
        return 0;
    int err = txn_keep(s->ctx->txn, key->bytes, &kept.bytes);
    return err != 0 ? err
                    : txn_note(s->ctx->txn, &kept, text, store_hash(s->ctx->store, &kept), event);
}

int ckpt_del(struct ckpt_session *s, const struct record *record)
{
    struct record_key key = {record_run(record), record_kind_of(record), record_key_bytes(record)};
    uint64_t hash = store_hash(s->ctx->store, &key), size = session_size(record);
    if (txn_find(s->ctx->txn, &key, hash) != record)
        return 0; /* deleted or replaced already */
    int err = 0;
    if (record_version(record) == 0) /* planned: its memory goes at once */
        err = txn_keep(s->ctx->txn, key.bytes, &key.bytes);
    if (err == 0)
        err = txn_del(s->ctx->txn, &key, hash);
    if (err == 0)
        s->bytes -= size < s->bytes ? size : s->bytes;
    return err;
}

size_t ckpt_newer(const struct ckpt_session *s, const struct record *record)
{
    const struct omap *order = &txn_partition_at(s->ctx->txn, s->hash)->order;
    struct record_key key = {record_run(record), record_kind_of(record), record_key_bytes(record)};
    struct ckpt_key end;
    struct bytes ns, id;
    REQUIRE(ckpt_key_parts(key.bytes, &ns, &id));
    ckpt_ns_key(s, ns, &end);
    ckpt_key_after(&end);
    return omap_rank(order, &end.key) - omap_rank(order, &key) - 1;
}

const struct record *ckpt_latest(const struct ckpt_session *s, struct bytes ns)
{
    const struct partition *partition = txn_partition_at(s->ctx->txn, s->hash);
    struct ckpt_key key;
    struct omap_iter iter;
    ckpt_ns_key(s, ns, &key);
    size_t size = key.key.bytes.size;
    struct ckpt_key after = key;
    after.key.bytes.data = after.bytes;
    ckpt_key_after(&after);
    omap_seek(&partition->order, &after.key, &iter);
    const struct record *record = omap_previous(&iter);
    if (record == NULL || record_run(record) != key.key.run ||
        record_kind_of(record) != KIND_ckpt ||
        !bytes_start_with(record_key_bytes(record), (struct bytes){key.bytes, size}))
        return NULL;
    return record;
}

/* Plan the deletion of all records whose keys begin so. */
static int session_delete_range(struct ckpt_session *s, const struct ckpt_key *prefix)
{
    const struct partition *partition = txn_partition_at(s->ctx->txn, s->hash);
    struct omap_iter iter;
    const struct record *record;
    int err = 0;
    omap_seek(&partition->order, &prefix->key, &iter);
    while (err == 0 && (record = omap_next(&iter)) != NULL &&
           record_run(record) == prefix->key.run && record_kind_of(record) == prefix->key.kind &&
           bytes_start_with(record_key_bytes(record), prefix->key.bytes))
        err = ckpt_del(s, record);
    return err;
}

int ckpt_plan_delete(struct ckpt_session *s, const struct record *record)
{
    struct ckpt_key key;
    struct ckpt_value value;
    struct bytes ns, id;
    if (!ckpt_key_parts(record_key_bytes(record), &ns, &id))
        return ckpt_damaged(s->ctx, "the key of a checkpoint");
    int err = ckpt_decode(record_value(record), &value);
    if (err == 0)
        err = ckpt_release(s, ns, &value);
    else
        err = 0; /* damaged: what it named cannot be known, and stays */
    ckpt_of_key(s, KIND_write, ns, id, &key);
    if (err == 0)
        err = session_delete_range(s, &key);
    ckpt_of_key(s, KIND_note, ns, id, &key);
    if (err == 0)
        err = session_delete_range(s, &key);
    if (err == 0)
        err = ckpt_del(s, record);
    if (err == 0 && s->checkpoints > 0)
        s->checkpoints--;
    return err;
}
