/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The oracle's operations on keys, each written down as plainly as possible.
 *
 * An operation that fails has changed nothing. What the transaction in progress wrote has version 0
 * and is answered with the version that comes next.
 *
 * Threads: one.
 */
#include "common/err.h"
#include "proto/pack.h"
#include "tests/model/oracle_impl.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* As the server keeps them: a key is text if it came as str and is UTF-8; so is a value. */
static struct model_key normal_key(struct model_key key)
{
    return (struct model_key){key.bytes, key.text && mp_utf8_valid(key.bytes)};
}

static void put_value(struct oracle *o, unsigned run, struct model_key key, struct bytes value,
                      int64_t expires_at_ms)
{
    struct mp_reader reader = mp_reader_of(value);
    struct buf bin;
    struct mp mp;
    buf_init(&bin);
    OK(mp_read(&reader, &mp));
    if (mp.kind == MP_STR && !mp_utf8_valid(mp.bytes)) {
        OK(pack_bin(&bin, mp.bytes));
        value = buf_bytes(&bin);
    }
    oracle_put(o, run, normal_key(key), value, expires_at_ms);
    buf_deinit(&bin);
}

static int expiry(const struct oracle *o, const struct call *c, int64_t *out)
{
    const int64_t max = ((int64_t)1 << 53) - 1;
    int64_t at = 0;
    if (call_has(c, CALL_TTL) && call_has(c, CALL_EXPIRES_AT))
        return ERR_BAD_ARGUMENT;
    if (call_has(c, CALL_TTL))
        at = c->ttl_ms == 0 ? -1 : o->now_ms + (int64_t)c->ttl_ms;
    if (call_has(c, CALL_EXPIRES_AT))
        at = c->expires_at_ms == 0 ? -1 : (int64_t)c->expires_at_ms;
    *out = at < max ? at : max;
    return at < 0 ? ERR_BAD_ARGUMENT : 0;
}

static int conflict(struct expect *x, const struct entry *entry)
{
    x->actual = entry == NULL ? 0 : entry->version;
    return ERR_CONFLICT;
}

static int check(const struct call *c, const struct entry *entry, struct expect *x)
{
    bool absent = entry == NULL;
    if (call_has(c, CALL_IF_VERSION) &&
        (absent ? c->version != 0 : c->version == 0 || c->version != entry->version))
        return conflict(x, entry);
    if (call_has(c, CALL_IF_ABSENT) && !absent)
        return conflict(x, entry);
    if (call_has(c, CALL_IF_EXISTS) && absent)
        return conflict(x, entry);
    if (call_has(c, CALL_IF_VALUE) && (absent || !mp_equal(entry_value(entry), c->if_value)))
        return conflict(x, entry);
    return 0;
}

static void say_ttl(const struct oracle *o, const struct entry *entry, struct expect *x)
{
    if (entry->expires_at_ms == 0)
        OK(pack_nil(&x->result));
    else
        OK(pack_int(&x->result, entry->expires_at_ms - o->now_ms));
}

static void say_value(struct expect *x, struct bytes value)
{
    OK(buf_append(&x->result, value.data, value.size));
}

static uint64_t shown_version(const struct oracle *o, const struct entry *entry)
{
    return entry->version == 0 ? o->version + 1 : entry->version;
}

static void say_entry(const struct oracle *o, const struct entry *entry, bool with_version,
                      struct expect *x)
{
    if (entry == NULL) {
        OK(pack_nil(&x->result));
        return;
    }
    if (with_version)
        OK(pack_array(&x->result, 3));
    say_value(x, entry_value(entry));
    if (!with_version)
        return;
    OK(pack_uint(&x->result, shown_version(o, entry)));
    say_ttl(o, entry, x);
}

static const struct entry *first_of(const struct oracle *o, const struct call *c)
{
    return oracle_live(o, c->run, c->key[0].bytes);
}

static int do_get(struct oracle *o, const struct call *c, struct expect *x)
{
    say_entry(o, first_of(o, c), call_has(c, CALL_WITH_VERSION), x);
    return 0;
}

