/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading the log back, and the verdict on where it ends.
 *
 *   names --> sorted --> headers, each against the one before --> entries of each --> the end
 *
 * What the writer does, on which the verdicts stand: before a segment gets its name it is zeros to
 * its end, has a header, both synced, and the one before is synced to its end; so no crash leaves a
 * segment without a header. `synced` of an entry was true when it was written, and is its own
 * offset in a clean shutdown.
 *
 *   | situation                                                  | verdict                        |
 *   |------------------------------------------------------------|--------------------------------|
 *   | 1 not the last; its entries end where the next header says | go on with the next            |
 *   | 2 not the last; they end before that, or otherwise         | damage                         |
 *   | 3 the last; behind the end is an entry that was written    | damage                         |
 *   |   when more had been synced (a clean shutdown is one)      |                                |
 *   | 4 the last; behind the end are entries, but none of these  | unsynced writes that reached   |
 *   |                                                            | the disk out of order: cut     |
 *   | 5 the last; behind the end are zeros, or no entry          | torn or never written: cut     |
 *   | 6 a header not valid, a file shorter than it was           | damage                         |
 *   | 7 a gap in numbers or LSNs; the first begins behind the    | file missing, or of another    |
 *   |   snapshot; another store; another name than it was made   | store: damage                  |
 *   |   with                                                     |                                |
 *   | 8 a header of a later format                               | ERR_DATA_FORMAT                |
 *
 * 3 to 5 are told apart in replay_tail.c. Not noticed: damage in what was synced last if nothing
 * was written behind it, which a watermark when the log goes idle makes rare; and the loss of the
 * last segment as a whole file.
 *
 * A last segment without an entry that takes an LSN is read, but the end is that of the one before:
 * the next segment gets its name and number and replaces it. A segment whose header follows nothing
 * (end_offset 0) was begun behind a snapshot that was ahead of the log: what comes before it is not
 * needed and not read. wal-spare and wal-next are no segments.
 *
 * Segments that a snapshot covers are not read, only their headers are; `cairnd check` reads all.
 *
 * Memory: a window of REPLAY_WINDOW_BYTES, or of the largest entry; and all of the last segment, as
 * its tail has to be judged. What stands in a file decides on no more than the size of the file.
 *
 * Threads: called by one. Failures: everything is said in the report; nothing is changed on disk.
 */
#include "server/wal/replay.h"

#include "common/err.h"
#include "common/mem.h"
#include "server/wal/little.h"
#include "server/wal/replay_tail.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    REPLAY_PROGRESS_BYTES = 1 << 20,
    REPLAY_WINDOW_BYTES = 1 << 20,
    REPLAY_LSN_UNKNOWN = 0,
};

/* A file of the log. */
struct part {
    uint64_t name_lsn; /* first LSN, as its name says */
    uint64_t size;
    int header_err; /* 0, or why there is no header */
    struct segment_header header;
};

struct replay {
    const struct replay_options *options;
    struct replay_report *report;
    struct part *parts;
    size_t n, capacity, first; /* first: those before it are not needed */
    bool list_failed;          /* out of memory */
    uint8_t *data;             /* of the present segment */
    size_t data_capacity;
    uint64_t told_bytes, all_bytes;
};

/* Where we are in the entries of a segment.
 *
 *   0            base          end           base + data.size     limit
 *   |------------|=============|=============|--------------------|
 *                 understood    read          to be read
 */
struct cursor {
    const struct part *part;
    int file;
    bool whole; /* base stays 0 */
    uint64_t base, end, limit;
    struct bytes data;
    uint32_t crc; /* of the last good entry, which ends at `end` */
    uint64_t last_lsn;
    uint64_t until_lsn; /* where to stop; 0: nowhere */
    uint64_t synced;    /* highest watermark seen */
    bool shutdown;
};

/* ---- refusals ---- */

