/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Framing of entries: see the drawing in entry.h.
 *
 * Invariant: what entry_seal made, entry_read accepts with the same seed, and with no other bytes
 * or seed but by a chance of one in 2^32.
 *
 * Threads: pure functions.
 * Failures: entry_read tells damaged bytes from good ones; it cannot tell why.
 */
#include "server/wal/entry.h"

#include "common/err.h"
#include "server/wal/little.h"

#include <libdeflate.h>

void entry_write_head(uint8_t *to, uint8_t type, uint64_t lsn, size_t body_size)
{
    REQUIRE(body_size <= ENTRY_BODY_MAX);
    little_write_u32(to, (uint32_t)(body_size + ENTRY_LENGTH_MIN));
    to[ENTRY_AT_TYPE] = type;
    to[ENTRY_AT_VERSION] = ENTRY_VERSION;
    little_write_u64(to + ENTRY_AT_LSN, lsn);
}

size_t entry_size(const uint8_t *at)
{
    return 4 + (size_t)little_read_u32(at);
}

uint32_t entry_crc(const uint8_t *at, uint32_t seed)
{
    return libdeflate_crc32(seed, at + ENTRY_AT_TYPE, entry_size(at) - 4 - ENTRY_TAIL_BYTES);
}

uint8_t entry_type_at(const uint8_t *at)
{
    return at[ENTRY_AT_TYPE];
}

uint64_t entry_lsn_at(const uint8_t *at)
{
    return little_read_u64(at + ENTRY_AT_LSN);
}

uint32_t entry_seal(uint8_t *at, uint64_t synced, uint32_t seed)
{
    little_write_u64(at + ENTRY_AT_SYNCED, synced);
    uint32_t crc = entry_crc(at, seed);
    little_write_u32(at + entry_size(at) - ENTRY_TAIL_BYTES, crc);
    return crc;
}

int entry_read(struct bytes data, uint32_t seed, struct entry *out_entry, size_t *out_size,
               uint32_t *out_crc)
{
    const uint8_t *at = data.data;
    if (data.size < ENTRY_OVERHEAD)
        return ERR_DATA_DAMAGED;
    uint32_t length = little_read_u32(at);
    if (length < ENTRY_LENGTH_MIN || length > ENTRY_BODY_MAX + ENTRY_LENGTH_MIN ||
        length > data.size - 4 || at[ENTRY_AT_VERSION] != ENTRY_VERSION)
        return ERR_DATA_DAMAGED;
    uint32_t crc = entry_crc(at, seed);
    if (crc != little_read_u32(at + length + 4 - ENTRY_TAIL_BYTES))
        return ERR_DATA_DAMAGED;
    *out_entry = (struct entry){
        .type = at[ENTRY_AT_TYPE],
        .lsn = little_read_u64(at + ENTRY_AT_LSN),
        .synced = little_read_u64(at + ENTRY_AT_SYNCED),
        .body = {at + ENTRY_HEAD_BYTES, length - ENTRY_LENGTH_MIN},
    };
    *out_size = 4 + (size_t)length;
    *out_crc = crc;
    return 0;
}
