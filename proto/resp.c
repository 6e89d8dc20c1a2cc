/* SPDX-License-Identifier: BSD-3-Clause
 *
 * RESP: bounds of commands, their arguments, and replies.
 *
 *   data:  *3\r\n $3\r\nSET\r\n $1\r\nk\r\n $5\r\nval
 *                 ^ begin                  ^ position: all before is checked
 *
 * resp_scan checks argument by argument and remembers where it is, so that a command that comes in
 * pieces costs no more than one that comes whole. resp_next then reads without checking.
 *
 * Invariants
 *   1. After resp_scan returned 0 every header up to scan->position is well-formed and every
 *      argument is followed by CR LF.
 *   2. resp_as_bin and resp_as_list write only over headers and CR LFs already read.
 *
 * Threads: pure functions.
 * Failures: bad bytes are ERR_BAD_REQUEST; the stream cannot go on after that.
 */
#include "proto/resp.h"

#include "common/err.h"

#include <stdio.h>

enum {
    RESP_HEADER_MAX = 32, /* bytes of a header line: a sign, 19 digits, CR LF, and then some */
};

/* ---- bounds ---- */

/* The number of a header line that begins behind its first byte. 0 and *out_end behind the LF;
 * RESP_MORE; or ERR_BAD_REQUEST. */
static inline int resp_line(struct bytes data, size_t at, int64_t *out_number, size_t *out_end)
{
    const uint8_t *p = data.data + at, *end = data.data + data.size;
    bool negative = p < end && *p == '-';
    const uint8_t *first = p += negative;
    int64_t number = 0;
    if (end - p >= 3 && *p >= '1' && *p <= '9' && p[1] == '\r' && p[2] == '\n' && !negative) {
        *out_number = *p - '0'; /* one digit: most counts */
        *out_end = at + 3;
        return 0;
    }
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        if (p - first > 17)
            return ERR_BAD_REQUEST; /* above all limits, and below overflow */
        number = number * 10 + (*p - '0');
    }
    if (p == end || (*p == '\r' && p + 1 == end))
        return end - first > RESP_HEADER_MAX ? ERR_BAD_REQUEST : RESP_MORE;
    if (p == first || p[0] != '\r' || p[1] != '\n' ||
        (*first == '0' && (negative || p > first + 1)))
        return ERR_BAD_REQUEST;
    *out_number = negative ? -number : number;
    *out_end = (size_t)(p + 2 - data.data);
    return 0;
}

static int resp_bad(struct problem *problem, const char *what)
{
    return problem_set(problem, ERR_BAD_REQUEST, "Protocol error: %s", what);
}

/* A line of text: whole when its LF is there. */
static int resp_scan_line(struct resp_scan *scan, struct bytes data, size_t *out_need,
                          struct problem *problem)
{
    const uint8_t *from = data.data + scan->position;
    const uint8_t *lf = memchr(from, '\n', data.size - scan->position);
    size_t size = lf == NULL ? data.size : (size_t)(lf - data.data);
    if (size > RESP_LINE_MAX)
        return resp_bad(problem, "too big inline request");
    scan->is_inline = true;
    scan->position = lf == NULL ? size : size + 1;
    *out_need = scan->position + 1;
    return lf == NULL ? RESP_MORE : 0;
}

static int resp_scan_count(struct resp_scan *scan, struct bytes data, struct problem *problem)
{
    int64_t count;
    int err = resp_line(data, 1, &count, &scan->position);
    if (err == RESP_MORE)
        return err;
    if (err != 0 || count > RESP_ARGS_MAX)
        return resp_bad(problem, "invalid multibulk length");
    scan->begun = true;
    scan->begin = scan->position;
    scan->count = scan->left = count < 0 ? 0 : (uint32_t)count; /* none: nothing is asked */
    return 0;
}

