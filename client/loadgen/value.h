/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The values that are written: how long each is, what is in it, and whether one that was read is
 * one that was written.
 *
 *   plain     slice of a pool of random printable bytes; with --compress-ratio, of random bytes of
 *             which a share is all the same
 *   checked   "loadgen " key, 12 digits, ":" write, 12 digits, ":" slice of the pool that follows
 *             from key and write
 *
 * So the content of a checked value follows from its first VALUE_HEAD bytes and its length.
 */
#pragma once

#include "client/loadgen/sizes.h"
#include "common/bytes.h"
#include "common/check.h"

enum { VALUE_HEAD = 34 }; /* the least size of a checked value */

struct value_source {
    const uint8_t *pool;       /* max + VALUE_SLICES bytes */
    size_t min, max;           /* bytes of a value; equal if all are of one size */
    const struct sizes *sizes; /* how often each is; NULL: all as often */
    bool checked;
};

enum { VALUE_SLICES = 65536 };

/* Make the pool from this seed: the same for the same seed. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int value_init(struct value_source *source, size_t min, size_t max, bool checked,
                        uint64_t seed);

/* Fill the pool with other bytes, which a compressor makes `ratio` times as small (1 or more). */
void value_set_compressible(struct value_source *source, double ratio, uint64_t seed);
void value_deinit(struct value_source *source);

/* Do values differ between requests? If not, all are the first `max` bytes of the pool. */
static inline bool value_varies(const struct value_source *source)
{
    return source->checked || source->min != source->max;
}

/* The size of write number `write`, as `random` has it. */
size_t value_size(const struct value_source *source, uint64_t random);

/* Write the value of this key and write into to[0..size). */
void value_put(const struct value_source *source, uint8_t *to, size_t size, uint64_t key,
               uint64_t write);

/* The number of the write a checked value comes from. */
uint64_t value_write(struct bytes value);

/* Where a value that was read for this key differs from every one that can have been written;
 * SIZE_MAX: nowhere. The value may be anything. */
size_t value_wrong_at(const struct value_source *source, struct bytes value, uint64_t key);
