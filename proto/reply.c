/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing replies. The MessagePack form; another protocol is another form in the same functions.
 *
 *   out:  ... earlier replies | 94 01 msgid c0 | result ...
 *                             ^ start
 *   on error everything from start on is cut off and written again:
 *                             | 94 01 msgid "CODE message" c0
 *
 * Invariants
 *   1. After a failure nothing more is written; `failed` remembers the first.
 *   2. reply_end leaves exactly one whole reply behind start, or nothing.
 *
 * Threads: as the buffer.
 */
#include "proto/reply.h"

#include "common/err.h"
#include "proto/pack.h"

/* Room for the head of a reply and a small scalar, so that the common case reserves once. */
enum { REPLY_HEAD_ROOM = 32 };

static void reply_keep(struct reply *reply, int err)
{
    if (err != 0 && reply->failed == 0)
        reply->failed = err;
}

/* The head up to the error: written by hand, as it begins every reply. */
static int reply_head(struct reply *reply)
{
    struct buf *out = reply->out;
    uint32_t id = reply->msgid;
    int err = buf_reserve(out, REPLY_HEAD_ROOM);
    if (err != 0)
        return err;
    uint8_t *p = out->data + out->size;
    if (reply->form == REPLY_NESTED) {
        *p++ = 0x92; /* array of 2 */
    } else {
        *p++ = 0x94; /* array of 4 */
        *p++ = 0x01; /* a response */
        unsigned bytes = id < 0x80 ? 0 : id <= 0xff ? 1 : id <= 0xffff ? 2 : 4;
        if (bytes > 0)
            *p++ = bytes == 1 ? 0xcc : bytes == 2 ? 0xcd : 0xce; /* uint 8, 16, 32 */
        for (unsigned shift = 8 * (bytes > 0 ? bytes : 1); shift > 0; shift -= 8)
            *p++ = (uint8_t)(id >> (shift - 8));
    }
    out->size = (size_t)(p - out->data);
    return 0;
}

void reply_begin(struct reply *reply, struct buf *out, enum reply_form form, uint32_t msgid,
                 size_t limit)
{
    *reply = (struct reply){
        .out = out, .start = out->size, .limit = limit, .msgid = msgid, .form = form};
    if (form == REPLY_PLAIN)
        return;
    reply_keep(reply, reply_head(reply));
    if (reply->failed == 0)
        out->data[out->size++] = 0xc0; /* no error */
}

void reply_nil(struct reply *reply)
{
    if (reply->failed == 0)
        reply_keep(reply, pack_nil(reply->out));
}

void reply_bool(struct reply *reply, bool value)
{
    if (reply->failed == 0)
        reply_keep(reply, pack_bool(reply->out, value));
}

void reply_uint(struct reply *reply, uint64_t value)
{
    if (reply->failed == 0)
        reply_keep(reply, pack_uint(reply->out, value));
}

void reply_int(struct reply *reply, int64_t value)
{
    if (reply->failed == 0)
        reply_keep(reply, pack_int(reply->out, value));
}

void reply_real(struct reply *reply, double value)
{
    if (reply->failed == 0)
        reply_keep(reply, pack_real(reply->out, value));
}

/* May `size` more bytes be added? Checked before anything large is copied. */
static bool reply_admit(struct reply *reply, size_t size)
{
    if (reply->failed == 0 && reply_size(reply) + size > reply->limit)
        reply->failed = ERR_LIMIT_EXCEEDED;
    return reply->failed == 0;
}

void reply_bytes(struct reply *reply, struct bytes b, bool text)
{
    if (reply_admit(reply, b.size))
        reply_keep(reply, text ? pack_str(reply->out, b) : pack_bin(reply->out, b));
}

void reply_text(struct reply *reply, const char *text)
{
    reply_bytes(reply, bytes_of(text), true);
}

void reply_value(struct reply *reply, struct bytes encoded)
{
    if (reply_admit(reply, encoded.size))
        reply_keep(reply, buf_append(reply->out, encoded.data, encoded.size));
}

void reply_array(struct reply *reply, size_t count)
{
    if (reply->failed == 0)
        reply_keep(reply, pack_array(reply->out, count));
}

void reply_map(struct reply *reply, size_t pairs)
{
    if (reply->failed == 0)
        reply_keep(reply, pack_map(reply->out, pairs));
}

void reply_key(struct reply *reply, const char *key)
{
    reply_text(reply, key);
}

