/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files of checkpoints: ckpt_writer.h writes them, this reads them.
 *
 *   {"format": "cairn-checkpoints", "version": 2}
 *   item ...                                         as ckpt.export gives them
 *   {"sha256": "...", "count": 2}                    over all bytes before; items
 *
 * One form is these values in MessagePack, one behind the other; the other is each in JSON, on a
 * line. Where a row of the blobs of an item would have bytes that stand in an earlier item, it has
 * [item, row], their place: items count from 1, rows of its blobs from 0. Version 1 has no such
 * references. A file that was cut or changed anywhere, or is none of these, is known as that.
 *
 *   verify --> get, get ...
 *
 * An item that is got is compared with what was verified, so a file that changes meanwhile gives
 * nothing that was not. Memory is that of an item, of CKPT_FILE_KEPT for blobs, and 16 bytes for
 * each item of the file.
 */
#pragma once

#include "client/cli/input_file.h"
#include "common/buf.h"

enum {
    CKPT_FILE_HASH = 32,
    CKPT_FILE_HEX = 2 * CKPT_FILE_HASH,
    CKPT_FILE_SLOTS = 256,
    CKPT_FILE_KEPT = 64 * 1024 * 1024
};

struct ckpt_file {
    uint64_t count; /* items */
    size_t largest; /* bytes of the largest item, without references */
    uint64_t which; /* and which it is, from 1 */
    /* for ckpt_file.c */
    const struct input_file *input;
    struct usage *usage;
    bool json;
    unsigned version;
    struct buf places; /* of the items, in order; a struct file_place each */
    uint64_t end;      /* of the last one */
    struct buf raw, packed, item, line;
    struct file_kept *kept; /* CKPT_FILE_SLOTS blobs that references were to */
    uint64_t kept_bytes;
};

/* Verify all of it; deinit in any case. told: on a terminal, how far it is. 0, ERR_OUT_OF_MEMORY,
 * or ERR_BAD_ARGUMENT with what is wrong, and where, in *usage, which stays borrowed. */
MUST_USE int ckpt_file_verify(struct ckpt_file *file, const struct input_file *input,
                              void (*told)(uint64_t items), struct usage *usage);

/* Item i, from 1, packed and without references: good until the next call. The same failures; a
 * file that is not any more what was verified is one. */
MUST_USE int ckpt_file_get(struct ckpt_file *file, uint64_t i, struct bytes *out_packed);

void ckpt_file_deinit(struct ckpt_file *file);

/* What a file begins with. */
struct bytes ckpt_file_head(bool json);

/* SHA-256: an EVP_MD_CTX, or NULL; and its end, in hexadecimal. */
void *ckpt_file_digest(void);
MUST_USE int ckpt_file_digest_end(void *digest, char out_hex[static CKPT_FILE_HEX + 1]);
