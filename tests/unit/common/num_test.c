/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/num: what is a number and what is not, and that formatting round-trips.
 */
#include "common/num.h"

#include "common/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef int (*parser)(const char *text, int64_t *out_value);

struct row {
    const char *text;
    int err;
    int64_t value;
};

/* A failing parser must leave its output alone. */
static void check_rows(parser parse, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t value = 4711;
        int err = parse(rows[i].text, &value);
        int64_t expected = rows[i].err == 0 ? rows[i].value : 4711;
        if (err != rows[i].err || value != expected)
            fail_msg("'%s': %s, %jd", rows[i].text, err_name(err), (intmax_t)value);
    }
}

static void ints(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0", 0, 0},
        {"-1", 0, -1},
        {"1234567890", 0, 1234567890},
        {"9223372036854775807", 0, INT64_MAX},
        {"-9223372036854775808", 0, INT64_MIN},
        {"9223372036854775808", ERR_OVERFLOW, 0},
        {"-9223372036854775809", ERR_OVERFLOW, 0},
        {"99999999999999999999999999", ERR_OVERFLOW, 0},
        {"", ERR_BAD_ARGUMENT, 0},
        {"-", ERR_BAD_ARGUMENT, 0},
        {"+1", ERR_BAD_ARGUMENT, 0},
        {"--1", ERR_BAD_ARGUMENT, 0},
        {" 1", ERR_BAD_ARGUMENT, 0},
        {"1 ", ERR_BAD_ARGUMENT, 0},
        {"1x", ERR_BAD_ARGUMENT, 0},
        {"1.0", ERR_BAD_ARGUMENT, 0},
        {"1e3", ERR_BAD_ARGUMENT, 0},
        {"0x10", ERR_BAD_ARGUMENT, 0},
        {"007", ERR_BAD_ARGUMENT, 0},
        {"-00", ERR_BAD_ARGUMENT, 0},
    };
    check_rows(num_parse_int, rows, LENGTH_OF(rows));
}

static void sizes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"64", 0, 64},
        {"64B", 0, 64},
        {"64KiB", 0, 65536},
        {"16MiB", 0, 16777216},
        {"2GiB", 0, INT64_C(2) << 30},
        {"1TiB", 0, INT64_C(1) << 40},
        {"8388607TiB", 0, INT64_C(8388607) << 40},
        {"8388608TiB", ERR_OVERFLOW, 0},
        {"9223372036854775807", 0, INT64_MAX},
        {"9223372036854775808", ERR_OVERFLOW, 0},
        {"-1", ERR_BAD_ARGUMENT, 0},
        {"16MB", ERR_BAD_ARGUMENT, 0},
        {"16 MiB", ERR_BAD_ARGUMENT, 0},
        {"16mib", ERR_BAD_ARGUMENT, 0},
        {"16MiBs", ERR_BAD_ARGUMENT, 0},
        {"1.5MiB", ERR_BAD_ARGUMENT, 0},
        {"MiB", ERR_BAD_ARGUMENT, 0},
        {"", ERR_BAD_ARGUMENT, 0},
    };
    check_rows(num_parse_bytes, rows, LENGTH_OF(rows));
}

static void durations(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"250", 0, 250},
        {"250ms", 0, 250},
        {"10s", 0, 10000},
        {"5m", 0, 300000},
        {"2h", 0, 7200000},
        {"7d", 0, 604800000},
        {"0", 0, 0},
        {"106751991167d", 0, INT64_C(106751991167) * 86400000},
        {"106751991168d", ERR_OVERFLOW, 0},
        {"1w", ERR_BAD_ARGUMENT, 0},
        {"1h30m", ERR_BAD_ARGUMENT, 0},
        {"-5s", ERR_BAD_ARGUMENT, 0},
        {"s", ERR_BAD_ARGUMENT, 0},
    };
    check_rows(num_parse_duration_ms, rows, LENGTH_OF(rows));
}

static void modes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0660", 0, 0660},
        {"660", 0, 0660},
        {"0", 0, 0},
        {"7777", 0, 07777},
        {"10000", ERR_BAD_ARGUMENT, 0},
        {"0680", ERR_BAD_ARGUMENT, 0},
        {"0o660", ERR_BAD_ARGUMENT, 0},
        {"-1", ERR_BAD_ARGUMENT, 0},
        {"", ERR_BAD_ARGUMENT, 0},
        {"7777777777777777777777777", ERR_OVERFLOW, 0},
    };
    check_rows(num_parse_mode, rows, LENGTH_OF(rows));
}

