/* SPDX-License-Identifier: BSD-3-Clause
 *
 * kv.incr: counters with bounds.
 *
 * A number is an integer value, or a str or bin that reads as a decimal one (values that came in
 * over RESP). The result is stored as an integer. Nothing wraps: a result outside 64 bits, or
 * outside min and max, is OVERFLOW and changes nothing.
 *
 * Threads: any loop.
 */
#include "common/err.h"
#include "proto/pack.h"
#include "server/ops/op_kv.h"

/* Decimal digits with an optional minus, nothing else; false if not, or outside 64 bits. */
static bool incr_parse(struct bytes text, int64_t *out_number)
{
    bool negative = text.size > 0 && text.data[0] == '-';
    size_t i = negative ? 1 : 0;
    int64_t number = 0;
    if (i == text.size || text.size > 20)
        return false;
    for (; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' ||
            __builtin_mul_overflow(number, 10, &number) ||
            __builtin_sub_overflow(number, text.data[i] - '0', &number))
            return false; /* counted downwards, as the lowest number has no positive twin */
    }
    if (!negative && __builtin_sub_overflow(0, number, &number))
        return false;
    *out_number = number;
    return true;
}

static int incr_number(struct op_ctx *ctx, const struct record *record, int64_t *out_number)
{
    struct mp_reader reader = mp_reader_of(record_value(record));
    struct mp mp;
    bool ok = mp_read(&reader, &mp) == 0;
    if (ok && (mp.kind == MP_SINT || (mp.kind == MP_UINT && mp.uint <= INT64_MAX)))
        *out_number = mp.sint;
    else if (!ok || (mp.kind != MP_STR && mp.kind != MP_BIN) || !incr_parse(mp.bytes, out_number))
        return problem_set(ctx->problem, ERR_WRONG_TYPE,
                           "kv.incr: the stored value is not an integer of 64 bits");
    return 0;
}

static int incr_add(struct op_ctx *ctx, const struct args_kv_incr *a, int64_t number,
                    int64_t *out_result)
{
    int64_t delta = a->delta.present ? a->delta.sint : 1, result;
    if (__builtin_add_overflow(number, delta, &result))
        return problem_set(ctx->problem, ERR_OVERFLOW, "kv.incr: the result exceeds 64 bits");
    if (a->min.present && result < a->min.sint)
        return problem_set(ctx->problem, ERR_OVERFLOW, "kv.incr: the result would be below min");
    if (a->max.present && result > a->max.sint)
        return problem_set(ctx->problem, ERR_OVERFLOW, "kv.incr: the result would be above max");
    *out_result = result;
    return 0;
}

int op_kv_incr(struct op_ctx *ctx, const struct args_kv_incr *a)
{
    struct kv_place place = kv_place_first(ctx, &a->key);
    int64_t number = 0, result = 0, expires_at_ms = 0;
    int err = kv_expiry(ctx, &a->ttl_ms, NULL, &expires_at_ms);
    if (err == 0)
        err = txn_lock(ctx->txn, ctx->run, place.hash, kv_need(a->key.bytes.size, 9));
    if (err != 0)
        return err;
    const struct record *record = txn_find(ctx->txn, &place.key, place.hash);
    if (record != NULL) {
        err = incr_number(ctx, record, &number);
        expires_at_ms = record_expires_at_ms(record);
    }
    if (err == 0)
        err = incr_add(ctx, a, number, &result);
    ctx->env->scratch.size = 0;
    if (err == 0)
        err = pack_int(&ctx->env->scratch, result);
    if (err != 0)
        return err;
    struct record_spec spec = {.key = place.key,
                               .text = place.text && mp_utf8_valid(place.key.bytes),
                               .value = buf_bytes(&ctx->env->scratch),
                               .expires_at_ms = expires_at_ms};
    err = txn_put(ctx->txn, &spec, place.hash);
    if (err != 0)
        return err;
    (void)txn_commit(ctx->txn);
    reply_int(ctx->reply, result);
    return 0;
}
