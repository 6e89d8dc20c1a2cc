/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Connections: bytes in, bytes out, back-pressure, time limits, and the one way to close.
 *
 *   readable -> recv into the loop's buffer (or behind what is kept) -> front-end uses whole
 *   messages
 *            -> what is left is kept in `in`
 *   replies gather in `out`; conn_flush sends them once per turn; what the socket does not take
 *   waits for it to become writable
 *
 * Back-pressure: if the front-end must not run the next request (front_may_run), the connection is
 * `blocked`: it is not read until replies have gone out. Nothing is dropped.
 *
 * Closing: conn_close stops everything and hands the handle to libuv; the memory is freed in its
 * close callback and nowhere else. A connection that leaves in good order first sends its output,
 * shuts down its side, and throws away what the client still sends, as closing with unread input
 * would make the system discard the replies.
 *
 * Threads: the loop of the connection.
 * Failures: a socket error closes; lack of memory for a buffer closes that connection only.
 */
#include "server/net/conn.h"

#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"
#include "server/net/jobs.h"
#include "server/wal/wal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONN_LARGE_BYTES = 64 * 1024, /* buffers up to this are pooled and never refused */
    CONN_LINGER_NS = 1000000000,  /* how long input is thrown away before closing */
    CONN_RECV_MIN = 16 * 1024,
};

static void conn_on_event(uv_poll_t *poll, int status, int events);

/* ---- replies that wait for the log ---- */

uint64_t conn_stream_end(const struct conn *conn)
{
    return conn->out_at + conn->out.size;
}

void conn_hold(struct conn *conn, uint64_t from, uint64_t lsn)
{
    if (lsn == 0 || from == conn_stream_end(conn))
        return;
    if (conn->n_holds == CONN_HOLDS) {
        uint64_t *last = &conn->holds[CONN_HOLDS - 1].lsn;
        *last = lsn > *last ? lsn : *last; /* what waits for less waits with it */
        return;
    }
    conn->holds[conn->n_holds++] = (struct conn_hold){from, lsn};
}

void conn_hold_all(struct conn *conn, uint64_t lsn)
{
    struct conn_hold *first = &conn->holds[0];
    uint64_t from = conn->out_at + conn->sent;
    if (conn->n_holds == 0)
        conn_hold(conn, from, lsn);
    else
        *first = (struct conn_hold){from, lsn > first->lsn ? lsn : first->lsn};
}

/* How far `out` may be sent. */
static size_t conn_sendable(struct conn *conn)
{
    unsigned done = 0;
    if (conn->n_holds == 0)
        return conn->out.size;
    uint64_t durable = wal_durable_lsn(conn->loop->env.store->wal);
    while (done < conn->n_holds && conn->holds[done].lsn <= durable)
        done++;
    conn->n_holds -= done;
    memmove(conn->holds, conn->holds + done, conn->n_holds * sizeof conn->holds[0]);
    return conn->n_holds == 0 ? conn->out.size : (size_t)(conn->holds[0].from - conn->out_at);
}

/* Bytes at the front of `out` have gone for good. */
static void conn_forget_sent(struct conn *conn)
{
    buf_consume(&conn->out, conn->sent);
    conn->out_at += conn->sent;
    conn->sent = 0;
}

/* Poll for what the state of the connection calls for. */
static void conn_update_events(struct conn *conn)
{
    int events = 0;
    bool reads = conn->state == CONN_LINGERING || (conn->state == CONN_OPEN && !conn->blocked);
    if (conn->state == CONN_CLOSED)
        return;
    if (reads && !conn->eof)
        events |= UV_READABLE;
    if (conn->full)
        events |= UV_WRITABLE;
    if (events == conn->events)
        return;
    conn->events = events;
    if (events == 0)
        REQUIRE(uv_poll_stop(&conn->poll) == 0);
    else
        REQUIRE(uv_poll_start(&conn->poll, events, conn_on_event) == 0);
}

