/* SPDX-License-Identifier: BSD-3-Clause
 *
 * MessagePack-RPC over a connection.
 *
 *   bytes ->  decode up to FRONT_BATCH requests, prefetching the slots of their keys
 *         ->  prefetch their records
 *         ->  run them in order, each writing its reply into conn->out
 *
 * so that the misses of one batch overlap. A message that is not all there is checked piece by
 * piece (mp_scan) as it comes, and decoded once when it is whole: work is linear in the bytes,
 * however small the pieces.
 *
 * Invariants
 *   1. Requests of a connection start in order. Before each it is asked whether it may run (output
 *      not too long, not too many jobs, none at all if replies are to be ordered).
 *   2. A message larger than the limit is refused as soon as that is known, before it is kept.
 *
 * Threads: the loop of the connection.
 * Failures: a bad call is answered and the stream goes on; bad bytes end it with a logged close.
 */
#include "server/net/front.h"

#include "common/err.h"
#include "common/log.h"
#include "proto/rpc.h"
#include "server/net/conn.h"
#include "server/net/jobs.h"
#include "server/ops/dispatch.h"

enum { FRONT_BATCH = 16 };

/* One round of decoding. */
struct front_batch {
    unsigned n;
    size_t at[FRONT_BATCH + 1]; /* where each request begins; behind the last, where it ends */
    struct request request[FRONT_BATCH];
    enum rpc_result stopped; /* why there are no more; RPC_OK: the batch is full */
    struct request refused;  /* RPC_REFUSED, RPC_FATAL: whom to answer */
    struct problem problem;  /* and what */
    size_t refused_size;
};

static void front_set_too_large(const struct conn *conn, struct problem *problem)
{
    const char *option;
    size_t limit = front_frame_limit(conn, &option);
    (void)problem_set(problem, ERR_LIMIT_EXCEEDED, "the message exceeds %s (%zu bytes)", option,
                      limit);
}

static bool front_is_too_large(const struct conn *conn, size_t size)
{
    const char *option;
    return size > front_frame_limit(conn, &option);
}

/* Decode what is there, up to a full batch. */
static void front_decode(struct conn *conn, struct bytes data, size_t at, struct front_batch *batch)
{
    struct op_env *env = &conn->loop->env;
    batch->n = 0;
    batch->stopped = RPC_OK;
    while (batch->n < FRONT_BATCH && at < data.size) {
        struct bytes rest = {data.data + at, data.size - at};
        struct request *request = &batch->request[batch->n];
        size_t size = 0;
        batch->stopped = rpc_decode(rest, env->limits, request, &batch->problem, &size);
        if (batch->stopped == RPC_OK && front_is_too_large(conn, size)) {
            front_set_too_large(conn, &batch->problem);
            batch->stopped = RPC_FATAL;
        }
        batch->at[batch->n] = at;
        if (batch->stopped != RPC_OK) {
            batch->refused = *request;
            batch->refused_size = size;
            return;
        }
        dispatch_prefetch(env, &conn->session, request);
        at += size;
        batch->n++;
    }
    batch->at[batch->n] = at;
}

/* Run the batch; returns where the first request begins that did not run. */
static size_t front_run(struct conn *conn, struct front_batch *batch, bool *out_failed)
{
    struct loop *loop = conn->loop;
    for (unsigned i = 0; i < batch->n; i++)
        dispatch_prefetch_record(&loop->env, &batch->request[i]);
    dispatch_start_clock(&loop->env);
    for (unsigned i = 0; i < batch->n; i++) {
        const struct request *request = &batch->request[i];
        if (!front_may_run(conn))
            return batch->at[i];
        struct job *job = dispatch_run(&loop->env, &conn->session, request, &conn->out, out_failed);
        if (job != NULL && jobs_add(loop, conn, job, request->msgid, request->notification))
            *out_failed = true;
        if (*out_failed || conn->session.leaving)
            return batch->at[i + 1];
    }
    return batch->at[batch->n];
}

/* Answer a request that could not be decoded. */
static bool front_refuse(struct conn *conn, const struct front_batch *batch)
{
    stats_add(&conn->loop->stats, METRIC_requests, 1);
    stats_add(&conn->loop->stats, METRIC_errors, 1);
    return dispatch_finish(&conn->loop->env, &conn->session, batch->refused.msgid,
                           batch->refused.notification, NULL, &batch->problem, &conn->out) == 0;
}

/* Somebody speaks another protocol: say so in it, as far as it can be told from the first byte. No
 * message of ours begins with a printable character. */
