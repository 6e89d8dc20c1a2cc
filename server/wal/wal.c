/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The log: appending, waiting, and what it looks like from outside; wal_impl.h says who does the
 * rest.
 *
 *   wal_begin .. wal_end --> staging --commit_write--> segment --commit_sync--> disk
 *                 appended_lsn          written_lsn             durable_lsn
 *
 * Invariants
 *   1. appended_lsn >= written_lsn >= durable_lsn, each only grows.
 *   2. Once the log has failed nobody waits in vain for the latter two.
 *   3. WAL_FULL holds while there is no space for a spare and less than the reserve is left of the
 *      segment, counting what is staged; and while something staged finds no room at all.
 *
 * Threads: any; struct wal says which lock is for what.
 * Failures: wal_fail; after it entries are still taken, so that a transaction that has begun can
 *           end, and dropped.
 */
#include "server/wal/wal_impl.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/mutant.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

enum { WAL_NOTES_BYTES = 64 * 1024 }; /* of staging, for entries of our own */

/* ---- state ---- */

uint64_t wal_age_ns(uint64_t since_ticks)
{
    uint64_t now = clock_ticks();
    return now > since_ticks ? clock_ticks_to_ns(now - since_ticks) : 0;
}

void wal_current_name(const struct wal *wal, char out_name[static FILE_NAME_MAX + 1])
{
    segment_name(wal->header.first_lsn, out_name);
}

int wal_fail(struct wal *wal, const char *name, const char *what, int err)
{
    pthread_mutex_lock(&wal->lock);
    if (!wal_has_failed(wal)) {
        (void)snprintf(wal->problem, sizeof wal->problem, "%s/%s: %s failed: %s",
                       wal->options.dir->path, name, what, strerrordesc_np(-err));
        atomic_store_explicit(&wal->state, WAL_FAILED, memory_order_relaxed);
    }
    pthread_cond_broadcast(&wal->moved);
    pthread_cond_signal(&wal->work);
    pthread_cond_signal(&wal->spare_work);
    pthread_mutex_unlock(&wal->lock);
    return ERR_IO;
}

static uint64_t wal_first_of(const uint64_t *ticks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ticks[i] != 0)
            return ticks[i];
    return 0;
}

static void wal_set_state(struct wal *wal, uint64_t rest, uint64_t staged)
{
    bool blocked = !wal_has_room(wal);
    bool full = blocked || (wal->spare_err != 0 && rest < wal->reserve_bytes) ||
                (MUTANT(full_stays_full) && wal_state(wal) == WAL_FULL);
    bool exhausted = blocked || (full && rest < wal->reserve_bytes / 4);
    bool behind = !blocked && staged > wal->options.staging_bytes;
    if (!wal_has_failed(wal))
        atomic_store_explicit(&wal->state, full ? WAL_FULL : WAL_OPEN, memory_order_relaxed);
    uint64_t room = full ? 0 : wal->spare_err != 0 ? rest - wal->reserve_bytes + 1 : UINT64_MAX;
    atomic_store_explicit(&wal->exhausted, exhausted, memory_order_relaxed);
    atomic_store_explicit(&wal->room, room, memory_order_relaxed);
    wal->tell_durable |= wal->behind && !behind;
    wal->behind = behind;
    if (wal->tell_durable || blocked || wal->told != wal_state(wal))
        pthread_cond_signal(&wal->work);
}

void wal_note_room(struct wal *wal)
{
    const struct staging_half *filling = staging_filling(&wal->staging);
    const struct staging_half *draining = staging_draining(&wal->staging);
    const uint64_t since[] = {wal->syncing_ticks, wal->unsynced_ticks, draining->since_ticks,
                              filling->since_ticks};
    uint64_t staged = filling->used + draining->used - draining->done;
    uint64_t taken = wal->written_offset + staged;
    atomic_store_explicit(&wal->staged_bytes, staged, memory_order_relaxed);
    atomic_store_explicit(&wal->oldest_ticks, wal_first_of(since, LENGTH_OF(since)),
                          memory_order_relaxed);
    wal_set_state(wal, taken < wal->current.bytes ? wal->current.bytes - taken : 0, staged);
}

/* ---- appending ---- */

