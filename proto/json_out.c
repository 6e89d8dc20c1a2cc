/* SPDX-License-Identifier: BSD-3-Clause
 *
 * MessagePack to JSON text, straight from the bytes.
 *
 * How: a recursive walk that writes as it reads. A tree of jansson between the two would cost ten
 * times the memory, and could hold neither integers above 2^63 nor a key twice.
 *
 * Invariants
 *   1. The output is valid JSON and valid UTF-8, whatever the bytes are; control characters are
 *      escaped, so it is safe on a terminal.
 *   2. Integers are written exactly; floats with as many digits as they need, and never as
 *   integers.
 *
 * Threads: pure functions. Failures: as the header says; part of the text may then be in out.
 */
#include "proto/json_out.h"

#include "common/base64.h"
#include "common/err.h"
#include "common/mem.h"
#include "proto/json_special.h"
#include "proto/mp.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { JSON_DEPTH_MAX = 200 };

struct json_out {
    struct mp_reader reader;
    struct buf *out;
    unsigned indent, level;
    bool exact;
};

static int json_out_any(struct json_out *w);

static int json_out_text(struct json_out *w, const char *text)
{
    return buf_append(w->out, text, strlen(text));
}

/* How many bytes from p on can be copied as they are. */
static size_t json_out_plain_run(const uint8_t *p, size_t left)
{
    size_t n = 0;
    while (n < left && p[n] >= 0x20 && p[n] != '"' && p[n] != '\\' && p[n] != 0x7f &&
           !(p[n] == 0xc2 && p[n + 1] < 0xa0))
        n++;
    return n;
}

/* One character that must be escaped; *out_used is how many bytes it has. */
static int json_out_escape(struct json_out *w, const uint8_t *p, size_t *out_used)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    char text[8];
    unsigned code = *p == 0xc2 ? p[1] : *p;
    *out_used = *p == 0xc2 ? 2 : 1;
    for (size_t i = 0; i + 1 < sizeof letters; i += 2)
        if (code == (unsigned char)letters[i]) {
            const char pair[3] = {'\\', letters[i + 1], 0};
            return json_out_text(w, pair);
        }
    snprintf(text, sizeof text, "\\u%04x", code);
    return json_out_text(w, text);
}

/* Valid UTF-8 as a JSON string. */
static int json_out_string(struct json_out *w, struct bytes text)
{
    int err = json_out_text(w, "\"");
    size_t i = 0;
    while (i < text.size && err == 0) {
        size_t n = json_out_plain_run(text.data + i, text.size - i);
        err = buf_append(w->out, text.data + i, n);
        i += n;
        if (i < text.size && err == 0) {
            err = json_out_escape(w, text.data + i, &n);
            i += n;
        }
    }
    return err != 0 ? err : json_out_text(w, "\"");
}

/* "base64" */
static int json_out_base64(struct json_out *w, struct bytes bytes)
{
    int err = json_out_text(w, "\"");
    if (err == 0)
        err = base64_encode(bytes, w->out);
    return err != 0 ? err : json_out_text(w, "\"");
}

static int json_out_bytes(struct json_out *w, struct bytes bytes, bool str)
{
    if (mp_utf8_valid(bytes) && (str || !w->exact))
        return json_out_string(w, bytes);
    int err = json_out_text(w, str && w->exact ? "{\"$str\": " : "{\"$bin\": ");
    if (err == 0)
        err = json_out_base64(w, bytes);
    return err != 0 ? err : json_out_text(w, "}");
}

static int json_out_ext(struct json_out *w, struct bytes ext)
{
    char head[32];
    snprintf(head, sizeof head, "{\"$ext\": [%d, ", (int)(int8_t)ext.data[0]);
    int err = json_out_text(w, head);
    if (err == 0)
        err = json_out_base64(w, (struct bytes){ext.data + 1, ext.size - 1});
    return err != 0 ? err : json_out_text(w, "]}");
}

/* The shortest of 15 to 17 digits that reads back as the same number, marked as a float. */
static int json_out_real(struct json_out *w, double real)
{
    char text[40];
    if (isnan(real) || isinf(real))
        return json_out_text(w, isnan(real)  ? "{\"$float\": \"nan\"}"
                                : real > 0.0 ? "{\"$float\": \"inf\"}"
                                             : "{\"$float\": \"-inf\"}");
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, real);
        double back = strtod(text, NULL);
        if (memcmp(&back, &real, sizeof back) == 0)
            break;
    }
    int err = json_out_text(w, text);
    return err != 0 || strpbrk(text, ".eE") != NULL ? err : json_out_text(w, ".0");
}

static int json_out_scalar(struct json_out *w, const struct mp *mp)
{
    char text[40];
    switch (mp->kind) {
    case MP_NIL:
        return json_out_text(w, "null");
    case MP_BOOL:
        return json_out_text(w, mp->boolean ? "true" : "false");
    case MP_UINT:
        snprintf(text, sizeof text,
                 w->exact && mp->uint > INT64_MAX ? "{\"$uint\": \"%" PRIu64 "\"}" : "%" PRIu64,
                 mp->uint);
        return json_out_text(w, text);
    case MP_SINT:
        snprintf(text, sizeof text, "%" PRId64, mp->sint);
        return json_out_text(w, text);
    case MP_FLOAT:
        return json_out_real(w, mp->real);
    case MP_STR:
    case MP_BIN:
        return json_out_bytes(w, mp->bytes, mp->kind == MP_STR);
    case MP_EXT:
        return json_out_ext(w, mp->bytes);
    case MP_ARRAY:
    case MP_MAP:
        break;
    }
    return ERR_INTERNAL;
}

