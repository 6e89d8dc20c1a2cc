/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Segments: the files of the log.
 *
 *   wal-<first LSN, 16 hex>.log   | header 4 KiB | entry | entry | ... | zeros to segment_bytes |
 *   wal-spare                     zeros, ready to become the next segment
 *   wal-next                      the same, made in haste: no spare was ready, or it was too small
 *
 * A segment is zero-filled and synced before it is used, so that a commit is one write and one
 * flush of the disk: neither size nor blocks of the file change (measured: 1 write + 1 flush
 * instead of 3 + 2). Its header says where the one before it ends; so a segment that is missing or
 * shorter than it was is noticed. The one before is synced first, then the header, and only then
 * does the file get its name, which is synced before its first entry is acknowledged. A segment
 * without an entry that takes an LSN is replaced by the next of the same name and number.
 * docs/formats.md has a header byte by byte.
 */
#pragma once

#include "server/wal/entry.h"
#include "server/wal/file.h"

enum {
    SEGMENT_HEADER_BYTES = 4096,
    SEGMENT_FORMAT = 1,
    SEGMENT_BYTES_MIN = 64 * 1024,
};

#define SEGMENT_SPARE "wal-spare"
#define SEGMENT_NEXT  "wal-next"

/* The id of a store: every file of a data directory carries it. */
struct store_id {
    uint8_t bytes[16];
};

struct segment_header {
    struct store_id store;
    uint64_t number;     /* 1, 2, ...: no gaps */
    uint64_t first_lsn;  /* of its first entry that takes one */
    uint32_t salt;       /* random: seeds the chain of CRCs */
    uint64_t last_lsn;   /* of the segment before (first_lsn - 1) */
    uint64_t end_offset; /* where the entries of the segment before end; 0: there is none */
    uint32_t end_crc;    /* of its last entry (its salt if it has none) */
    uint64_t bytes;      /* size of the file, so that one cut short is noticed; 0: not known */
};

void segment_name(uint64_t first_lsn, char out_name[static FILE_NAME_MAX + 1]);
/* False: not the name of a segment. */
bool segment_parse_name(const char *name, uint64_t *out_first_lsn);

void segment_encode_header(const struct segment_header *header,
                           uint8_t out[static SEGMENT_HEADER_BYTES]);
/* 0; ERR_DATA_DAMAGED (magic or checksum); ERR_DATA_FORMAT (a version this build does not know). */
MUST_USE int segment_decode_header(const uint8_t data[static SEGMENT_HEADER_BYTES],
                                   struct segment_header *out_header);

/* Make a file of zeros, synced, under this name. `written`: each of its blocks has been, so that a
 * later sync has nothing but data to bring to the disk; else they are only reserved, which reads as
 * zeros too, and costs nothing. 0 or a negative errno, and then it is gone again. */
MUST_USE int segment_zero(struct dir *dir, const char *name, uint64_t bytes, bool written);
