/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where things stand in a snapshot file (drawn in snapshot.h): what its writer and its reader
 * share, and nobody else needs.
 */
#pragma once

#include "server/wal/little.h"
#include "server/wal/snapshot.h"

#include <libdeflate.h>

#define SNAPSHOT_MAGIC     "CAIRN_SNAP"
#define SNAPSHOT_TEMPORARY "snap.tmp"

enum {
    SNAPSHOT_MAGIC_BYTES = sizeof SNAPSHOT_MAGIC - 1,

    SNAPSHOT_AT_FORMAT = SNAPSHOT_MAGIC_BYTES,
    SNAPSHOT_AT_CREATED = SNAPSHOT_AT_FORMAT + 4,
    SNAPSHOT_AT_LSN = SNAPSHOT_AT_CREATED + 8,
    SNAPSHOT_AT_RECORDS = SNAPSHOT_AT_LSN + 8,
    SNAPSHOT_AT_SECTIONS = SNAPSHOT_AT_RECORDS + 8,
    SNAPSHOT_HEADER_BYTES = SNAPSHOT_AT_SECTIONS + 1,

    SNAPSHOT_SECTION_HEAD_BYTES = 1 + 8,
    SNAPSHOT_SECTIONS_MAX = SNAPSHOT_GRAPHS, /* each at most once */

    SNAPSHOT_CHUNK_HEAD_BYTES = 4 + 4 + 4,
    SNAPSHOT_RATIO_MAX = 255, /* LZ4 cannot do better */

    SNAPSHOT_STORE_BYTES = sizeof(struct store_id),
    SNAPSHOT_TRAILER_BYTES = SNAPSHOT_STORE_BYTES + 4,
};

_Static_assert(SNAPSHOT_HEADER_BYTES == 39, "the format is fixed");

/* The heads that are known only when all chunks are written, as they stand in the file. */
struct snapshot_heads {
    uint8_t header[SNAPSHOT_HEADER_BYTES];
    uint8_t sections[SNAPSHOT_SECTIONS_MAX][SNAPSHOT_SECTION_HEAD_BYTES];
    unsigned n_sections;
};

/* The CRC at the end of the file, begun with that of the heads of its chunks. */
static inline uint32_t snapshot_crc(uint32_t crc, const struct snapshot_heads *heads,
                                    const uint8_t store[SNAPSHOT_STORE_BYTES])
{
    crc = libdeflate_crc32(crc, heads->sections,
                           (size_t)heads->n_sections * SNAPSHOT_SECTION_HEAD_BYTES);
    crc = libdeflate_crc32(crc, heads->header, SNAPSHOT_HEADER_BYTES);
    return libdeflate_crc32(crc, store, SNAPSHOT_STORE_BYTES);
}

void snapshot_name(uint64_t lsn, char out_name[static FILE_NAME_MAX + 1]);
