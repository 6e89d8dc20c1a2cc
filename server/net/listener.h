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
    int spare_fd; /* given up for a moment when descriptors run out, to refuse politely */
};

void listener_group_init(struct listener_group *group, uv_loop_t *uv, struct loop **loops,
                         unsigned n_loops, uint64_t connections_max);
void listener_group_deinit(struct listener_group *group);

/* Bind and listen. unix_mode: permissions of a Unix socket. On failure returns 0 > -errno and says
 * why in `text`. A stale Unix socket (nobody answers) is replaced. */
MUST_USE int listener_open(struct listener_group *group, const struct sockaddr *address,
                           socklen_t size, unsigned unix_mode, char text[256],
                           struct listener **out_listener);

/* Accept on a listening socket that somebody else has made; it is the listener's then, and becomes
 * non-blocking. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int listener_adopt(struct listener_group *group, int fd, struct listener **out_listener);

/* Where it is: "127.0.0.1:7420", "[::1]:7420", "/path", "@name"; printable ASCII. */
void listener_name(const struct listener *listener, char out_text[static LISTENER_NAME_SIZE]);

/* Stop accepting; removes a Unix socket, unless it was adopted or somebody has put another there.
 * The memory is freed when libuv lets go of the handle. */
void listener_close(struct listener *listener);
