/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/rpc: every operation of the table, decoded from encodings made from the table in every form
 * that params may have; then what must be refused, and that a refused message leaves the stream in
 * step; what ends the stream; limits; cut messages; calls of a batch; the client's side.
 *
 * Messages stand at the end of a block of exactly their size, so that the address sanitizer sees
 * any read behind them.
 */
#include "proto/rpc.h"

#include "common/err.h"
#include "proto/pack.h"
#include "proto/reply.h"

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

static int set_up(void **state)
{
    (void)state;
    op_init();
    limits = limits_default();
    return 0;
}

static int reset(void **state)
{
    (void)state;
    buf_deinit(&message);
    limits = limits_default();
    return 0;
}

static void ok(int err)
{
    assert_int_equal(err, 0);
}

static void put_raw(struct bytes bytes)
{
    ok(buf_append(&message, bytes.data, bytes.size));
}

/* ---- messages made from the table ---- */

/* A valid argument of each type, and whether what was decoded is it. */
static const struct bytes samples[ARG_TYPE_COUNT] = {
    [ARG_KEY] = INIT("\xa3key"),
    [ARG_BYTES] = INIT("\xc4\x00"),
    [ARG_NAME] = INIT("\xd9\x04name"),
    [ARG_DATA] = INIT("\xc4\x02\x00\xff"),
    [ARG_VALUE] = INIT("\x82\x01\x91\xc0\xa1x\xca\0\0\0\0"),
    [ARG_INT] = INIT("\xd1\xff\x00"),
    [ARG_UINT] = INIT("\xcf\x00\x1f\xff\xff\xff\xff\xff\xff"),
    [ARG_BOOL] = INIT("\xc3"),
    [ARG_KEYS] = INIT("\x92\xa1"
                      "a\xc4\x01"
                      "b"),
    [ARG_PAIRS] = INIT("\x92\x92\xa1"
                       "a\x01\x92\xa1"
                       "b\xc0"),
    [ARG_CALLS] = INIT("\x91\x92\xa6kv.get\x91\xa1"
                       "a"),
    [ARG_CONDITIONS] = INIT("\x91\x93\xa2kv\xa1"
                            "a\x07"),
};

static void check_body(const struct arg *arg, struct bytes sample, size_t head)
{
    assert_int_equal(arg->bytes.size, sample.size - head);
    assert_memory_equal(arg->bytes.data, sample.data + head, arg->bytes.size);
}

static void check_sample(const struct arg *arg, enum arg_type type)
{
    struct bytes sample = samples[type];
    assert_true(arg->present);
    switch (type) {
    case ARG_KEY:
        assert_true(arg->text);
        check_body(arg, sample, 1);
        break;
    case ARG_BYTES:
    case ARG_DATA:
        assert_false(arg->text);
        check_body(arg, sample, 2);
        break;
    case ARG_NAME:
        assert_true(arg->text);
        check_body(arg, sample, 2);
        break;
    case ARG_VALUE:
        check_body(arg, sample, 0);
        break;
    case ARG_INT:
        assert_int_equal(arg->sint, -256);
        break;
    case ARG_UINT:
        assert_true(arg->uint == UINT_TOP);
        break;
    case ARG_BOOL:
        assert_true(arg->boolean);
        break;
    case ARG_KEYS:
    case ARG_PAIRS:
        assert_int_equal(arg->count, 2);
        check_body(arg, sample, 1);
        break;
    case ARG_CALLS:
    case ARG_CONDITIONS:
        assert_int_equal(arg->count, 1);
        check_body(arg, sample, 1);
        break;
    case ARG_TYPE_COUNT:
        fail();
    }
}

static void begin(const struct op *op, uint32_t msgid)
{
    message.size = 0;
    ok(rpc_encode_request(&message, msgid, bytes_of(op->name)));
}

static void put_name(const struct arg_desc *desc)
{
    ok(pack_str(&message, bytes_of(desc->name)));
}

static void put_named(const struct arg_desc *desc)
{
    put_name(desc);
    put_raw(samples[desc->type]);
}

/* A map of the arguments from number `first` on, and those of all operations. */
static void put_map(const struct op *op, unsigned first)
{
    ok(pack_map(&message, op->n_args - first + OP_ARGS_OF_ALL));
    for (unsigned i = OP_ARGS_OF_ALL; i > 0; i--)
        put_named(&op_args_of_all[i - 1]);
    for (unsigned i = op->n_args; i > first; i--) /* order does not matter */
        put_named(&op->args[i - 1]);
}

/* `count` arguments by position and, if `map`, the rest by name. */
static void put_positional(const struct op *op, unsigned count, bool map)
{
    ok(pack_array(&message, count + map));
    for (unsigned i = 0; i < count; i++)
        put_raw(samples[op->args[i].type]);
    if (map)
        put_map(op, count);
}

