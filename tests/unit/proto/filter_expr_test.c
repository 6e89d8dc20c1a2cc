/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/filter_expr: what expressions become, what they match, and what is refused, with the byte.
 */
#include "proto/filter_expr.h"

#include "proto/filter.h"
#include "proto/json_out.h"
#include "proto/json_read.h"
#include "tests/unit/proto/text_reader.h"

static int read_from(struct bytes text, struct buf *out)
{
    return filter_expr_read(text, out, &problem);
}

static void becomes(const char *text, const char *expected)
{
    static struct filter filter;
    struct buf packed = {0}, json = {0};
    if (read_text(bytes_of(text), &packed) != 0)
        fail_msg("%s: %s", text, problem.text);
    assert_int_equal(json_out(buf_bytes(&packed), 0, &json), 0);
    if (!bytes_equal(buf_bytes(&json), bytes_of(expected)))
        fail_msg("%s: %.*s", text, (int)json.size, (const char *)json.data);
    assert_int_equal(filter_compile(&filter, buf_bytes(&packed), &problem), 0);
    buf_deinit(&packed);
    buf_deinit(&json);
}

static void filters(void **state)
{
    (void)state;
    becomes(".year >= 1980", "{\"year\": {\"$gte\": 1980}}");
    becomes("1980<=.year", "{\"year\": {\"$gte\": 1980}}");
    becomes(".a == 'x'", "{\"a\": {\"$in\": [\"x\"]}}");
    becomes("\"x\"==.a", "{\"a\": {\"$in\": [\"x\"]}}");
    becomes(".a == 1", "{\"a\": {\"$in\": [1, true]}}");
    becomes(".a in [0, 2.5, -3, 'it\\'s', null]",
            "{\"a\": {\"$in\": [0, false, 2.5, -3, \"it's\", null]}}");
    becomes(".a == 1.0", "{\"a\": {\"$in\": [1.0, true]}}");
    becomes(".a in [-0.0, 1e-1]", "{\"a\": {\"$in\": [-0.0, false, 0.1]}}");
    becomes(".a in []", "{\"a\": {\"$in\": []}}");
    becomes("'x' in .tags", "{\"tags\": {\"$contains\": \"x\"}}");
    becomes(".a.b-c_1 > 1e-3", "{\"a.b-c_1\": {\"$gt\": 0.001}}");
    becomes(".year >= 1980 and .rating > 7",
            "{\"$and\": [{\"year\": {\"$gte\": 1980}}, {\"rating\": {\"$gt\": 7}}]}");
    becomes("((.a<1))&&(.b<2 and .c<3)",
            "{\"$and\": [{\"a\": {\"$lt\": 1}}, {\"$and\": [{\"b\": {\"$lt\": 2}}, "
            "{\"c\": {\"$lt\": 3}}]}]}");
    becomes(".a != 2", "{\"$and\": [{\"a\": {\"$nin\": [2]}}, {\"a\": {\"$exists\": true}}]}");
    becomes("not .a", "{\"$and\": [{\"$not\": {\"a\": {\"$nin\": [0, false, \"\", null]}}}, "
                      "{\"a\": {\"$exists\": true}}]}");
    becomes(".a > 1 or .a < 0 and .b < 0",
            "{\"$and\": [{\"$or\": [{\"a\": {\"$gt\": 1}}, {\"$and\": [{\"a\": {\"$lt\": 0}}, "
            "{\"b\": {\"$lt\": 0}}]}]}, {\"a\": {\"$exists\": true}}, {\"b\": {\"$exists\": "
            "true}}]}");
}

static bool matches(const char *text, const char *json)
{
    static struct filter filter;
    struct buf packed = {0}, metadata = {0};
    if (read_text(bytes_of(text), &packed) != 0)
        fail_msg("%s: %s", text, problem.text);
    assert_int_equal(json_read_object(bytes_of(json), 8, &metadata, &problem), 0);
    assert_int_equal(filter_compile(&filter, buf_bytes(&packed), &problem), 0);
    bool is = filter_match(&filter, buf_bytes(&metadata));
    buf_deinit(&packed);
    buf_deinit(&metadata);
    return is;
}

