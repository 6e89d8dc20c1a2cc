/* SPDX-License-Identifier: BSD-3-Clause
 *
 * RESP over a connection.
 *
 *   bytes -> find up to RESP_BATCH whole commands, prefetching the slots of their keys
 *         -> prefetch their records
 *         -> carry them out in order: a spelling of an operation becomes a request (its arguments
 *            made MessagePack where they stand), the result a reply in the shape of the command
 *
 * as the front-end of MessagePack-RPC does, with the same checks of operations behind it.
 *
 * Invariants
 *   1. Commands are answered in order: while a job runs nothing else does (session.ordered).
 *   2. A command is written over only when it is carried out, and is then used up.
 *   3. An inline command becomes an array in loop->line, alone in its batch.
 *
 * Threads: the loop of the connection.
 * Failures: a bad command is answered and the stream goes on; bad bytes end it with an error and a
 * logged close.
 */
#include "server/net/front.h"

#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"
#include "server/net/jobs.h"
#include "server/net/resp.h"

#include <stdarg.h>
#include <stdio.h>

enum { RESP_BATCH = 16, RESP_RESULT_KEPT = 256 * 1024, RESP_TAG_SHAPE = 16 };

/* A command found in the input. */
struct resp_found {
    size_t size;    /* bytes of the message */
    size_t end;     /* where it ends in the input */
    uint32_t count; /* arguments, the name included; 0: an empty line or array */
    struct bytes name;
    const struct resp_command *command; /* NULL: there is none */
    struct resp_reader args;
};

struct resp_batch {
    unsigned n;
    struct resp_found found[RESP_BATCH];
    struct request request[RESP_BATCH];
    int stopped; /* why there are no more: 0 (full, or an inline command), RESP_MORE, an error */
    struct problem problem;
};

/* ---- errors ---- */

int resp_fail(struct resp_do *d, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    stats_add(&d->conn->loop->stats, METRIC_requests, 1);
    stats_add(&d->conn->loop->stats, METRIC_errors, 1);
    return resp_put_error(d->out, text);
}

static int resp_fail_arity(struct resp_do *d, const char *subcommand)
{
    return resp_fail(d, "ERR wrong number of arguments for '%s%s%s' command", d->command->name,
                     subcommand == NULL ? "" : "|", subcommand == NULL ? "" : subcommand);
}

int resp_subcommand(struct resp_do *d, const struct resp_subcommand *subcommands, size_t count)
{
    struct bytes name = resp_next(&d->args);
    char upper[32] = "";
    for (size_t i = 0; i < count; i++) {
        const struct resp_subcommand *one = &subcommands[i];
        if (!resp_is(name, one->name))
            continue;
        bool fits = d->args.left >= one->least && d->args.left <= one->most;
        return fits ? one->run(d) : resp_fail_arity(d, one->name);
    }
    for (size_t i = 0; d->command->name[i] != 0; i++)
        upper[i] = (char)(d->command->name[i] - ('a' - 'A'));
    return resp_fail(d, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                     (int)(name.size < 128 ? name.size : 128), (const char *)name.data, upper);
}

/* An unknown command, with what stood behind it, as Redis shows it. */
static int resp_fail_unknown(struct resp_do *d, struct bytes name)
{
    char args[160];
    size_t n = 0;
    args[0] = 0;
    while (d->args.left > 0 && n < 128) {
        struct bytes arg = resp_next(&d->args);
        int size = (int)(arg.size < 128 - n ? arg.size : 128 - n);
        n += (size_t)snprintf(args + n, sizeof args - n, "'%.*s' ", size, (const char *)arg.data);
    }
    return resp_fail(d, "ERR unknown command '%.*s', with args beginning with: %s",
                     (int)(name.size < 128 ? name.size : 128), (const char *)name.data, args);
}

/* ---- operations ---- */

void resp_request(struct request *request, enum op_id id)
{
    request->op = &op_table[id];
    request->msgid = 0;
    request->size = 0;
    request->notification = false;
    request->hashed = false;
    for (unsigned i = 0; i < request->op->n_args; i++)
        request->args[i].present = false;
    request->all.run.present = request->all.durability.present = false;
}

int resp_run(struct conn *conn, struct request *request, struct buf *result,
             struct problem *problem)
{
    struct job *job = NULL;
    int err = dispatch_plain(&conn->loop->env, &conn->session, request, result, problem, &job);
    REQUIRE(job == NULL);
    return err;
}