/* Decode a copy of the message that ends where its memory does. Views in `request` are moved onto
 * `message`, which stays. */
static enum rpc_result decode(size_t *out_size)
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

static void check_ok(const struct op *op, uint32_t msgid)
{
    size_t size;
    assert_int_equal(decode(&size), RPC_OK);
    assert_int_equal(size, message.size);
    assert_ptr_equal(request.op, op);
    assert_int_equal(request.msgid, msgid);
    assert_false(request.notification);
    assert_false(request.hashed);
}

/* Arguments 0..n-1 are there as samples; the others if `rest`. */
static void check_args(const struct op *op, unsigned n, bool rest)
{
    const struct arg *all = &request.all.run;
    for (unsigned i = 0; i < op->n_args; i++) {
        if (i < n || rest)
            check_sample(&request.args[i], op->args[i].type);
        else
            assert_false(request.args[i].present);
    }
    for (unsigned i = 0; i < OP_ARGS_OF_ALL; i++) {
        if (rest)
            check_sample(&all[i], op_args_of_all[i].type);
        else
            assert_false(all[i].present);
    }
}

static void by_position(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct op *op = &op_table[i];
        for (unsigned n = op->n_required; n <= op->n_positional; n++) {
            begin(op, i);
            put_positional(op, n, false);
            check_ok(op, i);
            check_args(op, n, false);
        }
    }
}

static void by_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct op *op = &op_table[i];
        begin(op, i);
        put_map(op, 0);
        check_ok(op, i);
        check_args(op, op->n_args, true);
        if (op->n_positional > 0 && op->args[0].type == ARG_VALUE)
            continue; /* an array of one map is that value */
        begin(op, i);
        ok(pack_array(&message, 1));
        put_map(op, 0);
        check_ok(op, i);
        check_args(op, op->n_args, true);
    }
}

static void mixed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct op *op = &op_table[i];
        for (unsigned n = op->n_required; n <= op->n_positional; n++) {
            if (n < op->n_positional && op->args[n].type == ARG_VALUE)
                continue; /* a map there is that value */
            begin(op, i);
            put_positional(op, n, true);
            check_ok(op, i);
            check_args(op, op->n_args, true);
        }
    }
}

/* A map in the place of a VALUE is the value, never options. */
static void maps_as_values(void **state)
{
    (void)state;
    begin(&op_table[OP_kv_put], 1);
    put_raw(LITERAL("\x92\xa1k\x81\xa6ttl_ms\x05"));
    check_ok(&op_table[OP_kv_put], 1);
    assert_int_equal(request.args[1].bytes.size, 9);
    assert_false(request.args[2].present);
    begin(&op_table[OP_server_ping], 1);
    put_raw(LITERAL("\x91\x80"));
    check_ok(&op_table[OP_server_ping], 1);
    assert_true(request.args[0].present);
}

/* nil stands for an option that is not given, unless nil may be its value. */
static void options_nil(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct op *op = &op_table[i];
        for (unsigned k = op->n_required; k < op->n_args; k++) {
            bool value = op->args[k].type == ARG_VALUE;
            begin(op, 1);
            ok(pack_map(&message, op->n_required + 1));
            for (unsigned r = 0; r < op->n_required; r++)
                put_named(&op->args[r]);
            put_name(&op->args[k]);
            ok(pack_nil(&message));
            check_ok(op, 1);
            assert_int_equal(request.args[k].present, value);
        }
    }
    begin(&op_table[OP_kv_incr], 1);
    put_raw(LITERAL("\x92\xa1k\xc0"));
    check_ok(&op_table[OP_kv_incr], 1);
    assert_false(request.args[1].present);
}

/* ---- what is refused ---- */

/* The message is refused with this error; what follows it is decoded as if nothing had been. */
static void check_refused(int err, const char *text)
{
    size_t size, whole = message.size;
    put_raw(LITERAL("\x94\x00\x63\xa4ping\x90"));
    enum rpc_result result = decode(&size);
    if (result != RPC_REFUSED || problem.err != err || strstr(problem.text, text) == NULL)
        fail_msg("result %d, %s: %s; expected '%s'", result, err_name(problem.err), problem.text,
                 text);
    assert_int_equal(size, whole);
    struct bytes rest = {message.data + size, message.size - size};
    assert_int_equal(rpc_decode(rest, &limits, &request, &problem, &size), RPC_OK);
    assert_ptr_equal(request.op, &op_table[OP_server_ping]);
    assert_int_equal(request.msgid, 0x63);
}

enum {
    IS_NIL,
    IS_BOOL,
    IS_UINT,
    IS_SINT,
    IS_REAL,
    IS_STR,
    IS_BIN,
    IS_EMPTY,
    IS_EXT,
    IS_LIST,
    IS_MAP,
    KINDS
};

