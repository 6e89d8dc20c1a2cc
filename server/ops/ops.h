/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a handler sees, and what the layers above provide to handlers.
 *
 * A handler of the row kv_put in proto/ops.def is
 *     int op_kv_put(struct op_ctx *ctx, const struct args_kv_put *a);
 * It reads through ctx->txn, plans, commits, and describes the result to ctx->reply. It returns 0,
 * a negative enum err (with ctx->problem saying why), or TXN_RETRY, which it got from a lock.
 */
#pragma once

#include "proto/limits.h"
#include "proto/mp.h"
#include "proto/problem.h"
#include "proto/reply.h"
#include "proto/request.h"
#include "server/ops/session_list.h"
#include "server/ops/slowlog.h"
#include "server/ops/stats.h"
#include "server/ops/watch.h"
#include "server/store/txn.h"

/* Sections of server.info that the layers above know. */
enum op_info_section { INFO_SERVER, INFO_MEMORY, INFO_CLIENTS, INFO_KEYSPACE, INFO_SECTIONS };

/* What the layers above tell about the server and do to it. Those with a reply write one value. */
struct op_host {
    void *self;
    const char *server_version;
    void (*info)(void *self, enum op_info_section section, struct reply *reply);
    void (*stats)(void *self, struct bytes op, struct reply *reply);
    void (*stats_reset)(void *self); /* maxima begin again */
    /* All metrics and figures of operations; to be released by stats_deinit. */
    void (*collect)(void *self, struct stats *out_stats);
    void (*config_get)(void *self, struct bytes prefix, struct reply *reply);
    int (*config_set)(void *self, struct bytes option, struct bytes value, struct problem *problem);
    /* Only with a log: begin a snapshot (false: one is running); tell of snapshots, and of the
     * recovery. */
    bool (*snapshot)(void *self);
    void (*snapshots)(void *self, struct reply *reply);
    void (*recovery)(void *self, struct reply *reply);
    bool (*token_valid)(void *self, struct bytes token);
    /* Up to `max` clients with ids above `after`, in their order, in an array for the caller to
     * mem_free. 0 or ERR_OUT_OF_MEMORY. */
    int (*clients)(void *self, uint64_t after, size_t max, struct session_view **out_views,
                   size_t *out_count);
    /* Close the connection with this id; one whose session is `leaving` goes by itself. 0 or
     * ERR_OUT_OF_MEMORY. */
    int (*kill)(void *self, uint64_t id, bool *out_found);
};

/* What one event loop works with. */
struct op_env {
    struct store *store;
    const struct limits *limits;
    struct stats *stats;
    const struct op_host *host;
    struct slowlog *slowlog;
    unsigned loop;                       /* which one */
    const _Atomic unsigned *connections; /* of this loop; NULL: others may be there */
    bool login_required;
    /* What the replies since these were last cleared rest on, for who sends them: LSNs that must be
     * written to the log before, and those that must be synced as well. */
    uint64_t written_first, synced_first;
    enum durability level; /* what the present request asks for */
    uint64_t ticks;        /* when the last request ended (dispatch_start_clock) */
    int64_t now_ms;        /* the time of all requests of this turn */
    struct buf scratch;    /* a handler's temporary bytes; empty between requests */
    struct watch_set watches;
};

/* Work that goes on after its handler has returned, in slices, before the request is answered.
 * Made by the handler; the loop steps it (dispatch_step), answers (dispatch_finish) and ends it
 * (dispatch_end_job). */
struct job {
    /* Do one slice (some 100 us). True when done. False with `waits` set: not to be called again
     * before somebody calls `resume`, which any thread may, once, also before step has returned. */
    bool (*step)(struct job *job, struct op_env *env);
    /* Describe the result. Not called if the connection is gone. */
    void (*finish)(struct job *job, struct reply *reply);
    void (*destroy)(struct job *job);
    bool waits;
    void (*resume)(struct job *job); /* filled in by the loop */
    void *owner;                     /* the loop's */
    enum durability level;           /* filled in by dispatch: what was asked for */
    struct slow_request slow; /* filled in by dispatch; slow.ns: the sum of its slices so far */
};

/* An atomic batch in progress (op_batch.c). */
struct op_batch {
    struct buf places; /* of size_t: where the version belongs in the output */
};

struct op_ctx {
    struct op_env *env;
    struct store *store;
    struct session *session;
    const struct request *request;
    struct run *run; /* NULL: it does not exist (operations that only read) */
    struct txn *txn;
    struct reply *reply;
    struct problem *problem;
    struct op_batch *batch; /* not NULL inside an atomic batch */
    struct job *job;        /* out: set by a handler that goes on as a job, with result 0 */
    bool no_job;            /* it must not: a call in a batch */
};

/* Prototypes of all handlers: a row without a handler does not link. */
#define ARGS_OF_ALL(args)
#define OP(id, name, flags, reply, args, summary)                                                  \
    int op_##id(struct op_ctx *ctx, const struct args_##id *a);
#define ALIAS(name, id)
#include "proto/ops.def"
#undef ARGS_OF_ALL
#undef OP
#undef ALIAS

/* ---- op_reply.c ---- */

/* Answer with the version of the transaction. Inside an atomic batch it is filled in at the end. */
void op_reply_version(struct op_ctx *ctx, uint64_t version);

/* The same in two steps, where the version is not the last part of the reply. */
size_t op_reply_version_later(struct op_ctx *ctx);
void op_reply_version_now(struct op_ctx *ctx, size_t place, uint64_t version);

/* Word an error that nobody has worded. */
void op_problem(struct problem *problem, int err);

/* A page size: the default if not given; ERR with ctx->problem if 0 or above limits.page_items. */
MUST_USE int op_page_limit(struct op_ctx *ctx, const struct arg *limit, uint64_t *out_limit);
