/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Talks to the server about the collection.
 *
 * How: requests are packed by hand, as there are but two of them; probe_call sends them.
 *
 * Invariants: an answer is data from outside; of it only known fields of known types are taken.
 * Threads: the main thread. Failures: a sentence with the server's own words.
 */
#include "client/loadgen/vector_server.h"

#include "client/loadgen/probe.h"
#include "common/err.h"
#include "proto/mp.h"
#include "proto/pack.h"
#include "proto/rpc.h"

#include <stdio.h>
#include <string.h>

static int server_text(struct buf *out, const char *key, const char *value)
{
    int err = pack_str(out, bytes_of(key));
    return err != 0 ? err : pack_str(out, bytes_of(value));
}

/* What is not given is left to the server. */
static int server_count(struct buf *out, const char *key, uint64_t value)
{
    if (value == 0)
        return 0;
    int err = pack_str(out, bytes_of(key));
    return err != 0 ? err : pack_uint(out, value);
}

static int server_pack_create(const struct vector_plan *plan, struct buf *out)
{
    size_t options = 3 + (plan->m > 0) + (plan->ef_construction > 0);
    int err = rpc_encode_request(out, 0, bytes_of("vec.create"));
    if (err == 0)
        err = pack_array(out, 3);
    if (err == 0)
        err = pack_str(out, bytes_of(plan->collection));
    if (err == 0)
        err = pack_uint(out, plan->set->spec.dim);
    if (err == 0)
        err = pack_map(out, options);
    if (err == 0)
        err = server_text(out, "metric", vector_metric_names[plan->set->spec.metric]);
    if (err == 0)
        err = server_text(out, "index", plan->index);
    if (err == 0)
        err = server_text(out, "quantization", plan->quantization);
    if (err == 0)
        err = server_count(out, "m", plan->m);
    return err != 0 ? err : server_count(out, "ef_construction", plan->ef_construction);
}

static int server_pack_info(const struct vector_plan *plan, struct buf *out)
{
    int err = rpc_encode_request(out, 0, bytes_of("vec.info"));
    if (err == 0)
        err = pack_array(out, 1);
    return err != 0 ? err : pack_str(out, bytes_of(plan->collection));
}

/* Send what is packed and look at the status of the answer. */
static int server_ask(const struct target *target, const char *what, int packed,
                      const struct buf *request, struct buf *answer, struct driver_reply *reply,
                      struct failure *failure)
{
    if (packed != 0)
        return failure_set(failure, FAILURE_LOCAL, "out of memory");
    switch (probe_call(target, buf_bytes(request), answer, reply)) {
    case DRIVER_VALUE:
        return 0;
    case DRIVER_NIL:
        return failure_set(failure, FAILURE_REPLY, "%s: there is no such collection", what);
    case DRIVER_ERROR:
        return failure_set(failure, FAILURE_REPLY, "%s: the server refuses: %.*s", what,
                           (int)(reply->text.size < 160 ? reply->text.size : 160),
                           (const char *)reply->text.data);
    case DRIVER_MORE:
    case DRIVER_BAD:
        break;
    }
    return failure_set(failure, FAILURE_REPLY, "%s: the server does not answer", what);
}

int vector_server_create(const struct target *target, const struct vector_plan *plan,
                         struct failure *failure)
{
    struct buf request, answer;
    struct driver_reply reply;
    buf_init(&request);
    buf_init(&answer);
    int err = server_ask(target, "vec.create", server_pack_create(plan, &request), &request,
                         &answer, &reply, failure);
    buf_deinit(&request);
    buf_deinit(&answer);
    return err;
}

int vector_server_info(const struct target *target, const struct vector_plan *plan,
                       struct vector_state *out, struct failure *failure)
{
    struct buf request, answer;
    struct driver_reply reply;
    buf_init(&request);
    buf_init(&answer);
    int err = server_ask(target, "vec.info", server_pack_info(plan, &request), &request, &answer,
                         &reply, failure);
    if (err == 0)
        vector_state_read(reply.whole, out);
    buf_deinit(&request);
    buf_deinit(&answer);
    return err;
}

/* A field of vec.info. */
static void state_field(struct bytes key, const struct mp *value, struct vector_state *out)
{
    const struct {
        const char *name;
        uint64_t *to;
    } counts[] = {
        {"count", &out->count},           {"linked", &out->linked}, {"tail", &out->tail},
        {"tombstones", &out->tombstones}, {"bytes", &out->bytes},
    };
    for (size_t i = 0; i < LENGTH_OF(counts) && value->kind == MP_UINT; i++)
        if (bytes_equal(key, bytes_of(counts[i].name)))
            *counts[i].to = value->uint;
    if (value->kind != MP_STR || !bytes_equal(key, bytes_of("state")))
        return;
    size_t size = value->bytes.size < VECTOR_STATE_SIZE ? value->bytes.size : VECTOR_STATE_SIZE - 1;
    for (size_t i = 0; i < size; i++)
        out->state[i] = value->bytes.data[i] >= ' ' && value->bytes.data[i] <= '~'
                            ? (char)value->bytes.data[i]
                            : '?';
    out->state[size] = 0;
}

void vector_state_read(struct bytes info, struct vector_state *out)
{
    struct mp_reader reader = mp_reader_of(info);
    struct mp head, value;
    struct bytes key;
    bool text;
    memset(out, 0, sizeof *out);
    if (mp_read(&reader, &head) != 0 || head.kind != MP_MAP)
        return;
    for (uint32_t i = 0; i < head.count; i++) {
        if (mp_read_bytes(&reader, &key, &text) != 0)
            return;
        struct mp_reader at = reader;
        if (mp_skip(&reader, MP_DEPTH_MAX) != 0)
            return;
        if (mp_read(&at, &value) == 0)
            state_field(key, &value, out);
    }
}

bool vector_state_is_built(const struct vector_state *state)
{
    return state->tail == 0 && strcmp(state->state, "building") != 0;
}