static const struct bytes kinds[KINDS] = {
    INIT("\xc0"),         INIT("\xc3"),     INIT("\x05"),         INIT("\xff"),
    INIT("\xca\0\0\0\0"), INIT("\xa1s"),    INIT("\xc4\x01s"),    INIT("\xa0"),
    INIT("\xd4\x01s"),    INIT("\x91\x05"), INIT("\x81\x05\x05"),
};

/* Which of `kinds` each type takes, as bits. */
static const unsigned taken[ARG_TYPE_COUNT] = {
    [ARG_KEY] = 1u << IS_STR | 1u << IS_BIN,
    [ARG_BYTES] = 1u << IS_STR | 1u << IS_BIN | 1u << IS_EMPTY,
    [ARG_NAME] = 1u << IS_STR | 1u << IS_BIN,
    [ARG_DATA] = 1u << IS_STR | 1u << IS_BIN | 1u << IS_EMPTY,
    [ARG_VALUE] = (1u << KINDS) - 1,
    [ARG_INT] = 1u << IS_UINT | 1u << IS_SINT,
    [ARG_UINT] = 1u << IS_UINT,
    [ARG_BOOL] = 1u << IS_BOOL,
};

/* Required arguments by name, one of them (or an option) replaced by `input`. */
static void put_with(const struct op *op, const struct arg_desc *odd, struct bytes input)
{
    begin(op, 9);
    ok(pack_map(&message, op->n_required + (odd->place != ARG_REQUIRED)));
    for (unsigned i = 0; i < op->n_required; i++)
        if (&op->args[i] != odd)
            put_named(&op->args[i]);
    put_name(odd);
    put_raw(input);
}

static void check_types(const struct op *op, const struct arg_desc *desc)
{
    char quoted[OP_NAME_MAX + 3];
    (void)snprintf(quoted, sizeof quoted, "'%s'", desc->name);
    for (unsigned kind = 0; kind < KINDS; kind++) {
        bool list = desc->type >= ARG_KEYS && kind == IS_LIST;
        bool fine =
            (taken[desc->type] >> kind & 1) != 0 || (kind == IS_NIL && desc->place != ARG_REQUIRED);
        put_with(op, desc, kinds[kind]);
        if (fine)
            check_ok(op, 9);
        else if (list && desc->type == ARG_KEYS)
            check_refused(ERR_BAD_ARGUMENT, "'key'");
        else
            check_refused(ERR_BAD_ARGUMENT, quoted);
    }
}

static void wrong_types(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        for (unsigned k = 0; k < op_table[i].n_args; k++)
            check_types(&op_table[i], &op_table[i].args[k]);
        for (unsigned k = 0; k < OP_ARGS_OF_ALL; k++)
            check_types(&op_table[i], &op_args_of_all[k]);
    }
}

/* Numbers at and beyond the ends of their types. */
static void number_ranges(void **state)
{
    (void)state;
    static const struct {
        struct bytes input;
        bool as_int, as_uint;
    } rows[] = {
        {INIT("\xcf\x00\x20\0\0\0\0\0\0"), true, false}, /* 2^53 */
        {INIT("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), true, false},
        {INIT("\xcf\x80\0\0\0\0\0\0\0"), false, false},
        {INIT("\xd3\x80\0\0\0\0\0\0\0"), true, false},
        {INIT("\xd0\x05"), true, true}, /* signed form of a positive number */
    };
    const struct op *op = &op_table[OP_kv_incr];
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        for (unsigned k = 1; k < op->n_args; k++) {
            bool fine = op->args[k].type == ARG_INT ? rows[i].as_int : rows[i].as_uint;
            put_with(op, &op->args[k], rows[i].input);
            if (fine)
                check_ok(op, 9);
            else
                check_refused(ERR_BAD_ARGUMENT, op->args[k].name);
        }
    }
}

/* Wrong elements inside lists. */
static void wrong_items(void **state)
{
    (void)state;
    static const struct {
        enum op_id id;
        unsigned arg;
        struct bytes input;
        const char *text;
    } rows[] = {
        {OP_kv_mget, 0,
         INIT("\x92\xa1"
              "a\xa0"),
         "'key'"},
        {OP_kv_mput, 0,
         INIT("\x91\x91\xa1"
              "a"),
         "'pairs'"},
        {OP_kv_mput, 0,
         INIT("\x91\x93\xa1"
              "a\x01\x02"),
         "'pairs'"},
        {OP_kv_mput, 0,
         INIT("\x91\x81\xa1"
              "a\x01"),
         "'pairs'"},
        {OP_kv_mput, 0, INIT("\x91\x92\x01\x01"), "'key'"},
        {OP_batch, 0, INIT("\x91\x92\x01\x90"), "'calls'"},
        {OP_batch, 0, INIT("\x91\x91\xa6kv.get"), "'calls'"},
        {OP_batch, 0, INIT("\x91\xa6kv.get"), "'calls'"},
        {OP_batch, 2,
         INIT("\x91\x92\xa2kv\xa1"
              "a"),
         "'conditions'"},
        {OP_batch, 2,
         INIT("\x91\x93\x01\xa1"
              "a\x01"),
         "'conditions'"},
        {OP_batch, 2, INIT("\x91\x93\xa2kv\x01\x01"), "'key'"},
        {OP_batch, 2,
         INIT("\x91\x93\xa2kv\xa1"
              "a\xc0"),
         "'version'"},
        {OP_batch, 2,
         INIT("\x91\x93\xa2kv\xa1"
              "a\xff"),
         "'version'"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        put_with(&op_table[rows[i].id], &op_table[rows[i].id].args[rows[i].arg], rows[i].input);
        check_refused(ERR_BAD_ARGUMENT, rows[i].text);
    }
}

static void missing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct op *op = &op_table[i];
        for (unsigned k = 0; k < op->n_required; k++) {
            char text[OP_NAME_MAX + 20];
            (void)snprintf(text, sizeof text, "'%s' is missing", op->args[k].name);
            begin(op, 9);
            put_positional(op, k, false);
            check_refused(ERR_BAD_ARGUMENT, text);
            begin(op, 9);
            ok(pack_map(&message, op->n_required - 1));
            for (unsigned r = 0; r < op->n_required; r++)
                if (r != k)
                    put_named(&op->args[r]);
            check_refused(ERR_BAD_ARGUMENT, text);
        }
    }
}

