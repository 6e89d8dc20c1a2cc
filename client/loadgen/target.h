/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The server a run is aimed at, and opening connections to it.
 */
#pragma once

#include "client/loadgen/address.h"
#include "client/loadgen/failure.h"

#include <sys/socket.h>

struct target {
    char name[300]; /* "127.0.0.1:7420", or the path of a Unix socket */
    struct sockaddr_storage address;
    socklen_t address_size;
    const struct driver *driver;
    struct driver_login login; /* points into the address */
    int timeout_ms;            /* for connecting, and for the first reply */
};

/* Resolve an address, which must stay. If it names no protocol, ask the server. 0, or ERR_IO with
 * *failure filled in. */
MUST_USE int target_init(struct target *target, const struct address *address, int timeout_ms,
                         struct failure *failure);

/* Begin to connect, without waiting: what is sent meanwhile fails with EAGAIN. Else as
 * target_connect, but what must be said first is appended to `out`; *out_replies follow to it. */
MUST_USE int target_begin(const struct target *target, int *out_fd, struct buf *out,
                          unsigned *out_replies, struct failure *failure);

/* Connect, greet as the protocol does and wait for the answer. *out_fd is then non-blocking and the
 * caller's to close. 0, or ERR_IO with *failure filled in. Any thread. */
MUST_USE int target_connect(const struct target *target, int *out_fd, struct failure *failure);
