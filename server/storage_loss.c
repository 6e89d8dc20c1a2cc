/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A start with data that recovery refuses, for an administrator who accepts loss (--accept-loss).
 *
 *   1  survey           what can be proved: the newest good snapshot, and the log behind it up to
 *                       the first thing that is not good
 *   2  load             that, into an empty store
 *   3  save             as a snapshot whose LSN is above every one that was ever given away, so
 *                       that no version comes twice, whatever was lost; nor do sequence numbers
 *   4  set aside        all of the log, and snapshots that are damaged, are moved to
 *                       lost-<UTC time>/, where nothing touches them
 *   5  (storage.c)      a new segment, which follows nothing but that snapshot
 *
 * Nothing is changed or removed before 3 is on the disk, and nothing is ever deleted or written to.
 * Between any two steps recovery refuses as before, and the same option goes on: what is then
 * proved is at least the snapshot of 3.
 *
 * Refused all the same: files of a later version, which this one must not judge; and where nothing
 * at all can be proved, as an empty store needs no old directory.
 *
 * Threads: the main thread, before the loops. Failures: a sentence, and the files are as they were,
 * or some of them moved.
 */
#include "server/storage_impl.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "server/store/save.h"
#include "server/survey.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

PRINTF_LIKE(3, 4)
static int loss_refuse(struct storage_progress *progress, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(progress->problem, sizeof progress->problem, format, args);
    va_end(args);
    return err;
}

/* ---- whether ---- */

static int loss_check_format(struct storage_progress *progress, const struct survey *survey)
{
    const char *name = NULL;
    for (size_t i = 0; i < survey->n_snapshots; i++)
        if (survey->snapshots[i].verdict.state == SURVEY_FORMAT)
            name = survey->snapshots[i].info.name;
    for (size_t i = 0; i < survey->n_segments; i++)
        if (survey->segments[i].verdict.state == SURVEY_FORMAT)
            name = survey->segments[i].found.name;
    if (name == NULL)
        return 0;
    return loss_refuse(
        progress, ERR_DATA_FORMAT,
        "%.200s/%s is of a later version, which this one must not give up: start the "
        "version that wrote it. Nothing was changed",
        survey->dir->path, name);
}

static int loss_check(struct storage_progress *progress, const struct survey *survey)
{
    int err = loss_check_format(progress, survey);
    if (err != 0 || survey->reached_lsn > 0)
        return err;
    return loss_refuse(progress, ERR_DATA_DAMAGED,
                       "%.200s: nothing can be proved: no snapshot is good, and the log does not "
                       "begin with LSN 1. Nothing was changed; restore a copy, or begin with an "
                       "empty data.dir",
                       survey->dir->path);
}

/* ---- what can be proved ---- */

static int loss_load(struct storage_progress *progress, struct survey *survey)
{
    struct storage_report *report = &progress->server->storage.report;
    *report = (struct storage_report){.replay = {.segments = survey->to - survey->from,
                                                 .covered = survey->from,
                                                 .last_lsn = survey->reached_lsn}};
    progress->log_bytes = 0;
    int err = storage_begin_again(progress);
    if (err == 0 && survey->base != NULL)
        err = storage_load(progress, survey->base_lsn);
    uint64_t effects = progress->recovery.effects, entries = progress->recovery.entries;
    if (err == 0) {
        err = survey_tell(survey, survey->base_lsn, storage_on_entry, progress);
        if (err != 0)
            (void)loss_refuse(progress, err, "%s%s", survey->problem, progress->recovery.problem);
    }
    if (err == 0)
        err = recover_finish(&progress->recovery);
    if (err == ERR_DATA_DAMAGED && progress->problem[0] == 0)
        (void)loss_refuse(progress, err, "%s", progress->recovery.problem);
    report->effects = progress->recovery.effects - effects;
    report->replay.entries = progress->recovery.entries - entries;
    report->replay.bytes = report->log_bytes = progress->log_bytes;
    report->replay.first_lsn = report->replay.entries > 0 ? survey->base_lsn + 1 : 0;
    return err;
}

