/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The log: from entries appended by any thread to bytes on disk, with what may be promised of them.
 *
 *   wal_begin/wal_end    any thread, under its partition locks: the next LSN, bytes into `staged`
 *   wal_write            a loop at the end of its turn (buffered): one write of all that is staged
 *   log thread           (strict, and the interval of buffered) one write, one sync for all that
 *                        waits; then durable_lsn moves and everybody who waits is told once
 *
 *   appended_lsn >= written_lsn >= durable_lsn
 *
 * Promises: an LSN up to written_lsn survives the death of the process, one up to durable_lsn that
 * of the machine. LSNs are consecutive, and their order is the order in which transactions that
 * touch the same partition were applied.
 *
 * A write or sync that fails is final: nothing is promised any more and `failed` is called.
 * Disk full is not a failure: see wal_state.
 */
#pragma once

#include "server/wal/segment.h"

#include "common/hist.h"

struct wal;

enum wal_state {
    WAL_OPEN,
    WAL_FULL,   /* no next segment can be made: the rest is kept for what frees space. Returns to
                   WAL_OPEN by itself */
    WAL_FAILED, /* final */
};

struct wal_options {
    struct dir *dir;
    struct store_id store;
    uint64_t segment_bytes;
    uint64_t staging_bytes;    /* above this wal_is_behind; memory is bounded by it and what the
                                  threads that append are about */
    unsigned n_threads;        /* that append */
    bool strict;               /* sync at once; else by interval and count */
    uint64_t sync_interval_ms; /* buffered: the oldest unsynced entry is synced within that */
    uint64_t sync_entries;     /* buffered: or when there are as many unsynced */
    bool gather; /* a sync that is waited for may wait for others (gather.h): several threads write,
                    so that one turn of one of them is no batch of all */
    bool no_thread; /* tests: wal_step does what the thread would */
    /* Called by the log thread, without locks; with no_thread by wal_step and wal_close. Any of
     * them may be NULL. */
    void (*durable)(void *context); /* durable_lsn has moved, or wal_is_behind no longer holds */
    void (*failed)(void *context, const char *text); /* once; text names file and error */
    void (*changed)(void *context, enum wal_state state);
    void *context;
};

/* Where replay found the log to end: the next segment begins there. */
struct wal_end {
    uint64_t last_lsn;       /* 0: nothing has ever been written */
    uint64_t segment_number; /* of the last one; 0: there is none */
    uint64_t end_offset;     /* as in struct segment_header */
    uint32_t end_crc;
};

struct wal_figures {
    uint64_t appended_lsn, written_lsn, durable_lsn;
    uint64_t entries, bytes, writes, syncs, segments; /* since the start; segments: files now */
    uint64_t staged_bytes;                            /* waiting */
    uint64_t live_bytes;                              /* in all segments that are kept */
    uint64_t slow_syncs;                              /* over a second */
};

/* Begin a new segment behind `end` and start the thread. 0, or an error with `text` (what and which
 * file) filled in. */
MUST_USE int wal_open(const struct wal_options *options, const struct wal_end *end,
                      struct wal **out_wal, char out_text[static 256]);

/* Write, sync, note a clean shutdown, stop the thread. 0 or the error; the log is gone either way.
 * ERR_DISK_FULL: everything that was written is synced, but something found no room. */
int wal_close(struct wal *wal);

/* Append an entry of this type with a body of exactly `size` bytes (<= ENTRY_BODY_MAX): returns
 * where to write the body, and its LSN; holds the lock of the log until wal_end. Cannot fail: in
 * WAL_FAILED what is written goes nowhere. Each of n_threads appends at most ENTRY_BODY_MAX bytes
 * after it has seen wal_is_behind. */
uint8_t *wal_begin(struct wal *wal, uint8_t type, size_t size, uint64_t *out_lsn);
void wal_end(struct wal *wal);

/* Write all that is staged, if anything up to `lsn` is. True: it is written, perhaps by somebody
 * else. False: the log has failed, or a full disk leaves no room (wal_has_room); then the log
 * thread tries again, and `durable` will tell. */
bool wal_write(struct wal *wal, uint64_t lsn);

/* Have everything up to `lsn` synced soon; `durable` will tell. Does not wait. */
void wal_want_sync(struct wal *wal, uint64_t lsn);

/* Wait until it is synced. False: the log has failed, or has no room. Not for loops. */
bool wal_wait_durable(struct wal *wal, uint64_t lsn);

/* Relaxed reads, any thread. */
uint64_t wal_written_lsn(const struct wal *wal);
uint64_t wal_durable_lsn(const struct wal *wal);
enum wal_state wal_state(const struct wal *wal);

/* False while something staged waits for a segment that a full disk has no room for. */
bool wal_has_room(const struct wal *wal);

/* Is the disk too full for an entry of about this size? If it grows what is stored, the reserve is
 * not for it; else even the reserve is about to be used up. */
bool wal_refuses(const struct wal *wal, bool grows, size_t size);

/* Too much is staged, or the oldest unsynced entry is older than twice the interval (buffered):
 * take no more requests until `durable` was called. Never while there is no room: nothing is
 * appended then, and reads go on. */
bool wal_is_behind(const struct wal *wal);

void wal_figures(const struct wal *wal, struct wal_figures *out_figures);
/* Of the times of write and sync, in ns, merged into *out. */
void wal_histograms(const struct wal *wal, struct hist *out_write, struct hist *out_sync);

/* Note in the log that a snapshot holds everything up to this LSN, and remove segments that hold
 * nothing above `keep_lsn`, the oldest first; the current one stays. 0 or a negative errno. */
MUST_USE int wal_trim(struct wal *wal, uint64_t snapshot_lsn, uint64_t keep_lsn);

/* Tests, with no_thread: one round of the thread. */
void wal_step(struct wal *wal);
