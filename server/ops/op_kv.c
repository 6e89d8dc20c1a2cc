/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Key-value operations on one key.
 *
 * Each is: place -> lock -> find -> check conditions -> plan -> commit -> reply. Values are opaque
 * MessagePack; only incr, append and strlen look inside.
 *
 * Threads: any loop; the transaction holds the partition's lock from find to commit.
 * Failures: conditions answer CONFLICT with the version found; everything else leaves the key as it
 * was.
 */
#include "server/ops/op_kv.h"

#include "common/err.h"
#include "proto/pack.h"

#define KV_TIME_MAX (((int64_t)1 << 53) - 1)

enum { KV_OVERHEAD = 96 }; /* bytes a record takes besides key and value: index, map, head */

struct kv_place kv_place(const struct op_ctx *ctx, struct bytes key, bool text)
{
    struct kv_place place = {.key = {run_id(ctx->run), KIND_kv, key}, .text = text};
    place.hash = store_hash(ctx->store, &place.key);
    return place;
}

struct kv_place kv_place_first(const struct op_ctx *ctx, const struct arg *key)
{
    const struct request *request = ctx->request;
    uint32_t run = run_id(ctx->run);
    /* A request before this one may have changed the run of the session. */
    if (!request->hashed || request->hashed_run != run)
        return kv_place(ctx, key->bytes, key->text);
    return (struct kv_place){{run, KIND_kv, key->bytes}, request->hash, key->text};
}

uint64_t kv_need(size_t key_size, size_t value_size)
{
    return (uint64_t)key_size + value_size + KV_OVERHEAD;
}

const struct record *kv_find(struct op_ctx *ctx, const struct kv_place *place)
{
    const struct record *record = txn_find(ctx->txn, &place->key, place->hash);
    stats_add(ctx->env->stats, record != NULL ? METRIC_keyspace_hits : METRIC_keyspace_misses, 1);
    if (record != NULL)
        record_touch(record);
    return record;
}

int kv_normal_value(struct op_ctx *ctx, struct bytes value, struct bytes *out_value)
{
    struct mp_reader reader = mp_reader_of(value);
    struct mp mp;
    *out_value = value;
    uint8_t first = value.data[0];
    if (!(first >= 0xa0 && first < 0xc0) && !(first >= 0xd9 && first < 0xdc))
        return 0; /* not a str, as most values */
    if (mp_read(&reader, &mp) != 0 || mp.kind != MP_STR || mp_utf8_valid(mp.bytes))
        return 0;
    ctx->env->scratch.size = 0;
    int err = pack_bin(&ctx->env->scratch, mp.bytes);
    *out_value = buf_bytes(&ctx->env->scratch);
    return err;
}

int kv_expiry(struct op_ctx *ctx, const struct arg *ttl_ms, const struct arg *expires_at_ms,
              int64_t *out_expires_at_ms)
{
    bool at = expires_at_ms != NULL && expires_at_ms->present;
    if (at && ttl_ms->present)
        return problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                           "give 'ttl_ms' or 'expires_at_ms', not both");
    *out_expires_at_ms = 0;
    if (!at && !ttl_ms->present)
        return 0;
    uint64_t number = at ? expires_at_ms->uint : ttl_ms->uint;
    if (number == 0)
        return problem_set(ctx->problem, ERR_BAD_ARGUMENT, "'%s' must be at least 1",
                           at ? "expires_at_ms" : "ttl_ms");
    int64_t when = at ? (int64_t)number : ctx->env->now_ms + (int64_t)number;
    *out_expires_at_ms = when < KV_TIME_MAX ? when : KV_TIME_MAX;
    return 0;
}

int kv_text_of(struct op_ctx *ctx, struct bytes value, char number[static NUM_REAL_SIZE],
               struct bytes *out_body, bool *text)
{
    struct mp_reader reader = mp_reader_of(value);
    struct mp mp;
    int err = mp_read(&reader, &mp);
    if (err == 0 && (mp.kind == MP_STR || mp.kind == MP_BIN)) {
        *text = mp.kind == MP_STR;
        *out_body = mp.bytes;
        return 0;
    }
    if (err != 0 || !mp_number_text(&mp, number))
        return problem_set(ctx->problem, ERR_WRONG_TYPE,
                           "%s: the stored value is not str, bin or a number",
                           ctx->request->op->name);
    *out_body = bytes_of(number);
    return 0;
}