static void too_many(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct op *op = &op_table[i];
        char text[40];
        (void)snprintf(text, sizeof text, "at most %u arguments", op->n_positional);
        begin(op, 9);
        ok(pack_array(&message, op->n_positional + 1));
        for (unsigned k = 0; k < op->n_positional; k++)
            put_raw(samples[op->args[k].type]);
        ok(pack_bool(&message, true));
        check_refused(ERR_BAD_ARGUMENT, text);
    }
}

static void unknown_options(void **state)
{
    (void)state;
    static const struct bytes names[] = {
        INIT("\xa4nope"),
        INIT("\xa0"),
        INIT("\xa4run\0"),
        INIT("\xa5run\0\0"),
        INIT("\xa2ru"),
        INIT("\xa4runs"),
        INIT("\xc4\x03RUN"),
        INIT("\xa4\xff\n\r\0"),
        INIT("\xd9\x50"
             "name_of_eighty_bytes_name_of_eighty_bytes_name_of_eighty_bytes_name_of_eighty_by"),
    };
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct op *op = &op_table[i];
        for (size_t k = 0; k < LENGTH_OF(names); k++) {
            begin(op, 9);
            ok(pack_map(&message, 1));
            put_raw(names[k]);
            ok(pack_uint(&message, 1));
            check_refused(ERR_BAD_ARGUMENT, "unknown option");
            assert_null(strpbrk(problem.text, "\r\n"));
        }
        begin(op, 9);
        put_raw(LITERAL("\x81\x01\x01"));
        check_refused(ERR_BAD_ARGUMENT, "names of options must be str");
    }
}

static void given_twice(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct op *op = &op_table[i];
        for (unsigned k = 0; k < op->n_args + OP_ARGS_OF_ALL; k++) {
            const struct arg_desc *desc =
                k < op->n_args ? &op->args[k] : &op_args_of_all[k - op->n_args];
            begin(op, 9);
            ok(pack_map(&message, 2));
            put_named(desc);
            put_named(desc);
            check_refused(ERR_BAD_ARGUMENT, "given twice");
        }
        if (op->n_required > 0) { /* by position and by name */
            begin(op, 9);
            ok(pack_array(&message, op->n_required + 1));
            for (unsigned k = 0; k < op->n_required; k++)
                put_raw(samples[op->args[k].type]);
            ok(pack_map(&message, 1));
            put_named(&op->args[0]);
            check_refused(ERR_BAD_ARGUMENT, "given twice");
        }
    }
}

