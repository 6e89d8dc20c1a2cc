/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/filter_match: every operator on every kind of value, numbers at the edges of what floats
 * can hold, paths, maps in any order, values cut at every byte.
 */
#include "tests/unit/proto/filter_fixture.h"

static struct problem problem;

static bool match_bytes(const char *text, struct bytes metadata)
{
    static struct filter filter;
    struct bytes map = fixture_pack(text);
    assert_int_equal(filter_compile(&filter, map, &problem), 0);
    bool matches = filter_match(&filter, metadata);
    fixture_release(map);
    return matches;
}

static bool match(const char *text, const char *metadata)
{
    struct bytes bytes = fixture_pack(metadata);
    bool matches = match_bytes(text, bytes);
    fixture_release(bytes);
    return matches;
}

struct row {
    const char *filter, *metadata;
    bool matches;
};

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (match(rows[i].filter, rows[i].metadata) != rows[i].matches)
            fail_msg("%s on %s is %d", rows[i].filter, rows[i].metadata, !rows[i].matches);
}

static const struct row equality[] = {
    {"{}", "{}", true},
    {"{}", "7", true},
    {"{'a': 1}", "{'a': 1}", true},
    {"{'a': 1}", "{'a': 2}", false},
    {"{'a': 1, 'b': 'x'}", "{'b': 'x', 'c': 0, 'a': 1}", true},
    {"{'a': 1, 'b': 'x'}", "{'b': 'y', 'c': 0, 'a': 1}", false},
    {"{'a': 'x'}", "{'a': `x`}", true},
    {"{`a`: `x`}", "{'a': 'x'}", true},
    {"{'a': null}", "{'a': null}", true},
    {"{'a': null}", "{}", false},
    {"{'a': true}", "{'a': true}", true},
    {"{'a': true}", "{'a': 1}", false},
    {"{'a': 0}", "{'a': false}", false},
    {"{'a': 0}", "{'a': null}", false},
    {"{'a': '1'}", "{'a': 1}", false},
    {"{'a': []}", "{'a': []}", true},
    {"{'a': []}", "{'a': {}}", false},
    {"{'a': {}}", "{'a': {}}", true},
    {"{'a': {}}", "{'a': {'b': 1}}", false},
    {"{'a': [1, [2, 'x']]}", "{'a': [1, [2.0, `x`]]}", true},
    {"{'a': [1, 2]}", "{'a': [2, 1]}", false},
    {"{'a': [1, 2]}", "{'a': [1, 2, 3]}", false},
    {"{'a': 1}", "{'a': [1]}", false},
    {"{'a': {'b': 1, 'c': [2], 'd': {}}}", "{'a': {'b': 1, 'c': [2], 'd': {}}}", true},
    {"{'a': {'b': 1, 'c': [2], 'd': {}}}", "{'a': {'d': {}, 'b': 1, 'c': [2]}}", true},
    {"{'a': {'b': 1, 'c': [2], 'd': {}}}", "{'a': {'d': {}, 'c': [2], 'b': 1}}", true},
    {"{'a': {'b': 1, 'c': [2], 'd': {}}}", "{'a': {'d': {}, 'c': [3], 'b': 1}}", false},
    {"{'a': {'b': 1, 'c': 2}}", "{'a': {'b': 1, 'x': 2}}", false},
    {"{'a': {'b': 1, 'c': 2}}", "{'a': {'b': 1, 'b': 1}}", false},
    {"{'a': {'b': 1, 'b': 1}}", "{'a': {'b': 1, 'c': 2}}", false},
    {"{'a': [{'b': 1, 'c': 2}, 3]}", "{'a': [{'c': 2, 'b': 1}, 3]}", true},
    {"{'a': [{'b': 1, 'c': 2}, 3]}", "{'a': [{'c': 2, 'b': 1}, 4]}", false},
    {"{'a': {'$eq': {'$gt': 1}}}", "{'a': {'$gt': 1}}", true},
    {"{'a': {'$ne': 1}}", "{'a': 1}", false},
    {"{'a': {'$ne': 1}}", "{'a': 2}", true},
    {"{'a': {'$ne': 1}}", "{}", true},
};

static void equal(void **state)
{
    (void)state;
    check(equality, LENGTH_OF(equality));
}

