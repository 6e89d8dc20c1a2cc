/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The drivers for RESP, the protocol of Redis and Valkey, in its versions 2 and 3.
 *
 *   *2\r\n$3\r\nGET\r\n$16\r\nkey:000000000042\r\n      request
 *   $3\r\nabc\r\n   $-1\r\n   +OK\r\n   -ERR text\r\n   reply: value, absent, done, error
 *
 * How: a reply is passed over element by element, counting those that are still to come, so that
 * no depth of arrays costs stack. Both versions read the same replies; they differ in what is said
 * first on a connection.
 *
 * Invariants: nothing behind the end of the data is read.
 * Threads: any; no state. Failures: as the contract in driver.h says.
 */
#include "client/loadgen/driver.h"

#include "common/err.h"
#include "common/num.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    RESP_HEAD_MAX = 64 * 1024, /* bytes of a line: errors may be long */
};
#define RESP_SIZE_MAX     INT64_C(0x100000000) /* of a value, and elements of an array */
#define RESP_ELEMENTS_MAX INT64_C(0x1000000000)

/* ---- requests ---- */

static size_t resp_put_value_head(uint8_t *to, size_t size)
{
    char head[FRAME_VALUE_HEAD_MAX + 8];
    int n = snprintf(head, sizeof head, "$%zu\r\n", size);
    memcpy(to, head, (size_t)n);
    return (size_t)n;
}

static size_t resp_put_number(uint8_t *to, uint64_t number)
{
    char digits[24], text[FRAME_NUMBER_MAX];
    int size = snprintf(digits, sizeof digits, "%" PRIu64, number);
    int n = snprintf(text, sizeof text, "$%d\r\n%s", size, digits);
    memcpy(to, text, (size_t)n);
    return (size_t)n;
}

static const struct frame_style resp_style = {
    .put_value_head = resp_put_value_head,
    .put_key_head = resp_put_value_head,
    .put_number = resp_put_number,
};

static int resp_add_head(struct buf *out, char kind, size_t number)
{
    char head[32];
    int n = snprintf(head, sizeof head, "%c%zu\r\n", kind, number);
    return buf_append(out, head, (size_t)n);
}

static int resp_add_bulk(struct frame *frame, struct bytes word)
{
    int err = resp_add_head(&frame->bytes, '$', word.size);
    return err != 0 ? err : driver_add_word(frame, word);
}

static int resp_add_argument(struct frame *frame, struct bytes word, struct bytes value)
{
    bool done;
    int err = driver_add_hole(frame, word, &done);
    if (err == 0 && !done)
        err = !command_is_data(word) ? resp_add_bulk(frame, word)
              : value.data != NULL   ? resp_add_bulk(frame, value)
                                     : driver_add_value(frame);
    return err != 0 ? err : buf_append(&frame->bytes, "\r\n", 2);
}

static int resp_encode_line(const struct command *command, struct frame *out)
{
    int err = 0;
    for (unsigned i = 0; i < command->count && err == 0; i++) {
        err = i == 0 ? 0 : buf_append(&out->bytes, " ", 1);
        if (err == 0)
            err = driver_add_word(out, command->words[i]);
    }
    return err != 0 ? err : buf_append(&out->bytes, "\r\n", 2);
}

static int resp_encode(const struct command *command, bool inline_form, struct bytes value,
                       struct frame *out)
{
    if (inline_form)
        return resp_encode_line(command, out);
    out->style = &resp_style;
    int err = resp_add_head(&out->bytes, '*', command->count);
    for (unsigned i = 0; i < command->count && err == 0; i++)
        err = resp_add_argument(out, command->words[i], value);
    return err;
}

/* ---- the beginning of a connection ---- */

static int resp_say(struct buf *out, unsigned *replies, unsigned count, const char *const *words)
{
    int err = resp_add_head(out, '*', count);
    for (unsigned i = 0; i < count && err == 0; i++) {
        err = resp_add_head(out, '$', strlen(words[i]));
        if (err == 0)
            err = buf_append(out, words[i], strlen(words[i]));
        if (err == 0)
            err = buf_append(out, "\r\n", 2);
    }
    *replies += 1;
    return err;
}

static int resp_begin(const struct driver_login *login, unsigned version, struct buf *out,
                      unsigned *out_replies)
{
    const char *user = login->user[0] != 0 ? login->user : "default";
    bool password = login->password[0] != 0;
    *out_replies = 0;
    int err = 0;
    if (version == 3)
        err = resp_say(out, out_replies, password ? 5 : 2,
                       (const char *[]){"HELLO", "3", "AUTH", user, login->password});
    else if (password && login->user[0] != 0)
        err = resp_say(out, out_replies, 3, (const char *[]){"AUTH", user, login->password});
    else if (password)
        err = resp_say(out, out_replies, 2, (const char *[]){"AUTH", login->password});
    if (err == 0 && login->space[0] != 0)
        err = resp_say(out, out_replies, 2, (const char *[]){"SELECT", login->space});
    if (err != 0 || login->brief)
        return err;
    return resp_say(out, out_replies, 1, (const char *[]){"PING"});
}

static int resp2_begin(const struct driver_login *login, struct buf *out, unsigned *out_replies)
{
    return resp_begin(login, 2, out, out_replies);
}