static void kv_reply_ttl(struct op_ctx *ctx, const struct record *record)
{
    int64_t at = record_expires_at_ms(record);
    if (at == 0)
        reply_nil(ctx->reply);
    else
        reply_int(ctx->reply, at - ctx->env->now_ms);
}

void kv_reply_record(struct op_ctx *ctx, const struct record *record, bool with_version)
{
    if (record == NULL) {
        reply_nil(ctx->reply);
        return;
    }
    if (!with_version) {
        reply_value(ctx->reply, record_value(record));
        return;
    }
    reply_array(ctx->reply, 3);
    reply_value(ctx->reply, record_value(record));
    if (record_version(record) == 0) /* planned by the batch we are in */
        (void)op_reply_version_later(ctx);
    else
        reply_uint(ctx->reply, record_version(record));
    kv_reply_ttl(ctx, record);
}

int op_kv_get(struct op_ctx *ctx, const struct args_kv_get *a)
{
    struct kv_place place = kv_place_first(ctx, &a->key);
    int err = txn_lock(ctx->txn, ctx->run, place.hash, 0);
    if (err != 0)
        return err;
    const struct record *record = kv_find(ctx, &place);
    if (record == NULL && (err = kv_absent(ctx, place.key.bytes)) != 0)
        return err;
    kv_reply_record(ctx, record, a->with_version.present && a->with_version.boolean);
    txn_unlock(ctx->txn);
    return 0;
}

/* The conditions a write may carry; absent ones have present == false. */
struct kv_conditions {
    const struct arg *version, *value, *absent, *exists;
};

static bool kv_is_set(const struct arg *arg)
{
    return arg != NULL && arg->present && arg->boolean;
}

static int kv_check(struct op_ctx *ctx, const struct record *record,
                    const struct kv_conditions *conditions)
{
    uint64_t actual = record == NULL ? 0 : record_version(record);
    const struct arg *version = conditions->version, *value = conditions->value;
    if (version->present && (version->uint != actual || (record != NULL && actual == 0)))
        return problem_conflict(ctx->problem, actual, "version is %llu, expected %llu",
                                (unsigned long long)actual, (unsigned long long)version->uint);
    if (kv_is_set(conditions->absent) && record != NULL)
        return problem_conflict(ctx->problem, actual, "the key exists, with version %llu",
                                (unsigned long long)actual);
    if (kv_is_set(conditions->exists) && record == NULL)
        return problem_conflict(ctx->problem, 0, "the key does not exist");
    if (value != NULL && value->present &&
        (record == NULL || !mp_equal(record_value(record), value->bytes)))
        return problem_conflict(ctx->problem, actual, "the value is another, with version %llu",
                                (unsigned long long)actual);
    return 0;
}

/* Plan a put; str keys that are UTF-8 are remembered as such. */
static int kv_plan(struct op_ctx *ctx, const struct kv_place *place, struct bytes value,
                   int64_t expires_at_ms)
{
    struct record_spec spec = {.key = place->key,
                               .text = place->text && mp_utf8_valid(place->key.bytes),
                               .value = value,
                               .expires_at_ms = expires_at_ms};
    return txn_put(ctx->txn, &spec, place->hash);
}

/* return_old where nothing was put: [nil, the value that stays]. */
static void kv_reply_kept(struct op_ctx *ctx, const struct record *record)
{
    ctx->problem->err = 0;
    reply_array(ctx->reply, 2);
    reply_nil(ctx->reply);
    kv_reply_record(ctx, record, false);
    txn_unlock(ctx->txn);
}

