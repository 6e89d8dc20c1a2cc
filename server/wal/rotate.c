/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rotation: the log goes on in the next segment.
 *
 *   1  wal-spare, full of zeros, synced     in the background, long before (or wal-next, in haste)
 *   2  the segment before is synced         its end is known and durable
 *   3  header into the file, synced         says where that end is
 *   4  rename to wal-<first LSN>.log
 *   5  the directory is synced              only now are entries written to it
 *
 * A crash between any two of them leaves either the old end of the log or an empty segment behind
 * it, and perhaps a wal-spare or wal-next, which wal_open removes.
 *
 * A segment that holds no entry with an LSN is replaced: the next one has its name, and takes over
 * its number and what it says of the one before. Nothing is lost with it: it held only notes.
 *
 * Threads: rotate_to_next under `writing`; rotate_make_spare from one thread.
 * Failures: no space (or no memory, no descriptor) passes: it is tried again. All else is final.
 */
#include "server/wal/wal_impl.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mutant.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

bool rotate_may_retry(int err)
{
    return err == -ENOSPC || err == -EDQUOT || err == -ENOMEM || err == -EMFILE || err == -ENFILE;
}

/* Zeros, synced, open. A handle or a negative errno. Written ahead for those who wait for syncs: an
 * interval can do with the longer ones of blocks that are new. */
static int rotate_make_file(struct wal *wal, const char *name, uint64_t bytes)
{
    struct dir *dir = wal->options.dir;
    int err = segment_zero(dir, name, bytes, wal->options.strict);
    if (err != 0)
        return err;
    int file = dir->ops->open(dir, name, FILE_WRITE);
    if (file < 0)
        (void)!dir->ops->remove(dir, name);
    return file;
}

/* ---- the spare ---- */

static void rotate_spare_missing(struct wal *wal, int err)
{
    pthread_mutex_lock(&wal->lock);
    bool first = wal->spare_err == 0;
    wal->spare_err = err;
    wal_note_room(wal);
    pthread_mutex_unlock(&wal->lock);
    if (first)
        log_warn("wal", "no next segment of %llu bytes can be made in %s: %s; %s",
                 (unsigned long long)wal->options.segment_bytes, wal->options.dir->path,
                 strerrordesc_np(-err),
                 err == -ENOSPC || err == -EDQUOT ? "free space there" : "it will be tried again");
}

static void rotate_spare_ready(struct wal *wal, int file)
{
    pthread_mutex_lock(&wal->lock);
    bool again = wal->spare_err != 0;
    wal->spare = (struct wal_file){file, wal->options.segment_bytes};
    wal->spare_err = 0;
    wal->blocked_ticks = 0; /* try again now */
    wal_note_room(wal);
    pthread_cond_signal(&wal->work);
    pthread_cond_broadcast(&wal->moved);
    pthread_mutex_unlock(&wal->lock);
    if (again)
        log_notice("wal", "there is a next segment again");
}

/* Nobody reads the segment before soon: its memory serves better for the spare. */
void rotate_forget_past(struct wal *wal)
{
    struct dir *dir = wal->options.dir;
    pthread_mutex_lock(&wal->lock);
    int past = wal->past;
    wal->past = -1;
    pthread_mutex_unlock(&wal->lock);
    if (past < 0)
        return;
    dir->ops->forget(dir, past);
    dir->ops->close(dir, past);
}

void rotate_make_spare(struct wal *wal)
{
    struct dir *dir = wal->options.dir;
    if (wal->spare_err != 0) /* what the last attempt left, if it could not clean up */
        (void)!dir->ops->remove(dir, SEGMENT_SPARE);
    int file = rotate_make_file(wal, SEGMENT_SPARE, wal->options.segment_bytes);
    if (file >= 0)
        rotate_spare_ready(wal, file);
    else if (rotate_may_retry(file))
        rotate_spare_missing(wal, file);
    else
        (void)wal_fail(wal, SEGMENT_SPARE, "making it", file);
}

/* ---- the next segment ---- */

static bool rotate_take_spare(struct wal *wal, uint64_t bytes)
{
    pthread_mutex_lock(&wal->lock);
    bool fits = wal->spare.file >= 0 && wal->spare.bytes >= bytes;
    if (fits) {
        wal->next = wal->spare;
        wal->next_name = SEGMENT_SPARE;
        wal->spare.file = -1;
        wal->spare_taken = true;
    }
    pthread_mutex_unlock(&wal->lock);
    return fits;
}

/* Forget a file that waits to become a segment but is too small for what has come. */
static void rotate_drop_next(struct wal *wal)
{
    struct dir *dir = wal->options.dir;
    dir->ops->close(dir, wal->next.file);
    wal->next.file = -1;
    (void)!dir->ops->remove(dir, wal->next_name);
    pthread_mutex_lock(&wal->lock);
    wal->spare_taken = false;
    pthread_cond_signal(&wal->spare_work);
    pthread_mutex_unlock(&wal->lock);
}

