/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes a snapshot file, drawn in snapshot.h.
 *
 *   put_chunk -- LZ4 --> | out: about 1 MiB | -- paced, in order --> snap.tmp
 *   commit    -- trailer; header and heads of sections into the room left for them; sync; rename
 *
 * The header and the lengths of sections are known only at the end. The file has its own name only
 * after all of it was synced, so an interruption leaves nothing but a temporary file.
 *
 * Invariants
 *   1. An older snapshot is never touched, whatever fails.
 *   2. After an error every further call returns it.
 *   3. `written` + out.size is where the next byte will stand in the file.
 *
 * Threads: a writer belongs to one, which compresses, waits (pace) and syncs. One writer a
 * directory at a time.
 * Failures: negative errno; commit and abandon remove the temporary file.
 */
#include "server/wal/snapshot_format.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/mutant.h"
#include "server/wal/pace.h"

#include <errno.h>
#include <lz4.h>
#include <time.h>

enum {
    SNAPSHOT_WRITE_BYTES = 1 << 20, /* of one write, up to twice that */
    WRITER_NAP_NS = 20000000,
};

struct snapshot_writer {
    struct snapshot_options options;
    int file;
    int err;           /* the first; final */
    struct buf out;    /* not yet written */
    uint64_t written;  /* bytes of the file before `out` */
    uint64_t unsynced; /* of them */
    struct pace pace;
    struct snapshot_heads heads;
    uint64_t section_at[SNAPSHOT_SECTIONS_MAX]; /* where their heads belong */
    uint32_t crc;                               /* of the heads of the chunks so far */
};

uint64_t snapshot_bytes(const struct snapshot_writer *writer)
{
    return writer->written + writer->out.size;
}

static void writer_destroy(struct snapshot_writer *writer)
{
    buf_deinit(&writer->out);
    mem_free(writer);
}

int snapshot_create(const struct snapshot_options *options, struct snapshot_writer **out_writer)
{
    struct dir *dir = options->dir;
    int err = dir->ops->remove(dir, SNAPSHOT_TEMPORARY); /* of a writer that was interrupted */
    if (err != 0 && err != -ENOENT)
        return err;
    struct snapshot_writer *writer = mem_calloc(1, sizeof *writer);
    if (writer == NULL)
        return -ENOMEM;
    writer->file = dir->ops->open(dir, SNAPSHOT_TEMPORARY, FILE_WRITE | FILE_CREATE);
    if (writer->file < 0) {
        err = writer->file;
        writer_destroy(writer);
        return err;
    }
    writer->options = *options;
    writer->written = SNAPSHOT_HEADER_BYTES;
    writer->pace.bytes_per_s = options->bytes_per_s;
    *out_writer = writer;
    return 0;
}

/* ---- to disk ---- */

/* In short sleeps, as somebody may want to stop. */
static void writer_wait(struct snapshot_writer *writer, size_t bytes)
{
    const atomic_bool *stop = writer->options.stop;
    uint64_t now_ns = clock_mono_ns();
    uint64_t until_ns = now_ns + pace_wait_ns(&writer->pace, bytes, now_ns);
    while (now_ns < until_ns && (stop == NULL || !atomic_load(stop))) {
        uint64_t left_ns = until_ns - now_ns;
        struct timespec nap = {0, (long)(left_ns < WRITER_NAP_NS ? left_ns : WRITER_NAP_NS)};
        (void)nanosleep(&nap, NULL);
        now_ns = clock_mono_ns();
    }
}

static int writer_write(struct snapshot_writer *writer, uint8_t *data, size_t size)
{
    struct dir *dir = writer->options.dir;
    struct iovec part = {data, size};
    writer_wait(writer, size);
    int err = dir->ops->write(dir, writer->file, writer->written, &part, 1);
    if (err != 0)
        return err;
    writer->written += size;
    writer->unsynced += size;
    if (writer->options.sync_bytes == 0 || writer->unsynced < writer->options.sync_bytes)
        return 0;
    writer->unsynced = 0;
    return dir->ops->sync(dir, writer->file);
}