static void methods_and_params(void **state)
{
    (void)state;
    static const struct {
        struct bytes input;
        int err;
        const char *text;
    } rows[] = {
        {INIT("\x94\x00\x05\xa4nope\x90"), ERR_UNKNOWN_METHOD, "unknown method 'nope'"},
        {INIT("\x94\x00\x05\xa0\x90"), ERR_UNKNOWN_METHOD, "unknown method ''"},
        {INIT("\x94\x00\x05\xa5ping\0\x90"), ERR_UNKNOWN_METHOD, "unknown method 'ping"},
        {INIT("\x94\x00\x05\xa3\r\n:\x90"), ERR_UNKNOWN_METHOD, "unknown method '??:'"},
        {INIT("\x94\x00\x05\x01\x90"), ERR_BAD_REQUEST, "method must be a str"},
        {INIT("\x94\x00\x05\xc0\x90"), ERR_BAD_REQUEST, "method must be a str"},
        {INIT("\x94\x00\x05\xa4ping\xc0"), ERR_BAD_REQUEST, "params must be"},
        {INIT("\x94\x00\x05\xa4ping\x05"), ERR_BAD_REQUEST, "params must be"},
        {INIT("\x94\x00\x05\xa4ping\xa1x"), ERR_BAD_REQUEST, "params must be"},
        {INIT("\x93\x02\xa4nope\x90"), ERR_UNKNOWN_METHOD, "unknown method 'nope'"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        size_t size;
        message.size = 0;
        put_raw(rows[i].input);
        assert_int_equal(decode(&size), RPC_REFUSED);
        assert_int_equal(request.notification, rows[i].input.data[0] == 0x93);
        if (!request.notification)
            assert_int_equal(request.msgid, 5);
        check_refused(rows[i].err, rows[i].text);
    }
}

/* ---- messages ---- */

static void accepted_forms(void **state)
{
    (void)state;
    static const struct {
        struct bytes input;
        uint32_t msgid;
        bool notification;
    } rows[] = {
        {INIT("\x94\x00\x05\xa4ping\x90"), 5, false},
        {INIT("\x94\x00\xce\xff\xff\xff\xff\xa4ping\x90"), UINT32_MAX, false},
        {INIT("\x94\x00\xcf\0\0\0\0\xff\xff\xff\xff\xa4ping\x90"), UINT32_MAX, false},
        {INIT("\xdc\x00\x04\xcc\x00\xd0\x05\xa4ping\xdd\0\0\0\0"), 5, false}, /* over-long */
        {INIT("\x94\x00\x05\xc4\x04ping\x90"), 5, false},                     /* method as bin */
        {INIT("\x94\x00\x05\xdb\0\0\0\x0bserver.ping\x90"), 5, false},
        {INIT("\x94\x00\x05\xa4ping\x80"), 5, false}, /* params as map */
        {INIT("\x94\x00\x05\xa4ping\xdf\0\0\0\0"), 5, false},
        {INIT("\x93\x02\xa4ping\x90"), 0, true},
        {INIT("\x93\x02\xa4ping\x80"), 0, true},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        size_t size;
        message.size = 0;
        put_raw(rows[i].input);
        assert_int_equal(decode(&size), RPC_OK);
        assert_int_equal(size, message.size);
        assert_ptr_equal(request.op, &op_table[OP_server_ping]);
        assert_int_equal(request.notification, rows[i].notification);
        if (!rows[i].notification)
            assert_int_equal(request.msgid, rows[i].msgid);
    }
}

static void fatal(void **state)
{
    (void)state;
    static const struct {
        struct bytes input;
        bool told; /* a msgid is known */
    } rows[] = {
        {INIT("\xc1"), false},
        {INIT("\xc0"), false},
        {INIT("\x05"), false},
        {INIT("\x84\x00\x05\xa4ping\x90"), false},
        {INIT("\xa4ping"), false},
        {INIT("GET / HTTP/1.1\r\n"), false},
        {INIT("\x90\xa4ping"), false},
        {INIT("\x94\x01\x05\xc0\xc0"), false},                       /* a response */
        {INIT("\x94\x02\x05\xa4ping\x90"), false},                   /* 4 of type 2 */
        {INIT("\x93\x00\x05\xa4ping"), false},                       /* 3 of type 0 */
        {INIT("\x95\x00\x05\xa4ping\x90\x90"), false},               /* 5 */
        {INIT("\x94\xff\x05\xa4ping\x90"), false},                   /* type -1 */
        {INIT("\x94\xa1\0\x05\xa4ping\x90"), false},                 /* type as str */
        {INIT("\x94\x00\xff\xa4ping\x90"), false},                   /* msgid -1 */
        {INIT("\x94\x00\xcf\0\0\0\x01\0\0\0\0\xa4ping\x90"), false}, /* msgid 2^32 */
        {INIT("\x94\x00\xc0\xa4ping\x90"), false},
        {INIT("\x94\x00\x05\xc1\x90"), true},
        {INIT("\x94\x00\x05\xa4ping\xc1"), true},
        {INIT("\x94\x00\x05\xa4ping\x91\xc1"), true},
        {INIT("\x94\x00\x05\xa4nope\x91\xc1"), true}, /* the end cannot be found */
        {INIT("\x93\x02\xa4nope\x91\xc1"), false},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        size_t size;
        message.size = 0;
        put_raw(rows[i].input);
        assert_int_equal(decode(&size), RPC_FATAL);
        assert_int_equal(problem.err, ERR_BAD_REQUEST);
        assert_int_equal(request.notification, !rows[i].told);
        if (rows[i].told)
            assert_int_equal(request.msgid, 5);
    }
}

/* A message that is cut anywhere is only waited for, and nothing behind the cut is read. */
static void check_cuts(void)
{
    size_t whole = message.size, size;
    for (size_t cut = 0; cut < whole; cut++) {
        message.size = cut;
        assert_int_equal(decode(&size), RPC_MORE);
    }
    message.size = whole;
}

static void cut(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct op *op = &op_table[i];
        begin(op, 300);
        put_map(op, 0);
        check_cuts();
        begin(op, 300);
        put_positional(op, op->n_positional, true);
        check_cuts();
        begin(op, 300); /* one that will be refused */
        put_raw(LITERAL("\x93\xc0\x92\x01\xc4\x03xyz\x81\xa4nope\xcb\0\0\0\0\0\0\0\0"));
        check_cuts();
    }
}