static int do_put(struct oracle *o, const struct call *c, struct expect *x)
{
    const struct entry *old = first_of(o, c);
    int64_t at;
    int err = expiry(o, c, &at);
    if (err == 0 && call_has(c, CALL_KEEP_TTL) && at != 0)
        err = ERR_BAD_ARGUMENT;
    if (err == 0)
        err = check(c, old, x);
    if (err == ERR_CONFLICT && call_has(c, CALL_RETURN_OLD)) {
        OK(pack_array(&x->result, 2));
        OK(pack_nil(&x->result));
        say_entry(o, old, false, x);
        return 0;
    }
    if (err != 0)
        return err;
    if (call_has(c, CALL_KEEP_TTL) && old != NULL)
        at = old->expires_at_ms;
    if (call_has(c, CALL_RETURN_OLD))
        OK(pack_array(&x->result, 2));
    OK(pack_uint(&x->result, o->version + 1));
    if (call_has(c, CALL_RETURN_OLD))
        say_entry(o, old, false, x);
    put_value(o, c->run, c->key[0], c->value[0], at);
    return 0;
}

static int do_cas(struct oracle *o, const struct call *c, struct expect *x)
{
    const struct entry *old = first_of(o, c);
    struct call conditions = {.options = CALL_IF_VERSION, .version = c->version};
    int64_t at;
    int err = expiry(o, c, &at);
    if (err == 0)
        err = check(&conditions, old, x);
    if (err != 0)
        return err;
    if (at == 0 && old != NULL)
        at = old->expires_at_ms;
    OK(pack_uint(&x->result, o->version + 1));
    put_value(o, c->run, c->key[0], c->value[0], at);
    return 0;
}

static int do_del(struct oracle *o, const struct call *c, struct expect *x)
{
    const struct entry *old = first_of(o, c);
    int err = check(c, old, x);
    if (err != 0)
        return err;
    if (call_has(c, CALL_RETURN_OLD))
        say_entry(o, old, false, x);
    else
        OK(pack_bool(&x->result, old != NULL));
    if (old != NULL)
        oracle_del(o, c->run, c->key[0].bytes);
    return 0;
}

static int do_exists(struct oracle *o, const struct call *c, struct expect *x)
{
    OK(pack_bool(&x->result, first_of(o, c) != NULL));
    return 0;
}

static int do_mget(struct oracle *o, const struct call *c, struct expect *x)
{
    OK(pack_array(&x->result, c->n));
    for (unsigned i = 0; i < c->n; i++)
        say_entry(o, oracle_live(o, c->run, c->key[i].bytes), call_has(c, CALL_WITH_VERSION), x);
    return 0;
}

static int do_versions(struct oracle *o, const struct call *c, struct expect *x)
{
    OK(pack_array(&x->result, c->n));
    for (unsigned i = 0; i < c->n; i++) {
        const struct entry *entry = oracle_live(o, c->run, c->key[i].bytes);
        OK(pack_uint(&x->result, entry == NULL ? 0 : shown_version(o, entry)));
    }
    return 0;
}

static int do_mput(struct oracle *o, const struct call *c, struct expect *x)
{
    int64_t at;
    int err = expiry(o, c, &at);
    for (unsigned i = 0; i < c->n && err == 0 && call_has(c, CALL_IF_ABSENT); i++) {
        const struct entry *entry = oracle_live(o, c->run, c->key[i].bytes);
        if (entry != NULL)
            err = conflict(x, entry);
    }
    if (err != 0)
        return err;
    OK(pack_uint(&x->result, c->n == 0 ? 0 : o->version + 1));
    for (unsigned i = 0; i < c->n; i++)
        put_value(o, c->run, c->key[i], c->value[i], at);
    return 0;
}

static int do_mdel(struct oracle *o, const struct call *c, struct expect *x)
{
    uint64_t existed = 0;
    for (unsigned i = 0; i < c->n; i++) {
        if (oracle_live(o, c->run, c->key[i].bytes) == NULL)
            continue;
        oracle_del(o, c->run, c->key[i].bytes);
        existed++;
    }
    OK(pack_uint(&x->result, existed));
    return 0;
}

/* The integer that a value is or reads as. */
static bool number_of(struct bytes value, int64_t *out)
{
    struct mp_reader reader = mp_reader_of(value);
    char text[32] = "";
    char *end;
    struct mp mp;
    OK(mp_read(&reader, &mp));
    *out = mp.sint;
    if (mp.kind == MP_SINT || (mp.kind == MP_UINT && mp.uint <= INT64_MAX))
        return true;
    if ((mp.kind != MP_STR && mp.kind != MP_BIN) || mp.bytes.size == 0 || mp.bytes.size > 20)
        return false;
    memcpy(text, mp.bytes.data, mp.bytes.size);
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (digits[0] == '0' && strcmp(text, "0") != 0)
        return false;
    if (strspn(text[0] == '-' ? text + 1 : text, "0123456789") + (text[0] == '-') != mp.bytes.size)
        return false;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == 0;
}