static int resp_scan_bulk(struct resp_scan *scan, struct bytes data, size_t *out_need,
                          struct problem *problem)
{
    size_t at = scan->position, body;
    int64_t size;
    char text[64];
    if (at >= data.size)
        return RESP_MORE;
    if (data.data[at] != '$') {
        bool shown = data.data[at] > 0x20 && data.data[at] < 0x7f;
        snprintf(text, sizeof text, "expected '$', got '%c'", shown ? data.data[at] : '?');
        return resp_bad(problem, text);
    }
    int err = resp_line(data, at + 1, &size, &body);
    if (err == RESP_MORE)
        return err;
    if (err != 0 || size < 0 || size > RESP_BULK_MAX)
        return resp_bad(problem, "invalid bulk length");
    size_t end = body + (size_t)size + 2;
    *out_need = end;
    if (end > data.size)
        return RESP_MORE;
    if (data.data[end - 2] != '\r' || data.data[end - 1] != '\n')
        return resp_bad(problem, "a bulk string must end with CR LF");
    scan->position = end;
    scan->left--;
    return 0;
}

/* An argument below 100 bytes that is well-formed and all there, as almost all are: its end. NULL:
 * look closely. */
static inline const uint8_t *resp_scan_short(const uint8_t *p, const uint8_t *end)
{
    if (end - p < 5 || p[0] != '$')
        return NULL;
    unsigned size = (unsigned)p[1] - '0', second = (unsigned)p[2] - '0';
    if (size > 9 || (size == 0 && second <= 9))
        return NULL;
    const uint8_t *line_end = p + 2;
    if (second <= 9) {
        size = size * 10 + second;
        line_end++;
    }
    if (line_end[0] != '\r' || line_end[1] != '\n' || end - line_end < size + 4)
        return NULL;
    p = line_end + 2 + size;
    return p[0] == '\r' && p[1] == '\n' ? p + 2 : NULL;
}

int resp_scan(struct resp_scan *scan, struct bytes data, size_t *out_need, struct problem *problem)
{
    const uint8_t *end = data.data + data.size, *next;
    int err = 0;
    *out_need = scan->position + 1;
    if (scan->position >= data.size)
        return RESP_MORE;
    if (!scan->begun && data.data[0] != '*')
        return resp_scan_line(scan, data, out_need, problem);
    if (!scan->begun)
        err = resp_scan_count(scan, data, problem);
    while (err == 0 && scan->left > 0) {
        if ((next = resp_scan_short(data.data + scan->position, end)) != NULL) {
            scan->position = (size_t)(next - data.data);
            scan->left--;
            continue;
        }
        *out_need = scan->position + scan->left; /* at the very least */
        err = resp_scan_bulk(scan, data, out_need, problem);
    }
    return err;
}

/* ---- inline commands ---- */

static int resp_hex(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The byte an escape in double quotes stands for; *i moves to its last byte. */
static uint8_t resp_unescape(struct bytes line, size_t *i)
{
    static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
    size_t left = line.size - *i;
    const uint8_t *p = line.data + *i;
    if (left > 3 && p[1] == 'x' && resp_hex(p[2]) >= 0 && resp_hex(p[3]) >= 0) {
        *i += 3;
        return (uint8_t)(resp_hex(p[2]) * 16 + resp_hex(p[3]));
    }
    *i += 1;
    const char *known = memchr(from, p[1], sizeof from - 1);
    return known == NULL ? p[1] : (uint8_t)to[known - from];
}

static bool resp_is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0;
}

/* One word at *at, unquoted, into `word` (as large as the line). False: unbalanced quotes. */
static bool resp_word(struct bytes line, size_t *at, uint8_t *word, size_t *out_size)
{
    uint8_t quote = 0;
    size_t n = 0, i = *at;
    for (; i < line.size && (quote != 0 || !resp_is_space(line.data[i])); i++) {
        uint8_t c = line.data[i];
        bool more = i + 1 < line.size;
        if (quote == '"' && c == '\\' && more)
            word[n++] = resp_unescape(line, &i);
        else if (quote == '\'' && c == '\\' && more && line.data[i + 1] == '\'')
            word[n++] = line.data[++i];
        else if (quote != 0 && c == quote) {
            if (more && !resp_is_space(line.data[i + 1]))
                return false; /* a closing quote ends its word */
            quote = 0;
        } else if (quote == 0 && (c == '"' || c == '\''))
            quote = c;
        else
            word[n++] = c;
    }
    *at = i;
    *out_size = n;
    return quote == 0;
}