/* Announced counts that never come cost nothing. */
static void huge_counts(void **state)
{
    (void)state;
    static const struct bytes params[] = {
        INIT("\xdd\xff\xff\xff\xff"),
        INIT("\xdf\xff\xff\xff\xff"),
        INIT("\x91\xdf\xff\xff\xff\xff"),
    };
    size_t size;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        for (size_t k = 0; k < LENGTH_OF(params); k++) {
            begin(&op_table[i], 9);
            put_raw(params[k]);
            assert_int_equal(decode(&size), RPC_MORE);
        }
    }
    begin(&op_table[OP_kv_mget], 9);
    put_raw(LITERAL("\x91\xdd\xff\xff\xff\xff"));
    assert_int_equal(decode(&size), RPC_MORE); /* refused, but where does it end? */
}

/* ---- limits ---- */

static void small_limits(void)
{
    limits.key_bytes = 16;
    limits.value_bytes = 64;
    limits.name_bytes = 20;
    limits.items = 16;
}

/* A valid argument of `size` bytes, or elements. */
static void put_sized(enum arg_type type, size_t size)
{
    static const uint8_t zeros[100];
    struct bytes body = {zeros, size};
    switch (type) {
    case ARG_VALUE: /* bin 8 has a head of 2 */
        body.size -= 2;
        ok(pack_bin(&message, body));
        break;
    case ARG_KEYS:
    case ARG_PAIRS:
    case ARG_CALLS:
    case ARG_CONDITIONS:
        ok(pack_array(&message, size));
        for (size_t i = 0; i < size; i++)
            put_raw((struct bytes){samples[type].data + 1, type == ARG_KEYS ? 2
                                                           : type == ARG_PAIRS
                                                               ? 4
                                                               : samples[type].size - 1});
        break;
    case ARG_KEY:
    case ARG_BYTES:
    case ARG_NAME:
    case ARG_DATA:
    case ARG_INT:
    case ARG_UINT:
    case ARG_BOOL:
    case ARG_TYPE_COUNT:
        ok(pack_str(&message, body));
    }
}

static const char *limit_of(enum arg_type type, size_t *out_max)
{
    static const char *const names[ARG_TYPE_COUNT] = {
        [ARG_KEY] = "limits.key_bytes (16)",     [ARG_BYTES] = "limits.key_bytes (16)",
        [ARG_NAME] = "limits.name_bytes (20)",   [ARG_DATA] = "limits.value_bytes (64)",
        [ARG_VALUE] = "limits.value_bytes (64)", [ARG_KEYS] = "limits.items (16)",
        [ARG_PAIRS] = "limits.items (16)",       [ARG_CALLS] = "limits.items (16)",
        [ARG_CONDITIONS] = "limits.items (16)",
    };
    static const size_t max[ARG_TYPE_COUNT] = {
        [ARG_KEY] = 16,   [ARG_BYTES] = 16, [ARG_NAME] = 20,
        [ARG_DATA] = 64,  [ARG_VALUE] = 64, [ARG_KEYS] = 16,
        [ARG_PAIRS] = 16, [ARG_CALLS] = 16, [ARG_CONDITIONS] = 16,
    };
    *out_max = max[type];
    return names[type];
}

static void sizes_at_limits(void **state)
{
    (void)state;
    small_limits();
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct op *op = &op_table[i];
        for (unsigned k = 0; k < op->n_args + OP_ARGS_OF_ALL; k++) {
            const struct arg_desc *desc =
                k < op->n_args ? &op->args[k] : &op_args_of_all[k - op->n_args];
            size_t max;
            const char *name = limit_of(desc->type, &max);
            if (name == NULL)
                continue;
            put_with(op, desc, BYTES_NONE);
            put_sized(desc->type, max);
            check_ok(op, 9);
            put_with(op, desc, BYTES_NONE);
            put_sized(desc->type, max + 1);
            check_refused(ERR_LIMIT_EXCEEDED, name);
        }
    }
}

