/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/wal/pace.h: the arithmetic of waiting; no clock is read.
 */
#include "server/wal/pace.h"

#include "server/wal/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void paces(void **state)
{
    struct pace none = {0, 0}, pace = {1000, 0};
    (void)state;
    assert_int_equal(pace_wait_ns(&none, 1 << 20, 5), 0);
    assert_int_equal(pace_wait_ns(&pace, 500, 5), 0); /* the first at once */
    assert_int_equal(pace_wait_ns(&pace, 500, 5), 500000000);
    assert_int_equal(pace_wait_ns(&pace, 1, 300000005), 700000000);
    assert_int_equal(pace_wait_ns(&pace, 1, 5000000000), 0); /* a pause is not made good */
    assert_int_equal(pace_wait_ns(&pace, 1, 5000000000), 1000000);
    pace.bytes_per_s = 1;
    assert_int_equal(pace_wait_ns(&pace, SNAPSHOT_CHUNK_MAX, 6000000000), 0);
    assert_int_equal(pace_wait_ns(&pace, 1, 6000000000), SNAPSHOT_CHUNK_MAX * 1000000000ull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
