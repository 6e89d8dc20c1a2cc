/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A connection: a socket, what has come in and is not used yet, what is to go out, and the session.
 * An idle one holds no buffers.
 */
#pragma once

#include "proto/mp.h"
#include "proto/resp.h"
#include "server/net/front.h"
#include "server/net/loop.h"

enum conn_state {
    CONN_OPEN,
    CONN_LEAVING,   /* nothing more is read as a request; closes when the output has gone */
    CONN_LINGERING, /* output gone and shut; input is thrown away until the client closes */
    CONN_CLOSED,    /* waits for libuv to let go of it */
};

enum { CONN_HOLDS = 4 };

struct conn {
    uv_poll_t poll; /* first: the handle is the connection */
    struct loop *loop;
    struct conn *next, **link; /* in loop->conns */
    struct conn *next_dirty, *next_waiting;
    int fd;
    enum conn_state state;
    int events;    /* what is being polled for */
    bool dirty;    /* in loop->dirty */
    bool blocked;  /* requests wait until replies have gone out or jobs are done */
    bool scanning; /* `in` begins with a message that is not all there; `scan` is how far we are */
    bool eof;      /* the client will send nothing more */
    unsigned n_jobs;      /* requests being worked on */
    bool full;            /* the socket took less than it was given: wait until it takes more */
    bool waits;           /* in loop->waiting */
    bool full_for_events; /* watches have more to tell than there is room for */
    struct buf in;        /* input not used yet */
    struct buf out;       /* replies */
    size_t sent;          /* bytes of `out` that have gone */
    uint64_t out_at;      /* where in the stream of all replies `out` begins */
    unsigned n_holds;     /* replies that wait for the log, in their order */
    struct conn_hold {
        uint64_t from; /* in the stream: this and what follows */
        uint64_t lsn;  /* until this is durable */
    } holds[CONN_HOLDS];
    size_t kept;       /* bytes the front-end keeps for this client, beside both buffers */
    size_t counted;    /* bytes of all these that loop->client_bytes knows of */
    size_t need;       /* bytes the message at the front of `in` will at least have */
    uint64_t frame_ns; /* since when a message is incomplete; 0: none is */
    uint64_t stall_ns; /* since when output waits without any going; 0: none does */
    union {
        struct mp_scan rpc;
        struct resp_scan resp;
    } scan;
    const struct front *front;
    struct resp_state *resp; /* front_resp's own; NULL while there is nothing to remember */
    struct session session;
};

/* Take over a socket. NULL (socket closed) without memory. */
struct conn *conn_open(struct loop *loop, const struct front *front, int fd, uint64_t id, bool tcp);

/* Replies from here on in the stream (conn_stream_end before they were made) wait until this LSN is
 * durable. */
uint64_t conn_stream_end(const struct conn *conn);
void conn_hold(struct conn *conn, uint64_t from, uint64_t lsn);
/* The same for all replies that have not gone yet. */
void conn_hold_all(struct conn *conn, uint64_t lsn);

/* Send what is in `out`; called once per turn for each dirty connection. */
void conn_flush(struct conn *conn);

/* Remember that there is something to send this turn. */
void conn_mark_dirty(struct conn *conn);

/* The connection of a session. */
struct conn *conn_of_session(struct session *session);

/* Let one of its watches write what is new in the feed up to `end`. True: it may go on at once. */
bool conn_push(struct conn *conn, struct watch *watch, uint64_t end);

/* No more requests; close when the output has gone. */
void conn_leave(struct conn *conn);

/* The server stops: answer what has been received, then leave. May be called again and again. */
void conn_stop(struct conn *conn);

/* Close now. The memory is freed when libuv lets go of the handle. */
void conn_close(struct conn *conn);

/* A job is done, or limits moved: go on with requests that wait. */
void conn_resume(struct conn *conn);

/* Close if it has overstepped a time limit, or has nothing more to wait for. */
void conn_check_time(struct conn *conn, uint64_t now_ns);
