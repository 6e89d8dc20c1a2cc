/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The MessagePack-RPC front-end: from bytes to requests to replies.
 */
#pragma once

#include "server/net/conn.h"

enum front_result {
    FRONT_MORE,    /* everything usable was used; more bytes are needed */
    FRONT_BLOCKED, /* requests are left that must wait (conn->blocked) */
    FRONT_LEAVE,   /* the stream cannot go on; what is to be said stands in conn->out */
};

/* Use as many whole messages of `data` as may run now. *out_used: bytes used. */
MUST_USE enum front_result front_rpc_feed(struct conn *conn, struct bytes data, size_t *out_used);

/* May another request of this connection run now? */
bool front_may_run(const struct conn *conn);
