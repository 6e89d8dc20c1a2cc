/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One connection of a worker: its socket, the requests in flight on it, and the bytes that are
 * neither sent nor parsed yet.
 *
 *   ring      [ 8 | 5 | . | 7 ]   slot = id modulo size; a slot is busy until its reply has come
 *
 * Ids go up by one and pass over a busy slot, so that replies may come in any order and an old one
 * that is late holds nothing up.
 */
#pragma once

#include "client/loadgen/driver.h"
#include "client/loadgen/history.h"

/* A request in flight. Stamps are clock_ticks. */
struct conn_request {
    uint64_t intended; /* when it should have been sent: now, in a closed loop */
    uint64_t sent;     /* when it was; 0: not yet */
    uint64_t key;      /* the first; 0 if it has none */
    uint64_t index;    /* in the stream */
    uint32_t id;
    uint16_t shape; /* index into workload->shapes */
    bool busy;
    uint16_t step;  /* of a sequence: which is in flight */
    uint64_t since; /* when that was built; the first: see sent */
};

struct conn {
    int fd;
    uint32_t next_id;
    uint32_t unstamped_id; /* requests from this one on are built, but not sent yet */
    uint32_t in_flight;
    bool queued;   /* among those to be sent this turn */
    bool thinks;   /* among those that wait before the next request */
    bool blocked;  /* the socket does not take more now; EPOLLOUT is on */
    uint32_t mask; /* slots - 1 */
    struct conn_request *ring;
    struct buf unsent;       /* requests that are built, and bytes the socket did not take */
    struct buf unparsed;     /* the beginning of a reply */
    uint64_t unparsed_since; /* clock_ticks when it came */
    unsigned greetings;      /* replies that come first, to what a connection begins with */
    uint64_t number;         /* among those of all threads */
    uint64_t due;            /* clock_ticks: thinks until then */
    uint64_t turn, done;     /* requests of this phase that were built, and that were answered */
    struct history history;  /* of keys, with --verify */
};

/* Take over the socket; room for `window` requests in flight. 0 or ERR_OUT_OF_MEMORY (the socket
 * stays the caller's). */
MUST_USE int conn_init(struct conn *conn, int fd, unsigned window);

/* Close the socket and free the rest. */
void conn_deinit(struct conn *conn);

/* Requests that were built are sent at this time. */
static inline void conn_stamp(struct conn *conn, uint64_t now)
{
    for (uint32_t id = conn->unstamped_id; id != conn->next_id; id++) {
        struct conn_request *request = &conn->ring[id & conn->mask];
        if (request->busy && request->id == id && request->sent == 0)
            request->sent = now;
    }
    conn->unstamped_id = conn->next_id;
}

/* A free slot with its id set. There must be one: in_flight < window. */
static inline struct conn_request *conn_add(struct conn *conn)
{
    while (conn->ring[conn->next_id & conn->mask].busy)
        conn->next_id++;
    struct conn_request *request = &conn->ring[conn->next_id & conn->mask];
    request->id = conn->next_id++;
    request->busy = true;
    request->step = 0;
    request->sent = 0;
    conn->in_flight++;
    return request;
}

/* The request this reply answers, which is no longer in flight; NULL if there is none. The slot may
 * be reused by the next conn_add. */
static inline const struct conn_request *conn_take(struct conn *conn,
                                                   const struct driver_reply *reply)
{
    uint32_t id = reply->has_id ? reply->id : conn->next_id - conn->in_flight;
    struct conn_request *request = &conn->ring[id & conn->mask];
    if (!request->busy || request->id != id)
        return NULL;
    request->busy = false;
    conn->in_flight--;
    return request;
}
