/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The open loop of a worker: requests are sent when they are due.
 */
#pragma once

#include "client/loadgen/worker.h"

/* Work out when the next request is due; that time, in clock_ticks. */
void worker_schedule(struct worker *worker);
uint64_t worker_due(const struct worker *worker);

/* Send what is due: one send for each connection that has got some. 0, or an error with
 * worker->failure. */
MUST_USE int worker_send_due(struct worker *worker);

/* When the last request is due, in ns since the beginning. */
uint64_t worker_schedule_end(const struct worker *worker);

/* The backlog has had its time: what is due but not sent counts with its age. */
void worker_give_up(struct worker *worker, uint64_t now);
