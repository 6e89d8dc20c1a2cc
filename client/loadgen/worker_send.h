/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a worker sends: requests are built on a connection and go out together.
 */
#pragma once

#include "client/loadgen/worker.h"

/* epoll_ctl for a connection. 0 or ERR_IO. */
MUST_USE int worker_watch(struct worker *worker, int operation, struct conn *conn, uint32_t events);

/* A connection is lost: closed by the server, or with this errno. Returns what failure_set does. */
MUST_USE int worker_broken(struct worker *worker, int error);

/* Can the connection take another request? Then build the next one of the stream on it. */
bool worker_has_room(const struct worker *worker, const struct conn *conn);
unsigned worker_build(struct worker *worker, struct conn *conn, uint64_t intended);

/* Send what is built. What the socket does not take waits until it takes more, which is when to
 * resume. 0, or an error with worker->failure, as all below. */
MUST_USE int worker_flush(struct worker *worker, struct conn *conn, uint64_t now);
MUST_USE int worker_resume(struct worker *worker, struct conn *conn);

/* Closed loop: build and send as many requests as the window has room for, which were intended now
 * or before. */
MUST_USE int worker_fill(struct worker *worker, struct conn *conn, uint64_t intended, uint64_t now);

/* Closed loop with -k 0: go on with a new connection, if there is more to ask. */
MUST_USE int worker_reconnect(struct worker *worker, struct conn *conn);
