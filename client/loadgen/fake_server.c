/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A server that does what a law says.
 *
 *   epoll -> accept
 *         -> recv -> each command: note its arrival, work out when its reply is due
 *                       due: into the connection's output
 *                       later: into a heap, by time -> when it is due: the same -> send
 *
 * How: replies that are due within FAKE_SPIN_NS are waited for awake, as a thread that sleeps wakes
 * up late. A stall is a sleep: nothing is read, and what arrives meanwhile is noted when it is read
 * after it, as the server cannot know better.
 *
 * Invariants: replies of a connection come in the order of its requests, unless they carry ids. A
 * connection is a slot that is not used again, so nothing points to one that is gone.
 * Threads: one, which owns everything until it has ended; start, stop and destroy are the caller's.
 * Failures: a connection on which something goes wrong is closed.
 */
#include "client/loadgen/fake_server.h"

#include "client/loadgen/cpu.h"
#include "client/loadgen/fake_wire.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    FAKE_CONNECTIONS = 1024, /* over the life of a server */
    FAKE_INPUT = 64 * 1024,
    FAKE_EVENTS = 64,
    FAKE_SPIN_NS = 80000,
    FAKE_IDLE_NS = 100000000,
};

struct fake_conn {
    int fd;                       /* -1: closed */
    const struct fake_wire *wire; /* NULL: nothing has come yet */
    struct buf input, output;
    uint64_t due; /* of the last reply: without ids none goes before */
    unsigned pending;
};

/* A reply that is not due yet. */
struct fake_reply {
    uint64_t due, number;
    struct fake_conn *conn;
    enum fake_answer answer;
    uint32_t id;
    unsigned key;
    bool reads;
    bool begun; /* its first byte has been sent */
};

struct fake_server {
    struct fake_law law;
    struct fake_log log;
    int listen_fd, epoll_fd, wake_fd;
    int port;
    pthread_t thread;
    bool runs, at_end;
    struct fake_conn conns[FAKE_CONNECTIONS];
    unsigned n_conns;
    struct fake_reply *heap; /* heap[0] is due first */
    size_t heap_size, heap_capacity;
    uint64_t first_ns; /* arrival of the first request; 0: none yet */
    uint64_t free_ns;  /* serial: when the last reply is due */
    struct buf values[FAKE_SERVER_KEYS];
};

/* ---- replies ---- */

static bool fake_before(const struct fake_reply *a, const struct fake_reply *b)
{
    return a->due != b->due ? a->due < b->due : a->number < b->number;
}

static bool fake_push(struct fake_server *server, const struct fake_reply *reply)
{
    if (server->heap_size == server->heap_capacity) {
        size_t capacity = server->heap_capacity * 2 + 256;
        struct fake_reply *heap = mem_realloc(server->heap, capacity * sizeof *heap);
        if (heap == NULL)
            return false;
        server->heap = heap;
        server->heap_capacity = capacity;
    }
    size_t at = server->heap_size++;
    for (; at > 0 && fake_before(reply, &server->heap[(at - 1) / 2]); at = (at - 1) / 2)
        server->heap[at] = server->heap[(at - 1) / 2];
    server->heap[at] = *reply;
    return true;
}

static struct fake_reply fake_pop(struct fake_server *server)
{
    struct fake_reply top = server->heap[0], last = server->heap[--server->heap_size];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < server->heap_size) {
        if (child + 1 < server->heap_size &&
            fake_before(&server->heap[child + 1], &server->heap[child]))
            child++;
        if (!fake_before(&server->heap[child], &last))
            break;
        server->heap[at] = server->heap[child];
        at = child;
    }
    if (server->heap_size > 0)
        server->heap[at] = last;
    return top;
}

static int fake_put(struct fake_server *server, const struct fake_reply *reply)
{
    struct fake_conn *conn = reply->conn;
    return conn->wire->put(reply->answer, reply->id, &server->values[reply->key], &conn->output);
}

static void fake_close(struct fake_conn *conn)
{
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
}

