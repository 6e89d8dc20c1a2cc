/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Manifests: how to put a state together, part by part.
 *
 *   manifest | format u8 = 1 | depth u8 | state size | base, 16 bytes: only if depth > 0 | part ...
 *   part     | size * 4 + 0 | bytes             |   bytes: they stand here
 *            | size * 4 + 1 | hash, 16 bytes    |   a piece, whole
 *            | size * 4 + 2 | skip              |   a range of the state of the base, `skip` bytes
 *                                                   behind the end of the range before
 *
 * Numbers without a width are unsigned LEB128: 7 bits a byte, lowest first, the highest bit set on
 * all but the last. depth: how many manifests are below this one; the base has one less, so a chain
 * ends. Ranges go forward only, so putting a state together takes one walk over its base's. Bytes
 * on the disk are not trusted: ckpt_manifest_next refuses what does not add up.
 */
#pragma once

#include "common/buf.h"
#include "server/ops/ckpt_state.h"

enum ckpt_part_type { CKPT_PART_BYTES, CKPT_PART_PIECE, CKPT_PART_RANGE };

enum {
    CKPT_MANIFEST_FORMAT = 1,
    CKPT_SIZE_MAX = 1 << 30, /* of a state: what limits.value_bytes can be at most */
};

struct ckpt_part {
    enum ckpt_part_type type;
    uint64_t size;      /* > 0, of the state */
    uint64_t skip;      /* CKPT_PART_RANGE */
    struct bytes bytes; /* CKPT_PART_BYTES: they; CKPT_PART_PIECE: the hash. A view */
};

/* A manifest that is being read. */
struct ckpt_manifest {
    unsigned depth;
    uint64_t size;           /* of the state */
    struct bytes base;       /* hash, or none if depth is 0 */
    const uint8_t *at, *end; /* parts not read yet */
    uint64_t left;           /* bytes of the state these must make */
};

/* 0 or ERR_DATA_DAMAGED. */
MUST_USE int ckpt_manifest_open(struct bytes content, struct ckpt_manifest *out_manifest);

/* The next part: 1, 0 at the end, or ERR_DATA_DAMAGED. */
MUST_USE int ckpt_manifest_next(struct ckpt_manifest *manifest, struct ckpt_part *out_part);

/* Writing: the head (base: a hash, or none and depth 0), then parts. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int ckpt_manifest_begin(struct buf *out, unsigned depth, uint64_t size, struct bytes base);
MUST_USE int ckpt_manifest_add(struct buf *out, const struct ckpt_part *part);