static int do_incr(struct oracle *o, const struct call *c, struct expect *x)
{
    const struct entry *old = first_of(o, c);
    int64_t at, number = 0, delta = call_has(c, CALL_DELTA) ? c->delta : 1;
    struct buf value;
    int err = expiry(o, c, &at);
    if (err != 0)
        return err;
    if (old != NULL && !number_of(entry_value(old), &number))
        return ERR_WRONG_TYPE;
    if (delta > 0 ? number > INT64_MAX - delta : number < INT64_MIN - delta)
        return ERR_OVERFLOW;
    number += delta;
    if ((call_has(c, CALL_MIN) && number < c->min) || (call_has(c, CALL_MAX) && number > c->max))
        return ERR_OVERFLOW;
    buf_init(&value);
    OK(pack_int(&value, number));
    OK(pack_int(&x->result, number));
    oracle_put(o, c->run, normal_key(c->key[0]), buf_bytes(&value),
               old == NULL ? at : old->expires_at_ms);
    buf_deinit(&value);
    return 0;
}

/* A double as the decimal number that people take it for: the shortest that reads back as it. */
static long double decimal_of(double real)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            break;
    }
    return strtold(text, NULL);
}

/* The number that a value is, or reads as in decimal. */
static bool real_of(struct bytes value, long double *out)
{
    struct mp_reader reader = mp_reader_of(value);
    char text[NUM_REAL_SIZE] = "", *end;
    struct mp mp;
    OK(mp_read(&reader, &mp));
    *out = mp.kind == MP_UINT ? (long double)mp.uint : (long double)mp.sint;
    if (mp.kind == MP_UINT || mp.kind == MP_SINT)
        return true;
    *out = mp.kind == MP_FLOAT && isfinite(mp.real) ? decimal_of(mp.real) : 0;
    if (mp.kind == MP_FLOAT)
        return isfinite(mp.real);
    if ((mp.kind != MP_STR && mp.kind != MP_BIN) || mp.bytes.size >= sizeof text)
        return false;
    memcpy(text, mp.bytes.data, mp.bytes.size);
    if (mp.bytes.size == 0 || strspn(text, "0123456789+-.eE") != mp.bytes.size)
        return false;
    *out = strtold(text, &end);
    return *end == 0 && isfinite(*out);
}

/* What is whole and fits is kept as an integer. */
static int do_incr_real(struct oracle *o, const struct call *c, struct expect *x)
{
    const struct entry *old = first_of(o, c);
    long double sum = 0;
    struct buf value;
    if (old != NULL && !real_of(entry_value(old), &sum))
        return ERR_WRONG_TYPE;
    sum += decimal_of(c->real);
    if (!isfinite((double)sum))
        return ERR_OVERFLOW;
    bool whole = truncl(sum) == sum && sum > -0x1p63L && sum < 0x1p63L;
    buf_init(&value);
    OK(whole ? pack_int(&value, (int64_t)sum) : pack_real(&value, (double)sum));
    say_value(x, buf_bytes(&value));
    oracle_put(o, c->run, normal_key(c->key[0]), buf_bytes(&value),
               old == NULL ? 0 : old->expires_at_ms);
    buf_deinit(&value);
    return 0;
}

/* The body of a str or bin, or a number in decimal, for which *text stays as it is. */
static bool text_of(const struct entry *entry, char number[static NUM_REAL_SIZE], struct bytes *out,
                    bool *text)
{
    struct mp_reader reader = mp_reader_of(entry_value(entry));
    struct mp mp;
    OK(mp_read(&reader, &mp));
    if (mp_number_text(&mp, number)) {
        *out = bytes_of(number);
        return true;
    }
    *out = mp.bytes;
    *text = mp.kind == MP_STR;
    return mp.kind == MP_STR || mp.kind == MP_BIN;
}

