/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Telling the service manager how we are: sd_notify(3), spoken without libsystemd.
 *
 *   notify_send(&notify, "READY=1\nSTATUS=Serving %s", "127.0.0.1:7420 (rpc)");
 *
 * Threads: the main thread; notify_open before there are others, as it changes the environment.
 * Failures: a message that cannot be delivered is reported in the log; the service goes on.
 */
#pragma once

#include "common/check.h"

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { NOTIFY_MESSAGE_SIZE = 4096 }; /* longer ones are cut */

struct notify {
    int fd; /* -1: nobody wants to know */
    socklen_t size;
    struct sockaddr_un address;
    uint64_t watchdog_ns; /* silence after which we are killed; 0: never */
};

/* Read $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID, and take them out of the environment. */
void notify_open(struct notify *notify);
void notify_close(struct notify *notify);

/* Send assignments as of sd_notify(3), one a line; nothing happens if nobody wants to know. */
void notify_send(const struct notify *notify, const char *format, ...) PRINTF_LIKE(2, 3);
