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

#include "common/err.h"
#include "common/num.h"
#include "proto/mp.h"
#include "proto/op.h"
#include "proto/pack.h"
#include "proto/rpc.h"

static const uint32_t id_of_four_bytes = UINT32_MAX;

/* Append a request to an operation with these words as arguments. */
static int msgpack_say(struct buf *out, unsigned *replies, enum op_id id, const char *word)
{
    const struct op *op = &op_table[id];
    int err =
        rpc_encode_request(out, *replies, (struct bytes){(const uint8_t *)op->name, op->name_size});
    *replies += 1;
    if (err == 0)
        err = pack_array(out, word != NULL ? 1 : 0);
    return err != 0 || word == NULL ? err : pack_str(out, bytes_of(word));
}

static int msgpack_begin(const struct driver_login *login, struct buf *out, unsigned *out_replies)
{
    int err = 0;
    *out_replies = 0;
    if (login->password[0] != 0)
        err = msgpack_say(out, out_replies, OP_server_auth, login->password);
    if (err == 0 && login->space[0] != 0)
        err = msgpack_say(out, out_replies, OP_run_use, login->space);
    if (err != 0 || login->brief)
        return err;
    return msgpack_say(out, out_replies, OP_server_ping, NULL);
}

static size_t msgpack_put_value_head(uint8_t *to, size_t size)
{
    if (size <= UINT8_MAX) {
        to[0] = 0xc4;
        to[1] = (uint8_t)size;
        return 2;
    }
    if (size <= UINT16_MAX) {
        uint16_t big_endian = htobe16((uint16_t)size);
        to[0] = 0xc5;
        memcpy(to + 1, &big_endian, sizeof big_endian);
        return 3;
    }
    uint32_t big_endian = htobe32((uint32_t)size);
    to[0] = 0xc6;
    memcpy(to + 1, &big_endian, sizeof big_endian);
    return 5;
}

/* A key is a str; those of --key-file have at most 65,535 bytes. */
static size_t msgpack_put_key_head(uint8_t *to, size_t size)
{
    if (size <= UINT8_MAX) {
        to[0] = 0xd9;
        to[1] = (uint8_t)size;
        return 2;
    }
    uint16_t big_endian = htobe16((uint16_t)size);
    to[0] = 0xda;
    memcpy(to + 1, &big_endian, sizeof big_endian);
    return 3;
}

static size_t msgpack_put_number(uint8_t *to, uint64_t number)
{
    uint64_t big_endian = htobe64(number);
    to[0] = 0xcf;
    memcpy(to + 1, &big_endian, sizeof big_endian);
    return 1 + sizeof big_endian;
}

static const struct frame_style msgpack_style = {
    .put_value_head = msgpack_put_value_head,
    .put_key_head = msgpack_put_key_head,
    .put_number = msgpack_put_number,
};

static bool msgpack_is_word(const struct command *command, unsigned i, char c)
{
    return command->words[i].size == 1 && command->words[i].data[0] == c;
}

/* [ begins an array, { a map. */
static bool msgpack_opens(const struct command *command, unsigned i)
{
    return msgpack_is_word(command, i, '[') || msgpack_is_word(command, i, '{');
}

static bool msgpack_closes(const struct command *command, unsigned i)
{
    return msgpack_is_word(command, i, ']') || msgpack_is_word(command, i, '}');
}

/* How many elements there are from word `i` on, up to the bracket that ends them, or the end. */
static size_t msgpack_count(const struct command *command, unsigned i)
{
    size_t count = 0;
    uint64_t times;
    unsigned depth = 0;
    for (; i < command->count; i++) {
        if (command_is_repeat(command->words[i], &times)) {
            count += depth == 0 ? times - 1 : 0;
            continue;
        }
        if (msgpack_closes(command, i)) {
            if (depth == 0)
                break;
            depth--;
            continue;
        }
        count += depth == 0;
        depth += msgpack_opens(command, i);
    }
    return count;
}

