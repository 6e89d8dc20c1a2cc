/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files of checkpoints, as cairn ckpt export writes them.
 *
 *   {"format": "cairn-checkpoints", "version": 1}
 *   item ...                                         as ckpt.export gives them
 *   {"sha256": "...", "count": 2}                    over all bytes before; items
 *
 * One form is these values in MessagePack, one behind the other; the other is each in JSON, on a
 * line. A file that was cut or changed anywhere, or is none of these, is known as that.
 */
#pragma once

#include "client/cli/usage.h"
#include "common/buf.h"

#include <stdio.h>

struct ckpt_writer {
    FILE *out;
    bool json;
    void *digest;
    uint64_t count;
    struct buf line;
};

/* Begin a file; deinit in any case. 0 or a negative enum err, as all of these; whether `out` took
 * the bytes is seen by the caller. */
MUST_USE int ckpt_writer_begin(struct ckpt_writer *writer, FILE *out, bool json);
MUST_USE int ckpt_writer_add(struct ckpt_writer *writer, struct bytes packed);
MUST_USE int ckpt_writer_end(struct ckpt_writer *writer);
void ckpt_writer_deinit(struct ckpt_writer *writer);

/* A file that was read and verified. */
struct ckpt_file {
    struct bytes items; /* packed, one behind the other; of the file, or of `buf` */
    uint64_t count;
    size_t largest; /* bytes of the largest item, */
    uint64_t which; /* and which it is, from 1 */
    struct buf buf;
};

/* Verify all of it. 0 (then ckpt_file_deinit), ERR_OUT_OF_MEMORY, or ERR_BAD_ARGUMENT with what is
 * wrong, and where, in *usage. */
MUST_USE int ckpt_file_read(struct bytes bytes, struct ckpt_file *out, struct usage *usage);
void ckpt_file_deinit(struct ckpt_file *file);

/* The session that an item names, and whether it is one of a checkpoint. False: it is no item. */
bool ckpt_file_item(struct bytes packed, struct bytes *out_session, bool *out_checkpoint);
