/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/resp_reply: every shape of a result in version 2 and 3; values of every kind, nested;
 * numbers at their ends; what stands for a problem; replies that become too large; no memory.
 */
#include "common/err.h"
#include "common/mem.h"
#include "proto/pack.h"
#include "proto/resp_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define INIT(literal)                                                                              \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }

static struct buf out;

static int reset(void **state)
{
    (void)state;
    mem_fail_after(0, 0);
    buf_deinit(&out);
    return 0;
}

static struct resp_context context_of(unsigned version)
{
    return (struct resp_context){.version = version, .now_ms = 1000000, .reply_bytes = 65536};
}

static void wrote(const char *text)
{
    assert_int_equal(buf_append(&out, "", 1), 0);
    assert_string_equal((const char *)out.data, text);
    assert_int_equal(out.size, strlen(text) + 1);
    out.size = 0;
}

/* ---- shapes ---- */

/* A result and what it becomes; in version 3 too, unless that is said. */
struct row {
    enum resp_shape shape;
    struct bytes result;
    const char *two, *three;
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (unsigned version = 2; version <= 3; version++) {
            struct resp_context context = context_of(version);
            uint8_t *copy = malloc(rows[i].result.size); /* ends where its memory ends */
            assert_non_null(copy);
            memcpy(copy, rows[i].result.data, rows[i].result.size);
            struct bytes result = {copy, rows[i].result.size};
            assert_int_equal(resp_reply(&context, rows[i].shape, result, &out), 0);
            wrote(version == 3 && rows[i].three != NULL ? rows[i].three : rows[i].two);
            free(copy);
        }
    }
}

static void shapes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {RESP_SHAPE_OK, INIT("\x05"), "+OK\r\n", NULL},
        {RESP_SHAPE_OK, INIT("\xc0"), "+OK\r\n", NULL},
        {RESP_SHAPE_SET, INIT("\x05"), "+OK\r\n", NULL},
        {RESP_SHAPE_SET, INIT("\x92\x05\xc4\x01v"), "$1\r\nv\r\n", NULL},
        {RESP_SHAPE_SET, INIT("\x92\xc0\x07"), "$1\r\n7\r\n", NULL},
        {RESP_SHAPE_SET, INIT("\x92\x05\xc0"), "$-1\r\n", "_\r\n"},
        {RESP_SHAPE_DONE, INIT("\x05"), ":1\r\n", NULL},
        {RESP_SHAPE_SECOND, INIT("\x92\x05\xa1v"), "$1\r\nv\r\n", NULL},
        {RESP_SHAPE_SECOND, INIT("\x92\x05\xc0"), "$-1\r\n", "_\r\n"},
        {RESP_SHAPE_VALUES, INIT("\x90"), "*0\r\n", NULL},
        {RESP_SHAPE_VALUES, INIT("\x93\xc4\x01v\xc0\x07"), "*3\r\n$1\r\nv\r\n$-1\r\n$1\r\n7\r\n",
         "*3\r\n$1\r\nv\r\n_\r\n$1\r\n7\r\n"},
        {RESP_SHAPE_INTEGER, INIT("\x05"), ":5\r\n", NULL},
        {RESP_SHAPE_INTEGER, INIT("\xd3\x80\0\0\0\0\0\0\0"), ":-9223372036854775808\r\n", NULL},
        {RESP_SHAPE_INTEGER, INIT("\xc2"), ":0\r\n", NULL},
        {RESP_SHAPE_INTEGER, INIT("\xc3"), ":1\r\n", NULL},
        {RESP_SHAPE_INTEGER, INIT("\x94\x05\x00\xcd\x01\x00\x00"), ":2\r\n", NULL},
        {RESP_SHAPE_INTEGER, INIT("\x90"), ":0\r\n", NULL},
        {RESP_SHAPE_TYPE, INIT("\xa2kv"), "+string\r\n", NULL},
        {RESP_SHAPE_TYPE,
         INIT("\xaa"
              "collection"),
         "+vectorset\r\n", NULL},
        {RESP_SHAPE_TYPE, INIT("\xc0"), "+none\r\n", NULL},
        {RESP_SHAPE_PONG, INIT("\xa4pong"), "+PONG\r\n", NULL},
        {RESP_SHAPE_PONG, INIT("\xc4\x04pong"), "$4\r\npong\r\n", NULL},
        {RESP_SHAPE_PAGE,
         INIT("\x82\xa5items\x92\xa1k\xc4\x01\n\xa6"
              "cursor\xcd\x01\x00"),
         "*2\r\n$3\r\n256\r\n*2\r\n$1\r\nk\r\n$1\r\n\n\r\n", NULL},
        {RESP_SHAPE_PAGE,
         INIT("\x82\xa5items\xdd\0\0\0\0\xa6"
              "cursor\x00"),
         "*2\r\n$1\r\n0\r\n*0\r\n", NULL},
    };
    check_rows(rows, LENGTH_OF(rows));
}

