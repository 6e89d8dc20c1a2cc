/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The connection behind the commands.
 *
 *   session_init -> session_ready -> session_call ... session_ready -> session_call ...
 *                     connects                          connects again if that one was lost
 *
 * How: before a command of many, session_ready looks whether the connection is still good; nothing
 * is sent twice, so no write can happen twice. Where SIGINT is caught, a call waits in slices and
 * gives up between two of them.
 *
 * Invariants: a connection that still owes a reply is closed, never used for the next command.
 * Threads: one. Failures: told on stderr as "cairn: CODE message".
 */
#include "client/cli/session.h"

#include "client/cli/signals.h"
#include "common/err.h"
#include "proto/pack.h"
#include "proto/rpc.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { SESSION_TIMEOUT_MS = 30000, SESSION_SLICE_MS = 50 };

int session_tell(const struct cairn_error *error)
{
    fprintf(stderr, "cairn: %s %s\n", error->code, error->message);
    if (error->from_server)
        return EXIT_ANSWERED_ERROR;
    return error->status == CAIRN_BAD_ARGUMENT ? EXIT_USAGE : EXIT_UNREACHABLE;
}

/* ---- Where ---------------------------------------------------------------------------------- */

/* The address for cairn_connect, from the options. */
static int session_address(struct session *s, struct usage *usage)
{
    const struct options *o = s->options;
    int ways = (o->uri != NULL) + (o->socket != NULL) + (o->host || o->port);
    const char *host = o->host != NULL ? o->host : "127.0.0.1";
    bool v6 = strchr(host, ':') != NULL && host[0] != '[';
    if (ways > 1)
        return usage_set(usage, "give one of --uri, --socket, or --host with --port");
    s->address = ways == 0 ? getenv("CAIRN_URI") : o->uri; /* NULL is the library's default */
    if (o->socket == NULL && o->host == NULL && o->port == NULL)
        return 0;
    int n = o->socket != NULL ? snprintf(s->made, sizeof s->made, "unix:%s%s",
                                         o->socket[0] == '/' ? "" : "./", o->socket)
                              : snprintf(s->made, sizeof s->made, v6 ? "[%s]:%s" : "%s:%s", host,
                                         o->port != NULL ? o->port : "7420");
    s->address = s->made;
    return (size_t)n < sizeof s->made ? 0 : usage_set(usage, "the address is too long");
}

/* Copy text[0..n), cut to the room there is. */
static void session_copy(char *to, size_t room, const char *text, size_t n)
{
    snprintf(to, room, "%.*s", (int)(n < room ? n : room), text);
}

/* The address for people: without scheme, token and run. The library reads it again and checks. */
static void session_describe(struct session *s)
{
    static const char scheme[] = "cairn://";
    const char *text = s->address != NULL ? s->address : "127.0.0.1";
    size_t n = strlen(text);
    bool is_path = text[0] == '/' || strncmp(text, "unix:", 5) == 0;
    if (strncmp(text, scheme, strlen(scheme)) == 0) {
        text += strlen(scheme);
        const char *at = strchr(text, '@');
        n = strcspn(text, "/");
        if (text[n] == '/')
            session_copy(s->place_run, sizeof s->place_run, text + n + 1, strlen(text + n + 1));
        if (at != NULL && at < text + n) {
            n -= (size_t)(at + 1 - text);
            text = at + 1;
        }
    }
    text += is_path && text[0] != '/' ? 5 : 0;
    n = is_path ? strlen(text) : n;
    session_copy(s->place, sizeof s->place, text, n);
    if (!is_path && (memchr(text, ':', n) == NULL || text[n - 1] == ']'))
        session_copy(s->place + strlen(s->place), sizeof s->place - strlen(s->place), ":7420", 5);
}

int session_init(struct session *session, const struct options *options, struct usage *usage)
{
    *session = (struct session){.options = options};
    const char *token = getenv("CAIRN_TOKEN");
    int err = session_address(session, usage);
    if (err == 0)
        session_describe(session);
    if (err == 0 && ((token != NULL && strlen(token) >= SESSION_TEXT_BYTES) ||
                     (options->run != NULL && strlen(options->run) >= SESSION_TEXT_BYTES)))
        err = usage_set(usage, "the token or the run is longer than %d bytes",
                        SESSION_TEXT_BYTES - 1);
    if (err == 0) {
        snprintf(session->run, sizeof session->run, "%s", options->run != NULL ? options->run : "");
        snprintf(session->token, sizeof session->token, "%s", token != NULL ? token : "");
    }
    return err;
}

static void session_close(struct session *session)
{
    cairn_close(session->c);
    session->c = NULL;
    session->owes = false;
}

void session_deinit(struct session *session)
{
    session_close(session);
    explicit_bzero(session->token, sizeof session->token);
}

/* ---- Connecting ----------------------------------------------------------------------------- */

static int session_connect(struct session *s, const struct options_ms *timeout)
{
    struct cairn_options options = {
        .connect_timeout_ms = timeout->given ? (uint32_t)timeout->ms : 0,
        .max_reply_bytes = (uint64_t)1 << 30,
        .token = s->token[0] != 0 ? s->token : NULL,
        .run = s->run[0] != 0 ? s->run : NULL,
        .client = "cairn",
    };
    struct cairn_error error;
    s->c = cairn_connect(s->address, &options, &error);
    if (s->c != NULL && s->connects > 0)
        fprintf(stderr, "cairn: the connection was lost; connected to %s again\n", s->place);
    s->connects += s->c != NULL;
    if (s->c != NULL)
        return EXIT_DONE;
    int code = session_tell(&error);
    if (error.status == CAIRN_CANNOT_CONNECT)
        fprintf(stderr, "cairn: is cairnd running at %s?\n", s->place);
    return code;
}

