/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Messages to the service manager.
 *
 * How: each is one datagram to the Unix socket that $NOTIFY_SOCKET names: a path, or @name for one
 * of the abstract namespace. Our end is opened once and kept, so that the watchdog is fed even when
 * connections have used up all descriptors; it is not connected, so that a service manager that
 * starts anew at the same address is heard again.
 *
 * Threads: the main thread.
 * Failures: a full queue is waited for, no longer than SEND_S seconds, because a lost READY=1 would
 * let the start time out; what cannot be delivered then is reported in the log.
 */
#include "server/notify.h"

#include "common/log.h"
#include "common/num.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { SEND_S = 1 };

static int notify_parse_address(struct notify *notify, const char *text)
{
    size_t size = strlen(text);
    if ((text[0] != '/' && text[0] != '@') || size >= sizeof notify->address.sun_path)
        return -1;
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, text, size);
    if (text[0] == '@')
        notify->address.sun_path[0] = '\0';
    notify->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    return 0;
}

static void notify_open_socket(struct notify *notify, const char *text)
{
    struct timeval patience = {.tv_sec = SEND_S};
    if (notify_parse_address(notify, text) != 0) {
        log_warn("notify", "NOTIFY_SOCKET is neither /path nor @name: nobody is told how we are");
        return;
    }
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify->fd < 0)
        log_warn("notify", "no socket to tell the service manager how we are: %s", strerror(errno));
    else
        (void)setsockopt(notify->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

/* The watchdog may be meant for another process of the service. */
static uint64_t notify_parse_watchdog(const char *usec, const char *pid)
{
    int64_t value, whose;
    if (usec == NULL || num_parse_int(usec, &value) != 0 || value <= 0 || value > INT64_MAX / 1000)
        return 0;
    if (pid != NULL && (num_parse_int(pid, &whose) != 0 || whose != getpid()))
        return 0;
    return (uint64_t)value * 1000;
}

void notify_open(struct notify *notify)
{
    const char *address = getenv("NOTIFY_SOCKET");
    *notify = (struct notify){.fd = -1};
    notify->watchdog_ns = notify_parse_watchdog(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));
    if (address != NULL && address[0] != '\0')
        notify_open_socket(notify, address);
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}

void notify_send(const struct notify *notify, const char *format, ...)
{
    char message[NOTIFY_MESSAGE_SIZE];
    va_list args;
    if (notify->fd < 0)
        return;
    va_start(args, format);
    int size = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (size >= (int)sizeof message)
        size = sizeof message - 1;
    ssize_t sent;
    do {
        sent = sendto(notify->fd, message, (size_t)size, MSG_NOSIGNAL,
                      (const struct sockaddr *)&notify->address, notify->size);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        log_warn("notify", "the service manager cannot be told how we are: %s", strerror(errno));
}