int resp_from_inline(struct bytes line, struct buf *out, struct problem *problem)
{
    struct buf words;
    size_t count = 0, at = 0, size;
    buf_init(&words);
    int err = buf_reserve(&words, line.size + 1);
    struct buf body;
    buf_init(&body);
    for (; err == 0; count++) {
        while (at < line.size && resp_is_space(line.data[at]))
            at++;
        if (at == line.size)
            break;
        if (!resp_word(line, &at, words.data, &size))
            err = resp_bad(problem, "unbalanced quotes in request");
        else
            err = resp_put_bulk(&body, (struct bytes){words.data, size});
    }
    if (err == 0)
        err = resp_put_array(out, count);
    if (err == 0)
        err = buf_append(out, body.data, body.size);
    buf_deinit(&words);
    buf_deinit(&body);
    return err;
}

/* ---- arguments ---- */

struct bytes resp_next(struct resp_reader *reader)
{
    uint8_t *p = reader->at + 1; /* behind the $ */
    size_t size = 0;
    REQUIRE(reader->left > 0);
    for (; *p != '\r'; p++)
        size = size * 10 + (size_t)(*p - '0');
    p += 2;
    reader->at = p + size + 2;
    reader->left--;
    return (struct bytes){p, size};
}

/* Write the header of a str or bin of this size at p; returns its length. */
static size_t resp_mp_header(uint8_t *p, size_t size, bool text)
{
    if (text && size < 32) {
        p[0] = (uint8_t)(0xa0 | size);
        return 1;
    }
    unsigned width = size < 0x100 ? 0 : size < 0x10000 ? 1 : 2; /* of 8, 16, 32 bits */
    p[0] = (uint8_t)((text ? 0xd9 : 0xc4) + width);
    unsigned bytes = 1u << width;
    for (unsigned i = 0; i < bytes; i++)
        p[1 + i] = (uint8_t)(size >> (8 * (bytes - 1 - i)));
    return 1 + bytes;
}

struct bytes resp_as_bin(struct bytes arg)
{
    uint8_t header[8];
    size_t n = resp_mp_header(header, arg.size, false);
    uint8_t *start = (uint8_t *)(uintptr_t)arg.data - n; /* ours, see resp_reader */
    memcpy(start, header, n);
    return (struct bytes){start, n + arg.size};
}

/* Put an argument at `to`, which is not behind it. Returns the end. */
static uint8_t *resp_move(uint8_t *to, struct bytes arg, bool text)
{
    uint8_t header[8];
    size_t n = resp_mp_header(header, arg.size, text);
    memmove(to + n, arg.data, arg.size);
    memcpy(to, header, n);
    return to + n + arg.size;
}

struct resp_list resp_as_list(struct resp_reader *reader, bool pairs)
{
    struct resp_list list = {.count = pairs ? reader->left / 2 : reader->left, .key_min = SIZE_MAX};
    uint8_t *start = reader->at, *to = start;
    for (bool key = true; reader->left > 0; key = !pairs || !key) {
        struct bytes arg = resp_next(reader);
        size_t *longest = key ? &list.key_max : &list.value_max;
        *longest = arg.size > *longest ? arg.size : *longest;
        if (key && arg.size < list.key_min)
            list.key_min = arg.size;
        if (pairs && key)
            *to++ = 0x92; /* array of 2 */
        to = resp_move(to, arg, key);
    }
    list.bytes = (struct bytes){start, (size_t)(to - start)};
    return list;
}

/* ---- writing ---- */

enum { RESP_HEAD_BYTES = 24 }; /* a sign of what follows, -, 19 digits, CR LF */

