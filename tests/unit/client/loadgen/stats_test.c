/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/stats: known medians, intervals that hold the truth as often as they say, verdicts
 * that do not see what is not there.
 */
#include "client/loadgen/stats.h"

#include "common/err.h"
#include "common/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { SEED = 20240607, TRIALS = 200, RUNS = 9 };

static void near(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%.6f, expected %.6f within %g", got, expected, tolerance);
}

static void medians(void **state)
{
    (void)state;
    double odd[] = {9, 1, 5}, even[] = {4, 1, 3, 2}, one[] = {7};
    near(stats_median(odd, 3), 5, 0);
    near(stats_median(even, 4), 2.5, 0);
    near(stats_median(one, 1), 7, 0);
    near(stats_median(one, 0), 0, 0);
}

static void spread(void **state)
{
    (void)state;
    double values[] = {2, 4, 4, 4, 5, 5, 7, 9}; /* mean 5, sum of squares 32 */
    near(stats_mean(values, 8), 5, 0);
    near(stats_cv(values, 8), sqrt(32.0 / 7) / 5, 1e-12);
    near(stats_cv(values, 1), 0, 0);
}

/* The interval of a median lies around it, among the runs; too few have none. */
static void spread_of_runs(void **state)
{
    (void)state;
    const double runs[] = {100, 104, 96, 101, 99, 250, 98};
    struct stats_spread spread;
    assert_int_equal(stats_spread_of(runs, 7, SEED, &spread), 0);
    near(spread.median, 100, 0);
    near(spread.cv, stats_cv(runs, 7), 0);
    assert_true(spread.low >= 96 && spread.low < 100);
    assert_true(spread.high > 100 && spread.high <= 250);
    assert_int_equal(stats_spread_of(runs, STATS_RUNS_MIN - 1, SEED, &spread), 0);
    assert_int_equal(spread.runs, STATS_RUNS_MIN - 1);
    near(spread.low, spread.median, 0);
    near(spread.high, spread.median, 0);
    const double broken[] = {100, 0, 100};
    assert_int_equal(stats_spread_of(broken, 3, SEED, &spread), ERR_BAD_ARGUMENT);
    assert_int_equal(stats_spread_of(broken, 0, SEED, &spread), ERR_BAD_ARGUMENT);
}

/* About normal: the sum of twelve uniform numbers less 6. */
static double normal(struct rng *rng)
{
    double sum = 0;
    for (unsigned i = 0; i < 12; i++)
        sum += (double)(rng_next(rng) >> 11) * 0x1p-53;
    return sum - 6;
}

/* Runs that share a drift, as on a machine that gets slower; B is `truth` times A. */
static void make_pairs(struct rng *rng, double truth, double noise, double *a, double *b)
{
    for (unsigned i = 0; i < RUNS; i++) {
        double drift = 1000.0 / (1 + 0.1 * i);
        a[i] = drift * exp(noise * normal(rng));
        b[i] = drift * truth * exp(noise * normal(rng));
    }
}

static void pairs_ignore_drift(void **state)
{
    (void)state;
    double a[RUNS], b[RUNS];
    struct rng rng = {SEED};
    struct stats_ratio ratio;
    make_pairs(&rng, 1.2, 0, a, b);
    assert_int_equal(stats_ratio_of_pairs(a, b, RUNS, SEED, &ratio), 0);
    near(ratio.ratio, 1.2, 1e-9);
    near(ratio.low, 1.2, 1e-9);
    near(ratio.high, 1.2, 1e-9);
    assert_int_equal(ratio.runs, RUNS);
    assert_true(ratio.a_cv > 0.1);
    assert_int_equal(stats_ratio_of_groups(a, RUNS, b, RUNS, SEED, &ratio), 0);
    near(ratio.ratio, 1.2, 1e-9);
    assert_true(ratio.low < 1.1 && ratio.high > 1.3); /* the drift is in here */
}

/* The median of nine draws from 1..9 is at most k if five of them are, so that its quantiles are
 * those of a binomial: P(at most 1) = 0.001, P(at most 2) = 0.030; likewise above. */
static void known_interval(void **state)
{
    (void)state;
    double a[RUNS], b[RUNS];
    struct stats_ratio ratio;
    for (unsigned i = 0; i < RUNS; i++) {
        a[i] = 10;
        b[i] = 10.0 * (i + 1);
    }
    assert_int_equal(stats_ratio_of_pairs(a, b, RUNS, SEED, &ratio), 0);
    near(ratio.ratio, 5, 1e-12);
    near(ratio.low, 2, 1e-12);
    near(ratio.high, 8, 1e-12);
    near(ratio.a, 10, 0);
    near(ratio.b, 50, 0);
}

