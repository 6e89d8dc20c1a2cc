/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/wal/gather.h: when a sync waits for more of those it may serve; no clock is read.
 */
#include "server/wal/gather.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Alone, or with few others, nobody waits. */
static void few(void **state)
{
    struct gather gather = {0, 0};
    (void)state;
    assert_int_equal(gather_wait_ns(&gather, 1, 0), 0); /* the first of all */
    for (int i = 0; i < 100; i++) {
        gather_synced(&gather, (uint64_t)(1 + i % 3), 1000);
        assert_int_equal(gather_wait_ns(&gather, 1, 0), 0);
    }
}

static void many(void **state)
{
    struct gather gather = {0, 0};
    (void)state;
    gather_synced(&gather, 64, 1000);
    assert_int_equal(gather_wait_ns(&gather, 1, 0), 500); /* half a sync, since the last one */
    assert_int_equal(gather_wait_ns(&gather, 1, 100), 400);
    assert_int_equal(gather_wait_ns(&gather, 1, 500), 0);
    assert_int_equal(gather_wait_ns(&gather, 1, 1000000), 0);
    assert_int_equal(gather_wait_ns(&gather, 55, 0), 500);
    assert_int_equal(gather_wait_ns(&gather, 56, 0), 0); /* nearly all are there */
    gather_synced(&gather, 1, 1000);                     /* one is no sign that they are gone */
    assert_int_equal(gather_wait_ns(&gather, 1, 0), 500);
    for (int i = 0; i < 12; i++) /* many are */
        gather_synced(&gather, 1, 1000);
    assert_int_equal(gather_wait_ns(&gather, 1, 0), 0);
    gather_synced(&gather, 500, 9000); /* a slower one counts little at first */
    assert_int_equal(gather_wait_ns(&gather, 1, 0), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few),
        cmocka_unit_test(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