static int resp3_begin(const struct driver_login *login, struct buf *out, unsigned *out_replies)
{
    return resp_begin(login, 3, out, out_replies);
}

/* ---- replies ---- */

/* What is left of a reply. */
struct resp_cursor {
    const uint8_t *at, *end;
    int64_t elements; /* still to come */
};

/* The line at the cursor without its end, and past it. */
static enum driver_status resp_line(struct resp_cursor *cursor, struct bytes *out)
{
    size_t left = (size_t)(cursor->end - cursor->at);
    size_t look = left < RESP_HEAD_MAX ? left : RESP_HEAD_MAX;
    const uint8_t *lf = look == 0 ? NULL : memchr(cursor->at, '\n', look);
    if (lf == NULL)
        return look == RESP_HEAD_MAX ? DRIVER_BAD : DRIVER_MORE;
    if (lf == cursor->at || lf[-1] != '\r')
        return DRIVER_BAD;
    *out = (struct bytes){cursor->at, (size_t)(lf - cursor->at) - 1};
    cursor->at = lf + 1;
    return DRIVER_VALUE;
}

/* The number of a header; -1 is "absent". */
static bool resp_number(struct bytes text, int64_t *out)
{
    return num_read_int(text, out) && *out >= -1 && *out <= RESP_SIZE_MAX;
}

/* A string of bytes of a known length. */
static enum driver_status resp_bulk(struct resp_cursor *cursor, struct bytes line,
                                    struct bytes *out)
{
    int64_t size;
    if (!resp_number(line, &size))
        return DRIVER_BAD;
    if (size < 0)
        return DRIVER_NIL;
    if ((int64_t)(cursor->end - cursor->at) < size + 2)
        return DRIVER_MORE;
    if (memcmp(cursor->at + size, "\r\n", 2) != 0)
        return DRIVER_BAD;
    *out = (struct bytes){cursor->at, (size_t)size};
    cursor->at += size + 2;
    return DRIVER_VALUE;
}

static enum driver_status resp_aggregate(struct resp_cursor *cursor, struct bytes line,
                                         unsigned per_count, unsigned more)
{
    int64_t count;
    if (!resp_number(line, &count))
        return DRIVER_BAD;
    if (count < 0)
        return DRIVER_NIL;
    cursor->elements += count * per_count + more;
    return cursor->elements > RESP_ELEMENTS_MAX ? DRIVER_BAD : DRIVER_VALUE;
}

/* One element; what is in an aggregate follows. */
static enum driver_status resp_element(struct resp_cursor *cursor, struct bytes *out_text)
{
    struct bytes line;
    enum driver_status status = resp_line(cursor, &line);
    if (status != DRIVER_VALUE)
        return status;
    if (line.size == 0)
        return DRIVER_BAD;
    struct bytes rest = {line.data + 1, line.size - 1};
    *out_text = rest;
    switch (line.data[0]) {
    case '+':
    case ':':
    case ',':
    case '#':
    case '(':
        return DRIVER_VALUE;
    case '_':
        return DRIVER_NIL;
    case '-':
        return DRIVER_ERROR;
    case '!':
        status = resp_bulk(cursor, rest, out_text);
        return status == DRIVER_VALUE ? DRIVER_ERROR : status;
    case '$':
    case '=':
        return resp_bulk(cursor, rest, out_text);
    case '*':
    case '~':
        return resp_aggregate(cursor, rest, 1, 0);
    case '%':
        return resp_aggregate(cursor, rest, 2, 0);
    case '|':
        return resp_aggregate(cursor, rest, 2, 1);
    default:
        return DRIVER_BAD;
    }
}

static enum driver_status resp_parse_reply(struct bytes data, struct driver_reply *out)
{
    struct resp_cursor cursor = {data.data, data.data + data.size, 0};
    struct bytes text = BYTES_NONE, inner;
    enum driver_status first = resp_element(&cursor, &text);
    if (first == DRIVER_MORE && data.size > 0 && strchr("+-:,#(_!$=*~%|", data.data[0]) == NULL)
        return DRIVER_BAD;
    if (first == DRIVER_MORE || first == DRIVER_BAD)
        return first;
    while (cursor.elements > 0) {
        enum driver_status status = resp_element(&cursor, &inner);
        if (status == DRIVER_MORE || status == DRIVER_BAD)
            return status;
        cursor.elements--;
    }
    *out = (struct driver_reply){.size = (size_t)(cursor.at - data.data)};
    if (first == DRIVER_ERROR)
        out->text = text;
    else
        out->value = text;
    return first;
}

const struct driver driver_resp2 = {
    .name = "resp2",
    .spelling = SPELLING_RESP,
    .port = 6379,
    .server = "a Redis, a Valkey or a cairnd (listen.resp)",
    .begin = resp2_begin,
    .encode = resp_encode,
    .parse_reply = resp_parse_reply,
};

const struct driver driver_resp3 = {
    .name = "resp3",
    .spelling = SPELLING_RESP,
    .port = 6379,
    .server = "a Redis from 6, a Valkey or a cairnd (listen.resp)",
    .begin = resp3_begin,
    .encode = resp_encode,
    .parse_reply = resp_parse_reply,
};
