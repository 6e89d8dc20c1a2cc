/* SPDX-License-Identifier: BSD-3-Clause
 *
 * HTTP for monitoring: /metrics, /health, /ready. One struct http is one listening socket with a
 * thread of its own.
 */
#pragma once

#include "common/check.h"

struct server;
struct http;

/* Serve HTTP on a listening socket (bound by us, or handed down by a service manager), until
 * http_stop. path: that of a Unix socket to remove at the end, else "". Takes over the socket, also
 * on failure. The loops of the server must have been started. 0 or ERR_OUT_OF_MEMORY, ERR_INTERNAL.
 */
MUST_USE int http_start(const struct server *server, int fd, const char *path,
                        struct http **out_http);

/* Close all connections, whatever they are doing, and the socket. Waits for a page that is being
 * made. Before loops are joined. */
void http_stop(struct http *http);