/* Word a result or a problem. */
static int resp_answer(struct conn *conn, const struct resp_command *command, enum resp_shape shape,
                       int err, struct problem *problem, struct bytes result)
{
    struct resp_context context = resp_context_of(conn);
    struct buf *out = &conn->out;
    size_t mark = out->size;
    if (err == 0)
        err = resp_reply(&context, shape, result, out);
    else
        return resp_reply_problem(&context, command, shape, problem, out);
    if (err != ERR_LIMIT_EXCEEDED)
        return err;
    out->size = mark;
    (void)problem_set(problem, err, "the reply exceeds limits.reply_bytes (%llu); ask for less",
                      (unsigned long long)context.reply_bytes);
    return resp_reply_problem(&context, command, shape, problem, out);
}

/* A result that was large is not kept for the next. */
static void resp_trim(struct buf *result)
{
    result->size = 0;
    if (result->capacity > RESP_RESULT_KEPT)
        buf_deinit(result);
}

/* What is remembered of a command while its job runs. */
static uint32_t resp_tag(enum resp_id id, enum resp_shape shape)
{
    return (uint32_t)id | (uint32_t)shape << RESP_TAG_SHAPE;
}

static int resp_spell(struct resp_do *d, struct request *request)
{
    struct conn *conn = d->conn;
    struct loop *loop = conn->loop;
    struct job *job = NULL;
    struct problem problem;
    struct resp_call call = resp_call_of(d, request, &problem);
    int err = resp_map(&call);
    if (err != 0) {
        stats_add(&loop->stats, METRIC_requests, 1);
        stats_add(&loop->stats, METRIC_errors, 1);
    } else {
        err = dispatch_plain(&loop->env, &conn->session, request, &loop->result, &problem, &job);
    }
    resp_trim(&loop->packed);
    if (job != NULL)
        return jobs_add(loop, conn, job, resp_tag(d->command->id, call.shape), false);
    err = resp_answer(conn, d->command, call.shape, err, &problem, buf_bytes(&loop->result));
    resp_trim(&loop->result);
    return err;
}

static int resp_finish(struct conn *conn, uint32_t tag, bool silent, struct job *job)
{
    struct loop *loop = conn->loop;
    struct problem problem;
    (void)silent;
    int err = dispatch_finish_plain(&loop->env, &conn->session, job, &loop->result, &problem);
    const struct resp_command *command = &resp_table[tag & ((1u << RESP_TAG_SHAPE) - 1)];
    enum resp_shape shape = tag >> RESP_TAG_SHAPE;
    if (command->op < 0)
        shape = RESP_SHAPE_VALUES; /* what OWN commands gather in jobs are arrays of keys */
    err = resp_answer(conn, command, shape, err, &problem, buf_bytes(&loop->result));
    resp_trim(&loop->result);
    return err;
}

/* ---- commands ---- */

static int (*const resp_own[RESP_COUNT])(struct resp_do *d) = {
#define SPELLING(id, name, arity, flags, keys, op, map, param, shape, group, since, arguments,     \
                 summary)
#define OWN(id, name, arity, flags, keys, group, since, arguments, summary)                        \
    [RESP_##id] = resp_do_##id,
#include "proto/resp.def"
#undef SPELLING
#undef OWN
};

int resp_carry_out(struct resp_do *d, struct request *request)
{
    if (d->command->op >= 0)
        return resp_spell(d, request);
    int err = resp_own[d->command->id](d);
    dispatch_start_clock(&d->conn->loop->env); /* the next request is not to pay for this one */
    return err;
}

static bool resp_must_log_in(const struct conn *conn, const struct resp_command *command)
{
    return conn->loop->env.login_required && !conn->session.logged_in &&
           !(command->flags & RESP_NOAUTH);
}

