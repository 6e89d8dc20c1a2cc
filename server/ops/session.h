/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a connection has said about itself: its run, its settings, whether it has logged in.
 */
#pragma once

#include "common/buf.h"
#include "proto/op.h"
#include "server/store/store.h"

enum {
    SESSION_ADDRESS_SIZE = 64, /* room for "[::1]:53412", NUL included */
    SESSION_CLIENT_MAX = 64,   /* bytes kept of the name a client gives itself */
};

struct session {
    uint64_t id;
    struct run *run;            /* the connection's; NULL: named, but does not exist yet */
    struct buf run_name;        /* its name if it is not the default run */
    struct run *other;          /* the run last named by a request's option, or NULL */
    enum durability durability; /* asked for by hello */
    bool logged_in;
    bool ordered;    /* replies in the order of requests */
    bool error_maps; /* errors as maps */
    bool typed_keys; /* keys have types, as those of Redis: a collection of vectors is a key, too */
    bool leaving;    /* no more requests; the connection closes when it has been answered */

    /* Set before the session is in a list (server/ops/session_list.h). */
    char address[SESSION_ADDRESS_SIZE]; /* "127.0.0.1:53412", "unix" */
    const char *protocol;               /* constant text */
    unsigned loop;
    uint64_t opened_ns;
    uint64_t login_ns; /* since when it may have to log in, for limits.login_ms */

    /* Changed under the lock of the list, as run_name and logged_in are. */
    char client_name[SESSION_CLIENT_MAX + 1]; /* printable ASCII; "": it has not said */

    /* Relaxed atomics, written by the session's loop. */
    uint64_t requests;  /* begun */
    enum op_id last;    /* the last of them; OP_COUNT: none yet */
    uint64_t active_ns; /* last byte in or out */

    /* Those of the list. */
    struct session_list *list; /* NULL: in none */
    struct session *next, **link;
    bool killed; /* somebody has been told that it will be closed */

    struct watch *watches; /* server/ops/watch.h: in the order of their ids */
    uint64_t last_watch;   /* id */
    size_t watch_bytes;    /* memory of all of them */
    unsigned n_watches;
};

/* A new session in the default run. */
void session_init(struct session *session, struct store *store, uint64_t id, bool logged_in);
void session_deinit(struct session *session);

/* A request begins. */
static inline void session_count(struct session *session, const struct op *op)
{
    __atomic_store_n(&session->requests, session->requests + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&session->last, op->id, __ATOMIC_RELAXED);
}

/* The client is alive. */
static inline void session_touch(struct session *session, uint64_t now_ns)
{
    __atomic_store_n(&session->active_ns, now_ns, __ATOMIC_RELAXED);
}

/* The client has logged in, or out again; the client has said its name, which is cut and made
 * printable. */
void session_log_in(struct session *session);
void session_log_out(struct session *session);
void session_set_client_name(struct session *session, struct bytes name);

/* The name of the session's run; valid until the next session_use. */
struct bytes session_run_name(const struct session *session);

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