/* Big-endian numbers behind a first byte. */
static void reply_put_fixed(uint8_t *p, uint8_t first, uint64_t value, unsigned bytes)
{
    p[0] = first;
    for (unsigned i = 0; i < bytes; i++)
        p[1 + i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static size_t reply_place(struct reply *reply, unsigned bytes)
{
    size_t place = reply->out->size;
    if (reply->failed == 0)
        reply_keep(reply, buf_reserve(reply->out, bytes));
    if (reply->failed == 0)
        reply->out->size += bytes;
    return place;
}

size_t reply_array_open(struct reply *reply)
{
    return reply_place(reply, 5);
}

void reply_array_close(struct reply *reply, size_t mark, size_t count)
{
    if (reply->failed == 0)
        reply_put_fixed(reply->out->data + mark, 0xdd, count, 4); /* array 32 */
}

size_t reply_size(const struct reply *reply)
{
    return reply->out->size - reply->start;
}

void reply_cut(struct reply *reply, size_t size)
{
    if (reply->failed == 0)
        reply->out->size = reply->start + size;
}

size_t reply_uint_later(struct reply *reply)
{
    size_t place = reply_place(reply, 9);
    if (reply->failed == 0)
        reply_put_fixed(reply->out->data + place, 0xcf, 0, 8);
    return place;
}

void reply_uint_now(struct reply *reply, size_t place, uint64_t value)
{
    if (reply->failed == 0)
        reply_put_fixed(reply->out->data + place, 0xcf, value, 8); /* uint 64 */
}

static int reply_error_data(struct buf *out, const struct problem *problem)
{
    int err = 0;
    if (!problem->has_actual && !problem->has_index)
        return pack_nil(out);
    err = pack_map(out, (size_t)problem->has_actual + problem->has_index);
    if (problem->has_actual)
        (void)(err == 0 && (err = pack_str(out, bytes_of("actual"))) == 0 &&
               (err = pack_uint(out, problem->actual)) == 0);
    if (problem->has_index)
        (void)(err == 0 && (err = pack_str(out, bytes_of("index"))) == 0 &&
               (err = pack_uint(out, problem->index)) == 0);
    return err;
}

static int reply_error_map(struct buf *out, const struct problem *problem)
{
    int err = pack_map(out, 4);
    (void)(err == 0 && (err = pack_str(out, bytes_of("code"))) == 0 &&
           (err = pack_str(out, bytes_of(err_name(problem->err)))) == 0 &&
           (err = pack_str(out, bytes_of("message"))) == 0 &&
           (err = pack_str(out, bytes_of(problem->text))) == 0 &&
           (err = pack_str(out, bytes_of("retryable"))) == 0 &&
           (err = pack_bool(out, err_retryable(problem->err))) == 0 &&
           (err = pack_str(out, bytes_of("data"))) == 0 &&
           (err = reply_error_data(out, problem)) == 0);
    return err;
}

static int reply_error_text(struct buf *out, const struct problem *problem)
{
    char line[sizeof problem->text + 40];
    int n = snprintf(line, sizeof line, "%s %s", err_name(problem->err), problem->text);
    return pack_str(out, (struct bytes){(const uint8_t *)line, (size_t)n});
}

void reply_error(struct reply *reply, const struct problem *problem)
{
    struct buf *out = reply->out;
    out->size = reply->start;
    int err = reply_head(reply);
    if (err == 0)
        err = reply->error_maps ? reply_error_map(out, problem) : reply_error_text(out, problem);
    reply->failed = err != 0 ? err : pack_nil(out);
}

int reply_end(struct reply *reply)
{
    struct problem problem;
    if (reply->failed == 0 && reply_size(reply) > reply->limit)
        reply->failed = ERR_LIMIT_EXCEEDED; /* by many small parts */
    if (reply->failed != 0 && reply->form == REPLY_PLAIN) {
        reply->out->size = reply->start;
        return reply->failed;
    }
    if (reply->failed == ERR_LIMIT_EXCEEDED) {
        (void)problem_set(&problem, ERR_LIMIT_EXCEEDED,
                          "the reply exceeds limits.reply_bytes (%zu); ask for less at once",
                          reply->limit);
        reply_error(reply, &problem);
    } else if (reply->failed != 0) {
        (void)problem_set(&problem, reply->failed, NULL);
        reply_error(reply, &problem);
    }
    if (reply->silent || reply->failed != 0)
        reply->out->size = reply->start;
    return reply->failed;
}
