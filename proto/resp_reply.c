/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From the result of an operation, which is MessagePack, to a RESP reply in the shape the command
 * promises.
 *
 *   kv.get     c4 03 66 6f 6f   VALUE      $3\r\nfoo\r\n
 *   kv.put     cd 12 34         OK         +OK\r\n
 *   kv.ttl     c0               TTL        :-2\r\n
 *
 * Results come from our own handlers and are well-formed; stored values were checked when they came
 * in. So reading cannot fail, and REQUIRE says so.
 *
 * Threads: pure functions.
 * Failures: memory, and a reply larger than limits.reply_bytes.
 */
#include "common/err.h"
#include "proto/resp_impl.h"

#include <stdio.h>

static struct mp reply_read(struct mp_reader *reader)
{
    struct mp mp;
    REQUIRE(mp_read(reader, &mp) == 0);
    return mp;
}

/* ---- values ---- */

static int reply_number(const struct resp_context *context, const struct mp *mp, bool top,
                        struct buf *out)
{
    char text[NUM_REAL_SIZE];
    REQUIRE(mp_number_text(mp, text));
    if (top || (mp->kind == MP_UINT && mp->uint > INT64_MAX))
        return resp_put_text(out, text);
    return mp->kind == MP_FLOAT ? resp_put_real(context, mp->real, out)
                                : resp_put_int(out, mp->sint);
}

int resp_put_real(const struct resp_context *context, double value, struct buf *out)
{
    char text[NUM_REAL_SIZE];
    const struct mp mp = {.kind = MP_FLOAT, .real = value};
    REQUIRE(mp_number_text(&mp, text));
    if (context->version != 3)
        return resp_put_text(out, text);
    size_t n = strlen(text);
    text[n] = '\r';
    int err = buf_append(out, ",", 1);
    if (err == 0)
        err = buf_append(out, text, n + 1);
    return err != 0 ? err : buf_append(out, "\n", 1);
}

int resp_put_bool(const struct resp_context *context, bool value, struct buf *out)
{
    if (context->version == 3)
        return buf_append(out, value ? "#t\r\n" : "#f\r\n", 4);
    return resp_put_int(out, value);
}

/* An array or map: its header now, its elements after it. */
static int reply_container(const struct resp_context *context, struct mp_reader *reader,
                           const struct mp *mp, struct buf *out)
{
    bool map = mp->kind == MP_MAP;
    uint64_t left = map ? 2 * (uint64_t)mp->count : mp->count;
    size_t start = out->size;
    int err = map ? resp_put_map(out, mp->count, context->version) : resp_put_array(out, left);
    for (; left > 0 && err == 0; left--) {
        err = resp_put_value(context, reader, false, out);
        if (err == 0 && out->size - start > context->reply_bytes)
            err = ERR_LIMIT_EXCEEDED;
    }
    return err;
}

int resp_put_value(const struct resp_context *context, struct mp_reader *reader, bool top,
                   struct buf *out)
{
    struct mp mp = reply_read(reader);
    switch (mp.kind) {
    case MP_STR:
    case MP_BIN:
    case MP_EXT:
        return resp_put_bulk(out, mp.bytes);
    case MP_NIL:
        return resp_put_nil(out, context->version);
    case MP_BOOL:
        return resp_put_bool(context, mp.boolean, out);
    case MP_UINT:
    case MP_SINT:
    case MP_FLOAT:
        return reply_number(context, &mp, top, out);
    case MP_ARRAY:
    case MP_MAP:
        break;
    }
    return reply_container(context, reader, &mp, out);
}

/* A bin of less than 256 bytes, as most values that came in here, without the way through mp. */
static inline int reply_value(const struct resp_context *context, struct bytes result,
                              struct buf *out)
{
    struct mp_reader reader = mp_reader_of(result);
    if (result.data[0] == 0xc4)
        return resp_put_bulk(out, (struct bytes){result.data + 2, result.data[1]});
    return resp_put_value(context, &reader, true, out);
}

static int reply_values(const struct resp_context *context, struct mp_reader *reader,
                        struct buf *out)
{
    struct mp array = reply_read(reader);
    size_t start = out->size;
    int err = resp_put_array(out, array.count);
    for (uint32_t i = 0; i < array.count && err == 0; i++) {
        err = resp_put_value(context, reader, true, out);
        if (err == 0 && out->size - start > context->reply_bytes)
            err = ERR_LIMIT_EXCEEDED;
    }
    return err;
}

/* ---- shapes ---- */

static int reply_integer(struct mp_reader *reader, struct buf *out)
{
    struct mp mp = reply_read(reader);
    int64_t n = 0;
    if (mp.kind != MP_ARRAY)
        return resp_put_int(out, mp.kind == MP_BOOL ? mp.boolean : mp.sint);
    for (uint32_t i = 0; i < mp.count; i++)
        n += reply_read(reader).uint != 0;
    return resp_put_int(out, n);
}

/* Milliseconds left, -1 without expiry or nil. */
static int reply_ttl(const struct resp_context *context, enum resp_shape shape,
                     struct mp_reader *reader, struct buf *out)
{
    struct mp mp = reply_read(reader);
    if (mp.kind == MP_NIL || mp.kind == MP_SINT)
        return resp_put_int(out, mp.kind == MP_NIL ? -2 : -1);
    int64_t ms = (int64_t)mp.uint;
    if (shape == RESP_SHAPE_TIME || shape == RESP_SHAPE_TIME_SECONDS)
        ms += context->now_ms;
    if (shape == RESP_SHAPE_TTL_SECONDS || shape == RESP_SHAPE_TIME_SECONDS)
        ms = (ms + 500) / 1000;
    return resp_put_int(out, ms);
}

