/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A non-blocking stream socket with deadlines.
 *
 *   out: | sent | queued ... |  --send-->  socket  --recv-->  in: | taken | unread ... |
 *
 * How: poll decides, so reading and writing go on at the same time: a server that stops reading
 * until its replies are taken cannot lock us up.
 *
 * Invariants: the socket never blocks and never raises SIGPIPE; every wait has a deadline and is
 * continued after EINTR; a failed socket is closed at once and fd is -1.
 *
 * Threads: one at a time.
 * Failures: TIMEOUT leaves the link as it is; DISCONNECTED, CANNOT_CONNECT close it.
 */
#include "client/lib/link.h"

#include "client/lib/fault.h"
#include "common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINK_READ_BYTES = 64 * 1024 };

uint64_t link_deadline(uint32_t timeout_ms)
{
    return timeout_ms == UINT32_MAX ? LINK_NEVER
                                    : clock_mono_ns() + (uint64_t)timeout_ms * 1000000u;
}

void link_init(struct link *link)
{
    link->fd = -1;
    link->in_taken = link->out_sent = 0;
    buf_init(&link->in);
    buf_init(&link->out);
}

void link_close(struct link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
}

void link_deinit(struct link *link)
{
    link_close(link);
    buf_deinit(&link->in);
    buf_deinit(&link->out);
}

static int link_fail(struct link *link, int status, int error_number, const char *what,
                     struct cairn_error *error)
{
    char text[96];
    link_close(link);
    return fault_set(error, status, "%s: %s", what, strerror_r(error_number, text, sizeof text));
}

/* Milliseconds for poll, rounded up; -1 is for ever. */
static int link_poll_ms(uint64_t deadline_ns)
{
    if (deadline_ns == LINK_NEVER)
        return -1;
    uint64_t now = clock_mono_ns();
    uint64_t ms = now >= deadline_ns ? 0 : (deadline_ns - now + 999999u) / 1000000u;
    return ms > 1000000000u ? 1000000000 : (int)ms;
}

/* Wait for events. 0: ready, with *out_ready; CAIRN_TIMEOUT. */
static int link_wait(struct link *link, short events, uint64_t deadline_ns, short *out_ready,
                     struct cairn_error *error)
{
    for (;;) {
        struct pollfd entry = {.fd = link->fd, .events = events};
        int timeout_ms = link_poll_ms(deadline_ns);
        int n = poll(&entry, 1, timeout_ms);
        if (n > 0) {
            *out_ready = entry.revents;
            return 0;
        }
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return link_fail(link, CAIRN_DISCONNECTED, errno, "cannot wait for the server", error);
        if (n == 0 && timeout_ms == 0)
            return fault_set(error, CAIRN_TIMEOUT, "the server did not answer in time");
    }
}

/* Finish a connect that is under way. */
static int link_connected(struct link *link, uint64_t deadline_ns, struct cairn_error *error)
{
    short ready;
    int number = 0;
    socklen_t size = sizeof number;
    int err = link_wait(link, POLLOUT, deadline_ns, &ready, error);
    if (err == CAIRN_TIMEOUT) {
        link_close(link);
        return fault_set(error, CAIRN_TIMEOUT, "the server did not accept in time");
    }
    if (err != 0)
        return err;
    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0)
        number = errno;
    return number == 0 ? 0 : link_fail(link, CAIRN_CANNOT_CONNECT, number, "cannot connect", error);
}

static int link_try(struct link *link, const struct sockaddr *address, socklen_t size,
                    uint64_t deadline_ns, struct cairn_error *error)
{
    int one = 1;
    link->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->fd < 0)
        return link_fail(link, CAIRN_CANNOT_CONNECT, errno, "cannot open a socket", error);
    if (address->sa_family != AF_UNIX)
        (void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(link->fd, address, size) == 0)
        return 0;
    if (errno == EINPROGRESS || errno == EINTR)
        return link_connected(link, deadline_ns, error);
    return link_fail(link, CAIRN_CANNOT_CONNECT, errno, "cannot connect", error);
}

