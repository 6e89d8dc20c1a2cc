/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing files of checkpoints (ckpt_file.h), each blob once.
 */
#pragma once

#include "common/buf.h"

#include <stdio.h>

struct ckpt_place;

struct ckpt_writer {
    FILE *out;
    bool json;
    void *digest;
    uint64_t count;
    struct ckpt_place *places; /* where blobs stand whole; NULL: there were none */
    struct buf line, item;
};

/* Begin a file; deinit in any case. 0 or a negative enum err, as all of these; whether `out` took
 * the bytes is seen by the caller. */
MUST_USE int ckpt_writer_begin(struct ckpt_writer *writer, FILE *out, bool json);
/* An item as ckpt.export gives it. */
MUST_USE int ckpt_writer_add(struct ckpt_writer *writer, struct bytes packed);
MUST_USE int ckpt_writer_end(struct ckpt_writer *writer);
void ckpt_writer_deinit(struct ckpt_writer *writer);
