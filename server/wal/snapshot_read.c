/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads a snapshot file, drawn in snapshot.h, with several threads.
 *
 *   layout    header, heads of sections and trailer; their lengths add up to the size of the file
 *   section   each thread:  | take: the next chunk, under the lock | check, decompress, `chunk` |
 *             one thread after the other reads the file in order, while the others work. Records
 *             alone are of any order: all other sections have one thread
 *   end       the CRC of all heads
 *
 * Invariants
 *   1. A length from the file is compared with what is left of the file, and a size after
 *      decompression with the bytes it is made from, before memory is taken: a file costs a thread
 *      at most twice SNAPSHOT_CHUNK_MAX, and SNAPSHOT_RATIO_MAX times its own size.
 *   2. The threads of a section end before the next section begins.
 *   3. snapshot_read returns 0 only after every byte was covered by a CRC that is right.
 *
 * Threads: the caller's is number 0; the others live as long as a section. If they cannot be
 * made, those that are there do the work. What is after `lock` in struct reading is under it.
 * Failures: the first is kept, with a text; the threads then end after the chunk they have.
 */
#include "server/wal/snapshot_format.h"

#include "common/err.h"
#include "common/mem.h"
#include "common/thread.h"

#include <lz4.h>
#include <pthread.h>
#include <stdio.h>

struct reading {
    const struct snapshot_load *load;
    char name[FILE_NAME_MAX + 1];
    int file;
    uint64_t size;
    struct snapshot_heads heads;
    uint8_t trailer[SNAPSHOT_TRAILER_BYTES];
    enum snapshot_section section; /* being read */
    pthread_mutex_t lock;
    uint64_t at, end; /* the next chunk, and where the section ends */
    uint32_t crc;     /* of the heads of the chunks so far */
    int err;
    char *text; /* [512] */
};

/* A thread and the chunk it has. */
struct reader {
    struct reading *reading;
    unsigned number;
    uint64_t offset; /* of the chunk */
    uint32_t raw, stored, crc;
    struct buf packed, plain;
};

/* ---- failures ---- */

static const char *reading_advice(int err)
{
    switch (err) {
    case ERR_DATA_DAMAGED:
        return "the file is damaged; an older snapshot and the log before it may serve";
    case ERR_DATA_FORMAT:
        return "start the version that wrote it";
    case ERR_IO:
        return "check the disk and the permissions of the file";
    case ERR_OUT_OF_MEMORY:
        return "make more memory available";
    default:
        return err_text(err);
    }
}

/* Note a failure at this offset unless there is one; returns the one that counts. */
static int reading_fail(struct reading *reading, int err, uint64_t offset, const char *what)
{
    if (reading->err != 0)
        return reading->err;
    (void)snprintf(reading->text, 512, "%s, offset %llu: %s; %s (in %s)", reading->name,
                   (unsigned long long)offset, what, reading_advice(err), reading->load->dir->path);
    return reading->err = err;
}

static int reading_fail_io(struct reading *reading, uint64_t offset, const char *verb, int error)
{
    char what[128], text[96];
    (void)snprintf(what, sizeof what, "cannot %s: %s", verb, strerror_r(-error, text, sizeof text));
    return reading_fail(reading, ERR_IO, offset, what);
}

static int reading_fail_damaged(struct reading *reading, uint64_t offset, const char *what)
{
    return reading_fail(reading, ERR_DATA_DAMAGED, offset, what);
}

/* Read exactly so many bytes. */
static int reading_read(struct reading *reading, uint64_t offset, void *to, size_t size)
{
    struct dir *dir = reading->load->dir;
    ssize_t n = dir->ops->read(dir, reading->file, offset, to, size);
    if (n < 0)
        return reading_fail_io(reading, offset, "read", (int)n);
    return (size_t)n == size ? 0 : reading_fail_damaged(reading, offset, "the file ends too early");
}

/* ---- layout ---- */

static int layout_header(struct reading *reading, uint64_t lsn)
{
    uint8_t *header = reading->heads.header;
    struct dir *dir = reading->load->dir;
    int64_t size = dir->ops->size(dir, reading->file);
    if (size < 0)
        return reading_fail_io(reading, 0, "tell the size", (int)size);
    reading->size = (uint64_t)size;
    if (reading->size < SNAPSHOT_HEADER_BYTES + SNAPSHOT_TRAILER_BYTES)
        return reading_fail_damaged(reading, reading->size, "the file ends too early");
    int err = reading_read(reading, 0, header, SNAPSHOT_HEADER_BYTES);
    if (err != 0)
        return err;
    if (memcmp(header, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_BYTES) != 0)
        return reading_fail_damaged(reading, 0, "this is not a snapshot");
    if (little_read_u32(header + SNAPSHOT_AT_FORMAT) == 0) /* nothing ever wrote that */
        return reading_fail_damaged(reading, SNAPSHOT_AT_FORMAT, "no number of a format");
    if (little_read_u32(header + SNAPSHOT_AT_FORMAT) != SNAPSHOT_FORMAT)
        return reading_fail(reading, ERR_DATA_FORMAT, SNAPSHOT_AT_FORMAT, "a format unknown here");
    if (little_read_u64(header + SNAPSHOT_AT_LSN) != lsn)
        return reading_fail_damaged(reading, SNAPSHOT_AT_LSN, "another LSN than in its name");
    if (header[SNAPSHOT_AT_SECTIONS] > SNAPSHOT_SECTIONS_MAX)
        return reading_fail_damaged(reading, SNAPSHOT_AT_SECTIONS, "too many sections");
    reading->heads.n_sections = header[SNAPSHOT_AT_SECTIONS];
    return 0;
}

