/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A state as it lies in the records it is made of: views of their bytes, in order. So a chain of
 * manifests is put together without copying the state once for each.
 */
#pragma once

#include "common/buf.h"
#include "server/ops/ckpt_piece.h"

struct ckpt_rope {
    struct bytes
        *slices; /* views: until something is planned for their records, or the lock ends */
    size_t count, capacity;
    uint64_t size;  /* of the state */
    unsigned depth; /* manifests below the first */
    /* Of the manifests on top of the full one, and of the pieces they name. */
    uint64_t on_top_bytes;
};

/* Fill an empty rope (all zero) with the state of a manifest. hasher: check all hashes as well, or
 * NULL. 0, ERR_OUT_OF_MEMORY, or ERR_DATA_DAMAGED: something is missing or malformed.
 * ckpt_rope_deinit in any case. */
MUST_USE int ckpt_rope_load(const struct ckpt_space *space, struct bytes hash,
                            struct ckpt_hasher *hasher, struct ckpt_rope *rope);
void ckpt_rope_deinit(struct ckpt_rope *rope);

/* Append the state. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int ckpt_rope_read(const struct ckpt_rope *rope, struct buf *out);
