/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/stairs and stairs_report: how many connections are used when, the last step
 * being shorter or not, and which intervals belong to a step.
 */
#include "client/loadgen/stairs.h"

#include "client/loadgen/stairs_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void plain(void **state)
{
    (void)state;
    const struct stairs all = {.start = 7, .top = 7};
    assert_int_equal(stairs_steps(&all), 1);
    assert_int_equal(stairs_at(&all, stairs_step(&all, UINT64_MAX)), 7);
    assert_true(stairs_next_ns(&all, 0) == UINT64_MAX);
    assert_int_equal(stairs_used_ns(&all, 100), 700);
}

static void steps(void **state)
{
    (void)state;
    const struct stairs even = {.start = 10, .step = 20, .top = 50, .each_ns = 100};
    const struct stairs uneven = {.start = 10, .step = 30, .top = 50, .each_ns = 100};
    const struct stairs one = {.start = 50, .step = 30, .top = 50, .each_ns = 100};
    assert_int_equal(stairs_steps(&even), 3);
    assert_int_equal(stairs_steps(&uneven), 3);
    assert_int_equal(stairs_steps(&one), 1);
    assert_int_equal(stairs_length_ns(&even), 300);
    static const struct {
        unsigned time, even, uneven, next, used;
    } at[] = {{0, 10, 10, 100, 0},      {99, 10, 10, 100, 990}, {100, 30, 40, 200, 1000},
              {199, 30, 40, 200, 3970}, {200, 50, 50, 0, 4000}, {999, 50, 50, 0, 43950}};
    for (size_t i = 0; i < LENGTH_OF(at); i++) {
        assert_int_equal(stairs_at(&even, stairs_step(&even, at[i].time)), at[i].even);
        assert_int_equal(stairs_at(&uneven, stairs_step(&uneven, at[i].time)), at[i].uneven);
        assert_true(stairs_next_ns(&even, at[i].time) ==
                    (at[i].next > 0 ? at[i].next : UINT64_MAX));
        assert_int_equal(stairs_used_ns(&even, at[i].time), at[i].used);
    }
}

/* Each thread has its share at all times, and what one has it keeps. */
static void shares(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads < 9; threads++)
        for (unsigned connections = threads; connections < 40; connections++) {
            unsigned sum = 0;
            for (unsigned thread = 0; thread < threads; thread++) {
                unsigned share = plan_share(connections, thread, threads);
                assert_true(share >= 1 && share <= plan_share(connections + 1, thread, threads));
                sum += share;
            }
            assert_int_equal(sum, connections);
        }
}

/* An interval in which the number changed is of neither step. */
static void figures(void **state)
{
    (void)state;
    const struct stairs stairs = {.start = 1, .step = 1, .top = 3, .each_ns = 1000000000};
    struct series *series = calloc(1, sizeof *series);
    struct stairs_figures found;
    static const struct {
        uint64_t length_ns, conn_ns, requests;
    } rows[] = {{200000000, 200000000, 10},
                {200000000, 300000000, 1000},
                {200000000, 400000000, 30},
                {300000000, 600000000, 20}};
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct series_row *row = &series->row[series->n++];
        row->length_ns = rows[i].length_ns;
        row->conn_ns = rows[i].conn_ns;
        row->requests = row->bucket[100] = (uint32_t)rows[i].requests;
        row->max_ns = hist_bucket_top(100);
    }
    assert_true(stairs_figures_of(&stairs, series, 0, &found));
    assert_int_equal(found.connections, 1);
    assert_int_equal(found.requests, 10);
    assert_true(found.rate > 49.99 && found.rate < 50.01);
    assert_true(stairs_figures_of(&stairs, series, 1, &found));
    assert_int_equal(found.requests, 50);
    assert_int_equal(found.length_ns, 500000000);
    assert_int_equal(found.p99_ns, hist_bucket_top(100));
    assert_false(stairs_figures_of(&stairs, series, 2, &found));
    free(series);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),
        cmocka_unit_test(steps),
        cmocka_unit_test(shares),
        cmocka_unit_test(figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
