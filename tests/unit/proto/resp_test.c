/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/resp: commands whole, cut at every byte and in pieces of every size; what ends the stream,
 * with its text; limits; that no byte is checked twice; inline commands; arguments, also as
 * MessagePack in place around every width of a header; the writers, and none without memory.
 */
#include "proto/resp.h"

#include "common/err.h"
#include "common/mem.h"
#include "proto/pack.h"

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

static struct buf out, other;

static void ok(int err)
{
    assert_int_equal(err, 0);
}

static int reset(void **state)
{
    (void)state;
    mem_fail_after(0, 0);
    buf_deinit(&out);
    buf_deinit(&other);
    return 0;
}

/* ---- bounds ---- */

/* What is known of a command after a scan. */
struct seen {
    int err;
    struct resp_scan scan;
    struct problem problem;
};

/* Inputs, and how each ends: whole, not all there, or an error with this text. */
static const struct row {
    struct bytes input;
    int err;
    size_t size; /* of the command, if whole */
    uint32_t count;
    bool is_inline;
    const char *text;
} rows[] = {
    {INIT("*1\r\n$4\r\nPING\r\n"), 0, 14, 1, false, NULL},
    {INIT("*2\r\n$3\r\nGET\r\n$3\r\nfoo\r\nrest"), 0, 22, 2, false, NULL},
    {INIT("*3\r\n$0\r\n\r\n$2\r\n\r\n\r\n$12\r\n0123456789ab\r\n"), 0, 37, 3, false, NULL},
    {INIT("*0\r\n*1\r\n"), 0, 4, 0, false, NULL},
    {INIT("*-1\r\n"), 0, 5, 0, false, NULL},
    {INIT("*-999999999\r\n"), 0, 13, 0, false, NULL},
    {INIT("PING\r\n"), 0, 6, 0, true, NULL},
    {INIT("\r\nPING\r\n"), 0, 2, 0, true, NULL},
    {INIT("set k v\nget"), 0, 8, 0, true, NULL},
    {INIT(""), RESP_MORE, 0, 0, false, NULL},
    {INIT("*"), RESP_MORE, 0, 0, false, NULL},
    {INIT("*2\r\n$3\r\nGET\r\n$3\r\nfoo\r"), RESP_MORE, 0, 0, false, NULL},
    {INIT("no line yet"), RESP_MORE, 0, 0, false, NULL},
    {INIT("*x\r\n"), ERR_BAD_REQUEST, 0, 0, false, "Protocol error: invalid multibulk length"},
    {INIT("*\r\n"), ERR_BAD_REQUEST, 0, 0, false, "Protocol error: invalid multibulk length"},
    {INIT("*-\r\n"), ERR_BAD_REQUEST, 0, 0, false, "Protocol error: invalid multibulk length"},
    {INIT("*-0\r\n"), ERR_BAD_REQUEST, 0, 0, false, "Protocol error: invalid multibulk length"},
    {INIT("*01\r\n$1\r\na\r\n"), ERR_BAD_REQUEST, 0, 0, false,
     "Protocol error: invalid multibulk length"},
    {INIT("*1\r\n$01\r\na\r\n"), ERR_BAD_REQUEST, 0, 0, false,
     "Protocol error: invalid bulk length"},
    {INIT("*1\n"), ERR_BAD_REQUEST, 0, 0, false, "Protocol error: invalid multibulk length"},
    {INIT("*1\rx"), ERR_BAD_REQUEST, 0, 0, false, "Protocol error: invalid multibulk length"},
    {INIT("*1 \r\n"), ERR_BAD_REQUEST, 0, 0, false, "Protocol error: invalid multibulk length"},
    {INIT("*+1\r\n"), ERR_BAD_REQUEST, 0, 0, false, "Protocol error: invalid multibulk length"},
    {INIT("*1048577\r\n"), ERR_BAD_REQUEST, 0, 0, false,
     "Protocol error: invalid multibulk length"},
    {INIT("*9999999999999999999999\r\n"), ERR_BAD_REQUEST, 0, 0, false,
     "Protocol error: invalid multibulk length"},
    {INIT("*1\r\nPING\r\n"), ERR_BAD_REQUEST, 0, 0, false, "Protocol error: expected '$', got 'P'"},
    {INIT("*1\r\n\r\n"), ERR_BAD_REQUEST, 0, 0, false, "Protocol error: expected '$', got '?'"},
    {INIT("*1\r\n\xff"), ERR_BAD_REQUEST, 0, 0, false, "Protocol error: expected '$', got '?'"},
    {INIT("*2\r\n$1\r\na\r\n*1\r\n"), ERR_BAD_REQUEST, 0, 0, false,
     "Protocol error: expected '$', got '*'"},
    {INIT("*1\r\n$-1\r\n"), ERR_BAD_REQUEST, 0, 0, false, "Protocol error: invalid bulk length"},
    {INIT("*1\r\n$-0\r\n\r\n"), ERR_BAD_REQUEST, 0, 0, false,
     "Protocol error: invalid bulk length"},
    {INIT("*1\r\n$\r\n"), ERR_BAD_REQUEST, 0, 0, false, "Protocol error: invalid bulk length"},
    {INIT("*1\r\n$0x1\r\n"), ERR_BAD_REQUEST, 0, 0, false, "Protocol error: invalid bulk length"},
    {INIT("*1\r\n$536870913\r\n"), ERR_BAD_REQUEST, 0, 0, false,
     "Protocol error: invalid bulk length"},
    {INIT("*1\r\n$18446744073709551617\r\n"), ERR_BAD_REQUEST, 0, 0, false,
     "Protocol error: invalid bulk length"},
    {INIT("*1\r\n$1\r\nab\r\n"), ERR_BAD_REQUEST, 0, 0, false,
     "Protocol error: a bulk string must end with CR LF"},
    {INIT("*1\r\n$1\r\na\r\r\n"), ERR_BAD_REQUEST, 0, 0, false,
     "Protocol error: a bulk string must end with CR LF"},
};

