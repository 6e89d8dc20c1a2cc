/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Snapshots of a history (tests/crash/history.h), made by the writer and read by the reader of the
 * server, and the rules around them, each of which can be broken: the log is on the disk up to the
 * snapshot before it is committed; only then the log is trimmed, back to the oldest that is kept,
 * and older ones are removed.
 */
#pragma once

#include "server/wal/snapshot.h"
#include "tests/crash/log_driver.h"

#include "common/rng.h"

struct history;

enum snapshots_break {
    SNAPSHOTS_RIGHT,
    SNAPSHOTS_TRIM_BEFORE_RENAME,
    SNAPSHOTS_NO_SYNC_OF_FILE, /* before its rename */
    SNAPSHOTS_NO_SYNC_OF_NAME, /* before the log is trimmed */
    SNAPSHOTS_AHEAD_OF_LOG,    /* of what is on the disk of it */
    SNAPSHOTS_TRIM_TO_NEWEST,  /* of several that are kept */
    SNAPSHOTS_BREAKS,
};

const char *snapshots_break_name(enum snapshots_break broken);

struct snapshots {
    struct simfs *fs;
    const struct log_driver *driver;
    int keep;
    enum snapshots_break broken;
    struct snapshot_writer *writer; /* NULL: none is being taken */
    uint64_t begin_lsn;
};

/* Begin a snapshot of the first `lsn` entries. False: it failed, and nothing is left of it. */
bool snapshots_begin(struct snapshots *snapshots, const struct history *history, uint64_t lsn,
                     struct rng *rng);

/* Finish it with all that was appended, sync `log` so far, and trim. False: the log has failed. A
 * snapshot that failed is none. */
bool snapshots_end(struct snapshots *snapshots, const struct history *history, void *log,
                   struct rng *rng);

/* Let go of it as the death of the process does: nothing reaches the files any more. */
void snapshots_abandon(struct snapshots *snapshots);

/* What a start does with the snapshots on `fs`. */
struct snapshots_found {
    uint64_t lsn;    /* of the one that was loaded; 0: none */
    uint64_t newest; /* of all, good or not */
    int damaged;     /* that were passed over */
};

/* Load the newest that is good and compare it with the history. 0; an error that ends a start, or
 * -1000 if it holds what it must not, with out_text. */
int snapshots_load(struct simfs *fs, const struct history *history,
                   struct snapshots_found *out_found, char out_text[static 800]);

/* Harm the newest snapshot. False: there is none, or nothing has changed. */
bool snapshots_damage(struct simfs *fs, struct rng *rng, char out_what[static 200]);
