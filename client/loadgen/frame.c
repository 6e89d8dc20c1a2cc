/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Requests with holes that have no room: values, numbers, keys of --key-file or of different
 * lengths.
 *
 * How: the bytes between two holes are copied with the digits of keys filled in, then comes what
 * fills the hole.
 *
 * Invariants: holes are in ascending order; a value belongs to the key before it.
 * Threads: a frame is read only once made. Failures: none; the caller has made room.
 */
#include "client/loadgen/frame.h"

#include "client/loadgen/vector_words.h"

void frame_init(struct frame *frame)
{
    *frame = (struct frame){.id_at = FRAME_NONE};
    buf_init(&frame->bytes);
}

size_t frame_size_max(const struct frame *frame, size_t value_max, size_t key_max)
{
    return frame->bytes.size + frame->values * (FRAME_VALUE_HEAD_MAX + value_max) +
           frame->keys * (FRAME_VALUE_HEAD_MAX + key_max) + frame->numbers * FRAME_NUMBER_MAX +
           frame->replies * FRAME_VALUE_HEAD_MAX;
}

/* How far a request is filled in. */
struct frame_progress {
    size_t from; /* of the bytes */
    unsigned key, value, number;
};

/* Copy the bytes up to `to` with the digits of keys that lie in them. */
static void frame_emit_part(const struct frame *frame, const struct frame_fill *fill, size_t to,
                            struct frame_progress *p, struct buf *out)
{
    uint8_t *at = out->data + out->size;
    memcpy(at, frame->bytes.data + p->from, to - p->from);
    for (; p->key < frame->keys && frame->key_at[p->key] < to; p->key++)
        frame_put_digits(at + (frame->key_at[p->key] - p->from), fill->keys[p->key]);
    out->size += to - p->from;
    p->from = to;
}

static void frame_emit_value(const struct frame *frame, const struct frame_fill *fill,
                             const struct frame_progress *p, struct buf *out)
{
    size_t size = fill->sizes[p->value];
    out->size += frame->style->put_value_head(out->data + out->size, size);
    value_put(fill->source, out->data + out->size, size, p->key > 0 ? fill->keys[p->key - 1] : 0,
              fill->write);
    out->size += size;
}

/* Prefix, digits, and x up to its length. */
static void frame_emit_span(const struct frame *frame, const struct keys_span *span, uint64_t key,
                            struct buf *out)
{
    size_t size = keys_span_size(span, key), prefix = strlen(span->prefix);
    out->size += frame->style->put_key_head(out->data + out->size, size);
    uint8_t *to = out->data + out->size;
    memcpy(to, span->prefix, prefix);
    frame_put_digits(to + prefix, key);
    memset(to + prefix + FRAME_DIGITS, 'x', size - prefix - FRAME_DIGITS);
    out->size += size;
}

static void frame_emit_key(const struct frame *frame, const struct frame_fill *fill, uint64_t key,
                           struct buf *out)
{
    if (fill->list == NULL) {
        frame_emit_span(frame, fill->span, key, out);
        return;
    }
    struct bytes text = keys_at(fill->list, key);
    out->size += frame->style->put_key_head(out->data + out->size, text.size);
    memcpy(out->data + out->size, text.data, text.size);
    out->size += text.size;
}

static void frame_emit_reply(const struct frame *frame, struct bytes reply, struct buf *out)
{
    out->size += frame->style->put_value_head(out->data + out->size, reply.size);
    if (reply.size > 0)
        memcpy(out->data + out->size, reply.data, reply.size);
    out->size += reply.size;
}

static void frame_emit_hole(const struct frame *frame, const struct frame_fill *fill,
                            const struct frame_hole *hole, struct frame_progress *p,
                            struct buf *out)
{
    switch (hole->kind) {
    case FRAME_VALUE:
        frame_emit_value(frame, fill, p, out);
        p->value++;
        break;
    case FRAME_KEY:
        frame_emit_key(frame, fill, fill->keys[p->key++], out);
        break;
    case FRAME_REPLY:
        frame_emit_reply(frame, fill->reply, out);
        break;
    case FRAME_NUMBER:
        out->size += frame->style->put_number(out->data + out->size, fill->numbers[p->number++]);
        break;
    case FRAME_VECTOR:
        vector_word_put(fill->vectors, (enum vector_word)hole->low,
                        p->key > 0 ? fill->keys[p->key - 1] : 0, fill->write, out);
        break;
    }
}

void frame_emit_holes(const struct frame *frame, const struct frame_fill *fill, struct buf *out)
{
    struct frame_progress progress = {.from = 0};
    size_t begin = out->size;
    for (unsigned i = 0; i < frame->n_holes; i++) {
        frame_emit_part(frame, fill, frame->holes[i].at, &progress, out);
        frame_emit_hole(frame, fill, &frame->holes[i], &progress, out);
    }
    frame_emit_part(frame, fill, frame->bytes.size, &progress, out);
    if (frame->id_at != FRAME_NONE) {
        uint32_t big_endian = htobe32(fill->id);
        memcpy(out->data + begin + frame->id_at, &big_endian, sizeof big_endian);
    }
}
