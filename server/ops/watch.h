/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Watches: who wants to be told of which changes, and how far each has been told.
 *
 *   feed (server/store/feed.h) --cursor--> does it match? --> [2, "watch.event", [id, event...]]
 *
 * A watch is a cursor in the feed with a filter and a credit. It queues nothing: one that is not
 * read, or has no credit, stays behind in the feed, and is told what it missed if that moves on
 * without it. docs/watch.md is what clients are promised.
 */
#pragma once

#include "server/ops/session.h"

struct op_env;
struct watch_set;

/* Fields are for watch.c, and for reading. */
struct watch {
    struct watch *next, **link;    /* in its set */
    struct watch *next_of_session; /* ids ascend */
    struct watch_set *set;
    struct session *session;
    uint64_t id;
    struct feed_cursor cursor; /* ->after: events up to this version have been passed */
    uint32_t run;              /* number of the run at the cursor; RUN_NOWHERE: it is not there */
    uint8_t kind;
    bool values;
    bool exact;       /* the prefix is all of the key; of what is owned: of the owner */
    bool limited;     /* it has a credit */
    bool parked;      /* the next event matches, and there is no credit for it */
    const char *lost; /* "gap", "lagged": there are events that the ring has lost, these, and the
                         client does not know yet; NULL: none */
    uint64_t lost_from, lost_to;
    uint64_t credit;
    enum durability level;   /* events wait until they are that durable */
    uint64_t events, losses; /* told */
    size_t size;             /* of this block */
    size_t run_size, prefix_size;
    uint8_t bytes[]; /* name of the run, prefix */
};

/* The watches of a loop. All zero: none. */
struct watch_set {
    struct watch *first;
    struct watch *at;       /* whose turn it is; NULL: that of the first */
    _Atomic unsigned count; /* read by others */
    uint64_t looked;        /* up to here in the feed all have been looked at, */
    bool again;             /* or not */
    struct feed_reader reader;
    struct feed_listener listener;
};

/* What a client asks for. */
struct watch_options {
    struct bytes run; /* name */
    struct bytes prefix;
    enum record_kind kind;
    bool resume, limited, values, exact;
    bool history_given;
    uint64_t from_version, history, credit;
};

/* Open a watch of this session. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int watch_open(struct op_env *env, struct session *session,
                        const struct watch_options *options, struct watch **out_watch);

/* The watch of the session with this id, or NULL; with the lowest above it. */
struct watch *watch_find(const struct session *session, uint64_t id);
struct watch *watch_next(const struct session *session, uint64_t after);

void watch_close(struct watch *watch);
void watch_close_all(struct session *session);

struct bytes watch_run(const struct watch *watch);
struct bytes watch_prefix(const struct watch *watch);

/* Allow more events; how many may come now. */
uint64_t watch_add_credit(struct watch *watch, uint64_t events);

/* ---- the loop ---- */

/* Is there anything a watch of the set might be told? *out_end: as far as there is to look. */
bool watch_set_has_news(const struct watch_set *set, const struct store *store, uint64_t *out_end);

enum watch_result {
    WATCH_DONE,   /* looked at everything up to `end`, or it needs credit */
    WATCH_MORE,   /* there is more to look at */
    WATCH_FAILED, /* no memory: the connection cannot go on */
};

/* Look at some of the feed up to `end` and add at most one notification to `out`. What it rests on
 * is noted in env (dispatch_rest_on). */
MUST_USE enum watch_result watch_pump(struct op_env *env, struct watch *watch, uint64_t end,
                                      struct buf *out);

/* The loop ends. */
void watch_set_close(struct watch_set *set, struct store *store);
