/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Commands of RESP about the connection: HELLO, AUTH, SELECT, QUIT, RESET, CLIENT.
 *
 * Their replies and errors are those of Redis 7.2, as clients check them when they connect.
 *
 * Threads: the loop of the connection.
 */
#include "common/err.h"
#include "common/mem.h"
#include "server/net/resp.h"

#include <stdio.h>

/* ---- login ---- */

/* 0 if it was right; an error was written otherwise (or there is no memory: *err). */
static bool conn_log_in(struct resp_do *d, struct bytes user, struct bytes token, int *err)
{
    struct request request;
    struct problem problem;
    struct buf result;
    buf_init(&result);
    resp_request(&request, OP_server_auth);
    request.args[0] = (struct arg){.present = true, .bytes = token};
    bool known = bytes_equal(user, bytes_of("default"));
    bool in = known && resp_run(d->conn, &request, &result, &problem) == 0;
    buf_deinit(&result);
    *err = in ? 0 : resp_fail(d, "WRONGPASS invalid username-password pair or user is disabled.");
    return in;
}

int resp_do_AUTH(struct resp_do *d)
{
    struct bytes user = bytes_of("default");
    int err;
    if (d->args.left > 2)
        return resp_fail(d, "ERR syntax error");
    if (d->args.left == 1 && !d->conn->loop->env.login_required)
        return resp_fail(d, "ERR AUTH <password> called without any password configured for the "
                            "default user. Are you sure your configuration is correct?");
    if (d->args.left == 2)
        user = resp_next(&d->args);
    return conn_log_in(d, user, resp_next(&d->args), &err) ? resp_put_simple(d->out, "OK") : err;
}

/* ---- HELLO ---- */

/* Names are shown in lines of CLIENT LIST. */
static bool conn_name_fits(struct bytes name)
{
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] <= ' ' || name.data[i] > '~')
            return false;
    return true;
}

static int conn_fail_name(struct resp_do *d)
{
    return resp_fail(d, "ERR Client names cannot contain spaces, newlines or special characters.");
}

static int hello_reply(struct resp_do *d)
{
    unsigned version = d->conn->resp->version;
    struct buf *out = d->out;
    int err = resp_put_map(out, 7, version);
    (void)(err == 0 && (err = resp_put_text(out, "server")) == 0 &&
           (err = resp_put_text(out, "cairn")) == 0 && (err = resp_put_text(out, "version")) == 0 &&
           (err = resp_put_text(out, RESP_REDIS_VERSION)) == 0 &&
           (err = resp_put_text(out, "proto")) == 0 && (err = resp_put_int(out, version)) == 0 &&
           (err = resp_put_text(out, "id")) == 0 &&
           (err = resp_put_int(out, (int64_t)d->conn->session.id)) == 0 &&
           (err = resp_put_text(out, "mode")) == 0 &&
           (err = resp_put_text(out, "standalone")) == 0 &&
           (err = resp_put_text(out, "role")) == 0 && (err = resp_put_text(out, "master")) == 0 &&
           (err = resp_put_text(out, "modules")) == 0 && (err = resp_put_array(out, 0)) == 0);
    return err;
}

/* What stands behind HELLO 3. */
struct hello {
    struct bytes user, token, name;
};

/* True if all options are known; else an error was written. */
static bool hello_options(struct resp_do *d, struct hello *hello, int *err)
{
    while (d->args.left > 0) {
        struct bytes word = resp_next(&d->args);
        if (resp_is(word, "auth") && d->args.left >= 2) {
            hello->user = resp_next(&d->args);
            hello->token = resp_next(&d->args);
        } else if (resp_is(word, "setname") && d->args.left >= 1) {
            hello->name = resp_next(&d->args);
        } else {
            *err = resp_fail(d, "ERR Syntax error in HELLO option '%.*s'",
                             (int)(word.size < 64 ? word.size : 64), (const char *)word.data);
            return false;
        }
    }
    return true;
}

int resp_do_HELLO(struct resp_do *d)
{
    struct hello hello = {BYTES_NONE, BYTES_NONE, BYTES_NONE};
    struct conn *conn = d->conn;
    int64_t version = conn->resp->version;
    int err;
    if (d->args.left > 0 && !num_read_int(resp_next(&d->args), &version))
        return resp_fail(d, "ERR Protocol version is not an integer or out of range");
    if (version != 2 && version != 3)
        return resp_fail(d, "NOPROTO unsupported protocol version");
    if (!hello_options(d, &hello, &err))
        return err;
    if (hello.token.data != NULL && !conn_log_in(d, hello.user, hello.token, &err))
        return err;
    if (conn->loop->env.login_required && !conn->session.logged_in)
        return resp_fail(d, "NOAUTH HELLO must be called with the client already authenticated, "
                            "otherwise the HELLO <proto> AUTH <user> <pass> option can be used to "
                            "authenticate the client and select the RESP protocol version at the "
                            "same time");
    if (!conn_name_fits(hello.name))
        return conn_fail_name(d);
    if (hello.name.data != NULL)
        session_set_client_name(&conn->session, hello.name);
    conn->resp->version = (unsigned)version;
    return hello_reply(d);
}

