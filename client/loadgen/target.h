/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The server a run is aimed at, and opening connections to it.
 */
#pragma once

#include "client/loadgen/driver.h"
#include "client/loadgen/failure.h"

#include <sys/socket.h>

struct target {
    char name[300]; /* "127.0.0.1:7420", or the path of a Unix socket */
    struct sockaddr_storage address;
    socklen_t address_size;
    const struct driver *driver;
    int timeout_ms; /* for connecting, and for the first reply */
};

/* Resolve a host and port, or take the path of a Unix socket if it is not empty. 0, or ERR_IO with
 * *failure filled in. */
MUST_USE int target_init(struct target *target, const char *host, int port, const char *path,
                         const struct driver *driver, int timeout_ms, struct failure *failure);

/* Connect, greet as the protocol does and wait for the answer. *out_fd is then non-blocking and the
 * caller's to close. 0, or ERR_IO with *failure filled in. Any thread. */
MUST_USE int target_connect(const struct target *target, int *out_fd, struct failure *failure);
