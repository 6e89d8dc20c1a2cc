/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The end of a MessagePack value, without a stack.
 *
 * How: one counter of elements still to come. An array adds its count, a map twice its count, every
 * element takes one away; at zero the value is complete. Unlike mp_scan this knows no depth: a
 * reply wraps a stored value in levels of its own, and may so be deeper than any request.
 *
 * Invariants: an element still missing needs a byte at least, so the counter is checked against the
 * limit of bytes and cannot overflow.
 *
 * Threads: pure functions. Failures: as the header says.
 */
#include "client/lib/frame.h"

#include "common/err.h"

int frame_scan(struct frame *frame, struct bytes data, size_t limit)
{
    struct mp_reader reader = {data.data + frame->position, data.data + data.size};
    struct mp mp;
    if (frame->position == 0)
        frame->missing = 1;
    while (frame->missing > 0) {
        int err = mp_read(&reader, &mp);
        if (err != 0)
            return err;
        frame->missing--;
        if (mp.kind == MP_ARRAY || mp.kind == MP_MAP)
            frame->missing += mp.kind == MP_MAP ? 2ull * mp.count : mp.count;
        frame->position = (size_t)(reader.at - data.data);
        if (frame->position > limit || frame->missing > limit - frame->position)
            return ERR_LIMIT_EXCEEDED;
    }
    return 0;
}

int frame_skip(struct mp_reader *reader)
{
    struct frame frame = {0};
    struct bytes rest = {reader->at, (size_t)(reader->end - reader->at)};
    if (rest.size == 0)
        return MP_MORE;
    int err = frame_scan(&frame, rest, rest.size);
    if (err == 0)
        reader->at += frame.position;
    return err == ERR_LIMIT_EXCEEDED ? MP_MORE : err;
}

bool frame_is_one(struct bytes data)
{
    struct mp_reader reader = mp_reader_of(data);
    return frame_skip(&reader) == 0 && mp_at_end(&reader);
}
