/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Recovery: applies what the log and snapshots tell to a store that nobody uses yet.
 *
 *   entry of the log --> effects --> partition_apply      the same mutator as live
 *
 * An effect whose record is as new or newer changes nothing, so that anything may be told twice.
 */
#pragma once

#include "common/buf.h"
#include "server/store/store.h"
#include "server/wal/entry.h"

/* Fields are for reading. */
struct recovery {
    struct store *store;
    uint64_t entries, effects; /* told */
    struct buf dropped;        /* of uint32_t: numbers of runs that have gone meanwhile */
    char problem[160];         /* when something is refused */
};

void recover_init(struct recovery *recovery, struct store *store);
void recover_deinit(struct recovery *recovery);

/* Apply an entry that takes an LSN. 0, ERR_OUT_OF_MEMORY, or ERR_DATA_DAMAGED with ->problem.
 * `context` is the struct recovery (see replay.h). */
MUST_USE int recover_entry(void *context, const struct entry *entry);

/* Everything has been told: delete the records of runs that have gone. */
MUST_USE int recover_finish(struct recovery *recovery);
