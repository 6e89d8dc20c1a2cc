/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/glob: what matches and what does not, and that no pattern takes long.
 */
#include "common/glob.h"

#include "common/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void matches(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool match;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "anything", true},
        {"a", "a", true},
        {"a", "b", false},
        {"a*c", "abbbc", true},
        {"a*c", "abbb", false},
        {"a*b*c", "a1b2b3c", true},
        {"h?llo", "hello", true},
        {"h?llo", "hllo", false},
        {"h[ae]llo", "hallo", true},
        {"h[ae]llo", "hillo", false},
        {"h[^e]llo", "hallo", true},
        {"h[^e]llo", "hello", false},
        {"h[a-b]llo", "hbllo", true},
        {"h[b-a]llo", "hallo", true},
        {"h[a-b]llo", "hcllo", false},
        {"a\\*", "a*", true},
        {"a\\*", "ab", false},
        {"[\\]]", "]", true},
        {"[a", "a", true},
        {"a\\", "a\\", true},
        {"**a", "bba", true},
        {"*?", "", false},
        {"user:*:x", "user:1:2:x", true},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        if (glob_match(bytes_of(rows[i].pattern), bytes_of(rows[i].text)) != rows[i].match)
            fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].text);
}

/* With backtracking over all stars this would take for ever. */
static void stars_are_cheap(void **state)
{
    (void)state;
    char pattern[1001], text[4001];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    for (size_t i = 0; i + 1 < sizeof pattern; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[sizeof pattern - 2] = 'b';
    pattern[sizeof pattern - 1] = 0;
    assert_false(glob_match(bytes_of(pattern), bytes_of(text)));
}

static void prefixes(void **state)
{
    (void)state;
    assert_int_equal(glob_prefix(bytes_of("user:*")).size, 5);
    assert_int_equal(glob_prefix(bytes_of("user")).size, 4);
    assert_int_equal(glob_prefix(bytes_of("*")).size, 0);
    assert_int_equal(glob_prefix(bytes_of("a\\*")).size, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches),
        cmocka_unit_test(stars_are_cheap),
        cmocka_unit_test(prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
