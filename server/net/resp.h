/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of the RESP front-end share: the state of a connection, and a command being
 * carried out.
 *
 *   front_resp.c   from bytes to commands, spellings of operations
 *   resp_txn.c     MULTI, EXEC, DISCARD, WATCH, UNWATCH
 *   resp_conn.c    HELLO, AUTH, SELECT, QUIT, RESET, CLIENT
 *   resp_server.c  COMMAND, CONFIG, SLOWLOG, TIME, WAIT, WAITAOF, LASTSAVE, BGSAVE, and what is
 *                  refused: SAVE, MONITOR
 *   resp_info.c    INFO
 *   resp_keys.c    KEYS, VRANGE
 */
#pragma once

#include "proto/resp_command.h"
#include "server/net/conn.h"
#include "server/ops/dispatch.h"

/* What clients take for the version of Redis: the newest whose commands on strings are all here. */
#define RESP_REDIS_VERSION "7.2.4"

/* Made with the connection; what transactions need is in it. */
struct resp_state {
    unsigned version;   /* of RESP: 2 or 3 */
    bool in_multi;      /* between MULTI and EXEC */
    bool spoilt;        /* something could not be queued: EXEC will refuse */
    uint32_t n_queued;  /* commands */
    uint32_t n_calls;   /* of these calls of the batch */
    uint32_t n_watched; /* conditions */
    struct buf queue;   /* struct resp_queued and its bytes, one behind the other */
    struct buf calls;   /* [method, params] of each call */
    struct buf watched; /* [kind, key, version] of each watched key */
};

/* A command being carried out. */
struct resp_do {
    struct conn *conn;
    const struct resp_command *command;
    struct resp_reader args; /* behind the name */
    struct buf *out;         /* where the reply goes: conn->out */
};

/* Handlers of OWN commands: a row without one does not link. 0, or ERR_OUT_OF_MEMORY: the
 * connection cannot go on. */
#define SPELLING(id, name, arity, flags, keys, op, map, param, shape, group, since, arguments,     \
                 summary)
#define OWN(id, name, arity, flags, keys, group, since, arguments, summary)                        \
    int resp_do_##id(struct resp_do *d);
#include "proto/resp.def"
#undef SPELLING
#undef OWN

static inline struct resp_context resp_context_of(const struct conn *conn)
{
    return (struct resp_context){conn->resp->version, conn->loop->env.now_ms,
                                 conn->loop->limits.reply_bytes};
}

/* What makes a request of a command; the caller sets request and problem. */
static inline struct resp_call resp_call_of(const struct resp_do *d, struct request *request,
                                            struct problem *problem)
{
    struct loop *loop = d->conn->loop;
    return (struct resp_call){.command = d->command,
                              .args = d->args,
                              .limits = &loop->limits,
                              .now_ms = loop->env.now_ms,
                              .scratch = &loop->packed,
                              .request = request,
                              .problem = problem};
}

/* A line of error, counted: "-" and the text. */
MUST_USE int resp_fail(struct resp_do *d, const char *format, ...) PRINTF_LIKE(2, 3);

/* A subcommand, and how many arguments it takes. */
struct resp_subcommand {
    const char *name;
    uint32_t least, most;
    int (*run)(struct resp_do *d);
};

/* Carry out the one that the next argument names. */
MUST_USE int resp_subcommand(struct resp_do *d, const struct resp_subcommand *subcommands,
                             size_t count);

/* Run an operation whose arguments are in place; its result is added to *result. 0, or an error
 * with *problem. Not for operations that go on as jobs. */
MUST_USE int resp_run(struct conn *conn, struct request *request, struct buf *result,
                      struct problem *problem);

/* A request of this operation without arguments. */
void resp_request(struct request *request, enum op_id id);

/* Carry out a command, of either kind; never queued. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int resp_carry_out(struct resp_do *d, struct request *request);

/* Between MULTI and EXEC: put the command aside. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int resp_queue(struct resp_do *d, struct request *request);

/* Forget what was queued and watched. */
void resp_forget(struct resp_state *state);
