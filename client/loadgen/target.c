/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Resolving and connecting.
 *
 * How: one name lookup for the run; each connection is opened, then asked for one reply, so that it
 * is accepted, served and known to speak the protocol before time is taken. A server whose protocol
 * is not known is asked with an inline PING of RESP: one that speaks MessagePack-RPC says so.
 *
 * Invariants: a descriptor is either handed out or closed.
 * Threads: a target is read only after target_init.
 * Failures: ERR_IO with a sentence that says what to do.
 */
#include "client/loadgen/target.h"

#include "common/clock.h"
#include "common/err.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

enum { GREETING_REPLY_MAX = 4096 };

static int target_unix(struct target *target, const char *path, struct failure *failure)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    (void)snprintf(target->name, sizeof target->name, "%s", path);
    if (size >= sizeof address.sun_path)
        return failure_set(failure, FAILURE_CONNECT, "the path of the socket is too long: %s",
                           path);
    memcpy(address.sun_path, path, size + 1);
    memcpy(&target->address, &address, sizeof address);
    target->address_size = sizeof address;
    return 0;
}

static int target_tcp(struct target *target, const char *host, int port, struct failure *failure)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char service[16];
    bool colons = strchr(host, ':') != NULL;
    (void)snprintf(target->name, sizeof target->name, "%s%s%s:%d", colons ? "[" : "", host,
                   colons ? "]" : "", port);
    (void)snprintf(service, sizeof service, "%d", port);
    int result = getaddrinfo(host, service, &hints, &found);
    if (result != 0)
        return failure_set(failure, FAILURE_CONNECT, "cannot resolve '%s': %s", host,
                           gai_strerror(result));
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->address_size = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

/* Wait until the socket is ready. False: it took too long. */
static bool target_wait(const struct target *target, int fd, short events)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int ready;
    do
        ready = poll(&poll_fd, 1, target->timeout_ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

static int target_refused(const struct target *target, int error, struct failure *failure)
{
    bool tcp = target->address.ss_family != AF_UNIX;
    if (error == EMFILE || error == ENFILE)
        return failure_set(failure, FAILURE_LOCAL,
                           "too many open files: lower -c or raise the limit (ulimit -n)");
    if (error == EADDRNOTAVAIL)
        return failure_set(failure, FAILURE_LOCAL,
                           "no free local port for a connection to %s; "
                           "wait a minute, or use a Unix socket (-s)",
                           target->name);
    if (!tcp && strchr(target->name, '/') == NULL)
        return failure_set(failure, FAILURE_CONNECT,
                           "cannot connect to %s: %s\n-s is the path of a Unix socket; the name "
                           "of a host is -h",
                           target->name, strerror(error));
    return failure_set(failure, FAILURE_CONNECT,
                       "cannot connect to %s: %s\nIs a server running there? Start one with: "
                       "cairnd --set listen.%s=%s%s",
                       target->name, strerror(error),
                       target->driver == NULL || target->driver->spelling == SPELLING_RPC ? "rpc"
                                                                                          : "resp",
                       target->name, tcp ? "" : " (an absolute path)");
}

/* A socket that connects; it may not be there yet. */
static int target_dial(const struct target *target, int *out_fd, struct failure *failure)
{
    int one = 1;
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return target_refused(target, errno, failure);
    if (target->address.ss_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (const struct sockaddr *)&target->address, target->address_size) != 0 &&
        errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        return target_refused(target, error, failure);
    }
    *out_fd = fd;
    return 0;
}

static int target_open(const struct target *target, int *out_fd, struct failure *failure)
{
    int error = 0, fd;
    socklen_t size = sizeof error;
    int err = target_dial(target, &fd, failure);
    if (err != 0)
        return err;
    if (!target_wait(target, fd, POLLOUT))
        error = ETIMEDOUT;
    else
        (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        close(fd);
        return target_refused(target, error, failure);
    }
    *out_fd = fd;
    return 0;
}

int target_begin(const struct target *target, int *out_fd, struct buf *out, unsigned *out_replies,
                 struct failure *failure)
{
    struct driver_login login = target->login;
    login.brief = true;
    if (target->driver->begin(&login, out, out_replies) != 0)
        return failure_set(failure, FAILURE_LOCAL, "out of memory");
    return target_dial(target, out_fd, failure);
}

static int target_strange(const struct target *target, const char *what, struct failure *failure)
{
    return failure_set(failure, FAILURE_CONNECT, "%s %s. Is it %s? (protocol %s)", target->name,
                       what, target->driver->server, target->driver->name);
}

/* What has come so far on a new connection. */
struct target_input {
    uint8_t data[GREETING_REPLY_MAX];
    size_t size;
    uint64_t deadline;
};