static int do_append(struct oracle *o, const struct call *c, struct expect *x)
{
    const struct entry *old = first_of(o, c);
    struct bytes body = BYTES_NONE;
    struct buf joined, value;
    char number[NUM_REAL_SIZE];
    bool text = c->data_text;
    if (old != NULL && !text_of(old, number, &body, &text))
        return ERR_WRONG_TYPE;
    buf_init(&joined);
    buf_init(&value);
    OK(buf_append(&joined, body.data, body.size));
    OK(buf_append(&joined, c->value[0].data, c->value[0].size));
    text = text && mp_utf8_valid(buf_bytes(&joined));
    OK(text ? pack_str(&value, buf_bytes(&joined)) : pack_bin(&value, buf_bytes(&joined)));
    OK(pack_uint(&x->result, joined.size));
    oracle_put(o, c->run, normal_key(c->key[0]), buf_bytes(&value),
               old == NULL ? 0 : old->expires_at_ms);
    buf_deinit(&joined);
    buf_deinit(&value);
    return 0;
}

static int do_strlen(struct oracle *o, const struct call *c, struct expect *x)
{
    const struct entry *old = first_of(o, c);
    struct bytes body = BYTES_NONE;
    char number[NUM_REAL_SIZE];
    bool text;
    if (old != NULL && !text_of(old, number, &body, &text))
        return ERR_WRONG_TYPE;
    OK(pack_uint(&x->result, body.size));
    return 0;
}

static void put_expiry(struct oracle *o, const struct call *c, struct entry *old, int64_t at)
{
    old->refs++; /* its bytes are read while it is replaced */
    oracle_put(o, c->run, (struct model_key){c->key[0].bytes, old->text}, entry_value(old), at);
    entry_unref(old);
}

/* The conditions of kv.expire; a key without expiry expires later than any other. */
static bool may_expire(const struct call *c, int64_t present, int64_t at)
{
    if (call_has(c, CALL_IF_NONE) && present != 0)
        return false;
    if (call_has(c, CALL_IF_SOME) && present == 0)
        return false;
    int64_t before = present == 0 ? INT64_MAX : present;
    if (call_has(c, CALL_IF_LATER) && at <= before)
        return false;
    return !call_has(c, CALL_IF_SOONER) || at < before;
}

/* Set the expiry of a live key if `changes`, and answer with that or with the value. */
static void change_expiry(struct oracle *o, const struct call *c, size_t i, bool live, bool changes,
                          int64_t at, struct expect *x)
{
    if (call_has(c, CALL_RETURN_VALUE))
        say_entry(o, live ? o->items[i] : NULL, false, x);
    else
        OK(pack_bool(&x->result, changes));
    if (changes)
        put_expiry(o, c, o->items[i], at);
}

static int do_expire(struct oracle *o, const struct call *c, struct expect *x)
{
    bool found;
    int64_t at;
    int err = expiry(o, c, &at);
    if (err != 0 || at == 0)
        return ERR_BAD_ARGUMENT;
    size_t i = oracle_place(o, c->run, c->key[0].bytes, &found);
    found = found && oracle_is_live(o, i);
    change_expiry(o, c, i, found, found && may_expire(c, o->items[i]->expires_at_ms, at), at, x);
    return 0;
}

static int do_persist(struct oracle *o, const struct call *c, struct expect *x)
{
    bool found;
    size_t i = oracle_place(o, c->run, c->key[0].bytes, &found);
    found = found && oracle_is_live(o, i);
    change_expiry(o, c, i, found, found && o->items[i]->expires_at_ms != 0, 0, x);
    return 0;
}

static int do_ttl(struct oracle *o, const struct call *c, struct expect *x)
{
    const struct entry *entry = first_of(o, c);
    if (entry == NULL)
        OK(pack_nil(&x->result));
    else if (entry->expires_at_ms == 0)
        OK(pack_int(&x->result, -1));
    else
        OK(pack_int(&x->result, entry->expires_at_ms - o->now_ms));
    return 0;
}

const oracle_do_fn oracle_do_table[OP_COUNT] = {
    [OP_kv_versions] = do_versions, [OP_kv_incr_real] = do_incr_real,
    [OP_kv_get] = do_get,           [OP_kv_put] = do_put,
    [OP_kv_del] = do_del,           [OP_kv_exists] = do_exists,
    [OP_kv_cas] = do_cas,           [OP_kv_mget] = do_mget,
    [OP_kv_mput] = do_mput,         [OP_kv_mdel] = do_mdel,
    [OP_kv_incr] = do_incr,         [OP_kv_append] = do_append,
    [OP_kv_strlen] = do_strlen,     [OP_kv_expire] = do_expire,
    [OP_kv_ttl] = do_ttl,           [OP_kv_persist] = do_persist,
};