/* Send so much of the output; a client that does not read is waited for. */
static void fake_send(struct fake_conn *conn, size_t size)
{
    size_t sent = 0;
    while (conn->fd >= 0 && sent < size) {
        ssize_t n = send(conn->fd, conn->output.data + sent, size - sent, MSG_NOSIGNAL);
        struct pollfd room = {.fd = conn->fd, .events = POLLOUT};
        if (n > 0)
            sent += (size_t)n;
        else if (errno != EAGAIN || poll(&room, 1, 1000) <= 0)
            fake_close(conn);
    }
    buf_consume(&conn->output, size);
}

static void fake_flush(struct fake_conn *conn)
{
    fake_send(conn, conn->output.size);
}

/* A reply is due: send it, or what there is to be sent of it now. */
static void fake_reply(struct fake_server *server, struct fake_reply reply)
{
    struct fake_conn *conn = reply.conn;
    bool whole = reply.begun || server->law.tail_ns == 0;
    if (!reply.begun && fake_put(server, &reply) != 0)
        fake_close(conn);
    fake_send(conn, whole ? conn->output.size : 1);
    if (whole) {
        conn->pending--;
        return;
    }
    reply.begun = true;
    reply.due += server->law.tail_ns;
    if (!fake_push(server, &reply))
        fake_close(conn);
}

/* Send what is due. */
static void fake_release(struct fake_server *server)
{
    uint64_t now = clock_mono_ns();
    while (server->heap_size > 0 && server->heap[0].due <= now) {
        fake_reply(server, fake_pop(server));
        now = clock_mono_ns();
    }
}

/* ---- requests ---- */

static bool fake_is(uint64_t number, unsigned each)
{
    return each != 0 && number % each == 0;
}

/* When the reply to a request that arrives now is due. */
static uint64_t fake_due(struct fake_server *server, const struct fake_reply *reply, uint64_t now)
{
    const struct fake_law *law = &server->law;
    uint64_t delay = reply->reads && law->read_ns > 0 ? law->read_ns : law->delay_ns;
    if (law->slow_ns > 0 && fake_is(reply->number, law->slow_each))
        delay = law->slow_ns;
    if (!law->serial)
        return now + delay;
    server->free_ns = (server->free_ns > now ? server->free_ns : now) + delay;
    return server->free_ns;
}

/* The slot of a key: its last digits. */
static unsigned fake_key(struct bytes key)
{
    uint64_t number = 0, unit = 1;
    for (size_t i = key.size; i > 0 && unit < 1000000000000; i--, unit *= 10) {
        if (key.data[i - 1] < '0' || key.data[i - 1] > '9')
            break;
        number += unit * (uint64_t)(key.data[i - 1] - '0');
    }
    return (unsigned)(number % FAKE_SERVER_KEYS);
}

/* Do what a request asks for. */
static enum fake_answer fake_execute(struct fake_server *server, const struct fake_request *request,
                                     uint64_t number, unsigned *out_key)
{
    const struct fake_law *law = &server->law;
    *out_key = fake_key(request->key);
    if (fake_is(number, law->error_each))
        return FAKE_ERROR;
    if (request->verb == FAKE_GET)
        return fake_is(number, law->corrupt_each) ? FAKE_DAMAGED : FAKE_VALUE;
    if (request->verb != FAKE_SET)
        return FAKE_OK;
    struct buf *value = &server->values[*out_key];
    value->size = 0;
    return buf_append(value, request->value.data, request->value.size) == 0 ? FAKE_OK : FAKE_ERROR;
}

static void fake_note(struct fake_server *server, uint64_t now)
{
    struct fake_log *log = &server->log;
    if (server->first_ns == 0)
        server->first_ns = now;
    if (log->count < log->capacity)
        log->arrival[log->count] = now;
    log->count++;
}

/* When a reply can go: replies that carry no id come in the order of the requests. */
static uint64_t fake_in_order(struct fake_conn *conn, uint64_t due)
{
    if (due > conn->due)
        conn->due = due;
    return conn->wire->has_id ? due : conn->due;
}