/* Tell the loop how much the connection holds. False: too much for all clients together. */
static bool conn_account(struct conn *conn)
{
    struct loop *loop = conn->loop;
    size_t now = conn->in.capacity + conn->out.capacity + conn->kept + conn->session.watch_bytes;
    uint64_t all = loop->client_bytes + now - conn->counted;
    __atomic_store_n(&loop->client_bytes, all, __ATOMIC_RELAXED);
    conn->counted = now;
    return now <= 2 * CONN_LARGE_BYTES || all <= loop->limits.client_bytes / loop->n_loops;
}

static void conn_check_bytes(struct conn *conn)
{
    if (conn_account(conn))
        return;
    log_warn("net", "connection %llu closed: all clients together exceed limits.client_bytes",
             (unsigned long long)conn->session.id);
    stats_add(&conn->loop->stats, METRIC_connections_closed_limit, 1);
    conn_close(conn);
}

static void conn_release(struct conn *conn, struct buf *buf)
{
    if (buf->data != NULL)
        loop_give_back(conn->loop, buf);
    (void)conn_account(conn);
}

/* Who is at the other end, as text. */
static void conn_format_peer(int fd, char out_text[static SESSION_ADDRESS_SIZE])
{
    union {
        struct sockaddr sa;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
        struct sockaddr_storage room;
    } peer;
    socklen_t size = sizeof peer;
    char host[INET6_ADDRSTRLEN] = "";
    if (getpeername(fd, &peer.sa, &size) != 0)
        peer.sa.sa_family = AF_UNSPEC; /* a client that is gone again has no address any more */
    if (peer.sa.sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &peer.in4.sin_addr, host, sizeof host);
        (void)snprintf(out_text, SESSION_ADDRESS_SIZE, "%s:%u", host, ntohs(peer.in4.sin_port));
    } else if (peer.sa.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &peer.in6.sin6_addr, host, sizeof host);
        (void)snprintf(out_text, SESSION_ADDRESS_SIZE, "[%s]:%u", host, ntohs(peer.in6.sin6_port));
    } else {
        (void)snprintf(out_text, SESSION_ADDRESS_SIZE, "%s",
                       peer.sa.sa_family == AF_UNIX ? "unix" : "unknown");
    }
}

/* What others will see of the connection. */
static void conn_describe(struct conn *conn)
{
    struct session *session = &conn->session;
    conn_format_peer(conn->fd, session->address);
    session->protocol = conn->front->name;
    session->loop = conn->loop->index;
    session->opened_ns = session->login_ns = session->active_ns = loop_time_ns(conn->loop);
}

/* The memory of a connection; its descriptor stays with the caller if there is none. */
static struct conn *conn_create(struct loop *loop, const struct front *front, int fd, uint64_t id)
{
    struct conn *conn = mem_calloc(1, sizeof *conn);
    if (conn == NULL)
        return NULL;
    conn->loop = loop;
    conn->front = front;
    conn->fd = fd;
    session_init(&conn->session, loop->env.store, id, !loop->env.login_required);
    if (front->open(conn) == 0 && uv_poll_init(&loop->uv, &conn->poll, fd) == 0)
        return conn;
    front->close(conn);
    session_deinit(&conn->session);
    mem_free(conn);
    return NULL;
}

struct conn *conn_open(struct loop *loop, const struct front *front, int fd, uint64_t id, bool tcp)
{
    struct conn *conn = conn_create(loop, front, fd, id);
    int on = 1;
    if (conn == NULL) {
        close(fd);
        return NULL;
    }
    if (tcp)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    conn_describe(conn);
    session_list_add(&loop->sessions, &conn->session);
    conn->next = loop->conns;
    conn->link = &loop->conns;
    if (conn->next != NULL)
        conn->next->link = &conn->next;
    loop->conns = conn;
    conn_update_events(conn);
    return conn;
}