static void check_seen(const struct row *row, const struct seen *seen)
{
    assert_int_equal(seen->err, row->err);
    if (row->err == 0) {
        assert_int_equal(seen->scan.position, row->size);
        assert_int_equal(seen->scan.is_inline, row->is_inline);
        assert_int_equal(seen->scan.count, row->count);
    } else if (row->text != NULL) {
        assert_int_equal(seen->problem.err, ERR_BAD_REQUEST);
        assert_string_equal(seen->problem.text, row->text);
    }
}

/* Go on with the first `size` bytes, in memory that ends with them. */
static void scan_part(struct seen *seen, struct bytes input, size_t size)
{
    size_t need = 0;
    uint8_t *copy = malloc(size + (size == 0));
    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, input.data, size);
    seen->err = resp_scan(&seen->scan, (struct bytes){copy, size}, &need, &seen->problem);
    free(copy);
    assert_true(seen->err != RESP_MORE || need > seen->scan.position);
}

static void whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct seen seen = {0};
        scan_part(&seen, rows[i].input, rows[i].input.size);
        check_seen(&rows[i], &seen);
    }
}

static void cut_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        for (size_t cut = 0; cut < rows[i].input.size; cut++) {
            struct seen seen = {0};
            scan_part(&seen, rows[i].input, cut);
            if (rows[i].err == 0)
                assert_int_equal(seen.err, cut < rows[i].size ? RESP_MORE : 0);
            if (seen.err == RESP_MORE)
                scan_part(&seen, rows[i].input, rows[i].input.size);
            check_seen(&rows[i], &seen);
        }
    }
}

static void pieces_of_every_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct bytes input = rows[i].input;
        for (size_t piece = 1; piece <= input.size; piece++) {
            struct seen seen = {.err = RESP_MORE};
            for (size_t n = piece; seen.err == RESP_MORE && n < input.size + piece; n += piece)
                scan_part(&seen, input, n < input.size ? n : input.size);
            check_seen(&rows[i], &seen);
        }
    }
}

/* What has been checked is spoilt, and nothing notices: it is not read again. */
static void checked_once(void **state)
{
    (void)state;
    enum { ARGS = 300 };
    struct seen seen = {.err = RESP_MORE};
    struct problem problem;
    ok(resp_put_array(&out, ARGS));
    for (size_t i = 0; i < ARGS; i++)
        ok(resp_put_bulk(&out, (struct bytes){(const uint8_t *)"0123456789", i % 11}));
    for (size_t n = 1; n <= out.size; n++) {
        size_t need = 0;
        assert_int_equal(seen.err, RESP_MORE);
        seen.err = resp_scan(&seen.scan, (struct bytes){out.data, n}, &need, &problem);
        assert_true(need <= out.size);
        assert_true(n - seen.scan.position < 40); /* a header and this body are read again */
        if (seen.scan.begun)
            memset(out.data, 0xff, seen.scan.position);
    }
    assert_int_equal(seen.err, 0);
    assert_int_equal(seen.scan.position, out.size);
    assert_int_equal(seen.scan.count, ARGS);
}

