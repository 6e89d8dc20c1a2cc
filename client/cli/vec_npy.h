/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing vectors as an .npy file, and beside it, in FILE.keys, a line of JSON for each row with
 * its key and metadata: what vec_file.h reads.
 */
#pragma once

#include "client/common/vector_table.h"

struct vec_npy {
    const char *path;
    FILE *rows, *keys;
    struct elements elements;
    struct buf line, text;
    uint64_t count;
};

/* Make both files, or empty those that are there. 0, ERR_OUT_OF_MEMORY, or ERR_BAD_ARGUMENT told:
 * they cannot be opened. vec_npy_close in any case. */
MUST_USE int vec_npy_open(struct vec_npy *npy, const char *path, uint64_t dim, struct usage *usage);

/* One more: packed key, vector and metadata (none: BYTES_NONE). 0, ERR_OUT_OF_MEMORY, or
 * ERR_BAD_ARGUMENT told: it is no vector, or cannot be written. */
MUST_USE int vec_npy_add(struct vec_npy *npy, struct bytes key, struct bytes vector,
                         struct bytes metadata, struct usage *usage);

/* whole: all was added, so that the header may be written; without it nobody takes the file for
 * one. 0, or ERR_BAD_ARGUMENT told: not all could be written. */
MUST_USE int vec_npy_close(struct vec_npy *npy, bool whole, struct usage *usage);
