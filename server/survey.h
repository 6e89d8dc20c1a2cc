/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A survey of a data directory: what each snapshot and each segment of the log holds, whether it is
 * what it should be, and which state of the store can be proved from all of them.
 *
 *   snapshots   newest whole one = base           what can be proved: the base, and the entries
 *   segments    | 1..900 | 901..2000 | 2001..     behind it up to the first that is not good
 *                     ^base      ^reached
 *
 * Unlike recovery (server/storage_recover.c) it goes on behind damage, as it is for people who want
 * to know all of it (cairnd check), or to lose as little as can be (--accept-loss). It changes
 * nothing on disk.
 */
#pragma once

#include "server/survey_dims.h"
#include "server/wal/inspect.h"
#include "server/wal/snapshot.h"

enum { SURVEY_SNAPSHOTS = 16, SURVEY_TEXT = 512 };

/* Of one file. */
enum survey_state {
    SURVEY_GOOD,
    SURVEY_UNNEEDED, /* a segment before one that follows nothing: not read by recovery */
    SURVEY_DAMAGED,
    SURVEY_FOREIGN, /* of another store */
    SURVEY_FORMAT,  /* of a later version */
};

/* What is wrong with a file, if anything. */
struct survey_verdict {
    enum survey_state state;
    uint64_t offset, lsn;   /* where, in a segment */
    char what[SURVEY_TEXT]; /* "" if it is good; names the file and the place, of a snapshot */
};

struct survey_snapshot {
    uint64_t lsn;              /* as the name says */
    struct snapshot_info info; /* if it is good */
    uint64_t records, entries; /* in it */
    struct survey_verdict verdict;
};

struct survey_segment {
    struct inspection found;
    bool ours;         /* the header is good, of this store, and belongs to the name */
    uint64_t data_end; /* behind the last byte that may be of an entry */
    uint64_t seen_lsn; /* no LSN that was ever in it is above this one, as far as can be told */
    struct survey_verdict verdict;
};

struct survey {
    struct dir *dir;
    struct store_id id;
    bool any_store;                                     /* take files of every store */
    struct survey_snapshot snapshots[SURVEY_SNAPSHOTS]; /* the newest first */
    size_t n_snapshots, n_segments;
    struct survey_segment *segments;
    const struct survey_snapshot *base; /* NULL: none is good, and base_lsn is 0 */
    uint64_t base_lsn;
    size_t from, to; /* the segments with entries behind the base that can be proved: [from, to) */
    uint64_t reached_lsn;  /* the last of these entries; at least base_lsn */
    uint64_t seen_lsn;     /* no LSN that was ever given away is above this one, as far as the files
                              tell */
    uint64_t last_segment; /* the highest number; 0: there is none */
    struct survey_dims dims; /* of what is in all files */
    uint64_t spoilt;         /* records of checkpoints in them that are not what their own checksums
                                are of: they were damaged before they were written */
    char problem[256];       /* of survey_run */
    void (*progress)(void *context, uint64_t done_bytes, uint64_t all_bytes); /* may be NULL */
    void *context;
    uint64_t done_bytes, all_bytes;
};

/* Survey the directory of the store `id`; `dir`, `id`, progress and context are set by the caller,
 * the rest is zero. 0, ERR_IO or ERR_OUT_OF_MEMORY with ->problem; survey_deinit either way. */
MUST_USE int survey_run(struct survey *survey);
void survey_deinit(struct survey *survey);

/* Its parts. List the files, and judge the headers of segments. As survey_run. */
MUST_USE int survey_open(struct survey *survey);
/* Read segment `i` and judge it, telling each of its good entries. As survey_run; or what `entry`
 * (may be NULL) returned if not 0, and then the rest was not looked at. */
MUST_USE int survey_segment(struct survey *survey, size_t i, inspect_fn entry, void *context);

/* Tell `entry` each entry in [survey->from, to) that takes an LSN from after_lsn + 1 to
 * reached_lsn, in order. 0; what it returned; ERR_IO or ERR_OUT_OF_MEMORY with ->problem. */
MUST_USE int survey_tell(struct survey *survey, uint64_t after_lsn,
                         int (*entry)(void *context, const struct entry *entry), void *context);

/* Can the body of this entry be what the store writes? 0 or ERR_DATA_DAMAGED. */
MUST_USE int survey_check_entry(const struct entry *entry);

/* "good", "damaged" ... */
const char *survey_state_name(enum survey_state state);
static inline bool survey_is_bad(enum survey_state state)
{
    return state > SURVEY_UNNEEDED;
}
