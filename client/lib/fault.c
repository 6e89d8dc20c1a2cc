/* SPDX-License-Identifier: BSD-3-Clause
 *
 * struct cairn_error from codes, texts and replies.
 *
 * How: names and statuses are one table here, because the numbers of common/err.def are not stable
 * and those of cairn.h are; a unit test holds the two together.
 *
 * Invariants: code and message always end in NUL and hold no control characters; a message is valid
 * UTF-8, because texts of a server are hostile and end up on terminals.
 *
 * Threads: as the caller's storage. Failures: none; what cannot be read is reported as CAIRN_OTHER.
 */
#include "client/lib/fault.h"

#include "client/lib/frame.h"
#include "common/err.h"
#include "proto/mp.h"

#include <stdarg.h>

struct fault_row {
    const char *name;
    int status;
};

#define ROW(name)                                                                                  \
    {                                                                                              \
#name, CAIRN_##name                                                                        \
    }
static const struct fault_row fault_rows[] = {
    ROW(BAD_REQUEST),    ROW(UNKNOWN_METHOD), ROW(BAD_ARGUMENT), ROW(LIMIT_EXCEEDED),
    ROW(NOT_FOUND),      ROW(CONFLICT),       ROW(WRONG_TYPE),   ROW(OVERFLOW),
    ROW(OUT_OF_MEMORY),  ROW(NOAUTH),         ROW(AUTH_FAILED),  ROW(UNSUPPORTED),
    ROW(BUSY),           ROW(SHUTTING_DOWN),  ROW(IO),           ROW(DISK_FULL),
    ROW(DATA_DAMAGED),   ROW(DATA_FORMAT),    ROW(INTERNAL),     ROW(OTHER),
    ROW(ALREADY_EXISTS), ROW(CANNOT_CONNECT), ROW(DISCONNECTED), ROW(TIMEOUT),
    ROW(PROTOCOL),
};
#undef ROW

int fault_status(struct bytes name)
{
    for (size_t i = 0; i < LENGTH_OF(fault_rows); i++)
        if (bytes_equal(name, bytes_of(fault_rows[i].name)))
            return fault_rows[i].status <= CAIRN_OTHER ? CAIRN_OTHER : fault_rows[i].status;
    return CAIRN_OTHER;
}

const char *fault_name(int status)
{
    for (size_t i = 0; i < LENGTH_OF(fault_rows); i++)
        if (fault_rows[i].status == status)
            return fault_rows[i].name;
    return "OTHER";
}

void fault_clear(struct cairn_error *error)
{
    error->status = CAIRN_OK;
    error->from_server = error->retryable = error->has_actual = error->has_index = false;
    error->index = 0;
    error->actual = 0;
    error->code[0] = error->message[0] = 0;
}

static bool fault_retryable(int status)
{
    return status == CAIRN_TIMEOUT || status == CAIRN_DISCONNECTED ||
           status == CAIRN_CANNOT_CONNECT || status == CAIRN_OUT_OF_MEMORY;
}

int fault_set(struct cairn_error *error, int status, const char *format, ...)
{
    va_list args;
    fault_clear(error);
    error->status = status;
    error->retryable = fault_retryable(status);
    snprintf(error->code, sizeof error->code, "%s", fault_name(status));
    va_start(args, format);
    vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    return status;
}

/* Copy what fits, without anything that could harm a terminal. */
static void fault_copy(char *to, size_t room, struct bytes text)
{
    size_t n = text.size < room - 1 ? text.size : room - 1;
    while (n < text.size && n > 0 && (text.data[n] & 0xc0) == 0x80)
        n--; /* do not cut a character */
    bool utf8 = mp_utf8_valid((struct bytes){text.data, n});
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = text.data[i];
        bool c1 = utf8 && byte == 0xc2 && i + 1 < n && text.data[i + 1] < 0xa0;
        bool control = byte < 0x20 || byte == 0x7f || (!utf8 && byte >= 0x80);
        to[i] = control || c1 ? '?' : (char)byte;
        if (c1)
            to[++i] = '?';
    }
    to[n] = 0;
}

static void fault_set_code(struct cairn_error *error, struct bytes code)
{
    int err = err_by_name((const char *)code.data, code.size);
    fault_copy(error->code, sizeof error->code, code);
    error->status = fault_status(code);
    error->retryable = err != 0 && err_retryable(err);
}

/* "CODE message" */
static void fault_decode_text(struct cairn_error *error, struct bytes text)
{
    const uint8_t *space = text.size == 0 ? NULL : memchr(text.data, ' ', text.size);
    size_t n = space == NULL ? text.size : (size_t)(space - text.data);
    struct bytes code = {text.data, n};
    if (fault_status(code) == CAIRN_OTHER) { /* not our form: all of it is the message */
        n = 0;
        code = bytes_of("OTHER");
    }
    fault_set_code(error, code);
    size_t skip = n < text.size && n > 0 ? n + 1 : n;
    fault_copy(error->message, sizeof error->message,
               (struct bytes){text.data + skip, text.size - skip});
}

/* The pairs of `data`: {actual, index}. */
static void fault_decode_data(struct cairn_error *error, struct mp_reader reader, uint32_t pairs)
{
    struct bytes key;
    struct mp value;
    bool text;
    for (uint32_t i = 0; i < pairs; i++) {
        struct mp_reader peek;
        if (mp_read_bytes(&reader, &key, &text) != 0)
            return;
        peek = reader;
        if (mp_read(&peek, &value) != 0 || frame_skip(&reader) != 0)
            return;
        if (value.kind == MP_UINT && bytes_equal(key, bytes_of("actual"))) {
            error->has_actual = true;
            error->actual = value.uint;
        } else if (value.kind == MP_UINT && bytes_equal(key, bytes_of("index"))) {
            error->has_index = true;
            error->index = (uint32_t)value.uint;
        }
    }
}

/* {code, message, retryable, data} */
static void fault_decode_map(struct cairn_error *error, struct mp_reader reader, uint32_t pairs)
{
    struct bytes key;
    struct mp value;
    bool text;
    for (uint32_t i = 0; i < pairs; i++) {
        struct mp_reader peek;
        if (mp_read_bytes(&reader, &key, &text) != 0)
            return;
        peek = reader;
        if (mp_read(&peek, &value) != 0 || frame_skip(&reader) != 0)
            return;
        bool is_text = value.kind == MP_STR || value.kind == MP_BIN;
        if (is_text && bytes_equal(key, bytes_of("code")))
            fault_set_code(error, value.bytes);
        else if (is_text && bytes_equal(key, bytes_of("message")))
            fault_copy(error->message, sizeof error->message, value.bytes);
        else if (value.kind == MP_BOOL && bytes_equal(key, bytes_of("retryable")))
            error->retryable = value.boolean;
        else if (value.kind == MP_MAP && bytes_equal(key, bytes_of("data")))
            fault_decode_data(error, peek, value.count);
    }
}

int fault_decode(struct cairn_error *error, struct bytes encoded)
{
    struct mp_reader reader = mp_reader_of(encoded);
    struct mp mp;
    (void)fault_set(error, CAIRN_OTHER, "the server answered an error of unknown form");
    error->from_server = true;
    if (mp_read(&reader, &mp) != 0)
        return error->status;
    if (mp.kind == MP_STR || mp.kind == MP_BIN)
        fault_decode_text(error, mp.bytes);
    else if (mp.kind == MP_MAP)
        fault_decode_map(error, reader, mp.count);
    return error->status;
}
