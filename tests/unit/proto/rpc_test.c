/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/rpc: every operation of the table, decoded from encodings made from the table in every form
 * that params may have; what ends the stream; cut messages; calls of a batch; the client's side.
 * What is refused is in rpc_refuse_test.c.
 */
#include "common/err.h"
#include "proto/reply.h"
#include "tests/unit/proto/rpc_fixture.h"

/* ---- what is accepted ---- */

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
    case ARG_ARRAY:
    case ARG_MAP:
    case ARG_VECTOR:
        check_body(arg, sample, 0);
        break;
    case ARG_INT:
        assert_int_equal(arg->sint, -256);
        break;
    case ARG_UINT:
        assert_true(arg->uint == UINT_TOP);
        break;
    case ARG_REAL:
        assert_true(arg->real == -1.5);
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
    case ARG_ITEMS:
    case ARG_CONDITIONS:
        assert_int_equal(arg->count, 1);
        check_body(arg, sample, 1);
        break;
    case ARG_TYPE_COUNT:
        fail();
    }
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
        {INIT("\x90"), false}, /* nothing more is waited for */
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
        assert_int_equal(request.size, rows[i].input.size);
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
        cmocka_unit_test_teardown(accepted_forms, reset),
        cmocka_unit_test_teardown(fatal, reset),
        cmocka_unit_test_teardown(cut, reset),
        cmocka_unit_test_teardown(huge_counts, reset),
        cmocka_unit_test_teardown(batch_calls, reset),
        cmocka_unit_test_teardown(requests, reset),
        cmocka_unit_test_teardown(responses, reset),
        cmocka_unit_test_teardown(no_responses, reset),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