/* Wait for more. */
static int target_more(const struct target *target, int fd, struct target_input *input,
                       struct failure *failure)
{
    for (;;) {
        if (clock_mono_ns() > input->deadline || !target_wait(target, fd, POLLIN))
            return failure_set(failure, FAILURE_CONNECT,
                               "%s accepts connections but does not answer. Is it a server of "
                               "another protocol?",
                               target->name);
        ssize_t n = recv(fd, input->data + input->size, sizeof input->data - input->size, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return failure_set(failure, FAILURE_CONNECT,
                               "%s closes connections when it is spoken to. Is it a server of "
                               "another protocol?",
                               target->name);
        input->size += (size_t)n;
        return 0;
    }
}

/* Read until there are so many whole replies, of which none is an error. */
static int target_greeting_replies(const struct target *target, int fd, unsigned replies,
                                   struct failure *failure)
{
    struct target_input input;
    struct driver_reply reply;
    size_t used = 0;
    input.size = 0;
    input.deadline = clock_mono_ns() + (uint64_t)target->timeout_ms * 1000000u;
    while (replies > 0) {
        enum driver_status status = target->driver->parse_reply(
            (struct bytes){input.data + used, input.size - used}, &reply);
        if (status == DRIVER_BAD || (status == DRIVER_MORE && input.size == sizeof input.data))
            return target_strange(target, "answers in another protocol", failure);
        if (status == DRIVER_ERROR)
            return failure_set(failure, FAILURE_CONNECT, "%s refuses: %.*s", target->name,
                               (int)reply.text.size, (const char *)reply.text.data);
        if (status != DRIVER_MORE) {
            used += reply.size;
            replies--;
        } else if (target_more(target, fd, &input, failure) != 0) {
            return ERR_IO;
        }
    }
    return 0;
}

static int target_send(const struct target *target, int fd, struct bytes data,
                       struct failure *failure)
{
    if (send(fd, data.data, data.size, MSG_NOSIGNAL) == (ssize_t)data.size)
        return 0;
    return failure_set(failure, FAILURE_CONNECT, "%s closes connections at once", target->name);
}

static int target_greet(const struct target *target, int fd, struct failure *failure)
{
    struct buf greeting;
    unsigned replies;
    buf_init(&greeting);
    int err = target->driver->begin(&target->login, &greeting, &replies);
    if (err != 0)
        err = failure_set(failure, FAILURE_LOCAL, "out of memory");
    else
        err = target_send(target, fd, buf_bytes(&greeting), failure);
    buf_deinit(&greeting);
    return err != 0 ? err : target_greeting_replies(target, fd, replies, failure);
}

int target_connect(const struct target *target, int *out_fd, struct failure *failure)
{
    int fd = -1;
    int err = target_open(target, &fd, failure);
    if (err != 0)
        return err;
    err = target_greet(target, fd, failure);
    if (err != 0) {
        close(fd);
        return err;
    }
    *out_fd = fd;
    return 0;
}

/* Does what came in reply to PING begin a reply of RESP, and is it not the one with which cairnd's
 * other port tells what it is? */
static bool target_is_resp(struct bytes reply)
{
    bool line = reply.size > 0 && (reply.data[0] == '+' || reply.data[0] == '-');
    return line && memmem(reply.data, reply.size, "MessagePack", 11) == NULL;
}

static int target_ask(struct target *target, struct failure *failure)
{
    struct target_input input;
    int fd = -1;
    int err = target_open(target, &fd, failure);
    if (err != 0)
        return err;
    input.size = 0;
    input.deadline = clock_mono_ns() + (uint64_t)target->timeout_ms * 1000000u;
    err = target_send(target, fd, bytes_of("PING\r\n"), failure);
    if (err == 0)
        err = target_more(target, fd, &input, failure);
    close(fd);
    if (err == 0)
        target->driver = target_is_resp((struct bytes){input.data, input.size}) ? &driver_resp2
                                                                                : &driver_msgpack;
    return err;
}

int target_init(struct target *target, const struct address *address, int timeout_ms,
                struct failure *failure)
{
    const struct driver *usual = address->driver != NULL ? address->driver : &driver_msgpack;
    int port = address->port != 0 ? address->port : usual->port;
    memset(target, 0, sizeof *target);
    target->driver = address->driver;
    target->login = address_login(address);
    target->timeout_ms = timeout_ms;
    int err = address->path[0] != 0 ? target_unix(target, address->path, failure)
                                    : target_tcp(target, address->host, port, failure);
    return err != 0 || target->driver != NULL ? err : target_ask(target, failure);
}