/* One command: may it be carried out, now or at all? */
static int resp_command_do(struct conn *conn, struct resp_found *found, struct request *request)
{
    struct resp_do d = {conn, found->command, found->args, &conn->out};
    struct resp_state *state = conn->resp;
    if (found->count == 0)
        return 0;
    request->size = found->size;
    if (found->command != NULL && resp_arity_fits(found->command, found->args.left) &&
        !resp_must_log_in(conn, found->command))
        return state->in_multi && !(found->command->flags & RESP_AT_ONCE)
                   ? resp_queue(&d, request)
                   : resp_carry_out(&d, request);
    state->spoilt = state->spoilt || state->in_multi;
    if (found->command == NULL)
        return resp_fail_unknown(&d, found->name);
    if (found->command->id == RESP_EXEC && found->args.left > 0) {
        resp_forget(state); /* an EXEC ends the transaction, even a wrong one */
        return resp_fail(&d, "EXECABORT Transaction discarded because of: wrong number of "
                             "arguments for 'exec' command");
    }
    if (!resp_arity_fits(found->command, found->args.left))
        return resp_fail_arity(&d, NULL);
    return resp_fail(&d, "NOAUTH Authentication required.");
}

/* ---- bytes ---- */

static bool resp_is_too_large(const struct conn *conn, size_t size, struct problem *problem)
{
    const char *option;
    size_t limit = front_frame_limit(conn, &option);
    if (size <= limit)
        return false;
    (void)problem_set(problem, ERR_LIMIT_EXCEEDED,
                      "Protocol error: the command exceeds %s (%zu bytes)", option, limit);
    return true;
}

/* What is no command but the beginning of another protocol: told, and then the connection ends. */
static int resp_stranger(struct bytes line, struct problem *problem)
{
    bool http = memmem(line.data, line.size, " HTTP/1.", 8) != NULL;
    if (http || bytes_start_with(line, bytes_of("POST ")) ||
        bytes_start_with(line, bytes_of("Host:")))
        return problem_set(problem, ERR_BAD_REQUEST,
                           "Protocol error: this port speaks RESP; HTTP is at listen.http");
    if (line.size > 0 && line.data[0] >= 0x80)
        return problem_set(problem, ERR_BAD_REQUEST,
                           "Protocol error: this port speaks RESP; "
                           "MessagePack-RPC is at listen.rpc");
    return 0;
}

/* The scan of an array stands on an inline command: make it one. */
static int resp_take_line(struct conn *conn, struct bytes message, struct resp_scan *scan,
                          uint8_t **out_data, struct problem *problem)
{
    struct buf *line = &conn->loop->line;
    size_t need;
    int err = resp_stranger(message, problem);
    line->size = 0;
    if (err == 0)
        err = resp_from_inline(message, line, problem);
    if (err != 0)
        return err;
    *scan = (struct resp_scan){0};
    *out_data = line->data;
    return resp_scan(scan, buf_bytes(line), &need, problem);
}

/* Hash the key and fetch its slot, for operations on one key. */
static void resp_prefetch(struct conn *conn, const struct resp_found *found,
                          struct request *request)
{
    const struct resp_command *command = found->command;
    struct resp_reader args = found->args;
    request->hashed = false;
    if (command == NULL || command->keys != RESP_KEYS_FIRST || command->op < 0 ||
        conn->resp->in_multi || !resp_arity_fits(command, args.left))
        return;
    request->op = &op_table[command->op];
    request->all.run.present = false;
    request->args[0].bytes = resp_next(&args);
    dispatch_prefetch(&conn->loop->env, &conn->session, request);
}

/* Find one command at `at`. 0, RESP_MORE or an error. */
static int resp_find_one(struct conn *conn, struct bytes data, size_t at, struct resp_scan *scan,
                         struct resp_found *found, struct problem *problem)
{
    uint8_t *start = (uint8_t *)(uintptr_t)data.data + at; /* see struct front: ours to write */
    struct bytes rest = {start, data.size - at};
    int err = resp_scan(scan, rest, &conn->need, problem);
    if (err == RESP_MORE && resp_is_too_large(conn, conn->need, problem))
        return ERR_LIMIT_EXCEEDED;
    if (err == RESP_MORE && scan->is_inline) /* do not wait for the end of what will never be one */
        return resp_stranger(rest, problem) != 0 ? ERR_BAD_REQUEST : RESP_MORE;
    if (err == 0 && resp_is_too_large(conn, scan->position, problem))
        return ERR_LIMIT_EXCEEDED;
    if (err != 0)
        return err;
    found->size = scan->position;
    found->end = at + scan->position;
    if (scan->is_inline)
        err =
            resp_take_line(conn, (struct bytes){start, scan->position - 1}, scan, &start, problem);
    if (err != 0)
        return err;
    found->count = scan->count;
    found->command = NULL;
    found->args = resp_reader_of(scan, start);
    if (found->count > 0) {
        found->name = resp_next(&found->args);
        found->command = resp_find(found->name);
    }
    return 0;
}