static void line_checked_once(void **state)
{
    (void)state;
    struct resp_scan scan = {0};
    struct problem problem;
    char line[100];
    memset(line, 'a', sizeof line);
    line[sizeof line - 1] = '\n';
    for (size_t n = 1; n <= sizeof line; n++) {
        size_t need = 0;
        int err = resp_scan(&scan, (struct bytes){(uint8_t *)line, n}, &need, &problem);
        assert_int_equal(err, n < sizeof line ? RESP_MORE : 0);
        assert_int_equal(scan.position, n);
        memset(line + 1, '\n', n - 1); /* would end it, were it read again */
    }
}

static void need_is_told(void **state)
{
    (void)state;
    static const struct {
        struct bytes input;
        size_t need;
    } needs[] = {
        {INIT("*1\r\n$100\r\nabc"), 112},
        {INIT("*1\r\n$536870912\r\n"), 16 + (size_t)RESP_BULK_MAX + 2},
        {INIT("*1048576\r\n"), 10 + (size_t)RESP_ARGS_MAX},
        {INIT("*3\r\n$1\r\na\r\n"), 13},
        {INIT("abc"), 4},
    };
    for (size_t i = 0; i < LENGTH_OF(needs); i++) {
        struct resp_scan scan = {0};
        struct problem problem;
        size_t need = 0;
        assert_int_equal(resp_scan(&scan, needs[i].input, &need, &problem), RESP_MORE);
        assert_int_equal(need, needs[i].need);
    }
}

static void line_limit(void **state)
{
    (void)state;
    static char line[RESP_LINE_MAX + 2];
    memset(line, 'a', sizeof line);
    for (size_t size = RESP_LINE_MAX - 1; size <= RESP_LINE_MAX + 1; size++) {
        for (int ended = 0; ended < 2; ended++) {
            struct seen seen = {0};
            line[size] = '\n';
            scan_part(&seen, (struct bytes){(uint8_t *)line, size + 1}, size + (size_t)ended);
            line[size] = 'a';
            if (size > RESP_LINE_MAX) {
                assert_int_equal(seen.err, ERR_BAD_REQUEST);
                assert_string_equal(seen.problem.text, "Protocol error: too big inline request");
            } else {
                assert_int_equal(seen.err, ended ? 0 : RESP_MORE);
            }
        }
    }
}

/* ---- inline commands ---- */

static void inline_commands(void **state)
{
    (void)state;
    static const struct {
        struct bytes line;
        const char *words; /* each behind a bar; NULL: unbalanced */
    } lines[] = {
        {INIT(""), ""},
        {INIT(" \t\r"), ""},
        {INIT("PING"), "|PING"},
        {INIT("  set  k\tv \r"), "|set|k|v"},
        {INIT("set \"a b\" 'c d'"), "|set|a b|c d"},
        {INIT("\"\" ''"), "||"},
        {INIT("a\"b c\" d'e f'"), "|ab c|de f"},
        {INIT("\"\\n\\r\\t\\b\\a\\\\\\\"\\q\""), "|\n\r\t\b\a\\\"q"},
        {INIT("\"\\x41\\xfF\\x0\\xg1\\x\""), "|A\xffx0xg1x"},
        {INIT("'it\\'s \\n \"'"), "|it's \\n \""},
        {INIT("a\\n"), "|a\\n"},
        {INIT("a\0b"), "|a|b"},
        {INIT("\"open"), NULL},
        {INIT("'open"), NULL},
        {INIT("\"a\"b"), NULL},
        {INIT("'a''b'"), NULL},
        {INIT("\"a\\"), NULL},
        {INIT("\"a\\\""), NULL},
        {INIT("x \""), NULL},
    };
    for (size_t i = 0; i < LENGTH_OF(lines); i++) {
        struct problem problem = {0};
        out.size = other.size = 0;
        ok(buf_append(&out, "before", 6));
        ok(buf_append(&other, "before", 6));
        int err = resp_from_inline(lines[i].line, &out, &problem);
        if (lines[i].words == NULL) {
            assert_int_equal(err, ERR_BAD_REQUEST);
            assert_string_equal(problem.text, "Protocol error: unbalanced quotes in request");
            continue;
        }
        ok(err);
        size_t count = 0;
        for (const char *p = lines[i].words; *p != 0; p++)
            count += *p == '|';
        ok(resp_put_array(&other, count));
        for (const char *p = lines[i].words; *p == '|';) {
            size_t size = strcspn(++p, "|");
            ok(resp_put_bulk(&other, (struct bytes){(const uint8_t *)p, size}));
            p += size;
        }
        assert_int_equal(out.size, other.size);
        assert_memory_equal(out.data, other.data, out.size);
    }
}

