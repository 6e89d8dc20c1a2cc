/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What stands in for common/clock.c and server/store/workers.c in the fuzz target dispatch, so that
 * an input does the same each time: the linker leaves out an object none of whose names are wanted.
 *
 *   clock     goes on by a step whenever somebody looks
 *   workers   no threads: tasks wait until the input lets one run (doubles_run_task)
 */
#pragma once

#include "common/check.h"
#include "common/clock.h"
#include "server/store/workers.h"

#include <stddef.h>

enum { WORKERS = 2 };

/* ---- clock ---- */

static uint64_t double_now_ns, double_step_ns;

uint64_t clock_mono_ns(void)
{
    return double_now_ns += double_step_ns;
}

int64_t clock_wall_ms(void)
{
    return (int64_t)(clock_mono_ns() / 1000000);
}

uint64_t clock_ticks(void)
{
    return clock_mono_ns();
}

uint64_t clock_ticks_to_ns(uint64_t ticks)
{
    return ticks;
}

/* ---- workers ---- */

struct workers {
    struct task *first[WORK_COUNT], **last[WORK_COUNT];
    uint64_t waiting;
    bool stopping;
};

static struct workers *doubles_begin(struct workers *workers, uint64_t step_ns)
{
    double_now_ns = 1000000000;
    double_step_ns = step_ns;
    *workers = (struct workers){0};
    for (unsigned i = 0; i < WORK_COUNT; i++)
        workers->last[i] = &workers->first[i];
    return workers;
}

void workers_submit(struct workers *workers, struct task *task, enum work work)
{
    task->next = NULL;
    *workers->last[work] = task;
    workers->last[work] = &task->next;
    workers->waiting++;
}

unsigned workers_count(const struct workers *workers)
{
    (void)workers;
    return WORKERS;
}

bool workers_stopping(struct workers *workers)
{
    return workers->stopping;
}

/* Run a task as this worker, one of `work` if there is any. False: there is none at all. */
static bool doubles_run_task(struct workers *workers, enum work work, unsigned worker)
{
    if (workers->first[work] == NULL)
        work = WORK_COUNT - 1 - work;
    struct task *task = workers->first[work];
    if (task == NULL)
        return false;
    workers->first[work] = task->next;
    if (task->next == NULL)
        workers->last[work] = &workers->first[work];
    workers->waiting--;
    task->run(task, worker);
    return true;
}
