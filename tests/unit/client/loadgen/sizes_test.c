/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/sizes: what is written is read and written again; what is drawn has the mean, the
 * spread and the bounds of its distribution.
 */
#include "client/loadgen/sizes.h"

#include "common/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DRAWS = 1000000, LIMIT = 1 << 30 };

static struct sizes parse(const char *text)
{
    struct sizes sizes;
    char again[SIZES_TEXT_SIZE];
    if (sizes_parse(text, 1, LIMIT, &sizes) != 0)
        fail_msg("%s was refused", text);
    sizes_format(&sizes, again);
    assert_string_equal(again, text);
    return sizes;
}

static void presets(void **state)
{
    (void)state;
    static const char *const names[] = {"etc", "small", "session", "embedding"};
    static const char *const texts[] = {"pareto:214,0.348", "8-64", "lognormal:1024,0.7", "6144"};
    for (size_t i = 0; i < LENGTH_OF(names); i++) {
        struct sizes sizes;
        char again[SIZES_TEXT_SIZE];
        assert_int_equal(sizes_parse(names[i], 1, LIMIT, &sizes), 0);
        sizes_format(&sizes, again);
        assert_string_equal(again, texts[i]);
    }
}

static void refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "x",
        "0",
        "5-",
        "-5",
        "5-4",
        "64:",
        "64:0",
        "64:4096",
        ":5",
        "64:1,",
        "64:1,,65:1",
        "64:1 ,65:1",
        "0:5",
        "64:-1",
        "1-2:3",
        "normal:",
        "normal:5",
        "normal:5,",
        "normal:0,1",
        "normal:-5,1",
        "lognormal:200,0",
        "lognormal:200,30",
        "pareto:214,0.348,1",
        "pareto:1e9,2",
        "nan:1,1",
        "1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1",
        "2147483648",
    };
    struct sizes sizes;
    for (size_t i = 0; i < LENGTH_OF(texts); i++)
        if (sizes_parse(texts[i], 1, LIMIT, &sizes) == 0)
            fail_msg("%s was read", texts[i]);
}

/* One size, or from and to: nothing else, and no weights. */
static void spans(void **state)
{
    (void)state;
    static const struct {
        const char *text, *again;
    } good[] = {{"0", "0"}, {"16", "16"}, {"16:40", "16-40"}, {"16-40", "16-40"}, {"7:7", "7"}};
    static const char *const bad[] = {"",      "40:16", "16:",  ":16",    "16:40:50",
                                      "16,40", "-1",    "1001", "1:1001", "normal:20,2"};
    struct sizes sizes;
    char again[SIZES_TEXT_SIZE];
    for (size_t i = 0; i < LENGTH_OF(good); i++) {
        if (sizes_parse_span(good[i].text, 0, 1000, &sizes) != 0)
            fail_msg("%s was refused", good[i].text);
        sizes_format(&sizes, again);
        assert_string_equal(again, good[i].again);
    }
    for (size_t i = 0; i < LENGTH_OF(bad); i++)
        if (sizes_parse_span(bad[i], 0, 1000, &sizes) == 0)
            fail_msg("%s was read", bad[i]);
}

/* Mean and deviation of what is drawn; all must be from min to max. */
static void draw(const struct sizes *sizes, double *out_mean, double *out_deviation)
{
    struct rng rng = {1};
    double sum = 0, squares = 0;
    for (unsigned i = 0; i < DRAWS; i++) {
        double size = (double)sizes_draw(sizes, rng_next(&rng));
        assert_true(size >= (double)sizes->min && size <= (double)sizes->max);
        sum += size;
        squares += size * size;
    }
    *out_mean = sum / DRAWS;
    *out_deviation = sqrt(squares / DRAWS - *out_mean * *out_mean);
    assert_true(sizes_draw(sizes, 0) >= (size_t)sizes->min);
    assert_true(sizes_draw(sizes, UINT64_MAX) <= (size_t)sizes->max);
}

static void moments(void **state)
{
    (void)state;
    const struct {
        const char *text;
        double mean, deviation;
    } rows[] = {
        {"64", 64, 0},
        {"64-4096", 2080, 4032 / sqrt(12)},
        {"64:90,4096:10", 467.2, 1209.6},
        {"normal:1000,200", 1000, 200},
        {"lognormal:200,0.5", 200 * exp(0.125), 200 * exp(0.125) * sqrt(exp(0.25) - 1)},
        {"pareto:200,0.2", 251, 200 / (0.8 * sqrt(0.6))},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct sizes sizes = parse(rows[i].text);
        double mean, deviation;
        draw(&sizes, &mean, &deviation);
        if (fabs(mean - rows[i].mean) > 0.01 * rows[i].mean ||
            fabs(deviation - rows[i].deviation) > 0.02 * rows[i].deviation)
            fail_msg("%s: mean %f, deviation %f", rows[i].text, mean, deviation);
        assert_true(fabs(sizes_mean(&sizes) - rows[i].mean) <= 0.001 * rows[i].mean);
    }
}

static void list_has_its_weights(void **state)
{
    (void)state;
    struct sizes sizes = parse("100:1,7:3,5000:6");
    struct rng rng = {2};
    unsigned small = 0, middle = 0, large = 0;
    assert_true(sizes.min == 7 && sizes.max == 5000);
    for (unsigned i = 0; i < DRAWS; i++) {
        size_t size = sizes_draw(&sizes, rng_next(&rng));
        small += size == 7;
        middle += size == 100;
        large += size == 5000;
    }
    assert_int_equal(small + middle + large, DRAWS);
    assert_true(abs((int)small - 300000) < 3000 && abs((int)middle - 100000) < 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets),
        cmocka_unit_test(refused),
        cmocka_unit_test(spans),
        cmocka_unit_test(moments),
        cmocka_unit_test(list_has_its_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