/* Write all of `out`, and let go of memory that a large chunk needed. */
static int writer_flush(struct snapshot_writer *writer)
{
    size_t size = writer->out.size, n;
    int err = 0;
    writer->out.size = 0;
    for (size_t at = 0; at < size && err == 0; at += n) {
        n = size - at < 2 * SNAPSHOT_WRITE_BYTES ? size - at : SNAPSHOT_WRITE_BYTES;
        err = writer_write(writer, writer->out.data + at, n);
    }
    if (writer->out.capacity > 2 * SNAPSHOT_WRITE_BYTES)
        buf_deinit(&writer->out);
    return err;
}

/* ---- sections and chunks ---- */

/* Set the length of the section that is being written, if there is one. */
static void writer_end_section(struct snapshot_writer *writer)
{
    struct snapshot_heads *heads = &writer->heads;
    if (heads->n_sections == 0)
        return;
    unsigned last = heads->n_sections - 1;
    uint64_t begin = writer->section_at[last] + SNAPSHOT_SECTION_HEAD_BYTES;
    little_write_u64(heads->sections[last] + 1, snapshot_bytes(writer) - begin);
}

int snapshot_begin_section(struct snapshot_writer *writer, enum snapshot_section section)
{
    static const uint8_t room[SNAPSHOT_SECTION_HEAD_BYTES];
    struct snapshot_heads *heads = &writer->heads;
    unsigned n = heads->n_sections;
    if (writer->err != 0)
        return writer->err;
    REQUIRE(n == 0 || heads->sections[n - 1][0] < section);
    writer_end_section(writer);
    writer->section_at[n] = snapshot_bytes(writer);
    if (buf_append(&writer->out, room, sizeof room) != 0)
        return writer->err = -ENOMEM;
    heads->sections[n][0] = (uint8_t)section;
    heads->n_sections = n + 1;
    return 0;
}

/* Write the bytes of a chunk to `to`, compressed if that makes them fewer; returns how many. */
static size_t writer_store(const struct snapshot_writer *writer, struct bytes chunk, uint8_t *to)
{
    if (writer->options.compress) {
        int n = LZ4_compress_default((const char *)chunk.data, (char *)to, (int)chunk.size,
                                     (int)chunk.size - 1);
        if (n > 0)
            return (size_t)n;
    }
    memcpy(to, chunk.data, chunk.size);
    return chunk.size;
}

int snapshot_put_chunk(struct snapshot_writer *writer, struct bytes chunk)
{
    REQUIRE(writer->heads.n_sections > 0 && chunk.size <= SNAPSHOT_CHUNK_MAX);
    if (writer->err != 0 || chunk.size == 0)
        return writer->err;
    if (buf_reserve(&writer->out, SNAPSHOT_CHUNK_HEAD_BYTES + chunk.size) != 0)
        return writer->err = -ENOMEM;
    uint8_t *head = writer->out.data + writer->out.size;
    uint8_t *data = head + SNAPSHOT_CHUNK_HEAD_BYTES;
    size_t stored = writer_store(writer, chunk, data);
    little_write_u32(head, (uint32_t)chunk.size);
    little_write_u32(head + 4, (uint32_t)stored);
    little_write_u32(head + 8, libdeflate_crc32(0, data, stored));
    writer->crc = libdeflate_crc32(writer->crc, head, SNAPSHOT_CHUNK_HEAD_BYTES);
    writer->out.size += SNAPSHOT_CHUNK_HEAD_BYTES + stored;
    if (writer->out.size >= SNAPSHOT_WRITE_BYTES)
        writer->err = writer_flush(writer);
    return writer->err;
}

/* ---- the end ---- */

