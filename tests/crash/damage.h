/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Damage of a log at rest, and whether replay can know of it.
 */
#pragma once

#include "tests/crash/history.h"

#include "common/rng.h"

struct damage {
    char what[200];
    bool must_refuse; /* else: synced entries may be missing, as replay.c says */
};

/* Do one to `fs`, where a start needs the log behind `after_lsn`. False: nothing has changed. */
bool damage_do(struct simfs *fs, struct rng *rng, uint64_t after_lsn, struct damage *out_damage);
