/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/problem: texts are one printable line whatever the client sent, fit their room, and no
 * field of an earlier problem stays.
 */
#include "proto/problem.h"

#include "common/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void formats(void **state)
{
    (void)state;
    struct problem problem;
    assert_int_equal(problem_set(&problem, ERR_NOT_FOUND, "no %s %d", "thing", 7), ERR_NOT_FOUND);
    assert_int_equal(problem.err, ERR_NOT_FOUND);
    assert_string_equal(problem.text, "no thing 7");
    assert_int_equal(problem_set(&problem, ERR_BUSY, NULL), ERR_BUSY);
    assert_string_equal(problem.text, err_text(ERR_BUSY));
}

static void unprintable(void **state)
{
    (void)state;
    struct problem problem;
    for (int c = 1; c < 256; c++) {
        (void)problem_set(&problem, ERR_BAD_ARGUMENT, "a%cb", c);
        const char expected[] = {'a', c >= 0x20 && c < 0x7f ? (char)c : '?', 'b', 0};
        assert_string_equal(problem.text, expected);
    }
    (void)problem_set(&problem, ERR_BAD_ARGUMENT, "%s", "x\r\n+OK\r\n");
    assert_null(strpbrk(problem.text, "\r\n"));
}

static void too_long(void **state)
{
    (void)state;
    struct problem problem;
    char text[1000];
    memset(text, 'y', sizeof text);
    text[sizeof text - 1] = 0;
    (void)problem_set(&problem, ERR_BAD_ARGUMENT, "%s", text);
    assert_int_equal(strlen(problem.text), sizeof problem.text - 1);
    assert_memory_equal(problem.text, text, sizeof problem.text - 1);
}

static void conflict(void **state)
{
    (void)state;
    struct problem problem;
    assert_int_equal(problem_conflict(&problem, UINT64_MAX, "version is %d", 3), ERR_CONFLICT);
    assert_int_equal(problem.err, ERR_CONFLICT);
    assert_true(problem.has_actual && problem.actual == UINT64_MAX);
    assert_false(problem.has_index);
    assert_string_equal(problem.text, "version is 3");
    problem.has_index = true;
    (void)problem_set(&problem, ERR_BUSY, NULL);
    assert_false(problem.has_actual || problem.has_index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
        cmocka_unit_test(unprintable),
        cmocka_unit_test(too_long),
        cmocka_unit_test(conflict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
