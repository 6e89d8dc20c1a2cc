/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The HTTP endpoint: pages for Prometheus, for load balancers and for people.
 *
 *   main thread: bind, http_start ... http_stop
 *   thread of libmicrohttpd: accept, parse, http_on_request -> page -> response
 *
 * Bounds: a request (its line and headers) fits into CONNECTION_BYTES, a body is refused, the
 * answer is a page of some ten KiB. A connection on which nothing moves for IDLE_S is closed. With
 * CONNECTIONS open, a new one takes the place of the oldest: clients that hold connections, by
 * saying nothing or byte by byte, cannot keep others out.
 * Invariants: pages tell counts, sizes and times; nothing that a client has sent. They take no lock
 * of the store, so that no loop ever waits for a scrape.
 * Threads: http_start and http_stop by the main thread; all else on the thread of libmicrohttpd.
 * Failures: without memory for a page its connection is closed.
 */
#include "server/http.h"

#include "build_version.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"
#include "server/metrics_text.h"
#include "server/server.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <unistd.h>

enum {
    CONNECTIONS = 32,
    CONNECTIONS_HARD = 64, /* libmicrohttpd's own limit: those on their way out count as well */
    CONNECTION_BYTES = 16 * 1024,
    IDLE_S = 10,
    STUCK_S = 5, /* a loop that has not come round for so long hangs */
    LOOPS_MAX = 256,
};

/* An open connection, in the order of arrival. */
struct http_conn {
    struct http_conn *next, **link; /* link NULL: made to leave, no longer in the list */
    int fd;
};

struct http {
    const struct server *server;
    struct MHD_Daemon *daemon;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* to remove at the end; or empty */
    struct http_conn *oldest, **newest_link;
    unsigned n_conns;
};

/* ---- pages: append the text, return the status; 0 without memory ---- */

static unsigned http_text(struct buf *out, unsigned status, const char *text)
{
    return buf_append(out, text, strlen(text)) == 0 ? status : 0;
}

static unsigned http_metrics(const struct server *server, struct buf *out)
{
    struct stats stats;
    struct store_figures figures;
    uint64_t ages_ns[LOOPS_MAX];
    struct metrics_source source = {.version = CAIRN_VERSION,
                                    .stats = &stats,
                                    .kinds = figures.kinds,
                                    .started_ms = server->started_ms,
                                    .loop_ages_ns = ages_ns,
                                    .n_loops = server->n_loops};
    for (unsigned i = 0; i < server->n_loops && i < LOOPS_MAX; i++)
        ages_ns[i] = loop_age_ns(server->loops[i]);
    process_figures(&source.process);
    server_collect_stats(server, &stats);
    store_figures(server->store, &figures);
    int err = metrics_text(&source, out);
    stats_deinit(&stats);
    return err == 0 ? MHD_HTTP_OK : 0;
}

static unsigned http_health(const struct server *server, struct buf *out)
{
    char text[128];
    for (unsigned i = 0; i < server->n_loops; i++) {
        uint64_t age_s = loop_age_ns(server->loops[i]) / 1000000000;
        if (age_s < STUCK_S)
            continue;
        (void)snprintf(text, sizeof text, "event loop %u has not come round for %llu s\n", i,
                       (unsigned long long)age_s);
        return http_text(out, MHD_HTTP_SERVICE_UNAVAILABLE, text);
    }
    return http_text(out, MHD_HTTP_OK, "ok\n");
}

static unsigned http_ready(const struct server *server, struct buf *out)
{
    enum server_phase phase = server->phase;
    switch (phase) {
    case SERVER_STARTING:
        return http_text(out, MHD_HTTP_SERVICE_UNAVAILABLE, "starting\n");
    case SERVER_READY:
        break;
    case SERVER_STOPPING:
        return http_text(out, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping\n");
    }
    return http_text(out, MHD_HTTP_OK, "ready\n");
}

static unsigned http_index(const struct server *server, struct buf *out);

static const char http_plain[] = "text/plain; charset=utf-8";

static const struct http_page {
    const char *path, *type;
    unsigned (*fill)(const struct server *server, struct buf *out);
    const char *text;
} http_pages[] = {
    {"/", http_plain, http_index, "this list"},
    {"/metrics", METRICS_TEXT_TYPE, http_metrics, "counters and gauges for Prometheus"},
    {"/health", http_plain, http_health, "200 while all event loops come round, else 503"},
    {"/ready", http_plain, http_ready, "200 while clients are served; 503 when starting, stopping"},
};

static unsigned http_index(const struct server *server, struct buf *out)
{
    char line[128];
    unsigned status = http_text(out, MHD_HTTP_OK, "cairnd " CAIRN_VERSION "\n\n");
    (void)server;
    for (size_t i = 0; i < LENGTH_OF(http_pages) && status != 0; i++) {
        (void)snprintf(line, sizeof line, "%-10s %s\n", http_pages[i].path, http_pages[i].text);
        status = http_text(out, status, line);
    }
    return status;
}

/* ---- requests ---- */

static enum MHD_Result http_send(struct MHD_Connection *connection, unsigned status,
                                 const char *type, struct buf *body)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(body->size, body->data, mem_free);
    if (response == NULL) {
        buf_deinit(body);
        return MHD_NO;
    }
    enum MHD_Result result = MHD_add_response_header(response, "Content-Type", type);
    if (result == MHD_YES)
        result = MHD_add_response_header(response, "Cache-Control", "no-store");
    if (result == MHD_YES && status == MHD_HTTP_METHOD_NOT_ALLOWED)
        result = MHD_add_response_header(response, "Allow", "GET, HEAD");
    if (result == MHD_YES)
        result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response); /* the connection has its own reference */
    return result;
}

