/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Think time of a worker: connections of a closed loop that wait before their next request.
 */
#pragma once

#include "client/loadgen/worker.h"

/* Closed loop: go on with this connection. Its user thinks when all has been answered, or does not
 * think at all, and as much is sent as there is room for. 0, or an error with worker->failure. */
MUST_USE int worker_next(struct worker *worker, struct conn *conn, uint64_t now);

/* When the first of them has thought enough, in clock_ticks; UINT64_MAX: nobody thinks. */
uint64_t worker_thought(const struct worker *worker);

/* Send what those have come to who have thought enough. A request was due when that was, however
 * late it is sent. 0, or an error with worker->failure. */
MUST_USE int worker_wake(struct worker *worker);