static int rotate_make_next(struct wal *wal, uint64_t bytes)
{
    struct dir *dir = wal->options.dir;
    uint64_t least = wal->options.segment_bytes;
    if (least > WAL_FIRST_BYTES)
        least = WAL_FIRST_BYTES;
    bytes = bytes > least ? bytes : least;
    int file = rotate_make_file(wal, SEGMENT_NEXT, bytes);
    if (file == -EEXIST && dir->ops->remove(dir, SEGMENT_NEXT) == 0)
        file = rotate_make_file(wal, SEGMENT_NEXT, bytes);
    if (file < 0)
        return file;
    wal->next = (struct wal_file){file, bytes};
    wal->next_name = SEGMENT_NEXT;
    return 0;
}

static int rotate_find_next(struct wal *wal, uint64_t bytes)
{
    if (wal->next.file >= 0 && wal->next.bytes < bytes)
        rotate_drop_next(wal);
    if (wal->next.file >= 0 || rotate_take_spare(wal, bytes))
        return 0;
    int err = rotate_make_next(wal, bytes);
    if (err == 0)
        return 0;
    return rotate_may_retry(err) ? ERR_DISK_FULL : wal_fail(wal, SEGMENT_NEXT, "making it", err);
}

static void rotate_fill_header(const struct wal *wal, struct segment_header *out_header)
{
    uint64_t last_lsn = wal_written_lsn(wal);
    struct segment_header header = {
        .store = wal->options.store,
        .number = wal->header.number + 1,
        .first_lsn = last_lsn + 1,
        .last_lsn = last_lsn,
        .end_offset = wal->written_offset,
        .end_crc = wal->crc,
    };
    if (wal->header.first_lsn == header.first_lsn)
        header = wal->header; /* replaces it */
    header.bytes = wal->next.bytes;
    REQUIRE(getrandom(&header.salt, sizeof header.salt, 0) == (ssize_t)sizeof header.salt);
    *out_header = header;
}

/* The new segment is the current one. Under `writing` and `syncing`. */
static void rotate_done(struct wal *wal, const struct segment_header *header)
{
    bool replaced = wal->header.first_lsn == header->first_lsn;
    pthread_mutex_lock(&wal->lock);
    int past = wal->past; /* whoever makes spares is behind: forget it without a word */
    wal->past = wal->current.file;
    wal->segments += !replaced;
    wal->live_bytes += wal->next.bytes - (replaced ? wal->current.bytes : 0);
    wal->current = wal->next;
    wal->next.file = -1;
    wal->header = *header;
    wal->crc = header->salt;
    wal->written_offset = wal->data_end = wal->proved_offset = SEGMENT_HEADER_BYTES;
    atomic_store_explicit(&wal->synced_offset, SEGMENT_HEADER_BYTES, memory_order_relaxed);
    wal->spare_taken = false;
    wal_note_room(wal);
    pthread_cond_signal(&wal->spare_work);
    pthread_mutex_unlock(&wal->lock);
    if (past >= 0)
        wal->options.dir->ops->close(wal->options.dir, past);
}

static int rotate_use_next(struct wal *wal)
{
    struct dir *dir = wal->options.dir;
    struct iovec part = {wal->block, sizeof wal->block};
    struct segment_header header;
    char name[FILE_NAME_MAX + 1];
    rotate_fill_header(wal, &header);
    segment_name(header.first_lsn, name);
    segment_encode_header(&header, wal->block);
    int err = dir->ops->write(dir, wal->next.file, 0, &part, 1);
    if (err == 0)
        err = dir->ops->sync(dir, wal->next.file);
    if (err != 0)
        return wal_fail(wal, name, "writing its header", err);
    err = dir->ops->rename(dir, wal->next_name, name);
    if (rotate_may_retry(err))
        return ERR_DISK_FULL; /* `next` stays for another time */
    if (err == 0 && !MUTANT(segment_name_unsynced))
        err = dir->ops->sync_names(dir);
    if (err != 0)
        return wal_fail(wal, name, "giving it its name", err);
    rotate_done(wal, &header);
    return 0;
}

int rotate_to_next(struct wal *wal, size_t entry_size)
{
    int err = rotate_find_next(wal, SEGMENT_HEADER_BYTES + (uint64_t)entry_size);
    if (err != 0)
        return err;
    pthread_mutex_lock(&wal->syncing);
    err = wal->current.file < 0 ? 0 : commit_sync_held(wal);
    if (err == 0)
        err = rotate_use_next(wal);
    pthread_mutex_unlock(&wal->syncing);
    return err;
}
