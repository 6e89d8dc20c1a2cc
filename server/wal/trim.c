/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Trim: remove segments whose entries are all in snapshots.
 *
 *   wal-1.log | wal-700.log | wal-1500.log (current)      keep_lsn 1499: two go; 1498: one
 *
 * A segment ends where the next one begins, so their names say enough.
 *
 * Invariant: what is left has no gap, wherever the machine stops: the oldest goes first, and its
 * name is gone from the disk before the next one goes.
 *
 * Threads: any, one at a time.
 * Failures: a segment that cannot be removed stays, and the newer ones with it.
 */
#include "server/wal/wal_impl.h"

#include "common/err.h"
#include "common/mem.h"
#include "server/wal/little.h"

#include <errno.h>

struct trim_names {
    uint64_t *lsns;
    size_t n, room;
    int err;
};

static bool trim_visit(void *context, const char *name)
{
    struct trim_names *names = context;
    uint64_t lsn;
    if (!segment_parse_name(name, &lsn))
        return true;
    if (names->n == names->room) {
        size_t room = names->room * 2 + 16;
        uint64_t *more = mem_realloc(names->lsns, room * sizeof *more);
        if (more == NULL) {
            names->err = -ENOMEM;
            return false;
        }
        names->lsns = more;
        names->room = room;
    }
    names->lsns[names->n++] = lsn;
    return true;
}

static int trim_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int trim_list(struct dir *dir, uint64_t **out_lsns, size_t *out_n)
{
    struct trim_names names = {.n = 0};
    int err = dir->ops->list(dir, trim_visit, &names);
    if (err == 0)
        err = names.err;
    if (err != 0) {
        mem_free(names.lsns);
        return err;
    }
    if (names.n > 1)
        qsort(names.lsns, names.n, sizeof *names.lsns, trim_compare);
    *out_lsns = names.lsns;
    *out_n = names.n;
    return 0;
}

int64_t trim_file_bytes(struct dir *dir, const char *name)
{
    int file = dir->ops->open(dir, name, FILE_READ);
    if (file < 0)
        return file;
    int64_t bytes = dir->ops->size(dir, file);
    dir->ops->close(dir, file);
    return bytes;
}

static int trim_remove(struct wal *wal, uint64_t first_lsn)
{
    struct dir *dir = wal->options.dir;
    char name[FILE_NAME_MAX + 1];
    segment_name(first_lsn, name);
    int64_t bytes = trim_file_bytes(dir, name);
    int err = bytes < 0 ? (int)bytes : dir->ops->remove(dir, name);
    if (err != 0)
        return err;
    pthread_mutex_lock(&wal->lock);
    wal->segments--;
    wal->live_bytes -= (uint64_t)bytes;
    pthread_cond_signal(&wal->spare_work); /* there may be space now */
    pthread_mutex_unlock(&wal->lock);
    return dir->ops->sync_names(dir);
}

int wal_trim(struct wal *wal, uint64_t snapshot_lsn, uint64_t keep_lsn)
{
    uint8_t marker[8];
    uint64_t *lsns;
    size_t n;
    little_write_u64(marker, snapshot_lsn);
    wal_note(wal, ENTRY_MARKER, (struct bytes){marker, sizeof marker});
    if (commit_write(wal, UINT64_MAX) == ERR_IO) /* without room for it: trimming makes some */
        return -EIO;
    int err = trim_list(wal->options.dir, &lsns, &n);
    if (err != 0)
        return err;
    for (size_t i = 0; i + 1 < n && err == 0 && lsns[i + 1] - 1 <= keep_lsn; i++)
        err = trim_remove(wal, lsns[i]);
    mem_free(lsns);
    return err;
}
