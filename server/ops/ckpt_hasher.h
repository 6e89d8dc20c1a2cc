/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SHA-256 by OpenSSL: checksums of checkpoints; and names of pieces by their content, the first 16
 * bytes of it.
 *
 * OpenSSL 3 looks an algorithm up by its name for every digest made in one call; here it is looked
 * up once in the life of the process, and a context serves many contents.
 */
#pragma once

#include "common/bytes.h"
#include "common/check.h"

enum { CKPT_HASH_BYTES = 16, CKPT_CHECKSUM = 32 };

struct ckpt_hasher {
    void *context;
};

/* 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int ckpt_hasher_init(struct ckpt_hasher *hasher);
void ckpt_hasher_deinit(struct ckpt_hasher *hasher);

/* Over several parts: begin, any number of add, end. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int ckpt_hasher_begin(struct ckpt_hasher *hasher);
void ckpt_hasher_add(struct ckpt_hasher *hasher, struct bytes part);
void ckpt_hasher_end(struct ckpt_hasher *hasher, uint8_t out[static CKPT_CHECKSUM]);

/* The name of one content. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int ckpt_hasher_make(struct ckpt_hasher *hasher, struct bytes content,
                              uint8_t out_hash[static CKPT_HASH_BYTES]);