/* Fill in the report; returns err. */
PRINTF_LIKE(6, 7)
static int refuse(struct replay *replay, int err, const struct part *part, uint64_t offset,
                  uint64_t lsn, const char *format, ...)
{
    struct replay_report *report = replay->report;
    const char *path = replay->options->dir->path;
    char what[180];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    segment_name(part->name_lsn, report->file);
    report->offset = offset;
    (void)snprintf(report->problem, sizeof report->problem,
                   "%.80s/%s, offset %" PRIu64 ", LSN %" PRIu64 ": %s. Nothing was changed; "
                   "'cairnd check' tells more. Put the file back from a copy, restore a snapshot, "
                   "or start once with --accept-loss",
                   path, report->file, offset, lsn, what);
    return err;
}

static int refuse_io(struct replay *replay, const struct part *part, int error)
{
    struct replay_report *report = replay->report;
    segment_name(part->name_lsn, report->file);
    (void)snprintf(report->problem, sizeof report->problem,
                   "%.100s/%s: cannot be read: %s. Look at the disk and its permissions, then "
                   "start again",
                   replay->options->dir->path, report->file, strerror(-error));
    return ERR_IO;
}

static int out_of_memory(struct replay *replay, uint64_t bytes)
{
    (void)snprintf(replay->report->problem, sizeof replay->report->problem,
                   "%.100s: no memory to read a file of the log (%" PRIu64 " bytes)",
                   replay->options->dir->path, bytes);
    return ERR_OUT_OF_MEMORY;
}

/* ---- files ---- */

static bool add_part(void *context, const char *name)
{
    struct replay *replay = context;
    struct part part = {0};
    if (!segment_parse_name(name, &part.name_lsn))
        return true;
    if (replay->n == replay->capacity) {
        size_t capacity = replay->capacity * 2 + 16;
        struct part *parts = mem_realloc(replay->parts, capacity * sizeof *parts);
        replay->list_failed = parts == NULL;
        if (parts == NULL)
            return false;
        replay->parts = parts;
        replay->capacity = capacity;
    }
    replay->parts[replay->n++] = part;
    return true;
}

static int compare_parts(const void *a, const void *b)
{
    uint64_t x = ((const struct part *)a)->name_lsn, y = ((const struct part *)b)->name_lsn;
    return (x > y) - (x < y);
}

/* Read `size` bytes from the beginning, at most what is there; `*size` is then how much. */
static int read_file(struct replay *replay, const struct part *part, uint8_t *to, uint64_t *size)
{
    struct dir *dir = replay->options->dir;
    char name[FILE_NAME_MAX + 1];
    segment_name(part->name_lsn, name);
    int file = dir->ops->open(dir, name, FILE_READ);
    if (file < 0)
        return refuse_io(replay, part, file);
    ssize_t n = dir->ops->read(dir, file, 0, to, (size_t)*size);
    dir->ops->close(dir, file);
    if (n < 0)
        return refuse_io(replay, part, (int)n);
    *size = (uint64_t)n;
    return 0;
}

static int read_size(struct replay *replay, struct part *part)
{
    struct dir *dir = replay->options->dir;
    char name[FILE_NAME_MAX + 1];
    segment_name(part->name_lsn, name);
    int file = dir->ops->open(dir, name, FILE_READ);
    if (file < 0)
        return refuse_io(replay, part, file);
    int64_t size = dir->ops->size(dir, file);
    dir->ops->close(dir, file);
    if (size < 0)
        return refuse_io(replay, part, (int)size);
    part->size = (uint64_t)size;
    return 0;
}

static int read_header(struct replay *replay, struct part *part)
{
    uint8_t data[SEGMENT_HEADER_BYTES];
    uint64_t size = sizeof data;
    int err = read_size(replay, part);
    if (err == 0)
        err = read_file(replay, part, data, &size);
    if (err != 0)
        return err;
    part->header_err =
        size < sizeof data ? ERR_DATA_DAMAGED : segment_decode_header(data, &part->header);
    replay->all_bytes += part->size;
    return 0;
}

/* With an end: leave out the parts that hold nothing of what is wanted. Newer ones may just be
 * coming into being. */
