/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An event loop: one thread, one uv_loop_t, the connections that live on it for life, and what
 * their requests need (struct op_env). Everything here belongs to that thread, except the mailbox,
 * and what is said to be atomic.
 */
#pragma once

#include "common/bell.h"
#include "common/mailbox.h"
#include "proto/limits.h"
#include "server/ops/ops.h"
#include "server/ops/session_list.h"

#include <stdatomic.h>
#include <uv.h>

struct conn;
struct front;

enum { LOOP_INPUT_BYTES = 64 * 1024, LOOP_SPARES = 32 };
#define LOOP_ENDED UINT64_MAX

/* A job of a request whose handler has returned. */
struct loop_job {
    struct mail mail; /* to be told that it goes on */
    struct loop_job *next;
    struct loop_job **link; /* while it is parked: what points at it */
    struct loop *loop;
    struct job *job;
    struct conn *conn; /* NULL once it is gone */
    uint32_t tag;      /* what the front-end needs to answer: a msgid, a command */
    bool silent;       /* no answer is wanted */
};

struct loop_options {
    unsigned index, n_loops;
    struct store *store;
    const struct op_host *host;
    struct slowlog *slowlog;
    struct limits limits;
    bool login_required;
    void (*on_end)(void *context); /* called by the loop's thread when it has ended */
    void *context;
};

struct loop {
    uv_loop_t uv;
    pthread_t thread;
    struct bell bell;     /* rung by other threads that have something for this one */
    uv_poll_t wake;       /* its descriptor */
    uv_prepare_t prepare; /* before the loop waits: send what is left */
    uv_check_t check;     /* after events: send replies, one write per connection */
    uv_idle_t idle;       /* runs while there are jobs */
    uv_timer_t tick;      /* expiry, timeouts */
    struct mailbox mailbox;
    struct op_env env;
    struct limits limits;
    struct stats stats;
    unsigned index, n_loops;
    void (*on_end)(void *context);
    void *context;
    _Atomic unsigned n_conns;     /* those on their way here included */
    _Atomic uint64_t beat_ns;     /* when the loop last came round; LOOP_ENDED: never again */
    struct conn *conns;           /* all */
    struct session_list sessions; /* theirs, for others to look at */
    struct conn *waiting;         /* those with replies that wait for the log */
    atomic_bool wants_log;        /* there are some, or the log is behind: tell of its progress */
    bool behind;                  /* the log takes no more: no requests until it does */
    uint64_t sync_lsn;            /* what has to be synced for them */
    struct conn *dirty;           /* those with output to send this turn */
    struct loop_job *jobs, **jobs_end; /* first in, first to have a turn */
    struct loop_job *parked;           /* those that wait for others */
    uint64_t told;                     /* up to here in the feed others were told to look */
    bool now_is_set;                   /* env.now_ms is that of this turn */
    uint64_t turn_ticks;               /* when it was set */
    _Atomic uint64_t held_max_ticks;   /* the longest turn, from then to its end */
    bool stopping;         /* no new requests; connections close when they have been answered */
    uint64_t stop_at_ns;   /* then they are closed anyhow */
    uint64_t client_bytes; /* memory of the buffers of all connections; read by others */
    uint64_t checked_ns;   /* when timeouts were last looked at */
    unsigned n_spares;
    struct buf spares[LOOP_SPARES]; /* buffers to lend */
    struct buf line;                /* RESP: an inline command, made an array */
    struct buf result;              /* RESP: what an operation answered */
    struct buf packed;              /* RESP: arguments that become MessagePack elsewhere */
    uint8_t input[LOOP_INPUT_BYTES];
};

/* Create and start the thread. 0 or ERR_INTERNAL / ERR_OUT_OF_MEMORY. */
MUST_USE int loop_start(const struct loop_options *options, struct loop **out_loop);

/* Begin to stop (any thread): answer what has been received, close, end. */
void loop_stop(struct loop *loop, uint64_t drain_ms);

/* Wait for the end of the thread; then free the loop. */
void loop_wait(struct loop *loop);
void loop_destroy(struct loop *loop);

/* Hand a connected, non-blocking socket to the loop (any thread). Closes it on failure. */
void loop_adopt(struct loop *loop, const struct front *front, int fd, uint64_t conn_id, bool tcp);

/* Replace the limits (any thread). */
void loop_set_limits(struct loop *loop, const struct limits *limits);

/* Close a connection, if this loop has one with this id that was not killed before (any thread). 0
 * or ERR_OUT_OF_MEMORY. */
MUST_USE int loop_kill(struct loop *loop, uint64_t conn_id, bool *out_found);
/* The log has made progress (any thread). */
void loop_tell_log(struct loop *loop);

/* Nanoseconds since the loop last came round, which it does ten times a second unless something
 * holds it up; 0 once it has ended (any thread). */
uint64_t loop_age_ns(const struct loop *loop);

/* The longest the loop was held by one turn, in nanoseconds; and to begin again at 0 (any
 * thread). */
uint64_t loop_held_max_ns(const struct loop *loop);
void loop_held_reset(struct loop *loop);

/* ---- for the files of server/net, on the loop's thread ---- */

/* The time of this turn, for expiry, is to be env.now_ms. */
void loop_see_time(struct loop *loop);

/* The monotonic time of this turn in nanoseconds (libuv's, to the millisecond). */
uint64_t loop_time_ns(const struct loop *loop);

/* Flush this connection again when the log has made progress; `lsn` is to be synced. */
void loop_wait_for_log(struct loop *loop, struct conn *conn, uint64_t lsn);
void loop_wait_no_more(struct loop *loop, struct conn *conn);

/* Borrow an empty buffer, give one back. */
struct buf loop_borrow(struct loop *loop);
void loop_give_back(struct loop *loop, struct buf *buf);

/* Is the log unable to take what nobody asks for at this moment? At the end it is asked for. */
bool loop_may_not_append(const struct loop *loop);
