/* SPDX-License-Identifier: BSD-3-Clause
 *
 * States of checkpoints, and values of channels, stored as what they share with the one before.
 *
 *   ckpt, blob --> manifest 'm' --> base 'm' --> ... --> full 'm'     records of kind piece,
 *                    '--> pieces 'p'               '--> pieces 'p'    in the group of their session
 *
 *   key    | prefix of the group | 'm' or 'p' | first 16 bytes of the SHA-256 of the content |
 *   value  | references u32 little-endian | content |
 *
 * A manifest says how to put a state together (ckpt_manifest.h): bytes, pieces, and ranges of the
 * state it is based on. So a step costs what it changes, whatever the change is: a key more, a list
 * that grew at its end or deep inside, a few bytes in an opaque value (ckpt_diff.h finds it by
 * comparing with the previous state, without hashing). A checkpoint keeps the chain below it, so
 * that is at most CKPT_DEPTH_MAX deep, and what it has on top of the full manifest it ends with
 * never more bytes than the state: then, or if most has changed, the next one is full again: cut
 * into pieces by content (ckpt_cut.h), so that it shares what it has in common with full ones
 * before it.
 *
 * Why not pieces per key: a piece costs some 90 bytes besides its content, a reference 16 and a
 * search; a hundred small changes in a chain are cheaper as bytes. Why 64 deep: a full state of
 * which nothing can be shared then costs 1/64 of itself a step; of a chain, at most 64 records are
 * looked up to read a state. What came in is given back byte for byte, MessagePack or not.
 *
 * References: a record of kind ckpt or blob counts 1 on the manifest it names; a manifest 1 on its
 * base, and 1 on a piece for every time it names it. The count is derived: what the log and
 * snapshots hold of it means nothing, changes of it are not logged, and a start counts anew
 * (ckpt_state_recount). A transaction that is given up changes no count; after an error it must be
 * given up, as some of what was to be planned is.
 *
 * Threads: the partition of the group is locked by space->txn, but for ckpt_state_recount.
 */
#pragma once

#include "common/buf.h"
#include "server/ops/ckpt_piece.h"

enum {
    CKPT_STATE_MIN = 1024, /* a smaller state is not worth a manifest */
    CKPT_DEPTH_MAX = 64,   /* manifests below one */
};

/* Plan what it takes to store `state`, and one reference to it. previous: the manifest of a state
 * it is likely to resemble (16 bytes), or none; a damaged one is as good as none. out_hash: what to
 * give the functions below; the same as `previous` if the state is. *out_cut false: it is smaller
 * than CKPT_STATE_MIN, nothing was planned, store it as it is. *out_new_bytes: of keys and values
 * of records that were planned. 0, ERR_OUT_OF_MEMORY or ERR_LIMIT_EXCEEDED (txn_put). */
MUST_USE int ckpt_state_plan(const struct ckpt_space *space, struct bytes state,
                             struct bytes previous, uint8_t out_hash[static CKPT_HASH_BYTES],
                             bool *out_cut, uint64_t *out_new_bytes);

/* Append the state, byte for byte. 0, ERR_OUT_OF_MEMORY, or ERR_DATA_DAMAGED: a manifest or piece
 * is missing or malformed (*out as before). */
MUST_USE int ckpt_state_read(const struct ckpt_space *space, struct bytes hash, struct buf *out);

/* Size of the state, which one look-up tells. 0 or ERR_DATA_DAMAGED. */
MUST_USE int ckpt_state_size(const struct ckpt_space *space, struct bytes hash, uint64_t *out_size);

/* Give one reference back; what nobody refers to any more is planned to be deleted, with what only
 * it referred to. Missing records are passed over. *out_freed_bytes: of keys and values of what
 * goes.
 * 0, ERR_OUT_OF_MEMORY or ERR_LIMIT_EXCEEDED. */
MUST_USE int ckpt_state_unref(const struct ckpt_space *space, struct bytes hash,
                              uint64_t *out_freed_bytes);

/* Is all there that the state is made of, and are all hashes right? 0, ERR_OUT_OF_MEMORY or
 * ERR_DATA_DAMAGED. */
MUST_USE int ckpt_state_verify(const struct ckpt_space *space, struct bytes hash);

/* ---- after recovery ---- */

/* The manifest that a record of kind ckpt or blob refers to (16 bytes, a view), or none. It is of
 * the disk: whatever its form. */
typedef struct bytes (*ckpt_manifest_of_fn)(const struct record *record);

struct ckpt_recounted {
    uint64_t manifests, pieces, bytes; /* records, and their keys and values */
    uint64_t missing;                  /* references to what is not there */
    uint64_t unused;                   /* records that nothing refers to */
};

/* Count all references anew. Before anybody uses the store, which is in order. */
void ckpt_state_recount(struct store *store, ckpt_manifest_of_fn manifest_of,
                        struct ckpt_recounted *out_counts);