static void times(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {RESP_SHAPE_TTL, INIT("\xc0"), ":-2\r\n", NULL},
        {RESP_SHAPE_TTL, INIT("\xff"), ":-1\r\n", NULL},
        {RESP_SHAPE_TTL, INIT("\xcd\x05\xdc"), ":1500\r\n", NULL},
        {RESP_SHAPE_TTL_SECONDS, INIT("\xc0"), ":-2\r\n", NULL},
        {RESP_SHAPE_TTL_SECONDS, INIT("\xff"), ":-1\r\n", NULL},
        {RESP_SHAPE_TTL_SECONDS, INIT("\xcd\x05\xdb"), ":1\r\n", NULL},
        {RESP_SHAPE_TTL_SECONDS, INIT("\xcd\x05\xdc"), ":2\r\n", NULL},
        {RESP_SHAPE_TTL_SECONDS, INIT("\x01"), ":0\r\n", NULL},
        {RESP_SHAPE_TIME, INIT("\xc0"), ":-2\r\n", NULL},
        {RESP_SHAPE_TIME, INIT("\xff"), ":-1\r\n", NULL},
        {RESP_SHAPE_TIME, INIT("\x07"), ":1000007\r\n", NULL},
        {RESP_SHAPE_TIME_SECONDS, INIT("\xc0"), ":-2\r\n", NULL},
        {RESP_SHAPE_TIME_SECONDS, INIT("\xff"), ":-1\r\n", NULL},
        {RESP_SHAPE_TIME_SECONDS, INIT("\xcd\x05\xdc"), ":1002\r\n", NULL},
    };
    check_rows(rows, LENGTH_OF(rows));
}

/* Every kind of value, on its own and inside an array. */
static void values(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {RESP_SHAPE_VALUE, INIT("\xc4\x00"), "$0\r\n\r\n", NULL},
        {RESP_SHAPE_VALUE,
         INIT("\xc4\x03"
              "a\r\n"),
         "$3\r\na\r\n\r\n", NULL},
        {RESP_SHAPE_VALUE,
         INIT("\xc5\x00\x02"
              "ab"),
         "$2\r\nab\r\n", NULL},
        {RESP_SHAPE_VALUE,
         INIT("\xa2"
              "ab"),
         "$2\r\nab\r\n", NULL},
        {RESP_SHAPE_VALUE, INIT("\xd4\x05x"), "$2\r\n\x05x\r\n", NULL},
        {RESP_SHAPE_VALUE, INIT("\xc0"), "$-1\r\n", "_\r\n"},
        {RESP_SHAPE_VALUE, INIT("\xc3"), ":1\r\n", "#t\r\n"},
        {RESP_SHAPE_VALUE, INIT("\xc2"), ":0\r\n", "#f\r\n"},
        {RESP_SHAPE_VALUE, INIT("\x07"), "$1\r\n7\r\n", NULL},
        {RESP_SHAPE_VALUE, INIT("\xff"), "$2\r\n-1\r\n", NULL},
        {RESP_SHAPE_VALUE, INIT("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
         "$20\r\n18446744073709551615\r\n", NULL},
        {RESP_SHAPE_VALUE, INIT("\xd3\x80\0\0\0\0\0\0\0"), "$20\r\n-9223372036854775808\r\n", NULL},
        {RESP_SHAPE_VALUE, INIT("\xcb\x3f\xf8\0\0\0\0\0\0"), "$3\r\n1.5\r\n", NULL},
        {RESP_SHAPE_VALUE, INIT("\xcb\x7f\xf0\0\0\0\0\0\0"), "$3\r\ninf\r\n", NULL},
        {RESP_SHAPE_VALUE, INIT("\x90"), "*0\r\n", NULL},
        {RESP_SHAPE_VALUE, INIT("\x80"), "*0\r\n", "%0\r\n"},
        {RESP_SHAPE_VALUE,
         INIT("\x96\x07\xff\xcb\x3f\xf8\0\0\0\0\0\0\xc3\xc0\xa1"
              "a"),
         "*6\r\n:7\r\n:-1\r\n$3\r\n1.5\r\n:1\r\n$-1\r\n$1\r\na\r\n",
         "*6\r\n:7\r\n:-1\r\n,1.5\r\n#t\r\n_\r\n$1\r\na\r\n"},
        {RESP_SHAPE_VALUE, INIT("\x91\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"),
         "*1\r\n:9223372036854775807\r\n", NULL},
        {RESP_SHAPE_VALUE, INIT("\x91\xcf\x80\0\0\0\0\0\0\0"),
         "*1\r\n$19\r\n9223372036854775808\r\n", NULL},
        {RESP_SHAPE_VALUE, INIT("\x91\xcb\x7f\xf8\0\0\0\0\0\0"), "*1\r\n$3\r\nnan\r\n",
         "*1\r\n,nan\r\n"},
        {RESP_SHAPE_VALUE, INIT("\x91\xcb\xff\xf0\0\0\0\0\0\0"), "*1\r\n$4\r\n-inf\r\n",
         "*1\r\n,-inf\r\n"},
        {RESP_SHAPE_VALUE,
         INIT("\x82\xa1"
              "a\x92\x01\x80\x02\x91\x90"),
         "*4\r\n$1\r\na\r\n*2\r\n:1\r\n*0\r\n:2\r\n*1\r\n*0\r\n",
         "%2\r\n$1\r\na\r\n*2\r\n:1\r\n%0\r\n:2\r\n*1\r\n*0\r\n"},
    };
    check_rows(rows, LENGTH_OF(rows));
}