/* Keys and values inside lists have the same limits. */
static void items_at_limits(void **state)
{
    (void)state;
    small_limits();
    for (unsigned above = 0; above < 2; above++) {
        const char *key = "limits.key_bytes (16)", *value = "limits.value_bytes (64)";
        begin(&op_table[OP_kv_mget], 9);
        put_raw(LITERAL("\x91\x92\xa1"
                        "a"));
        put_sized(ARG_KEY, 16 + above);
        above ? check_refused(ERR_LIMIT_EXCEEDED, key) : check_ok(&op_table[OP_kv_mget], 9);
        begin(&op_table[OP_kv_mput], 9);
        put_raw(LITERAL("\x91\x91\x92"));
        put_sized(ARG_KEY, 16 + above);
        ok(pack_nil(&message));
        above ? check_refused(ERR_LIMIT_EXCEEDED, key) : check_ok(&op_table[OP_kv_mput], 9);
        begin(&op_table[OP_kv_mput], 9);
        put_raw(LITERAL("\x91\x91\x92\xa1"
                        "a"));
        put_sized(ARG_VALUE, 64 + above);
        above ? check_refused(ERR_LIMIT_EXCEEDED, value) : check_ok(&op_table[OP_kv_mput], 9);
        begin(&op_table[OP_batch], 9);
        put_raw(LITERAL("\x92\x90\x81\xaa"
                        "conditions\x91\x93\xa2kv"));
        put_sized(ARG_KEY, 16 + above);
        ok(pack_uint(&message, 0));
        above ? check_refused(ERR_LIMIT_EXCEEDED, key) : check_ok(&op_table[OP_batch], 9);
    }
}

/* A request whose innermost value, `around` levels down in the message, is `depth` arrays. */
static void put_nested(const struct op *op, struct bytes head, unsigned depth)
{
    begin(op, 9);
    put_raw(head);
    for (unsigned i = 1; i < depth; i++)
        put_raw(LITERAL("\x91"));
    put_raw(depth > 0 ? LITERAL("\x90") : LITERAL("\xc0"));
}

/* Accepted up to `max` levels; above that refused, and fatal where the message itself is too deep. */
static void check_nesting(const struct op *op, struct bytes head, unsigned around, unsigned max)
{
    for (unsigned depth = 0; depth + around <= MP_DEPTH_MAX + 2; depth++) {
        size_t size;
        put_nested(op, head, depth);
        if (depth <= max) {
            check_ok(op, 9);
        } else if (around + depth <= limits.nesting) {
            check_refused(ERR_LIMIT_EXCEEDED, "limits.nesting");
        } else {
            assert_int_equal(decode(&size), RPC_FATAL);
            assert_int_equal(problem.err, ERR_LIMIT_EXCEEDED);
            assert_non_null(strstr(problem.text, "limits.nesting"));
            assert_true(!request.notification && request.msgid == 9);
        }
    }
}

static void nesting(void **state)
{
    (void)state;
    const struct op *put = &op_table[OP_kv_put];
    for (limits.nesting = 16; limits.nesting <= 32; limits.nesting++) {
        unsigned message_max = (unsigned)limits.nesting, max = message_max - 8;
        check_nesting(put, LITERAL("\x92\xa1k"), 2, max);
        check_nesting(put, LITERAL("\x82\xa3key\xa1k\xa5value"), 2, max);
        check_nesting(put, LITERAL("\x91\x82\xa3key\xa1k\xa5value"), 3, max);
        check_nesting(put, LITERAL("\x93\xa1k\x01\x81\xa8if_value"), 3, max);
        check_nesting(&op_table[OP_kv_mput], LITERAL("\x91\x91\x92\xa1k"), 4, max);
        check_nesting(&op_table[OP_server_ping], LITERAL("\x91"), 2, max);
        check_nesting(&op_table[OP_batch], LITERAL("\x91\x91\x92\xa4ping"), 4, message_max - 4);
    }
}

/* ---- calls of a batch ---- */

/* Good and bad calls one after the other: the reader stands behind each, whatever it was. */
static void batch_calls(void **state)
{
    (void)state;
    static const struct {
        struct bytes input;
        int err;
    } rows[] = {
        {INIT("\xa4ping\x90"), 0},
        {INIT("\xa4nope\x92\x01\x81\x02\x03"), ERR_UNKNOWN_METHOD},
        {INIT("\xa6kv.get\x91\xa1k"), 0},
        {INIT("\xa6kv.get\x91\x05"), ERR_BAD_ARGUMENT},
        {INIT("\xa6kv.get\x95\xa1k\x01\x02\x03\x04"), ERR_BAD_ARGUMENT},
        {INIT("\xa6kv.get\x81\xa3key\xa1k"), 0},
        {INIT("\xa6kv.get\x82\xa3nop\xa1k\xa1x\x91\xc0"), ERR_BAD_ARGUMENT},
        {INIT("\xa6kv.get\x05"), ERR_BAD_REQUEST},
        {INIT("\xa6kv.put\x93\xa1k\x01\x81\xa6ttl_ms\x07"), 0},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        put_raw(rows[i].input);
    struct mp_reader reader = mp_reader_of(buf_bytes(&message));
    const uint8_t *expected = reader.at;
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        expected += rows[i].input.size;
        assert_int_equal(rpc_decode_call(&reader, &limits, &request, &problem), rows[i].err);
        assert_ptr_equal(reader.at, expected);
        if (rows[i].err != 0)
            assert_int_equal(problem.err, rows[i].err);
    }
    assert_int_equal(request.args[2].uint, 7);
    assert_true(mp_at_end(&reader));
}