static void choose_parts(struct replay *replay)
{
    const struct replay_options *options = replay->options;
    size_t first = 0;
    if (options->until_lsn == 0)
        return;
    while (replay->n > 0 && replay->parts[replay->n - 1].name_lsn > options->until_lsn)
        replay->n--;
    while (first + 1 < replay->n && replay->parts[first + 1].name_lsn <= options->after_lsn + 1)
        first++;
    replay->n -= first;
    if (first > 0)
        memmove(replay->parts, replay->parts + first, replay->n * sizeof *replay->parts);
}

static int list_parts(struct replay *replay)
{
    struct dir *dir = replay->options->dir;
    int err = dir->ops->list(dir, add_part, replay);
    if (err != 0) {
        (void)snprintf(replay->report->problem, sizeof replay->report->problem,
                       "%.100s: cannot be listed: %s", dir->path, strerror(-err));
        return ERR_IO;
    }
    if (replay->list_failed)
        return out_of_memory(replay, replay->capacity * sizeof *replay->parts);
    if (replay->n > 0)
        qsort(replay->parts, replay->n, sizeof *replay->parts, compare_parts);
    choose_parts(replay);
    for (size_t i = 0; i < replay->n && err == 0; i++)
        err = read_header(replay, &replay->parts[i]);
    return err;
}

static int open_segment(struct replay *replay, struct cursor *at)
{
    struct dir *dir = replay->options->dir;
    char name[FILE_NAME_MAX + 1];
    segment_name(at->part->name_lsn, name);
    at->file = dir->ops->open(dir, name, FILE_READ);
    return at->file < 0 ? refuse_io(replay, at->part, at->file) : 0;
}

/* The buffer serves one segment after the other. */
static int grow_data(struct replay *replay, struct cursor *at, uint64_t capacity)
{
    uint8_t *data = mem_realloc(replay->data, (size_t)capacity);
    if (data == NULL)
        return out_of_memory(replay, capacity);
    replay->data = data;
    replay->data_capacity = (size_t)capacity;
    at->data.data = data;
    return 0;
}

/* Room to read on: in place of what has been understood, or in a larger buffer. */
static int make_room(struct replay *replay, struct cursor *at)
{
    uint64_t capacity = at->whole ? at->limit : REPLAY_WINDOW_BYTES;
    size_t understood = (size_t)(at->end - at->base);
    at->data.data = replay->data;
    if (replay->data_capacity < capacity)
        return grow_data(replay, at, capacity);
    if (at->data.size < replay->data_capacity)
        return 0;
    if (at->whole || understood == 0)
        return grow_data(replay, at, 2 * (uint64_t)replay->data_capacity);
    at->data.size -= understood;
    at->base = at->end;
    memmove(replay->data, replay->data + understood, at->data.size);
    return 0;
}

/* Read some more. *out_end: there was nothing left. */
static int read_on(struct replay *replay, struct cursor *at, bool *out_end)
{
    struct dir *dir = replay->options->dir;
    int err = make_room(replay, at);
    if (err != 0)
        return err;
    uint64_t from = at->base + at->data.size, left = at->limit - from;
    size_t room = replay->data_capacity - at->data.size;
    room = room < REPLAY_WINDOW_BYTES ? room : REPLAY_WINDOW_BYTES;
    ssize_t n = dir->ops->read(dir, at->file, from, replay->data + at->data.size,
                               left < room ? (size_t)left : room);
    if (n < 0)
        return refuse_io(replay, at->part, (int)n);
    at->data.size += (size_t)n;
    *out_end = n == 0;
    return 0;
}

static int settle_part(struct replay *replay, const struct part *part)
{
    struct dir *dir = replay->options->dir;
    char name[FILE_NAME_MAX + 1];
    segment_name(part->name_lsn, name);
    int file = dir->ops->open(dir, name, FILE_WRITE);
    if (file < 0)
        return refuse_io(replay, part, file);
    int err = dir->ops->sync(dir, file);
    if (err == 0)
        dir->ops->forget(dir, file);
    dir->ops->close(dir, file);
    return err == 0 ? 0 : refuse_io(replay, part, err);
}

