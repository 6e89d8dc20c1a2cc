/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Recovery of the store from the data directory.
 *
 *   settle the log -> newest snapshot that is good -> replay of the log behind it
 *
 *   | the newest snapshot | the log                        | verdict                            |
 *   |---------------------|--------------------------------|------------------------------------|
 *   | good                | begins at or before its LSN    | both                               |
 *   | damaged             | begins before that of an older | the older one and more of the log, |
 *   |                     | good one, or at LSN 1          | with a warning                     |
 *   | damaged             | begins behind                  | refused                            |
 *   | good or damaged     | ends before its LSN            | refused: the log was synced so far |
 *   |                     |                                | before the snapshot was, so a file |
 *   |                     |                                | is missing                         |
 *
 * What is refused for damage starts all the same with --accept-loss (server/storage_loss.c).
 *
 * A snapshot that cannot be read (memory, disk, a later format) ends the start: an older one would
 * not be better.
 *
 * Threads: the main thread; as many threads as there will be loops load records of a snapshot, and
 * apply the effects of the log that the main thread reads.
 * Failures: said in the log, with an exit status; the store is of no use then. Nothing has changed
 * on disk.
 */
#include "server/storage_impl.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "server/ops/ckpt.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum { STORAGE_PROGRESS_NS = 1000000000 };

int storage_on_entry(void *context, const struct entry *entry)
{
    struct storage_progress *progress = context;
    progress->log_bytes += entry->body.size + ENTRY_OVERHEAD;
    return recover_entry(&progress->recovery, entry);
}

static int storage_on_chunk(void *context, unsigned thread, enum snapshot_section section,
                            struct bytes data)
{
    struct storage_progress *progress = context;
    return recover_chunk(&progress->recovery, thread, section, data);
}

/* What a damaged file says of itself must not take more memory than its records would. */
static void storage_on_begin(void *context, const struct snapshot_info *info)
{
    enum { RECORD_BYTES_LEAST = 4 }; /* on disk, if it compresses very well */
    struct storage_progress *progress = context;
    uint64_t most = info->bytes / RECORD_BYTES_LEAST;
    recover_expect(&progress->recovery, info->records < most ? info->records : most);
}

void storage_on_progress(void *context, uint64_t done_bytes, uint64_t all_bytes)
{
    struct storage_progress *progress = context;
    uint64_t now_ns = clock_mono_ns();
    if (now_ns - progress->told_ns < STORAGE_PROGRESS_NS)
        return;
    progress->told_ns = now_ns;
    double percent = all_bytes == 0 ? 100 : 100.0 * (double)done_bytes / (double)all_bytes;
    log_notice("storage", "recovery: %.0f %% of %llu MiB", percent,
               (unsigned long long)(all_bytes >> 20));
    notify_send(&progress->server->notify,
                "EXTEND_TIMEOUT_USEC=30000000\nSTATUS=Recovery: %.0f %% of %llu MiB", percent,
                (unsigned long long)(all_bytes >> 20));
}

static int storage_refuse(const struct server *server, int err, const char *problem)
{
    if (err == ERR_OUT_OF_MEMORY) {
        log_error("storage", "there is not enough memory for the data in %s",
                  server->storage.dir->path);
        return EX_OSERR;
    }
    log_error("storage", "%s", problem);
    return err == ERR_IO ? EX_IOERR : EX_DATAERR;
}

/* ---- snapshots ---- */

static int storage_check_info(struct storage_progress *progress)
{
    const struct storage *storage = &progress->server->storage;
    const struct snapshot_info *info = &storage->report.snapshot;
    const char *what = NULL;
    if (memcmp(&info->store, &storage->id, sizeof info->store) != 0)
        what = "belongs to another store";
    else if (info->records != progress->recovery.records)
        what = "has another number of records than it says";
    if (what == NULL)
        return 0;
    (void)snprintf(progress->problem, sizeof progress->problem, "%s %s (in %.200s)", info->name,
                   what, storage->dir->path);
    return ERR_DATA_DAMAGED;
}

int storage_load(struct storage_progress *progress, uint64_t lsn)
{
    struct server *server = progress->server;
    struct snapshot_load load = {.dir = server->storage.dir,
                                 .n_threads = server->n_loops,
                                 .begin = storage_on_begin,
                                 .chunk = storage_on_chunk,
                                 .progress = storage_on_progress,
                                 .context = progress};
    int err = snapshot_read(&load, lsn, &server->storage.report.snapshot, progress->problem);
    return err != 0 ? err : storage_check_info(progress);
}

int storage_begin_again(struct storage_progress *progress)
{
    struct server *server = progress->server;
    recover_end(&progress->recovery);
    int err = server_make_store(server);
    return err != 0 ? err : recover_begin(&progress->recovery, server->store, server->n_loops);
}

/* A damaged snapshot may have left anything in the store: begin with an empty one again. */
static int storage_pass_over(struct storage_progress *progress, uint64_t lsn)
{
    struct storage_report *report = &progress->server->storage.report;
    log_warn("storage", "%s. Going on with what is older", progress->problem);
    report->snapshot = (struct snapshot_info){.final_lsn = 0};
    report->refused[report->n_refused++] = lsn;
    return storage_begin_again(progress);
}

