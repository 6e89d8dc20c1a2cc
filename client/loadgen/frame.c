/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Requests whose values differ.
 *
 * How: the bytes between two values are copied with their keys filled in, then comes the value.
 *
 * Invariants: holes of a kind are in ascending order; a value belongs to the key before it.
 * Threads: a frame is read only once made. Failures: none; the caller has made room.
 */
#include "client/loadgen/frame.h"

void frame_init(struct frame *frame)
{
    *frame = (struct frame){.id_at = FRAME_NONE};
    buf_init(&frame->bytes);
}

size_t frame_size_max(const struct frame *frame, size_t value_max)
{
    return frame->bytes.size + frame->values * (FRAME_VALUE_HEAD_MAX + value_max);
}

/* Copy bytes[from..to) with the keys from *key on that lie in them. */
static void frame_emit_part(const struct frame *frame, const struct frame_fill *fill, size_t from,
                            size_t to, unsigned *key, struct buf *out)
{
    uint8_t *at = out->data + out->size;
    memcpy(at, frame->bytes.data + from, to - from);
    for (; *key < frame->keys && frame->key_at[*key] < to; (*key)++)
        frame_put_digits(at + (frame->key_at[*key] - from), fill->keys[*key]);
    out->size += to - from;
}

void frame_emit_values(const struct frame *frame, const struct frame_fill *fill, struct buf *out)
{
    size_t from = 0, begin = out->size;
    unsigned key = 0;
    for (unsigned i = 0; i < frame->values; i++) {
        frame_emit_part(frame, fill, from, frame->value_at[i], &key, out);
        out->size += frame->put_value_head(out->data + out->size, fill->sizes[i]);
        value_put(fill->source, out->data + out->size, fill->sizes[i],
                  key > 0 ? fill->keys[key - 1] : 0, fill->write);
        out->size += fill->sizes[i];
        from = frame->value_at[i];
    }
    frame_emit_part(frame, fill, from, frame->bytes.size, &key, out);
    if (frame->id_at != FRAME_NONE) {
        uint32_t big_endian = htobe32(fill->id);
        memcpy(out->data + begin + frame->id_at, &big_endian, sizeof big_endian);
    }
}