uint8_t *wal_begin(struct wal *wal, uint8_t type, size_t size, uint64_t *out_lsn)
{
    REQUIRE(size <= ENTRY_BODY_MAX);
    pthread_mutex_lock(&wal->lock);
    if (wal_has_failed(wal))
        staging_empty(staging_filling(&wal->staging));
    uint64_t lsn =
        atomic_load_explicit(&wal->appended_lsn, memory_order_relaxed) + entry_type_counts(type);
    uint8_t *at = staging_add(&wal->staging, size + ENTRY_OVERHEAD);
    entry_write_head(at, type, lsn, size);
    atomic_store_explicit(&wal->appended_lsn, lsn, memory_order_relaxed);
    *out_lsn = lsn;
    return at + ENTRY_HEAD_BYTES;
}

void wal_end(struct wal *wal)
{
    bool first = atomic_load_explicit(&wal->oldest_ticks, memory_order_relaxed) == 0;
    wal_note_room(wal);
    if (first)
        pthread_cond_signal(&wal->work); /* it slept without a limit */
    pthread_mutex_unlock(&wal->lock);
}

void wal_note(struct wal *wal, uint8_t type, struct bytes body)
{
    uint64_t lsn;
    uint8_t *to = wal_begin(wal, type, body.size, &lsn);
    if (body.size > 0)
        memcpy(to, body.data, body.size);
    wal_end(wal);
}

/* ---- waiting ---- */

bool wal_write(struct wal *wal, uint64_t lsn)
{
    return wal_written_lsn(wal) >= lsn || commit_write(wal, lsn) == 0;
}

void wal_want_sync(struct wal *wal, uint64_t lsn)
{
    if (wal_durable_lsn(wal) >= lsn)
        return;
    pthread_mutex_lock(&wal->lock);
    bool waits = wal->want_lsn > wal_durable_lsn(wal); /* perhaps only for more to come */
    bool more = wal->want_lsn < lsn;
    wal->want_lsn = more ? lsn : wal->want_lsn;
    if (more && (!waits || gather_enough(&wal->gather, wal_unsynced_entries(wal))))
        pthread_cond_signal(&wal->work);
    pthread_mutex_unlock(&wal->lock);
}

bool wal_wait_durable(struct wal *wal, uint64_t lsn)
{
    REQUIRE(lsn <= atomic_load_explicit(&wal->appended_lsn, memory_order_relaxed));
    wal_want_sync(wal, lsn);
    if (wal->options.no_thread)
        wal_step(wal);
    pthread_mutex_lock(&wal->lock);
    while (wal_durable_lsn(wal) < lsn && !wal_has_failed(wal) && !wal->options.no_thread &&
           wal_has_room(wal))
        pthread_cond_wait(&wal->moved, &wal->lock);
    pthread_mutex_unlock(&wal->lock);
    return wal_durable_lsn(wal) >= lsn;
}

/* ---- figures ---- */

uint64_t wal_written_lsn(const struct wal *wal)
{
    return atomic_load_explicit(&wal->written_lsn, memory_order_acquire);
}

uint64_t wal_durable_lsn(const struct wal *wal)
{
    return atomic_load_explicit(&wal->durable_lsn, memory_order_acquire);
}

enum wal_state wal_state(const struct wal *wal)
{
    return (enum wal_state)atomic_load_explicit(&wal->state, memory_order_relaxed);
}

bool wal_has_room(const struct wal *wal)
{
    return !atomic_load_explicit(&wal->blocked, memory_order_relaxed);
}

bool wal_refuses(const struct wal *wal, bool grows, size_t size)
{
    return grows ? size >= atomic_load_explicit(&wal->room, memory_order_relaxed)
                 : atomic_load_explicit(&wal->exhausted, memory_order_relaxed);
}

bool wal_is_behind(const struct wal *wal)
{
    if (!wal_has_room(wal))
        return false;
    if (atomic_load_explicit(&wal->staged_bytes, memory_order_relaxed) > wal->options.staging_bytes)
        return true;
    uint64_t oldest = atomic_load_explicit(&wal->oldest_ticks, memory_order_relaxed);
    return !wal->options.strict && !wal->options.no_thread && oldest != 0 &&
           wal_age_ns(oldest) > 2 * wal->interval_ns;
}

/* To look at figures is no change, but needs the lock. */
static struct wal *wal_locked(const struct wal *wal)
{
    struct wal *own = (struct wal *)(uintptr_t)wal;
    pthread_mutex_lock(&own->lock);
    return own;
}

