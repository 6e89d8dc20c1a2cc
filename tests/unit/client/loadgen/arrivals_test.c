/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/arrivals: even, random and bursty arrivals are told apart; and those that the
 * schedule makes wait in a queue as the formula for M/D/1 has it.
 */
#include "client/loadgen/arrivals.h"

#include "client/loadgen/schedule.h"
#include "common/check.h"
#include "common/err.h"
#include "common/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ARRIVALS = 1000000, SEED = 7 };

static uint64_t *times;

/* Arrivals of all threads of a schedule, merged. */
static void fill(double rate, bool poisson, unsigned threads)
{
    struct schedule schedules[8];
    uint64_t next[8];
    const struct schedule_law law = {.rate = rate, .poisson = poisson};
    for (unsigned i = 0; i < threads; i++) {
        schedule_init(&schedules[i], &law, SEED, i, threads);
        next[i] = schedule_next_ns(&schedules[i], i);
    }
    for (uint64_t n = 0; n < ARRIVALS; n++) {
        unsigned first = 0;
        for (unsigned i = 1; i < threads; i++)
            first = next[i] < next[first] ? i : first;
        times[n] = next[first];
        /* Of a constant rate the number tells the time; each thread takes its share in turn. */
        next[first] = schedule_next_ns(&schedules[first], n + threads);
    }
}

static void assert_near(double value, double expected, double share)
{
    if (!(fabs(value - expected) <= expected * share))
        fail_msg("%f, expected %f", value, expected);
}

static void even(void **state)
{
    (void)state;
    fill(1000, false, 1);
    assert_near(arrivals_rate(times, ARRIVALS), 1000, 1e-6);
    assert_true(arrivals_dispersion(times, ARRIVALS, 10000000) < 0.01);
    assert_true(arrivals_exponential(times, 10000, 1000) > 20);
    assert_true(arrivals_wait_ns(times, ARRIVALS, 800000) < 1);
}

static void random_arrivals(void **state)
{
    (void)state;
    static const unsigned threads[] = {1, 2, 8};
    for (size_t i = 0; i < LENGTH_OF(threads); i++) {
        fill(1000, true, threads[i]);
        assert_near(arrivals_rate(times, ARRIVALS), 1000, 0.005);
        assert_near(arrivals_dispersion(times, ARRIVALS, 10000000), 1, 0.03);
        assert_true(arrivals_exponential(times, ARRIVALS, 1000) < 1.63);
    }
}

/* Ten at a time. */
static void bursts(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < ARRIVALS; n++)
        times[n] = n / 10 * 10000000;
    assert_near(arrivals_rate(times, ARRIVALS), 1000, 0.001);
    assert_true(arrivals_dispersion(times, ARRIVALS, 3000000) > 5);
    assert_true(arrivals_exponential(times, 10000, 1000) > 20);
}

/* Periods of gaps are seen, jitter and chance are not. */
static void periods(void **state)
{
    (void)state;
    struct rng rng = {SEED};
    fill(1000, false, 8);
    for (uint64_t n = 0; n < ARRIVALS; n++)
        times[n] += rng_below(&rng, 100000); /* a tenth of a gap */
    assert_true(arrivals_periodicity(times, ARRIVALS, 32) < 0.001);
    fill(1000, true, 8);
    assert_true(arrivals_periodicity(times, ARRIVALS, 32) < 0.005);
    for (uint64_t n = 0; n < ARRIVALS; n++)
        times[n] = n / 8 * 8000000;
    assert_near(arrivals_periodicity(times, ARRIVALS, 32), 7, 0.001);
    assert_true(arrivals_periodicity(times, ARRIVALS, 7) < 0.001);
    for (uint64_t n = 0; n < ARRIVALS; n++) /* every second one comes a third too late */
        times[n] = n * 1000000 + n % 2 * 333333;
    assert_true(arrivals_periodicity(times, ARRIVALS, 32) > 0.1);
}

/* Each is late by its number modulo 100, in us. */
static void late(void **state)
{
    (void)state;
    double median, highest, none;
    for (uint64_t n = 0; n < 1000; n++)
        times[n] = 5000 + n * 1000000 + n % 100 * 1000;
    assert_int_equal(arrivals_late(times, 1000, 5000, 1000, 0.5, &median), 0);
    assert_int_equal(arrivals_late(times, 1000, 6000, 1000, 1, &highest), 0);
    assert_true(fabs(median - 50000) <= 1000);
    assert_true(fabs(highest - 98000) < 1);
    assert_int_equal(arrivals_late(times, 0, 0, 1000, 0.5, &none), ERR_BAD_ARGUMENT);
}

/* The mean wait is load * service / (2 (1 - load)). */
static void queue_of_one_server(void **state)
{
    (void)state;
    fill(500, true, 2);
    assert_near(arrivals_wait_ns(times, ARRIVALS, 1000000), 500000, 0.02);
    fill(800, true, 2);
    assert_near(arrivals_wait_ns(times, ARRIVALS, 1000000), 2000000, 0.05);
}

static void few(void **state)
{
    (void)state;
    const uint64_t one[] = {5, 5};
    assert_true(arrivals_rate(one, 0) == 0 && arrivals_rate(one, 1) == 0);
    assert_true(arrivals_rate(one, 2) == 0);
    assert_true(arrivals_dispersion(one, 0, 1) == 0 && arrivals_dispersion(one, 2, 1) == 0);
    assert_true(arrivals_exponential(one, 1, 1) == 0);
    assert_true(arrivals_wait_ns(one, 0, 1) == 0);
    assert_true(arrivals_wait_ns(one, 2, 10) == 5);
    assert_true(arrivals_periodicity(one, 0, 2) == 0 && arrivals_periodicity(one, 2, 2) == 0);
}

int main(void)
{
    times = calloc(ARRIVALS, sizeof *times);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(even),   cmocka_unit_test(random_arrivals),
        cmocka_unit_test(bursts), cmocka_unit_test(queue_of_one_server),
        cmocka_unit_test(few),    cmocka_unit_test(periods),
        cmocka_unit_test(late),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(times);
    return failed;
}