static int storage_load_newest(struct storage_progress *progress, const uint64_t *lsns, int n)
{
    uint64_t start_ns = clock_mono_ns();
    int err = 0;
    for (int i = 0; i < n; i++) {
        err = storage_load(progress, lsns[i]);
        if (err != ERR_DATA_DAMAGED)
            break;
        err = storage_pass_over(progress, lsns[i]);
        if (err != 0)
            break;
    }
    progress->server->storage.report.snapshot_ns = clock_mono_ns() - start_ns;
    return err;
}

void storage_set_aside(struct server *server)
{
    const struct storage_report *report = &server->storage.report;
    for (unsigned i = 0; i < report->n_refused; i++) {
        int err = snapshot_set_aside(server->storage.dir, report->refused[i]);
        if (err != 0)
            log_warn("storage", "%s: a damaged snapshot cannot be renamed: %s; move it away",
                     server->storage.dir->path, strerror(-err));
    }
}

/* ---- the log ---- */

/* `newest_lsn`: of all snapshots, good or damaged. */
static int storage_check_end(struct storage_progress *progress, uint64_t newest_lsn)
{
    const struct storage *storage = &progress->server->storage;
    uint64_t last_lsn = storage->report.replay.end.last_lsn;
    if (last_lsn >= newest_lsn)
        return 0;
    (void)snprintf(
        progress->problem, sizeof progress->problem,
        "%.200s: the log ends at LSN %llu, but there is a snapshot of LSN %llu: files of "
        "the log are missing. Nothing was changed; put them back from a copy",
        storage->dir->path, (unsigned long long)last_lsn, (unsigned long long)newest_lsn);
    return ERR_DATA_DAMAGED;
}

static int storage_replay(struct storage_progress *progress, uint64_t newest_lsn)
{
    struct storage *storage = &progress->server->storage;
    struct storage_report *report = &storage->report;
    struct recovery *recovery = &progress->recovery;
    struct replay_options options = {.dir = storage->dir,
                                     .store = &storage->id,
                                     .after_lsn = report->snapshot.final_lsn,
                                     .entry = storage_on_entry,
                                     .progress = storage_on_progress,
                                     .context = progress};
    uint64_t effects = recovery->effects; /* of the snapshot */
    int err = replay_run(&options, &report->replay);
    if (err != 0)
        (void)snprintf(progress->problem, sizeof progress->problem, "%s",
                       recovery->problem[0] != 0 ? recovery->problem : report->replay.problem);
    if (err == 0)
        err = storage_check_end(progress, newest_lsn);
    if (err == 0) {
        err = recover_finish(recovery);
        if (err == ERR_DATA_DAMAGED)
            (void)snprintf(progress->problem, sizeof progress->problem, "%s", recovery->problem);
    }
    if (err == 0)
        ckpt_recount(recovery->store);
    report->effects = recovery->effects - effects;
    report->log_bytes = progress->log_bytes;
    return err;
}

/* ---- the whole ---- */

static void storage_tell(const struct storage_report *report)
{
    const struct replay_report *replay = &report->replay;
    if (report->snapshot.final_lsn != 0)
        log_notice("storage", "%s: %llu records in %.3f s", report->snapshot.name,
                   (unsigned long long)report->snapshot.records, (double)report->snapshot_ns / 1e9);
    if (replay->segments + replay->covered == 0) {
        log_notice("storage", "a new store");
        return;
    }
    log_notice("storage",
               "recovered up to LSN %llu in %.3f s: %llu entries of %llu segments, %llu effects; "
               "stopped %s",
               (unsigned long long)replay->end.last_lsn, (double)report->took_ns / 1e9,
               (unsigned long long)replay->entries, (unsigned long long)replay->segments,
               (unsigned long long)report->effects, replay->clean ? "cleanly" : "by a crash");
    if (replay->cut_bytes > 0)
        log_warn("storage", "%llu bytes of writes that nobody was promised were cut off",
                 (unsigned long long)replay->cut_bytes);
}

static int storage_recover_all(struct storage_progress *progress)
{
    struct storage *storage = &progress->server->storage;
    uint64_t lsns[STORAGE_SNAPSHOTS] = {0};
    int err = replay_settle(storage->dir, &storage->report.replay);
    if (err != 0) {
        (void)snprintf(progress->problem, sizeof progress->problem, "%s",
                       storage->report.replay.problem);
        return err;
    }
    int n = snapshot_list(storage->dir, lsns, STORAGE_SNAPSHOTS);
    if (n < 0) {
        (void)snprintf(progress->problem, sizeof progress->problem, "%.200s cannot be listed: %s",
                       storage->dir->path, strerror(-n));
        return ERR_IO;
    }
    err = storage_load_newest(progress, lsns, n);
    return err != 0 ? err : storage_replay(progress, lsns[0]);
}

int storage_recover(struct server *server)
{
    struct storage_report *report = &server->storage.report;
    struct storage_progress progress = {.server = server, .told_ns = clock_mono_ns()};
    uint64_t start_ns = clock_mono_ns();
    int err = recover_begin(&progress.recovery, server->store, server->n_loops);
    if (err == 0)
        err = storage_recover_all(&progress);
    if (err == ERR_DATA_DAMAGED && server->accept_loss)
        err = storage_accept_loss(&progress);
    else if (err == 0 && server->accept_loss)
        log_notice("storage", "nothing is damaged: --accept-loss was not needed");
    recover_end(&progress.recovery);
    report->took_ns = clock_mono_ns() - start_ns;
    if (err != 0)
        return storage_refuse(server, err, progress.problem);
    if (report->loss.kept_in[0] == '\0')
        storage_tell(report);
    return 0;
}