int replay_settle(struct dir *dir, struct replay_report *report)
{
    enum { LAST_PARTS = 2 }; /* the one before the last, if the last was only being made */
    struct replay_options options = {.dir = dir};
    struct replay replay = {.options = &options, .report = report};
    *report = (struct replay_report){0};
    int err = list_parts(&replay);
    size_t first = replay.n > LAST_PARTS ? replay.n - LAST_PARTS : 0;
    for (size_t i = first; i < replay.n && err == 0; i++)
        err = settle_part(&replay, &replay.parts[i]);
    if (err == 0 && dir->ops->sync_names(dir) != 0)
        err = ERR_IO;
    mem_free(replay.parts);
    return err;
}

/* ---- headers ---- */

/* What a header says by itself. */
static int check_header(struct replay *replay, const struct part *part)
{
    const struct segment_header *header = &part->header;
    if (part->header_err == ERR_DATA_FORMAT)
        return refuse(replay, ERR_DATA_FORMAT, part, 0, part->name_lsn,
                      "written in a format that this version does not know");
    if (part->header_err != 0)
        return refuse(replay, ERR_DATA_DAMAGED, part, 0, part->name_lsn, "the header is damaged");
    if (header->first_lsn != part->name_lsn || header->last_lsn != header->first_lsn - 1 ||
        header->first_lsn == 0 || header->number == 0)
        return refuse(replay, ERR_DATA_DAMAGED, part, 0, header->first_lsn,
                      "the header belongs under another name; was the file renamed?");
    if (part->size < header->bytes)
        return refuse(replay, ERR_DATA_DAMAGED, part, part->size, REPLAY_LSN_UNKNOWN,
                      "the file was cut short: it had %" PRIu64 " bytes", header->bytes);
    return 0;
}

/* The log must reach back to what it is to follow. */
static int check_first(struct replay *replay, const struct part *part)
{
    const struct replay_options *options = replay->options;
    if (options->any_first || part->name_lsn - 1 <= options->after_lsn)
        return 0;
    return refuse(replay, ERR_DATA_DAMAGED, part, 0, part->name_lsn,
                  "the log begins here, but what it follows ends at LSN %" PRIu64
                  ": a file is missing before it",
                  options->after_lsn);
}

/* What it says together with the one before. */
static int check_order(struct replay *replay, const struct part *before, const struct part *part)
{
    const struct replay_options *options = replay->options;
    const struct store_id *store =
        options->store != NULL ? options->store : &replay->parts[replay->first].header.store;
    if (memcmp(store, &part->header.store, sizeof *store) != 0)
        return refuse(replay, ERR_DATA_DAMAGED, part, 0, part->name_lsn,
                      "the file belongs to another store");
    if (before != NULL && part->header.number != before->header.number + 1)
        return refuse(replay, ERR_DATA_DAMAGED, part, 0, part->name_lsn,
                      "this is segment %" PRIu64 " but the one before is %" PRIu64
                      ": a file is missing in between",
                      part->header.number, before->header.number);
    return 0;
}

static int check_headers(struct replay *replay)
{
    for (size_t i = 0; i < replay->n; i++)
        if (replay->parts[i].header_err == 0 && replay->parts[i].header.end_offset == 0)
            replay->first = i;
    int err = replay->n == 0 ? 0 : check_first(replay, &replay->parts[replay->first]);
    for (size_t i = replay->first; i < replay->n && err == 0; i++) {
        const struct part *part = &replay->parts[i];
        err = check_header(replay, part);
        if (err == 0)
            err = check_order(replay, i > replay->first ? part - 1 : NULL, part);
    }
    return err;
}

/* ---- entries ---- */

static void tell_progress(struct replay *replay, uint64_t done)
{
    const struct replay_options *options = replay->options;
    if (options->progress == NULL)
        return;
    replay->told_bytes = done;
    options->progress(options->context, done, replay->all_bytes);
}

/* Up to where somebody wanted it. */
static bool is_enough(const struct cursor *at)
{
    return at->until_lsn != 0 && at->last_lsn >= at->until_lsn;
}

