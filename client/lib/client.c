/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A connection: requests out, replies in, matched by msgid.
 *
 *   cairn_send   [0, msgid, method, params] -> link.out      slot[msgid] FREE -> PENDING
 *   receive      link.in -> [1, msgid, error, result]        slot[msgid] PENDING -> FREE
 *   a blocking call that timed out                           slot[msgid] PENDING -> ABANDONED
 *
 * How: msgids count up; one whose slot is still taken by a slow request is passed over. A reply is
 * looked for with a scan that goes on where it stood, so that any cutting of the stream costs the
 * same.
 *
 * Invariants
 *   1. A message is handed out as views; it stays in link.in until the next read from the socket.
 *   2. pending + abandoned <= max_in_flight <= number of slots / 2.
 *   3. What cannot be understood closes the connection: nothing after it could be trusted.
 *
 * Threads: one at a time.
 * Failures: told in c->error; TIMEOUT and LIMIT_EXCEEDED of a send leave the connection usable.
 */
#include "client/lib/client.h"

#include "client/lib/fault.h"
#include "common/err.h"
#include "common/mem.h"
#include "proto/pack.h"
#include "proto/rpc.h"

enum { CLIENT_HEAD_BYTES = 64 * 1024 }; /* headroom of a reply around its result */

static struct slot *client_slot(struct cairn *c, uint32_t msgid)
{
    return &c->slots[msgid & c->slot_mask];
}

static int client_lost(struct cairn *c)
{
    return fault_set(&c->error, CAIRN_DISCONNECTED, "the connection is closed; connect again");
}

/* A peer that does not speak our protocol. */
static int client_garbage(struct cairn *c, const char *what)
{
    link_close(&c->link);
    return fault_set(&c->error, CAIRN_PROTOCOL, "%s", what);
}

/* Step 1 of a request: a msgid and the head. */
static int client_head(struct cairn *c, const char *method, uint32_t *out_msgid)
{
    struct buf *out = &c->link.out;
    if (c->link.fd < 0)
        return client_lost(c);
    if (method == NULL)
        return fault_set(&c->error, CAIRN_BAD_ARGUMENT, "no method is given");
    if (c->pending + c->abandoned >= c->max_in_flight)
        return fault_set(&c->error, CAIRN_LIMIT_EXCEEDED,
                         "%u requests are out (max_in_flight); receive replies first",
                         (unsigned)c->max_in_flight);
    if (c->link.out_sent > link_unwritten(&c->link)) {
        buf_consume(out, c->link.out_sent);
        c->link.out_sent = 0;
    }
    while (client_slot(c, c->next_msgid)->state != SLOT_FREE)
        c->next_msgid++;
    c->mark = out->size;
    if (rpc_encode_request(out, c->next_msgid, bytes_of(method)) != 0) {
        out->size = c->mark;
        return fault_set(&c->error, CAIRN_OUT_OF_MEMORY, "no memory for the request");
    }
    *out_msgid = c->next_msgid;
    return 0;
}

/* Step 2: the params are packed (`err` is how that went); count the request as out. */
static int client_seal(struct cairn *c, int err, uint32_t msgid)
{
    if (err != 0) {
        c->link.out.size = c->mark;
        return fault_set(&c->error, CAIRN_OUT_OF_MEMORY, "no memory for the request");
    }
    if (link_unwritten(&c->link) > c->max_send_bytes) {
        c->link.out.size = c->mark;
        return fault_set(&c->error, CAIRN_LIMIT_EXCEEDED,
                         "more than %zu bytes would wait to be written (max_send_bytes)",
                         c->max_send_bytes);
    }
    *client_slot(c, msgid) = (struct slot){msgid, SLOT_PENDING};
    c->next_msgid = msgid + 1;
    c->pending++;
    return 0;
}

