/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Transactions of RESP, on the atomic batch.
 *
 *   WATCH k       kv.versions -> conditions [kv, k, version]
 *   MULTI
 *   SET a 1       -> queue: call;   calls: [kv.put, {key, value}]
 *   ECHO x        -> queue: command; its bytes
 *   EXEC          batch(calls, conditions, atomic, partial) -> each [error, result] in the shape of
 *                 its command; commands that are no calls are carried out in their turn
 *
 * So what was queued takes effect at one instant, if no watched key has another version, and a call
 * that fails leaves the others alone, as Redis has it. Commands that see more than single keys,
 * such as SCAN, cannot be part of that instant and are refused when they are to be queued.
 *
 * Invariants
 *   1. n_calls elements stand in `calls`, in the order of the entries of `queue` that are calls.
 *   2. Nothing of a connection is queued after EXEC, DISCARD or RESET; nothing is watched after
 *   EXEC.
 *
 * Threads: the loop of the connection.
 * Failures: what is queued is bounded by limits.frame_bytes and limits.items; beyond them a command
 * is refused and EXEC will be.
 */
#include "common/err.h"
#include "proto/pack.h"
#include "proto/rpc.h"
#include "server/net/resp.h"

enum resp_queued_kind {
    QUEUED_CALL,    /* a call of the batch */
    QUEUED_COMMAND, /* a command: its arguments follow */
    QUEUED_ERROR,   /* its text follows, with NUL */
};

/* An entry of the queue. */
struct resp_queued {
    enum resp_queued_kind kind;
    enum resp_id command;
    uint32_t n_args;
    size_t size; /* bytes that follow */
};

void resp_forget(struct resp_state *state)
{
    state->in_multi = state->spoilt = false;
    state->n_queued = state->n_calls = state->n_watched = 0;
    buf_deinit(&state->queue);
    buf_deinit(&state->calls);
    buf_deinit(&state->watched);
}

/* ---- queueing ---- */

static int queue_add(struct resp_state *state, struct resp_queued entry, const void *data)
{
    int err = buf_append(&state->queue, &entry, sizeof entry);
    if (err == 0)
        err = buf_append(&state->queue, data, entry.size);
    state->n_queued += err == 0;
    return err;
}

/* The arguments that are left, as bytes. */
static struct bytes queue_rest(struct resp_reader args)
{
    uint8_t *start = args.at;
    while (args.left > 0)
        (void)resp_next(&args);
    return (struct bytes){start, (size_t)(args.at - start)};
}

static int queue_error(struct resp_do *d, const struct problem *problem)
{
    struct resp_queued entry = {QUEUED_ERROR, d->command->id, 0, strlen(problem->text) + 1};
    return queue_add(d->conn->resp, entry, problem->text);
}

static int queue_spelling(struct resp_do *d, struct request *request)
{
    struct resp_state *state = d->conn->resp;
    struct problem problem;
    if (!(op_table[d->command->op].flags & OP_BATCH)) {
        struct bytes rest = queue_rest(d->args);
        struct resp_queued entry = {QUEUED_COMMAND, d->command->id, d->args.left, rest.size};
        return queue_add(state, entry, rest.data);
    }
    resp_request(request, (enum op_id)d->command->op);
    struct resp_call call = resp_call_of(d, request, &problem);
    if (resp_map(&call) != 0)
        return queue_error(d, &problem);
    int err = rpc_encode_call(&state->calls, request);
    if (err != 0)
        return err;
    state->n_calls++;
    return queue_add(state, (struct resp_queued){QUEUED_CALL, d->command->id, 0, 0}, "");
}

int resp_queue(struct resp_do *d, struct request *request)
{
    struct resp_state *state = d->conn->resp;
    const struct limits *limits = &d->conn->loop->limits;
    struct bytes rest = queue_rest(d->args);
    if (d->command->flags & RESP_ALONE) {
        state->spoilt = true;
        return resp_fail(d, "ERR %s is not possible inside MULTI: it sees more than single keys",
                         d->command->name);
    }
    if (state->n_queued >= limits->items ||
        state->queue.size + state->calls.size + rest.size > limits->frame_bytes) {
        state->spoilt = true;
        return resp_fail(d, "ERR the transaction exceeds limits.%s",
                         state->n_queued >= limits->items ? "items" : "frame_bytes");
    }
    int err;
    if (d->command->op >= 0) {
        err = queue_spelling(d, request);
    } else {
        struct resp_queued entry = {QUEUED_COMMAND, d->command->id, d->args.left, rest.size};
        err = queue_add(state, entry, rest.data);
    }
    return err != 0 ? err : resp_put_simple(d->out, "QUEUED");
}