/* One request. False: the connection is of no more use. */
static bool fake_request(struct fake_server *server, struct fake_conn *conn,
                         const struct fake_request *request, uint64_t now)
{
    const struct fake_law *law = &server->law;
    struct fake_reply reply = {.conn = conn, .id = request->id, .reads = request->verb == FAKE_GET};
    if (request->verb == FAKE_PING)
        return conn->wire->put(FAKE_PONG, request->id, NULL, &conn->output) == 0;
    fake_note(server, now);
    reply.number = server->log.count;
    if (law->close_at != 0 && reply.number >= law->close_at)
        return false;
    reply.answer = fake_execute(server, request, reply.number, &reply.key);
    if (law->silent_from != 0 && reply.number >= law->silent_from)
        return true;
    reply.due = fake_in_order(conn, fake_due(server, &reply, now));
    if (reply.due <= now && conn->pending == 0 && law->tail_ns == 0)
        return fake_put(server, &reply) == 0;
    conn->pending++;
    return fake_push(server, &reply);
}

/* All whole requests of the input. False: as fake_request, or it is no request. */
static bool fake_requests(struct fake_server *server, struct fake_conn *conn)
{
    uint64_t now = clock_mono_ns();
    size_t used = 0;
    bool good = true;
    if (conn->wire == NULL)
        conn->wire = fake_wire_of(conn->input.data[0]);
    while (good && used < conn->input.size) {
        struct fake_request request;
        size_t size;
        int err =
            conn->wire->take(conn->input.data + used, conn->input.size - used, &request, &size);
        if (err == FAKE_MORE)
            break;
        good = err == 0 && fake_request(server, conn, &request, now);
        used += err == 0 ? size : 0;
    }
    buf_consume(&conn->input, used);
    return good;
}

static void fake_read(struct fake_server *server, struct fake_conn *conn)
{
    if (conn->fd < 0)
        return;
    ssize_t n = buf_reserve(&conn->input, FAKE_INPUT) != 0
                    ? 0
                    : recv(conn->fd, conn->input.data + conn->input.size, FAKE_INPUT, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n > 0)
        conn->input.size += (size_t)n;
    bool good = n > 0 && fake_requests(server, conn);
    fake_flush(conn);
    if (!good)
        fake_close(conn);
}

/* ---- the thread ---- */

static int fake_watch(struct fake_server *server, int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN};
    event.data.ptr = what;
    return epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : ERR_IO;
}

