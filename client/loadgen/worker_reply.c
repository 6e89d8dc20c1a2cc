/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Takes replies: times them, counts them, and goes on with sequences.
 *
 * How: the clock is read once for each recv: every reply found in it has come by then.
 *
 * Invariants: nothing a server sends is trusted: what does not parse, or answers nothing, is a
 * failure. Nothing is allocated, but for a reply larger than those the phase asks for.
 * Threads: that of the worker; counts and histograms are stored so that others may read them.
 * Failures: kept in worker->failure.
 */
#include "client/loadgen/worker_reply.h"

#include "client/loadgen/acks.h"
#include "client/loadgen/worker_check.h"
#include "client/loadgen/worker_send.h"
#include "client/loadgen/worker_think.h"
#include "common/clock.h"
#include "common/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void worker_keep_error(struct worker *worker, struct bytes text)
{
    size_t size = text.size < WORKER_ERROR_SIZE ? text.size : WORKER_ERROR_SIZE - 1;
    for (size_t i = 0; i < size; i++) {
        char c = (char)text.data[i];
        worker->first_error[i] = c;
        if (c < ' ' || c > '~')
            worker->first_error[i] = '?';
    }
    worker->first_error[size] = 0;
}

/* Record how long a request took. A reply of which a part had come before began with that. */
static void worker_time(struct worker *worker, struct conn *conn,
                        const struct conn_request *request, uint64_t now)
{
    uint64_t first = conn->unparsed_since != 0 ? conn->unparsed_since : now;
    hist_add(&worker->latency[request->shape], clock_ticks_to_ns(now - request->intended));
    struct worker_times *times = &worker->times[request->shape];
    hist_add(&times->first_byte,
             first > request->sent ? clock_ticks_to_ns(first - request->sent) : 0);
    if (worker->phase->law.rate > 0)
        hist_add(&times->service, clock_ticks_to_ns(now - request->sent));
}

/* A step of a sequence has been answered: send the next. All are one request, which began with the
 * first. */
static int worker_step(struct worker *worker, struct conn *conn, struct conn_request before,
                       const struct driver_reply *reply, uint64_t now)
{
    struct conn_request *request = conn_add(conn);
    uint32_t id = request->id;
    *request = before;
    request->id = id;
    request->busy = true;
    request->step++;
    request->since = now;
    const struct phase_step step = {
        .shape = request->shape,
        .step = request->step,
        .index = request->index,
        .key = request->key,
        .id = id,
        .reply = phase_take(worker->phase, request->shape, request->step, reply)};
    worker->in_flight++;
    if (buf_reserve(&conn->unsent, phase_step_bytes(worker->phase, &step)) != 0)
        return failure_set(&worker->failure, FAILURE_LOCAL, "out of memory for a request");
    phase_emit_step(worker->phase, &step, &conn->unsent);
    return 0;
}

/* The shape of what is in flight: of a sequence, that of the step. */
static const struct shape *worker_shape(const struct worker *worker,
                                        const struct conn_request *request)
{
    return shape_step(worker->phase->workload->shapes[request->shape], request->step);
}

/* Record how long a step of a sequence took by itself. */
static void worker_time_step(struct worker *worker, const struct conn_request *request,
                             uint64_t now)
{
    uint64_t since = request->step == 0 ? request->sent : request->since;
    unsigned row = worker->phase->first_step[request->shape] + request->step;
    hist_add(&worker->latency[row], clock_ticks_to_ns(now - since));
}

/* Keep that a write was answered, or (answered 0) that it was not, or refused. */
int worker_log(struct worker *worker, struct conn *conn, const struct conn_request *request,
               uint64_t answered)
{
    const struct phase *phase = worker->phase;
    const struct shape *shape = worker_shape(worker, request);
    const struct ack ack = {request->key, request->index, request->sent, answered};
    if ((shape->flags & SHAPE_STORES) == 0)
        return 0;
    if (phase->values.checked && answered != 0)
        history_note(&conn->history, request->key,
                     (struct history_event){request->index, request->sent, answered});
    if (phase->acks == NULL)
        return 0;
    if (acks_add(phase->acks, &worker->acks, &ack) != 0)
        return failure_set(&worker->failure, FAILURE_LOCAL, "--ack-log: cannot write to it: %s",
                           strerror(errno));
    return 0;
}

/* What a search has found is looked at later. */
static void worker_keep_found(struct worker *worker, const struct conn_request *request,
                              const struct driver_reply *reply)
{
    unsigned flags = worker_shape(worker, request)->flags;
    if ((flags & SHAPE_SEARCHES) != 0)
        vector_kept_add(&worker->kept, worker->phase->vectors, request->index,
                        (flags & SHAPE_MANY) != 0, reply->whole);
}

