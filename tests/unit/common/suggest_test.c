/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Did you mean: distances of known pairs, which word is offered, and words too long to compare.
 */
#include "common/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void nearest(void **state)
{
    (void)state;
    struct suggest suggest;
    assert_int_equal(suggest_distance("abc", 3, "abc"), 0);
    assert_int_equal(suggest_distance("ptu", 3, "put"), 1);
    assert_int_equal(suggest_distance("", 0, "abc"), 3);
    assert_int_equal(suggest_distance("kitten", 6, "sitting"), 3);
    suggest_init(&suggest, "delte", 5);
    suggest_offer(&suggest, "get");
    suggest_offer(&suggest, "delete");
    assert_string_equal(suggest.best, "delete");
    suggest_init(&suggest, "xyz", 3);
    suggest_offer(&suggest, "get");
    assert_null(suggest.best);
}

static void not_terminated(void **state)
{
    (void)state;
    struct suggest suggest;
    suggest_init(&suggest, "sett=5", 4);
    suggest_offer(&suggest, "get-all");
    suggest_offer(&suggest, "set");
    assert_string_equal(suggest.best, "set");
}

static void too_long(void **state)
{
    (void)state;
    struct suggest suggest;
    char word[200];
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = 0;
    assert_true(suggest_distance(word, sizeof word - 1, "x") >= 64);
    suggest_init(&suggest, "x", 1);
    suggest_offer(&suggest, word);
    assert_null(suggest.best);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest),
        cmocka_unit_test(not_terminated),
        cmocka_unit_test(too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
