/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Builds and sends requests.
 *
 * How: EPOLLOUT is on only while a socket has not taken everything; reading is registered once and
 * for all.
 *
 * Invariants: in_flight of the worker is the sum of those of its connections. Nothing is allocated.
 * Threads: that of the worker. Failures: kept in worker->failure.
 */
#include "client/loadgen/worker_send.h"

#include "common/clock.h"
#include "common/err.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int worker_watch(struct worker *worker, int operation, struct conn *conn, uint32_t events)
{
    struct epoll_event event = {.events = events};
    event.data.ptr = conn;
    return epoll_ctl(worker->epoll_fd, operation, conn->fd, &event) == 0 ? 0 : ERR_IO;
}

int worker_broken(struct worker *worker, int error)
{
    if (error == 0)
        return failure_set(&worker->failure, FAILURE_CLOSED, "the server closed a connection");
    return failure_set(&worker->failure, FAILURE_CLOSED, "a connection broke: %s", strerror(error));
}

/* Build the next request of the stream on this connection, which has room for it. Returns its kind.
 */
unsigned worker_build(struct worker *worker, struct conn *conn, uint64_t intended)
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
    return built.shape;
}

bool worker_has_room(const struct worker *worker, const struct conn *conn)
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
int worker_flush(struct worker *worker, struct conn *conn, uint64_t now)
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
int worker_fill(struct worker *worker, struct conn *conn, uint64_t intended, uint64_t now)
{
    if (worker->phase->batch && conn->in_flight > 0)
        return 0;
    while (!conn->blocked) {
        while (worker_has_room(worker, conn) && worker->next_index < worker->end_index) {
            unsigned kind = worker_build(worker, conn, intended);
            if (worker->phase->think.kind != THINK_NEVER)
                hist_add(&worker->times[kind].slip, clock_ticks_to_ns(now - intended));
        }
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
int worker_reconnect(struct worker *worker, struct conn *conn)
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
int worker_resume(struct worker *worker, struct conn *conn)
{
    uint64_t now = clock_ticks();
    int err = worker_flush(worker, conn, now);
    return err != 0 || worker->phase->law.rate > 0 ? err : worker_fill(worker, conn, now, now);
}
