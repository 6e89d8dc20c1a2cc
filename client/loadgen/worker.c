/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The loop that sends requests and takes replies.
 *
 *   closed   epoll_wait -> for each ready connection: recv -> parse all replies, record -> build as
 *            many requests as the window has room for -> send
 *   open     build what is due on connections with room -> one send for each -> epoll_wait until
 *            the next is due -> for each ready connection: recv -> parse, record
 *
 * How: reading is registered once and for all, so that an unpipelined request costs one recv, one
 * send and a share of an epoll_wait. The clock is read once for each recv: every reply found in it
 * has come by then, and in a closed loop the requests that replace them start then. EPOLLOUT is on
 * only while a socket has not taken everything.
 *
 * In an open loop a request keeps the time at which it was due, however late it is sent, so that
 * what a stalled server makes all others wait is in the latencies (no coordinated omission). The
 * backlog is no queue: the schedule is a function of the number of the request, and is worked out
 * when there is room for it. The only timer is the time epoll_wait may take.
 *
 * Invariants
 *   1. Nothing is allocated while running, but for a reply larger than those the phase asks for.
 *   2. Nothing a server sends is trusted: what does not parse, or answers nothing, is a failure.
 *   3. in_flight is the sum of those of the connections.
 *
 * Threads: one for each worker; counts and histograms are stored so that others may read them.
 * Failures: kept in worker->failure; the loop then ends at once.
 */
#include "client/loadgen/worker.h"

#include "client/loadgen/acks.h"
#include "client/loadgen/cpu.h"
#include "client/loadgen/worker_check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    WORKER_INPUT_BYTES = 256 * 1024,
    WORKER_OUTPUT_BYTES = 1024 * 1024, /* built before a send; more if one request is larger */
    WORKER_REPLY_EXTRA = 4096,         /* room kept for a reply besides its value */
    WORKER_EVENTS = 256,
    WORKER_TICK_MS = 50,    /* at least so often stop, deadline and silence are looked at */
    WORKER_MARK_TURNS = 64, /* so often threads tell each other how far they are */
};

int worker_init(struct worker *worker, unsigned index, unsigned connections)
{
    memset(worker, 0, sizeof *worker);
    worker->index = index;
    buf_init(&worker->acks);
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->conns = mem_calloc(connections, sizeof *worker->conns);
    worker->queue = mem_calloc(connections, sizeof *worker->queue);
    worker->input = mem_alloc(WORKER_INPUT_BYTES);
    if (worker->epoll_fd < 0)
        return ERR_IO;
    if (worker->conns == NULL || worker->queue == NULL || worker->input == NULL)
        return ERR_OUT_OF_MEMORY;
    worker->conns_capacity = connections;
    return 0;
}

void worker_deinit(struct worker *worker)
{
    for (unsigned i = 0; i < worker->n_conns; i++)
        conn_deinit(&worker->conns[i]);
    mem_free(worker->conns);
    mem_free(worker->queue);
    mem_free(worker->input);
    buf_deinit(&worker->acks);
    vector_kept_deinit(&worker->kept);
    if (worker->epoll_fd >= 0)
        close(worker->epoll_fd);
}

static int worker_watch(struct worker *worker, int operation, struct conn *conn, uint32_t events)
{
    struct epoll_event event = {.events = events};
    event.data.ptr = conn;
    return epoll_ctl(worker->epoll_fd, operation, conn->fd, &event) == 0 ? 0 : ERR_IO;
}

int worker_add(struct worker *worker, int fd, unsigned window)
{
    REQUIRE(worker->n_conns < worker->conns_capacity);
    struct conn *conn = &worker->conns[worker->n_conns];
    int err = conn_init(conn, fd, window);
    if (err != 0)
        return err;
    worker->n_conns++;
    return worker_watch(worker, EPOLL_CTL_ADD, conn, EPOLLIN);
}