void wal_figures(const struct wal *wal, struct wal_figures *out_figures)
{
    struct wal *own = wal_locked(wal);
    *out_figures = (struct wal_figures){
        .appended_lsn = atomic_load_explicit(&own->appended_lsn, memory_order_relaxed),
        .written_lsn = wal_written_lsn(own),
        .durable_lsn = wal_durable_lsn(own),
        .entries = own->entries,
        .bytes = own->bytes,
        .writes = own->writes,
        .syncs = own->syncs,
        .segments = own->segments,
        .staged_bytes = atomic_load_explicit(&own->staged_bytes, memory_order_relaxed),
        .live_bytes = own->live_bytes,
        .slow_syncs = own->slow_syncs,
    };
    pthread_mutex_unlock(&own->lock);
}

void wal_histograms(const struct wal *wal, struct hist *out_write, struct hist *out_sync)
{
    struct wal *own = wal_locked(wal);
    hist_merge(out_write, &own->write_ns);
    hist_merge(out_sync, &own->sync_ns);
    pthread_mutex_unlock(&own->lock);
}

/* ---- open and close ---- */

static void wal_close_file(struct wal *wal, int file)
{
    if (file >= 0)
        wal->options.dir->ops->close(wal->options.dir, file);
}

static void wal_destroy(struct wal *wal)
{
    wal_close_file(wal, wal->current.file);
    wal_close_file(wal, wal->spare.file);
    wal_close_file(wal, wal->next.file);
    wal_close_file(wal, wal->past);
    staging_deinit(&wal->staging);
    pthread_cond_destroy(&wal->moved);
    pthread_cond_destroy(&wal->spare_work);
    pthread_cond_destroy(&wal->work);
    pthread_mutex_destroy(&wal->lock);
    pthread_mutex_destroy(&wal->syncing);
    pthread_mutex_destroy(&wal->writing);
    mem_free(wal);
}