static int kv_put(struct op_ctx *ctx, const struct args_kv_put *a, const struct kv_place *place,
                  int64_t expires_at_ms)
{
    struct kv_conditions conditions = {&a->if_version, &a->if_value, &a->if_absent, &a->if_exists};
    const struct record *old = txn_find(ctx->txn, &place->key, place->hash);
    struct bytes value = a->value.bytes;
    size_t version_at = 0;
    bool return_old = kv_is_set(&a->return_old), dropped = false;
    const struct record *there = old != NULL ? old : kv_collection(ctx, place->key.bytes);
    if (there != old && return_old)
        return kv_absent(ctx, place->key.bytes);
    int err = kv_check(ctx, there, &conditions);
    if (err == ERR_CONFLICT && return_old) {
        kv_reply_kept(ctx, old);
        return 0;
    }
    if (err == 0)
        err = kv_normal_value(ctx, a->value.bytes, &value);
    if (err != 0)
        return err;
    if (kv_is_set(&a->keep_ttl) && old != NULL)
        expires_at_ms = record_expires_at_ms(old);
    if (return_old) {
        reply_array(ctx->reply, 2);
        version_at = op_reply_version_later(ctx);
        kv_reply_record(ctx, old, false);
    }
    if (there != old)
        err = kv_drop_collection(ctx, place->key.bytes, &dropped);
    if (err == 0)
        err = kv_plan(ctx, place, value, expires_at_ms);
    if (err != 0)
        return err;
    uint64_t version = txn_commit(ctx->txn);
    if (return_old)
        op_reply_version_now(ctx, version_at, version);
    else
        op_reply_version(ctx, version);
    return 0;
}

int op_kv_put(struct op_ctx *ctx, const struct args_kv_put *a)
{
    struct kv_place place = kv_place_first(ctx, &a->key);
    int64_t expires_at_ms = 0;
    int err = kv_expiry(ctx, &a->ttl_ms, &a->expires_at_ms, &expires_at_ms);
    if (err == 0 && kv_is_set(&a->keep_ttl) && expires_at_ms != 0)
        err = problem_set(ctx->problem, ERR_BAD_ARGUMENT, "'keep_ttl' excludes a new expiry");
    if (err == 0)
        err = txn_lock(ctx->txn, ctx->run, place.hash,
                       kv_need(a->key.bytes.size, a->value.bytes.size));
    return err != 0 ? err : kv_put(ctx, a, &place, expires_at_ms);
}

int op_kv_del(struct op_ctx *ctx, const struct args_kv_del *a)
{
    struct kv_place place = kv_place_first(ctx, &a->key);
    struct kv_conditions conditions = {&a->if_version, &a->if_value, NULL, NULL};
    int err = txn_lock(ctx->txn, ctx->run, place.hash, 0);
    if (err != 0)
        return err;
    const struct record *record = txn_find(ctx->txn, &place.key, place.hash);
    bool existed = record != NULL, return_old = kv_is_set(&a->return_old);
    err = kv_check(ctx, record, &conditions);
    if (err == 0 && !existed && return_old)
        err = kv_absent(ctx, place.key.bytes);
    if (err == 0 && return_old)
        kv_reply_record(ctx, record, false);
    if (err == 0 && existed)
        err = txn_del(ctx->txn, &place.key, place.hash);
    if (err == 0 && !return_old) {
        err = kv_drop_collection(ctx, place.key.bytes, &existed);
        reply_bool(ctx->reply, existed);
    }
    if (err == 0)
        (void)txn_commit(ctx->txn);
    return err;
}

int op_kv_exists(struct op_ctx *ctx, const struct args_kv_exists *a)
{
    struct kv_place place = kv_place_first(ctx, &a->key);
    int err = txn_lock(ctx->txn, ctx->run, place.hash, 0);
    if (err != 0)
        return err;
    reply_bool(ctx->reply, kv_find(ctx, &place) != NULL || kv_collection(ctx, place.key.bytes));
    txn_unlock(ctx->txn);
    return 0;
}

