/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Saving the store as a snapshot while others go on working with it.
 *
 *   save_begin --> save_step, save_step ... --> save_end        or save_run, which is all of it
 *
 * The file holds the store as it was at one LSN, which the log on the disk reaches. recover_chunk
 * (server/store/recover.h) takes it back.
 */
#pragma once

#include "server/store/store.h"
#include "server/wal/snapshot.h"

enum { SAVE_KEEP_MAX = 16 };

struct save;

struct save_options {
    struct dir *dir;
    struct store_id id;
    bool compress;
    uint64_t bytes_per_s;    /* to disk; 0: as fast as it goes */
    bool give_way;           /* to those who are served: see give_way.h */
    const atomic_bool *stop; /* save_run gives up when it becomes true; NULL: never */
};

struct save_report {
    uint64_t begin_lsn, final_lsn;
    uint64_t records, effects; /* walked; entries of the log committed meanwhile */
    uint64_t bytes;            /* of the file, but for its last few */
    uint64_t took_ns;
    char problem[512]; /* on failure: what, where */
};

/* The store must have a log and have been made for several threads, or nobody else may use it.
 * Functions return 0; ERR_OUT_OF_MEMORY, ERR_DISK_FULL, ERR_IO, ERR_DATA_DAMAGED (of the log), or
 * ERR_SHUTTING_DOWN (stop), with out_report->problem; the report is used until save_end. After a
 * failure nothing is left of the snapshot. */
MUST_USE int save_begin(struct store *store, const struct save_options *options,
                        struct save **out_save, struct save_report *out_report);
/* Walk on by a slice. 0 and *out_done, or an error; then call save_end all the same. */
MUST_USE int save_step(struct save *save, bool *out_done);
/* Make it a snapshot, if all steps went well; waits until the log is synced so far. */
MUST_USE int save_end(struct save *save);

MUST_USE int save_run(struct store *store, const struct save_options *options,
                      struct save_report *out_report);

/* Remove what a finished snapshot makes superfluous: all snapshots but the newest `keep`, and the
 * log before the oldest of these; while there are fewer the log stays as it is. 0 or a negative
 * errno. */
MUST_USE int save_trim(struct store *store, struct dir *dir, int keep);
