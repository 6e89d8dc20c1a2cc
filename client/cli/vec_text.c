/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Vectors as numbers: see vec_text.h.
 *
 * How: a number of at most 9 digits and a power of ten up to 10^22 are exact as doubles, so their
 * quotient or product is the double that the decimal number reads as; the first that becomes the
 * float again is taken. Floats beyond those powers go through text.
 *
 * Threads: pure functions. Failures: as the header says; part of the reply may then be in out.
 */
#include "client/cli/vec_text.h"

#include "common/err.h"
#include "proto/mp.h"
#include "proto/pack.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_DIGITS = 9, TEXT_POWER_MAX = 22, TEXT_DEPTH = 4 };

/* ---- Floats --------------------------------------------------------------------------------- */

static double text_by_text(float element)
{
    char text[32];
    double back = 0.0;
    for (int digits = 1; digits <= TEXT_DIGITS; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)element);
        back = strtod(text, NULL);
        if ((float)back == element)
            break;
    }
    return back;
}

double vec_text_shortest(float element)
{
    static const double powers[TEXT_POWER_MAX + 1] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    double size = fabs((double)element);
    if (!isfinite(size) || size == 0.0)
        return (double)element;
    int exponent = (int)floor(log10(size));
    for (int digits = 1; digits <= TEXT_DIGITS; digits++) {
        int power = digits - 1 - exponent;
        if (power > TEXT_POWER_MAX || power < -TEXT_POWER_MAX)
            return text_by_text(element);
        double scale = powers[power < 0 ? -power : power];
        double number = rint(power < 0 ? size / scale : size * scale);
        double back = power < 0 ? number * scale : number / scale;
        if ((float)back == (float)size)
            return copysign(back, (double)element);
    }
    return text_by_text(element);
}

/* ---- Replies -------------------------------------------------------------------------------- */

bool vec_text_has(const struct op *op)
{
    return op != NULL &&
           (op->id == OP_vec_get || op->id == OP_vec_get_many || op->id == OP_vec_keys ||
            op->id == OP_vec_search || op->id == OP_vec_search_many);
}

/* The next value as it is. */
static int text_copy(struct mp_reader *reader, struct buf *out)
{
    const uint8_t *start = reader->at;
    if (mp_skip(reader, MP_DEPTH_MAX) != 0)
        return ERR_BAD_REQUEST;
    return buf_append(out, start, (size_t)(reader->at - start));
}

static int text_of_bin(struct bytes bin, struct buf *out)
{
    float element;
    int err = pack_array(out, bin.size / sizeof element);
    for (size_t at = 0; at < bin.size && err == 0; at += sizeof element) {
        memcpy(&element, bin.data + at, sizeof element);
        err = pack_real(out, vec_text_shortest(element));
    }
    return err;
}

/* An element of an array: a float as it was stored, or whatever it is. */
static int text_element(struct mp_reader *reader, struct buf *out)
{
    struct mp_reader next = *reader;
    struct mp mp;
    if (mp_read(&next, &mp) != 0 || mp.kind != MP_FLOAT || mp.real != (double)(float)mp.real)
        return text_copy(reader, out);
    *reader = next;
    return pack_real(out, vec_text_shortest((float)mp.real));
}

static int text_vector(struct mp_reader *reader, struct buf *out)
{
    struct mp_reader next = *reader;
    struct mp mp;
    if (mp_read(&next, &mp) != 0)
        return ERR_BAD_REQUEST;
    bool is_bin = mp.kind == MP_BIN && mp.bytes.size % sizeof(float) == 0;
    if (!is_bin && mp.kind != MP_ARRAY)
        return text_copy(reader, out);
    *reader = next;
    if (is_bin)
        return text_of_bin(mp.bytes, out);
    int err = pack_array(out, mp.count);
    for (uint32_t i = 0; i < mp.count && err == 0; i++)
        err = text_element(reader, out);
    return err;
}

static int text_any(struct mp_reader *reader, unsigned depth, struct buf *out);

/* Only what the operations give is looked into: vector, and items with such maps. */
static int text_pair(struct mp_reader *reader, unsigned depth, struct buf *out)
{
    struct mp_reader key = *reader;
    struct bytes name = BYTES_NONE;
    bool text;
    int err = text_copy(reader, out);
    if (err != 0 || mp_read_bytes(&key, &name, &text) != 0)
        name = BYTES_NONE;
    if (err == 0 && bytes_equal(name, bytes_of("vector")))
        return text_vector(reader, out);
    if (err == 0 && bytes_equal(name, bytes_of("items")))
        return text_any(reader, depth + 1, out);
    return err != 0 ? err : text_copy(reader, out);
}

static int text_any(struct mp_reader *reader, unsigned depth, struct buf *out)
{
    struct mp_reader next = *reader;
    struct mp mp;
    if (mp_read(&next, &mp) != 0)
        return ERR_BAD_REQUEST;
    if (depth == TEXT_DEPTH || (mp.kind != MP_ARRAY && mp.kind != MP_MAP))
        return text_copy(reader, out);
    *reader = next;
    int err = mp.kind == MP_ARRAY ? pack_array(out, mp.count) : pack_map(out, mp.count);
    for (uint32_t i = 0; i < mp.count && err == 0; i++)
        err =
            mp.kind == MP_ARRAY ? text_any(reader, depth + 1, out) : text_pair(reader, depth, out);
    return err;
}

int vec_text_reply(struct bytes packed, struct buf *out)
{
    struct mp_reader reader = mp_reader_of(packed);
    return text_any(&reader, 0, out);
}
