/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Entries of the log: the frame around the bytes of a transaction. Does not know what is in them.
 *
 *   | length u32 | type u8 | version u8 | lsn u64 | synced u64 | body ... | crc u32 |
 *     `- counts the bytes behind itself         |           |                |
 *        consecutive numbers -------------------'           |                |
 *        offset in this segment below which all was synced -'                |
 *        when it was written                                                 |
 *        CRC-32 (IEEE) of type .. body, begun with the CRC of the entry -----'
 *        before it, or for the first with the salt of the segment
 *
 * All little-endian. Zeros are never an entry: its length is at least ENTRY_LENGTH_MIN. The chain
 * of CRCs makes entries of an older use of the same blocks, swapped or missing entries invalid.
 * docs/formats.md has one byte by byte.
 */
#pragma once

#include "common/bytes.h"
#include "common/check.h"

#include <stdint.h>

enum {
    ENTRY_HEAD_BYTES = 4 + 1 + 1 + 8 + 8,
    ENTRY_TAIL_BYTES = 4,
    ENTRY_OVERHEAD = ENTRY_HEAD_BYTES + ENTRY_TAIL_BYTES,
    ENTRY_LENGTH_MIN = ENTRY_OVERHEAD - 4,
    ENTRY_BODY_MAX = 64 << 20,
    ENTRY_VERSION = 1,
};

/* Where the fields of the head stand. */
enum {
    ENTRY_AT_TYPE = 4,
    ENTRY_AT_VERSION = 5,
    ENTRY_AT_LSN = 6,
    ENTRY_AT_SYNCED = 14,
};

/* Numbers on disk: never reused. */
enum entry_type {
    ENTRY_BATCH = 0x00,     /* effects that are one instant */
    ENTRY_WATERMARK = 0x01, /* nothing but `synced`; takes no LSN: carries that of the last entry */
    ENTRY_MARKER = 0x02,    /* a snapshot was completed; body: its LSN; takes no LSN */
    ENTRY_SHUTDOWN = 0x03,  /* clean end: nothing follows; takes no LSN */
    ENTRY_PUT = 0x10,       /* one effect */
    ENTRY_DEL = 0x11,
};

/* Does an entry of this type take the next LSN (or carry the last one)? */
static inline bool entry_type_counts(uint8_t type)
{
    return type != ENTRY_WATERMARK && type != ENTRY_MARKER && type != ENTRY_SHUTDOWN;
}

struct entry {
    uint8_t type;
    uint64_t lsn, synced;
    struct bytes body; /* a view */
};

/* Write the head at `to` (ENTRY_HEAD_BYTES) of an entry with a body of this size; `synced` and the
 * CRC come with entry_seal. */
void entry_write_head(uint8_t *to, uint8_t type, uint64_t lsn, size_t body_size);

/* Of the entry whose head is at `at`, which entry_write_head wrote: all its bytes, type, LSN. */
size_t entry_size(const uint8_t *at);
uint8_t entry_type_at(const uint8_t *at);
uint64_t entry_lsn_at(const uint8_t *at);

/* The CRC of the entry at `at`, whose length must be right, whatever its last four bytes say. */
uint32_t entry_crc(const uint8_t *at, uint32_t seed);

/* Fill in `synced` and the CRC; returns the CRC, which seeds the next. */
uint32_t entry_seal(uint8_t *at, uint64_t synced, uint32_t seed);

/* Read the entry at the beginning of `data`. 0 and *out_size, *out_crc; ERR_DATA_DAMAGED if no
 * valid one of this chain stands there (also when data ends before it does). */
MUST_USE int entry_read(struct bytes data, uint32_t seed, struct entry *out_entry, size_t *out_size,
                        uint32_t *out_crc);