static bool http_reads(const char *method)
{
    return strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

static unsigned http_fill(const struct server *server, const char *method, const char *path,
                          struct buf *out, const char **out_type)
{
    *out_type = http_plain;
    if (!http_reads(method))
        return http_text(out, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    for (size_t i = 0; i < LENGTH_OF(http_pages); i++) {
        if (strcmp(path, http_pages[i].path) == 0) {
            *out_type = http_pages[i].type;
            return http_pages[i].fill(server, out);
        }
    }
    return http_text(out, MHD_HTTP_NOT_FOUND, "no such page; / lists them all\n");
}

/* A request that is answered when it has been read to its end, so that the connection may be used
 * again. What has a body, or is not a request for a page at all, is answered before that: then
 * libmicrohttpd reads no further and closes. */
static bool http_is_simple(struct MHD_Connection *connection, const char *method)
{
    static const char *const headers[] = {MHD_HTTP_HEADER_CONTENT_LENGTH,
                                          MHD_HTTP_HEADER_TRANSFER_ENCODING};
    for (size_t i = 0; i < LENGTH_OF(headers); i++)
        if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND, headers[i]) != NULL)
            return false;
    return http_reads(method);
}

/* Called when line and headers have been read, and again at the end of the request. HEAD is
 * answered as GET; libmicrohttpd leaves out the body. */
static enum MHD_Result http_on_request(void *context, struct MHD_Connection *connection,
                                       const char *path, const char *method, const char *version,
                                       const char *body, size_t *body_size, void **request)
{
    struct http *http = context;
    struct buf out;
    const char *type;
    (void)version;
    (void)body;
    (void)body_size;
    if (*request == NULL && http_is_simple(connection, method)) {
        *request = http; /* seen */
        return MHD_YES;
    }
    buf_init(&out);
    unsigned status = http_fill(http->server, method, path, &out, &type);
    if (status != 0)
        return http_send(connection, status, type, &out);
    buf_deinit(&out);
    return MHD_NO;
}

/* ---- connections ---- */

static void http_unlink_conn(struct http *http, struct http_conn *conn)
{
    *conn->link = conn->next;
    if (conn->next != NULL)
        conn->next->link = conn->link;
    else
        http->newest_link = conn->link;
    conn->link = NULL;
    http->n_conns--;
}

static void http_link_conn(struct http *http, struct http_conn *conn)
{
    conn->next = NULL;
    conn->link = http->newest_link;
    *conn->link = conn;
    http->newest_link = &conn->next;
    http->n_conns++;
}

/* The oldest connection makes room: libmicrohttpd sees its end, and closes it. */
static void http_drop_oldest(struct http *http)
{
    struct http_conn *oldest = http->oldest;
    (void)shutdown(oldest->fd, SHUT_RDWR);
    http_unlink_conn(http, oldest);
}

static void http_on_conn(void *context, struct MHD_Connection *connection, void **slot,
                         enum MHD_ConnectionNotificationCode what)
{
    struct http *http = context;
    struct http_conn *conn = *slot;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (conn != NULL && conn->link != NULL)
            http_unlink_conn(http, conn);
        mem_free(conn);
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    conn = info == NULL ? NULL : mem_alloc(sizeof *conn);
    if (conn == NULL)
        return; /* not known to us, but closed when idle */
    conn->fd = info->connect_fd;
    if (http->n_conns == CONNECTIONS)
        http_drop_oldest(http);
    http_link_conn(http, conn);
    *slot = conn;
}

/* ---- start and end ---- */

int http_start(const struct server *server, int fd, const char *path, struct http **out_http)
{
    struct http *http = mem_calloc(1, sizeof *http);
    if (http == NULL) {
        close(fd);
        return ERR_OUT_OF_MEMORY;
    }
    http->server = server;
    http->newest_link = &http->oldest;
    (void)snprintf(http->path, sizeof http->path, "%s", path);
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, http_on_request, http,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_HARD,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_NOTIFY_CONNECTION, http_on_conn, http,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (http->daemon == NULL) {
        close(fd);
        mem_free(http);
        return ERR_INTERNAL;
    }
    *out_http = http;
    return 0;
}

void http_stop(struct http *http)
{
    MHD_stop_daemon(http->daemon);
    REQUIRE(http->n_conns == 0);
    if (http->path[0] != '\0')
        (void)unlink(http->path);
    mem_free(http);
}