static void wal_init_locks(struct wal *wal)
{
    pthread_condattr_t monotonic;
    REQUIRE(pthread_condattr_init(&monotonic) == 0);
    REQUIRE(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    REQUIRE(pthread_mutex_init(&wal->writing, NULL) == 0);
    REQUIRE(pthread_mutex_init(&wal->syncing, NULL) == 0);
    REQUIRE(pthread_mutex_init(&wal->lock, NULL) == 0);
    REQUIRE(pthread_cond_init(&wal->work, &monotonic) == 0);
    REQUIRE(pthread_cond_init(&wal->spare_work, &monotonic) == 0);
    REQUIRE(pthread_cond_init(&wal->moved, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
}

static uint64_t wal_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static struct wal *wal_create(const struct wal_options *options, const struct wal_end *end)
{
    struct wal *wal = mem_calloc(1, sizeof *wal);
    if (wal == NULL)
        return NULL;
    wal->options = *options;
    wal->options.segment_bytes = wal_max(options->segment_bytes, SEGMENT_BYTES_MIN);
    wal->reserve_bytes = wal_max(wal->options.segment_bytes / 8, WAL_RESERVE_MIN);
    uint64_t interval_ms = options->strict ? WAL_STRICT_MS : options->sync_interval_ms;
    wal->interval_ns = wal_max(interval_ms, 1) * 1000000;
    wal->current.file = wal->next.file = wal->spare.file = wal->past = -1;
    wal->written_offset = end->end_offset;
    wal->crc = end->end_crc;
    uint64_t lsn = end->last_lsn - (MUTANT(recovery_reuses_version) && end->last_lsn > 0);
    atomic_init(&wal->appended_lsn, lsn);
    atomic_init(&wal->written_lsn, lsn);
    atomic_init(&wal->durable_lsn, lsn);
    hist_init(&wal->write_ns);
    hist_init(&wal->sync_ns);
    wal_init_locks(wal);
    size_t worst = (size_t)ENTRY_BODY_MAX + ENTRY_OVERHEAD;
    if (staging_init(&wal->staging,
                     options->staging_bytes + options->n_threads * worst + WAL_NOTES_BYTES))
        return wal;
    wal_destroy(wal);
    return NULL;
}

/* wal_fail for what happens while opening: remembers the text. */
static int wal_open_fails(struct wal *wal, const char *name, const char *what, int err)
{
    (void)wal_fail(wal, name, what, err);
    if (err == -ENOMEM)
        return ERR_OUT_OF_MEMORY;
    return err == -ENOSPC || err == -EDQUOT ? ERR_DISK_FULL : ERR_IO;
}

static int wal_remove_leftovers(struct wal *wal)
{
    static const char *const names[] = {SEGMENT_SPARE, SEGMENT_NEXT};
    struct dir *dir = wal->options.dir;
    for (size_t i = 0; i < LENGTH_OF(names); i++) {
        int err = dir->ops->remove(dir, names[i]);
        if (err != 0 && err != -ENOENT)
            return wal_open_fails(wal, names[i], "removing what an earlier run left", err);
    }
    return 0;
}

/* The next header will say where this one ends, so that must be on the disk, not only in the
 * memory of the system. A segment of the name that we are about to take tells us its number. */
static int wal_settle_last(struct wal *wal, const struct wal_end *end, uint64_t first_lsn)
{
    struct dir *dir = wal->options.dir;
    struct segment_header header;
    char name[FILE_NAME_MAX + 1];
    segment_name(first_lsn, name);
    int file = dir->ops->open(dir, name, FILE_WRITE);
    if (file < 0)
        return wal_open_fails(wal, name, "opening", file);
    int err = dir->ops->sync(dir, file);
    bool read = err == 0 && first_lsn == end->last_lsn + 1 &&
                dir->ops->read(dir, file, 0, wal->block, sizeof wal->block) == SEGMENT_HEADER_BYTES;
    dir->ops->close(dir, file);
    if (err != 0)
        return wal_open_fails(wal, name, "sync", err);
    if (read && segment_decode_header(wal->block, &header) == 0 &&
        header.number == end->segment_number)
        wal->header = header; /* the next one replaces it */
    return 0;
}

/* Count the segments there; *out_last is the first LSN of the last. */
static int wal_count_segments(struct wal *wal, uint64_t *out_last)
{
    uint64_t *lsns;
    size_t n;
    char name[FILE_NAME_MAX + 1] = ".";
    int err = trim_list(wal->options.dir, &lsns, &n);
    if (err != 0)
        return wal_open_fails(wal, name, "listing", err);
    for (size_t i = 0; i < n && err == 0; i++) {
        segment_name(lsns[i], name);
        int64_t bytes = trim_file_bytes(wal->options.dir, name);
        err = bytes < 0 ? (int)bytes : 0;
        wal->segments++;
        wal->current.bytes = (uint64_t)bytes;
        wal->live_bytes += (uint64_t)bytes;
        *out_last = lsns[i];
    }
    mem_free(lsns);
    return err == 0 ? 0 : wal_open_fails(wal, name, "looking at it", err);
}

static int wal_open_first(struct wal *wal, const struct wal_end *end)
{
    uint64_t last = 0;
    int err = wal_remove_leftovers(wal);
    if (err == 0)
        err = wal_count_segments(wal, &last);
    wal->header.number = end->segment_number;
    if (err == 0 && last != 0)
        err = wal_settle_last(wal, end, last);
    if (err != 0)
        return err;
    if (last == end->last_lsn + 1 && wal->header.first_lsn != last) {
        wal->segments--; /* replaced as well: replay made nothing of it */
        wal->live_bytes -= wal->current.bytes;
    }
    err = rotate_to_next(wal, 0);
    return err == ERR_DISK_FULL ? wal_open_fails(wal, SEGMENT_NEXT, "making it", -ENOSPC) : err;
}

int wal_open(const struct wal_options *options, const struct wal_end *end, struct wal **out_wal,
             char out_text[static 256])
{
    struct wal *wal = wal_create(options, end);
    if (wal == NULL) {
        (void)snprintf(out_text, WAL_PROBLEM_BYTES,
                       "no memory for the log; most of it is address space, %u times %d MiB",
                       2 * options->n_threads, ENTRY_BODY_MAX >> 20);
        return ERR_OUT_OF_MEMORY;
    }
    int err = wal_open_first(wal, end);
    if (err == 0)
        err = writer_start(wal);
    if (err != 0) {
        (void)snprintf(out_text, WAL_PROBLEM_BYTES, "%s", wal->problem);
        wal_destroy(wal);
        return err;
    }
    *out_wal = wal;
    return 0;
}

/* The mark of a clean end is written if there is room: without it nothing is lost either. */
static int wal_finish(struct wal *wal)
{
    int err = commit_write(wal, UINT64_MAX);
    if (err != ERR_IO && commit_sync(wal) != 0)
        err = ERR_IO;
    if (err != 0)
        return err;
    wal_note(wal, ENTRY_SHUTDOWN, (struct bytes){NULL, 0});
    err = commit_write(wal, UINT64_MAX);
    if (err == 0)
        err = commit_sync(wal);
    return err == ERR_DISK_FULL ? 0 : err;
}

int wal_close(struct wal *wal)
{
    writer_stop(wal);
    int err = wal_finish(wal);
    writer_tell(wal);
    wal_destroy(wal);
    return err;
}
