/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Workers: threads for what is too long for a loop. Tasks are run in the order they came, those
 * that somebody waits for first.
 */
#pragma once

#include "common/check.h"

#include <stdbool.h>
#include <stdint.h>

struct workers;

/* Embedded in what is to be done. `run` is called once, by a worker, which owns the task then. */
struct task {
    struct task *next;
    void (*run)(struct task *task, unsigned worker); /* worker: 0..n-1 */
};

enum work { WORK_NOW, WORK_LATER, WORK_COUNT }; /* somebody waits; upkeep */

enum { WORKERS_MAX = 64 };

/* 0, ERR_OUT_OF_MEMORY, or ERR_INTERNAL if there can be no thread. */
MUST_USE int workers_start(unsigned n, struct workers **out_workers);

/* Do what has been submitted, and what that submits; end the threads; free. */
void workers_stop(struct workers *workers);

/* Any thread. */
void workers_submit(struct workers *workers, struct task *task, enum work work);

unsigned workers_count(const struct workers *workers);

/* Tasks that wait (any thread; a figure). */
uint64_t workers_waiting(struct workers *workers);

/* Is workers_stop under way? Upkeep ends then. */
bool workers_stopping(struct workers *workers);