int resp_do_MULTI(struct resp_do *d)
{
    struct resp_state *state = d->conn->resp;
    if (state->in_multi)
        return resp_fail(d, "ERR MULTI calls can not be nested");
    state->in_multi = true;
    return resp_put_simple(d->out, "OK");
}

int resp_do_DISCARD(struct resp_do *d)
{
    if (!d->conn->resp->in_multi)
        return resp_fail(d, "ERR DISCARD without MULTI");
    resp_forget(d->conn->resp);
    return resp_put_simple(d->out, "OK");
}

/* ---- watching ---- */

/* The versions of these keys, as conditions. */
static int watch_add(struct resp_state *state, struct bytes keys, uint32_t count,
                     struct bytes versions)
{
    struct mp_reader key = mp_reader_of(keys), version = mp_reader_of(versions);
    struct mp mp;
    int err = 0;
    REQUIRE(mp_read(&version, &mp) == 0 && mp.count == count);
    for (uint32_t i = 0; i < count && err == 0; i++) {
        REQUIRE(mp_read(&key, &mp) == 0);
        struct bytes name = mp.bytes;
        REQUIRE(mp_read(&version, &mp) == 0);
        (void)((err = pack_array(&state->watched, 3)) == 0 &&
               (err = pack_str(&state->watched, bytes_of("kv"))) == 0 &&
               (err = pack_str(&state->watched, name)) == 0 &&
               (err = pack_uint(&state->watched, mp.uint)) == 0);
    }
    state->n_watched += count;
    return err;
}

int resp_do_WATCH(struct resp_do *d)
{
    struct conn *conn = d->conn;
    struct resp_state *state = conn->resp;
    const struct limits *limits = &conn->loop->limits;
    struct buf *result = &conn->loop->result;
    struct request request;
    struct problem problem;
    if (state->in_multi)
        return resp_fail(d, "ERR WATCH inside MULTI is not allowed");
    if (d->args.left + (uint64_t)state->n_watched > limits->items ||
        state->watched.size + queue_rest(d->args).size > limits->frame_bytes)
        return resp_fail(d, "ERR the watched keys exceed limits.items or limits.frame_bytes");
    struct resp_list list = resp_as_list(&d->args, false);
    if (list.key_min == 0 || list.key_max > limits->key_bytes)
        return resp_fail(d, "ERR a key must have 1 to limits.key_bytes (%llu) bytes",
                         (unsigned long long)limits->key_bytes);
    resp_request(&request, OP_kv_versions);
    request.args[0] = (struct arg){.present = true, .count = list.count, .bytes = list.bytes};
    if (resp_run(conn, &request, result, &problem) != 0)
        return resp_fail(d, "ERR %s", problem.text);
    int err = watch_add(state, list.bytes, list.count, buf_bytes(result));
    result->size = 0;
    return err != 0 ? err : resp_put_simple(d->out, "OK");
}

int resp_do_UNWATCH(struct resp_do *d)
{
    struct resp_state *state = d->conn->resp;
    state->n_watched = 0;
    state->watched.size = 0;
    return resp_put_simple(d->out, "OK");
}

/* ---- EXEC ---- */

/* Run the batch; its result is [[error, result]...]. */
static int exec_batch(struct conn *conn, const struct resp_state *state, struct buf *result,
                      struct problem *problem)
{
    struct request request;
    resp_request(&request, OP_batch);
    struct args_batch *a = (struct args_batch *)request.args;
    a->calls =
        (struct arg){.present = true, .count = state->n_calls, .bytes = buf_bytes(&state->calls)};
    a->conditions = (struct arg){
        .present = true, .count = state->n_watched, .bytes = buf_bytes(&state->watched)};
    a->partial = (struct arg){.present = true, .boolean = true};
    return resp_run(conn, &request, result, problem);
}

/* {code, message, ...} as a problem. */
static void exec_read_problem(struct mp_reader *reader, uint32_t pairs, struct problem *problem)
{
    struct mp key, value;
    *problem = (struct problem){.err = ERR_INTERNAL};
    for (uint32_t i = 0; i < pairs; i++) {
        REQUIRE(mp_read(reader, &key) == 0);
        struct mp_reader at = *reader;
        REQUIRE(mp_skip(reader, MP_DEPTH_MAX) == 0);
        REQUIRE(mp_read(&at, &value) == 0);
        if (bytes_equal(key.bytes, bytes_of("code")))
            problem->err = err_by_name((const char *)value.bytes.data, value.bytes.size);
        else if (bytes_equal(key.bytes, bytes_of("message")))
            (void)snprintf(problem->text, sizeof problem->text, "%.*s", (int)value.bytes.size,
                           (const char *)value.bytes.data);
    }
}

