/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/watchdog: when the beats of the loops are good enough to feed it.
 */
#include "server/watchdog.h"

#include "common/clock.h"
#include "common/mem.h"
#include "server/net/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND 1000000000ull
#define ENDED  0 /* instead of an age */

/* Two loops that came round so many nanoseconds ago; may they be silent for ten seconds? */
static bool is_alive(uint64_t age_0, uint64_t age_1)
{
    struct loop *loops[2];
    for (unsigned i = 0; i < 2; i++) {
        uint64_t age = i == 0 ? age_0 : age_1;
        loops[i] = mem_calloc(1, sizeof *loops[i]);
        assert_non_null(loops[i]);
        loops[i]->index = i;
        loops[i]->beat_ns = age == ENDED ? LOOP_ENDED : clock_mono_ns() - age;
    }
    bool alive = watchdog_is_alive(loops, 2, 10 * SECOND);
    mem_free(loops[0]);
    mem_free(loops[1]);
    return alive;
}

static void fresh_beats_are_alive(void **state)
{
    (void)state;
    assert_true(is_alive(1, 1));
    assert_true(is_alive(5 * SECOND, SECOND));
}

static void one_silent_loop_is_enough(void **state)
{
    (void)state;
    assert_false(is_alive(10 * SECOND, 1));
    assert_false(is_alive(1, 10 * SECOND));
    assert_false(is_alive(20 * SECOND, 11 * SECOND));
}

static void a_loop_that_has_ended_is_not_waited_for(void **state)
{
    (void)state;
    assert_true(is_alive(ENDED, 1));
    assert_false(is_alive(ENDED, 10 * SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_beats_are_alive),
        cmocka_unit_test(one_silent_loop_is_enough),
        cmocka_unit_test(a_loop_that_has_ended_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