static void conn_on_closed(uv_handle_t *handle)
{
    struct conn *conn = (struct conn *)handle;
    struct conn **link = &conn->loop->dirty;
    while (conn->dirty && *link != conn)
        link = &(*link)->next_dirty;
    if (conn->dirty)
        *link = conn->next_dirty;
    if (conn->waits)
        loop_wait_no_more(conn->loop, conn);
    close(conn->fd);
    conn->front->close(conn);
    session_deinit(&conn->session);
    mem_free(conn);
}

void conn_close(struct conn *conn)
{
    if (conn->state == CONN_CLOSED)
        return;
    conn->state = CONN_CLOSED;
    watch_close_all(&conn->session);
    session_list_remove(&conn->session);
    *conn->link = conn->next;
    if (conn->next != NULL)
        conn->next->link = conn->link;
    jobs_forget(conn->loop, conn);
    conn->in.size = conn->out.size = conn->sent = conn->kept = 0;
    conn->n_holds = 0;
    conn_release(conn, &conn->in);
    conn_release(conn, &conn->out);
    atomic_fetch_sub(&conn->loop->n_conns, 1);
    uv_close((uv_handle_t *)&conn->poll, conn_on_closed);
}

/* The output has gone and nothing more will come: shut down our side and wait for theirs. */
static void conn_linger(struct conn *conn)
{
    if (conn->eof || shutdown(conn->fd, SHUT_WR) != 0) {
        conn_close(conn);
        return;
    }
    conn->state = CONN_LINGERING;
    session_touch(&conn->session, loop_time_ns(conn->loop));
    conn->in.size = 0;
    conn_release(conn, &conn->in);
    conn_update_events(conn);
}

void conn_leave(struct conn *conn)
{
    if (conn->state != CONN_OPEN)
        return;
    conn->state = CONN_LEAVING;
    conn_mark_dirty(conn);
}

void conn_mark_dirty(struct conn *conn)
{
    if (conn->dirty || conn->state == CONN_CLOSED)
        return;
    conn->dirty = true;
    conn->next_dirty = conn->loop->dirty;
    conn->loop->dirty = conn;
}

/* Keep the unused end of the input for later. */
static int conn_keep(struct conn *conn, struct bytes rest)
{
    if (conn->in.data == NULL && rest.size > 0)
        conn->in = loop_borrow(conn->loop);
    return buf_append(&conn->in, rest.data, rest.size);
}

/* Remember since when a message is incomplete. */
static void conn_note_frame(struct conn *conn)
{
    if (!conn->scanning)
        conn->frame_ns = 0;
    else if (conn->frame_ns == 0)
        conn->frame_ns = conn->session.active_ns;
}

/* Let the front-end use what it can of `data`, which stands in conn->in or in the loop's buffer. */
static void conn_feed(struct conn *conn, struct bytes data)
{
    bool kept = data.data == conn->in.data;
    size_t used = 0;
    struct op_env *env = &conn->loop->env;
    uint64_t from = conn_stream_end(conn);
    loop_see_time(conn->loop);
    if (conn->out.data == NULL)
        conn->out = loop_borrow(conn->loop);
    env->synced_first = 0;
    enum front_result result = conn->front->feed(conn, data, &used);
    conn_hold(conn, from, env->synced_first);
    bool was_blocked = conn->blocked;
    conn->blocked = result == FRONT_BLOCKED;
    if (conn->blocked && !was_blocked)
        stats_add(&conn->loop->stats, METRIC_reads_paused, 1);
    conn_mark_dirty(conn);
    if (result == FRONT_LEAVE) {
        conn_leave(conn);
        return;
    }
    if (kept)
        buf_consume(&conn->in, used);
    else if (conn_keep(conn, (struct bytes){data.data + used, data.size - used}) != 0) {
        conn_close(conn);
        return;
    }
    if (conn->in.size == 0)
        conn_release(conn, &conn->in);
    conn_note_frame(conn);
    conn_check_bytes(conn);
}