int session_ready(struct session *session, const struct options_ms *timeout, bool slow)
{
    if (session->c != NULL && (session->owes || !cairn_usable(session->c)))
        session_close(session);
    int code = session->c != NULL ? EXIT_DONE : session_connect(session, timeout);
    int64_t ms = timeout->given ? timeout->ms : slow ? 0 : SESSION_TIMEOUT_MS;
    session->timeout_ms = ms == 0 ? UINT32_MAX : (uint32_t)ms;
    if (code == EXIT_DONE)
        cairn_set_timeout(session->c, session->timeout_ms);
    return code;
}

/* ---- Calling -------------------------------------------------------------------------------- */

static struct cairn_bytes session_view(struct bytes bytes)
{
    return cairn_view(bytes.data, bytes.size);
}

/* Wait for a reply in slices of time, until SIGINT. */
static int session_await(struct session *s, struct cairn_reply *out_reply)
{
    uint64_t waited_ms = 0;
    int status = CAIRN_TIMEOUT;
    s->interrupted = false;
    cairn_set_timeout(s->c, SESSION_SLICE_MS);
    while (status == CAIRN_TIMEOUT && !s->interrupted && waited_ms < s->timeout_ms) {
        status = cairn_receive(s->c, out_reply);
        s->interrupted = status == CAIRN_TIMEOUT && signals_take(SIGINT);
        waited_ms += SESSION_SLICE_MS;
    }
    return status;
}

int session_send(struct session *session, const char *method, struct bytes params,
                 uint32_t *out_msgid)
{
    int status = cairn_send(session->c, method, session_view(params), out_msgid);
    if (status == CAIRN_OK)
        status = cairn_flush(session->c);
    session->error = *cairn_error(session->c);
    session->owes = status == CAIRN_TIMEOUT || cairn_outstanding(session->c) > 0;
    return status;
}

int session_receive(struct session *session, struct bytes *out_result, uint32_t *out_msgid)
{
    struct cairn_reply reply = {.status = CAIRN_OK};
    int status = session->catches_interrupt ? session_await(session, &reply)
                                            : cairn_receive(session->c, &reply);
    session->error = *cairn_error(session->c);
    session->owes = status == CAIRN_TIMEOUT || cairn_outstanding(session->c) > 0;
    if (session->interrupted)
        snprintf(session->error.message, sizeof session->error.message,
                 "interrupted; the server may still do it");
    *out_result = (struct bytes){reply.result.data, reply.result.size};
    *out_msgid = reply.msgid;
    return status != CAIRN_OK ? status : reply.status;
}

static int session_do(struct session *s, const char *method, struct bytes params,
                      struct bytes *out_result)
{
    struct cairn_bytes result;
    uint32_t msgid;
    s->interrupted = false;
    if (s->catches_interrupt) {
        int status = session_send(s, method, params, &msgid);
        return status != CAIRN_OK ? status : session_receive(s, out_result, &msgid);
    }
    int status = cairn_call(s->c, method, session_view(params), &result);
    s->error = *cairn_error(s->c);
    s->owes = status == CAIRN_TIMEOUT;
    if (status == CAIRN_OK)
        *out_result = (struct bytes){result.data, result.size};
    return status;
}

/* Keep a text of a request; what does not fit or has a NUL inside is not kept. */
static void session_keep(const struct arg *arg, char to[SESSION_TEXT_BYTES])
{
    if (!arg->present || arg->bytes.size >= SESSION_TEXT_BYTES ||
        memchr(arg->bytes.data, 0, arg->bytes.size) != NULL)
        return;
    memcpy(to, arg->bytes.data, arg->bytes.size);
    to[arg->bytes.size] = 0;
}

/* The request was done: what of it holds for the connection from now on? */
static void session_note(struct session *s, const struct request *request)
{
    if (request->op->id == OP_run_use)
        session_keep(&((const struct args_run_use *)request->args)->name, s->run);
    if (request->op->id == OP_server_auth)
        session_keep(&((const struct args_server_auth *)request->args)->token, s->token);
    if (request->op->id != OP_server_hello)
        return;
    session_keep(&((const struct args_server_hello *)request->args)->auth, s->token);
    session_keep(&request->all.run, s->run);
}

/* Read the request as the server did, to note what it changed. */
static int session_remember(struct session *s, const char *method, struct bytes params)
{
    struct limits limits = limits_default();
    struct request request;
    struct problem problem;
    struct buf call;
    buf_init(&call);
    int err = pack_str(&call, bytes_of(method));
    if (err == 0)
        err = params.size > 0 ? buf_append(&call, params.data, params.size) : pack_array(&call, 0);
    struct mp_reader reader = mp_reader_of(buf_bytes(&call));
    if (err == 0 && rpc_decode_call(&reader, &limits, &request, &problem) == 0)
        session_note(s, &request);
    buf_deinit(&call);
    return err;
}

int session_call(struct session *session, const char *method, struct bytes params,
                 struct bytes *out_result)
{
    const struct op *op = op_find(bytes_of(method));
    int status = session_do(session, method, params, out_result);
    bool lasts = op != NULL &&
                 (op->id == OP_run_use || op->id == OP_server_auth || op->id == OP_server_hello);
    if (status == CAIRN_OK && lasts && session->has_lines)
        (void)session_remember(session, method, params); /* without memory, it is only forgotten */
    return status;
}