/* The word behind the element that begins at word `i`. */
static unsigned msgpack_behind(const struct command *command, unsigned i)
{
    unsigned depth = 0;
    for (; i < command->count; i++) {
        depth += msgpack_opens(command, i);
        depth -= msgpack_closes(command, i);
        if (depth == 0)
            return i + 1;
    }
    return i;
}

/* A str of this word; its length is that of the word, as a key takes the place of as many bytes. */
static int msgpack_add_text(struct frame *out, struct bytes word)
{
    size_t begin = out->bytes.size;
    int64_t number;
    if (num_read_int(word, &number))
        return pack_int(&out->bytes, number);
    int err = pack_str(&out->bytes, word);
    if (err != 0)
        return err;
    REQUIRE(out->bytes.size - begin > word.size);
    out->bytes.size -= word.size;
    return driver_add_word(out, word);
}

static int msgpack_add_argument(struct frame *out, const struct command *command, unsigned i,
                                bool in_map, struct bytes value)
{
    struct bytes word = command->words[i];
    bool yes = bytes_equal(word, bytes_of("true"));
    if (in_map && (yes || bytes_equal(word, bytes_of("false"))))
        return pack_bool(&out->bytes, yes);
    if (msgpack_is_word(command, i, '['))
        return pack_array(&out->bytes, msgpack_count(command, i + 1));
    if (msgpack_is_word(command, i, '{'))
        return pack_map(&out->bytes, msgpack_count(command, i + 1) / 2);
    if (msgpack_closes(command, i))
        return 0;
    bool done;
    int err = driver_add_vector(out, word, &done);
    if (err == 0 && !done)
        err = driver_add_hole(out, word, &done);
    if (err != 0 || done)
        return err;
    if (!command_is_data(word))
        return msgpack_add_text(out, word);
    return value.data != NULL ? pack_bin(&out->bytes, value) : driver_add_value(out);
}

/* Words from..to; inside of how many brackets the first is, and of which, the caller knows. */
static int msgpack_add_words(struct frame *out, const struct command *command, unsigned from,
                             unsigned to, struct bytes value)
{
    bool map[COMMAND_WORDS_MAX] = {false}; /* which of the brackets that enclose a word are { } */
    unsigned depth = 0;
    int err = 0;
    for (unsigned i = from; i < to && err == 0; i++) {
        uint64_t times;
        if (command_is_repeat(command->words[i], &times)) {
            unsigned end = msgpack_behind(command, i + 1);
            for (; times > 0 && err == 0; times--)
                err = msgpack_add_words(out, command, i + 1, end, value);
            i = end - 1;
            continue;
        }
        if (msgpack_closes(command, i))
            depth--;
        else
            err = msgpack_add_argument(out, command, i, map[depth], value);
        if (msgpack_opens(command, i))
            map[++depth] = msgpack_is_word(command, i, '{');
    }
    return err;
}

/* Is what follows word `i`, which says how often, one element of an array without another such
 * word in it? */
static bool msgpack_can_repeat(const struct command *command, unsigned i)
{
    uint64_t times;
    if (i + 1 == command->count || msgpack_closes(command, i + 1))
        return false;
    for (unsigned j = i + 1; j < msgpack_behind(command, i + 1); j++)
        if (command_is_repeat(command->words[j], &times))
            return false;
    return true;
}

/* Does every bracket have its match, every key of a map its value, and each __repeat__ what it
 * repeats? */
static bool msgpack_balanced(const struct command *command)
{
    char open[COMMAND_WORDS_MAX]; /* brackets that enclose the present word */
    uint64_t times;
    unsigned depth = 0;
    for (unsigned i = 1; i < command->count; i++) {
        if (command_is_repeat(command->words[i], &times) && !msgpack_can_repeat(command, i))
            return false;
        if (msgpack_is_word(command, i, '{') && msgpack_count(command, i + 1) % 2 != 0)
            return false;
        if (msgpack_opens(command, i))
            open[depth++] = (char)command->words[i].data[0];
        else if (msgpack_closes(command, i) &&
                 (depth == 0 || !msgpack_is_word(command, i, open[--depth] == '[' ? ']' : '}')))
            return false;
    }
    return depth == 0;
}