/* Find the slot of a reply and free it; false if nobody asked for it. */
static bool client_match(struct cairn *c, uint32_t msgid, bool *out_wanted)
{
    struct slot *slot = client_slot(c, msgid);
    if (slot->state == SLOT_FREE || slot->msgid != msgid)
        return false;
    *out_wanted = slot->state == SLOT_PENDING;
    if (*out_wanted)
        c->pending--;
    else
        c->abandoned--;
    slot->state = SLOT_FREE;
    return true;
}

/* A whole message as the parts of a response. 0, MP_MORE for a notification, ERR_BAD_REQUEST. */
static int client_parse(struct bytes message, struct rpc_response *out)
{
    struct mp_reader reader = mp_reader_of(message);
    struct mp head, type, msgid;
    if (mp_read(&reader, &head) != 0 || head.kind != MP_ARRAY || mp_read(&reader, &type) != 0 ||
        type.kind != MP_UINT)
        return ERR_BAD_REQUEST;
    if (head.count == 3 && type.uint == 2)
        return MP_MORE;
    if (head.count != 4 || type.uint != 1 || mp_read(&reader, &msgid) != 0 ||
        msgid.kind != MP_UINT || msgid.uint > UINT32_MAX)
        return ERR_BAD_REQUEST;
    const uint8_t *error = reader.at;
    if (frame_skip(&reader) != 0)
        return ERR_BAD_REQUEST;
    out->msgid = (uint32_t)msgid.uint;
    out->error = (struct bytes){error, (size_t)(reader.at - error)};
    out->result = (struct bytes){reader.at, (size_t)(reader.end - reader.at)};
    return 0;
}

/* Is there a whole message in link.in? 0, MP_MORE, or a negative enum cairn_status. */
static int client_next_message(struct cairn *c, struct bytes *out_message)
{
    struct bytes unread = link_unread(&c->link);
    if (unread.size == 0)
        return MP_MORE;
    if ((unread.data[0] & 0xf0) != 0x90) /* any message is a short array: garbage shows at once */
        return client_garbage(c, "the peer sent something that is not MessagePack-RPC");
    int err = frame_scan(&c->frame, unread, c->max_reply_bytes + CLIENT_HEAD_BYTES);
    if (err == MP_MORE)
        return unread.size < c->max_reply_bytes + CLIENT_HEAD_BYTES
                   ? err
                   : client_garbage(c, "a reply exceeds max_reply_bytes");
    if (err != 0)
        return client_garbage(c, err == ERR_LIMIT_EXCEEDED ? "a reply exceeds max_reply_bytes"
                                                           : "a reply is not MessagePack");
    *out_message = (struct bytes){unread.data, c->frame.position};
    return 0;
}

/* Keep a notification for cairn_notified. */
static int client_keep(struct cairn *c, struct bytes message)
{
    buf_consume(&c->kept, c->kept_taken);
    c->kept_taken = 0;
    if (c->kept.size + message.size > c->max_reply_bytes) {
        link_close(&c->link);
        return fault_set(&c->error, CAIRN_LIMIT_EXCEEDED,
                         "notifications that nobody takes exceed max_reply_bytes");
    }
    if (buf_append(&c->kept, message.data, message.size) != 0) {
        link_close(&c->link);
        return fault_set(&c->error, CAIRN_OUT_OF_MEMORY, "no memory for a notification");
    }
    return 0;
}

/* The next reply that somebody wants, if one is there; or, where out_note is given, the next
 * notification (others are kept). 0, MP_MORE, or a status. */
static int client_take(struct cairn *c, struct rpc_response *out, struct bytes *out_note)
{
    struct bytes message = BYTES_NONE;
    bool wanted = false;
    while (!wanted) {
        c->link.in_taken += c->taken_next;
        c->taken_next = 0;
        int err = client_next_message(c, &message);
        if (err != 0)
            return err;
        c->taken_next = c->frame.position;
        c->frame = (struct frame){0};
        err = client_parse(message, out);
        if (err == MP_MORE && out_note != NULL) {
            *out_note = message;
            return 0;
        }
        if (err == MP_MORE) {
            err = client_keep(c, message);
            if (err != 0)
                return err;
        } else if (err != 0 || !client_match(c, out->msgid, &wanted)) {
            return client_garbage(c, err != 0 ? "the peer sent something that is not a reply"
                                              : "a reply came that nobody asked for");
        }
    }
    return 0;
}

