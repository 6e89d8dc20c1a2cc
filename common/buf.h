/* SPDX-License-Identifier: BSD-3-Clause
 *
 * struct buf: an owned, growable byte buffer. Bytes are added at the end and may be taken off
 * either end. The struct that embeds it owns it; buf_deinit releases the memory.
 */
#pragma once

#include "common/bytes.h"
#include "common/check.h"

struct buf {
    uint8_t *data; /* NULL while nothing was ever reserved */
    size_t size;   /* bytes in use */
    size_t capacity;
};

/* An empty buffer that holds no memory. */
void buf_init(struct buf *buf);

/* Release the memory; the buffer is empty again. */
void buf_deinit(struct buf *buf);

/* Grow so that `extra` more bytes fit. Use buf_reserve. 0 or ERR_OUT_OF_MEMORY (unchanged). */
MUST_USE int buf_grow(struct buf *buf, size_t extra);

/* Make room for `extra` more bytes behind data + size. 0 or ERR_OUT_OF_MEMORY (unchanged). */
MUST_USE static inline int buf_reserve(struct buf *buf, size_t extra)
{
    return __builtin_expect(buf->capacity - buf->size >= extra, 1) ? 0 : buf_grow(buf, extra);
}

/* Add bytes at the end. 0 or ERR_OUT_OF_MEMORY (unchanged). */
MUST_USE int buf_append(struct buf *buf, const void *data, size_t size);

/* Take `size` bytes (at most all) off the front; the rest moves down. */
void buf_consume(struct buf *buf, size_t size);

/* View of all bytes; valid until the buffer changes. */
static inline struct bytes buf_bytes(const struct buf *buf)
{
    return (struct bytes){buf->data, buf->size};
}
