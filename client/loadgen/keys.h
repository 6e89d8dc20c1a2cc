/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The keys of --key-file: key number i is line i of the file. What has a number elsewhere (streams,
 * checked values) has it here as well; only what is sent differs.
 *
 * Or keys made of their numbers, of different lengths (--key-size 16:40): prefix, digits, and x up
 * to a length that follows from the number alone, so that whoever asks for a key, with whatever
 * seed, finds it.
 */
#pragma once

#include "common/buf.h"
#include "common/rng.h"

struct keys {
    struct buf text;
    size_t *ends; /* of each line in the text, behind its '\n' */
    uint64_t n;
    size_t longest;
};

enum { KEYS_DETAIL_SIZE = 240 };

/* Read a file. 0, or ERR_IO, ERR_BAD_ARGUMENT (no keys, a key that is empty or too long) or
 * ERR_OUT_OF_MEMORY with a sentence; keys_deinit is due either way. */
MUST_USE int keys_read(struct keys *keys, const char *path,
                       char out_detail[static KEYS_DETAIL_SIZE]);
void keys_deinit(struct keys *keys);

/* Key number i, below n. */
static inline struct bytes keys_at(const struct keys *keys, uint64_t i)
{
    size_t begin = i == 0 ? 0 : keys->ends[i - 1];
    return (struct bytes){keys->text.data + begin, keys->ends[i] - begin - 1};
}

struct keys_span {
    const char *prefix;
    size_t min, max; /* bytes of a key with its prefix; max 0: there is no such span */
};

/* How many bytes key number i has. */
static inline size_t keys_span_size(const struct keys_span *span, uint64_t i)
{
    return span->min + (size_t)(rng_mix(i) % (span->max - span->min + 1));
}