static int msgpack_encode(const struct command *command, bool inline_form, struct bytes value,
                          struct frame *out)
{
    (void)inline_form; /* there is one form only */
    if (command->count == 0 || !msgpack_balanced(command))
        return ERR_BAD_ARGUMENT;
    int err = rpc_encode_request(&out->bytes, id_of_four_bytes, command->words[0]);
    out->id_at = 3; /* behind 94 00 ce */
    out->style = &msgpack_style;
    if (err == 0)
        err = pack_array(&out->bytes, msgpack_count(command, 1));
    return err != 0 ? err : msgpack_add_words(out, command, 1, command->count, value);
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

/* The bytes of a str or bin; of anything else none. */
static struct bytes msgpack_value(struct bytes result)
{
    struct mp_reader reader = mp_reader_of(result);
    struct mp head;
    bool is_bytes = mp_read(&reader, &head) == 0 && (head.kind == MP_STR || head.kind == MP_BIN);
    return is_bytes ? head.bytes : BYTES_NONE;
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
    out->value = msgpack_value(response.result);
    out->whole = response.result;
    return msgpack_is_nil(response.result) ? DRIVER_NIL : DRIVER_VALUE;
}

/* Move to what a map has under a key, or an array at a place. False: it has no such. */
static bool msgpack_enter(struct mp_reader *reader, struct bytes name)
{
    struct mp head;
    struct bytes key;
    int64_t place = -1;
    bool text;
    if (mp_read(reader, &head) != 0)
        return false;
    if (head.kind == MP_ARRAY && (!num_read_int(name, &place) || place < 0))
        return false;
    for (uint32_t i = 0; (head.kind == MP_MAP || head.kind == MP_ARRAY) && i < head.count; i++) {
        if (head.kind == MP_MAP && mp_read_bytes(reader, &key, &text) != 0)
            return false;
        if (head.kind == MP_MAP ? bytes_equal(key, name) : i == (uint64_t)place)
            return true;
        if (mp_skip(reader, MP_DEPTH_MAX) != 0)
            return false;
    }
    return false;
}

/* "items.0.key": a name or place for each level. */
static struct bytes msgpack_find_field(struct bytes whole, struct bytes field)
{
    struct mp_reader reader = mp_reader_of(whole);
    for (;;) {
        const uint8_t *dot = field.size == 0 ? NULL : memchr(field.data, '.', field.size);
        size_t size = dot == NULL ? field.size : (size_t)(dot - field.data);
        if (!msgpack_enter(&reader, (struct bytes){field.data, size}))
            return BYTES_NONE;
        if (dot == NULL)
            break;
        field = (struct bytes){dot + 1, field.size - size - 1};
    }
    const uint8_t *begin = reader.at;
    if (mp_skip(&reader, MP_DEPTH_MAX) != 0)
        return BYTES_NONE;
    return msgpack_value((struct bytes){begin, (size_t)(reader.at - begin)});
}

/* An operation, perhaps of a newer server. */
static bool msgpack_knows(struct bytes word)
{
    return op_find(word) != NULL || (word.size > 0 && memchr(word.data, '.', word.size) != NULL);
}

const struct driver driver_msgpack = {
    .name = "msgpack",
    .spelling = SPELLING_RPC,
    .port = 7420,
    .server = "a cairnd (listen.rpc)",
    .begin = msgpack_begin,
    .encode = msgpack_encode,
    .parse_reply = msgpack_parse_reply,
    .find_field = msgpack_find_field,
    .knows = msgpack_knows,
};
