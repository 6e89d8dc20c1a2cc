/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/resp_reply_vec: results of vec.* in the shapes of vector set commands, in both versions of
 * RESP, what is said where there is nothing, and a reply that is too large.
 */
#include "common/err.h"
#include "proto/resp_command.h"

#include "tests/unit/proto/filter_fixture.h"

static void check(unsigned version, enum resp_shape shape, const char *result, const char *expected)
{
    const struct resp_context context = {version, 1000, 100000};
    struct buf packed = {0}, out = {0};
    fixture_value(&result, &packed);
    assert_int_equal(resp_reply(&context, shape, buf_bytes(&packed), &out), 0);
    if (!bytes_equal(buf_bytes(&out), bytes_of(expected)))
        fail_msg("%.*s instead of %s", (int)out.size, (const char *)out.data, expected);
    buf_deinit(&packed);
    buf_deinit(&out);
}

static void bools(void **state)
{
    static const char *const yes[] = {"[7, true]", "[{'key': 'a'}]", "7", "true"};
    static const char *const no[] = {"[7, false]", "[null]", "0", "null", "false"};
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(yes); i++) {
        check(2, RESP_SHAPE_BOOL, yes[i], ":1\r\n");
        check(3, RESP_SHAPE_BOOL, yes[i], "#t\r\n");
    }
    for (size_t i = 0; i < LENGTH_OF(no); i++) {
        check(2, RESP_SHAPE_BOOL, no[i], ":0\r\n");
        check(3, RESP_SHAPE_BOOL, no[i], "#f\r\n");
    }
}

static void infos(void **state)
{
    (void)state;
    check(2, RESP_SHAPE_CARD, "5", ":5\r\n");
    check(2, RESP_SHAPE_DIM, "{'count': 1, 'dim': 3}", ":3\r\n");
    check(2, RESP_SHAPE_DIM, "null", "-ERR key does not exist\r\n");
    check(2, RESP_SHAPE_VINFO, "null", "*-1\r\n");
    check(3, RESP_SHAPE_VINFO, "null", "_\r\n");
}

static void vectors(void **state)
{
    (void)state;
    check(2, RESP_SHAPE_VECTOR, "{'key': 'a', 'vector': [1, 0.5]}", "*2\r\n:1\r\n$3\r\n0.5\r\n");
    check(3, RESP_SHAPE_VECTOR, "{'key': 'a', 'vector': [0.25, 0.5]}", "*2\r\n,0.25\r\n,0.5\r\n");
    check(2, RESP_SHAPE_VECTOR, "null", "$-1\r\n");
    check(2, RESP_SHAPE_ATTRIBUTES, "[{'key': 'a', 'metadata': {'x': [1]}, 'version': 3}]",
          "$10\r\n{\"x\": [1]}\r\n");
    check(2, RESP_SHAPE_ATTRIBUTES, "[{'key': 'a', 'metadata': null}]", "$-1\r\n");
    check(3, RESP_SHAPE_ATTRIBUTES, "[null]", "_\r\n");
}

static void hits(void **state)
{
    static const char two[] = "{'items': [{'key': 'a', 'score': 1.0, 'metadata': {}}, {'key': 'b', "
                              "'score': -0.5, 'metadata': null}], 'scanned': 2, 'exact': true}";
    static const char none[] = "{'items': [], 'scanned': 0, 'exact': true}";
    (void)state;
    check(2, RESP_SHAPE_HITS, two, "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    check(3, RESP_SHAPE_HITS, two, "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    check(2, RESP_SHAPE_HITS_SCORES, two, "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$4\r\n0.25\r\n");
    check(3, RESP_SHAPE_HITS_SCORES, two, "%2\r\n$1\r\na\r\n,1\r\n$1\r\nb\r\n,0.25\r\n");
    check(2, RESP_SHAPE_HITS_ATTRIBUTES, two, "*4\r\n$1\r\na\r\n$2\r\n{}\r\n$1\r\nb\r\n$-1\r\n");
    check(2, RESP_SHAPE_HITS_BOTH, two,
          "*6\r\n$1\r\na\r\n$1\r\n1\r\n$2\r\n{}\r\n$1\r\nb\r\n$4\r\n0.25\r\n$-1\r\n");
    check(3, RESP_SHAPE_HITS_BOTH, two,
          "%2\r\n$1\r\na\r\n*2\r\n,1\r\n$2\r\n{}\r\n$1\r\nb\r\n*2\r\n,0.25\r\n_\r\n");
    check(2, RESP_SHAPE_HITS, none, "*0\r\n");
    check(3, RESP_SHAPE_HITS_SCORES, none, "%0\r\n");
}

static void too_large(void **state)
{
    const struct resp_context context = {2, 1000, 20};
    const char *result = "{'items': [{'key': 'aaaaaaaaaa'}, {'key': 'aaaaaaaaaa'}]}";
    struct buf packed = {0}, out = {0};
    (void)state;
    fixture_value(&result, &packed);
    assert_int_equal(resp_reply(&context, RESP_SHAPE_HITS, buf_bytes(&packed), &out),
                     ERR_LIMIT_EXCEEDED);
    buf_deinit(&packed);
    buf_deinit(&out);
}

/* NOT_FOUND, as each command tells it. */
static void absent(void **state)
{
    static const struct {
        const char *command, *reply_2, *reply_3;
    } rows[] = {
        {"vcard", ":0\r\n", ":0\r\n"},     {"vrem", ":0\r\n", "#f\r\n"},
        {"vismember", ":0\r\n", "#f\r\n"}, {"vsetattr", ":0\r\n", "#f\r\n"},
        {"vemb", "$-1\r\n", "_\r\n"},      {"vgetattr", "$-1\r\n", "_\r\n"},
        {"vlinks", "$-1\r\n", "_\r\n"},    {"vrandmember", "$-1\r\n", "_\r\n"},
        {"vsim", "*0\r\n", "*0\r\n"},      {"get", "-ERR gone\r\n", "-ERR gone\r\n"},
    };
    struct problem problem;
    struct buf out = {0};
    (void)state;
    resp_init();
    for (size_t i = 0; i < 2 * LENGTH_OF(rows); i++) {
        const struct resp_context context = {i % 2 == 0 ? 2 : 3, 1000, 1000};
        const char *expected = i % 2 == 0 ? rows[i / 2].reply_2 : rows[i / 2].reply_3;
        (void)problem_set(&problem, ERR_NOT_FOUND, "gone");
        out.size = 0;
        const struct resp_command *command = resp_find(bytes_of(rows[i / 2].command));
        assert_int_equal(resp_reply_problem(&context, command, command->shape, &problem, &out), 0);
        assert_true(bytes_equal(buf_bytes(&out), bytes_of(expected)));
    }
    problem.inside = true;
    out.size = 0;
    assert_int_equal(resp_reply_problem(&(struct resp_context){2, 1000, 1000},
                                        resp_find(bytes_of("vsim")), RESP_SHAPE_HITS, &problem,
                                        &out),
                     0);
    assert_true(bytes_equal(buf_bytes(&out), bytes_of("-ERR element not found in set\r\n")));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bools), cmocka_unit_test(infos),     cmocka_unit_test(vectors),
        cmocka_unit_test(hits),  cmocka_unit_test(too_large), cmocka_unit_test(absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