/* ---- small ones ---- */

int resp_do_SELECT(struct resp_do *d)
{
    int64_t index;
    if (!num_read_int(resp_next(&d->args), &index))
        return resp_fail(d, "ERR value is not an integer or out of range");
    if (index != 0)
        return resp_fail(d, "ERR DB index is out of range");
    return resp_put_simple(d->out, "OK");
}

int resp_do_QUIT(struct resp_do *d)
{
    d->conn->session.leaving = true;
    return resp_put_simple(d->out, "OK");
}

int resp_do_RESET(struct resp_do *d)
{
    struct conn *conn = d->conn;
    resp_forget(conn->resp);
    conn->resp->version = 2;
    session_set_client_name(&conn->session, BYTES_NONE);
    if (conn->loop->env.login_required)
        session_log_out(&conn->session);
    conn->session.login_ns = loop_time_ns(conn->loop);
    return resp_put_simple(d->out, "RESET");
}

/* ---- CLIENT ---- */

static int client_id(struct resp_do *d)
{
    return resp_put_int(d->out, (int64_t)d->conn->session.id);
}

static int client_getname(struct resp_do *d)
{
    const char *name = d->conn->session.client_name;
    return name[0] == 0 ? resp_put_nil(d->out, d->conn->resp->version)
                        : resp_put_text(d->out, name);
}

static int client_setname(struct resp_do *d)
{
    struct bytes name = resp_next(&d->args);
    if (!conn_name_fits(name))
        return conn_fail_name(d);
    session_set_client_name(&d->conn->session, name);
    return resp_put_simple(d->out, "OK");
}

/* Libraries tell their name and version; we do not keep them. */
static int client_setinfo(struct resp_do *d)
{
    struct bytes option = resp_next(&d->args);
    if (!resp_is(option, "lib-name") && !resp_is(option, "lib-ver"))
        return resp_fail(d, "ERR Unrecognized option '%.*s'",
                         (int)(option.size < 64 ? option.size : 64), (const char *)option.data);
    return resp_put_simple(d->out, "OK");
}

/* One line as Redis has it: clients insist on its fields. Those of buffers are 0, as they are not
 * kept apart for each client (INFO has the sum). */
static int client_line(struct buf *out, const struct session_view *client)
{
    char line[512];
    int n = snprintf(line, sizeof line,
                     "id=%llu addr=%s laddr= fd=-1 name=%s age=%llu idle=%llu flags=N db=0 sub=0 "
                     "psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 "
                     "rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=%s user=default redir=-1 "
                     "resp=%s lib-name= lib-ver= tot-cmds=%llu\n",
                     (unsigned long long)client->id, client->address, client->client_name,
                     (unsigned long long)client->age_s, (unsigned long long)client->idle_s,
                     client->last == OP_COUNT ? "NULL" : op_table[client->last].name,
                     strcmp(client->protocol, "resp") == 0 ? "2" : client->protocol,
                     (unsigned long long)client->requests);
    return buf_append(out, line, (size_t)n);
}

/* limits.connections may be higher; server.clients has pages. */
enum { CLIENT_LIST_MAX = 10000 };

/* Add the lines of the `max` first clients with ids above `after` and up to `last`. */
static int client_gather(struct conn *conn, uint64_t after, size_t max, uint64_t last,
                         struct buf *text)
{
    const struct op_host *host = conn->loop->env.host;
    struct session_view *views = NULL;
    size_t n = 0;
    int err = host->clients(host->self, after, max, &views, &n);
    for (size_t i = 0; i < n && views[i].id <= last && err == 0; i++)
        err = client_line(text, &views[i]);
    mem_free(views);
    return err;
}

static int client_lines(struct resp_do *d, uint64_t after, size_t max)
{
    struct buf text;
    buf_init(&text);
    int err = client_gather(d->conn, after, max, UINT64_MAX, &text);
    if (err == 0)
        err = resp_put_verbatim(d->out, buf_bytes(&text), d->conn->resp->version);
    buf_deinit(&text);
    return err;
}

static int client_info(struct resp_do *d)
{
    return client_lines(d, d->conn->session.id - 1, 1);
}

/* CLIENT LIST TYPE: all are of type normal. */
static int client_list_type(struct resp_do *d, struct bytes type)
{
    static const char *const others[] = {"master", "replica", "slave", "pubsub"};
    if (resp_is(type, "normal"))
        return client_lines(d, 0, CLIENT_LIST_MAX);
    for (size_t i = 0; i < LENGTH_OF(others); i++)
        if (resp_is(type, others[i]))
            return resp_put_verbatim(d->out, BYTES_NONE, d->conn->resp->version);
    return resp_fail(d, "ERR Unknown client type '%.*s'", (int)(type.size < 64 ? type.size : 64),
                     (const char *)type.data);
}

