/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The driver for MessagePack-RPC, cairnd's own protocol.
 *
 * How: a request is packed once by proto/pack, with an id of four bytes whatever its number, so
 * that any id fits the same place. Replies are taken apart by proto/rpc.
 *
 *   94 00 ce <id> a6 "kv.get" 91 b0 "key:000000000042"     request
 *   94 01 <id> c0 <result>                                  reply; result c0: absent
 *   94 01 <id> <error> c0                                   error: str, or map with a message
 *
 * Invariants: nothing behind the end of the data is read (proto/mp).
 * Threads: any; no state. Failures: as the contract in driver.h says.
 */
#include "client/loadgen/driver.h"

#include "proto/mp.h"
#include "proto/pack.h"
#include "proto/rpc.h"

static const uint32_t id_of_four_bytes = UINT32_MAX;

static int msgpack_begin(struct buf *out)
{
    const struct op *op = &op_table[OP_server_ping];
    int err = rpc_encode_request(out, 0, (struct bytes){(const uint8_t *)op->name, op->name_size});
    return err != 0 ? err : pack_array(out, 0);
}

static int msgpack_pack_key(const struct shape *shape, struct frame *frame)
{
    char key[64];
    size_t prefix = strlen(shape->key_prefix);
    REQUIRE(prefix + FRAME_DIGITS <= sizeof key);
    memcpy(key, shape->key_prefix, prefix);
    frame_put_digits((uint8_t *)key + prefix, 0);
    int err = pack_str(&frame->bytes, (struct bytes){(const uint8_t *)key, prefix + FRAME_DIGITS});
    frame->key_at = frame->bytes.size - FRAME_DIGITS;
    return err;
}

static int msgpack_encode_request(const struct shape *shape, struct bytes value, struct frame *out)
{
    const struct op *op = &op_table[shape->op];
    bool has_key = (shape->flags & SHAPE_KEY) != 0, has_value = (shape->flags & SHAPE_VALUE) != 0;
    struct bytes method = {(const uint8_t *)op->name, op->name_size};
    out->key_at = FRAME_NONE;
    int err = rpc_encode_request(&out->bytes, id_of_four_bytes, method);
    out->id_at = 3; /* behind 94 00 ce */
    if (err == 0)
        err = pack_array(&out->bytes, (size_t)has_key + has_value);
    if (err == 0 && has_key)
        err = msgpack_pack_key(shape, out);
    if (err == 0 && has_value)
        err = pack_bin(&out->bytes, value);
    return err;
}

/* The words of an error: a str, or what "message" names in a map; else the bytes as they are. */
static struct bytes msgpack_error_text(struct bytes error)
{
    struct mp_reader reader = mp_reader_of(error);
    struct mp head, value;
    struct bytes key;
    bool text;
    if (mp_read(&reader, &head) != 0)
        return error;
    if (head.kind == MP_STR || head.kind == MP_BIN)
        return head.bytes;
    for (uint32_t i = 0; head.kind == MP_MAP && i < head.count; i++) {
        if (mp_read_bytes(&reader, &key, &text) != 0)
            return error;
        struct mp_reader behind = reader;
        if (mp_skip(&behind, MP_DEPTH_MAX) != 0)
            return error;
        if (bytes_equal(key, bytes_of("message")) && mp_read(&reader, &value) == 0 &&
            value.kind == MP_STR)
            return value.bytes;
        reader = behind;
    }
    return error;
}

static bool msgpack_is_nil(struct bytes value)
{
    return value.size == 1 && value.data[0] == 0xc0;
}

static enum driver_status msgpack_parse_reply(struct bytes data, struct driver_reply *out)
{
    struct rpc_response response;
    int err = rpc_decode_response(data, &response, &out->size);
    if (err != 0)
        return err == MP_MORE ? DRIVER_MORE : DRIVER_BAD;
    out->has_id = true;
    out->id = response.msgid;
    if (!msgpack_is_nil(response.error)) {
        out->text = msgpack_error_text(response.error);
        return DRIVER_ERROR;
    }
    return msgpack_is_nil(response.result) ? DRIVER_NIL : DRIVER_VALUE;
}

const struct driver driver_msgpack = {
    .name = "msgpack",
    .begin = msgpack_begin,
    .encode_request = msgpack_encode_request,
    .parse_reply = msgpack_parse_reply,
};
