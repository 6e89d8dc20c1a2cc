/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Headers of .npy files: see npy.h.
 *
 * How: the dict is read as what numpy.save writes: three keys, whose values are a string, a word
 * and a tuple of numbers. Nothing else is taken.
 *
 * Invariants: nothing is read behind the bytes given; sizes are only computed where they fit.
 * Threads: pure functions. Failures: one sentence in *usage.
 */
#include "client/common/npy.h"

#include "common/err.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NPY_START = 10, NPY_VERSION_MAX = 3, NPY_DIMENSIONS_MAX = 32, NPY_WORD_SHOWN = 40 };

static const char npy_magic[NPY_MAGIC + 1] = "\x93NUMPY";

/* The dict, and what it said so far. */
struct npy_dict {
    struct bytes rest;
    struct bytes descr;
    struct bytes fortran;
    uint64_t shape[NPY_DIMENSIONS_MAX];
    unsigned dimensions;
    bool has_shape;
};

bool npy_is(struct bytes bytes)
{
    return bytes_start_with(bytes, bytes_of(npy_magic));
}

static void npy_step(struct npy_dict *dict, size_t n)
{
    dict->rest = (struct bytes){dict->rest.data + n, dict->rest.size - n};
}

static void npy_skip_blanks(struct npy_dict *dict)
{
    while (dict->rest.size > 0 && (dict->rest.data[0] == ' ' || dict->rest.data[0] == '\n'))
        npy_step(dict, 1);
}

/* Is this character next, blanks aside? Then step over it. */
static bool npy_take(struct npy_dict *dict, char c)
{
    npy_skip_blanks(dict);
    if (dict->rest.size == 0 || dict->rest.data[0] != (uint8_t)c)
        return false;
    npy_step(dict, 1);
    return true;
}

/* 'text' or "text", without escapes */
static bool npy_string(struct npy_dict *dict, struct bytes *out)
{
    npy_skip_blanks(dict);
    if (dict->rest.size == 0 || (dict->rest.data[0] != '\'' && dict->rest.data[0] != '"'))
        return false;
    const uint8_t *end = memchr(dict->rest.data + 1, dict->rest.data[0], dict->rest.size - 1);
    if (end == NULL)
        return false;
    *out = (struct bytes){dict->rest.data + 1, (size_t)(end - dict->rest.data) - 1};
    npy_step(dict, out->size + 2);
    return true;
}

/* A word of letters. */
static bool npy_word(struct npy_dict *dict, struct bytes *out)
{
    size_t n = 0;
    npy_skip_blanks(dict);
    while (n < dict->rest.size && ((dict->rest.data[n] | 0x20) >= 'a') &&
           ((dict->rest.data[n] | 0x20) <= 'z'))
        n++;
    *out = (struct bytes){dict->rest.data, n};
    npy_step(dict, n);
    return n > 0;
}

static bool npy_number(struct npy_dict *dict, uint64_t *out)
{
    size_t n = 0;
    *out = 0;
    npy_skip_blanks(dict);
    for (; n < dict->rest.size && dict->rest.data[n] >= '0' && dict->rest.data[n] <= '9'; n++)
        if (__builtin_mul_overflow(*out, 10u, out) ||
            __builtin_add_overflow(*out, (uint64_t)(dict->rest.data[n] - '0'), out))
            return false;
    npy_step(dict, n);
    return n > 0;
}

/* (), (3,) or (3, 4) */
static bool npy_shape(struct npy_dict *dict)
{
    bool more = true;
    dict->has_shape = true;
    dict->dimensions = 0;
    if (!npy_take(dict, '('))
        return false;
    while (more && !npy_take(dict, ')')) {
        if (dict->dimensions == NPY_DIMENSIONS_MAX ||
            !npy_number(dict, &dict->shape[dict->dimensions]))
            return false;
        dict->dimensions++;
        more = npy_take(dict, ',');
        if (!more && !npy_take(dict, ')'))
            return false;
    }
    return true;
}

/* The value of a key. */
static bool npy_value(struct npy_dict *dict, struct bytes key)
{
    if (bytes_equal(key, bytes_of("descr")))
        return npy_string(dict, &dict->descr);
    if (bytes_equal(key, bytes_of("fortran_order")))
        return npy_word(dict, &dict->fortran);
    return bytes_equal(key, bytes_of("shape")) && npy_shape(dict);
}

