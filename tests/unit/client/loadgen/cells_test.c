/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/cells: what came in between is there, also added up, and quantiles are as exact as
 * they are said to be.
 */
#include "client/loadgen/cells.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct cells cells, other;
static struct hist before, now;

static void begin(void)
{
    memset(&cells, 0, sizeof cells);
    memset(&other, 0, sizeof other);
    hist_init(&before);
    hist_init(&now);
}

static void quantiles(void **state)
{
    (void)state;
    begin();
    for (uint64_t us = 1; us <= 10000; us++)
        hist_add(&now, us * 1000);
    cells_add(&cells, &now, &before);
    assert_int_equal(cells.count, 10000);
    for (double q = 0.01; q < 1; q += 0.01) {
        double truth = q * 1e7, got = (double)cells_quantile(&cells, q);
        assert_true(got >= truth * 0.999 && got <= truth * 1.0633);
    }
    assert_int_equal(cells_quantile(&cells, 1), 10000000);
    assert_int_equal(cells_quantile(&other, 0.5), 0);
}

/* What was there before does not count, nor bounds the maximum from below. */
static void differences(void **state)
{
    (void)state;
    begin();
    hist_add_n(&now, 50000000, 7);
    before = now;
    hist_add_n(&now, 1000000, 100);
    hist_add_n(&now, 3000000, 1);
    cells_add(&cells, &now, &before);
    assert_int_equal(cells.count, 101);
    assert_in_range(cells.max_ns, 3000000, 3024000);
    assert_in_range(cells_quantile(&cells, 0.5), 1000000, 1063000);
    cells_add(&cells, &now, &now);
    assert_int_equal(cells.count, 101);
}

static void merged(void **state)
{
    (void)state;
    begin();
    hist_add_n(&now, 1000000, 10);
    cells_add(&cells, &now, &before);
    hist_add_n(&now, 9000000, 30);
    cells_add(&other, &now, &before);
    cells_merge(&cells, &other);
    assert_int_equal(cells.count, 50);
    assert_int_equal(cells.max_ns, 9000000);
    assert_in_range(cells_quantile(&cells, 0.4), 1000000, 1063000);
    assert_int_equal(cells_quantile(&cells, 0.41), 9000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles),
        cmocka_unit_test(differences),
        cmocka_unit_test(merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
