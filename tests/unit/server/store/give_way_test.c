/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Giving way: the shares; and that a busy process is noticed, and an idle one, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/give_way.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

static void shares(void **state)
{
    (void)state;
    assert_int_equal(give_way_rest_ns(1000, 0), 0);
    assert_int_equal(give_way_rest_ns(1000, 500), 3000); /* a quarter */
    assert_int_equal(give_way_rest_ns(1000, 750), 15000);
    assert_int_equal(give_way_rest_ns(1000, 900), 15000); /* at least a sixteenth */
    assert_int_equal(give_way_rest_ns(1000, 1000), 15000);
    for (unsigned busy = 1; busy <= 1000; busy++)
        assert_true(give_way_rest_ns(1000, busy) >= give_way_rest_ns(1000, busy - 1));
}

static void *spin(void *stop)
{
    while (!atomic_load((atomic_bool *)stop))
        continue;
    return NULL;
}

/* The other thread runs at least now and then, however busy the machine is: until that is seen. */
static void watched(void **state)
{
    struct give_way give_way;
    atomic_bool stop = false;
    pthread_t other;
    (void)state;
    give_way_begin(&give_way);
    assert_true(give_way.cpus >= 1);
    assert_int_equal(pthread_create(&other, NULL, spin, &stop), 0);
    while (give_way.busy == 0)
        give_way_rest(&give_way);
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_in_range(give_way.busy, 1, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares),
        cmocka_unit_test(watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