/* Read the head of section `i`, which stands at `offset`. */
static int layout_section(struct reading *reading, unsigned i, uint64_t offset, uint64_t *out_end)
{
    uint8_t *head = reading->heads.sections[i];
    uint64_t left = reading->size - SNAPSHOT_TRAILER_BYTES - offset;
    if (left < SNAPSHOT_SECTION_HEAD_BYTES)
        return reading_fail_damaged(reading, offset, "no room for a section");
    int err = reading_read(reading, offset, head, SNAPSHOT_SECTION_HEAD_BYTES);
    if (err != 0)
        return err;
    uint8_t before = i == 0 ? 0 : reading->heads.sections[i - 1][0];
    if (head[0] <= before || head[0] > SNAPSHOT_SECTIONS_MAX)
        return reading_fail_damaged(reading, offset, "a section that must not be here");
    uint64_t length = little_read_u64(head + 1);
    if (length > left - SNAPSHOT_SECTION_HEAD_BYTES)
        return reading_fail_damaged(reading, offset, "a section longer than the file");
    *out_end = offset + SNAPSHOT_SECTION_HEAD_BYTES + length;
    return 0;
}

static int layout_read(struct reading *reading, uint64_t lsn)
{
    uint64_t offset = SNAPSHOT_HEADER_BYTES;
    int err = layout_header(reading, lsn);
    for (unsigned i = 0; i < reading->heads.n_sections && err == 0; i++)
        err = layout_section(reading, i, offset, &offset);
    if (err != 0)
        return err;
    if (offset != reading->size - SNAPSHOT_TRAILER_BYTES)
        return reading_fail_damaged(reading, offset, "bytes that belong to no section");
    return reading_read(reading, offset, reading->trailer, SNAPSHOT_TRAILER_BYTES);
}

/* ---- chunks ---- */

/* Check a head against what is left of the section. */
static int chunk_check_head(struct reading *reading, const struct reader *reader)
{
    uint64_t left = reading->end - reader->offset - SNAPSHOT_CHUNK_HEAD_BYTES;
    if (reader->stored > left || reader->stored > reader->raw)
        return reading_fail_damaged(reading, reader->offset, "a chunk with a wrong length");
    if (reader->raw > SNAPSHOT_CHUNK_MAX ||
        reader->raw > (uint64_t)reader->stored * SNAPSHOT_RATIO_MAX)
        return reading_fail_damaged(reading, reader->offset, "a chunk that would become too large");
    if (reader->raw == 0)
        return reading_fail_damaged(reading, reader->offset, "an empty chunk");
    return 0;
}

/* Read the next chunk; the lock is held. */
static int chunk_read(struct reading *reading, struct reader *reader)
{
    uint8_t head[SNAPSHOT_CHUNK_HEAD_BYTES];
    reader->offset = reading->at;
    if (reading->end - reading->at < sizeof head)
        return reading_fail_damaged(reading, reading->at, "no room for a chunk");
    int err = reading_read(reading, reading->at, head, sizeof head);
    if (err != 0)
        return err;
    reader->raw = little_read_u32(head);
    reader->stored = little_read_u32(head + 4);
    reader->crc = little_read_u32(head + 8);
    err = chunk_check_head(reading, reader);
    if (err != 0)
        return err;
    if (buf_reserve(&reader->packed, reader->stored) != 0)
        return reading_fail(reading, ERR_OUT_OF_MEMORY, reading->at, "no memory for a chunk");
    reading->crc = libdeflate_crc32(reading->crc, head, sizeof head);
    reading->at += sizeof head;
    err = reading_read(reading, reading->at, reader->packed.data, reader->stored);
    reading->at += reader->stored;
    return err;
}

/* Take the next chunk of the section. False: there is none, or something failed. */
static bool chunk_take(struct reader *reader)
{
    struct reading *reading = reader->reading;
    const struct snapshot_load *load = reading->load;
    (void)pthread_mutex_lock(&reading->lock);
    bool taken =
        reading->err == 0 && reading->at < reading->end && chunk_read(reading, reader) == 0;
    if (taken && load->progress != NULL)
        load->progress(load->context, reading->at, reading->size);
    (void)pthread_mutex_unlock(&reading->lock);
    return taken;
}