/* What stands before an element: a comma but for the first, and a new line where lines are
 * wanted. */
static int json_out_gap(struct json_out *w, bool first)
{
    static const char spaces[] = "                                                                ";
    size_t n = (size_t)w->indent * w->level;
    if (w->indent == 0)
        return first ? 0 : json_out_text(w, ", ");
    int err = json_out_text(w, first ? "\n" : ",\n");
    for (; err == 0 && n > 0; n -= n < 64 ? n : 64)
        err = buf_append(w->out, spaces, n < 64 ? n : 64);
    return err;
}

/* The line that closes an array or object. */
static int json_out_close(struct json_out *w, bool empty, const char *bracket)
{
    int err = empty || w->indent == 0 ? 0 : json_out_gap(w, true);
    return err != 0 ? err : json_out_text(w, bracket);
}

static int json_out_array(struct json_out *w, uint32_t count)
{
    int err = json_out_text(w, "[");
    w->level++;
    for (uint32_t i = 0; i < count && err == 0; i++) {
        err = json_out_gap(w, i == 0);
        if (err == 0)
            err = json_out_any(w);
    }
    w->level--;
    return err != 0 ? err : json_out_close(w, count == 0, "]");
}

static int json_out_order(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

/* Is a key of this map there twice? True also where that cannot be found out. */
static bool json_out_has_twice(struct mp_reader reader, uint32_t pairs)
{
    struct bytes *keys = pairs < 2 ? NULL : mem_calloc(pairs, sizeof *keys);
    bool text, twice = pairs >= 2 && keys == NULL;
    for (uint32_t i = 0; i < pairs && keys != NULL && !twice; i++)
        twice = mp_read_bytes(&reader, &keys[i], &text) != 0 || mp_skip(&reader, MP_DEPTH_MAX) != 0;
    if (keys != NULL && !twice)
        qsort(keys, pairs, sizeof *keys, json_out_order);
    for (uint32_t i = 1; i < pairs && !twice; i++)
        twice = bytes_equal(keys[i - 1], keys[i]);
    mem_free(keys);
    return twice;
}

/* Step over a value, however deep it is. */
static bool json_out_skip(struct mp_reader *reader)
{
    struct mp mp;
    for (uint64_t left = 1; left > 0; left--) {
        if (mp_read(reader, &mp) != 0)
            return false;
        left += mp.kind == MP_ARRAY ? mp.count : mp.kind == MP_MAP ? 2 * (uint64_t)mp.count : 0;
    }
    return true;
}

/* May this map be a JSON object? Then all its keys are UTF-8 without NUL, and it is not special;
 * where it must be exact, they are str, and none is there twice. */
static bool json_out_is_object(struct mp_reader reader, uint32_t pairs, bool exact)
{
    struct mp_reader first = reader;
    struct bytes key;
    bool text;
    for (uint32_t i = 0; i < pairs; i++) {
        if (mp_read_bytes(&reader, &key, &text) != 0 || !mp_utf8_valid(key) ||
            (key.size > 0 && memchr(key.data, 0, key.size) != NULL) || (exact && !text))
            return false;
        if (!json_out_skip(&reader))
            return false;
        if (pairs == 1 && json_special_of(key) != JSON_SPECIAL_NONE)
            return false;
    }
    return !exact || !json_out_has_twice(first, pairs);
}

static int json_out_object(struct json_out *w, uint32_t pairs)
{
    struct bytes key;
    bool text;
    int err = json_out_text(w, "{");
    w->level++;
    for (uint32_t i = 0; i < pairs && err == 0; i++) {
        err = json_out_gap(w, i == 0);
        if (err == 0)
            err = mp_read_bytes(&w->reader, &key, &text);
        (void)(err == 0 && (err = json_out_string(w, key)) == 0 &&
               (err = json_out_text(w, ": ")) == 0 && (err = json_out_any(w)) == 0);
    }
    w->level--;
    return err != 0 ? err : json_out_close(w, pairs == 0, "}");
}

/* {"$map": [[key, value]...]} */
static int json_out_pairs(struct json_out *w, uint32_t pairs)
{
    int err = json_out_text(w, "{\"$map\": [");
    w->level++;
    for (uint32_t i = 0; i < pairs && err == 0; i++) {
        err = json_out_gap(w, i == 0);
        (void)(err == 0 && (err = json_out_text(w, "[")) == 0 && (err = json_out_any(w)) == 0 &&
               (err = json_out_text(w, ", ")) == 0 && (err = json_out_any(w)) == 0 &&
               (err = json_out_text(w, "]")) == 0);
    }
    w->level--;
    return err != 0 ? err : json_out_close(w, pairs == 0, "]}");
}

static int json_out_any(struct json_out *w)
{
    struct mp mp;
    int err = mp_read(&w->reader, &mp);
    if (err != 0)
        return ERR_BAD_REQUEST;
    if (mp.kind != MP_ARRAY && mp.kind != MP_MAP)
        return json_out_scalar(w, &mp);
    if (w->level >= JSON_DEPTH_MAX)
        return ERR_LIMIT_EXCEEDED;
    if (mp.kind == MP_ARRAY)
        return json_out_array(w, mp.count);
    return json_out_is_object(w->reader, mp.count, w->exact) ? json_out_object(w, mp.count)
                                                             : json_out_pairs(w, mp.count);
}

int json_out(struct bytes packed, unsigned indent, struct buf *out)
{
    struct json_out w = {mp_reader_of(packed), out, indent, 0, false};
    return json_out_any(&w);
}

int json_out_exact(struct bytes packed, struct buf *out)
{
    struct json_out w = {mp_reader_of(packed), out, 0, 0, true};
    return json_out_any(&w);
}