/* CLIENT LIST ID id...: those of them that there are. */
static int client_list_ids(struct resp_do *d)
{
    struct buf text;
    buf_init(&text);
    int err = 0;
    while (d->args.left > 0 && err == 0) {
        int64_t id;
        if (!num_read_int(resp_next(&d->args), &id)) {
            buf_deinit(&text);
            return resp_fail(d, "ERR Invalid client ID");
        }
        if (id > 0)
            err = client_gather(d->conn, (uint64_t)id - 1, 1, (uint64_t)id, &text);
    }
    if (err == 0)
        err = resp_put_verbatim(d->out, buf_bytes(&text), d->conn->resp->version);
    buf_deinit(&text);
    return err;
}

static int client_list(struct resp_do *d)
{
    if (d->args.left == 0)
        return client_lines(d, 0, CLIENT_LIST_MAX);
    struct bytes word = resp_next(&d->args);
    if (resp_is(word, "type") && d->args.left == 1)
        return client_list_type(d, resp_next(&d->args));
    if (resp_is(word, "id") && d->args.left > 0)
        return client_list_ids(d);
    return resp_fail(d, "ERR syntax error");
}

/* Close the connection with this id. 0 or ERR_OUT_OF_MEMORY. */
static int client_kill_id(struct conn *conn, uint64_t id, bool *out_found)
{
    const struct op_host *host = conn->loop->env.host;
    int err = host->kill(host->self, id, out_found);
    if (err == 0 && *out_found && id == conn->session.id)
        conn->session.leaving = true; /* it is answered first */
    return err;
}

/* The client with this address: its id, or 0. */
static int client_find(struct conn *conn, struct bytes address, uint64_t *out_id)
{
    enum { FIND_MAX = 1000000 };
    const struct op_host *host = conn->loop->env.host;
    struct session_view *views = NULL;
    size_t n = 0;
    int err = host->clients(host->self, 0, FIND_MAX, &views, &n);
    *out_id = 0;
    for (size_t i = 0; i < n && err == 0; i++)
        if (bytes_equal(bytes_of(views[i].address), address))
            *out_id = views[i].id;
    mem_free(views);
    return err;
}

/* CLIENT KILL address; CLIENT KILL ID id; CLIENT KILL ADDR address. */
static int client_kill(struct resp_do *d)
{
    bool old = d->args.left == 1, found = false;
    uint64_t id = 0;
    int64_t number;
    int err = 0;
    if (d->args.left > 2)
        return resp_fail(d, "ERR one filter at a time: CLIENT KILL ID id, or ADDR address");
    struct bytes word = old ? bytes_of("addr") : resp_next(&d->args);
    struct bytes what = resp_next(&d->args);
    if (resp_is(word, "addr"))
        err = client_find(d->conn, what, &id);
    else if (!resp_is(word, "id"))
        return resp_fail(d, "ERR syntax error");
    else if (!num_read_int(what, &number) || number < 1)
        return resp_fail(d, "ERR client-id should be greater than 0");
    else
        id = (uint64_t)number;
    if (err == 0 && id != 0)
        err = client_kill_id(d->conn, id, &found);
    if (err != 0)
        return err;
    if (old)
        return found ? resp_put_simple(d->out, "OK") : resp_fail(d, "ERR No such client");
    return resp_put_int(d->out, found);
}

/* ON or OFF, without effect: no client is ever evicted, and reads always count as use. */
static int client_no(struct resp_do *d)
{
    struct bytes word = resp_next(&d->args);
    if (!resp_is(word, "on") && !resp_is(word, "off"))
        return resp_fail(d, "ERR syntax error");
    return resp_put_simple(d->out, "OK");
}

static int client_help(struct resp_do *d)
{
    static const char *const lines[] = {
        "CLIENT <subcommand> [<arg> ...]. Subcommands are:",
        "ID, GETNAME, SETNAME <name>, SETINFO <LIB-NAME|LIB-VER> <text>",
        "    Who this connection is.",
        "INFO, LIST [TYPE normal|ID <id>]",
        "    This connection; all connections.",
        "KILL <ip:port>|ID <id>|ADDR <ip:port>",
        "    Close a connection.",
        "NO-EVICT <ON|OFF>, NO-TOUCH <ON|OFF>",
        "    Accepted, without effect.",
    };
    int err = resp_put_array(d->out, LENGTH_OF(lines));
    for (size_t i = 0; i < LENGTH_OF(lines) && err == 0; i++)
        err = resp_put_simple(d->out, lines[i]);
    return err;
}

int resp_do_CLIENT(struct resp_do *d)
{
    static const struct resp_subcommand subcommands[] = {
        {"id", 0, 0, client_id},           {"getname", 0, 0, client_getname},
        {"setname", 1, 1, client_setname}, {"setinfo", 2, 2, client_setinfo},
        {"info", 0, 0, client_info},       {"list", 0, UINT32_MAX, client_list},
        {"kill", 1, 16, client_kill},      {"no-evict", 1, 1, client_no},
        {"no-touch", 1, 1, client_no},     {"help", 0, 0, client_help},
    };
    return resp_subcommand(d, subcommands, LENGTH_OF(subcommands));
}
