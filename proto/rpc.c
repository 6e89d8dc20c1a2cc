/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From the bytes of a MessagePack-RPC message to an operation and its typed arguments.
 *
 *   94 00 07 a6 kv.get 91 a3 foo
 *   |  |  |  |         |  '------ argument 0: KEY, a view of 3 bytes
 *   |  |  |  |         '--------- params: array of 1
 *   |  |  |  '------------------- method: looked up in ops.def
 *   |  |  '---------------------- msgid
 *   |  '------------------------- request
 *   '---------------------------- array of 4
 *
 * One pass over a message that is all there; nothing is copied or allocated. A message that is cut
 * anywhere gives RPC_MORE; connections then check it piece by piece with mp_scan and decode it
 * once, when it is whole.
 *
 * Invariants
 *   1. Whatever is wrong inside a well-formed message is RPC_REFUSED and the stream goes on behind
 *   it.
 *   2. Arguments are checked against type and limits here, so handlers see only what they can use.
 *   3. What nests too deep is refused the same way however the message was cut.
 *
 * Threads: pure functions.
 */
#include "proto/rpc.h"

#include "common/err.h"
#include "proto/pack.h"

#include <math.h>

/* Levels a reply may put around a value (an item of a list, in a batch): a value nests so much less
 * deep than a message, so that every reply can be read by clients with the same limit. */
enum { RPC_VALUE_WRAPPING = 8 };

#define RPC_UINT_MAX (((uint64_t)1 << 53) - 1)

/* What one decode needs at hand. */
struct rpc_decoder {
    struct mp_reader reader;
    const struct limits *limits;
    struct request *request;
    struct problem *problem;
    unsigned level; /* arrays and maps open around the element being read */
};

static int rpc_wrong(struct rpc_decoder *d, const struct arg_desc *desc)
{
    return problem_set(d->problem, ERR_BAD_ARGUMENT, "%s: '%s' must be %s", d->request->op->name,
                       desc->name, arg_type_table[desc->type].text);
}

static int rpc_too_large(struct rpc_decoder *d, const char *what, const char *limit, uint64_t max)
{
    return problem_set(d->problem, ERR_LIMIT_EXCEEDED, "%s: '%s' exceeds limits.%s (%llu)",
                       d->request->op->name, what, limit, (unsigned long long)max);
}

/* Step over one value that may nest so deep. */
static int rpc_skip(struct rpc_decoder *d, unsigned depth)
{
    int err = mp_skip(&d->reader, depth);
    if (err == ERR_LIMIT_EXCEEDED)
        return problem_set(d->problem, err, "the message exceeds limits.nesting (%u; values %u)",
                           (unsigned)d->limits->nesting,
                           (unsigned)d->limits->nesting - RPC_VALUE_WRAPPING);
    if (err == ERR_BAD_REQUEST)
        return problem_set(d->problem, err, "the message is not valid MessagePack");
    return err;
}

static int rpc_text(struct rpc_decoder *d, const struct arg_desc *desc, uint64_t min, uint64_t max,
                    const char *limit, struct arg *arg)
{
    int err = mp_read_bytes(&d->reader, &arg->bytes, &arg->text);
    if (err == MP_MORE)
        return err;
    if (err != 0 || arg->bytes.size < min)
        return rpc_wrong(d, desc);
    return arg->bytes.size > max ? rpc_too_large(d, desc->name, limit, max) : 0;
}

static int rpc_value(struct rpc_decoder *d, const char *name, struct bytes *out)
{
    const uint8_t *start = d->reader.at;
    int err = rpc_skip(d, (unsigned)d->limits->nesting - RPC_VALUE_WRAPPING);
    if (err != 0)
        return err;
    *out = (struct bytes){start, (size_t)(d->reader.at - start)};
    return out->size > d->limits->value_bytes
               ? rpc_too_large(d, name, "value_bytes", d->limits->value_bytes)
               : 0;
}