/* Where the next bytes go: the loop's buffer, or behind what is kept. */
static struct buf *conn_input(struct conn *conn, struct buf *shared)
{
    size_t missing = conn->need > conn->in.size ? conn->need - conn->in.size : 0;
    size_t room = conn->in.size > CONN_RECV_MIN ? conn->in.size : CONN_RECV_MIN;
    if (conn->in.size == 0) {
        *shared = (struct buf){conn->loop->input, 0, LOOP_INPUT_BYTES};
        return shared;
    }
    /* Not more than doubles: what was announced is believed only as it comes. */
    if (conn->scanning && missing < room && missing > CONN_RECV_MIN)
        room = missing;
    return buf_reserve(&conn->in, room) == 0 ? &conn->in : NULL;
}

static void conn_on_eof(struct conn *conn)
{
    conn->eof = true;
    if (conn->state == CONN_LINGERING) {
        conn_close(conn);
        return;
    }
    /* Half closed: what was asked is still answered. */
    if (!conn->blocked && conn->n_jobs == 0)
        conn_leave(conn);
    conn_update_events(conn);
}

/* Read once. False: there was nothing. */
static bool conn_read(struct conn *conn)
{
    struct buf shared;
    struct buf *target = conn_input(conn, &shared);
    if (target == NULL) {
        conn_close(conn);
        return false;
    }
    ssize_t n = recv(conn->fd, target->data + target->size, target->capacity - target->size, 0);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            conn_close(conn);
        return false;
    }
    if (n == 0) {
        conn_on_eof(conn);
        return false;
    }
    session_touch(&conn->session, loop_time_ns(conn->loop));
    stats_add(&conn->loop->stats, METRIC_received_bytes, (uint64_t)n);
    if (conn->state == CONN_OPEN) { /* else lingering: thrown away */
        target->size += (size_t)n;
        conn_feed(conn, buf_bytes(target));
    }
    return true;
}

static bool conn_is_answered(const struct conn *conn)
{
    return conn->state == CONN_OPEN && !conn->blocked && conn->n_jobs == 0;
}

void conn_stop(struct conn *conn)
{
    /* What the system has received but we have not: all of it, a piece a turn. */
    bool more = conn_is_answered(conn) && !conn->eof && conn_read(conn);
    if (!more && conn_is_answered(conn))
        conn_leave(conn);
}

static void conn_on_event(uv_poll_t *poll, int status, int events)
{
    struct conn *conn = (struct conn *)poll;
    if (conn->state == CONN_CLOSED)
        return;
    if (status < 0) {
        conn_close(conn);
        return;
    }
    if (events & UV_WRITABLE)
        conn_mark_dirty(conn);
    if (events & UV_READABLE)
        (void)conn_read(conn);
}

/* All output has gone. */
static void conn_drained(struct conn *conn)
{
    conn_forget_sent(conn);
    conn->stall_ns = 0;
    conn_release(conn, &conn->out);
    if (conn->state == CONN_LEAVING && conn->n_jobs == 0)
        conn_linger(conn);
    else if (conn->blocked)
        conn_resume(conn);
}

/* For more events than what is waiting to be sent? */
static bool conn_has_room(const struct conn *conn)
{
    return conn->out.size - conn->sent <= conn->loop->limits.output_bytes;
}

