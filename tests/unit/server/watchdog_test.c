/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/watchdog: when the beats of the loops are good enough to feed it.
 */
#include "server/watchdog.h"

#include "common/log.h"
#include "common/mem.h"
#include "server/net/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { PATIENCE = 1000 };

/* Two loops with these beats, at the time 5000. */
static bool is_alive(uint64_t beat_0, uint64_t beat_1)
{
    struct loop *loops[2];
    for (unsigned i = 0; i < 2; i++) {
        loops[i] = mem_calloc(1, sizeof *loops[i]);
        assert_non_null(loops[i]);
        loops[i]->index = i;
        loops[i]->beat_ns = i == 0 ? beat_0 : beat_1;
    }
    bool alive = watchdog_is_alive(loops, 2, 5000, PATIENCE);
    mem_free(loops[0]);
    mem_free(loops[1]);
    return alive;
}

static void fresh_beats_are_alive(void **state)
{
    (void)state;
    assert_true(is_alive(5000, 5000));
    assert_true(is_alive(4000, 4500));
}

static void one_silent_loop_is_enough(void **state)
{
    (void)state;
    assert_false(is_alive(3999, 5000));
    assert_false(is_alive(5000, 3999));
    assert_false(is_alive(0, 0));
}

static void a_beat_after_the_clock_was_read_is_fresh(void **state)
{
    (void)state;
    assert_true(is_alive(5001, 9000));
}

static void a_loop_that_has_ended_is_not_waited_for(void **state)
{
    (void)state;
    assert_true(is_alive(UINT64_MAX, 5000));
    assert_false(is_alive(UINT64_MAX, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_beats_are_alive),
        cmocka_unit_test(one_silent_loop_is_enough),
        cmocka_unit_test(a_beat_after_the_clock_was_read_is_fresh),
        cmocka_unit_test(a_loop_that_has_ended_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