/* As Redis has it. */
static void meaning(void **state)
{
    static const char movie[] = "{\"year\": 1984, \"name\": \"M\", \"seen\": true, \"cut\": false, "
                                "\"none\": null, \"empty\": \"\", \"tags\": [\"a\", \"b\"]}";
    static const char *const yes[] = {
        ".year == 1984",
        ".year != 1985 and .name == 'M'",
        ".seen",
        ".seen == 1",
        ".seen == 1.0",
        ".cut == 0",
        "not .cut",
        "!.none",
        "! .empty",
        "!!.seen",
        "not not .seen",
        "!(.year < 1980 or .year > 1990)",
        ".tags",
        "'a' in .tags",
        ".year in [1983, 1984]",
        ".none == null",
        ".seen and .year > 1900",
        "not (.name in ['a', 'b'])",
        ".year > 2000 || .seen",
    };
    static const char *const no[] = {
        ".year != 1984",
        ".cut",
        ".none",
        ".empty",
        "not .seen",
        "'c' in .tags",
        ".missing",
        "not .missing",
        ".missing != 1",
        ".seen or .missing",
        "!(.missing == 1)",
        ".name > 5",
        ".none != null",
        ".year in ['1984']",
    };
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(yes); i++)
        if (!matches(yes[i], movie))
            fail_msg("%s does not match", yes[i]);
    for (size_t i = 0; i < LENGTH_OF(no); i++)
        if (matches(no[i], movie))
            fail_msg("%s matches", no[i]);
}

static void refused(void **state)
{
    static const struct refusal rows[] = {
        {"", "byte 1: a number, a string in quotes or null is expected"},
        {".", "byte 2: the name of a field"},
        {".a.", "byte 4: the name of a field"},
        {".a ==", "byte 6: a number"},
        {".a == .b", "byte 7: a number"},
        {".a == 'x", "byte 7: a string without end"},
        {".a == 1.2.3", "byte 7: not a number"},
        {".a == 1e999", "byte 7: not a number"},
        {".a == 1 .b", "byte 9: 'and', 'or' or the end"},
        {".a == 1 and", "byte 12: a number"},
        {".a in 5", "byte 7: '['"},
        {".a in [1 2]", "byte 10: ',' or ']'"},
        {".a in [1, .b]", "byte 11: a number"},
        {"(.a", "byte 4: ')'"},
        {".a)", "byte 3: 'and'"},
        {"5", "byte 2: a value is compared with a field"},
        {"5 == 5", "byte 6: a value is compared with a field"},
        {"'x' in ['x']", "byte 8: a value is compared with a field"},
        {"1 < .a < 3", "byte 8: what is compared"},
        {"(.a) == 1", "byte 6: what is compared"},
        {"not .a == 1", "byte 8: what is compared"},
        {"not 5", "byte 5: a field or '('"},
        {".a + 1 > 2", "byte 4: arithmetic (+)"},
        {".a ** 2 > 2", "byte 4: arithmetic (**)"},
        {".a > 1 * 2", "byte 8: arithmetic (*)"},
        {"2 % .a", "byte 3: arithmetic (%)"},
        {".a == 6 / 2", "byte 9: arithmetic (/)"},
        {".a == 6 - 2", "byte 9: arithmetic (-)"},
        {"(((((((((.a)))))))))", "byte 9: nested too deeply"},
        {"!!!!!!!!!.a", "nested too deeply"},
    };
    (void)state;
    check_refused(rows, LENGTH_OF(rows));
}

static void many_fields(void **state)
{
    char text[1000] = "";
    struct buf out = {0};
    (void)state;
    for (unsigned i = 0; i <= FILTER_EXPR_FIELDS; i++) {
        size_t n = strlen(text);
        (void)snprintf(text + n, sizeof text - n, "%s.f%u<1", i == 0 ? "" : "&&", i);
        int err = read_text(bytes_of(text), &out);
        assert_int_equal(err, i < FILTER_EXPR_FIELDS ? 0 : ERR_LIMIT_EXCEEDED);
        out.size = 0;
    }
    buf_deinit(&out);
}

static const char whole[] = "(.a > 1 or !.b) and .c in ['x', 1, null] and not (.d != -2.5)";

static void prefixes(void **state)
{
    (void)state;
    for (size_t n = 0; n <= strlen(whole); n++) {
        struct buf out = {0};
        (void)read_text((struct bytes){(const uint8_t *)whole, n}, &out);
        buf_deinit(&out);
    }
    assert_int_equal(problem.err, 0);
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
        cmocka_unit_test(filters),     cmocka_unit_test(meaning),  cmocka_unit_test(refused),
        cmocka_unit_test(many_fields), cmocka_unit_test(prefixes),
#ifdef CAIRN_FAULTS
        cmocka_unit_test(no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
