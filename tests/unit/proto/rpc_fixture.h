/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Requests made from the table of operations, and decoding them; for the tests of proto/rpc.
 *
 * Messages are decoded at the end of a block of exactly their size, so that the address sanitizer
 * sees any read behind them.
 */
#pragma once

#include "proto/rpc.h"

#include "common/err.h"
#include "proto/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* Bytes of a literal, as initializer and as expression. */
#define INIT(text)                                                                                 \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }
#define LITERAL(text) ((struct bytes)INIT(text))
#define UINT_TOP      (((uint64_t)1 << 53) - 1)

static struct buf message;
static struct limits limits;
static struct request request;
static struct problem problem;

static inline int set_up(void **state)
{
    (void)state;
    op_init();
    limits = limits_default();
    return 0;
}

static inline int reset(void **state)
{
    (void)state;
    buf_deinit(&message);
    limits = limits_default();
    return 0;
}

static inline void ok(int err)
{
    assert_int_equal(err, 0);
}

static inline void put_raw(struct bytes bytes)
{
    ok(buf_append(&message, bytes.data, bytes.size));
}

/* A valid argument of each type. */
static const struct bytes samples[ARG_TYPE_COUNT] = {
    [ARG_KEY] = INIT("\xa3key"),
    [ARG_BYTES] = INIT("\xc4\x00"),
    [ARG_NAME] = INIT("\xd9\x04name"),
    [ARG_DATA] = INIT("\xc4\x02\x00\xff"),
    [ARG_VALUE] = INIT("\x82\x01\x91\xc0\xa1x\xca\0\0\0\0"),
    [ARG_INT] = INIT("\xd1\xff\x00"),
    [ARG_UINT] = INIT("\xcf\x00\x1f\xff\xff\xff\xff\xff\xff"),
    [ARG_REAL] = INIT("\xca\xbf\xc0\0\0"),
    [ARG_BOOL] = INIT("\xc3"),
    [ARG_ARRAY] = INIT("\x92\x01\xa1x"),
    [ARG_MAP] = INIT("\x81\xa1k\x91\x01"),
    [ARG_VECTOR] = INIT("\x92\x01\xca\x3f\0\0\0"),
    [ARG_KEYS] = INIT("\x92\xa1"
                      "a\xc4\x01"
                      "b"),
    [ARG_PAIRS] = INIT("\x92\x92\xa1"
                       "a\x01\x92\xa1"
                       "b\xc0"),
    [ARG_CALLS] = INIT("\x91\x92\xa6kv.get\x91\xa1"
                       "a"),
    [ARG_ITEMS] = INIT("\x91\x81\xa1k\x91\x01"),
    [ARG_CONDITIONS] = INIT("\x91\x93\xa2kv\xa1"
                            "a\x07"),
};

static inline void begin(const struct op *op, uint32_t msgid)
{
    message.size = 0;
    ok(rpc_encode_request(&message, msgid, bytes_of(op->name)));
}

static inline void put_name(const struct arg_desc *desc)
{
    ok(pack_str(&message, bytes_of(desc->name)));
}

static inline void put_named(const struct arg_desc *desc)
{
    put_name(desc);
    put_raw(samples[desc->type]);
}

/* A map of the arguments from number `first` on, and those of all operations. */
static inline void put_map(const struct op *op, unsigned first)
{
    ok(pack_map(&message, op->n_args - first + OP_ARGS_OF_ALL));
    for (unsigned i = OP_ARGS_OF_ALL; i > 0; i--)
        put_named(&op_args_of_all[i - 1]);
    for (unsigned i = op->n_args; i > first; i--) /* order does not matter */
        put_named(&op->args[i - 1]);
}

/* `count` arguments by position and, if `map`, the rest by name. */
static inline void put_positional(const struct op *op, unsigned count, bool map)
{
    ok(pack_array(&message, count + map));
    for (unsigned i = 0; i < count; i++)
        put_raw(samples[op->args[i].type]);
    if (map)
        put_map(op, count);
}

/* Decode a copy of the message that ends where its memory does. Views in `request` are moved onto
 * `message`, which stays. */
static inline enum rpc_result decode(size_t *out_size)
{
    uint8_t *copy = malloc(message.size + (message.size == 0));
    if (message.size > 0)
        memcpy(copy, message.data, message.size);
    memset(&request, 0x5a, sizeof request);
    *out_size = 0;
    enum rpc_result result =
        rpc_decode((struct bytes){copy, message.size}, &limits, &request, &problem, out_size);
    free(copy);
    if (result != RPC_OK)
        return result;
    return rpc_decode(buf_bytes(&message), &limits, &request, &problem, out_size);
}

static inline void check_ok(const struct op *op, uint32_t msgid)
{
    size_t size;
    assert_int_equal(decode(&size), RPC_OK);
    assert_int_equal(size, message.size);
    assert_ptr_equal(request.op, op);
    assert_int_equal(request.msgid, msgid);
    assert_false(request.notification);
    assert_false(request.hashed);
}
