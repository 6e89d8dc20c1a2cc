/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading the log back: finds its segments, checks them against each other, and hands out the
 * entries behind an LSN in order.
 *
 * What is damaged is refused, never skipped: the verdicts are those of the table in replay.c. A
 * torn tail, which nobody was promised, is cut: the end is where the last valid entry before it
 * ends. Nothing is changed on disk: a new segment begins behind the end (server/wal/wal.h), so
 * replay may be interrupted and repeated at any time.
 */
#pragma once

#include "server/wal/wal.h"

struct replay_report {
    uint64_t segments, entries, bytes; /* read */
    uint64_t covered;                  /* segments before those, all of it in the snapshot */
    uint64_t first_lsn, last_lsn;      /* 0: none */
    uint64_t synced_lsn;               /* known to have been synced before */
    uint64_t cut_bytes;                /* of a torn tail that were not zeros */
    bool clean;                        /* it ends with a clean shutdown */
    struct wal_end end;                /* of what is good, also when refused */
    /* Of what is known to be on the disk. What lies between it and `end` the kernel may show though
     * the disk does not have it (a sync failed before): to promise it, it must be written anew. */
    struct wal_end proved;
    char problem[512]; /* when refused: file, offset, LSN, and what to do */
    char file[FILE_NAME_MAX + 1];
    uint64_t offset;
};

struct replay_options {
    struct dir *dir;
    const struct store_id *store; /* NULL: take what the files say */
    uint64_t after_lsn;           /* of the snapshot: entries up to it are read but not told */
    bool any_first;               /* tools: the log may begin behind after_lsn + 1 */
    uint64_t until_lsn;           /* 0: to the end. Else the log may be in use: read only what holds
                                     entries behind after_lsn and up to this one, which has been
                                     written, and judge nothing behind it */
    /* Told of each entry that takes an LSN. Not 0 ends the replay with that error. */
    int (*entry)(void *context, const struct entry *entry);
    /* Now and then: bytes read of all. May be NULL. */
    void (*progress)(void *context, uint64_t done_bytes, uint64_t all_bytes);
    void *context;
};

/* Before replay: sync the last segments, which a process that died may have left in memory, and
 * drop them from the caches, so that what is read then is what the disk has. 0, or ERR_IO with
 * report->problem. */
MUST_USE int replay_settle(struct dir *dir, struct replay_report *report);

/* 0; ERR_DATA_DAMAGED, ERR_DATA_FORMAT or ERR_IO with report->problem; or what `entry` returned. */
MUST_USE int replay_run(const struct replay_options *options, struct replay_report *report);
