/* SPDX-License-Identifier: BSD-3-Clause
 *
 * JSON to MessagePack: see json_read.h.
 *
 * How: a recursive descent that writes as it reads. How many elements an array has is known behind
 * the last, so its header is inserted in front of them then.
 *
 * Invariants: the recursion is as deep as the caller allows; strings that are written are UTF-8.
 * Threads: pure functions.
 * Failures: told with the byte where reading stopped.
 */
#include "proto/json_read.h"

#include "common/err.h"
#include "common/num.h"
#include "proto/mp.h"
#include "proto/pack.h"

struct json_reader {
    const uint8_t *start, *at, *end;
    unsigned depth; /* levels left */
    struct buf *out;
    struct problem *problem;
};

static int read_any(struct json_reader *r);

static int read_wrong(struct json_reader *r, const char *what)
{
    return problem_set(r->problem, ERR_BAD_ARGUMENT, "not JSON: byte %zu: %s",
                       (size_t)(r->at - r->start) + 1, what);
}

static void read_space(struct json_reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

/* Is this character next, behind spaces? Then step over it. */
static bool read_is(struct json_reader *r, char c)
{
    read_space(r);
    if (r->at == r->end || *r->at != (uint8_t)c)
        return false;
    r->at++;
    return true;
}

/* ---- strings ---- */

/* Four hexadecimal digits, or -1. */
static int32_t read_hex(struct json_reader *r)
{
    int32_t code = 0;
    if (r->end - r->at < 4)
        return -1;
    for (int i = 0; i < 4; i++, r->at++) {
        uint8_t c = *r->at;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

/* What stands behind \u, with its other half if it is one of two; or -1. */
static int32_t read_code(struct json_reader *r)
{
    int32_t code = read_hex(r);
    if (code < 0xd800 || code > 0xdfff)
        return code;
    if (code > 0xdbff || r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u')
        return -1;
    r->at += 2;
    int32_t low = read_hex(r);
    if (low < 0xdc00 || low > 0xdfff)
        return -1;
    return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

static int read_put_code(struct buf *out, uint32_t code)
{
    uint8_t bytes[4];
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; code >>= 6)
        bytes[i] = (uint8_t)(0x80 | (code & 0x3f));
    bytes[0] = (uint8_t)(first[n] | code);
    return buf_append(out, bytes, n);
}

/* Behind a backslash. */
static int read_escape(struct json_reader *r)
{
    static const char pairs[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    if (r->at < r->end && *r->at == 'u') {
        r->at++;
        int32_t code = read_code(r);
        return code < 0 ? read_wrong(r, "not a character") : read_put_code(r->out, (uint32_t)code);
    }
    for (size_t i = 0; r->at < r->end && i + 1 < sizeof pairs; i += 2) {
        if (*r->at == (uint8_t)pairs[i]) {
            r->at++;
            return buf_append(r->out, &pairs[i + 1], 1);
        }
    }
    return read_wrong(r, "no such escape");
}

/* Put the header of a str in front of the bytes that stand from `start` on. */
static int read_wrap_str(struct json_reader *r, size_t start)
{
    size_t size = r->out->size - start;
    if (size > 0 && !mp_utf8_valid((struct bytes){r->out->data + start, size}))
        return read_wrong(r, "the string is not UTF-8");
    if (size > UINT32_MAX)
        return read_wrong(r, "the string is too long");
    return pack_wrap_str(r->out, start);
}

/* Behind the first quote. */
static int read_string(struct json_reader *r)
{
    size_t start = r->out->size;
    int err = 0;
    while (err == 0) {
        const uint8_t *run = r->at;
        while (r->at < r->end && *r->at != '"' && *r->at != '\\' && *r->at >= 0x20)
            r->at++;
        err = buf_append(r->out, run, (size_t)(r->at - run));
        if (err != 0)
            break;
        if (r->at == r->end || *r->at < 0x20)
            return read_wrong(r, "a string without end");
        if (*r->at++ == '"')
            return read_wrap_str(r, start);
        err = read_escape(r);
    }
    return err;
}

/* ---- numbers ---- */

static size_t read_digits(struct json_reader *r)
{
    const uint8_t *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return (size_t)(r->at - start);
}

/* A fraction and an exponent, if they are there. False: begun, but not whole. */
static bool read_fraction(struct json_reader *r)
{
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        if (read_digits(r) == 0)
            return false;
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
            r->at++;
        if (read_digits(r) == 0)
            return false;
    }
    return true;
}

/* Digits as a number of 64 bits; false if they are more. */
static bool read_uint(struct bytes digits, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < digits.size; i++)
        if (__builtin_mul_overflow(*out, 10u, out) ||
            __builtin_add_overflow(*out, (uint64_t)(digits.data[i] - '0'), out))
            return false;
    return true;
}

static int read_number(struct json_reader *r)
{
    const uint8_t *start = r->at;
    bool negative = *r->at == '-';
    r->at += negative;
    const uint8_t *digits = r->at;
    size_t n = read_digits(r);
    bool leads = n > 1 && *digits == '0';
    struct bytes whole = {digits, n};
    if (n == 0 || leads || !read_fraction(r))
        return read_wrong(r, "not a number");
    struct bytes text = {start, (size_t)(r->at - start)};
    uint64_t number;
    long double real;
    if (text.size == n + negative && read_uint(whole, &number)) {
        if (!negative)
            return pack_uint(r->out, number);
        if (number <= (uint64_t)1 << 63)
            return pack_int(r->out, (int64_t)(0 - number));
    }
    if (!num_read_real(text, &real) || real > 0x1.fffffffffffffp1023L ||
        real < -0x1.fffffffffffffp1023L)
        return read_wrong(r, "the number is too large or too long");
    return pack_real(r->out, (double)real);
}

/* ---- containers ---- */

/* One element of an array, or a pair. */
static int read_element(struct json_reader *r, bool object)
{
    if (object) {
        if (!read_is(r, '"'))
            return read_wrong(r, "a key is expected, in double quotes");
        int err = read_string(r);
        if (err != 0)
            return err;
        if (!read_is(r, ':'))
            return read_wrong(r, "':' is expected");
    }
    return read_any(r);
}

/* Behind the first bracket. */
static int read_container(struct json_reader *r, bool object)
{
    char close = object ? '}' : ']';
    size_t start = r->out->size, count = 0;
    if (r->depth == 0)
        return read_wrong(r, "nested too deeply");
    r->depth--;
    int err = 0;
    bool more = !read_is(r, close);
    while (more && err == 0) {
        err = read_element(r, object);
        count++;
        more = err == 0 && read_is(r, ',');
        if (err == 0 && !more && !read_is(r, close))
            err = read_wrong(r, object ? "',' or '}' is expected" : "',' or ']' is expected");
    }
    r->depth++;
    if (err == 0)
        err = object ? pack_wrap_map(r->out, start, count) : pack_wrap_array(r->out, start, count);
    return err;
}

/* A word, and what it stands for. */
static int read_word(struct json_reader *r)
{
    static const char *const words[] = {"null", "true", "false"};
    for (unsigned i = 0; i < LENGTH_OF(words); i++) {
        struct bytes rest = {r->at, (size_t)(r->end - r->at)};
        if (bytes_start_with(rest, bytes_of(words[i]))) {
            r->at += strlen(words[i]);
            return i == 0 ? pack_nil(r->out) : pack_bool(r->out, i == 1);
        }
    }
    return read_wrong(r, "a value is expected");
}

static int read_any(struct json_reader *r)
{
    read_space(r);
    if (r->at == r->end)
        return read_wrong(r, "it ends too early");
    if (*r->at == '-' || (*r->at >= '0' && *r->at <= '9'))
        return read_number(r);
    if (read_is(r, '"'))
        return read_string(r);
    if (read_is(r, '{'))
        return read_container(r, true);
    return read_is(r, '[') ? read_container(r, false) : read_word(r);
}

int json_read_object(struct bytes text, unsigned depth, struct buf *out, struct problem *problem)
{
    struct json_reader r = {.start = text.data,
                            .at = text.data,
                            .end = mp_reader_of(text).end,
                            .depth = depth,
                            .out = out,
                            .problem = problem};
    size_t before = out->size;
    int err =
        read_is(&r, '{') ? read_container(&r, true) : read_wrong(&r, "a JSON object is expected");
    read_space(&r);
    if (err == 0 && r.at != r.end)
        err = read_wrong(&r, "something stands behind the object");
    if (err == ERR_OUT_OF_MEMORY)
        (void)problem_set(problem, err, NULL);
    if (err != 0)
        out->size = before;
    return err;
}