static void front_tell_stranger(struct conn *conn, struct bytes data)
{
    static const char resp[] = "-ERR this port speaks MessagePack-RPC; RESP is at listen.resp\r\n";
    static const char http[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
                               "Connection: close\r\n\r\n"
                               "This port speaks MessagePack-RPC; HTTP is at listen.http.\n";
    const uint8_t *lf = memchr(data.data, '\n', data.size < 4096 ? data.size : 4096);
    bool is_http = lf != NULL && memmem(data.data, (size_t)(lf - data.data), " HTTP/1.", 8) != NULL;
    const char *text = is_http ? http : resp;
    if (conn->session.requests == 0 && data.size > 1 &&
        (data.data[0] == '*' || (data.data[0] >= 'A' && data.data[0] <= 'z')))
        (void)!buf_append(&conn->out, text, strlen(text));
}

static enum front_result front_fatal(struct conn *conn, const struct front_batch *batch,
                                     struct bytes data)
{
    stats_add(&conn->loop->stats, METRIC_bad_frames, 1);
    log_notice("net", "connection %llu closed: %s", (unsigned long long)conn->session.id,
               batch->problem.text);
    (void)front_refuse(conn, batch); /* writes nothing if no msgid is known */
    if (batch->refused.notification)
        front_tell_stranger(conn, data);
    return FRONT_LEAVE;
}

/* The message at the front is not all there: check what is, and see how large it will be. */
static enum front_result front_scan(struct conn *conn, struct bytes data, bool *out_whole)
{
    struct front_batch batch;
    int err = mp_scan(&conn->scan.rpc, data.data, data.size, MP_DEPTH_MAX, &conn->need);
    *out_whole = err == 0;
    if (err == 0)
        conn->scanning = false;
    if (err == 0 || (err == MP_MORE && !front_is_too_large(conn, conn->need)))
        return FRONT_MORE;
    size_t size;
    enum rpc_result whom = /* only for the msgid, if that much is there */
        rpc_decode(data, conn->loop->env.limits, &batch.refused, &batch.problem, &size);
    (void)whom;
    if (err == MP_MORE)
        front_set_too_large(conn, &batch.problem);
    else
        (void)problem_set(&batch.problem, err,
                          err == ERR_BAD_REQUEST ? "the message is not valid MessagePack"
                                                 : "the message exceeds limits.nesting");
    return front_fatal(conn, &batch, data);
}

static enum front_result front_begin_scan(struct conn *conn, struct bytes rest)
{
    bool whole;
    conn->scan.rpc = (struct mp_scan){0};
    conn->scanning = true;
    return front_scan(conn, rest, &whole);
}

static enum front_result rpc_feed(struct conn *conn, struct bytes data, size_t *out_used)
{
    struct front_batch batch;
    size_t at = 0;
    bool whole = true, failed = false;
    *out_used = 0;
    if (conn->scanning) {
        enum front_result result = front_scan(conn, data, &whole);
        if (result != FRONT_MORE || !whole)
            return result;
    }
    while (at < data.size) {
        front_decode(conn, data, at, &batch);
        size_t ran = front_run(conn, &batch, &failed);
        *out_used = ran;
        if (failed || conn->session.leaving)
            return FRONT_LEAVE;
        if (ran != batch.at[batch.n])
            return FRONT_BLOCKED;
        at = ran;
        if (batch.stopped == RPC_FATAL)
            return front_fatal(conn, &batch, (struct bytes){data.data + at, data.size - at});
        if (batch.stopped == RPC_MORE)
            return front_begin_scan(conn, (struct bytes){data.data + at, data.size - at});
        if (batch.stopped == RPC_REFUSED) {
            if (!front_may_run(conn))
                return FRONT_BLOCKED;
            if (!front_refuse(conn, &batch))
                return FRONT_LEAVE;
            *out_used = at += batch.refused_size;
        }
    }
    return FRONT_MORE;
}

/* A connection needs nothing more than it has. */
static int rpc_open(struct conn *conn)
{
    (void)conn;
    return 0;
}

static void rpc_close(struct conn *conn)
{
    (void)conn;
}

static int rpc_finish(struct conn *conn, uint32_t tag, bool silent, struct job *job)
{
    return dispatch_finish(&conn->loop->env, &conn->session, tag, silent, job, NULL, &conn->out);
}

const struct front front_rpc = {
    .name = "rpc", .open = rpc_open, .feed = rpc_feed, .finish = rpc_finish, .close = rpc_close};
