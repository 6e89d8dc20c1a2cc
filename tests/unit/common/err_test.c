/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/err: names are unique, stable in form and found again; unknown numbers are harmless.
 */
#include "common/err.h"

#include "common/check.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void names(void **state)
{
    (void)state;
    for (int i = 1; i <= ERR_COUNT; i++) {
        const char *name = err_name(-i);
        assert_int_equal(strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), strlen(name));
        assert_int_equal(err_by_name(name, strlen(name)), -i);
        assert_true(strlen(err_text(-i)) > 0);
        for (int k = 1; k < i; k++)
            assert_string_not_equal(name, err_name(-k));
    }
    assert_string_equal(err_name(ERR_NOT_FOUND), "NOT_FOUND");
    assert_int_equal(err_by_name("CONFLICT", 8), ERR_CONFLICT);
}

static void success(void **state)
{
    (void)state;
    assert_string_equal(err_name(0), "OK");
    assert_string_equal(err_text(0), "success");
    assert_false(err_retryable(0));
}

static void unknown_numbers(void **state)
{
    (void)state;
    static const int numbers[] = {1, 2, INT_MAX, -ERR_COUNT - 1, -1000000, INT_MIN + 1, INT_MIN};
    for (size_t i = 0; i < LENGTH_OF(numbers); i++) {
        assert_string_equal(err_name(numbers[i]), "INTERNAL");
        assert_string_equal(err_text(numbers[i]), err_text(ERR_INTERNAL));
        assert_false(err_retryable(numbers[i]));
    }
}

/* The name may stand anywhere in a message: neither read further nor less. */
static void names_in_text(void **state)
{
    (void)state;
    char *exact = malloc(4);
    memcpy(exact, "BUSY", 4);
    assert_int_equal(err_by_name(exact, 4), ERR_BUSY);
    assert_int_equal(err_by_name(exact, 3), 0);
    assert_int_equal(err_by_name("BUSY now", 5), 0);
    assert_int_equal(err_by_name("busy", 4), 0);
    assert_int_equal(err_by_name("", 0), 0);
    free(exact);
}

static void retryable(void **state)
{
    (void)state;
    for (int i = 1; i <= ERR_COUNT; i++) {
        bool expected = -i == ERR_OUT_OF_MEMORY || -i == ERR_BUSY || -i == ERR_SHUTTING_DOWN ||
                        -i == ERR_IO || -i == ERR_DISK_FULL;
        assert_int_equal(err_retryable(-i), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),           cmocka_unit_test(success),
        cmocka_unit_test(unknown_numbers), cmocka_unit_test(names_in_text),
        cmocka_unit_test(retryable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
