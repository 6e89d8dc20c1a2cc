/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Commit: from staging to the file, and from the file to the disk.
 *
 *   staging   | entry | entry | entry | entry |
 *               `-- a run: what fits the segment --'   sealed: synced offset, CRC chain
 *   segment   | header | ... written_offset -> run |   one write for a run
 *                   synced_offset -'                   one sync for all that is written
 *
 * A sync takes what is written when it begins and lets others write meanwhile; the next sync is for
 * them. This is group commit: who comes while a sync runs shares the next one.
 *
 * Invariants
 *   1. written_lsn moves only after the write of its entry returned, durable_lsn only after a sync
 *      that began later did.
 *   2. Entries are in the file in the order of their LSNs, and one never spans two segments.
 *   3. After a failed write or sync nothing is written or synced any more.
 *
 * Threads: any, one at a time by `writing` and `syncing`.
 * Failures: a write or sync that fails is final. No room for a next segment is not: what is left
 *           stays in staging, and the next call goes on with it.
 */
#include "server/wal/wal_impl.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mutant.h"

/* Entries that go into the segment with one write. */
struct commit_run {
    size_t bytes;
    uint64_t entries, last_lsn;
    uint64_t synced;   /* what they say is synced */
    uint64_t data_end; /* offset behind the last that is not a watermark; 0: none */
};

/* As many entries as fit. */
static void commit_seal(struct wal *wal, const struct staging_half *half, struct commit_run *run)
{
    uint64_t room = wal->current.bytes - wal->written_offset;
    size_t left = half->used - half->done;
    while (run->bytes < left) {
        uint8_t *at = half->base + half->done + run->bytes;
        size_t size = entry_size(at);
        if (run->bytes + size > room)
            break;
        wal->crc = entry_seal(at, run->synced, wal->crc);
        run->bytes += size;
        run->entries++;
        run->last_lsn = entry_lsn_at(at);
        if (entry_type_at(at) != ENTRY_WATERMARK)
            run->data_end = wal->written_offset + run->bytes;
    }
}

static void commit_written(struct wal *wal, struct staging_half *half, const struct commit_run *run,
                           uint64_t took_ns)
{
    bool all = half->done + run->bytes == half->used;
    if (all)
        staging_give_back(half);
    pthread_mutex_lock(&wal->lock);
    if (wal->unsynced_ticks == 0)
        wal->unsynced_ticks = half->since_ticks;
    half->done += run->bytes;
    if (all)
        staging_empty(half);
    atomic_store_explicit(&wal->blocked, false, memory_order_relaxed);
    wal->written_offset += run->bytes;
    wal->proved_offset = run->synced;
    if (run->data_end != 0)
        wal->data_end = run->data_end;
    wal->entries += run->entries;
    wal->bytes += run->bytes;
    wal->writes++;
    hist_add(&wal->write_ns, took_ns);
    atomic_store_explicit(&wal->written_lsn, run->last_lsn, memory_order_release);
    wal_note_room(wal);
    if (wal_unsynced_entries(wal) >= wal->options.sync_entries)
        pthread_cond_signal(&wal->work);
    pthread_cond_broadcast(&wal->moved);
    pthread_mutex_unlock(&wal->lock);
}

/* One run; or a new segment if not even one entry fits. */
static int commit_one(struct wal *wal, struct staging_half *half)
{
    struct dir *dir = wal->options.dir;
    struct commit_run run = {.synced =
                                 atomic_load_explicit(&wal->synced_offset, memory_order_relaxed)};
    uint8_t *from = half->base + half->done;
    char name[FILE_NAME_MAX + 1];
    commit_seal(wal, half, &run);
    if (run.bytes == 0)
        return rotate_to_next(wal, entry_size(from));
    struct iovec part = {from, run.bytes};
    uint64_t start = clock_ticks();
    int err = dir->ops->write(dir, wal->current.file, wal->written_offset, &part, 1);
    if (err != 0) {
        wal_current_name(wal, name);
        return wal_fail(wal, name, "write", err);
    }
    commit_written(wal, half, &run, wal_age_ns(start));
    return 0;
}

static int commit_drain(struct wal *wal)
{
    struct staging_half *half = staging_draining(&wal->staging);
    int err = 0;
    while (err == 0 && half->done < half->used)
        err = wal_has_failed(wal) ? ERR_IO : commit_one(wal, half);
    return err;
}

/* What was left when there was no room, then what has come since. */
static int commit_write_held(struct wal *wal)
{
    int err = commit_drain(wal);
    if (err != 0)
        return err;
    pthread_mutex_lock(&wal->lock);
    staging_swap(&wal->staging);
    pthread_mutex_unlock(&wal->lock);
    return commit_drain(wal);
}

int commit_write(struct wal *wal, uint64_t lsn)
{
    int err = 0;
    pthread_mutex_lock(&wal->writing);
    if (wal_has_failed(wal))
        err = ERR_IO;
    else if (wal_written_lsn(wal) < lsn)
        err = commit_write_held(wal);
    if (err == ERR_DISK_FULL) {
        pthread_mutex_lock(&wal->lock);
        atomic_store_explicit(&wal->blocked, true, memory_order_relaxed);
        wal->blocked_ticks = clock_ticks();
        wal_note_room(wal);
        pthread_cond_broadcast(&wal->moved);
        pthread_mutex_unlock(&wal->lock);
    }
    pthread_mutex_unlock(&wal->writing);
    return err;
}

static void commit_synced(struct wal *wal, uint64_t lsn, uint64_t offset, uint64_t took_ns)
{
    bool slow = took_ns > (uint64_t)WAL_SLOW_SYNC_MS * 1000000;
    pthread_mutex_lock(&wal->lock);
    wal->syncing_ticks = 0;
    wal->synced_ticks = clock_ticks();
    wal->syncs++;
    wal->slow_syncs += slow;
    hist_add(&wal->sync_ns, took_ns);
    if (wal->options.gather)
        gather_synced(&wal->gather, lsn - wal_durable_lsn(wal), took_ns);
    atomic_store_explicit(&wal->synced_offset, offset, memory_order_relaxed);
    atomic_store_explicit(&wal->durable_lsn, lsn, memory_order_release);
    wal->tell_durable = true;
    wal_note_room(wal);
    pthread_cond_broadcast(&wal->moved);
    pthread_mutex_unlock(&wal->lock);
    if (slow)
        log_warn("wal", "a sync of the log took %llu ms: the disk is slow or busy",
                 (unsigned long long)(took_ns / 1000000));
}

int commit_sync_held(struct wal *wal)
{
    struct dir *dir = wal->options.dir;
    char name[FILE_NAME_MAX + 1];
    pthread_mutex_lock(&wal->lock);
    uint64_t lsn = wal_written_lsn(wal), offset = wal->written_offset;
    bool needed = offset != atomic_load_explicit(&wal->synced_offset, memory_order_relaxed);
    if (needed) {
        wal->syncing_ticks = wal->unsynced_ticks;
        wal->unsynced_ticks = 0;
    }
    pthread_mutex_unlock(&wal->lock);
    if (wal_has_failed(wal))
        return ERR_IO;
    if (!needed)
        return 0;
    uint64_t start = clock_ticks();
    if (MUTANT(acknowledge_unsynced)) {
        commit_synced(wal, lsn, offset, 0);
        writer_tell(wal);
    }
    int err = dir->ops->sync(dir, wal->current.file);
    if (err != 0 && !MUTANT(sync_error_ignored)) {
        wal_current_name(wal, name);
        return wal_fail(wal, name, "sync", err);
    }
    commit_synced(wal, lsn, offset, wal_age_ns(start));
    return 0;
}

int commit_sync(struct wal *wal)
{
    pthread_mutex_lock(&wal->syncing);
    int err = commit_sync_held(wal);
    pthread_mutex_unlock(&wal->syncing);
    return err;
}
