/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A directory in memory behind the table of server/wal/file.h that loses what was not synced. The
 * proofs of what survives a crash stand on it, so what it may lose is written down here.
 *
 *   log, snapshots --> struct dir --> simfs --- simfs_crash(seed) --> another simfs, as the next
 *                                                                     start finds it
 *
 * Kept for each file: what a reader sees now, what the disk has for certain, and the writes in
 * between; for the directory the same with names. A crash makes a new simfs and leaves this one as
 * it is, so that many crashes can be taken from one run. The same seed gives the same crash.
 *
 * After the death of the process everything is seen as it was, and is as unsynced as it was. A
 * power cut keeps what was synced; of the rest:
 *
 *   data    each sector (512 bytes) of each unsynced write by itself is on the disk or not, or
 *           what was written of it reads as zeros or garbage. A sector that reached the disk has
 *           all that was written to it before. Bytes of a sector outside of the unsynced writes are
 *           never harmed ("powersafe overwrite", which all logs rely on).
 *   sizes   weak: each change by itself is kept or lost. Bytes that a kept size uncovers and no
 *           write filled are zeros.
 *   names   weak: each creation, renaming and removal by itself is kept or lost; a renaming is
 *           atomic, it never leaves two names nor none.
 *   ordered as ext4 with data=ordered: sizes and names are changes of one journal: those up to some
 *           moment are kept, those behind it lost. A sync of names keeps all before it, and so does
 *           that of a file which is new or has grown; else it writes data only.
 *
 * A sync that fails may have written any part, and what it has not written no later sync will: the
 * kernel takes the pages for clean. Readers go on seeing it until a power cut, or `forget`.
 *
 * One thread only. Memory that is not there ends the test.
 */
#pragma once

#include "server/wal/file.h"

#include <stdbool.h>

enum { SIMFS_SECTOR = 512 };

enum simfs_crash {
    SIMFS_KILL, /* the process died; the machine goes on */
    SIMFS_POWER_ORDERED,
    SIMFS_POWER_WEAK,
};

enum simfs_call {
    SIMFS_OPEN,
    SIMFS_WRITE,
    SIMFS_READ,
    SIMFS_SIZE,
    SIMFS_ALLOCATE,
    SIMFS_SYNC,
    SIMFS_RENAME,
    SIMFS_REMOVE,
    SIMFS_SYNC_NAMES,
    SIMFS_LIST,
};

struct simfs;

struct simfs *simfs_create(void);
/* Also while files are open: simfs_open_files tells of leaks. */
void simfs_destroy(struct simfs *fs);

/* The table of operations; valid as long as the simfs. */
struct dir *simfs_dir(struct simfs *fs);

struct simfs *simfs_crash(const struct simfs *fs, enum simfs_crash how, uint64_t seed);

/* Calls through the table so far, without closes. */
uint64_t simfs_calls(const struct simfs *fs);
unsigned simfs_open_files(const struct simfs *fs);

/* The n-th call from now on (1: the next) fails with this errno (> 0), and every later one too if
 * `sticky`. A write that fails has written a part. n = 0: none. */
void simfs_fail(struct simfs *fs, uint64_t n, int error, bool sticky);

/* Called before each call that changes something, or syncs. NULL: nobody. */
typedef void (*simfs_watch_fn)(void *context, enum simfs_call call, const char *name);
void simfs_watch(struct simfs *fs, simfs_watch_fn watch, void *context);

/* Syncs that report success and do nothing: a rig must notice that. */
void simfs_lie(struct simfs *fs, bool data, bool names);

/* ---- damage, and looking at it: past the table, not counted ---- */

/* All bytes as a reader sees them; data == NULL: no such file. A view until the next change. */
struct bytes simfs_content(const struct simfs *fs, const char *name);
/* Make or replace a file, durably. */
void simfs_put(struct simfs *fs, const char *name, struct bytes content);
void simfs_drop(struct simfs *fs, const char *name);
/* The n-th name in the order of creation, or NULL. */
const char *simfs_name(const struct simfs *fs, unsigned n);
/* Number that differs when what readers see differs. */
uint64_t simfs_digest(const struct simfs *fs);