/* ---- arguments ---- */

static const size_t sizes[] = {0, 1, 31, 32, 255, 256, 65535, 65536};
static uint8_t body[65536];

/* `out` becomes a command whose arguments have all these sizes; behind its header. */
static struct resp_reader sized_command(void)
{
    struct seen seen = {0};
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i * 7);
    out.size = 0;
    ok(resp_put_array(&out, LENGTH_OF(sizes)));
    for (size_t i = 0; i < LENGTH_OF(sizes); i++)
        ok(resp_put_bulk(&out, (struct bytes){body, sizes[i]}));
    scan_part(&seen, buf_bytes(&out), out.size);
    ok(seen.err);
    return resp_reader_of(&seen.scan, out.data);
}

static void next(void **state)
{
    (void)state;
    struct resp_reader reader = sized_command();
    for (size_t i = 0; i < LENGTH_OF(sizes); i++) {
        assert_int_equal(reader.left, LENGTH_OF(sizes) - i);
        struct bytes arg = resp_next(&reader);
        assert_int_equal(arg.size, sizes[i]);
        assert_memory_equal(arg.data, body, arg.size);
    }
    assert_int_equal(reader.left, 0);
    assert_ptr_equal(reader.at, out.data + out.size);
}

/* Every argument as a bin, and the one behind it is still what it was. */
static void as_bin(void **state)
{
    (void)state;
    struct resp_reader reader = sized_command();
    for (size_t i = 0; i < LENGTH_OF(sizes); i++) {
        struct bytes arg = resp_next(&reader);
        struct bytes bin = resp_as_bin(arg);
        other.size = 0;
        ok(pack_bin(&other, (struct bytes){body, sizes[i]}));
        assert_int_equal(bin.size, other.size);
        assert_memory_equal(bin.data, other.data, bin.size);
        assert_ptr_equal(bin.data + bin.size, arg.data + arg.size);
    }
}

static void as_keys(void **state)
{
    (void)state;
    for (size_t first = 0; first < LENGTH_OF(sizes); first++) {
        struct resp_reader reader = sized_command();
        other.size = 0;
        for (size_t i = 0; i < first; i++)
            (void)resp_next(&reader);
        for (size_t i = first; i < LENGTH_OF(sizes); i++)
            ok(pack_str(&other, (struct bytes){body, sizes[i]}));
        struct resp_list list = resp_as_list(&reader, false);
        assert_int_equal(list.count, LENGTH_OF(sizes) - first);
        assert_int_equal(list.key_min, sizes[first]);
        assert_int_equal(list.key_max, 65536);
        assert_int_equal(list.value_max, 0);
        assert_int_equal(list.bytes.size, other.size);
        assert_memory_equal(list.bytes.data, other.data, other.size);
    }
}

/* Pairs of every size with every size, and small ones, which leave the least room. */
static void as_pairs(void **state)
{
    (void)state;
    for (size_t k = 0; k < LENGTH_OF(sizes); k++) {
        for (size_t v = 0; v < LENGTH_OF(sizes); v++) {
            struct bytes args[] = {{body, sizes[k]}, {body, sizes[v]}, {body, 0}, {body, 1}};
            struct seen seen = {0};
            (void)sized_command(); /* fills `body` */
            out.size = other.size = 0;
            ok(resp_put_array(&out, 4));
            for (size_t i = 0; i < 4; i++) {
                ok(resp_put_bulk(&out, args[i]));
                if (i % 2 == 0)
                    ok(pack_array(&other, 2));
                ok(i % 2 == 0 ? pack_str(&other, args[i]) : pack_bin(&other, args[i]));
            }
            scan_part(&seen, buf_bytes(&out), out.size);
            struct resp_reader reader = resp_reader_of(&seen.scan, out.data);
            struct resp_list list = resp_as_list(&reader, true);
            assert_int_equal(list.count, 2);
            assert_int_equal(list.key_min, 0);
            assert_int_equal(list.key_max, sizes[k]);
            assert_int_equal(list.value_max, sizes[v] > 1 ? sizes[v] : 1);
            assert_int_equal(list.bytes.size, other.size);
            assert_memory_equal(list.bytes.data, other.data, other.size);
        }
    }
}

