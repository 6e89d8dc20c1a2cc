/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names, headers and zeros of segments.
 *
 *   header: | CAIRN_WAL | 0 0 0 | format u32 | store id 16 | number u64 | first_lsn u64 | salt u32
 *           | last_lsn u64 | end_offset u64 | end_crc u32 | bytes u64 | zeros ... | crc u32 |
 *                                                                                 4096 bytes
 *
 * The whole block is under its CRC, the zeros too: they are room for later fields.
 *
 * Threads: pure functions, but for segment_zero, which works on a file of its own.
 * Failures: a file of zeros that cannot be finished is removed again.
 */
#include "server/wal/segment.h"

#include "common/err.h"
#include "common/mem.h"
#include "server/wal/little.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdio.h>

enum {
    SEGMENT_AT_FORMAT = 12,
    SEGMENT_AT_STORE = 16,
    SEGMENT_AT_NUMBER = 32,
    SEGMENT_AT_FIRST_LSN = 40,
    SEGMENT_AT_SALT = 48,
    SEGMENT_AT_LAST_LSN = 52,
    SEGMENT_AT_END_OFFSET = 60,
    SEGMENT_AT_END_CRC = 68,
    SEGMENT_AT_BYTES = 72,
    SEGMENT_AT_CRC = SEGMENT_HEADER_BYTES - 4,
    SEGMENT_ZEROS = 256 * 1024, /* bytes of one write */
    SEGMENT_SYNC = 4 << 20,     /* of one sync: a commit waits behind no more than that */
};

static const char segment_magic[SEGMENT_AT_FORMAT] = "CAIRN_WAL";

void segment_name(uint64_t first_lsn, char out_name[static FILE_NAME_MAX + 1])
{
    (void)snprintf(out_name, FILE_NAME_MAX + 1, "wal-%016llx.log", (unsigned long long)first_lsn);
}

bool segment_parse_name(const char *name, uint64_t *out_first_lsn)
{
    char again[FILE_NAME_MAX + 1];
    unsigned long long lsn;
    if (sscanf(name, "wal-%16llx.log", &lsn) != 1)
        return false;
    segment_name(lsn, again);
    if (strcmp(name, again) != 0)
        return false;
    *out_first_lsn = lsn;
    return true;
}

void segment_encode_header(const struct segment_header *header,
                           uint8_t out[static SEGMENT_HEADER_BYTES])
{
    memset(out, 0, SEGMENT_HEADER_BYTES);
    memcpy(out, segment_magic, sizeof segment_magic);
    little_write_u32(out + SEGMENT_AT_FORMAT, SEGMENT_FORMAT);
    memcpy(out + SEGMENT_AT_STORE, header->store.bytes, sizeof header->store.bytes);
    little_write_u64(out + SEGMENT_AT_NUMBER, header->number);
    little_write_u64(out + SEGMENT_AT_FIRST_LSN, header->first_lsn);
    little_write_u32(out + SEGMENT_AT_SALT, header->salt);
    little_write_u64(out + SEGMENT_AT_LAST_LSN, header->last_lsn);
    little_write_u64(out + SEGMENT_AT_END_OFFSET, header->end_offset);
    little_write_u32(out + SEGMENT_AT_END_CRC, header->end_crc);
    little_write_u64(out + SEGMENT_AT_BYTES, header->bytes);
    little_write_u32(out + SEGMENT_AT_CRC, libdeflate_crc32(0, out, SEGMENT_AT_CRC));
}

int segment_decode_header(const uint8_t data[static SEGMENT_HEADER_BYTES],
                          struct segment_header *out_header)
{
    if (memcmp(data, segment_magic, sizeof segment_magic) != 0)
        return ERR_DATA_DAMAGED;
    if (libdeflate_crc32(0, data, SEGMENT_AT_CRC) != little_read_u32(data + SEGMENT_AT_CRC))
        return ERR_DATA_DAMAGED;
    if (little_read_u32(data + SEGMENT_AT_FORMAT) != SEGMENT_FORMAT)
        return ERR_DATA_FORMAT;
    memcpy(out_header->store.bytes, data + SEGMENT_AT_STORE, sizeof out_header->store.bytes);
    out_header->number = little_read_u64(data + SEGMENT_AT_NUMBER);
    out_header->first_lsn = little_read_u64(data + SEGMENT_AT_FIRST_LSN);
    out_header->salt = little_read_u32(data + SEGMENT_AT_SALT);
    out_header->last_lsn = little_read_u64(data + SEGMENT_AT_LAST_LSN);
    out_header->end_offset = little_read_u64(data + SEGMENT_AT_END_OFFSET);
    out_header->end_crc = little_read_u32(data + SEGMENT_AT_END_CRC);
    out_header->bytes = little_read_u64(data + SEGMENT_AT_BYTES);
    return 0;
}

static int segment_write_zeros(struct dir *dir, int file, uint64_t bytes)
{
    uint8_t *zeros = mem_calloc(1, SEGMENT_ZEROS);
    int err = zeros == NULL ? -ENOMEM : 0;
    for (uint64_t at = 0; at < bytes && err == 0; at += SEGMENT_ZEROS) {
        uint64_t left = bytes - at;
        struct iovec part = {zeros, left < SEGMENT_ZEROS ? (size_t)left : SEGMENT_ZEROS};
        err = dir->ops->write(dir, file, at, &part, 1);
        if (err == 0 && left > SEGMENT_ZEROS && (at + SEGMENT_ZEROS) % SEGMENT_SYNC == 0)
            err = dir->ops->sync(dir, file);
    }
    mem_free(zeros);
    return err;
}

/* Where blocks cannot be reserved, only zeros take them. */
static int segment_fill(struct dir *dir, int file, uint64_t bytes, bool written)
{
    int err = dir->ops->allocate(dir, file, bytes);
    if (err == -EOPNOTSUPP || (err == 0 && written))
        err = segment_write_zeros(dir, file, bytes);
    return err != 0 ? err : dir->ops->sync(dir, file);
}

int segment_zero(struct dir *dir, const char *name, uint64_t bytes, bool written)
{
    int file = dir->ops->open(dir, name, FILE_WRITE | FILE_CREATE);
    if (file < 0)
        return file;
    int err = segment_fill(dir, file, bytes, written);
    dir->ops->close(dir, file);
    if (err == 0)
        err = dir->ops->sync_names(dir);
    if (err != 0)
        (void)!dir->ops->remove(dir, name);
    return err;
}
