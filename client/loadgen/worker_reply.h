/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a worker takes replies.
 */
#pragma once

#include "client/loadgen/worker.h"

/* The socket has something: take replies, then send what they made room for. 0, or an error with
 * worker->failure. */
MUST_USE int worker_read(struct worker *worker, struct conn *conn);

/* Keep that a write was answered at this time, or (0) that it was not, or refused: for --verify and
 * --ack-log. 0, or an error with worker->failure. */
int worker_log(struct worker *worker, struct conn *conn, const struct conn_request *request,
               uint64_t answered);
