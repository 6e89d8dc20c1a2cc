/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Listening sockets.
 *
 * Accepting is done on the main thread, which has nothing else to do, and each new connection goes
 * to the loop that has the fewest, so that 50 connections on 4 loops are 12 or 13 each, which the
 * kernel's own spreading (SO_REUSEPORT) does not give.
 *
 * Threads: the main thread.
 * Failures: binding fails with a sentence. When few file descriptors are left, connections are
 * closed at once, so that monitoring goes on; when none is, a spare one is closed to accept and
 * close one connection, so that clients see a close and the loop does not spin.
 */
#include "server/net/listener.h"

#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"
#include "server/net/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    LISTENER_BACKLOG = 1024,
    LISTENER_ACCEPTS = 64,
    LISTENER_RESERVE = 96, /* descriptors kept from clients, or a quarter of all if that is less */
};

struct listener {
    uv_poll_t poll; /* first: the handle is the listener */
    struct listener_group *group;
    const struct front *front; /* of the connections accepted here */
    int fd;
    bool tcp;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1]; /* of the file to remove, or "" */
    dev_t device;                                               /* which file that is */
    ino_t inode;
};

static int listener_open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Descriptors are given out from the lowest, so that one above this tells that few are left. */
static int listener_fd_end(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX)
        return INT_MAX;
    int n = (int)limit.rlim_cur;
    return n - (n / 4 < LISTENER_RESERVE ? n / 4 : LISTENER_RESERVE);
}

void listener_group_init(struct listener_group *group, uv_loop_t *uv, struct loop **loops,
                         unsigned n_loops, uint64_t connections_max)
{
    *group = (struct listener_group){
        .uv = uv, .loops = loops, .n_loops = n_loops, .connections_max = connections_max};
    group->fd_end = listener_fd_end();
    group->spare_fd = listener_open_spare();
}

void listener_group_deinit(struct listener_group *group)
{
    if (group->spare_fd >= 0)
        close(group->spare_fd);
    group->spare_fd = -1;
}

/* The loop with the fewest connections, and how many there are in all. Sockets on their way to a
 * loop are not counted yet, hence the turn taken among equals. */
static struct loop *listener_choose(struct listener_group *group, uint64_t *out_total)
{
    struct loop *best = NULL;
    unsigned fewest = 0;
    uint64_t total = 0;
    for (unsigned i = 0; i < group->n_loops; i++) {
        struct loop *loop = group->loops[(group->last_id + i) % group->n_loops];
        unsigned n = atomic_load_explicit(&loop->n_conns, memory_order_relaxed);
        total += n;
        if (best == NULL || n < fewest) {
            best = loop;
            fewest = n;
        }
    }
    *out_total = total;
    return best;
}

static void listener_refuse(struct listener_group *group, int fd)
{
    log_warn("net", "out of file descriptors: a connection is refused; raise LimitNOFILE");
    if (fd >= 0)
        close(fd);
    group->rejected++;
}

/* Not even one descriptor is left: take one connection off the queue and close it. */
static void listener_refuse_next(struct listener *listener)
{
    struct listener_group *group = listener->group;
    if (group->spare_fd < 0)
        return;
    close(group->spare_fd);
    listener_refuse(group, accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC));
    group->spare_fd = listener_open_spare();
}

static void listener_on_event(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = (struct listener *)poll;
    struct listener_group *group = listener->group;
    (void)events;
    for (int i = 0; i < LISTENER_ACCEPTS && status == 0; i++) {
        uint64_t total;
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                listener_refuse_next(listener);
            return;
        }
        group->received++;
        if (fd >= group->fd_end) {
            listener_refuse(group, fd);
            continue;
        }
        struct loop *loop = listener_choose(group, &total);
        if (total >= group->connections_max) {
            log_warn("net", "a connection was closed: limits.connections (%llu) is reached",
                     (unsigned long long)atomic_load(&group->connections_max));
            group->rejected++;
            close(fd);
            continue;
        }
        loop_adopt(loop, listener->front, fd, ++group->last_id, listener->tcp);
    }
}

/* Is this the socket of a process that has gone? One that may not be asked is not. */
static bool listener_path_is_stale(const struct sockaddr *address, socklen_t size)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool stale = fd >= 0 && connect(fd, address, size) != 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return stale;
}