static void fake_accept(struct fake_server *server)
{
    int one = 1, fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct fake_conn *conn = &server->conns[server->n_conns];
    if (server->n_conns == FAKE_CONNECTIONS || fake_watch(server, fd, conn) != 0) {
        close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    server->n_conns++;
    conn->fd = fd;
}

static void fake_sleep_until(uint64_t ns)
{
    struct timespec until = {.tv_sec = (time_t)(ns / 1000000000),
                             .tv_nsec = (long)(ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

/* When the stall begins; UINT64_MAX: it is over, or there is none. */
static uint64_t fake_stall_at(const struct fake_server *server)
{
    const struct fake_law *law = &server->law;
    bool none = law->stall_ns == 0 || server->first_ns == 0 || server->log.stall_end != 0;
    return none ? UINT64_MAX : server->first_ns + law->stall_at_ns;
}

static void fake_stall(struct fake_server *server)
{
    server->log.stall_begin = clock_mono_ns();
    fake_sleep_until(server->log.stall_begin + server->law.stall_ns);
    server->log.stall_end = clock_mono_ns();
}

/* How long to wait for events. */
static struct timespec fake_patience(const struct fake_server *server)
{
    uint64_t now = clock_mono_ns(), next = fake_stall_at(server), wait = FAKE_IDLE_NS;
    if (server->heap_size > 0 && server->heap[0].due < next)
        next = server->heap[0].due;
    if (next != UINT64_MAX)
        next -= FAKE_SPIN_NS;
    if (next <= now)
        wait = 0;
    else if (next - now < wait)
        wait = next - now;
    return (struct timespec){.tv_nsec = (long)wait};
}

static void fake_turn(struct fake_server *server)
{
    struct epoll_event events[FAKE_EVENTS];
    struct timespec patience = fake_patience(server);
    int n = epoll_pwait2(server->epoll_fd, events, FAKE_EVENTS, &patience, NULL);
    if (clock_mono_ns() >= fake_stall_at(server)) {
        fake_stall(server);
        return;
    }
    for (int i = 0; i < n; i++) {
        void *what = events[i].data.ptr;
        if (what == &server->listen_fd)
            fake_accept(server);
        else if (what == &server->wake_fd)
            server->at_end = true;
        else
            fake_read(server, what);
        fake_release(server);
    }
    fake_release(server);
}

static void *fake_main(void *argument)
{
    struct fake_server *server = argument;
    uint64_t waiting = cpu_thread_waiting_ns();
    (void)prctl(PR_SET_TIMERSLACK, 1); /* wake up when asked to */
    while (!server->at_end)
        fake_turn(server);
    for (unsigned i = 0; i < server->n_conns; i++)
        fake_close(&server->conns[i]);
    server->log.waiting_ns = cpu_thread_waiting_ns() - waiting;
    return NULL;
}

/* ---- life ---- */

static int fake_listen(struct fake_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    server->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (server->listen_fd < 0 || server->epoll_fd < 0 || server->wake_fd < 0 ||
        bind(server->listen_fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->listen_fd, FAKE_CONNECTIONS) != 0 ||
        getsockname(server->listen_fd, (struct sockaddr *)&address, &size) != 0)
        return ERR_IO;
    server->port = ntohs(address.sin_port);
    int err = fake_watch(server, server->listen_fd, &server->listen_fd);
    return err != 0 ? err : fake_watch(server, server->wake_fd, &server->wake_fd);
}

int fake_server_start(const struct fake_law *law, size_t log_capacity,
                      struct fake_server **out_server)
{
    struct fake_server *server = mem_calloc(1, sizeof *server);
    if (server == NULL)
        return ERR_OUT_OF_MEMORY;
    server->law = *law;
    server->listen_fd = server->epoll_fd = server->wake_fd = -1;
    server->log.capacity = log_capacity;
    server->log.arrival = mem_calloc(log_capacity > 0 ? log_capacity : 1, sizeof(uint64_t));
    int err = server->log.arrival == NULL ? ERR_OUT_OF_MEMORY : fake_listen(server);
    if (err == 0) {
        server->runs = pthread_create(&server->thread, NULL, fake_main, server) == 0;
        err = server->runs ? 0 : ERR_IO;
    }
    if (err == 0)
        *out_server = server;
    else
        fake_server_destroy(server);
    return err;
}

int fake_server_port(const struct fake_server *server)
{
    return server->port;
}

void fake_server_stop(struct fake_server *server)
{
    if (!server->runs)
        return;
    REQUIRE(eventfd_write(server->wake_fd, 1) == 0);
    pthread_join(server->thread, NULL);
    server->runs = false;
}

const struct fake_log *fake_server_log(const struct fake_server *server)
{
    REQUIRE(!server->runs);
    return &server->log;
}

void fake_server_destroy(struct fake_server *server)
{
    if (server == NULL)
        return;
    fake_server_stop(server);
    for (unsigned i = 0; i < server->n_conns; i++) {
        buf_deinit(&server->conns[i].input);
        buf_deinit(&server->conns[i].output);
    }
    for (unsigned i = 0; i < FAKE_SERVER_KEYS; i++)
        buf_deinit(&server->values[i]);
    const int fds[] = {server->listen_fd, server->epoll_fd, server->wake_fd};
    for (size_t i = 0; i < LENGTH_OF(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    mem_free(server->log.arrival);
    mem_free(server->heap);
    mem_free(server);
}