/* Elements of floats in a vector, or an array of whatever: the handler looks at each. */
static int rpc_vector(struct rpc_decoder *d, const struct arg_desc *desc, struct arg *arg)
{
    enum { ELEMENT = 4, ELEMENTS_MAX = 8192 };
    struct mp_reader reader = d->reader;
    struct mp mp;
    int err = mp_read(&reader, &mp);
    if (err == MP_MORE)
        return err;
    if (err != 0 || (mp.kind != MP_ARRAY && mp.kind != MP_BIN))
        return rpc_wrong(d, desc);
    size_t n = mp.kind == MP_ARRAY ? mp.count : mp.bytes.size / ELEMENT;
    if (n == 0 || n > ELEMENTS_MAX || (mp.kind == MP_BIN && mp.bytes.size % ELEMENT != 0))
        return rpc_wrong(d, desc);
    return rpc_value(d, desc->name, &arg->bytes);
}

/* A whole array or map. */
static int rpc_container(struct rpc_decoder *d, const struct arg_desc *desc, struct arg *arg)
{
    struct mp_reader reader = d->reader;
    struct mp mp;
    int err = mp_read(&reader, &mp);
    if (err == MP_MORE)
        return err;
    if (err != 0 || mp.kind != (desc->type == ARG_ARRAY ? MP_ARRAY : MP_MAP))
        return rpc_wrong(d, desc);
    if (mp.kind == MP_ARRAY && mp.count > d->limits->items)
        return rpc_too_large(d, desc->name, "items", d->limits->items);
    return rpc_value(d, desc->name, &arg->bytes);
}

static int rpc_number(struct rpc_decoder *d, const struct arg_desc *desc, struct arg *arg)
{
    struct mp mp;
    int err = mp_read(&d->reader, &mp);
    if (err == MP_MORE)
        return err;
    if (err != 0)
        return rpc_wrong(d, desc);
    if (desc->type == ARG_BOOL) {
        if (mp.kind != MP_BOOL)
            return rpc_wrong(d, desc);
        arg->boolean = mp.boolean;
        return 0;
    }
    if (desc->type == ARG_REAL) {
        arg->real = mp.kind == MP_FLOAT  ? mp.real
                    : mp.kind == MP_SINT ? (double)mp.sint
                                         : (double)mp.uint;
        bool number = mp.kind == MP_FLOAT || mp.kind == MP_SINT || mp.kind == MP_UINT;
        return number && isfinite(arg->real) ? 0 : rpc_wrong(d, desc);
    }
    uint64_t max = desc->type == ARG_UINT ? RPC_UINT_MAX : INT64_MAX;
    if (!(mp.kind == MP_UINT && mp.uint <= max) && !(mp.kind == MP_SINT && desc->type == ARG_INT))
        return rpc_wrong(d, desc);
    arg->uint = mp.uint; /* the same bits for either sign */
    return 0;
}

static const struct arg_desc rpc_key_desc = {"key", ARG_KEY, ARG_REQUIRED, ""};

static int rpc_key(struct rpc_decoder *d)
{
    struct arg key;
    return rpc_text(d, &rpc_key_desc, 1, d->limits->key_bytes, "key_bytes", &key);
}

/* The array header of an inner [a, b] or [a, b, c]. */
static int rpc_tuple(struct rpc_decoder *d, const struct arg_desc *desc, uint32_t count)
{
    struct mp mp;
    int err = mp_read(&d->reader, &mp);
    if (err == MP_MORE)
        return err;
    return err != 0 || mp.kind != MP_ARRAY || mp.count != count ? rpc_wrong(d, desc) : 0;
}

/* [kind, key, version] */
static int rpc_condition(struct rpc_decoder *d, const struct arg_desc *desc)
{
    static const struct arg_desc version = {"version", ARG_UINT, ARG_REQUIRED, ""};
    struct arg number;
    struct bytes kind;
    bool text;
    int err = rpc_tuple(d, desc, 3);
    if (err == 0)
        err = mp_read_bytes(&d->reader, &kind, &text);
    if (err == ERR_BAD_REQUEST)
        return rpc_wrong(d, desc);
    if (err == 0)
        err = rpc_key(d);
    return err != 0 ? err : rpc_number(d, &version, &number);
}

static bool rpc_next_is_map(const struct rpc_decoder *d)
{
    uint8_t first = d->reader.at < d->reader.end ? *d->reader.at : 0xc0;
    return (first & 0xf0) == 0x80 || first == 0xde || first == 0xdf;
}

