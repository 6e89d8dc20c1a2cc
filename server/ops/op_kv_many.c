/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Key-value operations on several keys at one instant: mget, versions, mput,
 * mdel.
 *
 * Two passes over the encoded list, which the decoder has checked: the first collects the
 * partitions, which are then locked together; the second reads or plans.
 *
 * Threads: any loop. Failures: all or nothing.
 */
#include "common/err.h"
#include "server/ops/op_kv.h"

/* The next key of a list; for pairs also the value. The list is known to be well-formed. */
static struct kv_place many_next(const struct op_ctx *ctx, struct mp_reader *reader,
                                 struct bytes *out_value)
{
    struct bytes key = BYTES_NONE;
    bool text = false;
    struct mp pair;
    if (out_value != NULL)
        REQUIRE(mp_read(reader, &pair) == 0);
    REQUIRE(mp_read_bytes(reader, &key, &text) == 0);
    if (out_value != NULL) {
        out_value->data = reader->at;
        REQUIRE(mp_skip(reader, MP_DEPTH_MAX) == 0);
        out_value->size = (size_t)(reader->at - out_value->data);
    }
    return kv_place(ctx, key, text);
}

static int many_lock(struct op_ctx *ctx, const struct arg *list, bool pairs, uint64_t need)
{
    struct mp_reader reader = mp_reader_of(list->bytes);
    struct txn_set set = {0};
    struct bytes value;
    for (uint32_t i = 0; i < list->count; i++) {
        struct kv_place place = many_next(ctx, &reader, pairs ? &value : NULL);
        txn_set_add(&set, ctx->store, place.hash);
        partition_prefetch(&ctx->store->partitions[store_partition_index(ctx->store, place.hash)],
                           place.hash);
    }
    return txn_lock_set(ctx->txn, ctx->run, &set, need);
}

int op_kv_mget(struct op_ctx *ctx, const struct args_kv_mget *a)
{
    struct mp_reader reader = mp_reader_of(a->keys.bytes);
    bool with_version = a->with_version.present && a->with_version.boolean;
    int err = many_lock(ctx, &a->keys, false, 0);
    if (err != 0)
        return err;
    reply_array(ctx->reply, a->keys.count);
    for (uint32_t i = 0; i < a->keys.count; i++) {
        struct kv_place place = many_next(ctx, &reader, NULL);
        kv_reply_record(ctx, kv_find(ctx, &place), with_version);
    }
    txn_unlock(ctx->txn);
    return 0;
}

int op_kv_versions(struct op_ctx *ctx, const struct args_kv_versions *a)
{
    struct mp_reader reader = mp_reader_of(a->keys.bytes);
    int err = many_lock(ctx, &a->keys, false, 0);
    if (err != 0)
        return err;
    reply_array(ctx->reply, a->keys.count);
    for (uint32_t i = 0; i < a->keys.count; i++) {
        struct kv_place place = many_next(ctx, &reader, NULL);
        const struct record *record = kv_find(ctx, &place);
        if (record == NULL)
            record = kv_collection(ctx, place.key.bytes);
        if (record != NULL && record_version(record) == 0) /* planned by the batch we are in */
            (void)op_reply_version_later(ctx);
        else
            reply_uint(ctx->reply, record == NULL ? 0 : record_version(record));
    }
    txn_unlock(ctx->txn);
    return 0;
}

/* if_absent: refuse if any of the keys exists. */
static int many_check_absent(struct op_ctx *ctx, const struct arg *pairs)
{
    struct mp_reader reader = mp_reader_of(pairs->bytes);
    struct bytes value;
    for (uint32_t i = 0; i < pairs->count; i++) {
        struct kv_place place = many_next(ctx, &reader, &value);
        const struct record *record = txn_find(ctx->txn, &place.key, place.hash);
        if (record == NULL)
            record = kv_collection(ctx, place.key.bytes);
        if (record != NULL)
            return problem_conflict(ctx->problem, record_version(record),
                                    "key %u of the list exists, with version %llu", i,
                                    (unsigned long long)record_version(record));
    }
    return 0;
}

static int many_plan(struct op_ctx *ctx, const struct arg *pairs, int64_t expires_at_ms)
{
    struct mp_reader reader = mp_reader_of(pairs->bytes);
    bool dropped = false;
    int err = 0;
    for (uint32_t i = 0; i < pairs->count && err == 0; i++) {
        struct bytes value, normal = BYTES_NONE;
        struct kv_place place = many_next(ctx, &reader, &value);
        err = kv_normal_value(ctx, value, &normal);
        struct record_spec spec = {.key = place.key,
                                   .text = place.text && mp_utf8_valid(place.key.bytes),
                                   .value = normal,
                                   .expires_at_ms = expires_at_ms};
        if (err == 0)
            err = kv_drop_collection(ctx, place.key.bytes, &dropped);
        if (err == 0)
            err = txn_put(ctx->txn, &spec, place.hash);
    }
    return err;
}

int op_kv_mput(struct op_ctx *ctx, const struct args_kv_mput *a)
{
    int64_t expires_at_ms = 0;
    int err = kv_expiry(ctx, &a->ttl_ms, NULL, &expires_at_ms);
    if (err == 0)
        err = many_lock(ctx, &a->pairs, true, kv_need(a->pairs.bytes.size, 96 * a->pairs.count));
    if (err != 0)
        return err;
    ctx->txn->many = true;
    if (a->if_absent.present && a->if_absent.boolean)
        err = many_check_absent(ctx, &a->pairs);
    if (err == 0)
        err = many_plan(ctx, &a->pairs, expires_at_ms);
    if (err != 0)
        return err;
    op_reply_version(ctx, txn_commit(ctx->txn));
    return 0;
}

int op_kv_mdel(struct op_ctx *ctx, const struct args_kv_mdel *a)
{
    struct mp_reader reader = mp_reader_of(a->keys.bytes);
    uint64_t existed = 0;
    int err = many_lock(ctx, &a->keys, false, 0);
    ctx->txn->many = true;
    for (uint32_t i = 0; i < a->keys.count && err == 0; i++) {
        struct kv_place place = many_next(ctx, &reader, NULL);
        bool there = txn_find(ctx->txn, &place.key, place.hash) != NULL;
        if (there)
            err = txn_del(ctx->txn, &place.key, place.hash);
        if (err == 0)
            err = kv_drop_collection(ctx, place.key.bytes, &there);
        existed += there;
    }
    if (err != 0)
        return err;
    (void)txn_commit(ctx->txn);
    reply_uint(ctx->reply, existed);
    return 0;
}