/* Check and decompress the chunk. 0 and *out_data, or an error and *out_what. */
static int chunk_unpack(struct reader *reader, struct bytes *out_data, const char **out_what)
{
    const uint8_t *packed = reader->packed.data;
    *out_what = "the checksum of a chunk is wrong";
    if (libdeflate_crc32(0, packed, reader->stored) != reader->crc)
        return ERR_DATA_DAMAGED;
    *out_data = (struct bytes){packed, reader->stored};
    if (reader->stored == reader->raw)
        return 0;
    *out_what = "no memory for a chunk";
    if (buf_reserve(&reader->plain, reader->raw) != 0)
        return ERR_OUT_OF_MEMORY;
    *out_what = "a chunk cannot be decompressed";
    int n = LZ4_decompress_safe((const char *)packed, (char *)reader->plain.data,
                                (int)reader->stored, (int)reader->raw);
    *out_data = (struct bytes){reader->plain.data, reader->raw};
    return n == (int)reader->raw ? 0 : ERR_DATA_DAMAGED;
}

static void chunk_work(struct reader *reader)
{
    struct reading *reading = reader->reading;
    const struct snapshot_load *load = reading->load;
    struct bytes data;
    const char *what;
    int err = chunk_unpack(reader, &data, &what);
    if (err == 0) {
        what = "what is in a chunk was refused";
        err = load->chunk(load->context, reader->number, reading->section, data);
    }
    if (err == 0)
        return;
    (void)pthread_mutex_lock(&reading->lock);
    (void)reading_fail(reading, err, reader->offset, what);
    (void)pthread_mutex_unlock(&reading->lock);
}

static void reader_main(void *context, unsigned i)
{
    struct reader *reader = (struct reader *)context + i;
    while (chunk_take(reader))
        chunk_work(reader);
    buf_deinit(&reader->packed);
    buf_deinit(&reader->plain);
}

/* ---- sections ---- */

static int sections_read(struct reading *reading)
{
    unsigned n_threads = reading->load->n_threads;
    struct reader *readers = mem_calloc(n_threads, sizeof *readers);
    if (readers == NULL)
        return reading_fail(reading, ERR_OUT_OF_MEMORY, 0, "no memory for threads");
    for (unsigned i = 0; i < n_threads; i++)
        readers[i] = (struct reader){.reading = reading, .number = i};
    reading->end = SNAPSHOT_HEADER_BYTES;
    for (unsigned i = 0; i < reading->heads.n_sections && reading->err == 0; i++) {
        const uint8_t *head = reading->heads.sections[i];
        reading->section = head[0];
        reading->at = reading->end + SNAPSHOT_SECTION_HEAD_BYTES;
        reading->end = reading->at + little_read_u64(head + 1);
        thread_share(reading->section == SNAPSHOT_RECORDS ? n_threads : 1, reader_main, readers);
    }
    mem_free(readers);
    return reading->err;
}

static void reading_info(const struct reading *reading, struct snapshot_info *out_info)
{
    const uint8_t *header = reading->heads.header;
    *out_info = (struct snapshot_info){
        .created_us = little_read_u64(header + SNAPSHOT_AT_CREATED),
        .final_lsn = little_read_u64(header + SNAPSHOT_AT_LSN),
        .records = little_read_u64(header + SNAPSHOT_AT_RECORDS),
        .bytes = reading->size,
        .format = little_read_u32(header + SNAPSHOT_AT_FORMAT),
    };
    memcpy(out_info->name, reading->name, sizeof out_info->name);
    memcpy(out_info->store.bytes, reading->trailer, SNAPSHOT_STORE_BYTES);
}

static int trailer_check(struct reading *reading)
{
    uint32_t crc = snapshot_crc(reading->crc, &reading->heads, reading->trailer);
    if (crc == little_read_u32(reading->trailer + SNAPSHOT_STORE_BYTES))
        return 0;
    return reading_fail_damaged(reading, reading->size - 4, "the checksum of the file is wrong");
}

int snapshot_read(const struct snapshot_load *load, uint64_t lsn, struct snapshot_info *out_info,
                  char out_text[static 512])
{
    struct reading reading = {.load = load, .text = out_text, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct dir *dir = load->dir;
    struct snapshot_info info;
    REQUIRE(load->n_threads > 0);
    out_text[0] = '\0';
    snapshot_name(lsn, reading.name);
    reading.file = dir->ops->open(dir, reading.name, FILE_READ);
    if (reading.file < 0)
        return reading_fail_io(&reading, 0, "open", reading.file);
    int err = layout_read(&reading, lsn);
    if (err == 0)
        reading_info(&reading, &info);
    if (err == 0 && load->begin != NULL)
        load->begin(load->context, &info);
    if (err == 0)
        err = sections_read(&reading);
    if (err == 0)
        err = trailer_check(&reading);
    if (err == 0)
        *out_info = info;
    dir->ops->close(dir, reading.file);
    (void)pthread_mutex_destroy(&reading.lock);
    return err;
}
