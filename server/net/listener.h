/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Listeners: bind, accept, spread connections over the loops. They live on the main thread's loop.
 */
#pragma once

#include "common/check.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

struct front;
struct loop;
struct listener;

enum { LISTENER_NAME_SIZE = 128 };

/* Shared by all listeners of a server. Main thread only. */
struct listener_group {
    uv_loop_t *uv;
    struct loop **loops;
    unsigned n_loops;
    _Atomic uint64_t connections_max; /* may be changed by any thread */
    uint64_t last_id;                 /* of a connection */
    _Atomic uint64_t received;        /* counters, read by others */
    _Atomic uint64_t rejected;
    int fd_end;   /* clients get descriptors below this one; the rest is for monitoring and files */
    int spare_fd; /* given up for a moment when descriptors run out, to refuse politely */
};

void listener_group_init(struct listener_group *group, uv_loop_t *uv, struct loop **loops,
                         unsigned n_loops, uint64_t connections_max);
void listener_group_deinit(struct listener_group *group);

/* Bind and listen: a non-blocking descriptor, or -1 with errno. unix_mode: permissions of a Unix
 * socket. A stale Unix socket (its process has gone) is replaced. */
MUST_USE int listener_bind(const struct sockaddr *address, socklen_t size, unsigned unix_mode);

/* Where a socket is bound: "127.0.0.1:7420", "[::1]:7420", "/path", "@name"; printable ASCII. */
void listener_name(int fd, char out_text[static LISTENER_NAME_SIZE]);

/* Accept connections of a protocol on a listening socket, whoever has made it; takes it over, also on failure, and makes it
 * non-blocking. path: that of a Unix socket to remove at the end, else "". 0 or ERR_OUT_OF_MEMORY.
 */
MUST_USE int listener_start(struct listener_group *group, const struct front *front, int fd,
                            const char *path, struct listener **out_listener);

/* Stop accepting; removes a Unix socket, unless somebody has put another there. The memory is freed
 * when libuv lets go of the handle. */
void listener_close(struct listener *listener);