/* Of the snapshot: nothing had it, so that no file is replaced by it either. */
static uint64_t loss_lsn(const struct survey *survey)
{
    return survey->seen_lsn + 1;
}

/* More than one transaction gives away: so many records with a number do not fit into an entry. */
enum { LOSS_NUMBERS = 1 << 22 };

/* Sequence numbers of transactions that were lost were given away, too. A name of a file may say
 * anything, so no more than half of all are given up. */
static void loss_skip_numbers(struct store *store, const struct survey *survey)
{
    uint64_t lost = survey->seen_lsn - survey->reached_lsn, half = STORE_NUMBER_MAX / 2;
    uint64_t number = atomic_load(&store->number);
    if (number < half)
        store_raise_number(
            store, lost < (half - number) / LOSS_NUMBERS ? number + lost * LOSS_NUMBERS : half);
}

static int loss_save(struct storage_progress *progress, const struct survey *survey)
{
    struct server *server = progress->server;
    struct storage *storage = &server->storage;
    struct save_options options = {
        .dir = storage->dir,
        .id = storage->id,
        .compress = config_bool(server->config, OPTION_snapshot_compression),
    };
    struct save_report saved;
    atomic_store(&server->store->version, loss_lsn(survey));
    loss_skip_numbers(server->store, survey);
    int err = save_run(server->store, &options, &saved);
    if (err != 0)
        return loss_refuse(progress, err == ERR_OUT_OF_MEMORY ? err : ERR_IO,
                           "what can be proved could not be saved: %.300s. Nothing was changed",
                           saved.problem);
    storage->report.replay.end =
        (struct wal_end){.last_lsn = loss_lsn(survey), .segment_number = survey->last_segment};
    return 0;
}

/* ---- setting aside ---- */

/* lost-20261121T184500Z, or with a number behind it. */
static int loss_make_dir(struct dir *dir, char out_name[static FILE_NAME_MAX + 1],
                         struct dir **out_lost)
{
    char path[4096], stamp[32];
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm utc;
    if (gmtime_r(&now, &utc) == NULL ||
        strftime(stamp, sizeof stamp, "lost-%Y%m%dT%H%M%SZ", &utc) == 0)
        return -EINVAL;
    for (unsigned n = 1;; n++) {
        (void)snprintf(out_name, FILE_NAME_MAX + 1, n == 1 ? "%s" : "%s-%u", stamp, n);
        if (snprintf(path, sizeof path, "%s/%s", dir->path, out_name) >= (int)sizeof path)
            return -ENAMETOOLONG;
        int err = dir_open_existing(path, out_lost);
        if (err != 0)
            return err == -ENOENT ? dir_open(path, out_lost) : err;
        dir_close(*out_lost);
    }
}

static int loss_move(struct dir *dir, const char *name, struct dir *lost, uint64_t *files)
{
    int err = dir_move(dir, name, lost);
    if (err == 0)
        ++*files;
    return err;
}

static int loss_move_all(struct storage_loss *loss, const struct survey *survey, struct dir *lost)
{
    struct dir *dir = survey->dir;
    int err = 0;
    for (size_t i = 0; i < survey->n_snapshots && err == 0; i++) {
        const struct survey_snapshot *snapshot = &survey->snapshots[i];
        if (survey_is_bad(snapshot->verdict.state))
            err = loss_move(dir, snapshot->info.name, lost, &loss->files);
    }
    for (size_t i = 0; i < survey->n_segments && err == 0; i++)
        err = loss_move(dir, survey->segments[i].found.name, lost, &loss->files);
    if (err == 0)
        err = lost->ops->sync_names(lost);
    return err != 0 ? err : dir->ops->sync_names(dir);
}