/* The next entry of the chain in what has been read; false: none. */
static bool next_entry(const struct cursor *at, struct entry *out_entry, size_t *out_size,
                       uint32_t *out_crc)
{
    size_t skip = (size_t)(at->end - at->base);
    struct bytes rest = {at->data.data + skip, at->data.size - skip};
    if (at->shutdown || is_enough(at) ||
        entry_read(rest, at->crc, out_entry, out_size, out_crc) != 0)
        return false;
    uint64_t expected = at->last_lsn + (entry_type_counts(out_entry->type) ? 1 : 0);
    return out_entry->lsn == expected && out_entry->synced <= at->end;
}

/* Count an entry, and tell it if it is new. */
static int take_entry(struct replay *replay, const struct entry *entry)
{
    const struct replay_options *options = replay->options;
    struct replay_report *report = replay->report;
    if (!entry_type_counts(entry->type))
        return 0;
    report->entries++;
    report->last_lsn = entry->lsn;
    if (report->first_lsn == 0)
        report->first_lsn = entry->lsn;
    if (entry->lsn <= options->after_lsn || options->entry == NULL)
        return 0;
    return options->entry(options->context, entry);
}

/* All that are good in what has been read. */
static int read_entries(struct replay *replay, struct cursor *at)
{
    struct entry entry;
    size_t size;
    uint32_t crc;
    while (next_entry(at, &entry, &size, &crc)) {
        int err = take_entry(replay, &entry);
        if (err != 0)
            return err;
        at->end += size;
        at->crc = crc;
        at->last_lsn = entry.lsn;
        at->synced = entry.synced > at->synced ? entry.synced : at->synced;
        at->shutdown = entry.type == ENTRY_SHUTDOWN;
        replay->report->bytes += size;
        if (replay->report->bytes - replay->told_bytes >= REPLAY_PROGRESS_BYTES)
            tell_progress(replay, replay->report->bytes);
    }
    return 0;
}

/* This place as the end of the log, for the header of the next segment: in this segment, or, if no
 * entry with an LSN is before it, where the one before ends. */
static struct wal_end end_at(const struct part *part, uint64_t offset, uint32_t crc,
                             uint64_t last_lsn)
{
    const struct segment_header *header = &part->header;
    if (last_lsn < header->first_lsn)
        return (struct wal_end){.last_lsn = header->last_lsn,
                                .segment_number = header->number - 1,
                                .end_offset = header->end_offset,
                                .end_crc = header->end_crc};
    return (struct wal_end){.last_lsn = last_lsn,
                            .segment_number = header->number,
                            .end_offset = offset,
                            .end_crc = crc};
}

/* Rows 1 and 2: compare the end with what the next header says. */
static int check_end(struct replay *replay, const struct cursor *at,
                     const struct segment_header *next)
{
    if (at->end < next->end_offset)
        return refuse(replay, ERR_DATA_DAMAGED, at->part, at->end, at->last_lsn + 1,
                      "damaged: entries up to LSN %" PRIu64 " and offset %" PRIu64
                      " were synced here",
                      next->last_lsn, next->end_offset);
    if (at->crc != next->end_crc || at->last_lsn != next->last_lsn)
        return refuse(replay, ERR_DATA_DAMAGED, at->part, at->end, at->last_lsn,
                      "these are not the entries that the next segment follows: it was begun "
                      "behind LSN %" PRIu64,
                      next->last_lsn);
    return 0;
}

/* Rows 3 to 5. All of the segment has been read. */
static int judge_tail(struct replay *replay, const struct cursor *at)
{
    struct tail tail = {at->data, at->end, at->last_lsn, at->crc};
    struct tail_finding finding;
    tail_examine(&tail, &finding);
    if (finding.damaged)
        return refuse(replay, ERR_DATA_DAMAGED, at->part, at->end, at->last_lsn + 1,
                      "damaged: the entry at offset %" PRIu64 ", LSN %" PRIu64
                      " was written when this had been synced",
                      finding.witness, finding.witness_lsn);
    replay->report->cut_bytes += finding.torn_bytes;
    return 0;
}

