/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/filter: what compiles, what does not and what the error says, every limit at and above its
 * bound, and where steps lead.
 */
#include "tests/unit/proto/filter_fixture.h"

#include "common/err.h"
#include "proto/mp.h"

static struct filter filter;
static struct problem problem;

static int compile(const char *text)
{
    struct bytes map = fixture_pack(text);
    problem.text[0] = 0;
    int err = filter_compile(&filter, map, &problem);
    fixture_release(map);
    return err;
}

/* ---- steps ---- */

static void leads(unsigned i, int yes, int no)
{
    assert_int_equal(filter.steps[i].yes, yes);
    assert_int_equal(filter.steps[i].no, no);
}

static void conjunction(void **state)
{
    (void)state;
    assert_int_equal(compile("{'a': 1, 'b': {'$gte': 2, '$ne': 3}}"), 0);
    assert_int_equal(filter.count, 3);
    leads(0, 1, FILTER_NO);
    leads(1, 2, FILTER_NO);
    leads(2, FILTER_NO, FILTER_YES);
    assert_int_equal(filter.steps[0].test, FILTER_EQUAL);
    assert_int_equal(filter.steps[1].test, FILTER_GREATER_EQUAL);
}

static void disjunction(void **state)
{
    (void)state;
    assert_int_equal(compile("{'$or': [{'a': 1, 'b': 2}, {'c': 3}], 'd': 4}"), 0);
    assert_int_equal(filter.count, 4);
    leads(0, 1, 2);
    leads(1, 3, 2);
    leads(2, 3, FILTER_NO);
    leads(3, FILTER_YES, FILTER_NO);
}

static void opposite(void **state)
{
    (void)state;
    assert_int_equal(compile("{'$not': {'a': 1, '$not': {'b': {'$nin': [2]}}}}"), 0);
    assert_int_equal(filter.count, 2);
    leads(0, 1, FILTER_YES);
    leads(1, FILTER_NO, FILTER_YES); /* twice $not, and $nin */
}

static void empty_lists(void **state)
{
    (void)state;
    assert_int_equal(compile("{}"), 0);
    assert_int_equal(filter.count, 1);
    leads(0, FILTER_YES, FILTER_NO);
    assert_int_equal(compile("{'$or': []}"), 0);
    leads(0, FILTER_NO, FILTER_YES);
    assert_int_equal(compile("{'$and': [], 'a': {'$or': [{}, 1]}}"), 0);
    assert_int_equal(filter.count, 3);
    leads(0, 1, FILTER_NO);
}

/* ---- errors ---- */

static const struct {
    const char *text, *expected;
} wrong[] = {
    {"7", "filter: must be a map of paths and conditions, {\"path\": value}"},
    {"[]", "filter: must be a map of paths and conditions, {\"path\": value}"},
    {"{'$or': [{}, 7]}",
     "filter at '$or[1]': must be a map of paths and conditions, {\"path\": value}"},
    {"{'a': {'$gt': null}}", "filter at 'a.$gt': takes a number, str or bin"},
    {"{'a': {'$lte': [1]}}", "filter at 'a.$lte': takes a number, str or bin"},
    {"{'a': {'$in': 'x'}}", "filter at 'a.$in': takes an array of values"},
    {"{'a': {'$nin': {}}}", "filter at 'a.$nin': takes an array of values"},
    {"{'a': {'$exists': 1}}", "filter at 'a.$exists': takes true or false"},
    {"{'$and': {'a': 1}}", "filter at '$and': takes an array of conditions"},
    {"{'a': {'$or': 5}}", "filter at 'a.$or': takes an array of conditions"},
    {"{'$not': 5}", "filter at '$not': must be a map of paths and conditions, {\"path\": value}"},
    {"{'$eq': 5}", "filter at '$eq': stands behind a path: {\"path\": {\"$eq\": ...}}"},
    {"{'$or': [{'$exists': true}]}",
     "filter at '$or[0].$exists': stands behind a path: {\"path\": {\"$exists\": ...}}"},
    {"{'a': {'$gte ': 1}}", "filter at 'a.$gte ': no such operator; did you mean $gte?"},
    {"{'x.y': {'$regex': 'z'}}",
     "filter at 'x.y.$regex': no such operator; there are $eq $ne $lt $lte $gt $gte $in $nin "
     "$contains $exists $and $or $not"},
    {"{'a': {'$gt': 1, 'b': 2}}",
     "filter at 'a.b': stands among operators; write paths with dots, 'a.b'"},
    {"{'a': {'b': {'$gt': 1}}}", "filter at 'a': an operator inside a value; write the path with "
                                 "dots, 'a.b', or the value in $eq"},
    {"{'a': [{'b': [{'$x': 1}]}]}", "filter at 'a': an operator inside a value; write the path "
                                    "with dots, 'a.b', or the value in $eq"},
    {"{1: 2}", "filter at '[0]': a key must be str or bin"},
    {"{'a': {'$and': [{'$lt': 5}, {'$not': {'$gt': true}}]}}",
     "filter at 'a.$and[1].$not.$gt': takes a number, str or bin"},
};