/* Wait for what client_take gives. */
static int client_await(struct cairn *c, uint64_t deadline_ns, struct rpc_response *out,
                        struct bytes *out_note)
{
    int err = client_take(c, out, out_note);
    if (err == MP_MORE)
        err = c->link.fd < 0 ? client_lost(c) : link_write(&c->link, &c->error);
    else
        return err;
    while (err == 0) {
        err = link_pump(&c->link, c->max_reply_bytes + CLIENT_HEAD_BYTES, deadline_ns, &c->error);
        if (err != 0)
            return err;
        err = client_take(c, out, out_note);
        if (err != MP_MORE)
            return err;
        err = 0;
    }
    return err;
}

/* What the reply says: 0, or the error of the server. */
static int client_outcome(struct cairn *c, const struct rpc_response *response)
{
    if (response->error.size == 1 && response->error.data[0] == 0xc0)
        return 0;
    return fault_decode(&c->error, response->error);
}

int client_begin(struct cairn *c, const char *method, uint32_t *out_msgid)
{
    fault_clear(&c->error);
    if (c->pending > 0)
        return fault_set(&c->error, CAIRN_BAD_ARGUMENT,
                         "%u pipelined replies are outstanding; receive them first",
                         (unsigned)c->pending);
    return client_head(c, method, out_msgid);
}

int client_finish(struct cairn *c, int err, uint32_t msgid, struct bytes *out_result)
{
    struct rpc_response response;
    uint64_t deadline = link_deadline(c->timeout_ms);
    int status = client_seal(c, err, msgid);
    if (status != 0)
        return status;
    status = client_await(c, deadline, &response, NULL);
    if (status != 0 && client_slot(c, msgid)->state == SLOT_PENDING) {
        client_slot(c, msgid)->state = SLOT_ABANDONED;
        c->pending--;
        c->abandoned++;
    }
    if (status == 0)
        status = client_outcome(c, &response);
    if (status == 0)
        *out_result = response.result;
    return status;
}

bool client_is_clean(const struct cairn *c)
{
    return c->pending == 0 && c->abandoned == 0 && c->kept_taken == c->kept.size &&
           link_unwritten(&c->link) == 0 && c->link.in.size == c->link.in_taken + c->taken_next &&
           link_is_quiet(&c->link);
}

/* Params of a generic call: size 0 is an empty array. 0, ERR_OUT_OF_MEMORY or ERR_BAD_ARGUMENT. */
static int client_params(struct cairn *c, struct bytes params)
{
    if (params.size == 0)
        return pack_array(&c->link.out, 0);
    uint8_t first = params.data[0];
    bool list = (first & 0xe0) == 0x80 || first >= 0xdc; /* fixmap, fixarray, array or map 16, 32 */
    if (!list || first >= 0xe0 || !frame_is_one(params))
        return ERR_BAD_ARGUMENT;
    return buf_append(&c->link.out, params.data, params.size);
}

/* Drop the request being built because its params are wrong. */
static int client_refuse(struct cairn *c)
{
    c->link.out.size = c->mark;
    return fault_set(&c->error, CAIRN_BAD_ARGUMENT,
                     "params must be one packed MessagePack array or map");
}

int cairn_call(struct cairn *c, const char *method, struct cairn_bytes params,
               struct cairn_bytes *out_result)
{
    uint32_t msgid = 0;
    struct bytes result;
    int status = client_begin(c, method, &msgid);
    if (status != 0)
        return status;
    int err = client_params(c, client_bytes(params));
    if (err == ERR_BAD_ARGUMENT)
        return client_refuse(c);
    status = client_finish(c, err, msgid, &result);
    if (status == 0 && out_result != NULL)
        *out_result = client_public(result);
    return status;
}

