/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading MessagePack: a cursor over bytes that never allocates. This is the only decoder in the
 * tree (writing is msgpack-c's packer, proto/pack.h); it is fuzzed against msgpack-c for what is
 * valid. https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 * Lengths and counts come from the network: nothing is reserved for them, and a body is only handed
 * out when all of it is there. Over-long encodings of integers and lengths are accepted.
 */
#pragma once

#include "common/bytes.h"
#include "common/check.h"
#include "common/num.h"

enum mp_kind {
    MP_NIL,
    MP_BOOL,
    MP_UINT,
    MP_SINT,
    MP_FLOAT,
    MP_STR,
    MP_BIN,
    MP_EXT,
    MP_ARRAY,
    MP_MAP
};

/* One element: a scalar with its value, or the header of an array or map. */
struct mp {
    enum mp_kind kind;
    uint32_t count; /* MP_ARRAY: elements; MP_MAP: pairs */
    union {
        bool boolean;
        uint64_t uint;      /* MP_UINT: 0..2^64-1 */
        int64_t sint;       /* MP_SINT: always negative */
        double real;        /* MP_FLOAT */
        struct bytes bytes; /* MP_STR, MP_BIN: the body; MP_EXT: type byte and body */
    };
};

/* What is left to read. */
struct mp_reader {
    const uint8_t *at, *end;
};

enum { MP_DEPTH_MAX = 32, MP_MORE = 1 };

static inline struct mp_reader mp_reader_of(struct bytes bytes)
{
    return (struct mp_reader){bytes.data, bytes.size > 0 ? bytes.data + bytes.size : bytes.data};
}

static inline bool mp_at_end(const struct mp_reader *reader)
{
    return reader->at == reader->end;
}

/* Read one element (of an array or map: its header) and step over it. 0, MP_MORE if the bytes end
 * too early, or ERR_BAD_REQUEST for the reserved byte 0xc1; the reader moves only on 0. */
MUST_USE int mp_read(struct mp_reader *reader, struct mp *out);

/* As mp_read, but an error unless the element is a str or bin; out: its body. Use mp_read_bytes,
 * which has a short way for short strs. */
MUST_USE int mp_read_any_bytes(struct mp_reader *reader, struct bytes *out, bool *out_text);

MUST_USE static inline int mp_read_bytes(struct mp_reader *reader, struct bytes *out,
                                         bool *out_text)
{
    size_t left = (size_t)(reader->end - reader->at);
    size_t size = left > 0 ? (size_t)*reader->at - 0xa0 : SIZE_MAX;
    if (size >= 0x20 || size >= left)
        return mp_read_any_bytes(reader, out, out_text);
    *out = (struct bytes){reader->at + 1, size};
    *out_text = true;
    reader->at += 1 + size;
    return 0;
}

/* State of a structural check that may be continued when more bytes have come. All zero is the
 * start. Work is proportional to the bytes, however they are cut. */
struct mp_scan {
    uint64_t
        left[MP_DEPTH_MAX + 1]; /* elements missing at each open level; the first is the value */
    size_t position;            /* bytes checked so far */
    unsigned depth;             /* open levels */
    bool begun;
};

/* Go on checking one value that begins at data[0] and nests at most `depth` (<= MP_DEPTH_MAX)
 * arrays and maps. 0: it is complete, scan->position is its size. MP_MORE: incomplete; *out_need is
 * a lower bound of the bytes it will have. ERR_BAD_REQUEST or ERR_LIMIT_EXCEEDED: it never will be.
 * */
MUST_USE int mp_scan(struct mp_scan *scan, const uint8_t *data, size_t size, unsigned depth,
                     size_t *out_need);

/* Step over one whole value, checking it as mp_scan does. 0, MP_MORE, ERR_BAD_REQUEST or
 * ERR_LIMIT_EXCEEDED; the reader moves only on 0. Use mp_skip, which has a short way for the most
 * frequent values. */
MUST_USE int mp_skip_any(struct mp_reader *reader, unsigned depth);

MUST_USE static inline int mp_skip(struct mp_reader *reader, unsigned depth)
{
    const uint8_t *p = reader->at;
    size_t left = (size_t)(reader->end - p), size = 0;
    if (left >= 2 && (p[0] == 0xc4 || p[0] == 0xd9)) /* bin 8, str 8 */
        size = 2 + (size_t)p[1];
    else if (left >= 1 && p[0] >= 0xa0 && p[0] < 0xc0) /* fixstr */
        size = 1 + (size_t)(p[0] & 0x1f);
    if (size == 0 || size > left)
        return mp_skip_any(reader, depth);
    reader->at += size;
    return 0;
}

/* Whether two complete values are equal: str and bin by their bytes, numbers by value whatever
 * their encoding (an integer equals no float), arrays and maps element by element in order. */
bool mp_equal(struct bytes a, struct bytes b);

/* Is this valid UTF-8? */
bool mp_utf8_valid(struct bytes bytes);

/* A number (MP_UINT, MP_SINT, MP_FLOAT) as decimal text; false for any other element. */
bool mp_number_text(const struct mp *mp, char out_text[static NUM_REAL_SIZE]);