/* One element of a list argument. */
static int rpc_item(struct rpc_decoder *d, const struct arg_desc *desc)
{
    struct bytes view;
    bool text;
    if (desc->type == ARG_KEYS)
        return rpc_key(d);
    if (desc->type == ARG_CONDITIONS)
        return rpc_condition(d, desc);
    if (desc->type == ARG_ITEMS)
        return rpc_next_is_map(d) ? rpc_skip(d, (unsigned)d->limits->nesting - d->level)
                                  : rpc_wrong(d, desc);
    int err = rpc_tuple(d, desc, 2);
    if (err != 0)
        return err;
    if (desc->type == ARG_PAIRS) {
        err = rpc_key(d);
        return err != 0 ? err : rpc_value(d, "value", &view);
    }
    err = mp_read_bytes(&d->reader, &view, &text);
    return err == ERR_BAD_REQUEST ? rpc_wrong(d, desc)
           : err != 0             ? err
                                  : rpc_skip(d, (unsigned)d->limits->nesting - d->level);
}

static int rpc_list(struct rpc_decoder *d, const struct arg_desc *desc, struct arg *arg)
{
    struct mp mp;
    int err = mp_read(&d->reader, &mp);
    if (err == MP_MORE)
        return err;
    if (err != 0 || mp.kind != MP_ARRAY)
        return rpc_wrong(d, desc);
    if (mp.count > d->limits->items)
        return rpc_too_large(d, desc->name, "items", d->limits->items);
    const uint8_t *start = d->reader.at;
    d->level += 2;
    for (uint32_t i = 0; i < mp.count && err == 0; i++)
        err = rpc_item(d, desc);
    d->level -= 2;
    arg->count = mp.count;
    arg->bytes = (struct bytes){start, (size_t)(d->reader.at - start)};
    return err;
}

static bool rpc_next_is_nil(const struct rpc_decoder *d)
{
    return d->reader.at < d->reader.end && *d->reader.at == 0xc0;
}

/* One argument. nil for an optional one means that it is not given, except where nil is a value. */
static int rpc_arg(struct rpc_decoder *d, const struct arg_desc *desc, struct arg *arg)
{
    const struct limits *limits = d->limits;
    int err = 0;
    if (rpc_next_is_nil(d) && desc->place != ARG_REQUIRED && desc->type != ARG_VALUE) {
        d->reader.at++;
        return 0;
    }
    switch (desc->type) {
    case ARG_KEY:
        err = rpc_text(d, desc, 1, limits->key_bytes, "key_bytes", arg);
        break;
    case ARG_BYTES:
        err = rpc_text(d, desc, 0, limits->key_bytes, "key_bytes", arg);
        break;
    case ARG_NAME:
        err = rpc_text(d, desc, 1, limits->name_bytes, "name_bytes", arg);
        break;
    case ARG_DATA:
        err = rpc_text(d, desc, 0, limits->value_bytes, "value_bytes", arg);
        break;
    case ARG_VALUE:
        err = rpc_value(d, desc->name, &arg->bytes);
        break;
    case ARG_ARRAY:
    case ARG_MAP:
        err = rpc_container(d, desc, arg);
        break;
    case ARG_VECTOR:
        err = rpc_vector(d, desc, arg);
        break;
    case ARG_INT:
    case ARG_UINT:
    case ARG_REAL:
    case ARG_BOOL:
        err = rpc_number(d, desc, arg);
        break;
    case ARG_KEYS:
    case ARG_PAIRS:
    case ARG_CALLS:
    case ARG_ITEMS:
    case ARG_CONDITIONS:
        err = rpc_list(d, desc, arg);
        break;
    case ARG_TYPE_COUNT:
        return ERR_INTERNAL;
    }
    arg->present = err == 0;
    return err;
}

