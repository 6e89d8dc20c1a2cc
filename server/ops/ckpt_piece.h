/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Records of kind piece: found by the hash of their content, kept as long as something refers to
 * them. What they are for and their form: ckpt_state.h.
 */
#pragma once

#include "server/ops/ckpt_hasher.h"
#include "server/store/group.h"
#include "server/store/txn.h"

enum ckpt_piece_type { CKPT_MANIFEST = 'm', CKPT_PIECE = 'p' };

enum { CKPT_PIECE_KEY_MAX = GROUP_PREFIX_MAX + 1 + CKPT_HASH_BYTES };

/* Where the pieces of one session are. To plan, txn->many must be set. Views of the caller. */
struct ckpt_space {
    struct txn *txn;
    struct store *store;
    uint32_t run;
    struct bytes prefix; /* group_write_prefix */
};

/* A key that has memory of its own; returns its size. */
size_t ckpt_piece_key(struct bytes prefix, enum ckpt_piece_type type, struct bytes hash,
                      uint8_t out[static CKPT_PIECE_KEY_MAX]);

/* What stands behind the count in such a record; none if it is too short for one. */
struct bytes ckpt_piece_content(const struct record *record);

/* The content of a piece as the transaction would leave it; false: there is none. hash:
 * CKPT_HASH_BYTES. */
bool ckpt_piece_find(const struct ckpt_space *space, enum ckpt_piece_type type, struct bytes hash,
                     struct bytes *out_content);

/* One reference more to a piece. 0, ERR_OUT_OF_MEMORY, or ERR_DATA_DAMAGED: it is not there. */
MUST_USE int ckpt_piece_ref(const struct ckpt_space *space, enum ckpt_piece_type type,
                            struct bytes hash);

/* The same for one of this content, which is planned if it is not there (*out_new). *bytes: more by
 * the key and value of what was planned. 0, ERR_OUT_OF_MEMORY or ERR_LIMIT_EXCEEDED. */
MUST_USE int ckpt_piece_add(const struct ckpt_space *space, enum ckpt_piece_type type,
                            struct bytes hash, struct bytes content, bool *out_new,
                            uint64_t *bytes);

/* Plan one reference less; without any, plan that the piece goes: its content is not to be read any
 * more, and *bytes is more by its key and value. One that is not there is passed over, and one that
 * nothing refers to (then the counts are wrong) is left alone. 0, ERR_OUT_OF_MEMORY or
 * ERR_LIMIT_EXCEEDED. */
MUST_USE int ckpt_piece_unref(const struct ckpt_space *space, enum ckpt_piece_type type,
                              struct bytes hash, uint64_t *bytes);

/* How many refer to it; 0 also if it is not there. */
uint32_t ckpt_piece_count(const struct ckpt_space *space, enum ckpt_piece_type type,
                          struct bytes hash);