/* The end of what lies below the highest watermark. The frames are known to be good, and all are
 * there. */
static struct wal_end find_proved(const struct cursor *at)
{
    const struct part *part = at->part;
    const uint8_t *data = at->data.data;
    uint64_t offset = SEGMENT_HEADER_BYTES, lsn = part->header.last_lsn;
    uint32_t crc = part->header.salt;
    while (offset < at->synced && offset + entry_size(data + offset) <= at->synced) {
        lsn = entry_lsn_at(data + offset);
        offset += entry_size(data + offset);
        crc = little_read_u32(data + offset - ENTRY_TAIL_BYTES);
    }
    return end_at(part, offset, crc, lsn);
}

static int finish_last(struct replay *replay, const struct cursor *at)
{
    if (is_enough(at))
        return 0;
    if (at->until_lsn != 0)
        return refuse(replay, ERR_DATA_DAMAGED, at->part, at->end, at->last_lsn + 1,
                      "damaged: entries up to LSN %" PRIu64 " were written here", at->until_lsn);
    int err = judge_tail(replay, at);
    replay->report->clean = at->shutdown;
    replay->report->proved = find_proved(at);
    replay->report->synced_lsn = replay->report->proved.last_lsn;
    return err;
}

/* Read a segment and its entries, as far as they are good or wanted. */
static int read_segment(struct replay *replay, struct cursor *at)
{
    struct dir *dir = replay->options->dir;
    bool end = false;
    int err = open_segment(replay, at);
    while (err == 0 && !end) {
        err = read_on(replay, at, &end);
        if (err == 0 && at->base + at->data.size > at->end)
            err = read_entries(replay, at);
        end = end || is_enough(at);
    }
    if (at->file >= 0)
        dir->ops->close(dir, at->file);
    return err;
}

static int replay_part(struct replay *replay, const struct part *part,
                       const struct segment_header *next)
{
    struct cursor at = {.part = part,
                        .file = -1,
                        .whole = next == NULL && replay->options->until_lsn == 0,
                        .limit = next == NULL ? part->size : next->end_offset,
                        .end = SEGMENT_HEADER_BYTES,
                        .crc = part->header.salt,
                        .last_lsn = part->header.last_lsn,
                        .until_lsn = next == NULL ? replay->options->until_lsn : 0};
    if (at.limit < SEGMENT_HEADER_BYTES || at.limit > part->size)
        return refuse(replay, ERR_DATA_DAMAGED, part, part->size, REPLAY_LSN_UNKNOWN,
                      "the file was cut short: its entries ended at offset %" PRIu64, at.limit);
    replay->report->bytes += SEGMENT_HEADER_BYTES;
    int err = read_segment(replay, &at);
    replay->report->end = end_at(part, at.end, at.crc, at.last_lsn);
    if (err != 0)
        return err;
    replay->report->segments++;
    err = next == NULL ? finish_last(replay, &at) : check_end(replay, &at, next);
    tell_progress(replay, replay->report->bytes);
    return err;
}

/* Whether all entries of a segment are in the snapshot. */
static bool is_covered(const struct replay *replay, const struct segment_header *next)
{
    return next != NULL && next->first_lsn <= replay->options->after_lsn + 1;
}

static int replay_parts(struct replay *replay)
{
    int err = 0;
    for (size_t i = replay->first; i < replay->n && err == 0; i++) {
        const struct part *part = &replay->parts[i];
        const struct segment_header *next = i + 1 < replay->n ? &part[1].header : NULL;
        if (is_covered(replay, next)) {
            replay->report->covered++;
            replay->all_bytes -= part->size;
        } else {
            err = replay_part(replay, part, next);
        }
    }
    return err;
}

int replay_run(const struct replay_options *options, struct replay_report *report)
{
    struct replay replay = {.options = options, .report = report};
    *report = (struct replay_report){0};
    int err = list_parts(&replay);
    if (err == 0)
        err = check_headers(&replay);
    if (err == 0)
        err = replay_parts(&replay);
    mem_free(replay.parts);
    mem_free(replay.data);
    return err;
}