static int worker_reserve(struct worker *worker, const struct phase *phase)
{
    size_t all = phase->frame_bytes * phase->window;
    size_t output = all < WORKER_OUTPUT_BYTES ? all : WORKER_OUTPUT_BYTES;
    if (output < phase->frame_bytes)
        output = phase->frame_bytes;
    int err = 0;
    for (unsigned i = 0; i < worker->n_conns && err == 0; i++) {
        struct conn *conn = &worker->conns[i];
        conn->number = (uint64_t)i * phase->threads + worker->index;
        conn->turn = conn->done = 0;
        err = buf_reserve(&conn->unsent, output);
        if (err == 0)
            err = buf_reserve(&conn->unparsed, 2 * phase->value_bytes + WORKER_REPLY_EXTRA);
        if (err == 0 && phase->values.checked)
            err = history_init(&conn->history);
    }
    return err;
}

int worker_prepare(struct worker *worker, const struct phase *phase, const atomic_bool *stop)
{
    worker->phase = phase;
    worker->stop = stop;
    worker->next_index = worker->index;
    worker->end_index = phase->requests;
    memset(&worker->counts, 0, sizeof worker->counts);
    memset(worker->kinds, 0, sizeof worker->kinds);
    for (unsigned i = 0; i < workload_rows(phase->workload); i++)
        hist_init(&worker->latency[i]);
    hist_init(&worker->service);
    hist_init(&worker->first_byte);
    hist_init(&worker->slip);
    worker->started = worker->due_ns = worker->digest = worker->replies = 0;
    worker->late = false;
    worker->horizon = worker->mark_turns = 0;
    if (phase->rate > 0)
        schedule_init(&worker->schedule, phase->rate, phase->poisson, phase->arrival_seed,
                      worker->index, phase->threads);
    worker->first_error[0] = worker->first_corrupt[0] = worker->first_stale[0] = 0;
    worker->failure.kind = FAILURE_NONE;
    int err = vector_kept_prepare(&worker->kept, phase->scores ? phase->vectors : NULL,
                                  workload_has(phase->workload, SHAPE_MANY));
    return err != 0 ? err : worker_reserve(worker, phase);
}

static int worker_broken(struct worker *worker, int error)
{
    if (error == 0)
        return failure_set(&worker->failure, FAILURE_CLOSED, "the server closed a connection");
    return failure_set(&worker->failure, FAILURE_CLOSED, "a connection broke: %s", strerror(error));
}

/* Build the next request of the stream on this connection, which has room for it. */
static void worker_build(struct worker *worker, struct conn *conn, uint64_t intended)
{
    struct conn_request *request = conn_add(conn);
    size_t begin = conn->unsent.size;
    const struct phase_slot slot = {.index = worker->next_index,
                                    .horizon = worker->horizon,
                                    .part = conn->number,
                                    .turn = conn->turn++,
                                    .id = request->id};
    struct phase_request built = phase_emit(worker->phase, &slot, &conn->unsent);
    if (worker->phase->digest)
        worker->digest +=
            phase_digest(worker->phase, worker->next_index, built.shape,
                         (struct bytes){conn->unsent.data + begin, conn->unsent.size - begin});
    request->intended = intended;
    request->shape = (uint16_t)built.shape;
    request->key = built.key;
    request->index = worker->next_index;
    worker->next_index += worker->phase->threads;
    worker->in_flight++;
}

static bool worker_has_room(const struct worker *worker, const struct conn *conn)
{
    return conn->in_flight < worker->phase->window && !conn->blocked &&
           conn->unsent.capacity - conn->unsent.size >= worker->phase->frame_bytes;
}

static int worker_watch_output(struct worker *worker, struct conn *conn, bool on)
{
    if (worker_watch(worker, EPOLL_CTL_MOD, conn, EPOLLIN | (on ? EPOLLOUT : 0)) != 0)
        return failure_set(&worker->failure, FAILURE_LOCAL, "epoll_ctl: %s", strerror(errno));
    conn->blocked = on;
    return 0;
}

