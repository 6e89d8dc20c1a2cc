/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What stands behind the last valid entry of the last segment: a torn tail, which nobody was
 * promised, or the rest of what was once synced and is damaged now.
 */
#pragma once

#include "server/wal/segment.h"

struct tail {
    struct bytes data; /* the whole segment */
    uint64_t end;      /* no valid entry of the chain stands there */
    uint64_t last_lsn; /* of what stands before it */
    uint32_t seed;     /* CRC of what stands before it */
};

struct tail_finding {
    bool damaged;
    uint64_t witness, witness_lsn; /* if so: the entry that proves it */
    uint64_t torn_bytes;           /* up to the last that is not zero */
};

void tail_examine(const struct tail *tail, struct tail_finding *out_finding);
