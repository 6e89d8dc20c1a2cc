/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/json_read: every kind of value, what is refused with its byte, every prefix of a text and
 * every lack of memory.
 */
#include "proto/json_read.h"

#include "proto/json_out.h"
#include "proto/mp.h"
#include "tests/unit/proto/text_reader.h"

enum { DEPTH = 4 };

static int read_from(struct bytes text, struct buf *out)
{
    return json_read_object(text, DEPTH, out, &problem);
}

/* The text as it is written again. */
static void check(const char *text, const char *expected)
{
    struct buf packed = {0}, back = {0};
    if (read_text(bytes_of(text), &packed) != 0)
        fail_msg("%s: %s", text, problem.text);
    struct mp_reader reader = mp_reader_of(buf_bytes(&packed));
    assert_int_equal(mp_skip(&reader, MP_DEPTH_MAX), 0);
    assert_true(mp_at_end(&reader));
    assert_int_equal(json_out(buf_bytes(&packed), 0, &back), 0);
    if (!bytes_equal(buf_bytes(&back), bytes_of(expected)))
        fail_msg("%.*s instead of %s", (int)back.size, (const char *)back.data, expected);
    buf_deinit(&packed);
    buf_deinit(&back);
}

static void values(void **state)
{
    (void)state;
    check("{}", "{}");
    check(" {\"a\" : 1 ,\n\"b\":[ true,false , null,{}]}\t",
          "{\"a\": 1, \"b\": [true, false, null, {}]}");
    check("{\"a\":0,\"b\":-0,\"c\":18446744073709551615,\"d\":-9223372036854775808}",
          "{\"a\": 0, \"b\": 0, \"c\": 18446744073709551615, \"d\": -9223372036854775808}");
    check("{\"a\":1.5e3,\"b\":0.1,\"c\":1E-2,\"d\":18446744073709551616,\"e\":1.0}",
          "{\"a\": 1500.0, \"b\": 0.1, \"c\": 0.01, \"d\": 1.8446744073709552e+19, \"e\": 1.0}");
    check("{\"\\u0041\\n\\/\":\"\\u00e9\\u20ac\\ud83d\\ude00\\\"\\\\\"}",
          "{\"A\\n/\": \"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\\"\\\\\"}");
    check("{\"a\":1,\"a\":2}", "{\"a\": 1, \"a\": 2}");
}

static void long_ones(void **state)
{
    static const size_t sizes[] = {15, 16, 31, 32, 255, 256, 65535, 65536};
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(sizes); i++) {
        struct buf text = {0}, packed = {0};
        struct mp mp;
        assert_int_equal(buf_append(&text, "{\"a\":[", 6), 0);
        for (size_t n = 0; n < sizes[i]; n++)
            assert_int_equal(buf_append(&text, n == 0 ? "7" : ",7", n == 0 ? 1 : 2), 0);
        assert_int_equal(buf_append(&text, "],\"b\":\"", 7), 0);
        for (size_t n = 0; n < sizes[i]; n++)
            assert_int_equal(buf_append(&text, "x", 1), 0);
        assert_int_equal(buf_append(&text, "\"}", 2), 0);
        assert_int_equal(read_text(buf_bytes(&text), &packed), 0);
        struct mp_reader reader = mp_reader_of(buf_bytes(&packed));
        assert_int_equal(mp_read(&reader, &mp) + mp_read(&reader, &mp) + mp_read(&reader, &mp), 0);
        assert_int_equal(mp.count, sizes[i]);
        for (size_t n = 0; n < sizes[i]; n++)
            assert_int_equal(mp_read(&reader, &mp), 0);
        assert_int_equal(mp_read(&reader, &mp) + mp_read(&reader, &mp), 0);
        assert_int_equal(mp.bytes.size, sizes[i]);
        buf_deinit(&text);
        buf_deinit(&packed);
    }
}

static void refused(void **state)
{
    static const struct refusal rows[] = {
        {"", "byte 1: a JSON object is expected"},
        {"[1]", "byte 1: a JSON object is expected"},
        {"7", "byte 1: a JSON object is expected"},
        {"{} x", "byte 4: something stands behind"},
        {"{\"a\"}", "byte 5: ':' is expected"},
        {"{a:1}", "byte 2: a key is expected"},
        {"{\"a\":1,}", "byte 8: a key is expected"},
        {"{\"a\":[1 2]}", "byte 9: ',' or ']'"},
        {"{\"a\":1 \"b\":2}", "byte 8: ',' or '}'"},
        {"{\"a\":nul}", "byte 6: a value is expected"},
        {"{\"a\":01}", "not a number"},
        {"{\"a\":-}", "not a number"},
        {"{\"a\":1.}", "not a number"},
        {"{\"a\":1e}", "not a number"},
        {"{\"a\":1e400}", "too large"},
        {"{\"a\":\"\\x\"}", "no such escape"},
        {"{\"a\":\"\\u12g4\"}", "not a character"},
        {"{\"a\":\"\\ud83d\"}", "not a character"},
        {"{\"a\":\"\\ude00\"}", "not a character"},
        {"{\"a\":\"\xff\"}", "not UTF-8"},
        {"{\"a\":\"\n\"}", "a string without end"},
        {"{\"a\":[[[[]]]]}", "byte 10: nested too deeply"},
    };
    (void)state;
    check_refused(rows, LENGTH_OF(rows));
}

static const char whole[] =
    "{\"a\":[1,-2.5e-3,\"\\ud83d\\ude00\",{\"b\":null}],\"long\":\"0123456789012345678901234567\"}";

static void prefixes(void **state)
{
    (void)state;
    for (size_t n = 0; n < strlen(whole); n++) {
        struct buf out = {0};
        assert_int_equal(read_text((struct bytes){(const uint8_t *)whole, n}, &out),
                         ERR_BAD_ARGUMENT);
        assert_int_equal(out.size, 0);
        buf_deinit(&out);
    }
}

#ifdef CAIRN_FAULTS
static void no_memory(void **state)
{
    (void)state;
    check_no_memory(whole);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),    cmocka_unit_test(long_ones),
        cmocka_unit_test(refused),   cmocka_unit_test(prefixes),
#ifdef CAIRN_FAULTS
        cmocka_unit_test(no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
