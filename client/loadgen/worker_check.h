/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a worker does with the reply to a read: count it, and with --verify see whether it can be.
 */
#pragma once

#include "client/loadgen/worker.h"

/* The value, or nothing, has come now. */
void worker_check_read(struct worker *worker, struct conn *conn, const struct conn_request *request,
                       struct bytes value, bool nothing, uint64_t now);
