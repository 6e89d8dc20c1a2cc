/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Growable byte buffer.
 *
 * Growth doubles from 256 bytes, so that n appends cost O(n) copies in all; sizes are checked for
 * overflow before memory is asked for.
 *
 * Threads: one owner at a time.
 * Failures: a failed growth leaves the buffer as it was.
 */
#include "common/buf.h"

#include "common/err.h"
#include "common/mem.h"

enum { BUF_CAPACITY_MIN = 256 };

void buf_init(struct buf *buf)
{
    *buf = (struct buf){0};
}

void buf_deinit(struct buf *buf)
{
    mem_free(buf->data);
    *buf = (struct buf){0};
}

int buf_grow(struct buf *buf, size_t extra)
{
    size_t need;
    if (__builtin_add_overflow(buf->size, extra, &need) || need > SIZE_MAX / 4)
        return ERR_OUT_OF_MEMORY;
    size_t capacity = buf->capacity > BUF_CAPACITY_MIN ? buf->capacity : BUF_CAPACITY_MIN;
    while (capacity < need)
        capacity *= 2;
    uint8_t *data = mem_realloc(buf->data, capacity);
    if (data == NULL)
        return ERR_OUT_OF_MEMORY;
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

int buf_append(struct buf *buf, const void *data, size_t size)
{
    int err = buf_reserve(buf, size);
    if (err != 0)
        return err;
    if (size > 0)
        memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    return 0;
}

void buf_consume(struct buf *buf, size_t size)
{
    REQUIRE(size <= buf->size);
    buf->size -= size;
    if (buf->size > 0 && size > 0)
        memmove(buf->data, buf->data + size, buf->size);
}
