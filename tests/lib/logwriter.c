/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The writer that tests compare with.
 *
 *   append --> staged --write--> segment --sync--> durable
 *                        `- full: sync it; zeros under wal-spare, header, sync; rename, sync names
 *
 * Invariant: staged entries are those above written_lsn; `synced` never says more than was synced,
 * and durable_lsn moves only after file and names were.
 */
#include "tests/lib/logwriter.h"

#include "common/buf.h"
#include "common/err.h"

#include <errno.h>
#include <stdlib.h>

struct logwriter {
    struct logwriter_options options;
    struct segment_header header; /* of the present segment */
    int file;                     /* or -1 */
    uint64_t offset, synced;      /* in it: written, and known to be synced */
    uint32_t crc;
    struct buf staged;
    uint64_t appended_lsn, written_lsn, durable_lsn;
};

static bool breaks(const struct logwriter *w, enum logwriter_break broken)
{
    return w->options.broken == broken;
}

const char *logwriter_break_name(enum logwriter_break broken)
{
    static const char *const names[BREAK_COUNT] = {
        [BREAK_NOTHING] = "nothing",
        [BREAK_ACK_BEFORE_SYNC] = "ack_before_sync",
        [BREAK_NO_SYNC_AT_ROTATION] = "no_sync_at_rotation",
        [BREAK_NO_SYNC_OF_HEADER] = "no_sync_of_header",
        [BREAK_NO_SYNC_OF_NAMES] = "no_sync_of_names",
        [BREAK_NO_REWRITE] = "no_rewrite",
        [BREAK_WATERMARK_AHEAD] = "watermark_ahead",
        [BREAK_CHAIN] = "no_chain",
        [BREAK_TRIM_NEWEST_FIRST] = "trim_newest_first",
        [BREAK_APPEND_AFTER_END] = "append_after_end",
    };
    return names[broken];
}

/* ---- segments ---- */

struct found {
    uint64_t lsns[1024];
    size_t n;
};

static bool add_found(void *context, const char *name)
{
    struct found *found = context;
    uint64_t lsn;
    if (segment_parse_name(name, &lsn)) {
        REQUIRE(found->n < LENGTH_OF(found->lsns));
        found->lsns[found->n++] = lsn;
    }
    return true;
}

static int compare_lsns(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int list_segments(struct dir *dir, struct found *found)
{
    found->n = 0;
    int err = dir->ops->list(dir, add_found, found);
    qsort(found->lsns, found->n, sizeof *found->lsns, compare_lsns);
    return err;
}

static int write_header(struct logwriter *w)
{
    uint8_t data[SEGMENT_HEADER_BYTES];
    struct dir *dir = w->options.dir;
    struct iovec part = {data, sizeof data};
    segment_encode_header(&w->header, data);
    int err = dir->ops->write(dir, w->file, 0, &part, 1);
    if (err == 0 && !breaks(w, BREAK_NO_SYNC_OF_HEADER))
        err = dir->ops->sync(dir, w->file);
    return err;
}

/* A spare of an earlier life may have a header: zeros anew. */
static int make_file(struct logwriter *w)
{
    struct dir *dir = w->options.dir;
    int err = dir->ops->remove(dir, SEGMENT_SPARE);
    if (err == 0 || err == -ENOENT)
        err = segment_zero(dir, SEGMENT_SPARE, w->header.bytes, true);
    if (err != 0)
        return err;
    w->file = dir->ops->open(dir, SEGMENT_SPARE, FILE_WRITE);
    return w->file < 0 ? w->file : 0;
}

static int name_file(struct logwriter *w)
{
    char name[FILE_NAME_MAX + 1];
    struct dir *dir = w->options.dir;
    segment_name(w->header.first_lsn, name);
    int err = dir->ops->rename(dir, SEGMENT_SPARE, name);
    return err != 0 || breaks(w, BREAK_NO_SYNC_OF_NAMES) ? err : dir->ops->sync_names(dir);
}

/* A new segment behind `end` with room for so much; without header and name yet. */
static int begin_segment(struct logwriter *w, const struct wal_end *end, size_t need)
{
    uint64_t bytes = w->options.segment_bytes;
    if (bytes < SEGMENT_HEADER_BYTES + need)
        bytes = SEGMENT_HEADER_BYTES + need;
    w->header = (struct segment_header){.store = w->options.store,
                                        .number = end->segment_number + 1,
                                        .first_lsn = end->last_lsn + 1,
                                        .salt = w->options.salt++,
                                        .last_lsn = end->last_lsn,
                                        .end_offset = end->end_offset,
                                        .end_crc = end->end_crc,
                                        .bytes = bytes};
    w->offset = w->synced = SEGMENT_HEADER_BYTES;
    w->crc = w->header.salt;
    return make_file(w);
}

/* What is in it is synced with its header, before it gets its name. */
static int finish_segment(struct logwriter *w)
{
    int err = write_header(w);
    w->synced = w->offset;
    return err != 0 ? err : name_file(w);
}

static int sync_segment(struct logwriter *w)
{
    int err = w->options.dir->ops->sync(w->options.dir, w->file);
    if (err == 0)
        w->synced = w->offset;
    return err;
}

static int rotate(struct logwriter *w, size_t need)
{
    struct wal_end end = {w->written_lsn, w->header.number, w->offset, w->crc};
    if (w->written_lsn < w->header.first_lsn) /* nothing in it: replaced */
        end = (struct wal_end){w->header.last_lsn, w->header.number - 1, w->header.end_offset,
                               w->header.end_crc};
    int err = breaks(w, BREAK_NO_SYNC_AT_ROTATION) ? 0 : sync_segment(w);
    w->options.dir->ops->close(w->options.dir, w->file);
    w->file = -1;
    if (err == 0)
        err = begin_segment(w, &end, need);
    return err != 0 ? err : finish_segment(w);
}

/* ---- entries ---- */

uint64_t logwriter_append(struct logwriter *w, uint8_t type, struct bytes body)
{
    REQUIRE(buf_reserve(&w->staged, ENTRY_OVERHEAD + body.size) == 0);
    w->appended_lsn += entry_type_counts(type) ? 1 : 0;
    uint8_t *at = w->staged.data + w->staged.size;
    entry_write_head(at, type, w->appended_lsn, body.size);
    if (body.size > 0)
        memcpy(at + ENTRY_HEAD_BYTES, body.data, body.size);
    w->staged.size += ENTRY_OVERHEAD + body.size;
    return w->appended_lsn;
}

/* Entries from the front of what is staged, as many as fit into the segment: one write. */
static int write_some(struct logwriter *w, size_t *done)
{
    uint64_t at = w->offset, lsn = w->written_lsn;
    uint8_t *from = w->staged.data + *done, *end = w->staged.data + w->staged.size, *to = from;
    while (to < end && at + entry_size(to) <= w->header.bytes) {
        w->crc = entry_seal(to, breaks(w, BREAK_WATERMARK_AHEAD) ? at : w->synced,
                            breaks(w, BREAK_CHAIN) ? w->header.salt : w->crc);
        lsn += entry_type_counts(entry_type_at(to)) ? 1 : 0;
        at += entry_size(to);
        to += entry_size(to);
    }
    if (to == from)
        return rotate(w, entry_size(from));
    struct iovec part = {from, (size_t)(to - from)};
    int err = w->options.dir->ops->write(w->options.dir, w->file, w->offset, &part, 1);
    if (err != 0)
        return err;
    w->offset = at;
    w->written_lsn = lsn;
    *done += (size_t)(to - from);
    return 0;
}

int logwriter_write(struct logwriter *w)
{
    size_t done = 0;
    int err = 0;
    while (done < w->staged.size && err == 0)
        err = write_some(w, &done);
    w->staged.size = 0;
    if (err == 0 && breaks(w, BREAK_ACK_BEFORE_SYNC))
        w->durable_lsn = w->written_lsn;
    return err;
}

int logwriter_sync(struct logwriter *w)
{
    int err = logwriter_write(w);
    if (err == 0)
        err = sync_segment(w);
    if (err == 0)
        w->durable_lsn = w->written_lsn;
    return err;
}

/* ---- open and close ---- */

/* Stage a copy of the entries between two offsets of a segment, but for notes about syncs. */
static int stage_tail(struct logwriter *w, const char *name, uint64_t from, uint64_t to)
{
    struct dir *dir = w->options.dir;
    size_t size = (size_t)(to - from);
    int file = dir->ops->open(dir, name, FILE_READ);
    if (file < 0)
        return file;
    REQUIRE(buf_reserve(&w->staged, size) == 0);
    ssize_t n = dir->ops->read(dir, file, from, w->staged.data, size);
    dir->ops->close(dir, file);
    if (n != (ssize_t)size)
        return n < 0 ? (int)n : -EIO;
    for (size_t at = 0, one; at < size; at += one) {
        uint8_t *entry = w->staged.data + at;
        one = entry_size(entry);
        if (!entry_type_counts(entry_type_at(entry)))
            continue;
        memmove(w->staged.data + w->staged.size, entry, one);
        w->staged.size += one;
    }
    return 0;
}

/* What recovery read, but is not proved to be on the disk. */
static int stage_unproved(struct logwriter *w, const struct wal_end *end,
                          const struct wal_end *proved)
{
    char name[FILE_NAME_MAX + 1];
    struct found found;
    uint64_t lsn = 0, from = SEGMENT_HEADER_BYTES;
    int err = list_segments(w->options.dir, &found);
    for (size_t i = 0; i < found.n && found.lsns[i] <= end->last_lsn; i++)
        lsn = found.lsns[i];
    if (err != 0 || proved->last_lsn == end->last_lsn)
        return err;
    segment_name(lsn, name);
    if (proved->segment_number == end->segment_number)
        from = proved->end_offset;
    return stage_tail(w, name, from, end->end_offset);
}

/* The new segment takes the place of what was not proved, all at once when it gets its name. */
static int open_new(struct logwriter *w, const struct wal_end *end, const struct wal_end *proved)
{
    size_t done = 0;
    int err = stage_unproved(w, end, proved);
    w->written_lsn = proved->last_lsn;
    if (err == 0)
        err = begin_segment(w, proved, w->staged.size);
    if (err == 0 && w->staged.size > 0)
        err = write_some(w, &done);
    REQUIRE(err != 0 || done == w->staged.size);
    w->staged.size = 0;
    return err != 0 ? err : finish_segment(w);
}

/* What must never be done. */
static int open_old(struct logwriter *w, const struct wal_end *end)
{
    char name[FILE_NAME_MAX + 1];
    struct found found;
    uint8_t data[SEGMENT_HEADER_BYTES];
    struct dir *dir = w->options.dir;
    if (list_segments(dir, &found) != 0 || found.n == 0)
        return -ENOENT;
    segment_name(found.lsns[found.n - 1], name);
    w->file = dir->ops->open(dir, name, FILE_WRITE);
    if (w->file < 0)
        return w->file;
    ssize_t n = dir->ops->read(dir, w->file, 0, data, sizeof data);
    if (n == sizeof data && segment_decode_header(data, &w->header) == 0 &&
        w->header.number == end->segment_number) {
        w->offset = w->synced = end->end_offset;
        w->crc = end->end_crc;
        return 0;
    }
    dir->ops->close(dir, w->file);
    w->file = -1;
    return -ENOENT;
}

int logwriter_open(const struct logwriter_options *options, const struct wal_end *end,
                   const struct wal_end *proved, struct logwriter **out_writer)
{
    struct logwriter *w = calloc(1, sizeof *w);
    REQUIRE(w != NULL);
    w->options = *options;
    w->file = -1;
    w->appended_lsn = w->written_lsn = w->durable_lsn = end->last_lsn;
    int err = breaks(w, BREAK_APPEND_AFTER_END) ? open_old(w, end) : -ENOENT;
    if (err == -ENOENT)
        err = open_new(w, end, breaks(w, BREAK_NO_REWRITE) ? end : proved);
    if (err != 0)
        logwriter_abandon(w);
    else
        *out_writer = w;
    return err;
}

void logwriter_abandon(struct logwriter *w)
{
    if (w->file >= 0)
        w->options.dir->ops->close(w->options.dir, w->file);
    buf_deinit(&w->staged);
    free(w);
}

int logwriter_close(struct logwriter *w, bool clean)
{
    int err = logwriter_sync(w);
    if (err == 0 && clean) {
        (void)logwriter_append(w, ENTRY_SHUTDOWN, BYTES_NONE);
        err = logwriter_sync(w);
    }
    logwriter_abandon(w);
    return err;
}

/* ---- the rest ---- */

int logwriter_trim(struct logwriter *w, uint64_t keep_lsn)
{
    struct found found;
    struct dir *dir = w->options.dir;
    int err = list_segments(dir, &found);
    size_t n = 0;
    while (n + 1 < found.n && found.lsns[n + 1] <= keep_lsn + 1)
        n++;
    for (size_t i = 0; i < n && err == 0; i++) {
        char name[FILE_NAME_MAX + 1];
        segment_name(found.lsns[breaks(w, BREAK_TRIM_NEWEST_FIRST) ? n - 1 - i : i], name);
        err = dir->ops->remove(dir, name);
        if (err == 0)
            err = dir->ops->sync_names(dir);
    }
    return err;
}

uint64_t logwriter_appended_lsn(const struct logwriter *w)
{
    return w->appended_lsn;
}

uint64_t logwriter_written_lsn(const struct logwriter *w)
{
    return w->written_lsn;
}

uint64_t logwriter_durable_lsn(const struct logwriter *w)
{
    return w->durable_lsn;
}