/* `first`, a number, CR LF. Returns the end. */
static inline uint8_t *resp_write_head(uint8_t *p, char first, int64_t number)
{
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    unsigned digits = 1;
    *p++ = (uint8_t)first;
    if (number < 0)
        *p++ = '-';
    for (uint64_t power = 10; digits < 19 && rest >= power; power *= 10)
        digits++;
    for (unsigned i = digits; i-- > 0; rest /= 10)
        p[i] = (uint8_t)('0' + rest % 10);
    p[digits] = '\r';
    p[digits + 1] = '\n';
    return p + digits + 2;
}

static int resp_put_head(struct buf *out, char first, int64_t number)
{
    int err = buf_reserve(out, RESP_HEAD_BYTES);
    if (err == 0)
        out->size = (size_t)(resp_write_head(out->data + out->size, first, number) - out->data);
    return err;
}

int resp_put_simple(struct buf *out, const char *text)
{
    size_t n = strlen(text);
    int err = buf_reserve(out, n + 3);
    if (err != 0)
        return err;
    out->data[out->size] = '+';
    memcpy(out->data + out->size + 1, text, n);
    memcpy(out->data + out->size + 1 + n, "\r\n", 2);
    out->size += n + 3;
    return 0;
}

int resp_put_error(struct buf *out, const char *text)
{
    size_t n = strlen(text);
    int err = buf_reserve(out, n + 3);
    if (err != 0)
        return err;
    uint8_t *p = out->data + out->size;
    *p++ = '-';
    for (size_t i = 0; i < n; i++) /* what a client sent may stand in it: keep it one line */
        *p++ = text[i] == '\r' || text[i] == '\n' ? ' ' : (uint8_t)text[i];
    *p++ = '\r';
    *p++ = '\n';
    out->size += n + 3;
    return 0;
}

int resp_put_int(struct buf *out, int64_t number)
{
    return resp_put_head(out, ':', number);
}

int resp_put_bulk(struct buf *out, struct bytes bytes)
{
    int err = buf_reserve(out, RESP_HEAD_BYTES + bytes.size + 2);
    if (err != 0)
        return err;
    uint8_t *p = resp_write_head(out->data + out->size, '$', (int64_t)bytes.size);
    if (bytes.size > 0)
        memcpy(p, bytes.data, bytes.size);
    memcpy(p + bytes.size, "\r\n", 2);
    out->size = (size_t)(p + bytes.size + 2 - out->data);
    return 0;
}

int resp_put_text(struct buf *out, const char *text)
{
    return resp_put_bulk(out, bytes_of(text));
}

int resp_put_nil(struct buf *out, unsigned version)
{
    return version == 3 ? buf_append(out, "_\r\n", 3) : buf_append(out, "$-1\r\n", 5);
}

int resp_put_nil_array(struct buf *out, unsigned version)
{
    return version == 3 ? buf_append(out, "_\r\n", 3) : buf_append(out, "*-1\r\n", 5);
}

int resp_put_array(struct buf *out, size_t count)
{
    return resp_put_head(out, '*', (int64_t)count);
}

int resp_put_set(struct buf *out, size_t count, unsigned version)
{
    return resp_put_head(out, version == 3 ? '~' : '*', (int64_t)count);
}

int resp_put_map(struct buf *out, size_t n, unsigned version)
{
    return version == 3 ? resp_put_head(out, '%', (int64_t)n)
                        : resp_put_head(out, '*', 2 * (int64_t)n);
}

int resp_put_verbatim(struct buf *out, struct bytes text, unsigned version)
{
    if (version != 3)
        return resp_put_bulk(out, text);
    int err = buf_reserve(out, text.size + 40);
    if (err == 0)
        err = resp_put_head(out, '=', (int64_t)text.size + 4);
    if (err == 0)
        err = buf_append(out, "txt:", 4);
    if (err == 0)
        err = buf_append(out, text.data, text.size);
    return err != 0 ? err : buf_append(out, "\r\n", 2);
}