static int loss_set_aside(struct storage_progress *progress, const struct survey *survey)
{
    struct storage_loss *loss = &progress->server->storage.report.loss;
    struct dir *lost = NULL;
    int err = loss_make_dir(survey->dir, loss->kept_in, &lost);
    if (err == 0)
        err = loss_move_all(loss, survey, lost);
    dir_close(lost);
    if (err == 0)
        return 0;
    return loss_refuse(progress, ERR_IO,
                       "%.200s: damaged files cannot be moved to %s: %s. Look at the disk and its "
                       "permissions, then start again with --accept-loss",
                       survey->dir->path, loss->kept_in, strerrordesc_np(-err));
}

/* ---- telling ---- */

/* What of this segment was not used: from an offset on. */
static void loss_count(struct storage_loss *loss, const struct survey *survey, size_t i)
{
    const struct survey_segment *segment = &survey->segments[i];
    const struct inspection *found = &segment->found;
    bool used = i >= survey->from && i < survey->to;
    uint64_t offset = used ? found->end : 0;
    uint64_t entries = used ? 0 : found->entries;
    uint64_t bytes = segment->data_end > offset ? segment->data_end - offset : 0;
    if (segment->seen_lsn <= survey->reached_lsn && !survey_is_bad(segment->verdict.state))
        return;
    loss->bytes += bytes;
    loss->entries += entries;
    log_warn("storage",
             "given up: %s from offset %llu on, %llu bytes, LSN %llu to at most %llu, with %llu "
             "entries that can be read%s%s",
             found->name, (unsigned long long)offset, (unsigned long long)bytes,
             (unsigned long long)(used ? found->last_lsn + 1 : found->name_lsn),
             (unsigned long long)segment->seen_lsn, (unsigned long long)entries,
             segment->verdict.what[0] != '\0' ? ": " : "", segment->verdict.what);
}

static void loss_tell(struct storage_progress *progress, const struct survey *survey)
{
    struct storage_loss *loss = &progress->server->storage.report.loss;
    for (size_t i = 0; i < survey->n_snapshots; i++)
        if (survey_is_bad(survey->snapshots[i].verdict.state))
            log_warn("storage", "given up: %s", survey->snapshots[i].verdict.what);
    for (size_t i = 0; i < survey->n_segments; i++)
        loss_count(loss, survey, i);
    loss->next_lsn = loss_lsn(survey) + 1;
    if (survey->seen_lsn > survey->reached_lsn) {
        loss->first_lsn = survey->reached_lsn + 1;
        loss->last_lsn = survey->seen_lsn;
    }
    if (loss->first_lsn == 0)
        log_warn("storage",
                 "damage was accepted: nothing is lost, the store is as it was at LSN %llu",
                 (unsigned long long)survey->reached_lsn);
    else
        log_warn(
            "storage",
            "damage was accepted: the store is as it was at LSN %llu; lost are those from %llu "
            "to at most %llu",
            (unsigned long long)survey->reached_lsn, (unsigned long long)loss->first_lsn,
            (unsigned long long)loss->last_lsn);
    log_warn("storage", "%llu files were moved to %s/%s: keep them until nobody asks any more",
             (unsigned long long)loss->files, survey->dir->path, loss->kept_in);
}

/* ---- the whole ---- */

static int loss_run(struct storage_progress *progress, struct survey *survey)
{
    int err = survey_run(survey);
    if (err != 0)
        return loss_refuse(progress, err, "%s", survey->problem);
    err = loss_check(progress, survey);
    if (err == 0)
        err = loss_load(progress, survey);
    if (err == 0)
        err = loss_save(progress, survey);
    if (err == 0)
        err = loss_set_aside(progress, survey);
    if (err == 0)
        loss_tell(progress, survey);
    return err;
}

int storage_accept_loss(struct storage_progress *progress)
{
    struct storage *storage = &progress->server->storage;
    struct survey survey = {.dir = storage->dir,
                            .id = storage->id,
                            .progress = storage_on_progress,
                            .context = progress};
    log_warn("storage", "refused: %s", progress->problem);
    log_warn("storage", "--accept-loss: looking for what can be proved");
    int err = loss_run(progress, &survey);
    survey_deinit(&survey);
    return err;
}
