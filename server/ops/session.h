/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a connection has said about itself: its run, its settings, whether it has logged in.
 */
#pragma once

#include "common/buf.h"
#include "server/store/store.h"

enum durability { DURABILITY_LEVEL_MEMORY, DURABILITY_LEVEL_BUFFERED, DURABILITY_LEVEL_STRICT };

struct session {
    uint64_t id;
    struct run *run;            /* the connection's; NULL: named, but does not exist yet */
    struct buf run_name;        /* its name if it is not the default run */
    struct run *other;          /* the run last named by a request's option, or NULL */
    enum durability durability; /* asked for by hello */
    bool logged_in;
    bool ordered;    /* replies in the order of requests */
    bool error_maps; /* errors as maps */
};

/* A new session in the default run. */
void session_init(struct session *session, struct store *store, uint64_t id, bool logged_in);
void session_deinit(struct session *session);

/* Work in another run from now on. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int session_use(struct session *session, struct bytes name);

/* The run of a request: `option` is the one it names (present) or none. create: it will be written.
 * *out_run may be NULL if it does not exist (reads); valid until the next call. 0,
 * ERR_OUT_OF_MEMORY or ERR_LIMIT_EXCEEDED. */
MUST_USE int session_run(struct session *session, struct store *store, const struct bytes *option,
                         bool create, struct run **out_run);

/* The run that a request without the option would find without a lookup, or NULL. */
static inline struct run *session_run_at_hand(const struct session *session)
{
    return session->run != NULL && !run_is_dropped(session->run) ? session->run : NULL;
}
