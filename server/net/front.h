/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Front-ends: what a protocol does with the bytes of a connection. The rest of server/net knows
 * them by this interface alone.
 */
#pragma once

#include "common/bytes.h"
#include "common/check.h"

struct conn;
struct job;

enum front_result {
    FRONT_MORE,    /* everything usable was used; more bytes are needed */
    FRONT_BLOCKED, /* requests are left that must wait (conn->blocked) */
    FRONT_LEAVE,   /* the stream cannot go on; what is to be said stands in conn->out */
};

struct front {
    const char *name; /* as in listen.<name>, server.clients and the log */
    /* A new connection. 0 or ERR_OUT_OF_MEMORY. */
    int (*open)(struct conn *conn);
    /* Use as many whole messages of `data` as may run now. *out_used: bytes used. The bytes stand
     * in a buffer of ours, and those used may be written over. */
    enum front_result (*feed)(struct conn *conn, struct bytes data, size_t *out_used);
    /* Answer a request whose job is done; `tag` is what jobs_add was given. 0, or
     * ERR_OUT_OF_MEMORY: the connection cannot go on. */
    int (*finish)(struct conn *conn, uint32_t tag, bool silent, struct job *job);
    /* The connection goes: release what belongs to the protocol. */
    void (*close)(struct conn *conn);
};

extern const struct front front_rpc;
extern const struct front front_resp;

/* May another request of this connection run now? */
bool front_may_run(const struct conn *conn);

/* The largest message it may send now, and the option that says so ("limits.frame_bytes"). */
size_t front_frame_limit(const struct conn *conn, const char **out_option);