/* Arguments by name: `pairs` keys and values. */
static int rpc_named(struct rpc_decoder *d, uint32_t pairs)
{
    const struct op *op = d->request->op;
    struct arg *all = &d->request->all.run;
    struct bytes name = BYTES_NONE;
    bool text;
    int err = 0;
    d->level++;
    for (uint32_t i = 0; i < pairs && err == 0; i++) {
        err = mp_read_bytes(&d->reader, &name, &text);
        if (err == ERR_BAD_REQUEST)
            err = problem_set(d->problem, ERR_BAD_ARGUMENT, "%s: names of options must be str",
                              op->name);
        if (err != 0)
            break;
        int index = op_arg_find(op, name);
        if (index < 0)
            return problem_set(d->problem, ERR_BAD_ARGUMENT, "%s: unknown option '%.*s'", op->name,
                               (int)(name.size < 64 ? name.size : 64), (const char *)name.data);
        bool own = (unsigned)index < op->n_args;
        struct arg *arg = own ? &d->request->args[index] : &all[(unsigned)index - op->n_args];
        if (arg->present)
            return problem_set(d->problem, ERR_BAD_ARGUMENT, "%s: '%.*s' is given twice", op->name,
                               (int)name.size, (const char *)name.data);
        err =
            rpc_arg(d, own ? &op->args[index] : &op_args_of_all[(unsigned)index - op->n_args], arg);
    }
    d->level--;
    return err;
}

/* Does the map that stands at position i of `count` name arguments, or is it itself an argument? */
static bool rpc_map_names(const struct op *op, uint32_t i, uint32_t count)
{
    if (i + 1 != count)
        return false;
    if (i >= op->n_positional)
        return true;
    if (op->args[i].type == ARG_VALUE)
        return false;
    return i >= op->n_required || count == 1;
}

static int rpc_positional(struct rpc_decoder *d, uint32_t count)
{
    const struct op *op = d->request->op;
    struct mp mp;
    int err = 0;
    for (uint32_t i = 0; i < count && err == 0; i++) {
        if (rpc_next_is_map(d) && rpc_map_names(op, i, count)) {
            err = mp_read(&d->reader, &mp);
            return err != 0 ? err : rpc_named(d, mp.count);
        }
        if (d->reader.at == d->reader.end)
            return MP_MORE;
        if (i >= op->n_positional)
            return problem_set(d->problem, ERR_BAD_ARGUMENT,
                               "%s takes at most %u arguments before its options", op->name,
                               op->n_positional);
        err = rpc_arg(d, &op->args[i], &d->request->args[i]);
    }
    return err;
}

static void rpc_clear_args(struct request *request)
{
    for (unsigned i = 0; i < request->op->n_args; i++)
        request->args[i].present = false;
    request->all.run.present = false;
    request->all.durability.present = false;
    request->hashed = false;
}

static int rpc_params(struct rpc_decoder *d)
{
    struct mp mp = {.kind = MP_ARRAY};
    int err = 0;
    if (d->reader.at < d->reader.end && (*d->reader.at & 0xf0) == 0x90)
        mp.count = *d->reader.at++ & 0x0f; /* a short array, as nearly always */
    else
        err = mp_read(&d->reader, &mp);
    if (err != 0)
        return err == MP_MORE ? err
                              : problem_set(d->problem, err, "params is not valid MessagePack");
    d->level++;
    if (mp.kind == MP_ARRAY)
        err = rpc_positional(d, mp.count);
    else if (mp.kind == MP_MAP) {
        d->level--;
        err = rpc_named(d, mp.count);
        d->level++;
    } else
        err = problem_set(d->problem, ERR_BAD_REQUEST, "params must be an array or a map");
    d->level--;
    for (unsigned i = 0; i < d->request->op->n_required && err == 0; i++)
        if (!d->request->args[i].present)
            err = problem_set(d->problem, ERR_BAD_ARGUMENT, "%s: '%s' is missing",
                              d->request->op->name, d->request->op->args[i].name);
    return err;
}

/* method, params. */
static int rpc_call(struct rpc_decoder *d)
{
    struct bytes method = BYTES_NONE;
    bool text;
    int err = mp_read_bytes(&d->reader, &method, &text);
    if (err == ERR_BAD_REQUEST)
        return problem_set(d->problem, err, "the method must be a str");
    if (err != 0)
        return err;
    d->request->op = op_find(method);
    if (d->request->op == NULL)
        return problem_set(d->problem, ERR_UNKNOWN_METHOD,
                           "unknown method '%.*s'; docs/commands.md lists them",
                           (int)(method.size < 64 ? method.size : 64), (const char *)method.data);
    rpc_clear_args(d->request);
    return rpc_params(d);
}

