/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Drives a store through the real decoder and dispatch, and compares every answer, and now and then
 * everything that is stored, with the oracle.
 */
#pragma once

#include "common/rng.h"
#include "server/ops/dispatch.h"
#include "tests/model/oracle.h"

enum { DRIVER_HISTORY = 8, DRIVER_LINE = 400 };

struct driver {
    struct store *store;
    struct oracle oracle;
    struct limits limits;
    struct stats stats;
    struct op_env env;
    struct session session;
    struct buf request, reply;
    struct rng rng;
    uint64_t seed, number;     /* of operations so far */
    bool memory_limited;       /* writes may be refused for memory */
    bool evicting;             /* ... or other records be evicted for them */
    bool faults;               /* now and then an allocation fails */
    unsigned long fail_nth;    /* this allocation of each call fails; 0: none */
    bool fail_sticky;          /* ... and all behind it */
    bool fired;                /* there was such an allocation */
    uint64_t refused;          /* for memory */
    struct buf last_cursor;    /* of the last page, empty at the end */
    bool last_ok;              /* the last call was answered without error */
    uint64_t counts[OP_COUNT]; /* calls that succeeded */
    /* Called between the steps of a job; returns how many records it wrote. */
    uint64_t (*between)(void *context);
    void *context;
    uint64_t written_between; /* during the last job */
    char history[DRIVER_HISTORY][DRIVER_LINE];
};

void driver_init(struct driver *driver, uint64_t seed, unsigned n_partitions, unsigned n_threads);
void driver_deinit(struct driver *driver);

/* Encode, decode, run, and compare with the oracle. Anything wrong ends the test. */
void driver_run(struct driver *driver, const struct call *call);

/* Let the fail_nth allocation from here on fail; and no more, noting whether one did. */
void driver_arm(struct driver *driver);
void driver_disarm(struct driver *driver);

/* Time goes on; expired records are swept: a few of one partition, or all. */
void driver_tick(struct driver *driver, int64_t ms);
void driver_sweep_some(struct driver *driver);
void driver_sweep_all(struct driver *driver);

/* Sweep at a whole tick of the wheel, so that nothing that expired is left: operations that count
 * records count those too. */
void driver_settle(struct driver *driver);

/* Every invariant of the store, and all of its content. */
void driver_check(struct driver *driver);

/* A number from the environment. */
uint64_t driver_env(const char *name, uint64_t otherwise);

/* Print seed, operation number and the last operations, and end the test. */
_Noreturn void driver_fail(const struct driver *driver, const char *what);