int op_kv_cas(struct op_ctx *ctx, const struct args_kv_cas *a)
{
    struct kv_place place = kv_place_first(ctx, &a->key);
    struct kv_conditions conditions = {&a->expected_version, NULL, NULL, NULL};
    struct bytes value = a->value.bytes;
    int64_t expires_at_ms = 0;
    int err = kv_expiry(ctx, &a->ttl_ms, NULL, &expires_at_ms);
    if (err == 0)
        err = txn_lock(ctx->txn, ctx->run, place.hash,
                       kv_need(a->key.bytes.size, a->value.bytes.size));
    if (err != 0)
        return err;
    const struct record *old = txn_find(ctx->txn, &place.key, place.hash);
    err = kv_check(ctx, old, &conditions);
    if (err == 0)
        err = kv_normal_value(ctx, a->value.bytes, &value);
    if (err != 0)
        return err;
    if (expires_at_ms == 0 && old != NULL)
        expires_at_ms = record_expires_at_ms(old);
    err = kv_plan(ctx, &place, value, expires_at_ms);
    if (err != 0)
        return err;
    op_reply_version(ctx, txn_commit(ctx->txn));
    return 0;
}

/* The record again, with another expiry. */
static int kv_plan_expiry(struct op_ctx *ctx, const struct kv_place *place,
                          const struct record *record, int64_t expires_at_ms)
{
    struct record_spec spec = {.key = {place->key.run, KIND_kv, record_key_bytes(record)},
                               .text = record_is_text(record),
                               .value = record_value(record),
                               .expires_at_ms = expires_at_ms};
    return txn_put(ctx->txn, &spec, place->hash);
}

/* May this expiry replace the present one? 0 stands for none, which is later than all others. */
static bool kv_expiry_allowed(const struct args_kv_expire *a, int64_t present, int64_t wanted)
{
    return !(kv_is_set(&a->if_none) && present != 0) && !(kv_is_set(&a->if_some) && present == 0) &&
           !(kv_is_set(&a->if_later) && (present == 0 || wanted <= present)) &&
           !(kv_is_set(&a->if_sooner) && present != 0 && wanted >= present);
}

/* Give the record another expiry if `changes`; answer with that, or with the value. */
static int kv_set_expiry(struct op_ctx *ctx, const struct kv_place *place,
                         const struct record *record, bool changes, int64_t expires_at_ms,
                         const struct arg *return_value)
{
    if (kv_is_set(return_value))
        kv_reply_record(ctx, record, false);
    else
        reply_bool(ctx->reply, changes);
    int err = changes ? kv_plan_expiry(ctx, place, record, expires_at_ms) : 0;
    if (err == 0)
        (void)txn_commit(ctx->txn);
    return err;
}

int op_kv_expire(struct op_ctx *ctx, const struct args_kv_expire *a)
{
    struct kv_place place = kv_place_first(ctx, &a->key);
    int64_t expires_at_ms = 0;
    int err = kv_expiry(ctx, &a->ttl_ms, &a->expires_at_ms, &expires_at_ms);
    if (err == 0 && expires_at_ms == 0)
        err = problem_set(ctx->problem, ERR_BAD_ARGUMENT,
                          "kv.expire: 'ttl_ms' or 'expires_at_ms' is missing");
    if (err == 0)
        err = txn_lock(ctx->txn, ctx->run, place.hash, 0);
    if (err != 0)
        return err;
    const struct record *record = txn_find(ctx->txn, &place.key, place.hash);
    if (record == NULL && (err = kv_absent(ctx, place.key.bytes)) != 0)
        return err;
    bool changes =
        record != NULL && kv_expiry_allowed(a, record_expires_at_ms(record), expires_at_ms);
    return kv_set_expiry(ctx, &place, record, changes, expires_at_ms, &a->return_value);
}

int op_kv_ttl(struct op_ctx *ctx, const struct args_kv_ttl *a)
{
    struct kv_place place = kv_place_first(ctx, &a->key);
    int err = txn_lock(ctx->txn, ctx->run, place.hash, 0);
    if (err != 0)
        return err;
    const struct record *record = kv_find(ctx, &place);
    if (record == NULL && kv_collection(ctx, place.key.bytes) == NULL)
        reply_nil(ctx->reply);
    else if (record == NULL || record_expires_at_ms(record) == 0)
        reply_int(ctx->reply, -1); /* collections do not expire */
    else
        reply_int(ctx->reply, record_expires_at_ms(record) - ctx->env->now_ms);
    txn_unlock(ctx->txn);
    return 0;
}