static int link_open_unix(struct link *link, const struct target *target, uint64_t deadline_ns,
                          struct cairn_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, target->path, sizeof address.sun_path);
    return link_try(link, (const struct sockaddr *)&address, sizeof address, deadline_ns, error);
}

int link_open(struct link *link, const struct target *target, uint64_t deadline_ns,
              struct cairn_error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    if (target->host[0] == 0)
        return link_open_unix(link, target, deadline_ns, error);
    int number = getaddrinfo(target->host, target->port, &hints, &list);
    if (number != 0)
        return fault_set(error, CAIRN_CANNOT_CONNECT, "cannot look up the host: %s",
                         gai_strerror(number));
    int err = fault_set(error, CAIRN_CANNOT_CONNECT, "the host has no address");
    for (const struct addrinfo *a = list; a != NULL && err != 0; a = a->ai_next)
        err = link_try(link, a->ai_addr, a->ai_addrlen, deadline_ns, error);
    freeaddrinfo(list);
    return err;
}

int link_write(struct link *link, struct cairn_error *error)
{
    while (link_unwritten(link) > 0) {
        ssize_t n = send(link->fd, link->out.data + link->out_sent, link_unwritten(link),
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (n < 0)
            return link_fail(link, CAIRN_DISCONNECTED, errno, "cannot send", error);
        link->out_sent += (size_t)n;
    }
    link->out.size = link->out_sent = 0;
    return 0;
}

/* Room to read into: what was taken goes, at most in_max bytes are kept. */
static int link_make_room(struct link *link, size_t in_max, struct cairn_error *error)
{
    size_t unread = link->in.size - link->in_taken;
    size_t room = in_max - unread;
    if (link->in_taken > 0 && link->in_taken >= unread) {
        buf_consume(&link->in, link->in_taken);
        link->in_taken = 0;
    }
    if (buf_reserve(&link->in, room < LINK_READ_BYTES ? room : LINK_READ_BYTES) != 0)
        return fault_set(error, CAIRN_OUT_OF_MEMORY, "no memory for the reply");
    return 0;
}

static int link_read(struct link *link, size_t in_max, struct cairn_error *error)
{
    int err = link_make_room(link, in_max, error);
    if (err != 0)
        return err;
    size_t room = in_max - (link->in.size - link->in_taken);
    size_t free_bytes = link->in.capacity - link->in.size;
    ssize_t n = recv(link->fd, link->in.data + link->in.size, free_bytes < room ? free_bytes : room,
                     MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (n < 0)
        return link_fail(link, CAIRN_DISCONNECTED, errno, "cannot receive", error);
    if (n == 0) {
        link_close(link);
        return fault_set(error, CAIRN_DISCONNECTED, "the server closed the connection");
    }
    link->in.size += (size_t)n;
    return 0;
}

int link_pump(struct link *link, size_t in_max, uint64_t deadline_ns, struct cairn_error *error)
{
    bool may_read = link->in.size - link->in_taken < in_max;
    short ready = 0;
    short events = (short)((may_read ? POLLIN : 0) | (link_unwritten(link) > 0 ? POLLOUT : 0));
    int err = link_wait(link, events, deadline_ns, &ready, error);
    if (err == 0 && (ready & (POLLIN | POLLHUP | POLLERR)) != 0 && may_read)
        err = link_read(link, in_max, error);
    if (err == 0 && (ready & (POLLOUT | POLLERR)) != 0 && link->fd >= 0)
        err = link_write(link, error);
    return err;
}

bool link_is_open(const struct link *link)
{
    char byte;
    if (link->fd < 0)
        return false;
    ssize_t n = recv(link->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

bool link_is_quiet(const struct link *link)
{
    struct pollfd entry = {.fd = link->fd, .events = POLLIN};
    return link->fd >= 0 && poll(&entry, 1, 0) == 0;
}
