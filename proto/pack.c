/* SPDX-License-Identifier: BSD-3-Clause
 *
 * msgpack-c's packer over struct buf.
 *
 * A packer lives on the stack of each function with a constant callback, so that the compiler sees
 * through it: the library's inline functions become direct appends, and nothing is allocated.
 *
 * Threads: as the buffer.
 * Failures: ERR_OUT_OF_MEMORY; a half-written element may then stand at the end of the buffer.
 */
#include "proto/pack.h"

#include <msgpack.h>

static int pack_write(void *data, const char *bytes, size_t size)
{
    return buf_append(data, bytes, size);
}

static msgpack_packer packer_of(struct buf *out)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, pack_write);
    return packer;
}

int pack_nil(struct buf *out)
{
    msgpack_packer packer = packer_of(out);
    return msgpack_pack_nil(&packer);
}

int pack_bool(struct buf *out, bool value)
{
    msgpack_packer packer = packer_of(out);
    return value ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer);
}

int pack_uint(struct buf *out, uint64_t value)
{
    msgpack_packer packer = packer_of(out);
    return msgpack_pack_uint64(&packer, value);
}

int pack_int(struct buf *out, int64_t value)
{
    msgpack_packer packer = packer_of(out);
    return msgpack_pack_int64(&packer, value);
}

int pack_real(struct buf *out, double value)
{
    msgpack_packer packer = packer_of(out);
    return msgpack_pack_double(&packer, value);
}

int pack_str(struct buf *out, struct bytes text)
{
    msgpack_packer packer = packer_of(out);
    int err = msgpack_pack_str(&packer, text.size);
    return err != 0 ? err : buf_append(out, text.data, text.size);
}

int pack_bin(struct buf *out, struct bytes bytes)
{
    msgpack_packer packer = packer_of(out);
    int err = msgpack_pack_bin(&packer, bytes.size);
    return err != 0 ? err : buf_append(out, bytes.data, bytes.size);
}

int pack_array(struct buf *out, size_t count)
{
    msgpack_packer packer = packer_of(out);
    return msgpack_pack_array(&packer, count);
}

int pack_map(struct buf *out, size_t pairs)
{
    msgpack_packer packer = packer_of(out);
    return msgpack_pack_map(&packer, pairs);
}

/* Put the header that was written behind `end` in front of what stands from `start` to there. */
static int pack_to_front(struct buf *out, size_t start, size_t end)
{
    uint8_t header[8];
    size_t size = out->size - end;
    REQUIRE(size <= sizeof header);
    memcpy(header, out->data + end, size);
    memmove(out->data + start + size, out->data + start, end - start);
    memcpy(out->data + start, header, size);
    return 0;
}

int pack_wrap_str(struct buf *out, size_t start)
{
    msgpack_packer packer = packer_of(out);
    size_t end = out->size;
    int err = msgpack_pack_str(&packer, end - start);
    return err != 0 ? err : pack_to_front(out, start, end);
}

int pack_wrap_array(struct buf *out, size_t start, size_t count)
{
    size_t end = out->size;
    int err = pack_array(out, count);
    return err != 0 ? err : pack_to_front(out, start, end);
}

int pack_wrap_map(struct buf *out, size_t start, size_t pairs)
{
    size_t end = out->size;
    int err = pack_map(out, pairs);
    return err != 0 ? err : pack_to_front(out, start, end);
}