void conn_flush(struct conn *conn)
{
    if (conn->state == CONN_CLOSED)
        return;
    size_t sendable = conn_sendable(conn), left = sendable - conn->sent;
    if (left > 0) {
        ssize_t n = send(conn->fd, conn->out.data + conn->sent, left, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            conn_close(conn);
            return;
        }
        if (n > 0) {
            conn->sent += (size_t)n;
            session_touch(&conn->session, loop_time_ns(conn->loop));
            conn->stall_ns = 0;
            stats_add(&conn->loop->stats, METRIC_sent_bytes, (uint64_t)n);
        }
    }
    conn->full = conn->sent < sendable;
    if (conn->full_for_events && conn_has_room(conn)) {
        conn->full_for_events = false;
        conn->loop->env.watches.again = true;
    }
    if (conn->n_holds > 0)
        loop_wait_for_log(conn->loop, conn, conn->holds[conn->n_holds - 1].lsn);
    if (conn->sent > CONN_LARGE_BYTES && conn->sent > conn->out.size / 2)
        conn_forget_sent(conn); /* a client may always owe us a rest */
    if (conn->sent == conn->out.size)
        conn_drained(conn);
    else if (!conn->full)
        conn->stall_ns = 0; /* the log is what it waits for */
    else if (conn->stall_ns == 0)
        conn->stall_ns = loop_time_ns(conn->loop);
    conn_update_events(conn);
}

struct conn *conn_of_session(struct session *session)
{
    return (struct conn *)(void *)((uint8_t *)session - offsetof(struct conn, session));
}

bool conn_push(struct conn *conn, struct watch *watch, uint64_t end)
{
    struct op_env *env = &conn->loop->env;
    uint64_t from = conn_stream_end(conn);
    if (conn->state != CONN_OPEN)
        return false;
    if (!conn_has_room(conn)) {
        conn->full_for_events = true;
        return false;
    }
    if (conn->out.data == NULL)
        conn->out = loop_borrow(conn->loop);
    env->synced_first = 0;
    enum watch_result result = watch_pump(env, watch, end, &conn->out);
    conn_hold(conn, from, env->synced_first);
    if (result == WATCH_FAILED)
        conn_leave(conn);
    else if (conn->out.size == 0)
        conn_release(conn, &conn->out);
    else if (conn_stream_end(conn) != from)
        conn_mark_dirty(conn);
    conn_check_bytes(conn);
    return result == WATCH_MORE && conn->state == CONN_OPEN;
}

void conn_resume(struct conn *conn)
{
    if (conn->state != CONN_OPEN || !conn->blocked || !front_may_run(conn))
        return;
    conn->blocked = false;
    if (conn->in.size > 0)
        conn_feed(conn, buf_bytes(&conn->in));
    if (conn->eof && !conn->blocked && conn->n_jobs == 0)
        conn_leave(conn);
    conn_update_events(conn);
}

/* Which time limit the connection has overstepped, or NULL. */
static const char *conn_overdue(const struct conn *conn, uint64_t now_ns)
{
    const struct limits *limits = &conn->loop->limits;
    const uint64_t ms = 1000000;
    if (!conn->session.logged_in && now_ns - conn->session.login_ns > limits->login_ms * ms)
        return "login_ms";
    if (conn->frame_ns != 0 && now_ns - conn->frame_ns > limits->frame_ms * ms)
        return "frame_ms";
    if (conn->stall_ns != 0 && now_ns - conn->stall_ns > limits->stall_ms * ms)
        return "stall_ms";
    if (limits->idle_ms != 0 && conn->n_jobs == 0 && conn->session.watches == NULL &&
        now_ns - conn->session.active_ns > limits->idle_ms * ms)
        return "idle_ms";
    return NULL;
}

void conn_check_time(struct conn *conn, uint64_t now_ns)
{
    struct loop *loop = conn->loop;
    const char *limit = conn_overdue(conn, now_ns);
    if (conn->state == CONN_LINGERING) {
        if (now_ns - conn->session.active_ns > CONN_LINGER_NS)
            conn_close(conn);
    } else if (limit != NULL) {
        log_notice("net", "connection %llu closed: limits.%s", (unsigned long long)conn->session.id,
                   limit);
        stats_add(&loop->stats, METRIC_connections_closed_limit, 1);
        conn_close(conn);
    }
}