/* Record one reply. */
static int worker_record(struct worker *worker, struct conn *conn, enum driver_status status,
                         const struct driver_reply *reply, uint64_t now)
{
    struct worker_counts *counts = &worker->counts;
    const struct conn_request *request = conn_take(conn, reply);
    if (request == NULL)
        return failure_set(&worker->failure, FAILURE_REPLY,
                           "the server sent a reply to a request that is not in flight");
    worker->in_flight--;
    worker->replies++;
    if (status == DRIVER_ERROR) {
        if (counts->errors == 0)
            worker_keep_error(worker, reply->text);
        worker_count(&counts->errors, 1);
        worker->kinds[request->shape].errors++;
        return worker_log(worker, conn, request, 0);
    }
    unsigned n_steps = worker->phase->workload->shapes[request->shape]->n_steps;
    if ((worker_shape(worker, request)->flags & SHAPE_FINDS) != 0)
        worker_check_read(worker, conn, request, status == DRIVER_NIL ? BYTES_NONE : reply->value,
                          status == DRIVER_NIL, now);
    if (worker->phase->scores)
        worker_keep_found(worker, request, reply);
    if (n_steps > 0)
        worker_time_step(worker, request, now);
    int err = worker_log(worker, conn, request, now);
    if (err != 0 || request->step + 1u < n_steps)
        return err != 0 ? err : worker_step(worker, conn, *request, reply, now);
    conn->done++;
    worker_time(worker, conn, request, now);
    return 0;
}

/* A reply to what the connection began with. */
static int worker_welcome(struct worker *worker, struct conn *conn, enum driver_status status,
                          const struct driver_reply *reply)
{
    conn->greetings--;
    if (status != DRIVER_ERROR)
        return 0;
    return failure_set(&worker->failure, FAILURE_CONNECT, "%s refuses: %.*s", worker->target->name,
                       (int)reply->text.size, (const char *)reply->text.data);
}

/* Take all whole replies; *out_used is their size. */
static int worker_parse(struct worker *worker, struct conn *conn, struct bytes data, uint64_t now,
                        size_t *out_used)
{
    size_t used = 0;
    while (used < data.size) {
        struct driver_reply reply;
        enum driver_status status = worker->phase->driver->parse_reply(
            (struct bytes){data.data + used, data.size - used}, &reply);
        if (status == DRIVER_MORE)
            break;
        if (status == DRIVER_BAD)
            return failure_set(&worker->failure, FAILURE_REPLY,
                               "the server sent something that is not a %s reply",
                               worker->phase->driver->name);
        int err = conn->greetings > 0 ? worker_welcome(worker, conn, status, &reply)
                                      : worker_record(worker, conn, status, &reply, now);
        if (err != 0)
            return err;
        used += reply.size;
        conn->unparsed_since = 0;
    }
    *out_used = used;
    return 0;
}

/* One recv: into the worker's input if the connection has no beginning of a reply, else behind it.
 * *out_data is empty if there is nothing to read. */
static int worker_receive(struct worker *worker, struct conn *conn, struct bytes *out_data)
{
    struct buf *unparsed = &conn->unparsed;
    uint8_t *to = worker->input;
    size_t room = WORKER_INPUT_BYTES;
    if (unparsed->size > 0) {
        if (unparsed->size == unparsed->capacity && buf_reserve(unparsed, unparsed->size) != 0)
            return failure_set(&worker->failure, FAILURE_LOCAL, "out of memory for a reply");
        to = unparsed->data + unparsed->size;
        room = unparsed->capacity - unparsed->size;
    }
    ssize_t n = recv(conn->fd, to, room, 0);
    *out_data = BYTES_NONE;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return worker_broken(worker, n == 0 ? 0 : errno);
    worker_count(&worker->counts.bytes_in, (uint64_t)n);
    if (unparsed->size == 0) {
        *out_data = (struct bytes){to, (size_t)n};
        return 0;
    }
    unparsed->size += (size_t)n;
    *out_data = buf_bytes(unparsed);
    return 0;
}

/* Keep the part behind `used` for the next recv. */
static int worker_keep(struct worker *worker, struct conn *conn, struct bytes data, size_t used,
                       uint64_t now)
{
    if (used < data.size && conn->unparsed_since == 0)
        conn->unparsed_since = now;
    if (data.data != worker->input)
        buf_consume(&conn->unparsed, used);
    else if (used < data.size &&
             buf_append(&conn->unparsed, data.data + used, data.size - used) != 0)
        return failure_set(&worker->failure, FAILURE_LOCAL, "out of memory for a reply");
    return 0;
}

/* The socket has something: take replies, then send what they made room for. */
int worker_read(struct worker *worker, struct conn *conn)
{
    struct bytes data;
    size_t used = 0;
    int err = worker_receive(worker, conn, &data);
    if (err != 0 || data.size == 0)
        return err;
    uint64_t now = clock_ticks();
    worker->last_reply = worker->quiet_since = now;
    err = worker_parse(worker, conn, data, now, &used);
    if (err == 0)
        err = worker_keep(worker, conn, data, used, now);
    if (err == 0 && conn->unsent.size > 0 && !conn->blocked) /* steps: before what is new */
        err = worker_flush(worker, conn, now);
    if (err == 0 && worker->phase->reconnect && conn->in_flight == 0)
        err = worker_reconnect(worker, conn);
    return err != 0 || worker->phase->law.rate > 0 ? err : worker_next(worker, conn, now);
}
