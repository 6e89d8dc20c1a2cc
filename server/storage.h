/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The data directory: opened, locked, recovered from, and the log begun in it.
 *
 *   data.dir/LOCK     held for life
 *   data.dir/STORE    the id that every other file of it carries
 *   data.dir/wal-*    the log (server/wal)
 */
#pragma once

#include "server/wal/replay.h"

struct server;

/* How the last start went, for server.recovery_report. */
struct storage_report {
    struct replay_report replay;
    uint64_t effects; /* applied */
    uint64_t took_ns;
};

struct storage {
    struct dir *dir; /* NULL: durability.mode is memory */
    struct store_id id;
    struct storage_report report;
};

/* Open what durability.mode needs and fill the store with what it holds. 0, or the exit status of
 * the process (sysexits.h), when the log says why. Main thread, before the loops. */
MUST_USE int storage_open(struct server *server);

/* Everything has been answered: end the log cleanly. 0, or an exit status. */
MUST_USE int storage_close(struct server *server);