/* ---- writing ---- */

static void wrote(const char *text)
{
    assert_int_equal(out.size, strlen(text));
    assert_memory_equal(out.data, text, out.size);
    out.size = 0;
}

static void writers(void **state)
{
    (void)state;
    ok(resp_put_simple(&out, "OK"));
    wrote("+OK\r\n");
    ok(resp_put_error(&out, "ERR two\r\nlines\n"));
    wrote("-ERR two  lines \r\n");
    ok(resp_put_int(&out, 0));
    ok(resp_put_int(&out, 1234567890));
    ok(resp_put_int(&out, INT64_MAX));
    ok(resp_put_int(&out, INT64_MIN));
    wrote(":0\r\n:1234567890\r\n:9223372036854775807\r\n:-9223372036854775808\r\n");
    ok(resp_put_bulk(&out, BYTES_NONE));
    ok(resp_put_bulk(&out, bytes_of("a\r\nb")));
    ok(resp_put_text(&out, "text"));
    wrote("$0\r\n\r\n$4\r\na\r\nb\r\n$4\r\ntext\r\n");
    ok(resp_put_array(&out, 0));
    ok(resp_put_array(&out, 12));
    wrote("*0\r\n*12\r\n");
}

static void writers_of_versions(void **state)
{
    (void)state;
    static const char *const expected[] = {"$-1\r\n*-1\r\n*4\r\n*2\r\n$4\r\ntext\r\n",
                                           "_\r\n_\r\n%2\r\n~2\r\n=8\r\ntxt:text\r\n"};
    for (unsigned version = 2; version <= 3; version++) {
        ok(resp_put_nil(&out, version));
        ok(resp_put_nil_array(&out, version));
        ok(resp_put_map(&out, 2, version));
        ok(resp_put_set(&out, 2, version));
        ok(resp_put_verbatim(&out, bytes_of("text"), version));
        wrote(expected[version - 2]);
    }
}

#ifdef CAIRN_FAULTS
static int write_all(void)
{
    static const uint8_t large[5000];
    struct bytes b = {large, sizeof large};
    int err = resp_put_simple(&out, "OK");
    (void)(err == 0 && (err = resp_put_error(&out, "ERR no")) == 0 &&
           (err = resp_put_int(&out, -1)) == 0 && (err = resp_put_bulk(&out, b)) == 0 &&
           (err = resp_put_verbatim(&out, b, 2)) == 0 &&
           (err = resp_put_verbatim(&out, b, 3)) == 0 && (err = resp_put_nil(&out, 2)) == 0 &&
           (err = resp_put_map(&out, 1, 3)) == 0);
    return err;
}

static int write_inline(void)
{
    struct problem problem;
    return resp_from_inline(bytes_of("set key 'a longer value'"), &out, &problem);
}

static void no_memory(void **state)
{
    (void)state;
    int (*const runs[])(void) = {write_all, write_inline};
    for (size_t i = 0; i < LENGTH_OF(runs); i++) {
        unsigned long n = 0;
        int err = ERR_OUT_OF_MEMORY;
        while (err != 0) {
            assert_int_equal(err, ERR_OUT_OF_MEMORY);
            buf_deinit(&out);
            mem_fail_after(++n, 0);
            err = runs[i]();
            mem_fail_after(0, 0);
        }
        assert_true(n > 3);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(whole, reset),
        cmocka_unit_test_teardown(cut_everywhere, reset),
        cmocka_unit_test_teardown(pieces_of_every_size, reset),
        cmocka_unit_test_teardown(checked_once, reset),
        cmocka_unit_test_teardown(line_checked_once, reset),
        cmocka_unit_test_teardown(need_is_told, reset),
        cmocka_unit_test_teardown(line_limit, reset),
        cmocka_unit_test_teardown(inline_commands, reset),
        cmocka_unit_test_teardown(next, reset),
        cmocka_unit_test_teardown(as_bin, reset),
        cmocka_unit_test_teardown(as_keys, reset),
        cmocka_unit_test_teardown(as_pairs, reset),
        cmocka_unit_test_teardown(writers, reset),
        cmocka_unit_test_teardown(writers_of_versions, reset),
#ifdef CAIRN_FAULTS
        cmocka_unit_test_teardown(no_memory, reset),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