static const struct row orders[] = {
    {"{'a': {'$lt': 5}}", "{'a': 4}", true},
    {"{'a': {'$lt': 5}}", "{'a': 5}", false},
    {"{'a': {'$lte': 5}}", "{'a': 5.0}", true},
    {"{'a': {'$lte': 5}}", "{'a': 5.5}", false},
    {"{'a': {'$gt': 5}}", "{'a': 5.5}", true},
    {"{'a': {'$gt': 5}}", "{'a': 5}", false},
    {"{'a': {'$gte': 5}}", "{'a': 5}", true},
    {"{'a': {'$gte': 5}}", "{'a': -6}", false},
    {"{'a': {'$gte': 2, '$lt': 4}}", "{'a': 3}", true},
    {"{'a': {'$gte': 2, '$lt': 4}}", "{'a': 4}", false},
    {"{'a': {'$lt': 5}}", "{}", false},
    {"{'a': {'$lt': 5}}", "{'a': '4'}", false},
    {"{'a': {'$gte': 5}}", "{'a': '4'}", false},
    {"{'a': {'$lt': 5}}", "{'a': null}", false},
    {"{'a': {'$lt': 5}}", "{'a': false}", false},
    {"{'a': {'$lt': 'b'}}", "{'a': 'abc'}", true},
    {"{'a': {'$lt': 'ab'}}", "{'a': 'a'}", true},
    {"{'a': {'$gt': 'ab'}}", "{'a': `abc`}", true},
    {"{'a': {'$gte': ''}}", "{'a': ''}", true},
    {"{'a': {'$gt': 'b'}}", "{'a': ['c']}", false},
};

static void ordered(void **state)
{
    (void)state;
    check(orders, LENGTH_OF(orders));
}

static const struct row sets[] = {
    {"{'a': {'$in': [1, 'x', null, [2]]}}", "{'a': 1.0}", true},
    {"{'a': {'$in': [1, 'x', null, [2]]}}", "{'a': `x`}", true},
    {"{'a': {'$in': [1, 'x', null, [2]]}}", "{'a': [2]}", true},
    {"{'a': {'$in': [1, 'x', null, [2]]}}", "{'a': null}", true},
    {"{'a': {'$in': [1, 'x', null, [2]]}}", "{'a': 2}", false},
    {"{'a': {'$in': [1, 'x', null, [2]]}}", "{}", false},
    {"{'a': {'$in': []}}", "{'a': 1}", false},
    {"{'a': {'$nin': []}}", "{'a': 1}", true},
    {"{'a': {'$nin': [1, 2]}}", "{'a': 2}", false},
    {"{'a': {'$nin': [1, 2]}}", "{}", true},
    {"{'a': {'$contains': 'x'}}", "{'a': ['y', `x`]}", true},
    {"{'a': {'$contains': 'x'}}", "{'a': ['y', 'xy']}", false},
    {"{'a': {'$contains': {'b': 1, 'c': 2}}}", "{'a': [0, {'c': 2, 'b': 1.0}]}", true},
    {"{'a': {'$contains': 'bc'}}", "{'a': 'abcd'}", true},
    {"{'a': {'$contains': 'bd'}}", "{'a': 'abcd'}", false},
    {"{'a': {'$contains': ''}}", "{'a': ''}", true},
    {"{'a': {'$contains': 'x'}}", "{'a': ''}", false},
    {"{'a': {'$contains': 1}}", "{'a': '1'}", false},
    {"{'a': {'$contains': 'x'}}", "{'a': {'x': 1}}", false},
    {"{'a': {'$contains': 1}}", "{'a': 1}", false},
    {"{'a': {'$contains': 1}}", "{}", false},
    {"{'a': {'$exists': true}}", "{'a': null}", true},
    {"{'a': {'$exists': true}}", "{'b': 1}", false},
    {"{'a': {'$exists': false}}", "{'b': 1}", true},
    {"{'a': {'$exists': false}}", "{'a': null}", false},
};

static void membership(void **state)
{
    (void)state;
    check(sets, LENGTH_OF(sets));
}

