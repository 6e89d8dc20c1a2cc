/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/history: what must have been overwritten is stale, and nothing that may be right
 * is, in whatever order requests in flight are answered.
 */
#include "client/loadgen/history.h"

#include "common/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEY = 42, SEED = 3 };

static struct history history;

static int set_up(void **state)
{
    (void)state;
    return history_init(&history);
}

static int tear_down(void **state)
{
    (void)state;
    history_deinit(&history);
    return 0;
}

static void note(uint64_t value, uint64_t sent, uint64_t answered)
{
    history_note(&history, KEY, (struct history_event){value, sent, answered});
}

static void judged(uint64_t value, uint64_t sent, enum history_verdict verdict)
{
    assert_int_equal(history_judge(&history, KEY, value, sent), verdict);
}

static void own_writes(void **state)
{
    (void)state;
    judged(7, 5, HISTORY_UNKNOWN);
    judged(HISTORY_NOTHING, 5, HISTORY_UNKNOWN);
    note(7, 10, 20);
    judged(7, 30, HISTORY_GOOD);
    judged(8, 30, HISTORY_UNKNOWN); /* of another connection */
    judged(HISTORY_NOTHING, 30, HISTORY_STALE);
    judged(HISTORY_NOTHING, 15, HISTORY_UNKNOWN); /* sent before the write was answered */
    note(9, 30, 40);
    judged(9, 50, HISTORY_GOOD);
    judged(7, 50, HISTORY_STALE);
    judged(7, 35, HISTORY_GOOD);
}

/* Of two that overlap either may be the last. */
static void overlapping(void **state)
{
    (void)state;
    note(7, 10, 30);
    note(9, 20, 40);
    judged(7, 50, HISTORY_GOOD);
    judged(9, 50, HISTORY_GOOD);
    note(11, 40, 45);
    judged(7, 50, HISTORY_STALE);
    judged(9, 50, HISTORY_STALE);
}

static void forgets(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < HISTORY_VALUES + 1; i++)
        note(i, 10 * i + 10, 10 * i + 15);
    judged(0, 1000, HISTORY_UNKNOWN);
    judged(1, 1000, HISTORY_STALE);
    for (uint64_t key = 0; key < 100 * HISTORY_KEYS; key++)
        history_note(&history, key + 1000, (struct history_event){1, 1, 2});
    judged(1, 1000, HISTORY_UNKNOWN);
    note(1, 1, 2);
    history_clear(&history);
    judged(HISTORY_NOTHING, 1000, HISTORY_UNKNOWN);
}

/* A register that is never wrong: writes and reads take effect at a time between sending and
 * answer, and no read is stale. */
static void never_wrong(void **state)
{
    (void)state;
    struct rng rng = {SEED};
    uint64_t held = 0, next = 1, time = 0, good = 0;
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t sent = time - rng_below(&rng, 30 < time ? 30 : time + 1);
        uint64_t answered = time + rng_below(&rng, 30);
        if (rng_below(&rng, 2) == 0)
            held = next++;
        else if (held != 0)
            good += history_judge(&history, KEY, held, sent) == HISTORY_GOOD;
        assert_int_not_equal(history_judge(&history, KEY, held, sent), HISTORY_STALE);
        note(held, sent, answered);
        time += 1 + rng_below(&rng, 5);
    }
    assert_true(good > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(own_writes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(overlapping, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forgets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(never_wrong, set_up, tear_down),
    };
    print_message("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
