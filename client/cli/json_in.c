/* SPDX-License-Identifier: BSD-3-Clause
 *
 * JSON to MessagePack: jansson parses, this walks the tree.
 *
 * Invariants: integers stay integers and exact, to 2^64 - 1; order of keys is kept.
 * Threads: pure functions.
 * Failures: told in *usage; out is cut back to where it was.
 */
#include "client/cli/json.h"
#include "common/base64.h"
#include "common/err.h"
#include "proto/json_special.h"
#include "proto/pack.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>

static int json_in_any(const json_t *json, struct buf *out, struct usage *usage);

static struct bytes json_in_bytes(const json_t *json)
{
    return (struct bytes){(const uint8_t *)json_string_value(json), json_string_length(json)};
}

/* "$bin" or "$str" */
static int json_in_base64(bool text, const json_t *json, struct buf *out, struct usage *usage)
{
    struct buf bytes;
    buf_init(&bytes);
    int err = json_is_string(json) ? base64_decode(json_in_bytes(json), &bytes) : ERR_BAD_ARGUMENT;
    if (err == ERR_BAD_ARGUMENT)
        err = usage_set(usage, "\"$%s\" must be base64 with padding", text ? "str" : "bin");
    if (err == 0)
        err = text ? pack_str(out, buf_bytes(&bytes)) : pack_bin(out, buf_bytes(&bytes));
    buf_deinit(&bytes);
    return err;
}

/* proto/pack has no ext: its header is written here, in its shortest form. */
static int json_in_ext_bytes(int8_t type, struct bytes body, struct buf *out)
{
    uint32_t n = (uint32_t)body.size;
    bool fixed = n > 0 && n <= 16 && (n & (n - 1)) == 0; /* 1, 2, 4, 8, 16: 0xd4 to 0xd8 */
    const uint8_t head[6] = {0xc9,       (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
                             (uint8_t)n, (uint8_t)type};
    uint8_t first = fixed ? (uint8_t)(0xd4 + __builtin_ctz(n)) : n <= UINT8_MAX ? 0xc7 : 0xc8;
    size_t skip = fixed ? 5 : n <= UINT8_MAX ? 4 : n <= UINT16_MAX ? 3 : 1;
    if (n > UINT16_MAX)
        first = 0xc9;
    int err = body.size > UINT32_MAX ? ERR_LIMIT_EXCEEDED : buf_append(out, &first, 1);
    if (err == 0)
        err = buf_append(out, head + skip, sizeof head - skip);
    return err != 0 ? err : buf_append(out, body.data, body.size);
}

static int json_in_ext(const json_t *json, struct buf *out, struct usage *usage)
{
    const json_t *type = json_array_get(json, 0), *text = json_array_get(json, 1);
    json_int_t number = json_integer_value(type);
    struct buf body;
    buf_init(&body);
    bool shaped = json_array_size(json) == 2 && json_is_integer(type) && json_is_string(text) &&
                  number >= INT8_MIN && number <= INT8_MAX;
    int err = shaped ? base64_decode(json_in_bytes(text), &body) : ERR_BAD_ARGUMENT;
    if (err == ERR_BAD_ARGUMENT)
        err = usage_set(usage, "\"$ext\" must be [type from -128 to 127, base64]");
    if (err == 0)
        err = json_in_ext_bytes((int8_t)number, buf_bytes(&body), out);
    buf_deinit(&body);
    return err;
}

static int json_in_float(const json_t *json, struct buf *out, struct usage *usage)
{
    struct bytes text = json_is_string(json) ? json_in_bytes(json) : BYTES_NONE;
    if (bytes_equal(text, bytes_of("nan")))
        return pack_real(out, (double)NAN);
    if (bytes_equal(text, bytes_of("inf")))
        return pack_real(out, (double)INFINITY);
    if (bytes_equal(text, bytes_of("-inf")))
        return pack_real(out, (double)-INFINITY);
    return usage_set(usage, "\"$float\" must be \"nan\", \"inf\" or \"-inf\"");
}

/* Digits alone, as an unsigned number of 64 bits. */
static bool json_in_digits(struct bytes text, uint64_t *out_number)
{
    uint64_t number = 0;
    if (text.size == 0 || (text.data[0] == '0' && text.size > 1))
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9' ||
            __builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number))
            return false;
    *out_number = number;
    return true;
}