static void no_shape(void **state)
{
    (void)state;
    struct resp_context context = context_of(2);
    assert_int_equal(resp_reply(&context, RESP_SHAPE_NONE, bytes_of("\x05"), &out), ERR_INTERNAL);
}

/* The widest float there is. */
static void longest_number(void **state)
{
    (void)state;
    struct buf value = {0};
    struct resp_context context = context_of(3);
    char text[NUM_REAL_SIZE], line[NUM_REAL_SIZE + 16];
    assert_int_equal(pack_array(&value, 1), 0);
    assert_int_equal(pack_real(&value, -5e-324), 0);
    assert_int_equal(resp_reply(&context, RESP_SHAPE_VALUE, buf_bytes(&value), &out), 0);
    num_format_real(-5e-324, text);
    (void)snprintf(line, sizeof line, "*1\r\n,%s\r\n", text);
    assert_true(strlen(text) > 300);
    wrote(line);
    buf_deinit(&value);
}

/* ---- limits ---- */

/* Many small elements are more bytes here than in MessagePack: refused while they are written. */
static void too_large(void **state)
{
    (void)state;
    static const enum resp_shape list[] = {RESP_SHAPE_VALUE, RESP_SHAPE_VALUES};
    struct buf value = {0};
    assert_int_equal(pack_array(&value, 20000), 0);
    for (unsigned i = 0; i < 20000; i++)
        assert_int_equal(pack_uint(&value, 7), 0);
    for (size_t i = 0; i < LENGTH_OF(list); i++) {
        struct resp_context context = context_of(2);
        int err = resp_reply(&context, list[i], buf_bytes(&value), &out);
        assert_int_equal(err, ERR_LIMIT_EXCEEDED);
        assert_true(out.size < 65536 + 100);
        context.reply_bytes = 200000;
        out.size = 0;
        assert_int_equal(resp_reply(&context, list[i], buf_bytes(&value), &out), 0);
        out.size = 0;
    }
    buf_deinit(&value);
}

/* ---- problems ---- */

static void problem_becomes(unsigned version, enum resp_id id, int err, const char *text,
                            const char *line)
{
    struct resp_context context = context_of(version);
    struct problem problem;
    (void)problem_set(&problem, err, "%s", text);
    assert_int_equal(
        resp_reply_problem(&context, &resp_table[id], resp_table[id].shape, &problem, &out), 0);
    wrote(line);
}