/* [0, msgid or [2, : what kind of message this is. */
static int rpc_head(struct rpc_decoder *d)
{
    struct mp mp;
    const uint8_t *p = d->reader.at;
    if (d->reader.end - p >= 7 && p[0] == 0x94 && p[1] == 0 && (p[2] < 0x80 || p[2] == 0xce)) {
        bool wide = p[2] == 0xce; /* what nearly all requests begin with */
        d->request->msgid = wide ? (uint32_t)p[3] << 24 | p[4] << 16 | p[5] << 8 | p[6] : p[2];
        d->request->notification = false;
        d->reader.at += wide ? 7 : 3;
        return 0;
    }
    int err = mp_read(&d->reader, &mp);
    if (err == MP_MORE)
        return err;
    if (err != 0 || mp.kind != MP_ARRAY)
        return problem_set(d->problem, ERR_BAD_REQUEST, "a message must be an array");
    uint32_t count = mp.count;
    if (count == 0) /* what follows is no part of it */
        return problem_set(d->problem, ERR_BAD_REQUEST, "a message must not be empty");
    err = mp_read(&d->reader, &mp);
    if (err == MP_MORE)
        return err;
    if (err != 0 || mp.kind != MP_UINT || (mp.uint != 0 && mp.uint != 2) ||
        count != (mp.uint == 0 ? 4 : 3))
        return problem_set(d->problem, ERR_BAD_REQUEST,
                           "a message must be [0, msgid, method, params] or [2, method, params]");
    if (mp.uint == 2)
        return 0;
    err = mp_read(&d->reader, &mp);
    if (err == MP_MORE)
        return err;
    if (err != 0 || mp.kind != MP_UINT || mp.uint > UINT32_MAX)
        return problem_set(d->problem, ERR_BAD_REQUEST, "msgid must be an integer of 32 bits");
    d->request->msgid = (uint32_t)mp.uint;
    d->request->notification = false;
    return 0;
}

/* Something is wrong with the call: find the end of its message so that the stream can go on. */
static enum rpc_result rpc_refuse(struct rpc_decoder *d, struct bytes data, size_t *out_size)
{
    struct problem why = *d->problem;
    d->reader = mp_reader_of(data);
    int err = rpc_skip(d, (unsigned)d->limits->nesting);
    if (err == MP_MORE)
        return RPC_MORE;
    if (err != 0)
        return RPC_FATAL;
    *d->problem = why;
    *out_size = (size_t)(d->reader.at - data.data);
    return RPC_REFUSED;
}

enum rpc_result rpc_decode(struct bytes data, const struct limits *limits, struct request *out,
                           struct problem *problem, size_t *out_size)
{
    struct rpc_decoder d = {mp_reader_of(data), limits, out, problem, 1};
    out->op = NULL;
    out->msgid = 0;
    out->notification = true;
    int err = rpc_head(&d);
    if (err == MP_MORE)
        return RPC_MORE;
    if (err != 0)
        return RPC_FATAL;
    err = rpc_call(&d);
    if (err == MP_MORE)
        return RPC_MORE;
    if (err != 0)
        return rpc_refuse(&d, data, out_size);
    *out_size = out->size = (size_t)(d.reader.at - data.data);
    return RPC_OK;
}

int rpc_decode_call(struct mp_reader *reader, const struct limits *limits, struct request *out,
                    struct problem *problem)
{
    struct rpc_decoder d = {*reader, limits, out, problem, 0};
    const uint8_t *start = reader->at;
    struct bytes method = BYTES_NONE;
    bool text;
    int err = rpc_call(&d);
    REQUIRE(err != MP_MORE);
    /* Move behind the call, whatever became of it; it is complete, so both steps succeed. */
    REQUIRE(mp_read_bytes(reader, &method, &text) == 0);
    REQUIRE(mp_skip(reader, MP_DEPTH_MAX) == 0);
    out->size = (size_t)(reader->at - start);
    return err;
}

