/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/cli/options: what is taken, what is left to others, and what is refused.
 */
#include "client/cli/options.h"

#include "common/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Take one or two words; what options_take returns. */
static int take(const char *first, const char *second, enum options_place place,
                struct options *out, struct usage *usage)
{
    char words[2][64];
    char *argv[2] = {words[0], words[1]};
    snprintf(words[0], sizeof words[0], "%s", first);
    snprintf(words[1], sizeof words[1], "%s", second != NULL ? second : "");
    *out = (struct options){.json = false};
    usage->text[0] = 0;
    return options_take(second != NULL ? 2 : 1, argv, 0, place, out, usage);
}

static void taken(void **state)
{
    (void)state;
    struct options o;
    struct usage usage;
    assert_int_equal(take("--json", "x", OPTIONS_ANYWHERE, &o, &usage), 1);
    assert_true(o.json);
    assert_int_equal(take("-p", "1", OPTIONS_FRONT, &o, &usage), 2);
    assert_int_equal(take("--port=1", NULL, OPTIONS_FRONT, &o, &usage), 1);
    assert_int_equal(take("--timeout", "5s", OPTIONS_ANYWHERE, &o, &usage), 2);
    assert_true(o.timeout.given && o.timeout.ms == 5000);
    assert_int_equal(take("--timeout=0", NULL, OPTIONS_FRONT, &o, &usage), 1);
    assert_true(o.timeout.given && o.timeout.ms == 0);
    assert_int_equal(take("--stat", NULL, OPTIONS_FRONT, &o, &usage), 1);
    assert_true(o.stat.given && o.stat.ms == 1000);
    assert_int_equal(take("--stat", "2", OPTIONS_FRONT, &o, &usage), 2);
    assert_int_equal(o.stat.ms, 2000);
    assert_int_equal(take("--stat=250ms", "kv", OPTIONS_FRONT, &o, &usage), 1);
    assert_int_equal(o.stat.ms, 250);
    assert_int_equal(take("--latency", "--count", OPTIONS_FRONT, &o, &usage), 1);
    assert_true(o.latency.given && !o.stat.given);
    assert_int_equal(take("--count", "3", OPTIONS_FRONT, &o, &usage), 2);
    assert_int_equal(o.count, 3);
    assert_int_equal(take("-h", NULL, OPTIONS_FRONT, &o, &usage), 1);
    assert_true(o.help && o.host == NULL);
}

static void left(void **state)
{
    (void)state;
    struct options o;
    struct usage usage;
    static const char *const words[] = {"kv", "-", "--", "--js", "--jsonx", "-x", "-u1", ""};
    for (size_t i = 0; i < LENGTH_OF(words); i++)
        assert_int_equal(take(words[i], "x", OPTIONS_FRONT, &o, &usage), 0);
    /* Only before the command: behind it, --run is the argument of the operation. */
    assert_int_equal(take("--run", "r", OPTIONS_FRONT, &o, &usage), 2);
    assert_int_equal(take("--run", "r", OPTIONS_ANYWHERE, &o, &usage), 0);
    assert_int_equal(take("-p", "1", OPTIONS_ANYWHERE, &o, &usage), 0);
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second, *hint;
    } cases[] = {
        {"--uri", NULL, "--uri needs a value"},
        {"--timeout", "soon", "not a duration"},
        {"--timeout", "-1s", "not a duration"},
        {"--timeout=", NULL, "not a duration"},
        {"--timeout", "9999999d", "not a duration"},
        {"--stat", "99ms", "at least 100ms"},
        {"--stat=", NULL, "at least 100ms"},
        {"--stat=-1", NULL, "at least 100ms"},
        {"--stat", "99999999999", "at least 100ms"},
        {"--latency", "1x", "at least 100ms"},
        {"--count", "0", "above 0"},
        {"--count", "many", "above 0"},
        {"--json=1", NULL, "takes no value"},
    };
    struct options o;
    struct usage usage;
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        assert_true(take(cases[i].first, cases[i].second, OPTIONS_FRONT, &o, &usage) < 0);
        assert_non_null(strstr(usage.text, cases[i].hint));
    }
}

static void values(void **state)
{
    (void)state;
    assert_true(options_wants_value("--timeout", OPTIONS_ANYWHERE));
    assert_true(options_wants_value("-u", OPTIONS_FRONT));
    assert_false(options_wants_value("-u", OPTIONS_ANYWHERE));
    assert_false(options_wants_value("--timeout=1s", OPTIONS_ANYWHERE));
    assert_false(options_wants_value("--stat", OPTIONS_FRONT));
    assert_false(options_wants_value("--json", OPTIONS_FRONT));
    assert_false(options_wants_value("kv", OPTIONS_FRONT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken),
        cmocka_unit_test(left),
        cmocka_unit_test(refused),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