static void writer_set_header(struct snapshot_writer *writer, uint64_t final_lsn, uint64_t records)
{
    uint8_t *header = writer->heads.header;
    memcpy(header, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_BYTES);
    little_write_u32(header + SNAPSHOT_AT_FORMAT, SNAPSHOT_FORMAT);
    little_write_u64(header + SNAPSHOT_AT_CREATED, writer->options.created_us);
    little_write_u64(header + SNAPSHOT_AT_LSN, final_lsn);
    little_write_u64(header + SNAPSHOT_AT_RECORDS, records);
    header[SNAPSHOT_AT_SECTIONS] = (uint8_t)writer->heads.n_sections;
}

static int writer_append_trailer(struct snapshot_writer *writer)
{
    uint8_t trailer[SNAPSHOT_TRAILER_BYTES];
    const uint8_t *store = writer->options.store.bytes;
    memcpy(trailer, store, SNAPSHOT_STORE_BYTES);
    little_write_u32(trailer + SNAPSHOT_STORE_BYTES,
                     snapshot_crc(writer->crc, &writer->heads, store));
    return buf_append(&writer->out, trailer, sizeof trailer) == 0 ? 0 : -ENOMEM;
}

/* Write header and heads of sections into the room left for them. */
static int writer_write_heads(struct snapshot_writer *writer)
{
    struct dir *dir = writer->options.dir;
    struct snapshot_heads *heads = &writer->heads;
    struct iovec part = {heads->header, SNAPSHOT_HEADER_BYTES};
    int err = dir->ops->write(dir, writer->file, 0, &part, 1);
    for (unsigned i = 0; i < heads->n_sections && err == 0; i++) {
        part = (struct iovec){heads->sections[i], SNAPSHOT_SECTION_HEAD_BYTES};
        err = dir->ops->write(dir, writer->file, writer->section_at[i], &part, 1);
    }
    return err;
}

/* All bytes are written and synced, or an error. */
static int writer_finish(struct snapshot_writer *writer, uint64_t final_lsn, uint64_t records)
{
    struct dir *dir = writer->options.dir;
    if (writer->err != 0)
        return writer->err;
    writer_end_section(writer);
    writer_set_header(writer, final_lsn, records);
    int err = writer_append_trailer(writer);
    if (err == 0)
        err = writer_flush(writer);
    if (err == 0)
        err = writer_write_heads(writer);
    return err != 0 || MUTANT(snapshot_unsynced) ? err : dir->ops->sync(dir, writer->file);
}

/* 1, 0 or a negative errno. */
static int snapshot_exists(struct dir *dir, const char *name)
{
    int file = dir->ops->open(dir, name, FILE_READ);
    if (file < 0)
        return file == -ENOENT ? 0 : file;
    dir->ops->close(dir, file);
    return 1;
}

/* Give the finished file its name. Where it replaces one of the same LSN, that is gone with the
 * renaming, and either is as good: then the new one stays even if its name may not be durable. */
static int snapshot_publish(struct dir *dir, uint64_t lsn)
{
    char name[FILE_NAME_MAX + 1];
    snapshot_name(lsn, name);
    int replaces = snapshot_exists(dir, name);
    int err = replaces < 0 ? replaces : dir->ops->rename(dir, SNAPSHOT_TEMPORARY, name);
    if (err != 0) {
        (void)!dir->ops->remove(dir, SNAPSHOT_TEMPORARY);
        return err;
    }
    err = dir->ops->sync_names(dir);
    if (err != 0 && !replaces)
        (void)!dir->ops->remove(dir, name);
    return err;
}

int snapshot_commit(struct snapshot_writer *writer, uint64_t final_lsn, uint64_t records)
{
    struct dir *dir = writer->options.dir;
    int err = writer_finish(writer, final_lsn, records);
    if (err != 0) {
        snapshot_abandon(writer);
        return err;
    }
    dir->ops->close(dir, writer->file);
    writer_destroy(writer);
    return snapshot_publish(dir, final_lsn);
}

void snapshot_abandon(struct snapshot_writer *writer)
{
    struct dir *dir = writer->options.dir;
    dir->ops->close(dir, writer->file);
    if (!MUTANT(snapshot_leaves_file))
        (void)!dir->ops->remove(dir, SNAPSHOT_TEMPORARY);
    writer_destroy(writer);
}