/* ---- the client's side ---- */

static void requests(void **state)
{
    (void)state;
    ok(rpc_encode_request(&message, 5, bytes_of("ping")));
    put_raw(LITERAL("\x90"));
    assert_int_equal(message.size, 9);
    assert_memory_equal(message.data, "\x94\x00\x05\xa4ping\x90", 9);
    for (unsigned shift = 0; shift < 32; shift++) {
        uint32_t msgid = UINT32_MAX >> shift;
        begin(&op_table[OP_server_ping], msgid);
        put_raw(LITERAL("\x90"));
        check_ok(&op_table[OP_server_ping], msgid);
    }
}

static void responses(void **state)
{
    (void)state;
    struct rpc_response response;
    struct reply reply;
    size_t size = 0;
    reply_begin(&reply, &message, REPLY_RPC, 70000, 65536);
    reply_value(&reply, samples[ARG_VALUE]);
    ok(reply_end(&reply));
    size_t whole = message.size;
    for (size_t n = 0; n < whole; n++) {
        uint8_t *copy = malloc(n + (n == 0));
        memcpy(copy, message.data, n);
        assert_int_equal(rpc_decode_response((struct bytes){copy, n}, &response, &size), MP_MORE);
        free(copy);
    }
    put_raw(LITERAL("\xc1")); /* what follows is not looked at */
    ok(rpc_decode_response(buf_bytes(&message), &response, &size));
    assert_int_equal(size, whole);
    assert_int_equal(response.msgid, 70000);
    assert_true(bytes_equal(response.error, LITERAL("\xc0")));
    assert_true(bytes_equal(response.result, samples[ARG_VALUE]));
    assert_ptr_equal(response.result.data + response.result.size, message.data + whole);
}

static void no_responses(void **state)
{
    (void)state;
    static const struct bytes rows[] = {
        INIT("\xc1"),
        INIT("\x94\x00\x05\xc0\xc0"),
        INIT("\x94\x02\x05\xc0\xc0"),
        INIT("\x93\x01\x05\xc0"),
        INIT("\x95\x01\x05\xc0\xc0\xc0"),
        INIT("\x84\x01\x05\xc0\xc0"),
        INIT("\x94\xff\x05\xc0\xc0"),
        INIT("\x94\x01\xff\xc0\xc0"),
        INIT("\x94\x01\xcf\0\0\0\x01\0\0\0\0\xc0\xc0"),
        INIT("\x94\x01\x05\xc1\xc0"),
        INIT("\x94\x01\x05\xc0\xc1"),
        INIT("\x94\x01\x05\xc0\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
             "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\xc0"),
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct rpc_response response = {4711, BYTES_NONE, BYTES_NONE};
        size_t size = 4712;
        assert_int_equal(rpc_decode_response(rows[i], &response, &size), ERR_BAD_REQUEST);
        assert_true(response.msgid == 4711 && size == 4712);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(by_position, reset),
        cmocka_unit_test_teardown(by_name, reset),
        cmocka_unit_test_teardown(mixed, reset),
        cmocka_unit_test_teardown(maps_as_values, reset),
        cmocka_unit_test_teardown(options_nil, reset),
        cmocka_unit_test_teardown(wrong_types, reset),
        cmocka_unit_test_teardown(number_ranges, reset),
        cmocka_unit_test_teardown(wrong_items, reset),
        cmocka_unit_test_teardown(missing, reset),
        cmocka_unit_test_teardown(too_many, reset),
        cmocka_unit_test_teardown(unknown_options, reset),
        cmocka_unit_test_teardown(given_twice, reset),
        cmocka_unit_test_teardown(methods_and_params, reset),
        cmocka_unit_test_teardown(accepted_forms, reset),
        cmocka_unit_test_teardown(fatal, reset),
        cmocka_unit_test_teardown(cut, reset),
        cmocka_unit_test_teardown(huge_counts, reset),
        cmocka_unit_test_teardown(sizes_at_limits, reset),
        cmocka_unit_test_teardown(items_at_limits, reset),
        cmocka_unit_test_teardown(nesting, reset),
        cmocka_unit_test_teardown(batch_calls, reset),
        cmocka_unit_test_teardown(requests, reset),
        cmocka_unit_test_teardown(responses, reset),
        cmocka_unit_test_teardown(no_responses, reset),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
