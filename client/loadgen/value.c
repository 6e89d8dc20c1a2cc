/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values and their verification.
 *
 * How: one pool of printable bytes serves all values; a slice of it that begins somewhere else for
 * each write tells them apart. What a checked value must be is worked out from what its head says,
 * so nothing needs to be remembered.
 *
 * Invariants: a slice never ends behind the pool. Threads: read only once made.
 * Failures: ERR_OUT_OF_MEMORY.
 */
#include "client/loadgen/value.h"

#include "client/loadgen/frame.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/rng.h"

static const char value_magic[] = "loadgen ";

enum {
    VALUE_KEY_AT = 8,
    VALUE_WRITE_AT = VALUE_KEY_AT + FRAME_DIGITS + 1,
    VALUE_BLOCK = 256, /* bytes that begin with random ones and end with those all the same */
};

_Static_assert(VALUE_WRITE_AT + FRAME_DIGITS + 1 == VALUE_HEAD, "the head is as drawn");

int value_init(struct value_source *source, size_t min, size_t max, bool checked, uint64_t seed)
{
    uint8_t *pool = mem_alloc(max + VALUE_SLICES);
    struct rng rng = {seed};
    uint64_t random = 0;
    if (pool == NULL)
        return ERR_OUT_OF_MEMORY;
    for (size_t i = 0; i < max + VALUE_SLICES; i++) {
        random = i % 8 == 0 ? rng_next(&rng) : random >> 8;
        pool[i] = (uint8_t)('0' + (random & 63)); /* as redis-benchmark has them */
    }
    *source = (struct value_source){.pool = pool, .min = min, .max = max, .checked = checked};
    return 0;
}

void value_set_compressible(struct value_source *source, double ratio, uint64_t seed)
{
    uint8_t *pool = (uint8_t *)(uintptr_t)source->pool; /* it is ours */
    struct rng rng = {seed};
    for (size_t i = 0; i < source->max + VALUE_SLICES; i++) {
        bool random = (double)(i % VALUE_BLOCK) < VALUE_BLOCK / ratio;
        pool[i] = random ? (uint8_t)rng_next(&rng) : 0;
    }
}

void value_deinit(struct value_source *source)
{
    mem_free((void *)(uintptr_t)source->pool);
    source->pool = NULL;
}

size_t value_size(const struct value_source *source, uint64_t random)
{
    if (source->sizes != NULL) {
        size_t size = sizes_draw(source->sizes, random);
        return size < source->min ? source->min : size; /* there must be room for the head */
    }
    return source->min + (size_t)wide_mul_shift(random, source->max - source->min + 1, 64);
}

static const uint8_t *value_slice(const struct value_source *source, uint64_t key, uint64_t write)
{
    return source->pool + rng_mix(key * 0x9e3779b97f4a7c15u + write) % VALUE_SLICES;
}

static void value_put_head(uint8_t *to, uint64_t key, uint64_t write)
{
    memcpy(to, value_magic, VALUE_KEY_AT);
    frame_put_digits(to + VALUE_KEY_AT, key);
    to[VALUE_WRITE_AT - 1] = ':';
    frame_put_digits(to + VALUE_WRITE_AT, write);
    to[VALUE_HEAD - 1] = ':';
}

void value_put(const struct value_source *source, uint8_t *to, size_t size, uint64_t key,
               uint64_t write)
{
    const uint8_t *slice = value_slice(source, key, write % FRAME_KEYS);
    if (!source->checked) {
        memcpy(to, slice, size);
        return;
    }
    REQUIRE(size >= VALUE_HEAD);
    value_put_head(to, key, write % FRAME_KEYS);
    memcpy(to + VALUE_HEAD, slice, size - VALUE_HEAD);
}

static size_t value_differs_at(const uint8_t *a, const uint8_t *b, size_t size)
{
    size_t at = 0;
    while (at < size && a[at] == b[at])
        at++;
    return at;
}

/* The number of a write, from its digits; one of no sense is another than was written. */
static uint64_t value_read_write(const uint8_t *digits)
{
    uint64_t write = 0;
    for (unsigned i = 0; i < FRAME_DIGITS; i++)
        write = write * 10 + (uint8_t)(digits[i] - '0') % 10;
    return write;
}

uint64_t value_write(struct bytes value)
{
    return value.size < VALUE_HEAD ? 0 : value_read_write(value.data + VALUE_WRITE_AT);
}

size_t value_wrong_at(const struct value_source *source, struct bytes value, uint64_t key)
{
    uint8_t head[VALUE_HEAD];
    if (value.size < VALUE_HEAD || value.size > source->max)
        return value.size < VALUE_HEAD ? value.size : source->max;
    uint64_t write = value_read_write(value.data + VALUE_WRITE_AT);
    value_put_head(head, key, write);
    size_t at = value_differs_at(value.data, head, VALUE_HEAD);
    if (at < VALUE_HEAD)
        return at;
    const uint8_t *slice = value_slice(source, key, write);
    size_t body = value.size - VALUE_HEAD;
    if (memcmp(value.data + VALUE_HEAD, slice, body) == 0)
        return value.size < source->min ? value.size : SIZE_MAX;
    return VALUE_HEAD + value_differs_at(value.data + VALUE_HEAD, slice, body);
}
