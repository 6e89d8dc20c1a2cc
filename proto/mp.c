/* SPDX-License-Identifier: BSD-3-Clause
 *
 * MessagePack cursor: one element at a time, and a structural check of whole values.
 *
 * The check (mp_scan) is iterative with an explicit stack of "elements missing" counters, so that
 * hostile nesting costs neither recursion nor memory:
 *
 *   [0, 7, "m", [k, v]]     left[0] = 1 -> 4 -> ... on '[': push count; on scalar: top--;
 *                           while top == 0: pop
 *
 * Invariants
 *   1. No function reads at or behind reader->end, or hands out a body that is not all there.
 *   2. scan->position only moves over elements that are complete, so cutting the input anywhere
 *      gives the same result as one piece.
 *
 * Threads: pure functions on the caller's memory.
 * Failures: MP_MORE for "not yet", an error for "never"; nothing is reserved for announced sizes.
 */
#include "proto/mp.h"

#include "common/err.h"

#include <inttypes.h>
#include <stdio.h>

static uint64_t mp_big_endian(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

/* How each first byte >= 0xc0 is read: the kind, and the bytes of number, length or count behind
 * it. MP_FIXEXT: the body has `bytes` bytes besides its type. */
enum mp_form {
    FORM_NIL,
    FORM_BAD,
    FORM_BOOL,
    FORM_UINT,
    FORM_SINT,
    FORM_REAL,
    FORM_STR,
    FORM_BIN,
    FORM_EXT,
    FORM_FIXEXT,
    FORM_ARRAY,
    FORM_MAP
};

struct mp_form_row {
    uint8_t form;
    uint8_t bytes;
};

/* clang-format off */
static const struct mp_form_row mp_forms[32] = {
    {FORM_NIL, 0},     {FORM_BAD, 0},     {FORM_BOOL, 0},    {FORM_BOOL, 0},    /* c0 */
    {FORM_BIN, 1},     {FORM_BIN, 2},     {FORM_BIN, 4},     {FORM_EXT, 1},     /* c4 */
    {FORM_EXT, 2},     {FORM_EXT, 4},     {FORM_REAL, 4},    {FORM_REAL, 8},    /* c8 */
    {FORM_UINT, 1},    {FORM_UINT, 2},    {FORM_UINT, 4},    {FORM_UINT, 8},    /* cc */
    {FORM_SINT, 1},    {FORM_SINT, 2},    {FORM_SINT, 4},    {FORM_SINT, 8},    /* d0 */
    {FORM_FIXEXT, 1},  {FORM_FIXEXT, 2},  {FORM_FIXEXT, 4},  {FORM_FIXEXT, 8},  /* d4 */
    {FORM_FIXEXT, 16}, {FORM_STR, 1},     {FORM_STR, 2},     {FORM_STR, 4},     /* d8 */
    {FORM_ARRAY, 2},   {FORM_ARRAY, 4},   {FORM_MAP, 2},     {FORM_MAP, 4},     /* dc */
};
/* clang-format on */

static double mp_real(uint64_t bits, unsigned bytes)
{
    if (bytes == 4) {
        float f;
        uint32_t bits_32 = (uint32_t)bits;
        memcpy(&f, &bits_32, sizeof f);
        return (double)f;
    }
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static void mp_set_signed(struct mp *out, uint64_t bits, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;
    int64_t value = (int64_t)(bits << shift) >> shift;
    out->kind = value < 0 ? MP_SINT : MP_UINT;
    out->sint = value;
}

/* A body of `size` bytes at `p`: hand it out if it is all there. */
static int mp_body(struct mp_reader *reader, const uint8_t *p, uint64_t size, enum mp_kind kind,
                   struct mp *out)
{
    if ((uint64_t)(reader->end - p) < size)
        return MP_MORE;
    out->kind = kind;
    out->bytes = (struct bytes){p, (size_t)size};
    reader->at = p + size;
    return 0;
}

/* Elements whose first byte is 0xc0..0xdf. */
static int mp_read_long(struct mp_reader *reader, struct mp *out)
{
    const uint8_t *p = reader->at;
    uint8_t first = *p++;
    struct mp_form_row row = mp_forms[first - 0xc0];
    uint64_t number = 0;

    if (row.form == FORM_FIXEXT)
        return mp_body(reader, p, 1u + row.bytes, MP_EXT, out);
    if (reader->end - p < row.bytes)
        return MP_MORE;
    number = mp_big_endian(p, row.bytes);
    p += row.bytes;
    switch ((enum mp_form)row.form) {
    case FORM_STR:
        return mp_body(reader, p, number, MP_STR, out);
    case FORM_BIN:
        return mp_body(reader, p, number, MP_BIN, out);
    case FORM_EXT:
        return mp_body(reader, p, number + 1, MP_EXT, out);
    case FORM_NIL:
        out->kind = MP_NIL;
        break;
    case FORM_BOOL:
        out->kind = MP_BOOL;
        out->boolean = first == 0xc3;
        break;
    case FORM_UINT:
        out->kind = MP_UINT;
        out->uint = number;
        break;
    case FORM_SINT:
        mp_set_signed(out, number, row.bytes);
        break;
    case FORM_REAL:
        out->kind = MP_FLOAT;
        out->real = mp_real(number, row.bytes);
        break;
    case FORM_ARRAY:
    case FORM_MAP:
        out->kind = row.form == FORM_ARRAY ? MP_ARRAY : MP_MAP;
        out->count = (uint32_t)number;
        break;
    case FORM_BAD:
    case FORM_FIXEXT:
        return ERR_BAD_REQUEST;
    }
    reader->at = p;
    return 0;
}

int mp_read(struct mp_reader *reader, struct mp *out)
{
    if (reader->at >= reader->end)
        return MP_MORE;
    uint8_t first = *reader->at;
    if (first >= 0xc0 && first < 0xe0)
        return mp_read_long(reader, out);
    if (first >= 0xa0 && first < 0xc0)
        return mp_body(reader, reader->at + 1, first & 0x1f, MP_STR, out);
    if (first < 0x80) {
        out->kind = MP_UINT;
        out->uint = first;
    } else if (first >= 0xe0) {
        out->kind = MP_SINT;
        out->sint = (int8_t)first;
    } else {
        out->kind = first < 0x90 ? MP_MAP : MP_ARRAY;
        out->count = first & 0x0f;
    }
    reader->at++;
    return 0;
}

int mp_read_any_bytes(struct mp_reader *reader, struct bytes *out, bool *out_text)
{
    struct mp_reader saved = *reader;
    struct mp mp = {.kind = MP_NIL};
    int err = mp_read(reader, &mp);
    if (err == 0 && mp.kind != MP_STR && mp.kind != MP_BIN) {
        *reader = saved;
        return ERR_BAD_REQUEST;
    }
    if (err == 0) {
        *out = mp.bytes;
        *out_text = mp.kind == MP_STR;
    }
    return err;
}

/* Count one element as done, open the level it may begin, close the levels it completes. */
static int mp_scan_step(struct mp_scan *scan, const struct mp *mp, unsigned depth)
{
    scan->left[scan->depth - 1]--;
    if (mp->kind == MP_ARRAY || mp->kind == MP_MAP) {
        if (scan->depth > depth)
            return ERR_LIMIT_EXCEEDED;
        scan->left[scan->depth++] = mp->kind == MP_MAP ? 2ull * mp->count : mp->count;
    }
    while (scan->depth > 0 && scan->left[scan->depth - 1] == 0)
        scan->depth--;
    return 0;
}

/* Bytes that the value will at least have: what was seen, and one for each element still missing.
 * */
static size_t mp_scan_need(const struct mp_scan *scan, const uint8_t *data, size_t size)
{
    struct mp_reader rest = {data + scan->position, data + size};
    size_t need = scan->position;
    for (unsigned i = 0; i < scan->depth; i++)
        need += scan->left[i];
    /* A str, bin or ext that has begun: its announced length. */
    if (rest.end - rest.at >= 5) {
        uint8_t first = *rest.at;
        if (first == 0xc6 || first == 0xdb || first == 0xc9)
            need += (size_t)mp_big_endian(rest.at + 1, 4) + 4;
    }
    return need > size ? need : size + 1;
}

int mp_scan(struct mp_scan *scan, const uint8_t *data, size_t size, unsigned depth,
            size_t *out_need)
{
    REQUIRE(depth <= MP_DEPTH_MAX);
    struct mp_reader reader = {data + scan->position, data + size};
    struct mp mp = {.kind = MP_NIL};
    if (!scan->begun) {
        scan->begun = true;
        scan->left[0] = 1;
        scan->depth = 1;
    }
    while (scan->depth > 0) {
        int err = mp_read(&reader, &mp);
        if (err == MP_MORE)
            *out_need = mp_scan_need(scan, data, size);
        if (err == 0)
            err = mp_scan_step(scan, &mp, depth);
        if (err != 0)
            return err;
        scan->position = (size_t)(reader.at - data);
    }
    return 0;
}

int mp_skip_any(struct mp_reader *reader, unsigned depth)
{
    struct mp_scan scan;
    size_t need;
    if (reader->at >= reader->end)
        return MP_MORE;
    uint8_t first = *reader->at;
    bool container = (first >= 0x80 && first < 0xa0) || (first >= 0xdc && first < 0xe0);
    if (!container) { /* most values: no stack needed */
        struct mp mp;
        return mp_read(reader, &mp);
    }
    scan.begun = false;
    scan.position = 0;
    int err = mp_scan(&scan, reader->at, (size_t)(reader->end - reader->at), depth, &need);
    if (err == 0)
        reader->at += scan.position;
    return err;
}

static bool mp_is_bytes(enum mp_kind kind)
{
    return kind == MP_STR || kind == MP_BIN;
}

static bool mp_scalar_equal(const struct mp *a, const struct mp *b)
{
    if (mp_is_bytes(a->kind) && mp_is_bytes(b->kind))
        return bytes_equal(a->bytes, b->bytes);
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case MP_NIL:
        return true;
    case MP_BOOL:
        return a->boolean == b->boolean;
    case MP_UINT:
        return a->uint == b->uint;
    case MP_SINT:
        return a->sint == b->sint;
    case MP_FLOAT:
        return a->real == b->real || memcmp(&a->real, &b->real, sizeof a->real) == 0; /* NaN */
    case MP_STR:
    case MP_BIN:
    case MP_EXT:
        return bytes_equal(a->bytes, b->bytes);
    case MP_ARRAY:
    case MP_MAP:
        return a->count == b->count;
    }
    return false;
}

bool mp_equal(struct bytes a, struct bytes b)
{
    struct mp_reader reader_a = mp_reader_of(a), reader_b = mp_reader_of(b);
    struct mp x, y;
    /* Equal sequences of elements with equal counts are equal trees: no stack is needed. */
    while (!mp_at_end(&reader_a) && !mp_at_end(&reader_b)) {
        if (mp_read(&reader_a, &x) != 0 || mp_read(&reader_b, &y) != 0 || !mp_scalar_equal(&x, &y))
            return false;
    }
    return mp_at_end(&reader_a) && mp_at_end(&reader_b);
}

/* Length of the well-formed sequence at p (Unicode 15, table 3-7), or 0. */
static unsigned mp_utf8_sequence(const uint8_t *p, size_t left)
{
    uint8_t a = p[0];
    if (a < 0x80)
        return 1;
    if (left < 2 || a < 0xc2 || a > 0xf4)
        return 0;
    uint8_t low = a == 0xe0 ? 0xa0 : a == 0xf0 ? 0x90 : 0x80;
    uint8_t high = a == 0xed ? 0x9f : a == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    unsigned size = a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;
    for (unsigned i = 2; i < size; i++)
        if (i >= left || (p[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

bool mp_utf8_valid(struct bytes bytes)
{
    const uint8_t *p = bytes.data;
    size_t left = bytes.size;
    while (left > 0) {
        uint64_t eight;
        if (left >= 8 && (memcpy(&eight, p, 8), (eight & 0x8080808080808080u) == 0)) {
            p += 8;
            left -= 8;
            continue;
        }
        unsigned n = mp_utf8_sequence(p, left);
        if (n == 0)
            return false;
        p += n;
        left -= n;
    }
    return true;
}

bool mp_number_text(const struct mp *mp, char out_text[static NUM_REAL_SIZE])
{
    if (mp->kind == MP_FLOAT)
        num_format_real(mp->real, out_text);
    else if (mp->kind == MP_UINT)
        (void)snprintf(out_text, NUM_REAL_SIZE, "%" PRIu64, mp->uint);
    else if (mp->kind == MP_SINT)
        (void)snprintf(out_text, NUM_REAL_SIZE, "%" PRId64, mp->sint);
    return mp->kind == MP_FLOAT || mp->kind == MP_UINT || mp->kind == MP_SINT;
}
