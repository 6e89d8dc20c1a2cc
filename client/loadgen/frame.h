/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A request prepared once. To send it, its bytes are copied and the holes are filled:
 *
 *   94 00 ce |id, 4 bytes| a6 kv.get 91 b0 key: |12 digits|
 *
 * A hole for the digits of a key has their room in the bytes. Others have none, as what fills them
 * may differ in length from request to request: values, numbers, keys of --key-file and those of
 * different lengths. Values that
 * are all the same are no holes, but part of the bytes.
 */
#pragma once

#include "client/loadgen/keys.h"
#include "client/loadgen/value.h"
#include "common/buf.h"

#include <endian.h>

enum {
    FRAME_DIGITS = 12,
    FRAME_ID_BYTES = 4,
    FRAME_KEYS_MAX = 16,       /* keys of one request */
    FRAME_VALUES_MAX = 16,     /* values of one request */
    FRAME_NUMBERS_MAX = 16,    /* numbers of one request */
    FRAME_VALUE_HEAD_MAX = 16, /* bytes that tell the length of a value or key */
    FRAME_NUMBER_MAX = 32,     /* bytes of a number, with what tells its length */
    FRAME_REPLIES_MAX = 4,     /* times that a request takes up the reply before */
    FRAME_VECTORS_MAX = 8,     /* words for vectors and what belongs to them */
    FRAME_HOLES_MAX = FRAME_KEYS_MAX + FRAME_VALUES_MAX + FRAME_NUMBERS_MAX + FRAME_REPLIES_MAX +
                      FRAME_VECTORS_MAX,
};

#define FRAME_NONE SIZE_MAX
#define FRAME_KEYS UINT64_C(1000000000000) /* keys that so many digits tell apart */

enum frame_hole_kind { FRAME_VALUE, FRAME_KEY, FRAME_NUMBER, FRAME_REPLY, FRAME_VECTOR };

/* A place without room. */
struct frame_hole {
    enum frame_hole_kind kind;
    size_t at;
    uint64_t low, high; /* of a number; low of a vector: which word (enum vector_word) */
};

/* How a protocol writes what fills holes: each returns its size. */
struct frame_style {
    size_t (*put_value_head)(uint8_t *to, size_t size); /* what goes before a value */
    size_t (*put_key_head)(uint8_t *to, size_t size);   /* the same for a key */
    size_t (*put_number)(uint8_t *to, uint64_t number);
};

struct frame {
    struct buf bytes;
    size_t id_at; /* where the id goes, big-endian; FRAME_NONE: the protocol has none */
    size_t key_at[FRAME_KEYS_MAX]; /* of a key that is a hole: that of the hole */
    struct frame_hole holes[FRAME_HOLES_MAX];
    unsigned keys, values, numbers, replies, vectors; /* but for keys: holes */
    unsigned n_holes;
    const struct frame_style *style;
    struct bytes field; /* of a map, which replies are taken from; size 0: none */
};

struct vector_plan; /* client/loadgen/vector_plan.h */

/* What fills the holes. */
struct frame_fill {
    uint32_t id;
    uint64_t keys[FRAME_KEYS_MAX];
    uint64_t write;                 /* number of the request */
    size_t sizes[FRAME_VALUES_MAX]; /* of the values; at most those of the source */
    const struct value_source *source;
    uint64_t numbers[FRAME_NUMBERS_MAX];
    const struct keys *list;      /* of --key-file; NULL: keys are digits, */
    const struct keys_span *span; /* or those and more */
    struct bytes reply;
    const struct vector_plan *vectors;
};

/* Nothing yet; the caller frees frame->bytes. */
void frame_init(struct frame *frame);

/* The most bytes a request can have, without replies and vectors. key_max: of the longest key
 * that is a hole. */
size_t frame_size_max(const struct frame *frame, size_t value_max, size_t key_max);

/* Write `key` (below FRAME_KEYS) as 12 decimal digits. */
static inline void frame_put_digits(uint8_t *at, uint64_t key)
{
    static const char pairs[] = "0001020304050607080910111213141516171819"
                                "2021222324252627282930313233343536373839"
                                "4041424344454647484950515253545556575859"
                                "6061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    for (int i = FRAME_DIGITS - 2; i >= 0; i -= 2) {
        memcpy(at + i, pairs + 2 * (key % 100), 2);
        key /= 100;
    }
}

/* As frame_emit, where there are holes without room. */
void frame_emit_holes(const struct frame *frame, const struct frame_fill *fill, struct buf *out);

/* Append a request to `out`, which has room for it. */
static inline void frame_emit(const struct frame *frame, const struct frame_fill *fill,
                              struct buf *out)
{
    if (frame->n_holes > 0) {
        frame_emit_holes(frame, fill, out);
        return;
    }
    uint8_t *to = out->data + out->size;
    memcpy(to, frame->bytes.data, frame->bytes.size);
    if (frame->id_at != FRAME_NONE) {
        uint32_t big_endian = htobe32(fill->id);
        memcpy(to + frame->id_at, &big_endian, sizeof big_endian);
    }
    for (unsigned i = 0; i < frame->keys; i++)
        frame_put_digits(to + frame->key_at[i], fill->keys[i]);
    out->size += frame->bytes.size;
}
