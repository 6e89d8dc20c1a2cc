/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/series: nothing is lost or counted twice, whatever the length of the phase.
 */
#include "client/loadgen/series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct series series;
static struct snapshot seen;

static void begin(void)
{
    memset(&seen, 0, sizeof seen);
    hist_init(&seen.latency);
    hist_init(&seen.slip);
    seen.now_ns = 1000;
    series_init(&series, &seen);
}

/* What there is at this time. */
static void update(uint64_t now, uint64_t errors, bool last)
{
    seen.now_ns = now;
    seen.errors = errors;
    series_update(&series, &seen, last);
}

/* Ticks of an interval, each with so many requests of 1 ms. Returns the time after. */
static uint64_t ticks(unsigned n, uint64_t requests)
{
    uint64_t now = 1000;
    for (unsigned i = 0; i < n; i++) {
        now += SERIES_INTERVAL_NS;
        hist_add_n(&seen.latency, 1000000, requests);
        update(now, i / 10, false);
    }
    return now;
}

static void check_sums(uint64_t requests, uint64_t errors, uint64_t length_ns)
{
    uint64_t at = 0;
    for (unsigned i = 0; i < series.n; i++) {
        uint64_t counted = 0;
        assert_int_equal(series.row[i].start_ns, at);
        at += series.row[i].length_ns;
        requests -= series.row[i].requests;
        errors -= series.row[i].errors;
        for (unsigned bucket = 0; bucket < HIST_BUCKETS; bucket++)
            counted += series.row[i].bucket[bucket];
        assert_int_equal(counted, series.row[i].requests);
    }
    assert_int_equal(requests, 0);
    assert_int_equal(errors, 0);
    assert_int_equal(at, length_ns);
}

static void rows_follow(void **state)
{
    (void)state;
    begin();
    uint64_t end = ticks(25, 100);
    assert_int_equal(series.n, 25);
    check_sums(2500, 2, end - 1000);
    assert_int_equal(series.row[7].requests, 100);
}

static void many_rows_are_merged(void **state)
{
    (void)state;
    begin();
    uint64_t end = ticks(3001, 7);
    update(end, 300, true);
    assert_in_range(series.n, SERIES_ROWS / 2, SERIES_ROWS);
    check_sums(7 * 3001, 300, end - 1000);
}

static void the_rest_is_kept(void **state)
{
    (void)state;
    begin();
    uint64_t end = ticks(3, 10);
    hist_add(&seen.latency, 5000000);
    update(end + 1000, 0, false);
    assert_int_equal(series.n, 3); /* not due */
    update(end + 1000, 0, true);
    assert_int_equal(series.n, 3); /* joined to the last */
    check_sums(31, 0, end);
    assert_in_range(series.row[2].max_ns, 5000000, 5000000);
    begin();
    hist_add(&seen.latency, 5000000);
    update(2000, 0, true);
    assert_int_equal(series.n, 1); /* a row of its own where there is none before */
    check_sums(1, 0, 1000);
}

static void quantiles(void **state)
{
    (void)state;
    begin();
    for (uint64_t i = 1; i <= 1000; i++)
        hist_add(&seen.latency, i * 1000);
    update(1000 + SERIES_INTERVAL_NS, 0, false);
    assert_in_range(series_quantile(&series.row[0], 0.5), 500000, 500000 * 1008 / 1000);
    assert_in_range(series_quantile(&series.row[0], 0.99), 990000, 1000000);
    assert_in_range(series_quantile(&series.row[0], 1), 1000000, 1000000);
    assert_int_equal(series_quantile(&(struct series_row){.requests = 0}, 0.5), 0);
}

/* What was sent late and which CPU time was used belongs to its interval, also when two are one. */
static void slip_and_cpu(void **state)
{
    (void)state;
    begin();
    uint64_t slips = 0, client = 0;
    for (unsigned i = 0; i < 2 * SERIES_ROWS; i++) {
        hist_add_n(&seen.slip, 1000 * (i + 1), 2);
        seen.cpu.thread_ns[0] += 100;
        seen.cpu.thread_ns[3] += i;
        if (i < 10) {
            assert_int_equal(series.n, i);
            update(1000 + (i + 1) * (uint64_t)SERIES_INTERVAL_NS, 0, false);
            assert_int_equal(series.row[i].slip.count, 2);
            assert_in_range(series.row[i].slip.max_ns, 1000 * (i + 1), 1008 * (i + 1));
            assert_int_equal(series.row[i].used.client_ns, 100 + i);
            assert_int_equal(series.row[i].used.busiest_ns, 100);
            continue;
        }
        update(1000 + (i + 1) * (uint64_t)SERIES_INTERVAL_NS, 0, false);
    }
    update(seen.now_ns, 0, true);
    assert_in_range(series.n, SERIES_ROWS / 2, SERIES_ROWS);
    for (unsigned i = 0; i < series.n; i++) {
        slips += series.row[i].slip.count;
        client += series.row[i].used.client_ns;
    }
    assert_int_equal(slips, seen.slip.count);
    assert_int_equal(client, seen.cpu.thread_ns[0] + seen.cpu.thread_ns[3]);
}

/* Rows of another phase follow; when there are too many, each two become one. */
static void appended(void **state)
{
    (void)state;
    static struct series sum;
    memset(&sum, 0, sizeof sum);
    begin();
    (void)ticks(100, 3);
    uint64_t length = series.row[99].start_ns + series.row[99].length_ns;
    for (unsigned i = 0; i < 4; i++)
        series_append(&sum, &series);
    assert_int_equal(sum.n, 250);
    uint64_t end = 0, requests = 0;
    for (unsigned i = 0; i < sum.n; i++) {
        assert_int_equal(sum.row[i].start_ns, end);
        end += sum.row[i].length_ns;
        requests += sum.row[i].requests;
    }
    assert_int_equal(end, 4 * length);
    assert_int_equal(requests, 4 * 100 * 3);
}

/* Ticks at one rate, then as many at another. */
static double drift_of(unsigned n, uint64_t first, uint64_t second)
{
    begin();
    uint64_t now = ticks(n, first);
    for (unsigned i = 0; i < n; i++) {
        now += SERIES_INTERVAL_NS;
        hist_add_n(&seen.latency, 1000000, second);
        update(now, 1000, false);
    }
    return series_drift(&series);
}

static void drift(void **state)
{
    (void)state;
    assert_true(drift_of(50, 100, 100) < 0.001);
    assert_true(drift_of(50, 100, 80) > 0.19 && drift_of(50, 100, 80) < 0.21);
    assert_true(drift_of(50, 80, 100) > 0.19 && drift_of(50, 80, 100) < 0.21);
    assert_true(drift_of(50, 0, 0) < 0.001);
    assert_true(drift_of(7, 100, 10) < 0.001); /* too short to tell */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_follow),
        cmocka_unit_test(many_rows_are_merged),
        cmocka_unit_test(the_rest_is_kept),
        cmocka_unit_test(quantiles),
        cmocka_unit_test(slip_and_cpu),
        cmocka_unit_test(appended),
        cmocka_unit_test(drift),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
