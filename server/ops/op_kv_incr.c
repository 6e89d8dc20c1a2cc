/* SPDX-License-Identifier: BSD-3-Clause
 *
 * kv.incr: counters with bounds; kv.incr_real: sums that need not be whole.
 *
 * A number is an integer or float value, or a str or bin that reads as a decimal one (values that
 * came in over RESP). The result is stored as a number. Nothing wraps: a result outside 64 bits, or
 * outside min and max, is OVERFLOW and changes nothing.
 *
 * kv.incr_real adds long doubles read from decimal texts, as Redis does, so that fractions add up
 * as people write them; what is stored is an integer if the sum is whole, else the nearest double.
 *
 * Threads: any loop.
 */
#include "common/err.h"
#include "proto/pack.h"
#include "server/ops/op_kv.h"

#include <math.h>

static int incr_number(struct op_ctx *ctx, const struct record *record, int64_t *out_number)
{
    struct mp_reader reader = mp_reader_of(record_value(record));
    struct mp mp;
    bool ok = mp_read(&reader, &mp) == 0;
    if (ok && (mp.kind == MP_SINT || (mp.kind == MP_UINT && mp.uint <= INT64_MAX)))
        *out_number = mp.sint;
    else if (!ok || (mp.kind != MP_STR && mp.kind != MP_BIN) || !num_read_int(mp.bytes, out_number))
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

/* Put the number, commit and answer with it. */
static int incr_store(struct op_ctx *ctx, const struct kv_place *place, bool is_real, int64_t whole,
                      double real, int64_t expires_at_ms)
{
    struct buf *scratch = &ctx->env->scratch;
    scratch->size = 0;
    int err = is_real ? pack_real(scratch, real) : pack_int(scratch, whole);
    struct record_spec spec = {.key = place->key,
                               .text = place->text && mp_utf8_valid(place->key.bytes),
                               .value = buf_bytes(scratch),
                               .expires_at_ms = expires_at_ms};
    if (err == 0)
        err = txn_put(ctx->txn, &spec, place->hash);
    if (err != 0)
        return err;
    (void)txn_commit(ctx->txn);
    if (is_real)
        reply_real(ctx->reply, real);
    else
        reply_int(ctx->reply, whole);
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
    } else {
        err = kv_absent(ctx, place.key.bytes);
    }
    if (err == 0)
        err = incr_add(ctx, a, number, &result);
    return err != 0 ? err : incr_store(ctx, &place, false, result, 0, expires_at_ms);
}

/* A number as people would write it down. */
static int incr_real_number(struct op_ctx *ctx, const struct record *record, long double *out)
{
    char number[NUM_REAL_SIZE];
    struct bytes body = BYTES_NONE;
    bool text;
    int err = kv_text_of(ctx, record_value(record), number, &body, &text);
    if (err == 0 && num_read_real(body, out))
        return 0;
    return problem_set(ctx->problem, ERR_WRONG_TYPE,
                       "kv.incr_real: the stored value is not a number");
}

int op_kv_incr_real(struct op_ctx *ctx, const struct args_kv_incr_real *a)
{
    struct kv_place place = kv_place_first(ctx, &a->key);
    char delta_text[NUM_REAL_SIZE];
    long double number = 0, delta = 0;
    int err = txn_lock(ctx->txn, ctx->run, place.hash, kv_need(a->key.bytes.size, 9));
    if (err != 0)
        return err;
    const struct record *record = txn_find(ctx->txn, &place.key, place.hash);
    if (record != NULL)
        err = incr_real_number(ctx, record, &number);
    else
        err = kv_absent(ctx, place.key.bytes);
    num_format_real(a->delta.real, delta_text);
    REQUIRE(num_read_real(bytes_of(delta_text), &delta)); /* the decoder refused all others */
    long double result = number + delta;
    bool whole = result == rintl(result) && fabsl(result) < 0x1p63L;
    if (err == 0 && !isfinite((double)result))
        err = problem_set(ctx->problem, ERR_OVERFLOW, "kv.incr_real: the result is infinite");
    return err != 0 ? err
                    : incr_store(ctx, &place, !whole, whole ? (int64_t)result : 0, (double)result,
                                 record == NULL ? 0 : record_expires_at_ms(record));
}