/* Find what is there, up to a full batch. */
static void resp_find_all(struct conn *conn, struct bytes data, size_t at, struct resp_batch *batch)
{
    batch->n = 0;
    batch->stopped = 0;
    while (batch->n < RESP_BATCH && at < data.size && batch->stopped == 0) {
        struct resp_found *found = &batch->found[batch->n];
        bool is_line = data.data[at] != '*';
        if (is_line && batch->n > 0)
            return; /* there is one line at a time */
        struct resp_scan *scan = &conn->scan.resp;
        if (!conn->scanning)
            *scan = (struct resp_scan){0};
        batch->stopped = resp_find_one(conn, data, at, scan, found, &batch->problem);
        conn->scanning = batch->stopped == RESP_MORE;
        if (batch->stopped != 0)
            return;
        resp_prefetch(conn, found, &batch->request[batch->n]);
        at = found->end;
        batch->n++;
        if (is_line)
            return;
    }
}

/* Carry out the batch; returns how many commands were. */
static unsigned resp_run_batch(struct conn *conn, struct resp_batch *batch, bool *out_failed)
{
    for (unsigned i = 0; i < batch->n; i++)
        dispatch_prefetch_record(&conn->loop->env, &batch->request[i]);
    dispatch_start_clock(&conn->loop->env);
    for (unsigned i = 0; i < batch->n; i++) {
        if (!front_may_run(conn))
            return i;
        *out_failed = resp_command_do(conn, &batch->found[i], &batch->request[i]) != 0;
        if (*out_failed || conn->session.leaving)
            return i + 1;
    }
    return batch->n;
}

/* The stream is broken: say why, as Redis does, and close. */
static enum front_result resp_fatal(struct conn *conn, const struct problem *problem)
{
    char line[sizeof problem->text + 8];
    stats_add(&conn->loop->stats, METRIC_bad_frames, 1);
    log_notice("net", "connection %llu closed: %s", (unsigned long long)conn->session.id,
               problem->text);
    (void)snprintf(line, sizeof line, "ERR %s", problem->text);
    (void)!resp_put_error(&conn->out, line);
    return FRONT_LEAVE;
}

static enum front_result resp_feed_all(struct conn *conn, struct bytes data, size_t *out_used)
{
    struct resp_batch batch;
    bool failed = false;
    size_t at = 0;
    *out_used = 0;
    while (at < data.size) {
        if (!front_may_run(conn))
            return FRONT_BLOCKED;
        resp_find_all(conn, data, at, &batch);
        unsigned ran = resp_run_batch(conn, &batch, &failed);
        at = ran > 0 ? batch.found[ran - 1].end : at;
        *out_used = at;
        if (failed || conn->session.leaving)
            return FRONT_LEAVE;
        if (ran < batch.n) {
            conn->scanning = false; /* what follows is looked at again */
            return FRONT_BLOCKED;
        }
        if (batch.stopped == RESP_MORE)
            return FRONT_MORE;
        if (batch.stopped != 0 && !front_may_run(conn))
            return FRONT_BLOCKED; /* it is told in its turn: found again when the job is done */
        if (batch.stopped != 0)
            return resp_fatal(conn, &batch.problem);
    }
    return FRONT_MORE;
}

static enum front_result resp_feed(struct conn *conn, struct bytes data, size_t *out_used)
{
    const struct resp_state *state = conn->resp;
    enum front_result result = resp_feed_all(conn, data, out_used);
    conn->kept = state->queue.capacity + state->calls.capacity + state->watched.capacity;
    return result;
}

static int resp_open(struct conn *conn)
{
    conn->session.ordered = true;
    conn->session.error_maps = true; /* inside batches: they are taken apart again */
    conn->session.typed_keys = true;
    conn->resp = mem_calloc(1, sizeof *conn->resp);
    if (conn->resp == NULL)
        return ERR_OUT_OF_MEMORY;
    conn->resp->version = 2;
    return 0;
}

static void resp_close(struct conn *conn)
{
    if (conn->resp != NULL)
        resp_forget(conn->resp);
    mem_free(conn->resp);
}

const struct front front_resp = {.name = "resp",
                                 .open = resp_open,
                                 .feed = resp_feed,
                                 .finish = resp_finish,
                                 .close = resp_close};
