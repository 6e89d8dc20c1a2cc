/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/steady: a warm-up ends when what warms up has done so, and not before; an interval
 * of 95 % holds the truth about as often as it says, also where neighbours resemble each other.
 */
#include "client/loadgen/steady.h"

#include "common/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { SEED = 11, TRIALS = 60, RATE = 1000 };

static struct series series;
static struct snapshot seen;
static struct rng rng;

/* Normal, by the sum of twelve. */
static double normal(void)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += (double)(rng_next(&rng) >> 11) * 0x1p-53;
    return sum;
}

static void begin(void)
{
    memset(&seen, 0, sizeof seen);
    hist_init(&seen.latency);
    hist_init(&seen.slip);
    series_init(&series, &seen);
}

/* An interval with so many requests that took so long. */
static void interval(double requests, uint64_t ns)
{
    hist_add_n(&seen.latency, ns, (uint64_t)(requests > 0 ? requests : 0));
    seen.now_ns += SERIES_INTERVAL_NS;
    series_update(&series, &seen, false);
}

/* Intervals until it is enough: how many. 0: it never was. */
static unsigned intervals_until(const struct steady_rules *rules, unsigned most,
                                double (*requests)(unsigned), uint64_t (*ns)(unsigned))
{
    begin();
    for (unsigned i = 0; i < most; i++) {
        interval(requests(i), ns(i));
        if (steady_look(rules, &series).enough)
            return i + 1;
    }
    return 0;
}

static double even(unsigned i)
{
    (void)i;
    return RATE;
}

static double warming(unsigned i)
{
    return RATE * (1 - 0.8 * exp(i / -20.0));
}

static double ever_growing(unsigned i)
{
    return RATE * (1 + 0.05 * i);
}

static double noisy(unsigned i)
{
    (void)i;
    return RATE * (1 + 0.03 * normal());
}

static double warming_noisy(unsigned i)
{
    return warming(i) * (1 + 0.03 * normal());
}

static double wild(unsigned i)
{
    (void)i;
    return RATE * (1 + 0.5 * normal());
}

static uint64_t a_millisecond(unsigned i)
{
    (void)i;
    return 1000000;
}

static uint64_t ever_slower(unsigned i)
{
    return 1000000 + i * 100000;
}

static const struct steady_rules steady_rules = {.until_steady = true};

static void what_is_steady_ends_at_once(void **state)
{
    (void)state;
    assert_int_equal(intervals_until(&steady_rules, 100, even, a_millisecond), STEADY_WINDOW + 1);
    rng = (struct rng){SEED};
    unsigned early = 0;
    for (unsigned i = 0; i < TRIALS; i++)
        early += intervals_until(&steady_rules, 20, noisy, a_millisecond) <= STEADY_WINDOW + 2;
    assert_true(early > TRIALS * 9 / 10);
}

/* From interval 54 on to 107 the rate grows by less than 5 %. */
static void what_warms_up_is_waited_for(void **state)
{
    (void)state;
    unsigned n = intervals_until(&steady_rules, 200, warming, a_millisecond);
    assert_in_range(n, 100, 115);
    rng = (struct rng){SEED};
    unsigned too_early = 0;
    for (unsigned i = 0; i < TRIALS; i++) {
        n = intervals_until(&steady_rules, 200, warming_noisy, a_millisecond);
        too_early += n < 40;
        assert_true(n > 0);
    }
    assert_true(too_early < TRIALS / 20);
}

static void what_goes_on_is_never_steady(void **state)
{
    (void)state;
    assert_int_equal(intervals_until(&steady_rules, 100, ever_growing, a_millisecond), 0);
    assert_int_equal(intervals_until(&steady_rules, 100, even, ever_slower), 0);
}

