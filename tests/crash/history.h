/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the explorer knows to be true: what was appended under each LSN, what was promised, and the
 * comparison of a replay with it.
 */
#pragma once

#include "server/wal/replay.h"
#include "tests/crash/snapshots.h"
#include "tests/lib/simfs.h"

enum { HISTORY_MAX = 4000 };

struct history {
    uint64_t bodies[HISTORY_MAX]; /* seed of the body of each LSN, at LSN - 1 */
    uint64_t appended;            /* LSNs */
    uint64_t written;             /* survives the death of the process */
    uint64_t durable;             /* survives everything */
};

/* What a start finds. */
struct history_found {
    struct snapshots_found snapshots;
    struct replay_report replay;
};

/* The body with this seed: a view of memory that the next call writes over. Most are small, some
 * need several sectors, a few a segment of their own. */
struct bytes history_body(uint64_t seed);

/* Take what is on `fs` apart as a start does, snapshot and log, and compare it with what must and
 * may be there. 0, or an error of replay; out_text says what is wrong, or is empty. */
int history_compare(const struct history *history, struct simfs *fs, uint64_t floor,
                    struct history_found *out_found, char out_text[static 800]);