static void errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(wrong); i++) {
        assert_int_equal(compile(wrong[i].text), ERR_BAD_ARGUMENT);
        assert_int_equal(problem.err, ERR_BAD_ARGUMENT);
        assert_string_equal(problem.text, wrong[i].expected);
    }
}

static void no_messagepack(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\xc1",
                                        "\x81\xa1"
                                        "a",
                                        "\x80\x80", "\xdf\xff\xff\xff\xff"};
    for (size_t i = 0; i < LENGTH_OF(texts); i++) {
        struct bytes map = fixture_exact(bytes_of(texts[i]));
        assert_int_equal(filter_compile(&filter, map, &problem), ERR_BAD_ARGUMENT);
        assert_string_equal(problem.text, "filter: not one MessagePack value");
        fixture_release(map);
    }
}

/* An operator inside what $eq takes is a key as any other. */
static void literal(void **state)
{
    (void)state;
    assert_int_equal(compile("{'a': {'$eq': {'$gt': {'$nope': 1}}}}"), 0);
    assert_int_equal(compile("{'a': {'$in': [{'$gt': 1}]}}"), 0);
    assert_int_equal(compile("{'a': {'b': '$5', 'c': ['$6']}}"), 0);
    assert_int_equal(compile("{`a`: {`$gt`: `x`}}"), 0);
    assert_int_equal(filter.steps[0].test, FILTER_GREATER);
}

/* ---- limits ---- */

/* Closes whatever is open; what is left of it is not read. */
#define CLOSE_ALL "}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}"

/* `before`, `count` times `part`, `after`. */
static int compile_many(const char *before, const char *part, unsigned count, const char *after)
{
    size_t room = strlen(before) + count * strlen(part) + strlen(after) + 1;
    char *text = calloc(1, room), *end = text;
    assert_non_null(text);
    end = stpcpy(end, before);
    for (unsigned i = 0; i < count; i++)
        end = stpcpy(end, part);
    (void)stpcpy(end, after);
    int err = compile(text);
    free(text);
    return err;
}

static void limits(void **state)
{
    (void)state;
    assert_int_equal(compile_many("{'$or': [", "{'a': 1},", FILTER_STEPS, "]}"), 0);
    assert_int_equal(filter.count, FILTER_STEPS);
    assert_int_equal(compile_many("{'$or': [", "{'a': 1},", FILTER_STEPS + 1, "]}"),
                     ERR_LIMIT_EXCEEDED);
    assert_string_equal(problem.text, "filter at '$or[256].a': too many comparisons ($in takes "
                                      "many values as one), at most 256");
    assert_int_equal(compile_many("{'a': {'$in': [", "1,", FILTER_ELEMENTS - 1, "]}}"), 0);
    assert_int_equal(compile_many("{'a': {'$in': [", "1,", FILTER_ELEMENTS, "]}}"),
                     ERR_LIMIT_EXCEEDED);
    assert_string_equal(problem.text,
                        "filter at 'a.$in': too many elements to compare with, at most 4096");
    assert_int_equal(compile_many("{'a': {", "'k': 1,", FILTER_PAIRS, "}}"), 0);
    assert_int_equal(compile_many("{'a': {", "'k': 1,", FILTER_PAIRS + 1, "}}"),
                     ERR_LIMIT_EXCEEDED);
    assert_string_equal(problem.text,
                        "filter at 'a': too many pairs in a map to compare with, at most 128");
}

static void nested(unsigned levels, int expected)
{
    assert_int_equal(compile_many("", "{'$not':", levels, "{}" CLOSE_ALL), expected);
}

static void depth(void **state)
{
    (void)state;
    nested(FILTER_DEPTH, 0);
    nested(FILTER_DEPTH + 1, ERR_LIMIT_EXCEEDED);
    assert_non_null(strstr(problem.text, "conditions are nested too deep, at most 16"));
    nested(MP_DEPTH_MAX - 1, ERR_LIMIT_EXCEEDED);
    nested(MP_DEPTH_MAX + 1, ERR_BAD_ARGUMENT); /* no proper value any more */
}

/* A place with a long name, or many, keeps its end. */
static void long_places(void **state)
{
    (void)state;
    assert_int_equal(compile_many("{'", "long", 100, "': {'$gt': null}}"), ERR_BAD_ARGUMENT);
    assert_string_equal(problem.text, "filter at 'longlonglonglonglonglonglonglonglonglong.$gt': "
                                      "takes a number, str or bin");
    assert_int_equal(
        compile_many("{'path': ", "{'$not': ", FILTER_DEPTH - 3, "{'$in': 1}" CLOSE_ALL),
        ERR_BAD_ARGUMENT);
    assert_non_null(strstr(problem.text, "$not.$not.$in': takes an array of values"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conjunction), cmocka_unit_test(disjunction),
        cmocka_unit_test(opposite),    cmocka_unit_test(empty_lists),
        cmocka_unit_test(errors),      cmocka_unit_test(no_messagepack),
        cmocka_unit_test(literal),     cmocka_unit_test(limits),
        cmocka_unit_test(depth),       cmocka_unit_test(long_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
