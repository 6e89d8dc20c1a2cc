/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Recovery: applies what the log and snapshots tell to a store that nobody uses yet.
 *
 *   entry of the log    --> effects --> partition_apply      the same mutator as live
 *   chunk of a snapshot ------^
 *
 * An effect whose record is as new or newer changes nothing, so that anything may be told twice.
 * Until the end the store has no order; and what was told may be still on its way to it.
 */
#pragma once

#include "server/store/store.h"
#include "server/wal/snapshot.h"

struct recover_lanes;
struct vindex_part;

/* Fields are for reading. */
struct recovery {
    struct store *store;
    struct recover_lanes *lanes;
    unsigned n_threads;
    uint64_t entries, effects;  /* of the log, told */
    _Atomic uint64_t records;   /* of a snapshot, told */
    struct vindex_part *graphs; /* of a snapshot, to be loaded at the end */
    char problem[160];          /* when something is refused */
};

/* What recovery takes, of all that can be decoded: an effect of the log; a record, and what is told
 * besides records, of a snapshot. */
bool recover_takes_effect(const struct effect *effect);
bool recover_takes_record(const struct record_spec *spec);
bool recover_takes_told(const struct record_spec *spec);

/* Begin with an empty store, with up to n_threads besides the caller's; 0: what is told is applied
 * at once. Always to be ended. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int recover_begin(struct recovery *recovery, struct store *store, unsigned n_threads);

/* There will be about so many records: make room. A hint, which may be wrong. */
void recover_expect(struct recovery *recovery, uint64_t records);

/* Apply an entry that takes an LSN. 0, ERR_OUT_OF_MEMORY, or ERR_DATA_DAMAGED with ->problem.
 * `context` is the struct recovery (see replay.h). */
MUST_USE int recover_entry(void *context, const struct entry *entry);

/* Apply a chunk of a snapshot: its runs, then records, then effects. Records by any number of
 * threads at once, if the store was made for several. 0, ERR_OUT_OF_MEMORY or ERR_DATA_DAMAGED.
 * `context` is the struct recovery (see snapshot.h). */
MUST_USE int recover_chunk(void *context, unsigned thread, enum snapshot_section section,
                           struct bytes data);

/* Everything has been told: wait until it is applied, put it in order, and delete the records of
 * runs that are not there any more. 0, ERR_OUT_OF_MEMORY, or ERR_DATA_DAMAGED for records that do
 * not fit together, with ->problem. */
MUST_USE int recover_finish(struct recovery *recovery);

/* Finished or given up: end the threads. The store stays. More than once is fine. */
void recover_end(struct recovery *recovery);
