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

/* Bind and listen. unix_mode: permissions of a Unix socket. On failure returns 0 > -errno and says
 * why in `text`. A stale Unix socket (nobody answers) is replaced. */
MUST_USE int listener_open(struct listener_group *group, const struct front *front,
                           const struct sockaddr *address, socklen_t size, unsigned unix_mode,
                           char text[256], struct listener **out_listener);

/* The port a TCP listener got; 0 for a Unix socket. */
unsigned listener_port(const struct listener *listener);

/* The same in parts, for those who accept by themselves. Bind and listen: a non-blocking
 * descriptor, or -1 with errno. And the port of a bound socket, 0 if it is not TCP. */
MUST_USE int listener_bind(const struct sockaddr *address, socklen_t size, unsigned unix_mode);
unsigned listener_bound_port(int fd);

/* Stop accepting; removes a Unix socket. The memory is freed when libuv lets go of the handle. */
void listener_close(struct listener *listener);
