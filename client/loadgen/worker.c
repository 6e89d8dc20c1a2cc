/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The loop that sends requests and takes replies.
 *
 *   epoll_wait -> for each ready connection: recv -> parse all replies, record -> build as many
 *   requests as the window has room for -> send
 *
 * How: reading is registered once and for all, so that an unpipelined request costs one recv, one
 * send and a share of an epoll_wait. The clock is read once for each recv: every reply found in it
 * has come by then, and the requests that replace them start then. EPOLLOUT is on only while a
 * socket has not taken everything.
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

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    WORKER_INPUT_BYTES = 256 * 1024,
    WORKER_OUTPUT_BYTES = 1024 * 1024, /* built before a send; more if one request is larger */
    WORKER_REPLY_EXTRA = 4096,         /* room kept for a reply besides its value */
    WORKER_EVENTS = 256,
    WORKER_TICK_MS = 50, /* at least so often stop, deadline and silence are looked at */
};

static void worker_count(uint64_t *count, uint64_t n)
{
    __atomic_store_n(count, *count + n, __ATOMIC_RELAXED);
}

int worker_init(struct worker *worker, unsigned index, unsigned connections)
{
    memset(worker, 0, sizeof *worker);
    worker->index = index;
    buf_init(&worker->output);
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->conns = mem_calloc(connections, sizeof *worker->conns);
    worker->input = mem_alloc(WORKER_INPUT_BYTES);
    if (worker->epoll_fd < 0)
        return ERR_IO;
    if (worker->conns == NULL || worker->input == NULL)
        return ERR_OUT_OF_MEMORY;
    worker->conns_capacity = connections;
    return 0;
}