static const struct row logic[] = {
    {"{'$or': [{'a': 1}, {'b': 2}]}", "{'a': 1}", true},
    {"{'$or': [{'a': 1}, {'b': 2}]}", "{'b': 2}", true},
    {"{'$or': [{'a': 1}, {'b': 2}]}", "{'a': 2, 'b': 1}", false},
    {"{'$and': [{'a': 1}, {'b': 2}]}", "{'a': 1, 'b': 2}", true},
    {"{'$and': [{'a': 1}, {'b': 2}]}", "{'a': 1}", false},
    {"{'$and': []}", "{}", true},
    {"{'$or': []}", "{}", false},
    {"{'$or': [{}]}", "{}", true},
    {"{'$or': [{}, {'a': 1}]}", "{}", true},
    {"{'$not': {}}", "{}", false},
    {"{'$not': {'a': 1, 'b': 2}}", "{'a': 1}", true},
    {"{'$not': {'a': 1, 'b': 2}}", "{'a': 1, 'b': 2}", false},
    {"{'$not': {'$or': [{'a': 1}, {'b': 2}]}}", "{'b': 2}", false},
    {"{'$not': {'$or': [{'a': 1}, {'b': 2}]}}", "{}", true},
    {"{'a': {'$not': {'$gte': 5}}}", "{'a': 4}", true},
    {"{'a': {'$not': {'$gte': 5}}}", "{'a': 5}", false},
    {"{'a': {'$not': {'$gte': 5}}}", "{}", true},
    {"{'a': {'$not': {'$gte': 5}}}", "{'a': 'x'}", true},
    {"{'a': {'$not': 5}}", "{'a': 5}", false},
    {"{'a': {'$or': [{'$lt': 1}, {'$gt': 5}, 3]}}", "{'a': 3}", true},
    {"{'a': {'$or': [{'$lt': 1}, {'$gt': 5}, 3]}}", "{'a': 4}", false},
    {"{'a': {'$and': [{'$gt': 1}, {'$lt': 5}], '$ne': 3}}", "{'a': 2}", true},
    {"{'a': {'$and': [{'$gt': 1}, {'$lt': 5}], '$ne': 3}}", "{'a': 3}", false},
    {"{'$or': [{'$and': [{'a': 1}, {'$or': [{'b': 1}, {'b': 2}]}]}, {'c': 1}], 'd': 1}",
     "{'a': 1, 'b': 2, 'd': 1}", true},
    {"{'$or': [{'$and': [{'a': 1}, {'$or': [{'b': 1}, {'b': 2}]}]}, {'c': 1}], 'd': 1}",
     "{'a': 1, 'b': 3, 'd': 1}", false},
    {"{'$or': [{'$and': [{'a': 1}, {'$or': [{'b': 1}, {'b': 2}]}]}, {'c': 1}], 'd': 1}",
     "{'a': 1, 'b': 3, 'c': 1, 'd': 1}", true},
};

static void combined(void **state)
{
    (void)state;
    check(logic, LENGTH_OF(logic));
}

static const struct row paths[] = {
    {"{'a.b': 1}", "{'a': {'b': 1}}", true},
    {"{'a.b': 1}", "{'a.b': 1}", true},
    {"{'a.b': 1}", "{'a': {'b': 1}, 'a.b': 2}", false}, /* the longest key */
    {"{'a.b': 2}", "{'a.b': 2, 'a': {'b': 1}}", true},
    {"{'a.b.c': 1}", "{'a.b': {'c': 1}}", true},
    {"{'a.b.c': 1}", "{'a': {'b.c': 1}}", true},
    {"{'a.b.c': 1}", "{'a.b': 0, 'a': {'b': {'c': 1}}}", false}, /* no way back */
    {"{'a.b': 1}", "{'a': 1}", false},
    {"{'ab': 1}", "{'a': 1}", false},
    {"{'a': 1}", "{'ab': 1}", false},
    {"{'a': 2}", "{'a': 1, 'a': 2}", true}, /* as decoders take it */
    {"{'a': 1}", "{1: 1, null: 2, 'a': 1}", true},
    {"{'a': 1}", "{1: 1, null: 2, [3]: {'a': 1}}", false},
    {"{'': 1}", "{'': 1}", true},
    {"{'': 1}", "{'a': 1}", false},
    {"{'a.': 1}", "{'a': {'': 1}}", true},
    {"{'.a': 1}", "{'': {'a': 1}}", true},
    {"{'a..b': 1}", "{'a': {'': {'b': 1}}}", true},
    {"{'a.1': 'y'}", "{'a': ['x', 'y']}", true},
    {"{'a.1.b': 'y'}", "{'a': [0, {'b': 'y'}]}", true},
    {"{'a.2': {'$exists': true}}", "{'a': ['x', 'y']}", false},
    {"{'a.01': {'$exists': true}}", "{'a': ['x', 'y']}", false},
    {"{'a.-1': {'$exists': true}}", "{'a': ['x', 'y']}", false},
    {"{'a.': {'$exists': true}}", "{'a': ['x', 'y']}", false},
    {"{'a.b': {'$exists': true}}", "{'a': ['x', 'y']}", false},
    {"{'a.4294967297': {'$exists': true}}", "{'a': ['x', 'y']}", false},
    {"{'a.1': 5}", "{'a': {'1': 5}}", true},
    {"{'0': 5}", "[5]", true},
    {"{'a': 1}", "'a'", false},
    {"{'a': {'$exists': false}}", "7", true},
    {"{'a': {'$gt': 1}, 'b': 2}", "{'a': 2, 'b': 2}", true},
};