static void problems(void **state)
{
    (void)state;
    static const struct {
        enum resp_id id;
        int err;
        const char *line;
    } rows[] = {
        {RESP_SETNX, ERR_CONFLICT, ":0\r\n"},
        {RESP_MSETNX, ERR_CONFLICT, ":0\r\n"},
        {RESP_GET, ERR_CONFLICT, "-ERR why\r\n"},
        {RESP_INCR, ERR_WRONG_TYPE, "-ERR value is not an integer or out of range\r\n"},
        {RESP_INCRBYFLOAT, ERR_WRONG_TYPE, "-ERR value is not a valid float\r\n"},
        {RESP_APPEND, ERR_WRONG_TYPE,
         "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {RESP_DECRBY, ERR_OVERFLOW, "-ERR increment or decrement would overflow\r\n"},
        {RESP_INCRBYFLOAT, ERR_OVERFLOW, "-ERR increment would produce NaN or Infinity\r\n"},
        {RESP_GET, ERR_NOAUTH, "-NOAUTH Authentication required.\r\n"},
        {RESP_AUTH, ERR_AUTH_FAILED,
         "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
        {RESP_SET, ERR_OUT_OF_MEMORY,
         "-OOM command not allowed when used memory > 'maxmemory'.\r\n"},
        {RESP_GET, ERR_BUSY, "-BUSY why\r\n"},
        {RESP_GET, ERR_DISK_FULL, "-MISCONF why\r\n"},
        {RESP_GET, ERR_SHUTTING_DOWN, "-LOADING why\r\n"},
        {RESP_GET, ERR_BAD_ARGUMENT, "-ERR why\r\n"},
        {RESP_GET, ERR_LIMIT_EXCEEDED, "-ERR why\r\n"},
        {RESP_GET, ERR_INTERNAL, "-ERR why\r\n"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        for (unsigned version = 2; version <= 3; version++)
            problem_becomes(version, rows[i].id, rows[i].err, "why", rows[i].line);
    problem_becomes(2, RESP_SET, ERR_CONFLICT, "why", "$-1\r\n");
    problem_becomes(3, RESP_SET, ERR_CONFLICT, "why", "_\r\n");
}

/* What a client sent may stand in a text: one line, whatever it is. */
static void problems_are_one_line(void **state)
{
    (void)state;
    struct resp_context context = context_of(2);
    struct problem problem = {.err = ERR_BAD_ARGUMENT};
    memset(problem.text, 'x', sizeof problem.text - 1);
    memcpy(problem.text, "a\r\n+OK\r\nb", 9);
    assert_int_equal(
        resp_reply_problem(&context, &resp_table[RESP_GET], RESP_SHAPE_VALUE, &problem, &out), 0);
    assert_memory_equal(out.data, "-ERR a  +OK  bxxx", 17);
    assert_int_equal(out.size, 5 + sizeof problem.text - 1 + 2);
    assert_ptr_equal(memchr(out.data, '\n', out.size), out.data + out.size - 1);
}

#ifdef CAIRN_FAULTS
/* Each allocation fails once, until none is left to fail. */
static void no_memory(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {RESP_SHAPE_PAGE,
         INIT("\x82\xa5items\x91\xa1k\xa6"
              "cursor\x00"),
         NULL, NULL},
        {RESP_SHAPE_VALUE, INIT("\x93\x81\x01\x02\xcb\x3f\xf8\0\0\0\0\0\0\xc3"), NULL, NULL},
        {RESP_SHAPE_VALUES, INIT("\x92\xc0\xa1k"), NULL, NULL},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct resp_context context = context_of(3);
        unsigned long n = 0;
        int err = ERR_OUT_OF_MEMORY;
        while (err != 0) {
            assert_int_equal(err, ERR_OUT_OF_MEMORY);
            buf_deinit(&out);
            mem_fail_after(++n, 0);
            err = resp_reply(&context, rows[i].shape, rows[i].result, &out);
            mem_fail_after(0, 0);
        }
        assert_true(n > 1);
    }
}
#endif

static int set_up(void **state)
{
    (void)state;
    op_init();
    resp_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(shapes, reset),
        cmocka_unit_test_teardown(times, reset),
        cmocka_unit_test_teardown(values, reset),
        cmocka_unit_test_teardown(no_shape, reset),
        cmocka_unit_test_teardown(longest_number, reset),
        cmocka_unit_test_teardown(too_large, reset),
        cmocka_unit_test_teardown(problems, reset),
        cmocka_unit_test_teardown(problems_are_one_line, reset),
#ifdef CAIRN_FAULTS
        cmocka_unit_test_teardown(no_memory, reset),
#endif
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