static bool npy_dict(struct npy_dict *dict)
{
    struct bytes key;
    bool more = true;
    if (!npy_take(dict, '{'))
        return false;
    while (!npy_take(dict, '}')) {
        if (!more || !npy_string(dict, &key) || !npy_take(dict, ':') || !npy_value(dict, key))
            return false;
        more = npy_take(dict, ',');
    }
    npy_skip_blanks(dict);
    return dict->rest.size == 0 && dict->descr.size > 0 && dict->fortran.size > 0 &&
           dict->has_shape;
}

/* Where the dict stands; false: the header is cut, or longer than any that numpy writes. */
static bool npy_find_dict(struct bytes bytes, struct bytes *out)
{
    size_t start = NPY_START, size;
    if (bytes.size < NPY_START + 2 || !npy_is(bytes) || bytes.data[6] == 0 ||
        bytes.data[6] > NPY_VERSION_MAX)
        return false;
    size = bytes.data[8] | (size_t)bytes.data[9] << 8;
    if (bytes.data[6] > 1) {
        size |= (size_t)bytes.data[10] << 16 | (size_t)bytes.data[11] << 24;
        start += 2;
    }
    if (size > bytes.size - start || start + size > NPY_HEAD_MAX)
        return false;
    *out = (struct bytes){bytes.data + start, size};
    return true;
}

/* Printable, and no longer than a sentence can hold. */
static void npy_shown(struct bytes text, char out[static NPY_WORD_SHOWN])
{
    size_t n = 0;
    for (; n < text.size && n + 1 < NPY_WORD_SHOWN; n++)
        out[n] = text.data[n] >= 0x20 && text.data[n] < 0x7f ? (char)text.data[n] : '?';
    out[n] = 0;
}

/* Bytes of an element, 0 of a type that is none of ours. */
static size_t npy_element(struct bytes descr)
{
    bool is_float = descr.size == 3 && descr.data[0] == '<' && descr.data[1] == 'f';
    char digit = is_float ? (char)descr.data[2] : '0';
    return digit == '2' || digit == '4' || digit == '8' ? (size_t)(digit - '0') : 0;
}

int npy_read(struct bytes bytes, struct npy *out, struct usage *usage)
{
    struct npy_dict dict = {.dimensions = 0};
    char shown[NPY_WORD_SHOWN];
    if (!npy_find_dict(bytes, &dict.rest))
        return usage_set(usage, "the header of the .npy file is cut, or damaged");
    size_t size = (size_t)(dict.rest.data - bytes.data) + dict.rest.size;
    if (!npy_dict(&dict))
        return usage_set(usage, "the header of the .npy file is damaged, or none of an array of "
                                "numbers: numpy.save(file, array.astype('float32'))");
    size_t element = npy_element(dict.descr);
    if (element == 0) {
        npy_shown(dict.descr, shown);
        return usage_set(usage,
                         "the .npy file has elements of type '%s': save them as float32, "
                         "numpy.save(file, array.astype('<f4'))",
                         shown);
    }
    if (dict.dimensions != 1 && dict.dimensions != 2)
        return usage_set(usage,
                         "the .npy file has an array of %u dimensions; vectors are the rows "
                         "of one that has 2",
                         dict.dimensions);
    bool in_c_order = bytes_equal(dict.fortran, bytes_of("False"));
    if (!in_c_order && (dict.dimensions == 2 || !bytes_equal(dict.fortran, bytes_of("True"))))
        return usage_set(usage, "the .npy file is in Fortran order: "
                                "numpy.save(file, numpy.ascontiguousarray(array))");
    *out = (struct npy){.rows = dict.dimensions == 2 ? dict.shape[0] : 1,
                        .columns = dict.shape[dict.dimensions - 1],
                        .element = element,
                        .size = size};
    return 0;
}

void npy_write(uint64_t rows, uint64_t columns, uint8_t out[static NPY_HEAD_WRITTEN])
{
    enum { DICT = NPY_HEAD_WRITTEN - NPY_START };
    char dict[DICT + 1];
    int n =
        snprintf(dict, sizeof dict,
                 "{'descr': '<f4', 'fortran_order': False, 'shape': (%" PRIu64 ", %" PRIu64 "), }",
                 rows, columns);
    REQUIRE(n > 0 && n < DICT);
    memset(dict + n, ' ', (size_t)(DICT - n - 1));
    dict[DICT - 1] = '\n';
    memcpy(out, npy_magic, NPY_MAGIC);
    memcpy(out + NPY_MAGIC, (const uint8_t[]){1, 0, DICT, 0}, NPY_START - NPY_MAGIC);
    memcpy(out + NPY_START, dict, DICT);
}