static void path(void **state)
{
    (void)state;
    check(paths, LENGTH_OF(paths));
}

/* Among thousands, in an order that is not theirs: each is found, whatever stands beside it. */
static void many_operands(void **state)
{
    (void)state;
    enum { COUNT = 2000, ROOM = 64 * COUNT };
    char *text = malloc(ROOM), metadata[64];
    assert_non_null(text);
    int size = snprintf(text, ROOM, "{'a': {'$in': [[7], true, nan, null, {'b': 1}, 'x7', 'x7'");
    for (int i = 0; i < COUNT; i++) {
        int even = 2 * (i * 7 % COUNT); /* each once */
        size += snprintf(text + size, (size_t)(ROOM - size),
                         i % 3 == 0   ? ", %d"
                         : i % 3 == 1 ? ", %d.0"
                                      : ", 'x%d'",
                         even);
    }
    (void)snprintf(text + size, (size_t)(ROOM - size), "]}}");
    for (int i = 0; i < COUNT; i += 41) {
        int even = 2 * (i * 7 % COUNT);
        (void)snprintf(metadata, sizeof metadata, i % 3 == 2 ? "{'a': 'x%d'}" : "{'a': %d}", even);
        assert_true(match(text, metadata));
        (void)snprintf(metadata, sizeof metadata, "{'a': %d}", even + 1);
        assert_false(match(text, metadata));
    }
    assert_true(match(text, "{'a': true}") && match(text, "{'a': null}"));
    assert_true(match(text, "{'a': [7.0]}") && match(text, "{'a': {'b': 1}}"));
    assert_true(match(text, "{'a': `x7`}") && match(text, "{'a': -0.0}"));
    assert_false(match(text, "{'a': false}") || match(text, "{'a': nan}"));
    assert_false(match(text, "{'a': [8]}") || match(text, "{'a': {}}"));
    free(text);
}

/* In ascending order; equal numbers share a line. */
static const char *const numbers[][3] = {
    {"-inf"},
    {"-9223372036854777856.0"},
    {"-9223372036854775808", "-9223372036854775808.0"},
    {"-9223372036854775807"},
    {"-9007199254740993"},
    {"-9007199254740992", "-9007199254740992.0"},
    {"-2.5"},
    {"-2", "-2.0"},
    {"-1"},
    {"-0.5"},
    {"0", "-0.0", "0.0"},
    {"0.5"},
    {"1", "1.0"},
    {"1.5"},
    {"2"},
    {"9007199254740992", "9007199254740992.0"},
    {"9007199254740993"},
    {"9007199254740994", "9007199254740994.0"},
    {"9223372036854775807"},
    {"9223372036854775808", "9223372036854775808.0"},
    {"9223372036854775809"},
    {"18446744073709549568", "18446744073709549568.0"},
    {"18446744073709551615"},
    {"18446744073709551616.0"},
    {"inf."},
};

static void check_numbers(const char *a, const char *b, int order)
{
    static const struct {
        const char *operator;
        bool less, same, greater;
    } rows[] = {
        {"$lt", true, false, false}, {"$lte", true, true, false}, {"$gt", false, false, true},
        {"$gte", false, true, true}, {"$eq", false, true, false}, {"$ne", true, false, true},
    };
    char filter[100], metadata[100];
    snprintf(metadata, sizeof metadata, "{'n': %s}", a);
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        snprintf(filter, sizeof filter, "{'n': {'%s': %s}}", rows[i].operator, b);
        bool expected = order < 0 ? rows[i].less : order > 0 ? rows[i].greater : rows[i].same;
        if (match(filter, metadata) != expected)
            fail_msg("%s on %s is %d", filter, metadata, !expected);
    }
}