int cairn_send(struct cairn *c, const char *method, struct cairn_bytes params, uint32_t *out_msgid)
{
    uint32_t msgid = 0;
    fault_clear(&c->error);
    int status = client_head(c, method, &msgid);
    if (status != 0)
        return status;
    int err = client_params(c, client_bytes(params));
    if (err == ERR_BAD_ARGUMENT)
        return client_refuse(c);
    status = client_seal(c, err, msgid);
    if (status == 0 && out_msgid != NULL)
        *out_msgid = msgid;
    return status;
}

int cairn_flush(struct cairn *c)
{
    uint64_t deadline = link_deadline(c->timeout_ms);
    size_t in_max = c->max_reply_bytes + CLIENT_HEAD_BYTES;
    fault_clear(&c->error);
    if (c->link.fd < 0)
        return client_lost(c);
    int status = link_write(&c->link, &c->error);
    while (status == 0 && link_unwritten(&c->link) > 0) {
        if (link_unread(&c->link).size >= in_max)
            return fault_set(&c->error, CAIRN_LIMIT_EXCEEDED,
                             "too many replies wait to be received; receive some first");
        status = link_pump(&c->link, in_max, deadline, &c->error);
    }
    return status;
}

int cairn_receive(struct cairn *c, struct cairn_reply *out_reply)
{
    struct rpc_response response;
    fault_clear(&c->error);
    if (c->pending == 0)
        return fault_set(&c->error, CAIRN_BAD_ARGUMENT, "no reply is outstanding");
    int status = client_await(c, link_deadline(c->timeout_ms), &response, NULL);
    if (status != 0)
        return status;
    status = client_outcome(c, &response);
    *out_reply = (struct cairn_reply){.msgid = response.msgid, .status = status};
    if (status == 0)
        out_reply->result = client_public(response.result);
    return CAIRN_OK;
}

/* The first of those that were kept; a whole message. */
static struct bytes client_kept(struct cairn *c)
{
    struct cairn_bytes rest = {c->kept.data + c->kept_taken, c->kept.size - c->kept_taken};
    struct bytes first = {rest.data, rest.size};
    if (cairn_unpack_skip(&rest) == CAIRN_OK)
        first.size -= rest.size;
    c->kept_taken += first.size;
    return first;
}

int cairn_notified(struct cairn *c, struct cairn_notification *out_notification)
{
    struct bytes message = BYTES_NONE, method;
    struct rpc_response ignored;
    struct mp head, type;
    bool text;
    int status = 0;
    fault_clear(&c->error);
    if (c->pending > 0)
        return fault_set(&c->error, CAIRN_BAD_ARGUMENT,
                         "%u pipelined replies are outstanding; receive them first",
                         (unsigned)c->pending);
    if (c->kept_taken < c->kept.size)
        message = client_kept(c);
    else
        status = client_await(c, link_deadline(c->timeout_ms), &ignored, &message);
    if (status != 0)
        return status;
    struct mp_reader reader = mp_reader_of(message);
    if (mp_read(&reader, &head) != 0 || mp_read(&reader, &type) != 0 ||
        mp_read_bytes(&reader, &method, &text) != 0)
        return client_garbage(c, "the peer sent something that is not MessagePack-RPC");
    out_notification->method = client_public(method);
    out_notification->params =
        cairn_view(reader.at, (size_t)(message.data + message.size - reader.at));
    return CAIRN_OK;
}

size_t cairn_outstanding(const struct cairn *c)
{
    return c->pending;
}

const struct cairn_error *cairn_error(const struct cairn *c)
{
    return &c->error;
}

void cairn_set_timeout(struct cairn *c, uint32_t timeout_ms)
{
    struct cairn_options options = {.timeout_ms = timeout_ms};
    struct cairn_error error;
    struct target target;
    if (target_init(&target, NULL, &options, &error) == 0) /* 0 is the default there as well */
        c->timeout_ms = target.timeout_ms;
}

bool cairn_usable(const struct cairn *c)
{
    return link_is_open(&c->link);
}

