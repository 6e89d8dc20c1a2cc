/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The data directory: opened, locked, recovered from, and the log begun in it.
 *
 *   data.dir/LOCK     held for life
 *   data.dir/STORE    the id that every other file of it carries
 *   data.dir/wal-*    the log (server/wal)
 *   data.dir/snap-*   snapshots; those that were found damaged end in .damaged
 *   data.dir/lost-... files that were given up (--accept-loss)
 *
 * docs/formats.md has all of them byte by byte.
 */
#pragma once

#include "server/wal/replay.h"
#include "server/wal/snapshot.h"

struct server;

enum { STORAGE_SNAPSHOTS = 16 }; /* that are looked at */

/* What a start gave up, where loss was accepted (server/storage_loss.c). */
struct storage_loss {
    char kept_in[FILE_NAME_MAX + 1]; /* the directory that its files were moved to; "": nothing was
                                        given up */
    uint64_t first_lsn, last_lsn;    /* transactions that may be lost; 0: none */
    uint64_t files, entries, bytes;  /* moved; in them, behind what was proved: entries that could
                                        be read all the same, and bytes */
    uint64_t next_lsn; /* of the next transaction: above all that were ever given away */
};

/* How the last start went, for server.recovery_report. */
struct storage_report {
    struct snapshot_info snapshot; /* final_lsn 0: there was none */
    unsigned n_refused;            /* newer ones, that were damaged */
    uint64_t refused[STORAGE_SNAPSHOTS];
    struct replay_report replay;
    uint64_t log_bytes; /* of entries behind the snapshot */
    uint64_t effects;   /* of them */
    uint64_t snapshot_ns, took_ns;
    struct storage_loss loss;
};

struct storage {
    struct dir *dir; /* NULL: durability.mode is memory */
    struct store_id id;
    struct storage_report report;
};

/* Open what durability.mode needs and fill the store with what it holds. 0, or the exit status of
 * the process (sysexits.h), when the log says why. Main thread, before the loops. */
MUST_USE int storage_open(struct server *server);

/* Parts of it (server/storage_recover.c): fill the store from the newest snapshot that is good and
 * the log behind it; and, once that has worked, rename those that were not, so that they do not
 * count among those that are kept. */
MUST_USE int storage_recover(struct server *server);
void storage_set_aside(struct server *server);

/* Everything has been answered: end the log cleanly. 0, or an exit status. */
MUST_USE int storage_close(struct server *server);