/* So much noise hides a trend: it takes longer to be sure. */
static void noise_is_not_taken_for_steady(void **state)
{
    (void)state;
    rng = (struct rng){SEED};
    assert_true(intervals_until(&steady_rules, 20, wild, a_millisecond) == 0);
    begin();
    assert_false(steady_judge(&steady_rules, &series).enough);
    for (unsigned i = 0; i < 50; i++)
        interval(0, 1);
    struct steady found = steady_judge(&steady_rules, &series);
    assert_false(found.enough || found.has_trends);
}

/* ---- precision ---- */

static void ends_when_precise(void **state)
{
    (void)state;
    const struct steady_rules one = {.rate = 0.02}, both = {.rate = 0.02, .p99 = 0.01};
    const struct steady_rules nothing = {.rate = 0};
    rng = (struct rng){SEED};
    unsigned n = intervals_until(&one, 299, noisy, a_millisecond);
    assert_true(n >= STEADY_BATCHES && n <= 60 && n % STEADY_BATCHES == 0);
    struct steady found = steady_judge(&one, &series);
    assert_true(found.enough && found.rate <= 0.02 && found.rate > 0);
    assert_int_equal(found.after_ns, n * (uint64_t)SERIES_INTERVAL_NS);
    assert_int_equal(intervals_until(&nothing, 100, even, a_millisecond), 0);
    assert_int_equal(intervals_until(&both, 100, even, ever_slower), 0); /* p99 grows */
    assert_int_equal(intervals_until(&both, 100, even, a_millisecond), STEADY_BATCHES);
}

/* Of ten requests to a batch nobody knows p99. */
static void few_requests_have_no_p99(void **state)
{
    (void)state;
    const struct steady_rules rules = {.p99 = 1};
    begin();
    for (unsigned i = 0; i < 100; i++)
        interval(10, 1000000);
    struct steady found = steady_judge(&rules, &series);
    assert_true(found.has_rate && !found.has_p99 && !found.enough);
}

/* How often the interval holds the truth if each value has so much of the one before it. */
static unsigned covered(double memory, unsigned intervals)
{
    unsigned good = 0;
    const struct steady_rules rules = {.rate = 1};
    for (unsigned trial = 0; trial < TRIALS; trial++) {
        double at = 0, sum = 0;
        begin();
        for (unsigned i = 0; i < intervals; i++) {
            at = memory * at + normal();
            interval(RATE * (1 + 0.05 * at), 1000000);
            sum += (double)series.row[i].requests;
        }
        struct steady found = steady_judge(&rules, &series);
        good += fabs(sum / intervals / RATE - 1) <= found.rate;
    }
    return good;
}

static void interval_holds_the_truth(void **state)
{
    (void)state;
    rng = (struct rng){SEED};
    unsigned independent = covered(0, 100), related = covered(0.7, 100);
    assert_in_range(independent, TRIALS * 92 / 100, TRIALS * 98 / 100);
    assert_in_range(related, TRIALS * 86 / 100, TRIALS * 98 / 100);
}

/* The end is sought by looking again and again, which costs some of the 95 %. */
static void stopping_is_honest(void **state)
{
    (void)state;
    const struct steady_rules rules = {.rate = 0.02};
    unsigned good = 0;
    rng = (struct rng){SEED};
    for (unsigned trial = 0; trial < TRIALS; trial++) {
        double requests = 0;
        unsigned n = intervals_until(&rules, 299, noisy, a_millisecond);
        for (unsigned i = 0; i < series.n; i++)
            requests += (double)series.row[i].requests;
        good += n > 0 && fabs(requests / series.n / RATE - 1) <= 0.02;
    }
    assert_true(good > TRIALS * 90 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_steady_ends_at_once),
        cmocka_unit_test(what_warms_up_is_waited_for),
        cmocka_unit_test(what_goes_on_is_never_steady),
        cmocka_unit_test(noise_is_not_taken_for_steady),
        cmocka_unit_test(ends_when_precise),
        cmocka_unit_test(few_requests_have_no_p99),
        cmocka_unit_test(interval_holds_the_truth),
        cmocka_unit_test(stopping_is_honest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