int rpc_decode_named(struct mp_reader *reader, const struct limits *limits, const struct op *op,
                     struct request *out, struct problem *problem)
{
    struct rpc_decoder d = {*reader, limits, out, problem, 0};
    struct mp mp;
    out->op = op;
    rpc_clear_args(out);
    REQUIRE(mp_skip(reader, MP_DEPTH_MAX) == 0);
    out->size = (size_t)(reader->at - d.reader.at);
    REQUIRE(mp_read(&d.reader, &mp) == 0);
    if (mp.kind != MP_MAP)
        return problem_set(problem, ERR_BAD_ARGUMENT, "%s: an entry must be a map", op->name);
    return rpc_named(&d, mp.count);
}

/* One argument behind its name. */
static int rpc_encode_arg(struct buf *out, enum arg_type type, const struct arg *arg)
{
    int err;
    switch (type) {
    case ARG_KEY:
    case ARG_BYTES:
    case ARG_NAME:
    case ARG_DATA:
        return arg->text ? pack_str(out, arg->bytes) : pack_bin(out, arg->bytes);
    case ARG_INT:
        return pack_int(out, arg->sint);
    case ARG_UINT:
        return pack_uint(out, arg->uint);
    case ARG_REAL:
        return pack_real(out, arg->real);
    case ARG_BOOL:
        return pack_bool(out, arg->boolean);
    case ARG_KEYS:
    case ARG_PAIRS:
    case ARG_CALLS:
    case ARG_ITEMS:
    case ARG_CONDITIONS:
        err = pack_array(out, arg->count);
        return err != 0 ? err : buf_append(out, arg->bytes.data, arg->bytes.size);
    case ARG_VALUE:
    case ARG_ARRAY:
    case ARG_MAP:
    case ARG_VECTOR:
        return buf_append(out, arg->bytes.data, arg->bytes.size);
    case ARG_TYPE_COUNT:
        break;
    }
    return ERR_INTERNAL;
}

int rpc_encode_call(struct buf *out, const struct request *request)
{
    const struct op *op = request->op;
    size_t n = 0, start = out->size;
    for (unsigned i = 0; i < op->n_args; i++)
        n += request->args[i].present;
    int err = pack_array(out, 2);
    (void)(err == 0 && (err = pack_str(out, bytes_of(op->name))) == 0 &&
           (err = pack_map(out, n)) == 0);
    for (unsigned i = 0; i < op->n_args && err == 0; i++) {
        if (!request->args[i].present)
            continue;
        err = pack_str(out, bytes_of(op->args[i].name));
        if (err == 0)
            err = rpc_encode_arg(out, op->args[i].type, &request->args[i]);
    }
    if (err != 0)
        out->size = start;
    return err;
}

int rpc_encode_request(struct buf *out, uint32_t msgid, struct bytes method)
{
    int err = pack_array(out, 4);
    if (err == 0)
        err = pack_uint(out, 0);
    if (err == 0)
        err = pack_uint(out, msgid);
    return err != 0 ? err : pack_str(out, method);
}

static int rpc_part(struct mp_reader *reader, struct bytes *out)
{
    const uint8_t *start = reader->at;
    int err = mp_skip(reader, MP_DEPTH_MAX);
    *out = (struct bytes){start, (size_t)(reader->at - start)};
    return err == ERR_LIMIT_EXCEEDED ? ERR_BAD_REQUEST : err;
}

int rpc_decode_response(struct bytes data, struct rpc_response *out, size_t *out_size)
{
    struct mp_reader reader = mp_reader_of(data);
    struct rpc_response response;
    struct mp head, type, msgid;
    int err = 0;
    (void)((err = mp_read(&reader, &head)) == 0 && (err = mp_read(&reader, &type)) == 0 &&
           (err = mp_read(&reader, &msgid)) == 0);
    if (err != 0)
        return err;
    if (head.kind != MP_ARRAY || head.count != 4 || type.kind != MP_UINT || type.uint != 1 ||
        msgid.kind != MP_UINT || msgid.uint > UINT32_MAX)
        return ERR_BAD_REQUEST;
    response.msgid = (uint32_t)msgid.uint;
    (void)((err = rpc_part(&reader, &response.error)) == 0 &&
           (err = rpc_part(&reader, &response.result)) == 0);
    if (err != 0)
        return err;
    *out = response;
    *out_size = (size_t)(reader.at - data.data);
    return 0;
}