static void exact_numbers(void **state)
{
    (void)state;
    for (int i = 0; i < (int)LENGTH_OF(numbers); i++)
        for (int j = 0; j < (int)LENGTH_OF(numbers); j++)
            for (int k = 0; k < 9; k++)
                if (numbers[i][k / 3] != NULL && numbers[j][k % 3] != NULL)
                    check_numbers(numbers[i][k / 3], numbers[j][k % 3], i - j);
}

/* A NaN is equal to nothing and has no order, on either side. */
static void nan_is_nothing(void **state)
{
    (void)state;
    static const char *const others[] = {"nan", "1", "-1", "0.5"};
    static const char *const tests[] = {"$eq", "$lt", "$lte", "$gt", "$gte"};
    for (size_t i = 0; i < LENGTH_OF(others); i++) {
        for (size_t j = 0; j < LENGTH_OF(tests); j++) {
            char filter[100], metadata[100];
            snprintf(filter, sizeof filter, "{'n': {'%s': nan}}", tests[j]);
            snprintf(metadata, sizeof metadata, "{'n': %s}", others[i]);
            assert_false(match(filter, metadata));
            snprintf(filter, sizeof filter, "{'n': {'%s': %s}}", tests[j], others[i]);
            assert_false(match(filter, "{'n': nan}"));
        }
        assert_true(match("{'n': {'$ne': nan}}", "{'n': nan}"));
    }
}

static void encodings(void **state)
{
    (void)state;
    static const char *const fives[] = {
        "\x05", "\xcc\x05", "\xcd\0\x05", "\xd0\x05", "\xd3\0\0\0\0\0\0\0\x05", "\xca\x40\xa0\0\0"};
    static const size_t sizes[] = {1, 2, 3, 2, 9, 5};
    for (size_t i = 0; i < LENGTH_OF(fives); i++) {
        uint8_t map[20] = {0x81, 0xd9, 1, 'n'};
        memcpy(map + 4, fives[i], sizes[i]);
        struct bytes metadata = fixture_exact((struct bytes){map, 4 + sizes[i]});
        assert_true(match_bytes("{'n': 5}", metadata));
        assert_true(match_bytes("{'n': {'$lt': 6, '$gt': 4.5}}", metadata));
        fixture_release(metadata);
    }
}

static void ext(void **state)
{
    (void)state;
    static const uint8_t filter_bytes[] = {0x81, 0xa1, 't', 0xd6, 0xff, 1, 2, 3, 4};
    uint8_t metadata[sizeof filter_bytes];
    struct filter filter;
    struct bytes map = {filter_bytes, sizeof filter_bytes};
    assert_int_equal(filter_compile(&filter, map, &problem), 0);
    memcpy(metadata, filter_bytes, sizeof metadata);
    assert_true(filter_match(&filter, (struct bytes){metadata, sizeof metadata}));
    metadata[4] = 0;
    assert_false(filter_match(&filter, (struct bytes){metadata, sizeof metadata}));
}

/* Cut anywhere, the metadata is still no reason to read behind it, nor to match. */
static void cut(void **state)
{
    (void)state;
    static const char *const filters[] = {
        "{'z': {'a': [1, 'xyz'], 'b': {'c': 1}}}",
        "{'z.a.1': 'xyz'}",
        "{'z.b.c': {'$gte': 1}}",
        "{'z.a': {'$contains': 'xyz'}}",
        "{'z.b.c': {'$in': [7, 1]}}",
    };
    struct bytes whole = fixture_pack("{'z': {'b': {'c': 1}, 'a': [1, 'xyz']}}");
    for (size_t i = 0; i < LENGTH_OF(filters); i++) {
        assert_true(match_bytes(filters[i], whole));
        for (size_t size = 0; size < whole.size; size++) {
            struct bytes part = fixture_exact((struct bytes){whole.data, size});
            assert_false(match_bytes(filters[i], part));
            fixture_release(part);
        }
    }
    fixture_release(whole);
    assert_true(match_bytes("{'a': {'$exists': false}}", BYTES_NONE));
    assert_true(match_bytes("{}", BYTES_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal),
        cmocka_unit_test(ordered),
        cmocka_unit_test(membership),
        cmocka_unit_test(combined),
        cmocka_unit_test(path),
        cmocka_unit_test(exact_numbers),
        cmocka_unit_test(nan_is_nothing),
        cmocka_unit_test(encodings),
        cmocka_unit_test(ext),
        cmocka_unit_test(many_operands),
        cmocka_unit_test(cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
