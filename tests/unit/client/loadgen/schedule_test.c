/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/schedule: constant arrivals are even to the nanosecond, those of Poisson are what
 * they are called, for any number of threads; bursts and ramps keep to their law.
 */
#include "client/loadgen/schedule.h"

#include "common/check.h"
#include "common/err.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ARRIVALS = 100000 };

/* Arrivals of all threads, sorted. */
static uint64_t arrivals[ARRIVALS];

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void make_law(const struct schedule_law *law, unsigned threads)
{
    for (unsigned thread = 0; thread < threads; thread++) {
        struct schedule schedule;
        schedule_init(&schedule, law, 1, thread, threads);
        for (uint64_t i = thread; i < ARRIVALS; i += threads)
            arrivals[i] = schedule_next_ns(&schedule, i);
    }
    qsort(arrivals, ARRIVALS, sizeof arrivals[0], compare);
}

static void make(double rate, bool poisson, unsigned threads)
{
    make_law(&(struct schedule_law){.rate = rate, .poisson = poisson}, threads);
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

static const uint64_t second = 1000000000;

static struct schedule_law burst(const char *text, double rate, bool poisson)
{
    struct schedule_law law = {.rate = rate, .poisson = poisson};
    if (schedule_read_burst(text, &law) != 0)
        fail_msg("refused: %s", text);
    return law;
}

static struct schedule_law ramp(const char *text, bool poisson)
{
    struct schedule_law law = {.poisson = poisson};
    if (schedule_read_ramp(text, &law) != 0)
        fail_msg("refused: %s", text);
    return law;
}

/* None is due while they are off, and in each cycle as many as the rate says. */
static void bursts_of(const char *text, double rate, bool poisson, unsigned threads)
{
    struct schedule_law law = burst(text, rate, poisson);
    uint64_t cycle = law.on_ns + law.off_ns;
    make_law(&law, threads);
    for (unsigned i = 0; i < ARRIVALS; i++)
        if (arrivals[i] % cycle >= law.on_ns)
            fail_msg("%s at %f/s: number %u is due at %f s", text, rate, i,
                     (double)arrivals[i] / 1e9);
    double expected = schedule_count(&law, arrivals[ARRIVALS / 2]);
    double chance = poisson ? 5 * sqrt(ARRIVALS / 2) : 1.001;
    chance += rate * (double)cycle / (double)law.on_ns / 1e9; /* in a nanosecond */
    if (fabs(expected - ARRIVALS / 2) > chance)
        fail_msg("%s at %f/s: %f instead of %d", text, rate, expected, ARRIVALS / 2);
}

static void bursts(void **state)
{
    (void)state;
    static const char *const texts[] = {"1s:4s", "1s:2s", "30ms:70ms", "1ms:1h", "7s:1ms"};
    static const double rates[] = {0.3, 3, 200, 7777.7, 1e6};
    static const unsigned threads[] = {1, 2, 8};
    for (size_t i = 0; i < LENGTH_OF(texts); i++)
        for (size_t j = 0; j < LENGTH_OF(rates); j++)
            for (size_t k = 0; k < LENGTH_OF(threads); k++) {
                bursts_of(texts[i], rates[j], false, threads[k]);
                bursts_of(texts[i], rates[j], true, threads[k]);
            }
}

/* Within a burst they are even, and as much faster as they are off. */
static void bursts_are_even(void **state)
{
    (void)state;
    struct schedule_law law = burst("1s:4s", 200, false);
    make_law(&law, 2);
    for (unsigned i = 0; i < 10000; i++) {
        double due = i / 1000 * 5e9 + i % 1000 * 1e6;
        assert_true(fabs((double)arrivals[i] - due) <= 2);
    }
    assert_true(schedule_mean_rate(&law, UINT64_MAX, 10 * second) == 200);
    assert_true(schedule_mean_rate(&law, UINT64_MAX, second) == 1000);
    assert_true(fabs(schedule_mean_rate(&law, 2000, 0) - 200) < 1e-6);
}

/* So many are due by a time as the law says, which is what the area under the rate is. */
static void ramp_of(const char *text, unsigned threads)
{
    struct schedule_law law = ramp(text, false);
    make_law(&law, threads);
    for (unsigned i = 1; i < ARRIVALS; i++)
        assert_true(arrivals[i] > arrivals[i - 1]);
    for (unsigned i = 0; i < ARRIVALS; i += 997) {
        double t = (double)arrivals[i] / 1e9, end = (double)law.ramp_ns / 1e9;
        double within = fmin(t, end), rate = law.from + (law.rate - law.from) * within / end;
        double area = (law.from + rate) / 2 * within + law.rate * (t - within);
        if (fabs(area - i) > 1e-3)
            fail_msg("%s: number %u is due at %f s, where %f are", text, i, t, area);
        assert_true(fabs(schedule_count(&law, arrivals[i]) - area) < 1e-3);
    }
}

static void ramps(void **state)
{
    (void)state;
    static const char *const texts[] = {"0:2000:30s",   "100:5000:10",        "5000:100:10s",
                                        "1000:1000:5s", "1000:1000.001:100s", "10:20:1ms"};
    for (size_t i = 0; i < LENGTH_OF(texts); i++) {
        ramp_of(texts[i], 1);
        ramp_of(texts[i], 2);
        ramp_of(texts[i], 8);
    }
    struct schedule_law law = ramp("0:2000:30s", false);
    assert_true(fabs(schedule_mean_rate(&law, UINT64_MAX, 30 * second) - 1000) < 1e-6);
    assert_true(fabs(schedule_mean_rate(&law, 30000, 0) - 1000) < 1e-6);
}

/* On the scale of the law, in which the rate is one, the gaps are exponential. */
static void ramps_can_be_random(void **state)
{
    (void)state;
    enum { GAPS = ARRIVALS / 2 };
    static double gaps[GAPS];
    struct schedule_law law = ramp("100:20000:10s", true);
    double worst = 0;
    make_law(&law, 2);
    for (unsigned i = 0; i < GAPS; i++)
        gaps[i] =
            1 - exp(schedule_count(&law, arrivals[i]) - schedule_count(&law, arrivals[i + 1]));
    for (unsigned i = 0; i < GAPS; i++) /* their shares are even: tenths of as many */
        worst += gaps[i];
    assert_true(fabs(worst / GAPS - 0.5) < 5 * sqrt(1.0 / 12 / GAPS));
    unsigned tenth[10] = {0};
    for (unsigned i = 0; i < GAPS; i++)
        tenth[(unsigned)(gaps[i] * 10)]++;
    for (unsigned i = 0; i < 10; i++)
        assert_in_range(tenth[i], GAPS / 10 - 5 * 68, GAPS / 10 + 5 * 68); /* five deviations */
}

static void mistakes(void **state)
{
    (void)state;
    static const char *const bursts_not[] = {"",     "1s",       "1s:",  ":1s",   "0:1s",
                                             "1s:0", "1s:1s:1s", "-1:1", "1x:1s", "1s:8d"};
    static const char *const ramps_not[] = {"",        "1:2",       "1:0:10s",  "-1:2:10s", "1:2:0",
                                            "a:2:10s", "1:2:10s:1", "1:2:10s:", "1:1e9:1s"};
    struct schedule_law law;
    for (size_t i = 0; i < LENGTH_OF(bursts_not); i++)
        if (schedule_read_burst(bursts_not[i], &law) != ERR_BAD_ARGUMENT)
            fail_msg("taken: %s", bursts_not[i]);
    for (size_t i = 0; i < LENGTH_OF(ramps_not); i++)
        if (schedule_read_ramp(ramps_not[i], &law) != ERR_BAD_ARGUMENT)
            fail_msg("taken: %s", ramps_not[i]);
}

static void formats(void **state)
{
    (void)state;
    char text[SCHEDULE_TEXT_SIZE];
    struct schedule_law law = {.rate = 5000};
    schedule_format(&law, text);
    assert_string_equal(text, "5,000 requests/s, even arrivals");
    law = burst("1s:4s", 200, true);
    schedule_format(&law, text);
    assert_string_equal(text, "200 requests/s in bursts of 1,000/s for 1s and none for 4s, "
                              "random arrivals");
    law = ramp("0:2000:30s", false);
    schedule_format(&law, text);
    assert_string_equal(text, "from 0 to 2,000 requests/s within 30s, even arrivals");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_is_even),
        cmocka_unit_test(poisson_is_random),
        cmocka_unit_test(poisson_is_not_bursty),
        cmocka_unit_test(bursts),
        cmocka_unit_test(bursts_are_even),
        cmocka_unit_test(ramps),
        cmocka_unit_test(ramps_can_be_random),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
