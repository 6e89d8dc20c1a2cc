/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/rpc: for every operation and argument of the table what must be refused: wrong types,
 * missing, unknown and repeated arguments, what exceeds a limit. The problem names the argument or
 * the limit, and the stream stays in step: the next message is decoded.
 */
#include "common/err.h"
#include "tests/unit/proto/rpc_fixture.h"

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
    [ARG_REAL] = 1u << IS_UINT | 1u << IS_SINT | 1u << IS_REAL,
    [ARG_BOOL] = 1u << IS_BOOL,
    [ARG_ARRAY] = 1u << IS_LIST,
    [ARG_MAP] = 1u << IS_MAP,
    [ARG_VECTOR] = 1u << IS_LIST,
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
    case ARG_MAP: /* {0: bin 8} */
        body.size -= 4;
        ok(pack_map(&message, 1));
        ok(pack_uint(&message, 0));
        ok(pack_bin(&message, body));
        break;
    case ARG_ARRAY:
        ok(pack_array(&message, size));
        for (size_t i = 0; i < size; i++)
            ok(pack_nil(&message));
        break;
    case ARG_KEYS:
    case ARG_PAIRS:
    case ARG_CALLS:
    case ARG_ITEMS:
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
    case ARG_REAL:
    case ARG_BOOL:
    case ARG_VECTOR:
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
        [ARG_CONDITIONS] = "limits.items (16)",  [ARG_ARRAY] = "limits.items (16)",
        [ARG_MAP] = "limits.value_bytes (64)",   [ARG_ITEMS] = "limits.items (16)",
    };
    static const size_t max[ARG_TYPE_COUNT] = {
        [ARG_KEY] = 16,        [ARG_BYTES] = 16, [ARG_NAME] = 20,  [ARG_DATA] = 64,
        [ARG_VALUE] = 64,      [ARG_KEYS] = 16,  [ARG_PAIRS] = 16, [ARG_CALLS] = 16,
        [ARG_CONDITIONS] = 16, [ARG_ARRAY] = 16, [ARG_MAP] = 64,   [ARG_ITEMS] = 16,
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

/* Accepted up to `max` levels; above that refused; fatal where the message itself is too deep. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(wrong_types, reset),
        cmocka_unit_test_teardown(number_ranges, reset),
        cmocka_unit_test_teardown(wrong_items, reset),
        cmocka_unit_test_teardown(missing, reset),
        cmocka_unit_test_teardown(too_many, reset),
        cmocka_unit_test_teardown(unknown_options, reset),
        cmocka_unit_test_teardown(given_twice, reset),
        cmocka_unit_test_teardown(methods_and_params, reset),
        cmocka_unit_test_teardown(sizes_at_limits, reset),
        cmocka_unit_test_teardown(items_at_limits, reset),
        cmocka_unit_test_teardown(nesting, reset),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
