/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inherited sockets.
 *
 *   LISTEN_PID=4711  LISTEN_FDS=2  LISTEN_FDNAMES=rpc:rpc     descriptors 3 and 4
 *
 * Variables of another process (LISTEN_PID) are not meant for us: there are no sockets then.
 *
 * Invariants: what is wrong with any of the sockets ends the start; one that is silently left out
 * would be a server that nobody reaches, and clients that wait in its queue for ever.
 * Threads: the main thread.
 * Failures: BAD_ARGUMENT with the number and the name of the descriptor.
 */
#include "server/activation.h"

#include "common/err.h"
#include "common/mem.h"
#include "common/num.h"
#include "server/config_impl.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_FD = 3 }; /* SD_LISTEN_FDS_START */

/* Split the list at its colons. Without one, no socket has a name. */
static int activation_read_names(struct activation *activation, const char *text,
                                 struct err_detail *out_detail)
{
    unsigned n = 0;
    size_t size = text == NULL ? 0 : strlen(text);
    activation->names = mem_alloc(size + 1);
    if (activation->names == NULL)
        return config_fail(out_detail, ERR_OUT_OF_MEMORY, "no memory for LISTEN_FDNAMES");
    memcpy(activation->names, size == 0 ? "" : text, size + 1);
    char *rest = activation->names, *name;
    while ((name = strsep(&rest, ":")) != NULL && text != NULL) {
        if (n < activation->n)
            activation->sockets[n].name = name;
        n++;
    }
    if (text != NULL && n != activation->n)
        return config_fail(out_detail, ERR_BAD_ARGUMENT,
                           "LISTEN_FDNAMES has %u names for the %u sockets of LISTEN_FDS", n,
                           activation->n);
    return 0;
}

/* How many sockets there are for us. */
static int activation_count(const char *pid, const char *fds, unsigned *out_n,
                            struct err_detail *out_detail)
{
    int64_t whose, n;
    *out_n = 0;
    if (pid == NULL || fds == NULL)
        return 0;
    if (num_parse_int(pid, &whose) != 0 || num_parse_int(fds, &n) != 0 || n < 0)
        return config_fail(out_detail, ERR_BAD_ARGUMENT,
                           "LISTEN_PID and LISTEN_FDS must be numbers");
    if (whose != getpid())
        return 0;
    if (n > ACTIVATION_MAX)
        return config_fail(out_detail, ERR_BAD_ARGUMENT,
                           "%lld sockets are inherited; at most %d are allowed", (long long)n,
                           ACTIVATION_MAX);
    *out_n = (unsigned)n;
    return 0;
}

/* An option of SOL_SOCKET that is a number; -1 if there is none. */
static int activation_get(int fd, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/* What is wrong with the socket; NULL: nothing. */
static const char *activation_find_fault(int fd)
{
    int domain = activation_get(fd, SO_DOMAIN);
    if (fcntl(fd, F_GETFD) < 0)
        return "is not open";
    if (activation_get(fd, SO_TYPE) != SOCK_STREAM ||
        (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6))
        return "is not a stream socket; the socket unit needs ListenStream=";
    if (activation_get(fd, SO_ACCEPTCONN) != 1)
        return "is not listening; the socket unit needs Accept=no";
    return NULL;
}

static int activation_fail(struct err_detail *out_detail, unsigned fd, const char *name,
                           const char *fault)
{
    return config_fail(out_detail, ERR_BAD_ARGUMENT, "inherited socket %u ('%s') %s", fd,
                       name == NULL ? "" : name, fault);
}

static int activation_read(struct activation *activation, struct err_detail *out_detail)
{
    unsigned n;
    int err = activation_count(getenv("LISTEN_PID"), getenv("LISTEN_FDS"), &n, out_detail);
    if (err != 0 || n == 0)
        return err;
    activation->n = n;
    for (unsigned i = 0; i < n; i++) {
        activation->sockets[i].fd = (int)(FIRST_FD + i);
        (void)fcntl(activation->sockets[i].fd, F_SETFD, FD_CLOEXEC);
    }
    err = activation_read_names(activation, getenv("LISTEN_FDNAMES"), out_detail);
    for (unsigned i = 0; i < n && err == 0; i++) {
        const char *fault = activation_find_fault(activation->sockets[i].fd);
        if (fault != NULL)
            err = activation_fail(out_detail, FIRST_FD + i, activation->sockets[i].name, fault);
    }
    return err;
}

int activation_init(struct activation *activation, struct err_detail *out_detail)
{
    *activation = (struct activation){0};
    int err = activation_read(activation, out_detail);
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    if (err != 0)
        activation_deinit(activation);
    return err;
}

void activation_deinit(struct activation *activation)
{
    for (unsigned i = 0; i < activation->n; i++)
        if (activation->sockets[i].fd >= 0)
            close(activation->sockets[i].fd);
    mem_free(activation->names);
    *activation = (struct activation){0};
}

unsigned activation_take(struct activation *activation, const char *name, int *out_fds,
                         unsigned max)
{
    unsigned n = 0;
    REQUIRE(activation->n_asked < ACTIVATION_NAMES_MAX);
    activation->asked[activation->n_asked++] = name;
    for (unsigned i = 0; i < activation->n && n < max; i++) {
        const char *own = activation->sockets[i].name;
        if (own == NULL || strcmp(own, name) != 0 || activation->sockets[i].fd < 0)
            continue;
        out_fds[n++] = activation->sockets[i].fd;
        activation->sockets[i].fd = -1;
    }
    return n;
}

/* Nobody has taken this one. */
static int activation_refuse(const struct activation *activation, unsigned i,
                             struct err_detail *out_detail)
{
    char known[128] = "", fault[256];
    const char *name = activation->sockets[i].name;
    for (unsigned k = 0; k < activation->n_asked; k++) {
        size_t size = strlen(known);
        if (name != NULL && strcmp(name, activation->asked[k]) == 0)
            return activation_fail(out_detail, FIRST_FD + i, name,
                                   "is one more of this name than cairnd can use");
        (void)snprintf(known + size, sizeof known - size, "%s%s", k == 0 ? "" : ", ",
                       activation->asked[k]);
    }
    (void)snprintf(fault, sizeof fault,
                   "has no name that cairnd knows; set FileDescriptorName= in the socket unit to "
                   "its protocol (%s)",
                   known);
    return activation_fail(out_detail, FIRST_FD + i, name, fault);
}

int activation_check(const struct activation *activation, struct err_detail *out_detail)
{
    for (unsigned i = 0; i < activation->n; i++)
        if (activation->sockets[i].fd >= 0)
            return activation_refuse(activation, i, out_detail);
    return 0;
}
