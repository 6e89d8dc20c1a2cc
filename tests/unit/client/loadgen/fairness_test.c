/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/fairness: the extremes and one case by hand.
 */
#include "client/loadgen/fairness.h"

#include "common/check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void cases(void **state)
{
    (void)state;
    uint64_t equal[] = {5, 5, 5, 5}, one[] = {0, 12, 0, 0}, some[] = {3, 1, 2}, none[] = {0, 0};
    struct fairness f = fairness_of(equal, LENGTH_OF(equal));
    assert_true(f.min == 5 && f.median == 5 && f.max == 5 && fabs(f.jain - 1) < 1e-12);
    f = fairness_of(one, LENGTH_OF(one));
    assert_true(f.min == 0 && f.median == 0 && f.max == 12 && fabs(f.jain - 0.25) < 1e-12);
    f = fairness_of(some, LENGTH_OF(some));
    assert_true(f.connections == 3 && f.min == 1 && f.median == 2 && f.max == 3);
    assert_true(fabs(f.jain - 36.0 / 42) < 1e-12);
    f = fairness_of(none, LENGTH_OF(none));
    assert_true(f.connections == 2 && f.jain >= 1);
    assert_int_equal(fairness_of(none, 0).connections, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