/* Bind a Unix socket; the umask keeps others out between bind and chmod. */
static int listener_bind_unix(int fd, const struct sockaddr *address, socklen_t size, unsigned mode)
{
    const char *path = ((const struct sockaddr_un *)(const void *)address)->sun_path;
    struct stat st;
    if (stat(path, &st) == 0 && S_ISSOCK(st.st_mode) && listener_path_is_stale(address, size))
        (void)unlink(path);
    mode_t saved = umask(0177);
    int rc = bind(fd, address, size);
    int saved_errno = errno;
    umask(saved);
    errno = saved_errno;
    return rc == 0 ? chmod(path, (mode_t)mode) : rc;
}

int listener_bind(const struct sockaddr *address, socklen_t size, unsigned unix_mode)
{
    int on = 1, rc = 0;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (address->sa_family == AF_UNIX) {
        rc = listener_bind_unix(fd, address, size, unix_mode);
    } else {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (address->sa_family == AF_INET6)
            (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        rc = bind(fd, address, size);
    }
    if (rc == 0)
        rc = listen(fd, LISTENER_BACKLOG);
    if (rc == 0)
        return fd;
    int saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return -1;
}

/* This file is ours to remove, as long as it is the one that we have made. */
static void listener_own_file(struct listener *listener, const char *path)
{
    struct stat st;
    if (path[0] == 0 || stat(path, &st) != 0)
        return;
    (void)snprintf(listener->path, sizeof listener->path, "%s", path);
    listener->device = st.st_dev;
    listener->inode = st.st_ino;
}

int listener_start(struct listener_group *group, const struct front *front, int fd,
                   const char *path, struct listener **out_listener)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof address;
    struct listener *listener = mem_calloc(1, sizeof *listener);
    if (listener == NULL) {
        close(fd);
        return ERR_OUT_OF_MEMORY;
    }
    (void)getsockname(fd, (struct sockaddr *)&address, &size);
    listener->group = group;
    listener->front = front;
    listener->fd = fd;
    listener->tcp = address.ss_family != AF_UNIX;
    listener_own_file(listener, path);
    REQUIRE(uv_poll_init(group->uv, &listener->poll, fd) == 0);
    REQUIRE(uv_poll_start(&listener->poll, UV_READABLE, listener_on_event) == 0);
    *out_listener = listener;
    return 0;
}

/* The kernel's idea of a Unix address: a path that may lack its NUL, or a name after a NUL. */
static void listener_name_unix(const struct sockaddr_un *un, socklen_t size,
                               char out_text[static LISTENER_NAME_SIZE])
{
    size_t start = offsetof(struct sockaddr_un, sun_path), n = size > start ? size - start : 0;
    bool abstract = n > 0 && un->sun_path[0] == 0;
    if (!abstract)
        n = strnlen(un->sun_path, n);
    for (size_t i = 0; i < n; i++)
        out_text[i] = un->sun_path[i] > ' ' && un->sun_path[i] <= '~' ? un->sun_path[i] : '?';
    if (abstract)
        out_text[0] = '@';
    out_text[n] = 0;
}

void listener_name(int fd, char out_text[static LISTENER_NAME_SIZE])
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof address;
    char ip[INET6_ADDRSTRLEN] = "?";
    (void)getsockname(fd, (struct sockaddr *)&address, &size);
    const struct sockaddr_in *tcp4 = (const void *)&address;
    const struct sockaddr_in6 *tcp6 = (const void *)&address;
    if (address.ss_family == AF_UNIX) {
        listener_name_unix((const void *)&address, size, out_text);
    } else if (address.ss_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &tcp6->sin6_addr, ip, sizeof ip);
        (void)snprintf(out_text, LISTENER_NAME_SIZE, "[%s]:%u", ip, ntohs(tcp6->sin6_port));
    } else {
        (void)inet_ntop(AF_INET, &tcp4->sin_addr, ip, sizeof ip);
        (void)snprintf(out_text, LISTENER_NAME_SIZE, "%s:%u", ip, ntohs(tcp4->sin_port));
    }
}

static void listener_on_closed(uv_handle_t *handle)
{
    struct listener *listener = (struct listener *)handle;
    struct stat st;
    close(listener->fd);
    if (listener->path[0] != 0 && stat(listener->path, &st) == 0 && st.st_dev == listener->device &&
        st.st_ino == listener->inode)
        (void)unlink(listener->path);
    mem_free(listener);
}

void listener_close(struct listener *listener)
{
    uv_close((uv_handle_t *)&listener->poll, listener_on_closed);
}