static int client_pack_option(struct buf *out, const char *name, const char *value)
{
    if (value[0] == 0)
        return 0;
    int err = pack_str(out, bytes_of(name));
    return err != 0 ? err : pack_str(out, bytes_of(value));
}

/* server.hello with what the target wants. */
static int client_hello(struct cairn *c, const struct target *target)
{
    uint32_t msgid = 0;
    struct bytes ignored;
    struct buf *out = &c->link.out;
    int status = client_begin(c, "server.hello", &msgid);
    if (status != 0)
        return status;
    int err = pack_map(out, 3u + (target->token[0] != 0) + (target->run[0] != 0) +
                                (target->durability[0] != 0));
    (void)(err == 0 && (err = client_pack_option(out, "client", target->client)) == 0 &&
           (err = client_pack_option(out, "version", CAIRN_VERSION_TEXT)) == 0 &&
           (err = client_pack_option(out, "errors", "map")) == 0 &&
           (err = client_pack_option(out, "auth", target->token)) == 0 &&
           (err = client_pack_option(out, "run", target->run)) == 0 &&
           (err = client_pack_option(out, "durability", target->durability)) == 0);
    return client_finish(c, err, msgid, &ignored);
}

/* Open and greet within one timeout. */
static int client_start(struct cairn *c, const struct target *target)
{
    uint64_t begun = link_deadline(0);
    uint64_t deadline = link_deadline(target->connect_timeout_ms);
    int status = link_open(&c->link, target, deadline, &c->error);
    if (status != 0)
        return status;
    uint64_t passed_ms = (link_deadline(0) - begun) / 1000000u;
    bool bounded = target->connect_timeout_ms != UINT32_MAX;
    if (bounded && passed_ms >= target->connect_timeout_ms)
        return fault_set(&c->error, CAIRN_TIMEOUT, "the server did not accept in time");
    c->timeout_ms = target->connect_timeout_ms - (bounded ? (uint32_t)passed_ms : 0);
    status = client_hello(c, target);
    c->timeout_ms = target->timeout_ms;
    return status;
}

/* Slots: a power of two, at least twice as many as requests may be out. */
static int client_alloc_slots(struct cairn *c)
{
    uint32_t count = 2;
    while (count < 2 * c->max_in_flight)
        count *= 2;
    c->slots = mem_calloc(count, sizeof *c->slots);
    c->slot_mask = count - 1;
    return c->slots == NULL ? CAIRN_OUT_OF_MEMORY : 0;
}

struct cairn *client_open(const struct target *target, struct cairn_error *error)
{
    struct cairn *c = mem_calloc(1, sizeof *c);
    if (c == NULL) {
        (void)fault_set(error, CAIRN_OUT_OF_MEMORY, "no memory for the connection");
        return NULL;
    }
    link_init(&c->link);
    c->next_msgid = 1;
    c->max_in_flight = target->max_in_flight;
    c->max_reply_bytes = target->max_reply_bytes;
    c->max_send_bytes = target->max_send_bytes;
    int status = client_alloc_slots(c);
    if (status != 0)
        (void)fault_set(&c->error, status, "no memory for the connection");
    else
        status = client_start(c, target);
    if (status == 0)
        return c;
    *error = c->error;
    cairn_close(c);
    return NULL;
}

struct cairn *cairn_connect(const char *address, const struct cairn_options *options,
                            struct cairn_error *out_error)
{
    struct cairn_error error;
    struct cairn *c = NULL;
    struct target target;
    fault_clear(&error);
    if (target_init(&target, address, options, &error) == 0) {
        c = client_open(&target, &error);
        explicit_bzero(target.token, sizeof target.token);
    }
    if (c == NULL && out_error != NULL)
        *out_error = error;
    return c;
}

void cairn_close(struct cairn *c)
{
    if (c == NULL)
        return;
    link_deinit(&c->link);
    buf_deinit(&c->kept);
    mem_free(c->slots);
    mem_free(c);
}
