/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A run: the workers with their connections, and doing phases with them.
 */
#pragma once

#include "client/loadgen/plan.h"
#include "client/loadgen/progress.h"
#include "client/loadgen/result.h"
#include "client/loadgen/target.h"

#include <semaphore.h>

struct run {
    const struct plan *plan;
    const struct target *target;
    int64_t server_pid; /* 0: none to look at */
    bool ask_cpu_time;  /* ask the server for its CPU time, before, during and after a phase */
    struct worker **workers;
    unsigned n_workers;
    uint64_t begun_ns; /* clock_mono_ns: of the first snapshot of a phase; 0: there is none yet */
    atomic_bool stop;  /* workers send nothing more */
    sem_t start;       /* posted for each worker when all threads are there */
    sem_t ended;       /* posted by each worker that has returned */
};

/* Open all connections. 0, or an error with *failure filled in. run_close is due either way. */
MUST_USE int run_open(struct run *run, const struct plan *plan, const struct target *target,
                      int64_t server_pid, struct failure *failure);
void run_close(struct run *run);

/* Do a phase in threads of its own; progress is shown meanwhile. What went wrong is in
 * out->failure and out->counts.errors. */
void run_phase(struct run *run, const struct phase *phase, struct progress *progress,
               struct result *out);

/* From a signal handler or another thread: end the phase and those that follow. */
void run_interrupt(void);
bool run_interrupted(void);