/* Send what is built. What the socket does not take waits until it takes more. */
static int worker_flush(struct worker *worker, struct conn *conn, uint64_t now)
{
    conn_stamp(conn, now);
    ssize_t n = send(conn->fd, conn->unsent.data, conn->unsent.size, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return worker_broken(worker, errno);
    if (n > 0) {
        worker_count(&worker->counts.bytes_out, (uint64_t)n);
        buf_consume(&conn->unsent, (size_t)n);
    }
    bool left = conn->unsent.size > 0;
    return left == conn->blocked ? 0 : worker_watch_output(worker, conn, left);
}

/* Closed loop: build and send as many requests as the window has room for. */
static int worker_fill(struct worker *worker, struct conn *conn, uint64_t now)
{
    if (worker->phase->batch && conn->in_flight > 0)
        return 0;
    while (!conn->blocked) {
        while (worker_has_room(worker, conn) && worker->next_index < worker->end_index)
            worker_build(worker, conn, now);
        if (conn->unsent.size == 0)
            return 0;
        int err = worker_flush(worker, conn, now);
        if (err != 0)
            return err;
    }
    return 0;
}

/* Closed loop with -k 0: all that was asked on this connection has been answered, and there is more
 * to ask. The time it takes to connect is in the latencies. */
static int worker_reconnect(struct worker *worker, struct conn *conn)
{
    int fd;
    if (worker->next_index >= worker->end_index)
        return 0;
    int err = target_begin(worker->target, &fd, &conn->unsent, &conn->greetings, &worker->failure);
    if (err != 0)
        return err;
    close(conn->fd);
    conn->fd = fd;
    conn->blocked = false;
    buf_consume(&conn->unparsed, conn->unparsed.size);
    if (worker_watch(worker, EPOLL_CTL_ADD, conn, EPOLLIN) != 0)
        return failure_set(&worker->failure, FAILURE_LOCAL, "epoll_ctl: %s", strerror(errno));
    return 0;
}

/* The socket takes more: go on with what is left. */
static int worker_resume(struct worker *worker, struct conn *conn)
{
    uint64_t now = clock_ticks();
    int err = worker_flush(worker, conn, now);
    return err != 0 || worker->phase->rate > 0 ? err : worker_fill(worker, conn, now);
}

/* ---- open loop ---- */

/* Work out when the next request is due. One that is due after the end is none. */
static void worker_schedule(struct worker *worker)
{
    const struct phase *phase = worker->phase;
    if (worker->next_index >= worker->end_index)
        return;
    worker->due_ns = schedule_next_ns(&worker->schedule, worker->next_index);
    worker->late = false;
    if (phase->duration_ns > 0 && worker->due_ns >= phase->duration_ns)
        worker->end_index = 0;
}

static uint64_t worker_due(const struct worker *worker)
{
    return worker->started + (uint64_t)((double)worker->due_ns * worker->ticks_per_ns);
}

/* A connection for the next request: one with as few requests in flight as the average, in turn;
 * else any that has room; NULL: there is none. */
static struct conn *worker_pick(struct worker *worker)
{
    uint64_t average = worker->in_flight / worker->n_conns;
    struct conn *any = NULL;
    if (average >= worker->phase->window)
        return NULL;
    for (unsigned i = 0; i < worker->n_conns; i++) {
        struct conn *conn = &worker->conns[worker->next_conn];
        worker->next_conn = worker->next_conn + 1 < worker->n_conns ? worker->next_conn + 1 : 0;
        if (!worker_has_room(worker, conn))
            continue;
        if (conn->in_flight <= average)
            return conn;
        any = conn;
    }
    return any;
}

/* --overload abort: a request is due, but no connection is free. */
static int worker_overloaded(struct worker *worker, uint64_t now)
{
    return failure_set(&worker->failure, FAILURE_OVERLOAD,
                       "after %.3f s a request was due when all connections were busy (--overload "
                       "abort): the server does not keep the rate, or it takes more -c or -P",
                       (double)clock_ticks_to_ns(now - worker->started) / 1e9);
}

/* Build all requests that are due, as far as connections have room. */
static int worker_build_due(struct worker *worker, uint64_t now)
{
    while (worker->next_index < worker->end_index && worker_due(worker) <= now) {
        uint64_t due = worker_due(worker);
        struct conn *conn = worker_pick(worker);
        if (conn == NULL && worker->phase->overload == PLAN_OVERLOAD_ABORT)
            return worker_overloaded(worker, now);
        if (conn == NULL && worker->phase->overload == PLAN_OVERLOAD_DROP) {
            worker_count(&worker->counts.dropped, 1);
            worker->next_index += worker->phase->threads;
            worker_schedule(worker);
            continue;
        }
        if (conn == NULL) {
            worker->late = true;
            return 0;
        }
        if (!worker->late)
            hist_add(&worker->slip, clock_ticks_to_ns(now - due));
        if (worker->in_flight == 0)
            worker->quiet_since = now;
        worker_build(worker, conn, due);
        if (!conn->queued)
            worker->queue[worker->n_queue++] = conn;
        conn->queued = true;
        worker_schedule(worker);
    }
    return 0;
}

/* Send what is due: one send for each connection that has got some. */
static int worker_send_due(struct worker *worker)
{
    int err = worker_build_due(worker, clock_ticks());
    for (unsigned i = 0; i < worker->n_queue; i++) {
        struct conn *conn = worker->queue[i];
        conn->queued = false;
        if (err == 0)
            err = worker_flush(worker, conn, clock_ticks());
    }
    worker->n_queue = 0;
    return err;
}

/* The backlog has had its time: what is due but not sent counts with its age. */
static void worker_give_up(struct worker *worker, uint64_t now)
{
    while (worker->next_index < worker->end_index && worker_due(worker) <= now) {
        uint64_t age = clock_ticks_to_ns(now - worker_due(worker));
        unsigned shape = stream_at(&worker->phase->stream, worker->next_index).shape;
        hist_add(&worker->latency[shape], age);
        worker_count(&worker->counts.unsent, 1);
        worker->next_index += worker->phase->threads;
        worker_schedule(worker);
    }
    worker->end_index = 0;
}

/* When the last request is due, in ns since the beginning. */
static uint64_t worker_schedule_end(const struct worker *worker)
{
    const struct phase *phase = worker->phase;
    return phase->duration_ns > 0 ? phase->duration_ns
                                  : (uint64_t)((double)phase->requests / phase->rate * 1e9);
}

/* ---- replies ---- */

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
    hist_add(&worker->first_byte,
             first > request->sent ? clock_ticks_to_ns(first - request->sent) : 0);
    if (worker->phase->rate > 0)
        hist_add(&worker->service, clock_ticks_to_ns(now - request->sent));
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
static int worker_log(struct worker *worker, struct conn *conn, const struct conn_request *request,
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
static int worker_read(struct worker *worker, struct conn *conn)
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
    return err != 0 || worker->phase->rate > 0 ? err : worker_fill(worker, conn, now);
}

static int worker_handle(struct worker *worker, const struct epoll_event *event)
{
    struct conn *conn = event->data.ptr;
    int err = 0;
    if ((event->events & EPOLLOUT) != 0)
        err = worker_resume(worker, conn);
    if (err == 0 && (event->events & ~(uint32_t)EPOLLOUT) != 0)
        err = worker_read(worker, conn);
    return err;
}

/* Is it time to send nothing more, or to give up? */
static int worker_check(struct worker *worker)
{
    const struct phase *phase = worker->phase;
    uint64_t now = clock_ticks();
    uint64_t elapsed = clock_ticks_to_ns(now - worker->started);
    if (atomic_load_explicit(worker->stop, memory_order_relaxed))
        worker->end_index = 0;
    if (phase->rate > 0) {
        if (elapsed > worker_schedule_end(worker) + phase->drain_ns)
            worker_give_up(worker, now);
    } else if (phase->duration_ns > 0 && elapsed >= phase->duration_ns) {
        worker->end_index = 0;
    }
    if (worker->in_flight > 0 && clock_ticks_to_ns(now - worker->quiet_since) > phase->timeout_ns)
        return failure_set(&worker->failure, FAILURE_SILENT,
                           "the server has sent nothing for %.1f s (--timeout)",
                           (double)phase->timeout_ns / 1e9);
    return 0;
}

/* The first request of this thread that is not answered. */
static uint64_t worker_first_open(const struct worker *worker)
{
    uint64_t first = worker->next_index;
    for (unsigned i = 0; i < worker->n_conns; i++) {
        const struct conn *conn = &worker->conns[i];
        for (uint32_t slot = 0; slot <= conn->mask && conn->in_flight > 0; slot++)
            if (conn->ring[slot].busy && conn->ring[slot].index < first)
                first = conn->ring[slot].index;
    }
    return first;
}

/* Tell other threads how far this one is, and learn how far all are. */
static void worker_mark(struct worker *worker)
{
    struct phase_mark *marks = worker->phase->marks;
    uint64_t horizon = UINT64_MAX;
    if (marks == NULL || ++worker->mark_turns < WORKER_MARK_TURNS)
        return;
    worker->mark_turns = 0;
    atomic_store_explicit(&marks[worker->index].below, worker_first_open(worker),
                          memory_order_relaxed);
    for (unsigned i = 0; i < worker->phase->threads; i++) {
        uint64_t below = atomic_load_explicit(&marks[i].below, memory_order_relaxed);
        horizon = below < horizon ? below : horizon;
    }
    worker->horizon = horizon;
}

/* How long to wait for events: until the next request is due, or it is time to check. */
static uint64_t worker_patience_ns(const struct worker *worker)
{
    uint64_t tick = WORKER_TICK_MS * UINT64_C(1000000), now = clock_ticks();
    if (worker->phase->rate <= 0 || worker->next_index >= worker->end_index || worker->late)
        return tick;
    uint64_t due = worker_due(worker);
    uint64_t left = due > now ? clock_ticks_to_ns(due - now) : 0;
    return left < tick ? left : tick;
}

/* Wait for events and handle them. */
static int worker_turn(struct worker *worker)
{
    struct epoll_event events[WORKER_EVENTS];
    struct timespec patience = {.tv_nsec = (long)worker_patience_ns(worker)};
    int n = epoll_pwait2(worker->epoll_fd, events, WORKER_EVENTS, &patience, NULL);
    if (n < 0 && errno == ENOSYS) /* Linux before 5.11: rather early than late */
        n = epoll_wait(worker->epoll_fd, events, WORKER_EVENTS, (int)(patience.tv_nsec / 1000000));
    if (n < 0 && errno != EINTR)
        return failure_set(&worker->failure, FAILURE_LOCAL, "epoll_wait: %s", strerror(errno));
    int err = 0;
    for (int i = 0; i < n && err == 0; i++)
        err = worker_handle(worker, &events[i]);
    worker_mark(worker);
    return err != 0 ? err : worker_check(worker);
}

/* What is in flight will not be answered: it counts with its age. */
static void worker_abandon(struct worker *worker)
{
    uint64_t now = clock_ticks();
    for (unsigned i = 0; i < worker->n_conns; i++) {
        struct conn *conn = &worker->conns[i];
        for (uint32_t slot = 0; slot <= conn->mask; slot++) {
            const struct conn_request *request = &conn->ring[slot];
            if (!request->busy)
                continue;
            hist_add(&worker->latency[request->shape], clock_ticks_to_ns(now - request->intended));
            worker_count(&worker->counts.unanswered, 1);
            (void)worker_log(worker, conn, request, 0); /* there is a failure already */
        }
    }
}

static int worker_run_closed(struct worker *worker)
{
    int err = 0;
    for (unsigned i = 0; i < worker->n_conns && err == 0; i++)
        err = worker_fill(worker, &worker->conns[i], clock_ticks());
    while (err == 0 && worker->in_flight > 0)
        err = worker_turn(worker);
    return err;
}

static int worker_run_open(struct worker *worker)
{
    const uint64_t span = UINT64_C(1) << 40;
    worker->ticks_per_ns = (double)span / (double)clock_ticks_to_ns(span);
    (void)prctl(PR_SET_TIMERSLACK, 1); /* wake up when asked to, not up to 50 us later */
    worker_schedule(worker);
    int err = 0;
    while (err == 0 && (worker->in_flight > 0 || worker->next_index < worker->end_index)) {
        err = worker_send_due(worker);
        if (err == 0)
            err = worker_turn(worker);
    }
    return err;
}

void worker_run(struct worker *worker)
{
    struct cpu_thread begin = cpu_thread_self();
    if (worker->started == 0)
        worker->started = clock_ticks();
    worker->last_reply = worker->quiet_since = worker->started;
    int err = worker->phase->rate > 0 ? worker_run_open(worker) : worker_run_closed(worker);
    if (err != 0)
        worker_abandon(worker);
    if (worker->phase->acks != NULL && acks_flush(worker->phase->acks, &worker->acks) != 0)
        (void)failure_set(&worker->failure, FAILURE_LOCAL, "--ack-log: cannot write to it: %s",
                          strerror(errno));
    if (worker->phase->marks != NULL) /* nobody waits for this thread any more */
        atomic_store(&worker->phase->marks[worker->index].below, UINT64_MAX);
    struct cpu_thread end = cpu_thread_self();
    worker->cpu = cpu_thread_between(&begin, &end);
}