/* The next [error, result] in the shape of its command. */
static int exec_answer_call(struct conn *conn, const struct resp_command *command,
                            struct mp_reader *reader)
{
    struct resp_context context = resp_context_of(conn);
    struct problem problem;
    struct mp mp;
    REQUIRE(mp_read(reader, &mp) == 0 && mp.count == 2);
    REQUIRE(mp_read(reader, &mp) == 0);
    bool failed = mp.kind == MP_MAP;
    if (failed)
        exec_read_problem(reader, mp.count, &problem);
    struct bytes result = {reader->at, 0};
    REQUIRE(mp_skip(reader, MP_DEPTH_MAX) == 0);
    result.size = (size_t)(reader->at - result.data);
    if (failed)
        return resp_reply_problem(&context, command, command->shape, &problem, &conn->out);
    return resp_reply(&context, command->shape, result, &conn->out);
}

/* One entry of the queue, in its turn. */
static int exec_answer(struct conn *conn, const struct resp_queued *entry, uint8_t *data,
                       struct mp_reader *results)
{
    struct resp_context context = resp_context_of(conn);
    const struct resp_command *command = &resp_table[entry->command];
    struct resp_do d = {conn, command, {data, entry->n_args}, &conn->out};
    struct problem problem = {.err = ERR_BAD_ARGUMENT};
    struct request request;
    if (entry->kind == QUEUED_CALL)
        return exec_answer_call(conn, command, results);
    request.hashed = false;
    request.size = entry->size;
    if (entry->kind == QUEUED_COMMAND)
        return resp_carry_out(&d, &request);
    (void)snprintf(problem.text, sizeof problem.text, "%s", (const char *)data);
    return resp_reply_problem(&context, command, command->shape, &problem, &conn->out);
}

/* All replies, in the order of the queue. */
static int exec_answer_all(struct conn *conn, struct resp_state *state, struct bytes results)
{
    struct mp_reader reader = mp_reader_of(results);
    size_t start = conn->out.size;
    struct mp mp;
    REQUIRE(mp_read(&reader, &mp) == 0 && mp.count == state->n_calls);
    int err = resp_put_array(&conn->out, state->n_queued);
    for (size_t at = 0; at < state->queue.size && err == 0;) {
        struct resp_queued entry;
        memcpy(&entry, state->queue.data + at, sizeof entry);
        at += sizeof entry;
        err = exec_answer(conn, &entry, state->queue.data + at, &reader);
        at += entry.size;
        if (err == 0 && conn->out.size - start > conn->loop->limits.reply_bytes)
            err = ERR_LIMIT_EXCEEDED;
    }
    return err;
}

/* What was queued has been done, but cannot be told. */
static int exec_too_large(struct resp_do *d, size_t start)
{
    d->out->size = start;
    return resp_fail(d,
                     "ERR the transaction was carried out, but its replies exceed "
                     "limits.reply_bytes (%llu)",
                     (unsigned long long)d->conn->loop->limits.reply_bytes);
}

int resp_do_EXEC(struct resp_do *d)
{
    struct conn *conn = d->conn;
    struct resp_state taken = *conn->resp;
    struct problem problem;
    struct buf result;
    size_t start = d->out->size;
    if (!taken.in_multi)
        return resp_fail(d, "ERR EXEC without MULTI");
    *conn->resp = (struct resp_state){.version = taken.version};
    buf_init(&result);
    int err = 0;
    if (taken.spoilt)
        err = resp_fail(d, "EXECABORT Transaction discarded because of previous errors.");
    else if (exec_batch(conn, &taken, &result, &problem) == 0)
        err = exec_answer_all(conn, &taken, buf_bytes(&result));
    else if (problem.err == ERR_CONFLICT)
        err = resp_put_nil_array(d->out, taken.version);
    else
        err = resp_fail(d, "EXECABORT Transaction discarded because of: %s", problem.text);
    if (err == ERR_LIMIT_EXCEEDED)
        err = exec_too_large(d, start);
    buf_deinit(&result);
    resp_forget(&taken);
    return err;
}
