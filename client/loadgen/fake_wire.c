/* SPDX-License-Identifier: BSD-3-Clause
 *
 * RESP and MessagePack-RPC, as far as the fake server goes.
 *
 *   *3 $3 SET $5 key:7 $5 hello              +OK
 *   94 00 id "kv.put" 92 "key:7" "hello"     94 01 id c0 c3
 *
 * How: the decoders of proto. They are those of cairnd, not of loadgen, which would not notice its
 * own mistakes.
 *
 * Invariants: nothing behind the end of the data is read. Threads: any; no state.
 * Failures: as fake_wire.h says.
 */
#include "client/loadgen/fake_wire.h"

#include "common/err.h"
#include "proto/mp.h"
#include "proto/pack.h"
#include "proto/resp.h"

#include <stdio.h>

/* What a request is called, in either protocol. */
static enum fake_verb fake_verb(struct bytes name)
{
    static const struct {
        const char *name;
        enum fake_verb verb;
    } verbs[] = {{"SET", FAKE_SET},    {"GET", FAKE_GET},    {"PING", FAKE_PING},
                 {"kv.put", FAKE_SET}, {"kv.get", FAKE_GET}, {"server.ping", FAKE_PING}};
    for (size_t i = 0; i < LENGTH_OF(verbs); i++)
        if (bytes_equal(name, bytes_of(verbs[i].name)))
            return verbs[i].verb;
    return FAKE_OTHER;
}

/* A byte in the middle of the value that was just appended is wrong. */
static void fake_damage(struct buf *out, const struct buf *value)
{
    if (value->size > 0)
        out->data[out->size - value->size / 2 - 1] ^= 1;
}

/* ---- RESP ---- */

static int resp_take(uint8_t *data, size_t size, struct fake_request *out, size_t *out_size)
{
    struct resp_scan scan = {0};
    struct problem problem;
    size_t need;
    int err = resp_scan(&scan, (struct bytes){data, size}, &need, &problem);
    if (err != 0)
        return err == RESP_MORE ? FAKE_MORE : err;
    *out_size = scan.position;
    *out = (struct fake_request){.verb = FAKE_PING}; /* inline: nothing else is said so */
    if (scan.is_inline || scan.count == 0)
        return 0;
    struct resp_reader reader = resp_reader_of(&scan, data);
    out->verb = fake_verb(resp_next(&reader));
    if (reader.left > 0)
        out->key = resp_next(&reader);
    if (reader.left > 0)
        out->value = resp_next(&reader);
    return 0;
}

static int resp_put_value(const struct buf *value, bool damaged, struct buf *out)
{
    char head[32];
    if (value->data == NULL)
        return buf_append(out, "$-1\r\n", 5);
    int n = snprintf(head, sizeof head, "$%zu\r\n", value->size);
    int err = buf_append(out, head, (size_t)n);
    if (err == 0)
        err = buf_append(out, value->data, value->size);
    if (err == 0 && damaged)
        fake_damage(out, value);
    return err != 0 ? err : buf_append(out, "\r\n", 2);
}

static int resp_put(enum fake_answer answer, uint32_t id, const struct buf *value, struct buf *out)
{
    (void)id;
    switch (answer) {
    case FAKE_VALUE:
    case FAKE_DAMAGED:
        return resp_put_value(value, answer == FAKE_DAMAGED, out);
    case FAKE_ERROR:
        return buf_append(out, "-ERR refused\r\n", 14);
    case FAKE_PONG:
        return buf_append(out, "+PONG\r\n", 7);
    case FAKE_OK:
        break;
    }
    return buf_append(out, "+OK\r\n", 5);
}

/* ---- MessagePack-RPC ---- */

static bool rpc_is(const struct mp *head, enum mp_kind kind, uint64_t value)
{
    return head->kind == kind && (kind == MP_ARRAY ? head->count : head->uint) == value;
}

/* [0, id, name, [key, value]], all of which is there. */
static int rpc_take_parts(struct mp_reader *reader, struct fake_request *out)
{
    struct mp message, type, id, params;
    struct bytes name;
    bool text;
    if (mp_read(reader, &message) != 0 || !rpc_is(&message, MP_ARRAY, 4) ||
        mp_read(reader, &type) != 0 || !rpc_is(&type, MP_UINT, 0) || mp_read(reader, &id) != 0 ||
        id.kind != MP_UINT || mp_read_bytes(reader, &name, &text) != 0 ||
        mp_read(reader, &params) != 0 || params.kind != MP_ARRAY)
        return ERR_BAD_REQUEST;
    *out = (struct fake_request){.verb = fake_verb(name), .id = (uint32_t)id.uint};
    if (out->verb != FAKE_SET && out->verb != FAKE_GET)
        return 0;
    if (params.count < 1 || mp_read_bytes(reader, &out->key, &text) != 0)
        return ERR_BAD_REQUEST;
    bool has_value = params.count > 1 && mp_read_bytes(reader, &out->value, &text) == 0;
    return out->verb == FAKE_GET || has_value ? 0 : ERR_BAD_REQUEST;
}

static int rpc_take(uint8_t *data, size_t size, struct fake_request *out, size_t *out_size)
{
    struct mp_reader reader = mp_reader_of((struct bytes){data, size}), whole = reader;
    int err = mp_skip(&whole, MP_DEPTH_MAX);
    if (err != 0)
        return err == MP_MORE ? FAKE_MORE : err;
    *out_size = (size_t)(whole.at - reader.at);
    return rpc_take_parts(&reader, out);
}

static int rpc_put_value(const struct buf *value, bool damaged, struct buf *out)
{
    if (value->data == NULL)
        return pack_nil(out);
    int err = pack_bin(out, buf_bytes(value));
    if (err == 0 && damaged)
        fake_damage(out, value);
    return err;
}

static int rpc_put_result(enum fake_answer answer, const struct buf *value, struct buf *out)
{
    switch (answer) {
    case FAKE_VALUE:
    case FAKE_DAMAGED:
        return rpc_put_value(value, answer == FAKE_DAMAGED, out);
    case FAKE_PONG:
        return pack_str(out, bytes_of("pong"));
    case FAKE_ERROR:
        return pack_nil(out);
    case FAKE_OK:
        break;
    }
    return pack_bool(out, true);
}

static int rpc_put(enum fake_answer answer, uint32_t id, const struct buf *value, struct buf *out)
{
    int err = pack_array(out, 4);
    if (err == 0)
        err = pack_uint(out, 1);
    if (err == 0)
        err = pack_uint(out, id);
    if (err == 0)
        err = answer == FAKE_ERROR ? pack_str(out, bytes_of("refused")) : pack_nil(out);
    return err != 0 ? err : rpc_put_result(answer, value, out);
}

const struct fake_wire *fake_wire_of(uint8_t first)
{
    static const struct fake_wire resp = {.take = resp_take, .put = resp_put};
    static const struct fake_wire rpc = {.has_id = true, .take = rpc_take, .put = rpc_put};
    return first == 0x94 ? &rpc : &resp;
}
