/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/clock: time does not go back, agrees with the system's, and ticks convert to what the
 * monotonic clock says passed.
 */
#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void monotonic(void **state)
{
    (void)state;
    uint64_t last = clock_mono_ns();
    for (int i = 0; i < 10000; i++) {
        uint64_t now = clock_mono_ns();
        assert_true(now >= last);
        last = now;
    }
}

static void wall(void **state)
{
    (void)state;
    struct timespec before, after;
    clock_gettime(CLOCK_REALTIME, &before);
    int64_t now = clock_wall_ms();
    clock_gettime(CLOCK_REALTIME, &after);
    assert_true(now >= (int64_t)before.tv_sec * 1000 + before.tv_nsec / 1000000);
    assert_true(now <= (int64_t)after.tv_sec * 1000 + after.tv_nsec / 1000000);
}

/* Of several tries one must come within 2 %: between two readings the process may lose its turn. */
static bool ticks_agree(void)
{
    for (int i = 0; i < 20; i++) {
        uint64_t ns = clock_mono_ns(), ticks = clock_ticks();
        while (clock_mono_ns() - ns < 1000000)
            ;
        uint64_t measured = clock_ticks_to_ns(clock_ticks() - ticks);
        ns = clock_mono_ns() - ns;
        if (measured > ns - ns / 50 && measured < ns + ns / 50)
            return true;
    }
    return false;
}

static void ticks(void **state)
{
    (void)state;
    assert_int_equal(clock_ticks_to_ns(0), 0);
    assert_int_equal(clock_ticks_to_ns(12345), 12345); /* nanoseconds until clock_init */
    assert_true(ticks_agree());
    clock_init();
    assert_int_equal(clock_ticks_to_ns(0), 0);
    assert_true(ticks_agree());
    uint64_t last = clock_ticks();
    for (int i = 0; i < 10000; i++) {
        uint64_t now = clock_ticks();
        assert_true(now >= last);
        last = now;
    }
}

/* A day of ticks at 5 GHz: the product needs more than 64 bits. */
static void ticks_of_a_day(void **state)
{
    (void)state;
    uint64_t day = UINT64_C(5000000000) * 86400;
    uint64_t second = clock_ticks_to_ns(day / 86400);
    uint64_t sum = clock_ticks_to_ns(day);
    assert_true(sum >= second * 86400 && sum <= (second + 1) * 86400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monotonic),
        cmocka_unit_test(wall),
        cmocka_unit_test(ticks),
        cmocka_unit_test(ticks_of_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
