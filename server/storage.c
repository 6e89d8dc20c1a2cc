/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The data directory: see storage.h.
 *
 *   open -> lock -> STORE (id) -> recovery (server/storage_recover.c) -> new segment of the log
 *
 * A start that fails changes nothing but what may be repeated, and never opens an empty store where
 * there was another.
 *
 * Threads: the main thread; storage_on_* are called by the thread of the log.
 * Failures: each ends the start with a sentence that names the file and what to do; a log that
 * fails later ends the process at once (EX_IOERR), as nothing may be promised any more.
 */
#include "server/storage.h"

#include "common/err.h"
#include "common/log.h"
#include "server/server.h"
#include "server/storage_id.h"
#include "server/wal/wal.h"

#include <errno.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

/* ---- the id ---- */

static int storage_make_id(struct storage *storage)
{
    struct dir *dir = storage->dir;
    bool used;
    int err = storage_id_used(dir, &used);
    if (err == 0 && used) {
        log_error("storage",
                  "%s has files of a store, but not " STORAGE_ID_FILE
                  ", which says of which; put it "
                  "back, or point data.dir at an empty directory",
                  dir->path);
        return EX_DATAERR;
    }
    REQUIRE(getrandom(storage->id.bytes, sizeof storage->id.bytes, 0) ==
            (ssize_t)sizeof storage->id.bytes);
    if (err == 0)
        err = storage_id_write(dir, &storage->id);
    if (err == 0)
        return 0;
    log_error("storage", "%s/" STORAGE_ID_FILE " cannot be written: %s", dir->path, strerror(-err));
    return EX_CANTCREAT;
}

static int storage_read_id(struct storage *storage)
{
    struct dir *dir = storage->dir;
    int err = storage_id_read(dir, &storage->id);
    if (err == 0)
        return 0;
    if (err == -ENOENT)
        return storage_make_id(storage);
    if (err != -EBADMSG) {
        log_error("storage", "%s/" STORAGE_ID_FILE " cannot be read: %s", dir->path,
                  strerror(-err));
        return EX_NOINPUT;
    }
    log_error("storage",
              "%s/" STORAGE_ID_FILE " is damaged or of a later version; put it back from a copy",
              dir->path);
    return EX_DATAERR;
}

/* ---- the directory ---- */

static int storage_open_dir(struct storage *storage, const char *path)
{
    int err = dir_open(path, &storage->dir);
    if (err != 0) {
        log_error("storage", "data.dir: %s cannot be opened: %s", path, strerror(-err));
        return err == -EACCES || err == -EPERM ? EX_NOPERM : EX_CANTCREAT;
    }
    err = dir_lock(storage->dir);
    if (err == 0)
        return 0;
    if (err == -EWOULDBLOCK)
        log_error(
            "storage",
            "data.dir: another process uses %s (process %d); stop it, or use another directory",
            path, dir_lock_holder(storage->dir));
    else
        log_error("storage", "data.dir: %s/LOCK cannot be made: %s", path, strerror(-err));
    return EX_CANTCREAT;
}

/* Strict is a promise about disks. */
static int storage_check_file_system(const struct server *server)
{
    bool syncs;
    const char *name = dir_file_system(server->storage.dir, &syncs);
    bool strict = config_durability(server->config) == DURABILITY_STRICT;
    if (syncs)
        return 0;
    if (!strict || config_bool(server->config, OPTION_durability_any_file_system)) {
        log_warn("storage", "data.dir is on %s, where a sync may not reach a disk", name);
        return 0;
    }
    log_error("storage",
              "data.dir is on %s, where a sync may not reach a disk, so durability.mode: strict "
              "could not keep its promise; use a local ext4, xfs, btrfs or zfs, or set "
              "durability.any_file_system: true if you know better",
              name);
    return EX_CONFIG;
}

/* ---- the log ---- */

static void storage_on_durable(void *context)
{
    struct server *server = context;
    for (unsigned i = 0; i < atomic_load(&server->n_loops_running); i++)
        loop_tell_log(server->loops[i]);
}

static void storage_on_failure(void *context, const char *text)
{
    struct server *server = context;
    log_error("storage",
              "%s. Nothing can be promised any more: ending at once. What was acknowledged is in "
              "the log; look at the disk before starting again",
              text);
    notify_send(&server->notify, "STOPPING=1\nSTATUS=The log failed: %s", text);
    _exit(EX_IOERR);
}

static void storage_on_change(void *context, enum wal_state state)
{
    struct server *server = context;
    if (state == WAL_FULL) {
        log_error("storage", "the disk below data.dir is full: writes are refused (DISK_FULL), "
                             "reads and deletes go on; free some space there");
        notify_send(&server->notify, "STATUS=The disk is full: writes are refused");
    } else if (state == WAL_OPEN) {
        log_notice("storage", "there is space again: writes are accepted");
        notify_send(&server->notify, "STATUS=Serving %s", server->serving);
    }
    storage_on_durable(server);
}

static int storage_start_log(struct server *server)
{
    const struct config *config = server->config;
    char text[256] = "";
    struct wal_options options = {
        .dir = server->storage.dir,
        .store = server->storage.id,
        .segment_bytes = (uint64_t)config_int(config, OPTION_durability_segment_bytes),
        .staging_bytes = (uint64_t)config_int(config, OPTION_durability_backlog_bytes),
        .n_threads = server->n_loops + 1, /* snapshots append a note */
        .strict = config_durability(config) == DURABILITY_STRICT,
        .gather = server->n_loops > 1,
        .sync_interval_ms = (uint64_t)config_int(config, OPTION_durability_sync_interval_ms),
        .sync_entries = (uint64_t)config_int(config, OPTION_durability_sync_writes),
        .durable = storage_on_durable,
        .failed = storage_on_failure,
        .changed = storage_on_change,
        .context = server,
    };
    if (wal_open(&options, &server->storage.report.replay.end, &server->store->wal, text) != 0) {
        log_error("storage", "the log cannot be begun: %s", text);
        return EX_IOERR;
    }
    server->store->durability =
        options.strict ? DURABILITY_LEVEL_STRICT : DURABILITY_LEVEL_BUFFERED;
    atomic_store(&server->store->version, server->storage.report.replay.end.last_lsn);
    memcpy(&server->store->history, server->storage.id.bytes, sizeof server->store->history);
    server->store->history >>= 11; /* below 2^53 */
    return 0;
}

int storage_open(struct server *server)
{
    struct storage *storage = &server->storage;
    if (config_durability(server->config) == DURABILITY_MEMORY)
        return 0;
    notify_send(&server->notify, "STATUS=Recovery");
    int status = storage_open_dir(storage, config_data_dir(server->config));
    if (status == 0)
        status = storage_check_file_system(server);
    if (status == 0)
        status = storage_read_id(storage);
    if (status == 0)
        status = storage_recover(server);
    if (status == 0)
        status = storage_start_log(server);
    if (status == 0)
        storage_set_aside(server);
    return status;
}

int storage_close(struct server *server)
{
    struct wal *wal = server->store == NULL ? NULL : server->store->wal;
    int err = wal == NULL ? 0 : wal_close(wal);
    if (err == ERR_DISK_FULL) {
        log_warn("storage", "the disk is full: writes that were not acknowledged are lost");
        err = 0;
    }
    if (wal != NULL)
        server->store->wal = NULL;
    dir_close(server->storage.dir);
    server->storage.dir = NULL;
    return err == 0 ? 0 : EX_IOERR;
}
