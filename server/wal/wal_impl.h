/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The log inside: its state, and who may touch what. Only for the files of the log.
 *
 *   wal.c      append, wait, figures, open, close
 *   staging.c  where entries wait
 *   commit.c   from staging to the file, and the file to the disk
 *   rotate.c   the next segment: the spare, its header, its name
 *   writer.c   the threads: when to commit, what to tell
 *   trim.c     segments nobody needs any more
 *
 * Three locks, taken in this order:
 *
 *   writing   one writes at a time: the drained half of staging, the segment, the chain of CRCs
 *   syncing   one syncs at a time, and the file stays open meanwhile; others may write
 *   lock      everything else, for moments; never held during I/O or a callback
 *
 * What is read without a lock (LSNs, state, what wal_is_behind looks at) is atomic, written under
 * `lock`.
 */
#pragma once

#include "server/wal/gather.h"
#include "server/wal/staging.h"
#include "server/wal/wal.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    WAL_FIRST_BYTES = 1 << 20, /* of a segment made while somebody waits for it */
    WAL_RESERVE_MIN = 64 * 1024,
    WAL_STRICT_MS = 100,     /* strict: what nobody waits for is synced within that */
    WAL_IDLE_MS = 50,        /* after a sync: then it is proved by a watermark */
    WAL_RETRY_MS = 1000,     /* between attempts while the disk is full */
    WAL_SLOW_SYNC_MS = 1000, /* worth a warning */
    WAL_PROBLEM_BYTES = 256,
};

/* A file that is or becomes a segment. */
struct wal_file {
    int file; /* -1: none */
    uint64_t bytes;
};

struct wal {
    struct wal_options options;
    uint64_t reserve_bytes; /* WAL_FULL begins when less is left and there is no spare */
    uint64_t interval_ns;
    pthread_t writer, sparer;
    bool has_writer, has_sparer;

    /* ---- writing ---- */
    pthread_mutex_t writing;
    struct wal_file current; /* its `bytes` and `file` change under all three locks */
    struct segment_header header;
    uint32_t crc;         /* of the last entry written */
    struct wal_file next; /* ready but for its header and name */
    const char *next_name;
    uint8_t block[SEGMENT_HEADER_BYTES]; /* a header on its way */

    pthread_mutex_t syncing;

    /* ---- lock ---- */
    pthread_mutex_t lock;
    pthread_cond_t work;       /* for the log thread */
    pthread_cond_t spare_work; /* for the thread that makes spares */
    pthread_cond_t moved;      /* written_lsn, durable_lsn, state or `blocked` changed */
    struct staging staging;
    uint64_t want_lsn;       /* somebody waits for its sync */
    uint64_t written_offset; /* in the current segment: where the next write goes */
    uint64_t data_end;       /* of the last entry that is not a watermark */
    uint64_t proved_offset;  /* `synced` of the last entry written */
    uint64_t unsynced_ticks; /* since when there is something written but not synced; 0: no */
    uint64_t syncing_ticks;  /* the same for what is being synced */
    uint64_t synced_ticks;   /* when the last sync ended */
    struct gather gather;    /* whom syncs serve */
    uint64_t blocked_ticks;  /* when writing found no room; 0: there may be some now */
    bool behind;             /* as of wal_note_room */
    bool stop;
    int past; /* the segment before, synced, to be dropped from the caches; < 0: none */
    struct wal_file spare;
    bool spare_taken; /* its name is in use until it has been renamed */
    int spare_err;    /* why there is none; 0: it will come */
    bool tell_durable;
    enum wal_state told;
    char problem[WAL_PROBLEM_BYTES];
    struct hist write_ns, sync_ns;
    uint64_t entries, bytes, writes, syncs, slow_syncs, segments, live_bytes;

    /* ---- relaxed reads ---- */
    _Atomic uint64_t appended_lsn, written_lsn, durable_lsn;
    _Atomic uint64_t synced_offset; /* in the current segment */
    _Atomic uint64_t staged_bytes;
    _Atomic uint64_t oldest_ticks; /* of the oldest entry not synced; 0: none */
    _Atomic int state;
    _Atomic bool blocked;   /* no room: the log thread tries again after WAL_RETRY_MS */
    _Atomic bool exhausted; /* even of the reserve little is left */
    _Atomic uint64_t room;  /* what grows must be smaller than that */
};

/* ---- wal.c ---- */

/* Final: remember why and wake everybody. Returns ERR_IO. Without `lock`. */
int wal_fail(struct wal *wal, const char *name, const char *what, int err);
static inline bool wal_has_failed(const struct wal *wal)
{
    return atomic_load_explicit(&wal->state, memory_order_relaxed) == WAL_FAILED;
}
/* Under `lock`, after any change of what is staged, written, synced or spare: work out
 * staged_bytes, oldest_ticks, the state and who must be told. */
void wal_note_room(struct wal *wal);
static inline uint64_t wal_unsynced_entries(const struct wal *wal)
{
    return atomic_load_explicit(&wal->appended_lsn, memory_order_relaxed) -
           atomic_load_explicit(&wal->durable_lsn, memory_order_relaxed);
}
uint64_t wal_age_ns(uint64_t since_ticks);
/* "wal-0000000000000001.log" of the current segment, for messages. */
void wal_current_name(const struct wal *wal, char out_name[static FILE_NAME_MAX + 1]);
/* An entry without a body of its own or an LSN. */
void wal_note(struct wal *wal, uint8_t type, struct bytes body);

/* ---- commit.c ---- */

/* Write all that is staged if anything up to `lsn` is. 0, ERR_DISK_FULL (later, perhaps: `blocked`
 * is set), ERR_IO (failed). Takes `writing`. */
MUST_USE int commit_write(struct wal *wal, uint64_t lsn);
/* Sync what is written. 0 or ERR_IO. Takes `syncing`; commit_sync_held: the caller has it. */
MUST_USE int commit_sync(struct wal *wal);
MUST_USE int commit_sync_held(struct wal *wal);

/* ---- rotate.c ---- */

/* Go on in a new segment with room for an entry of this size. As commit_write. Under `writing`. */
MUST_USE int rotate_to_next(struct wal *wal, size_t entry_size);
/* Close the segment before, and make a spare. Without locks. */
void rotate_forget_past(struct wal *wal);
void rotate_make_spare(struct wal *wal);
static inline bool rotate_wants_spare(const struct wal *wal) /* under `lock` */
{
    return wal->spare.file < 0 && !wal->spare_taken && !wal_has_failed(wal);
}
/* Errors that pass: try again. All others are final. */
bool rotate_may_retry(int err);

/* ---- writer.c ---- */

MUST_USE int writer_start(struct wal *wal);
void writer_stop(struct wal *wal);
/* Call back what has not been told yet. Without locks. */
void writer_tell(struct wal *wal);

/* ---- trim.c ---- */

/* First LSNs of the segments there, ascending, mem_free'd by the caller. 0 or a negative errno. */
MUST_USE int trim_list(struct dir *dir, uint64_t **out_lsns, size_t *out_n);
/* Bytes of the file, or a negative errno. */
int64_t trim_file_bytes(struct dir *dir, const char *name);
