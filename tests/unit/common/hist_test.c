/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/hist against the sorted values themselves: quantiles within 0.8 % and never above
 * max, minimum, maximum, sum and count exact, merging the same as adding.
 */
#include "common/hist.h"

#include "common/check.h"
#include "tests/unit/common/seed.h"

#include <math.h>
#include <string.h>

enum {
    VALUES = 5000,
    HIST_TEST_STEP = 125, /* 0.8 % */
};

static struct hist hist, other, merged; /* 35 KiB each */
static uint64_t values[VALUES];

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Every bucket begins where the one before it ended, and no value is reported below itself. */
static void buckets(void **state)
{
    (void)state;
    uint64_t bottom = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        uint64_t top = hist_bucket_top(i);
        assert_true(top >= bottom);
        assert_true((top - bottom) * HIST_TEST_STEP <= bottom);
        for (unsigned side = 0; side < 2; side++) {
            hist_init(&hist);
            hist_add(&hist, side == 0 ? bottom : top);
            assert_int_equal(hist.bucket[i], 1);
        }
        bottom = top + 1;
    }
    assert_true(bottom == UINT64_C(1) << HIST_TOP_BITS);
}

static void empty(void **state)
{
    (void)state;
    hist_init(&hist);
    hist_init(&other);
    assert_int_equal(hist_quantile(&hist, 0.5), 0);
    assert_true(hist_mean(&hist) <= 0);
    hist_add(&hist, 7);
    hist_merge(&hist, &other); /* nothing changes the minimum */
    assert_int_equal(hist.min, 7);
    assert_int_equal(hist.max, 7);
    assert_int_equal(hist.count, 1);
}

static void out_of_range(void **state)
{
    (void)state;
    hist_init(&hist);
    hist_add(&hist, UINT64_MAX);
    hist_add(&hist, UINT64_C(1) << HIST_TOP_BITS);
    assert_int_equal(hist.bucket[HIST_BUCKETS - 1], 2);
    assert_true(hist_quantile(&hist, 0.5) == UINT64_MAX);
    assert_true(hist.max == UINT64_MAX);
    hist_init(&hist);
    hist_add(&hist, 0);
    assert_int_equal(hist_quantile(&hist, 1), 0);
    assert_int_equal(hist.min, 0);
}

/* Values of all magnitudes, with repetitions. */
static void fill(struct rng *rng, size_t n)
{
    unsigned bits = 1 + (unsigned)rng_below(rng, HIST_TOP_BITS);
    for (size_t i = 0; i < n; i++)
        values[i] = rng_next(rng) >> (64 - 1 - rng_below(rng, bits));
    if (rng_below(rng, 2) == 0)
        values[0] = values[n - 1];
}

static void check_quantile(const struct hist *h, const uint64_t *sorted, size_t n, double q)
{
    double wanted = q * (double)n;
    size_t rank = (size_t)wanted;
    rank += (double)rank < wanted;
    rank = rank < 1 ? 1 : rank > n ? n : rank;
    uint64_t exact = sorted[rank - 1], got = hist_quantile(h, q);
    assert_true(got >= exact);
    assert_true((got - exact) * HIST_TEST_STEP <= exact);
    assert_true(got <= h->max);
}

static void against_sorted(void **state)
{
    (void)state;
    static const double quantiles[] = {0, 0.001, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1};
    struct rng rng = seed_rng();
    for (int round = 0; round < 30; round++) {
        size_t n = 1 + (size_t)rng_below(&rng, VALUES);
        uint64_t sum = 0;
        fill(&rng, n);
        hist_init(&hist);
        for (size_t i = 0; i < n; i++) {
            hist_add(&hist, values[i]);
            sum += values[i];
        }
        qsort(values, n, sizeof values[0], by_value);
        assert_true(hist.count == n && hist.sum == sum);
        assert_true(hist.min == values[0] && hist.max == values[n - 1]);
        assert_true(hist_mean(&hist) >= (double)sum / (double)n &&
                    hist_mean(&hist) <= (double)sum / (double)n);
        for (size_t i = 0; i < LENGTH_OF(quantiles); i++)
            check_quantile(&hist, values, n, quantiles[i]);
    }
}

/* ---- sets whose percentiles are known ---- */

static uint64_t uniform(size_t i)
{
    return 1000 + 37 * i;
}

/* Of the mean 1 ms, without chance: each value is the quantile of its rank. */
static uint64_t exponential(size_t i)
{
    return (uint64_t)(-1e6 * log(1 - ((double)i + 0.5) / VALUES));
}

/* 1 in 100 takes 5 s, the rest 80 us. */
static uint64_t two_points(size_t i)
{
    return i < VALUES / 100 * 99 ? 80000 : UINT64_C(5000000000);
}

static uint64_t all_equal(size_t i)
{
    (void)i;
    return 123457;
}

static uint64_t nothing(size_t i)
{
    (void)i;
    return 0;
}

/* All percentiles in steps of 0.01 % are within 0.8 % of the sorted values. */
static void known_sets(void **state)
{
    (void)state;
    uint64_t (*const sets[])(size_t) = {uniform, exponential, two_points, all_equal, nothing};
    for (size_t set = 0; set < LENGTH_OF(sets); set++) {
        hist_init(&hist);
        for (size_t i = 0; i < VALUES; i++)
            hist_add(&hist, values[i] = sets[set](i));
        qsort(values, VALUES, sizeof values[0], by_value);
        for (unsigned step = 0; step <= 10000; step++)
            check_quantile(&hist, values, VALUES, step / 10000.0);
    }
    assert_true(hist_quantile(&hist, 1) == 0);
}

/* Half the values are above the range: percentiles below are right, those above say the maximum. */
static void half_out_of_range(void **state)
{
    (void)state;
    uint64_t beyond = UINT64_C(1) << (HIST_TOP_BITS + 1);
    hist_init(&hist);
    hist_add_n(&hist, 1000, 50);
    hist_add_n(&hist, beyond, 49);
    hist_add(&hist, beyond + 7);
    assert_in_range(hist_quantile(&hist, 0.5), 1000, 1008);
    assert_true(hist_quantile(&hist, 0.51) == beyond + 7);
    assert_true(hist.max == beyond + 7 && hist.count == 100);
}

/* Adding the values to two and merging is adding them to one; n equal values at once as well. */
static void merging(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    for (int round = 0; round < 30; round++) {
        size_t n = 1 + (size_t)rng_below(&rng, VALUES / 10);
        fill(&rng, n);
        hist_init(&hist);
        hist_init(&other);
        hist_init(&merged);
        for (size_t i = 0; i < n; i++) {
            uint64_t times = rng_below(&rng, 4);
            for (uint64_t k = 0; k < times; k++)
                hist_add(&hist, values[i]);
            if (times > 0)
                hist_add_n(rng_below(&rng, 2) == 0 ? &merged : &other, values[i], times);
        }
        hist_merge(&merged, &other);
        assert_memory_equal(&merged, &hist, sizeof hist);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets),      cmocka_unit_test(empty),
        cmocka_unit_test(out_of_range), cmocka_unit_test(against_sorted),
        cmocka_unit_test(known_sets),   cmocka_unit_test(half_out_of_range),
        cmocka_unit_test(merging),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
