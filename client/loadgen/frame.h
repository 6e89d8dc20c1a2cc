/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A request prepared once. To send it, its bytes are copied and the holes are filled:
 *
 *   94 00 ce |id, 4 bytes| a6 kv.get 91 b0 key: |12 digits|
 */
#pragma once

#include "common/buf.h"

#include <endian.h>

enum { FRAME_DIGITS = 12, FRAME_ID_BYTES = 4 };

#define FRAME_NONE SIZE_MAX
#define FRAME_KEYS UINT64_C(1000000000000) /* keys that so many digits tell apart */

struct frame {
    struct buf bytes;
    size_t id_at;  /* where the id goes, big-endian; FRAME_NONE: the protocol has none */
    size_t key_at; /* where the digits go; FRAME_NONE: no key */
};

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

/* Append a request with this id and key to `out`, which has room for it. */
static inline void frame_emit(const struct frame *frame, uint32_t id, uint64_t key, struct buf *out)
{
    uint8_t *to = out->data + out->size;
    memcpy(to, frame->bytes.data, frame->bytes.size);
    if (frame->id_at != FRAME_NONE) {
        uint32_t big_endian = htobe32(id);
        memcpy(to + frame->id_at, &big_endian, sizeof big_endian);
    }
    if (frame->key_at != FRAME_NONE)
        frame_put_digits(to + frame->key_at, key);
    out->size += frame->bytes.size;
}
