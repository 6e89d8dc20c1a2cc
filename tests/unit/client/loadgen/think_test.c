/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/think: times follow the law they are named after, are the same for the same seed,
 * and what is no time is refused.
 */
#include "client/loadgen/think.h"

#include "common/err.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { CONNS = 100, TURNS = 1000, DRAWS = CONNS * TURNS, SEED = 11 };

static double drawn[DRAWS];

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct think good(const char *text)
{
    struct think think;
    if (think_parse(text, &think) != 0)
        fail_msg("refused: %s", text);
    return think;
}

/* Times of all turns but the first, sorted, in ns. */
static struct think draw(const char *text)
{
    struct think think = good(text);
    for (unsigned i = 0; i < DRAWS; i++)
        drawn[i] = (double)think_ns(&think, SEED, i / TURNS, 1 + i % TURNS);
    qsort(drawn, DRAWS, sizeof drawn[0], compare);
    return think;
}

static double mean(void)
{
    double sum = 0;
    for (unsigned i = 0; i < DRAWS; i++)
        sum += drawn[i];
    return sum / DRAWS;
}

static void near(double value, double expected, double share)
{
    if (!(fabs(value - expected) <= expected * share))
        fail_msg("%f, expected %f (seed %d)", value, expected, SEED);
}

static void fixed(void **state)
{
    (void)state;
    struct think think = draw("250ms");
    assert_true(drawn[0] == 250e6 && drawn[DRAWS - 1] == 250e6);
    assert_true(think_mean_ns(&think) == 250e6);
    think = good("2");
    assert_true(think_mean_ns(&think) == 2e9);
}

static void uniform(void **state)
{
    (void)state;
    struct think think = draw("100ms-2s");
    assert_true(drawn[0] >= 100e6 && drawn[DRAWS - 1] <= 2e9);
    near(mean(), 1.05e9, 0.01);
    near(think_mean_ns(&think), 1.05e9, 1e-9);
    for (unsigned i = 1; i < 10; i++)
        near(drawn[DRAWS / 10 * i], 100e6 + 190e6 * i, 0.03);
}

/* Kolmogorov-Smirnov, at a chance of 0.001. */
static void exponential(void **state)
{
    (void)state;
    struct think think = draw("exponential:1s");
    double worst = 0;
    near(mean(), 1e9, 0.02);
    near(think_mean_ns(&think), 1e9, 1e-9);
    for (unsigned i = 0; i < DRAWS; i++) {
        double share = 1 - exp(-drawn[i] / 1e9);
        worst = fmax(worst, fabs(share - (i + 0.5) / DRAWS));
    }
    if (worst * sqrt(DRAWS) > 1.95)
        fail_msg("KS distance %.5f (seed %d)", worst, SEED);
}

static void lognormal(void **state)
{
    (void)state;
    struct think think = draw("lognormal:500ms,1");
    near(drawn[DRAWS / 2], 500e6, 0.02);
    near(drawn[(unsigned)(DRAWS * 0.8413)], 500e6 * exp(1), 0.03); /* one sigma above */
    near(mean(), 500e6 * exp(0.5), 0.03);
    near(think_mean_ns(&think), 500e6 * exp(0.5), 1e-9);
}

/* A time depends on seed, connection and turn, and on nothing else. */
static void same_again(void **state)
{
    (void)state;
    struct think think = good("exponential:1s");
    unsigned same = 0;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t time = think_ns(&think, SEED, i % 10, i / 10);
        assert_true(think_ns(&think, SEED, i % 10, i / 10) == time);
        same += think_ns(&think, SEED + 1, i % 10, i / 10) == time;
        same += think_ns(&think, SEED, i % 10 + 1, i / 10) == time;
        same += think_ns(&think, SEED, i % 10, i / 10 + 1) == time;
    }
    assert_true(same < 10);
}

/* As many users go on in any time as in any other, from the beginning on. */
static void steady(const char *text)
{
    enum { USERS = 20000, SPANS = 20 };
    struct think think = good(text);
    unsigned counts[SPANS] = {0};
    double mean_ns = think_mean_ns(&think), span = mean_ns / 5;
    for (unsigned i = 0; i < USERS; i++) {
        double at = (double)think_ns(&think, SEED, i, 0);
        for (unsigned turn = 1; at < span * SPANS; turn++) {
            counts[(unsigned)(at / span)]++;
            at += (double)think_ns(&think, SEED, i, turn);
        }
    }
    for (unsigned i = 0; i < SPANS; i++) /* six standard deviations of independent users */
        if (fabs(counts[i] - USERS / 5.0) > 6 * sqrt(USERS / 5.0))
            fail_msg("%s: %u go on in span %u, not %u (seed %d)", text, counts[i], i, USERS / 5,
                     SEED);
}

static void begin(void **state)
{
    (void)state;
    steady("1s");
    steady("100ms-2s");
    steady("exponential:1s");
    steady("lognormal:1s,0.5");
    steady("lognormal:1s,1");
}

static void bounded(void **state)
{
    (void)state;
    struct think think = good("lognormal:24h,3");
    for (unsigned i = 0; i < 1000; i++)
        assert_true(think_ns(&think, SEED, i, 1) <= UINT64_C(86400000000000));
}

static void mistakes(void **state)
{
    (void)state;
    static const char *const texts[] = {"0",
                                        "0ms",
                                        "-1",
                                        "x",
                                        "1s-",
                                        "-1s",
                                        "2s-1s",
                                        "1s-2s-3s",
                                        "1,2",
                                        "exponential:",
                                        "exponential",
                                        "exponential:0",
                                        "lognormal:1s",
                                        "lognormal:1s,",
                                        "lognormal:1s,x",
                                        "lognormal:1s,-1",
                                        "lognormal:1s,3.1",
                                        "poisson:1s",
                                        "25h",
                                        "exponential:1s-2s"};
    struct think think;
    for (size_t i = 0; i < LENGTH_OF(texts); i++)
        if (think_parse(texts[i], &think) != ERR_BAD_ARGUMENT)
            fail_msg("taken: %s", texts[i]);
    assert_int_equal(good("").kind, THINK_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed),     cmocka_unit_test(uniform),    cmocka_unit_test(exponential),
        cmocka_unit_test(lognormal), cmocka_unit_test(same_again), cmocka_unit_test(begin),
        cmocka_unit_test(bounded),   cmocka_unit_test(mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
