/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/schedule: constant arrivals are even to the nanosecond, those of Poisson are what
 * they are called, for any number of threads.
 */
#include "client/loadgen/schedule.h"

#include "common/check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ARRIVALS = 100000 };

/* Arrivals of all threads, sorted. */
static uint64_t arrivals[ARRIVALS];

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void make(double rate, bool poisson, unsigned threads)
{
    for (unsigned thread = 0; thread < threads; thread++) {
        struct schedule schedule;
        schedule_init(&schedule, rate, poisson, 1, thread, threads);
        for (uint64_t i = thread; i < ARRIVALS; i += threads)
            arrivals[i] = schedule_next_ns(&schedule, i);
    }
    qsort(arrivals, ARRIVALS, sizeof arrivals[0], compare);
}

static void constant_is_even(void **state)
{
    (void)state;
    static const double rates[] = {0.5, 3, 1000, 50000, 1234567};
    for (size_t i = 0; i < LENGTH_OF(rates) * 3; i++) {
        double rate = rates[i / 3];
        make(rate, false, i % 3 == 0 ? 1 : i % 3 == 1 ? 2 : 8);
        for (unsigned j = 0; j < ARRIVALS; j++)
            assert_true(fabs((double)arrivals[j] - j * 1e9 / rate) <= 1);
    }
}

/* Kolmogorov-Smirnov against the exponential distribution, of the gaps of all threads together. */
static void poisson_of(unsigned threads)
{
    static uint64_t gaps[ARRIVALS / 2];
    enum { GAPS = LENGTH_OF(gaps) }; /* towards the end some threads have run out */
    make(10000, true, threads);
    for (unsigned i = 0; i < GAPS; i++)
        gaps[i] = arrivals[i + 1] - arrivals[i];
    qsort(gaps, GAPS, sizeof gaps[0], compare);
    double worst = 0;
    for (unsigned i = 0; i < GAPS; i++) {
        double expected = 1 - exp(-(double)gaps[i] / 1e5);
        worst = fmax(worst, fmax(fabs(expected - (double)i / GAPS),
                                 fabs(expected - (double)(i + 1) / GAPS)));
    }
    if (worst * sqrt(GAPS) > 1.95) /* p = 0.001 */
        fail_msg("%u threads: KS distance %.5f", threads, worst);
}

static void poisson_is_random(void **state)
{
    (void)state;
    poisson_of(1);
    poisson_of(2);
    poisson_of(8);
}

/* Arrivals in windows of time vary as their mean, neither less nor more. */
static void poisson_is_not_bursty(void **state)
{
    (void)state;
    enum { WINDOWS = 500 };
    unsigned counts[WINDOWS] = {0};
    double sum = 0, squares = 0;
    make(10000, true, 2);
    for (unsigned i = 0; i < ARRIVALS; i++) {
        uint64_t window = arrivals[i] / 10000000; /* 10 ms: 100 expected */
        if (window < WINDOWS)
            counts[window]++;
    }
    for (unsigned i = 0; i < WINDOWS; i++) {
        sum += counts[i];
        squares += (double)counts[i] * counts[i];
    }
    double mean = sum / WINDOWS, variance = squares / WINDOWS - mean * mean;
    assert_true(fabs(mean - 100) < 2);
    assert_true(variance / mean > 0.7 && variance / mean < 1.3); /* five standard deviations */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_is_even),
        cmocka_unit_test(poisson_is_random),
        cmocka_unit_test(poisson_is_not_bursty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