static void bools(void **state)
{
    (void)state;
    static const char *const yes[] = {"true", "yes", "on"};
    static const char *const no[] = {"false", "no", "off"};
    static const char *const neither[] = {"", "1", "0", "True", "y", "nope"};
    for (size_t i = 0; i < 3; i++) {
        bool value = false;
        assert_int_equal(num_parse_bool(yes[i], &value), 0);
        assert_true(value);
        assert_int_equal(num_parse_bool(no[i], &value), 0);
        assert_false(value);
    }
    for (size_t i = 0; i < LENGTH_OF(neither); i++) {
        bool value = true;
        assert_int_equal(num_parse_bool(neither[i], &value), ERR_BAD_ARGUMENT);
        assert_true(value);
    }
}

static void formats(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *bytes;
        const char *duration;
    } rows[] = {
        {0, "0", "0"},
        {1, "1", "1ms"},
        {1000, "1000", "1s"},
        {1024, "1KiB", "1024ms"},
        {1536, "1536", "1536ms"},
        {16777216, "16MiB", "16777216ms"},
        {17825792, "17MiB", "17825792ms"},
        {86400000, "84375KiB", "1d"},
        {INT64_C(1) << 40, "1TiB", "1099511627776ms"},
        {INT64_MAX, "9223372036854775807", "9223372036854775807ms"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        char text[NUM_TEXT_SIZE];
        num_format_bytes(rows[i].value, text);
        assert_string_equal(text, rows[i].bytes);
        num_format_duration_ms(rows[i].value, text);
        assert_string_equal(text, rows[i].duration);
    }
}

static void views(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-1", true, -1},
        {"42", true, 42},
        {"007", false, 0},
        {"-0", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"0x1", false, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        int64_t value = 0;
        bool ok = num_read_int(bytes_of(rows[i].text), &value);
        if (ok != rows[i].ok || value != rows[i].value)
            fail_msg("'%s': %d, %jd", rows[i].text, ok, (intmax_t)value);
    }
}

static void reals(void **state)
{
    (void)state;
    static const char *const same[] = {"0",      "1",      "-1",  "10.6", "5200",   "0.1",
                                       "-0.001", "123.25", "0.5", "1000", "100000", "3.14"};
    static const char *const wrong[] = {"",    "-",  "inf", "nan",    "0x10", " 1",   "1 ",
                                        "1,5", "1e", ".",   "1e9999", "--1",  "1.2.3"};
    char text[NUM_REAL_SIZE];
    long double value;
    for (size_t i = 0; i < LENGTH_OF(same); i++) {
        assert_true(num_read_real(bytes_of(same[i]), &value));
        num_format_real((double)value, text);
        assert_string_equal(text, same[i]);
    }
    for (size_t i = 0; i < LENGTH_OF(wrong); i++)
        if (num_read_real(bytes_of(wrong[i]), &value))
            fail_msg("'%s' is a number", wrong[i]);
    num_format_real(1e-7, text);
    assert_string_equal(text, "0.0000001");
    num_format_real(0.1 + 0.2, text);
    assert_string_equal(text, "0.30000000000000004");
    num_format_real(-1e300 * 1e300, text);
    assert_string_equal(text, "-inf");
}

/* What is formatted reads back as the same double, at both ends of the range too. */
static void real_round_trips(void **state)
{
    (void)state;
    srandom(2);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = (uint64_t)random() << 40 ^ (uint64_t)random() << 20 ^ (uint64_t)random();
        double value;
        char text[NUM_REAL_SIZE];
        bits = i == 0 ? 1 : i == 1 ? 0x7fefffffffffffff : bits; /* smallest and largest */
        memcpy(&value, &bits, sizeof value);
        num_format_real(value, text);
        assert_true(strtod(text, NULL) == value || value != value || value - value != 0);
        assert_true(strlen(text) < NUM_REAL_SIZE && strchr(text, 'e') == NULL);
    }
}

/* Values around every unit, and random ones. */
static void round_trips(void **state)
{
    (void)state;
    srandom(1);
    for (int i = 0; i < 100000; i++) {
        int64_t value = (int64_t)((uint64_t)random() << 32 ^ (uint64_t)random() << 8) & INT64_MAX;
        value >>= random() % 63;
        value = random() % 2 ? value : value / 3600000 * 3600000;
        char text[NUM_TEXT_SIZE];
        int64_t back = -1;
        num_format_bytes(value, text);
        assert_int_equal(num_parse_bytes(text, &back), 0);
        assert_true(back == value);
        num_format_duration_ms(value, text);
        assert_int_equal(num_parse_duration_ms(text, &back), 0);
        assert_true(back == value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ints),        cmocka_unit_test(sizes),
        cmocka_unit_test(durations),   cmocka_unit_test(modes),
        cmocka_unit_test(bools),       cmocka_unit_test(formats),
        cmocka_unit_test(round_trips), cmocka_unit_test(views),
        cmocka_unit_test(reals),       cmocka_unit_test(real_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