static int json_in_uint(const json_t *json, struct buf *out, struct usage *usage)
{
    uint64_t number;
    if (!json_is_string(json) || !json_in_digits(json_in_bytes(json), &number))
        return usage_set(usage, "\"$uint\" must be a string of digits, at most 2^64 - 1");
    return pack_uint(out, number);
}

static int json_in_map(const json_t *json, struct buf *out, struct usage *usage)
{
    if (!json_is_array(json))
        return usage_set(usage, "\"$map\" must be [[key, value]...]");
    int err = pack_map(out, json_array_size(json));
    for (size_t i = 0; i < json_array_size(json) && err == 0; i++) {
        const json_t *pair = json_array_get(json, i);
        if (json_array_size(pair) != 2)
            return usage_set(usage, "\"$map\" must be [[key, value]...]");
        err = json_in_any(json_array_get(pair, 0), out, usage);
        if (err == 0)
            err = json_in_any(json_array_get(pair, 1), out, usage);
    }
    return err;
}

static int json_in_special(enum json_special special, const json_t *json, struct buf *out,
                           struct usage *usage)
{
    switch (special) {
    case JSON_SPECIAL_BIN:
        return json_in_base64(false, json, out, usage);
    case JSON_SPECIAL_STR:
        return json_in_base64(true, json, out, usage);
    case JSON_SPECIAL_EXT:
        return json_in_ext(json, out, usage);
    case JSON_SPECIAL_FLOAT:
        return json_in_float(json, out, usage);
    case JSON_SPECIAL_UINT:
        return json_in_uint(json, out, usage);
    case JSON_SPECIAL_MAP:
        return json_in_map(json, out, usage);
    case JSON_SPECIAL_NONE:
        break;
    }
    return ERR_INTERNAL;
}

static int json_in_object(json_t *json, struct buf *out, struct usage *usage)
{
    void *iter = json_object_iter(json);
    int err = 0;
    if (json_object_size(json) == 1) {
        enum json_special special = json_special_of(bytes_of(json_object_iter_key(iter)));
        if (special != JSON_SPECIAL_NONE)
            return json_in_special(special, json_object_iter_value(iter), out, usage);
    }
    err = pack_map(out, json_object_size(json));
    for (; iter != NULL && err == 0; iter = json_object_iter_next(json, iter)) {
        err = pack_str(out, bytes_of(json_object_iter_key(iter)));
        if (err == 0)
            err = json_in_any(json_object_iter_value(iter), out, usage);
    }
    return err;
}

static int json_in_array(const json_t *json, struct buf *out, struct usage *usage)
{
    int err = pack_array(out, json_array_size(json));
    for (size_t i = 0; i < json_array_size(json) && err == 0; i++)
        err = json_in_any(json_array_get(json, i), out, usage);
    return err;
}

static int json_in_any(const json_t *json, struct buf *out, struct usage *usage)
{
    union { /* jansson's iterators want a mutable object, and change nothing */
        const json_t *in;
        json_t *mutable;
    } object = {json};
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return json_in_object(object.mutable, out, usage);
    case JSON_ARRAY:
        return json_in_array(json, out, usage);
    case JSON_STRING:
        return pack_str(out, json_in_bytes(json));
    case JSON_INTEGER:
        return pack_int(out, json_integer_value(json));
    case JSON_REAL:
        return pack_real(out, json_real_value(json));
    case JSON_TRUE:
    case JSON_FALSE:
        return pack_bool(out, json_is_true(json));
    case JSON_NULL:
        return pack_nil(out);
    }
    return ERR_INTERNAL;
}

int json_in(struct bytes text, struct buf *out, struct usage *usage)
{
    json_error_t error;
    uint64_t number;
    size_t before = out->size;
    json_t *json = json_loadb(text.size > 0 ? (const char *)text.data : "", text.size,
                              JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (json == NULL && json_error_code(&error) == json_error_numeric_overflow) {
        if (json_in_digits(text, &number))
            return pack_uint(out, number);
        return usage_set(usage, "line %d: a number in the JSON does not fit into 64 bits%s",
                         error.line, "; inside of something, {\"$uint\": \"...\"} holds 2^64 - 1");
    }
    if (json == NULL) {
        (void)usage_set(usage, "not JSON: line %d column %d: %s", error.line, error.column,
                        error.text);
        return ERR_BAD_REQUEST;
    }
    int err = json_in_any(json, out, usage);
    json_decref(json);
    if (err != 0)
        out->size = before;
    return err;
}