int op_kv_persist(struct op_ctx *ctx, const struct args_kv_persist *a)
{
    struct kv_place place = kv_place_first(ctx, &a->key);
    int err = txn_lock(ctx->txn, ctx->run, place.hash, 0);
    if (err != 0)
        return err;
    const struct record *record = txn_find(ctx->txn, &place.key, place.hash);
    if (record == NULL && kv_is_set(&a->return_value) &&
        (err = kv_absent(ctx, place.key.bytes)) != 0)
        return err;
    bool changes = record != NULL && record_expires_at_ms(record) != 0;
    return kv_set_expiry(ctx, &place, record, changes, 0, &a->return_value);
}

int op_kv_strlen(struct op_ctx *ctx, const struct args_kv_strlen *a)
{
    struct kv_place place = kv_place_first(ctx, &a->key);
    struct bytes body = BYTES_NONE;
    char number[NUM_REAL_SIZE];
    bool text;
    int err = txn_lock(ctx->txn, ctx->run, place.hash, 0);
    if (err != 0)
        return err;
    const struct record *record = kv_find(ctx, &place);
    if (record != NULL)
        err = kv_text_of(ctx, record_value(record), number, &body, &text);
    else
        err = kv_absent(ctx, place.key.bytes);
    reply_uint(ctx->reply, body.size);
    txn_unlock(ctx->txn);
    return err;
}

/* Old body and new bytes as one encoded value in the scratch buffer. */
static int kv_concat(struct op_ctx *ctx, struct bytes old, struct bytes data, bool text)
{
    struct buf *scratch = &ctx->env->scratch;
    uint8_t header[5];
    size_t size = old.size + data.size, n = 0;
    scratch->size = 0;
    int err = buf_reserve(scratch, size + sizeof header);
    if (err != 0)
        return err;
    /* Body first, behind room for the longest header, so that it is there to be checked. */
    memcpy(scratch->data + sizeof header, old.data, old.size);
    memcpy(scratch->data + sizeof header + old.size, data.data, data.size);
    text = text && mp_utf8_valid((struct bytes){scratch->data + sizeof header, size});
    header[n++] = text ? 0xdb : 0xc6; /* str 32, bin 32 */
    for (int shift = 24; shift >= 0; shift -= 8)
        header[n++] = (uint8_t)(size >> shift);
    memcpy(scratch->data, header, sizeof header);
    scratch->size = size + sizeof header;
    return 0;
}

int op_kv_append(struct op_ctx *ctx, const struct args_kv_append *a)
{
    struct kv_place place = kv_place_first(ctx, &a->key);
    struct bytes old = {(const uint8_t *)"", 0};
    char number[NUM_REAL_SIZE];
    bool text = a->data.text;
    uint64_t limit = ctx->env->limits->value_bytes;
    int err =
        txn_lock(ctx->txn, ctx->run, place.hash, kv_need(a->key.bytes.size, a->data.bytes.size));
    if (err != 0)
        return err;
    const struct record *record = txn_find(ctx->txn, &place.key, place.hash);
    if (record != NULL)
        err = kv_text_of(ctx, record_value(record), number, &old, &text);
    else
        err = kv_absent(ctx, place.key.bytes);
    if (err == 0 && old.size + a->data.bytes.size + 5 > limit)
        err = problem_set(ctx->problem, ERR_LIMIT_EXCEEDED,
                          "kv.append: the value would exceed limits.value_bytes (%llu)",
                          (unsigned long long)limit);
    if (err == 0)
        err = kv_concat(ctx, old, a->data.bytes, text);
    if (err == 0)
        err = kv_plan(ctx, &place, buf_bytes(&ctx->env->scratch),
                      record == NULL ? 0 : record_expires_at_ms(record));
    if (err != 0)
        return err;
    size_t size = old.size + a->data.bytes.size;
    (void)txn_commit(ctx->txn);
    reply_uint(ctx->reply, size);
    return 0;
}