/* 95 % of the intervals hold the true ratio; 200 trials give or take 3 %. */
static void coverage(void **state)
{
    (void)state;
    struct rng rng = {SEED};
    unsigned pairs = 0, groups = 0;
    for (unsigned i = 0; i < TRIALS; i++) {
        double a[RUNS], b[RUNS];
        struct stats_ratio ratio;
        make_pairs(&rng, 1.1, 0.05, a, b);
        assert_int_equal(stats_ratio_of_pairs(a, b, RUNS, i, &ratio), 0);
        pairs += ratio.low <= 1.1 && 1.1 <= ratio.high;
        for (unsigned j = 0; j < RUNS; j++) {
            a[j] = exp(0.05 * normal(&rng));
            b[j] = 1.1 * exp(0.05 * normal(&rng));
        }
        assert_int_equal(stats_ratio_of_groups(a, RUNS, b, RUNS, i, &ratio), 0);
        groups += ratio.low <= 1.1 && 1.1 <= ratio.high;
    }
    assert_in_range(pairs, TRIALS * 90 / 100, TRIALS * 995 / 1000);
    assert_in_range(groups, TRIALS * 90 / 100, TRIALS * 995 / 1000);
}

/* Equal sides are called different in few of many trials, and not at all below the threshold. */
static void no_false_alarm(void **state)
{
    (void)state;
    struct rng rng = {SEED + 1};
    unsigned different = 0;
    for (unsigned i = 0; i < TRIALS; i++) {
        double a[RUNS], b[RUNS];
        struct stats_ratio ratio;
        make_pairs(&rng, 1, 0.05, a, b);
        assert_int_equal(stats_ratio_of_pairs(a, b, RUNS, i, &ratio), 0);
        different += stats_judge(&ratio, true, 0.01) != STATS_NO_DIFFERENCE;
        assert_int_equal(stats_judge(&ratio, true, 0.5), STATS_NO_DIFFERENCE);
    }
    assert_in_range(different, 0, TRIALS * 9 / 100);
}

static void verdicts(void **state)
{
    (void)state;
    struct stats_ratio ratio = {.runs = 5, .ratio = 1.2, .low = 1.1, .high = 1.3};
    assert_int_equal(stats_judge(&ratio, true, 0.05), STATS_BETTER);
    assert_int_equal(stats_judge(&ratio, false, 0.05), STATS_WORSE);
    assert_int_equal(stats_judge(&ratio, true, 0.25),
                     STATS_NO_DIFFERENCE); /* too small to matter */
    near(stats_visible(&ratio, 0.05), 0.1, 1e-12);
    near(stats_visible(&ratio, 0.25), 0.25, 1e-12);
    ratio.low = 0.99;
    assert_int_equal(stats_judge(&ratio, true, 0.05), STATS_NO_DIFFERENCE); /* may be chance */
    ratio = (struct stats_ratio){.runs = 5, .ratio = 0.8, .low = 0.7, .high = 0.9};
    assert_int_equal(stats_judge(&ratio, true, 0.05), STATS_WORSE);
    assert_int_equal(stats_judge(&ratio, false, 0.05), STATS_BETTER);
    ratio.b_cv = 0.12; /* 1 / 1.12 is 0.893 */
    assert_int_equal(stats_judge(&ratio, true, 0.05), STATS_UNSTABLE);
    ratio.high = 0.89;
    assert_int_equal(stats_judge(&ratio, true, 0.05), STATS_WORSE);
    ratio.high = 1.1;
    assert_int_equal(stats_judge(&ratio, true, 0.05), STATS_NO_DIFFERENCE);
    ratio.runs = 4;
    assert_int_equal(stats_judge(&ratio, true, 0.05), STATS_TOO_FEW);
    assert_string_equal(stats_verdict_text(STATS_NO_DIFFERENCE), "no difference shown");
}

static void same_seed_same_interval(void **state)
{
    (void)state;
    double a[] = {1, 2, 3, 4, 5}, b[] = {2, 3, 5, 7, 11};
    struct stats_ratio first, second;
    assert_int_equal(stats_ratio_of_groups(a, 5, b, 5, SEED, &first), 0);
    assert_int_equal(stats_ratio_of_groups(a, 5, b, 5, SEED, &second), 0);
    near(first.low, second.low, 0);
    near(first.high, second.high, 0);
    near(a[4], 5, 0);
}

static void what_has_no_ratio(void **state)
{
    (void)state;
    double good[] = {1, 1}, zero[] = {1, 0}, nan_value[] = {1, NAN}, minus[] = {-1, 1};
    struct stats_ratio ratio;
    assert_int_equal(stats_ratio_of_pairs(good, zero, 2, 1, &ratio), ERR_BAD_ARGUMENT);
    assert_int_equal(stats_ratio_of_pairs(nan_value, good, 2, 1, &ratio), ERR_BAD_ARGUMENT);
    assert_int_equal(stats_ratio_of_groups(good, 2, minus, 2, 1, &ratio), ERR_BAD_ARGUMENT);
    assert_int_equal(stats_ratio_of_groups(good, 2, good, 0, 1, &ratio), ERR_BAD_ARGUMENT);
    assert_int_equal(stats_ratio_of_groups(good, 1, good, 1, 1, &ratio), 0);
    near(ratio.high, 1, 0);
}

int main(void)
{
    print_message("seed %d\n", SEED);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(medians),
        cmocka_unit_test(spread),
        cmocka_unit_test(spread_of_runs),
        cmocka_unit_test(pairs_ignore_drift),
        cmocka_unit_test(known_interval),
        cmocka_unit_test(coverage),
        cmocka_unit_test(no_false_alarm),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(same_seed_same_interval),
        cmocka_unit_test(what_has_no_ratio),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