void worker_deinit(struct worker *worker)
{
    for (unsigned i = 0; i < worker->n_conns; i++)
        conn_deinit(&worker->conns[i]);
    mem_free(worker->conns);
    mem_free(worker->input);
    buf_deinit(&worker->output);
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
    int err = buf_reserve(&worker->output, output);
    for (unsigned i = 0; i < worker->n_conns && err == 0; i++) {
        struct conn *conn = &worker->conns[i];
        err = buf_reserve(&conn->unsent, output);
        if (err == 0)
            err = buf_reserve(&conn->unparsed, 2 * phase->value_bytes + WORKER_REPLY_EXTRA);
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
    for (unsigned i = 0; i < WORKLOAD_SHAPES; i++)
        hist_init(&worker->latency[i]);
    worker->first_error[0] = worker->first_corrupt[0] = 0;
    worker->failure.kind = FAILURE_NONE;
    return worker_reserve(worker, phase);
}

static int worker_broken(struct worker *worker, int error)
{
    if (error == 0)
        return failure_set(&worker->failure, FAILURE_CLOSED, "the server closed a connection");
    return failure_set(&worker->failure, FAILURE_CLOSED, "a connection broke: %s", strerror(error));
}

/* Send; *out_sent is 0 if the socket takes nothing now. */
static int worker_send(struct worker *worker, const struct conn *conn, struct bytes data,
                       size_t *out_sent)
{
    ssize_t n = send(conn->fd, data.data, data.size, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return worker_broken(worker, errno);
    *out_sent = n < 0 ? 0 : (size_t)n;
    worker_count(&worker->counts.bytes_out, *out_sent);
    return 0;
}

/* Build requests into worker->output while the window, the output and the phase have room. */
static void worker_build(struct worker *worker, struct conn *conn, uint64_t now)
{
    const struct phase *phase = worker->phase;
    struct buf *output = &worker->output;
    while (conn->in_flight < phase->window && worker->next_index < worker->end_index &&
           output->capacity - output->size >= phase->frame_bytes) {
        struct conn_request *request = conn_add(conn);
        struct phase_request built = phase_emit(phase, worker->next_index, request->id, output);
        request->intended = now;
        request->sent = now;
        request->shape = (uint16_t)built.shape;
        request->key = built.key;
        worker->next_index += phase->threads;
        worker->in_flight++;
    }
}

/* Keep what the socket did not take and wait until it takes more. */
static int worker_defer(struct worker *worker, struct conn *conn, struct bytes rest)
{
    if (buf_append(&conn->unsent, rest.data, rest.size) != 0)
        return failure_set(&worker->failure, FAILURE_LOCAL, "out of memory");
    if (worker_watch(worker, EPOLL_CTL_MOD, conn, EPOLLIN | EPOLLOUT) != 0)
        return failure_set(&worker->failure, FAILURE_LOCAL, "epoll_ctl: %s", strerror(errno));
    return 0;
}

/* Send as many requests as the window has room for. */
static int worker_fill(struct worker *worker, struct conn *conn, uint64_t now)
{
    struct buf *output = &worker->output;
    while (conn->unsent.size == 0) {
        size_t sent = 0;
        output->size = 0;
        worker_build(worker, conn, now);
        if (output->size == 0)
            return 0;
        int err = worker_send(worker, conn, buf_bytes(output), &sent);
        if (err == 0 && sent < output->size)
            err = worker_defer(worker, conn,
                               (struct bytes){output->data + sent, output->size - sent});
        if (err != 0)
            return err;
    }
    return 0;
}

/* The socket takes more: go on with what is left. */
static int worker_flush(struct worker *worker, struct conn *conn, uint64_t now)
{
    size_t sent = 0;
    int err = worker_send(worker, conn, buf_bytes(&conn->unsent), &sent);
    if (err != 0)
        return err;
    buf_consume(&conn->unsent, sent);
    if (conn->unsent.size > 0)
        return 0;
    if (worker_watch(worker, EPOLL_CTL_MOD, conn, EPOLLIN) != 0)
        return failure_set(&worker->failure, FAILURE_LOCAL, "epoll_ctl: %s", strerror(errno));
    return worker_fill(worker, conn, now);
}

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

/* A read has been answered: count it, and check the value if that was asked for. */
static void worker_found(struct worker *worker, const struct conn_request *request,
                         enum driver_status status, struct bytes value)
{
    struct worker_counts *counts = &worker->counts;
    worker_count(status == DRIVER_NIL ? &counts->misses : &counts->hits, 1);
    if (status == DRIVER_NIL || !worker->phase->values.checked)
        return;
    size_t at = value_wrong_at(&worker->phase->values, value, request->key);
    if (at == SIZE_MAX)
        return;
    if (counts->corrupt == 0)
        (void)snprintf(worker->first_corrupt, sizeof worker->first_corrupt,
                       "the value of key %012" PRIu64 " (%zu bytes) is wrong from byte %zu on",
                       request->key, value.size, at);
    worker_count(&counts->corrupt, 1);
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
    if (status == DRIVER_ERROR) {
        if (counts->errors == 0)
            worker_keep_error(worker, reply->text);
        worker_count(&counts->errors, 1);
        return 0;
    }
    if ((worker->phase->workload->shapes[request->shape]->flags & SHAPE_FINDS) != 0)
        worker_found(worker, request, status, reply->value);
    hist_add(&worker->latency[request->shape], clock_ticks_to_ns(now - request->intended));
    return 0;
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
        int err = worker_record(worker, conn, status, &reply, now);
        if (err != 0)
            return err;
        used += reply.size;
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
static int worker_keep(struct worker *worker, struct conn *conn, struct bytes data, size_t used)
{
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
    worker->last_reply = now;
    err = worker_parse(worker, conn, data, now, &used);
    if (err == 0)
        err = worker_keep(worker, conn, data, used);
    return err != 0 ? err : worker_fill(worker, conn, now);
}

static int worker_handle(struct worker *worker, const struct epoll_event *event)
{
    struct conn *conn = event->data.ptr;
    int err = 0;
    if ((event->events & EPOLLOUT) != 0)
        err = worker_flush(worker, conn, clock_ticks());
    if (err == 0 && (event->events & ~(uint32_t)EPOLLOUT) != 0)
        err = worker_read(worker, conn);
    return err;
}

/* Is it time to send nothing more, or to give up? */
static int worker_check(struct worker *worker)
{
    const struct phase *phase = worker->phase;
    uint64_t now = clock_ticks();
    bool over =
        phase->duration_ns > 0 && clock_ticks_to_ns(now - worker->started) >= phase->duration_ns;
    if (over || atomic_load_explicit(worker->stop, memory_order_relaxed))
        worker->end_index = 0;
    if (clock_ticks_to_ns(now - worker->last_reply) > phase->timeout_ns)
        return failure_set(&worker->failure, FAILURE_SILENT,
                           "the server has sent nothing for %.1f s (--timeout)",
                           (double)phase->timeout_ns / 1e9);
    return 0;
}

/* Wait for events and handle them. */
static int worker_turn(struct worker *worker)
{
    struct epoll_event events[WORKER_EVENTS];
    int n = epoll_wait(worker->epoll_fd, events, WORKER_EVENTS, WORKER_TICK_MS);
    if (n < 0 && errno != EINTR)
        return failure_set(&worker->failure, FAILURE_LOCAL, "epoll_wait: %s", strerror(errno));
    int err = 0;
    for (int i = 0; i < n && err == 0; i++)
        err = worker_handle(worker, &events[i]);
    return err != 0 ? err : worker_check(worker);
}

static uint64_t worker_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void worker_run(struct worker *worker)
{
    uint64_t cpu = worker_cpu_ns();
    int err = 0;
    worker->started = worker->last_reply = clock_ticks();
    for (unsigned i = 0; i < worker->n_conns && err == 0; i++)
        err = worker_fill(worker, &worker->conns[i], clock_ticks());
    while (err == 0 && worker->in_flight > 0)
        err = worker_turn(worker);
    worker->cpu_ns = worker_cpu_ns() - cpu;
}
