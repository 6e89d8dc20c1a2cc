/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzzes the reader of snapshots: a byte of settings (1: make the checksums and the last length
 * right, so that what is behind them is reached; the next two bits: threads), then a file, which is
 * read whole or refused with a text that names it. What it unpacks stays in proportion to its size.
 */
#include "common/err.h"
#include "common/mem.h"
#include "server/wal/snapshot_format.h"

#include <errno.h>
#include <stdatomic.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- a directory with one file, in memory ---- */

struct memory_dir {
    struct dir dir;
    uint8_t *data;
    size_t size;
};

static int memory_open(struct dir *dir, const char *name, int flags)
{
    (void)dir;
    (void)name;
    REQUIRE(flags == FILE_READ);
    return 0;
}

static void memory_close(struct dir *dir, int file)
{
    (void)dir;
    (void)file;
}

static ssize_t memory_read(struct dir *dir, int file, uint64_t offset, void *to, size_t size)
{
    const struct memory_dir *memory = (struct memory_dir *)dir;
    (void)file;
    REQUIRE(offset <= memory->size && size <= memory->size - offset); /* never behind the end */
    memcpy(to, memory->data + offset, size);
    return (ssize_t)size;
}

static int64_t memory_size(struct dir *dir, int file)
{
    (void)file;
    return (int64_t)((struct memory_dir *)dir)->size;
}

static const struct file_ops memory_ops = {
    .open = memory_open,
    .close = memory_close,
    .read = memory_read,
    .size = memory_size,
};

/* ---- checksums ---- */

/* Make the CRCs of the chunks right as far as they make sense; returns that of their heads. */
static uint32_t repair_chunks(uint8_t *at, const uint8_t *end, uint32_t crc)
{
    while (end - at >= SNAPSHOT_CHUNK_HEAD_BYTES) {
        uint32_t stored = little_read_u32(at + 4);
        uint8_t *inside = at + SNAPSHOT_CHUNK_HEAD_BYTES;
        if (stored > (size_t)(end - inside))
            break;
        little_write_u32(at + 8, libdeflate_crc32(0, inside, stored));
        crc = libdeflate_crc32(crc, at, SNAPSHOT_CHUNK_HEAD_BYTES);
        at = inside + stored;
    }
    return crc;
}

static void repair(uint8_t *data, size_t size)
{
    struct snapshot_heads heads;
    uint8_t *at = data + SNAPSHOT_HEADER_BYTES, *end = data + size - SNAPSHOT_TRAILER_BYTES;
    uint32_t crc = 0;
    heads.n_sections = data[SNAPSHOT_AT_SECTIONS] % (SNAPSHOT_SECTIONS_MAX + 1);
    memcpy(heads.header, data, SNAPSHOT_HEADER_BYTES);
    for (unsigned i = 0; i < heads.n_sections; i++) {
        if (end - at < SNAPSHOT_SECTION_HEAD_BYTES)
            return;
        uint8_t *inside = at + SNAPSHOT_SECTION_HEAD_BYTES;
        uint64_t left = (uint64_t)(end - inside), length = little_read_u64(at + 1);
        if (length > left || i + 1 == heads.n_sections)
            length = left;
        little_write_u64(at + 1, length);
        memcpy(heads.sections[i], at, SNAPSHOT_SECTION_HEAD_BYTES);
        at = inside + length;
        crc = repair_chunks(inside, at, crc);
    }
    little_write_u32(end + SNAPSHOT_STORE_BYTES, snapshot_crc(crc, &heads, end));
}

/* ---- reading ---- */

static int sum_chunk(void *context, unsigned thread, enum snapshot_section section,
                     struct bytes chunk)
{
    REQUIRE(thread < 4 && section >= SNAPSHOT_RUNS && section <= SNAPSHOT_GRAPHS);
    REQUIRE(chunk.size > 0 && chunk.size <= SNAPSHOT_CHUNK_MAX);
    (void)libdeflate_crc32(0, chunk.data, chunk.size); /* all of it can be read */
    (void)atomic_fetch_add((atomic_size_t *)context, chunk.size);
    return 0;
}

static void read_file(struct memory_dir *memory, unsigned n_threads)
{
    atomic_size_t bytes = 0;
    struct snapshot_load load = {&memory->dir, n_threads, NULL, sum_chunk, NULL, &bytes};
    struct snapshot_info info;
    char text[512], name[FILE_NAME_MAX + 1];
    uint64_t lsn = 0;
    if (memory->size >= SNAPSHOT_HEADER_BYTES)
        lsn = little_read_u64(memory->data + SNAPSHOT_AT_LSN);
    snapshot_name(lsn, name);
    int err = snapshot_read(&load, lsn, &info, text);
    REQUIRE(bytes <= memory->size * SNAPSHOT_RATIO_MAX);
    REQUIRE(err == 0 || err == ERR_DATA_DAMAGED || err == ERR_DATA_FORMAT);
    if (err == 0)
        REQUIRE(info.final_lsn == lsn && info.bytes == memory->size && text[0] == '\0');
    else
        REQUIRE(strncmp(text, name, strlen(name)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memory_dir memory = {.dir = {&memory_ops, "memory"}};
    if (size == 0)
        return 0;
    memory.size = size - 1;
    memory.data = mem_alloc(memory.size + 1); /* a copy: the input must not be changed */
    REQUIRE(memory.data != NULL);
    memcpy(memory.data, data + 1, memory.size);
    if (data[0] & 1 && memory.size >= SNAPSHOT_HEADER_BYTES + SNAPSHOT_TRAILER_BYTES)
        repair(memory.data, memory.size);
    read_file(&memory, 1 + (data[0] >> 1) % 4);
    mem_free(memory.data);
    return 0;
}