/* [version, value]; a version alone. */
static int reply_set(const struct resp_context *context, struct mp_reader *reader, struct buf *out)
{
    struct mp mp = reply_read(reader);
    if (mp.kind != MP_ARRAY)
        return resp_put_simple(out, "OK");
    (void)reply_read(reader);
    return resp_put_value(context, reader, true, out);
}

static const char *reply_type(struct mp kind)
{
    if (kind.kind == MP_NIL)
        return "none";
    return bytes_equal(kind.bytes, bytes_of("collection")) ? "vectorset" : "string";
}

static int reply_pong(const struct resp_context *context, struct mp_reader *reader, struct buf *out)
{
    struct mp_reader ahead = *reader;
    struct mp mp = reply_read(&ahead);
    if (mp.kind == MP_STR) /* arguments come as bin */
        return resp_put_simple(out, "PONG");
    return resp_put_value(context, reader, true, out);
}

/* {items, cursor} in this order. */
static int reply_page(const struct resp_context *context, struct mp_reader *reader, struct buf *out)
{
    struct buf items;
    char text[NUM_TEXT_SIZE];
    (void)reply_read(reader);
    (void)reply_read(reader);
    buf_init(&items);
    int err = reply_values(context, reader, &items);
    if (err == 0) {
        (void)reply_read(reader);
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)reply_read(reader).uint);
        err = resp_put_array(out, 2);
        if (err == 0)
            err = resp_put_text(out, text);
        if (err == 0)
            err = buf_append(out, items.data, items.size);
    }
    buf_deinit(&items);
    return err;
}

int resp_reply(const struct resp_context *context, enum resp_shape shape, struct bytes result,
               struct buf *out)
{
    struct mp_reader reader = mp_reader_of(result);
    switch (shape) {
    case RESP_SHAPE_OK:
        return resp_put_simple(out, "OK");
    case RESP_SHAPE_SET:
    case RESP_SHAPE_SECOND:
        return reply_set(context, &reader, out);
    case RESP_SHAPE_DONE:
        return resp_put_int(out, 1);
    case RESP_SHAPE_VALUE:
        return reply_value(context, result, out);
    case RESP_SHAPE_VALUES:
        return reply_values(context, &reader, out);
    case RESP_SHAPE_INTEGER:
        return reply_integer(&reader, out);
    case RESP_SHAPE_TTL:
    case RESP_SHAPE_TTL_SECONDS:
    case RESP_SHAPE_TIME:
    case RESP_SHAPE_TIME_SECONDS:
        return reply_ttl(context, shape, &reader, out);
    case RESP_SHAPE_TYPE:
        return resp_put_simple(out, reply_type(reply_read(&reader)));
    case RESP_SHAPE_PONG:
        return reply_pong(context, &reader, out);
    case RESP_SHAPE_PAGE:
        return reply_page(context, &reader, out);
    case RESP_SHAPE_CARD:
        return reply_integer(&reader, out);
    case RESP_SHAPE_BOOL:
    case RESP_SHAPE_DIM:
    case RESP_SHAPE_VINFO:
    case RESP_SHAPE_VECTOR:
    case RESP_SHAPE_MEMBER:
    case RESP_SHAPE_LINKS:
    case RESP_SHAPE_LINKS_SCORES:
    case RESP_SHAPE_ATTRIBUTES:
    case RESP_SHAPE_HITS:
    case RESP_SHAPE_HITS_SCORES:
    case RESP_SHAPE_HITS_ATTRIBUTES:
    case RESP_SHAPE_HITS_BOTH:
        return resp_reply_vec(context, shape, &reader, out);
    case RESP_SHAPE_NONE:
        break;
    }
    return ERR_INTERNAL;
}

/* ---- problems ---- */

static const char *reply_wrong_type(const struct resp_command *command)
{
    if (command->op == OP_kv_incr)
        return "ERR value is not an integer or out of range";
    if (command->op == OP_kv_incr_real)
        return "ERR value is not a valid float";
    return "WRONGTYPE Operation against a key holding the wrong kind of value";
}

int resp_reply_problem(const struct resp_context *context, const struct resp_command *command,
                       enum resp_shape shape, const struct problem *problem, struct buf *out)
{
    char line[sizeof problem->text + 16];
    int err;
    switch (problem->err) {
    case ERR_NOT_FOUND:
        if (resp_reply_absent(context, shape, problem, out, &err))
            return err;
        break;
    case ERR_CONFLICT:
        if (shape == RESP_SHAPE_DONE)
            return resp_put_int(out, 0);
        if (shape == RESP_SHAPE_SET)
            return resp_put_nil(out, context->version);
        break;
    case ERR_WRONG_TYPE:
        return resp_put_error(out, reply_wrong_type(command));
    case ERR_OVERFLOW:
        return resp_put_error(out, command->op == OP_kv_incr
                                       ? "ERR increment or decrement would overflow"
                                       : "ERR increment would produce NaN or Infinity");
    case ERR_NOAUTH:
        return resp_put_error(out, "NOAUTH Authentication required.");
    case ERR_AUTH_FAILED:
        return resp_put_error(out, "WRONGPASS invalid username-password pair or user is disabled.");
    case ERR_OUT_OF_MEMORY:
        return resp_put_error(out, "OOM command not allowed when used memory > 'maxmemory'.");
    default:
        break;
    }
    const char *code = problem->err == ERR_BUSY            ? "BUSY"
                       : problem->err == ERR_SHUTTING_DOWN ? "LOADING"
                       : problem->err == ERR_DISK_FULL     ? "MISCONF"
                                                           : "ERR";
    (void)snprintf(line, sizeof line, "%s %s", code, problem->text);
    return resp_put_error(out, line);
}
