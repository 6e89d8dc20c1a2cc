/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Workers: every task is run once, by whom it says; what somebody waits for before upkeep; what is
 * submitted by tasks too, also while they are being stopped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/workers.h"

#include "common/err.h"

#include <sched.h>
#include <stdatomic.h>

enum { TASKS = 2000, THREADS = 3 };

struct counted {
    struct task task;
    struct workers *workers;
    atomic_uint runs;
    unsigned again; /* how often it submits itself */
};

static atomic_uint order, seen_now, seen_later;

static void count(struct task *task, unsigned worker)
{
    struct counted *self = (struct counted *)task;
    assert_true(worker < THREADS);
    if (atomic_fetch_add(&self->runs, 1) < self->again)
        workers_submit(self->workers, task, WORK_LATER);
}

static void each_once(void **state)
{
    static struct counted tasks[TASKS];
    struct workers *workers;
    (void)state;
    assert_int_equal(workers_start(THREADS, &workers), 0);
    assert_int_equal(workers_count(workers), THREADS);
    for (unsigned i = 0; i < TASKS; i++) {
        tasks[i] = (struct counted){.task.run = count, .workers = workers, .again = i % 3};
        workers_submit(workers, &tasks[i].task, i % 2 == 0 ? WORK_NOW : WORK_LATER);
    }
    workers_stop(workers);
    for (unsigned i = 0; i < TASKS; i++)
        assert_int_equal(atomic_load(&tasks[i].runs), i % 3 + 1);
}

/* ---- order ---- */

static atomic_bool held, entered;

static void hold(struct task *task, unsigned worker)
{
    (void)task;
    (void)worker;
    atomic_store(&entered, true);
    while (atomic_load(&held))
        (void)sched_yield();
}

static void run_now(struct task *task, unsigned worker)
{
    (void)task;
    (void)worker;
    atomic_store(&seen_now, atomic_fetch_add(&order, 1));
}

static void run_later(struct task *task, unsigned worker)
{
    (void)task;
    (void)worker;
    atomic_store(&seen_later, atomic_fetch_add(&order, 1));
}

static void now_before_later(void **state)
{
    struct workers *workers;
    struct task first = {.run = hold}, later = {.run = run_later}, now = {.run = run_now};
    (void)state;
    atomic_store(&held, true);
    assert_int_equal(workers_start(1, &workers), 0);
    workers_submit(workers, &first, WORK_LATER);
    while (!atomic_load(&entered))
        (void)sched_yield();
    workers_submit(workers, &later, WORK_LATER);
    workers_submit(workers, &now, WORK_NOW);
    assert_int_equal(workers_waiting(workers), 2);
    assert_false(workers_stopping(workers));
    atomic_store(&held, false);
    workers_stop(workers);
    assert_true(atomic_load(&seen_now) < atomic_load(&seen_later));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_once),
        cmocka_unit_test(now_before_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
