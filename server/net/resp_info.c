/* SPDX-License-Identifier: BSD-3-Clause
 *
 * INFO, with the fields that tools for Redis read, and SLOWLOG.
 *
 *   # Server
 *   redis_version:7.2.4
 *   ...
 *
 * A section is a row of a table; its function writes lines. Fields of Redis that have no meaning
 * here are left out, except where tools insist on them (loading, aof_enabled, role).
 *
 * Threads: the loop of the connection; figures of all loops are read as server.stats reads them.
 * Failures: memory.
 */
#include "common/err.h"
#include "common/mem.h"
#include "server/net/resp.h"
#include "server/store/scan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* An INFO being written. */
struct info {
    struct conn *conn;
    struct stats *stats; /* of all loops */
    struct buf text;
    int err; /* the first; nothing is written after it */
};

static void info_add(struct info *info, const char *format, ...) PRINTF_LIKE(2, 3);
static void info_add(struct info *info, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (info->err == 0)
        info->err = buf_append(&info->text, line, (size_t)n);
    if (info->err == 0)
        info->err = buf_append(&info->text, "\r\n", 2);
}

static void info_counter(struct info *info, const char *name, enum stats_metric metric)
{
    info_add(info, "%s:%" PRIu64, name, info->stats->counter[metric]);
}

/* ---- sections ---- */

/* The port this client has connected to; 0: a Unix socket. */
static unsigned info_port(int fd)
{
    union {
        struct sockaddr sa;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    } address = {.sa.sa_family = AF_UNSPEC};
    socklen_t size = sizeof address;
    (void)getsockname(fd, &address.sa, &size);
    return address.sa.sa_family == AF_INET    ? ntohs(address.in4.sin_port)
           : address.sa.sa_family == AF_INET6 ? ntohs(address.in6.sin6_port)
                                              : 0;
}

static void info_server(struct info *info)
{
    const struct loop *loop = info->conn->loop;
    uint64_t uptime = info->stats->counter[METRIC_uptime_seconds];
    info_add(info, "redis_version:%s", RESP_REDIS_VERSION);
    info_add(info, "redis_mode:standalone");
    info_add(info, "server_name:cairn");
    info_add(info, "cairn_version:%s", loop->env.host->server_version);
    info_add(info, "arch_bits:%zu", 8 * sizeof(void *));
    info_add(info, "process_id:%d", (int)getpid());
    info_add(info, "tcp_port:%u", info_port(info->conn->fd));
    info_add(info, "uptime_in_seconds:%" PRIu64, uptime);
    info_add(info, "uptime_in_days:%" PRIu64, uptime / 86400);
    info_add(info, "io_threads_active:%d", loop->n_loops > 1);
    info_add(info, "cairn_loops:%u", loop->n_loops);
}

static void info_clients(struct info *info)
{
    info_counter(info, "connected_clients", METRIC_connections);
    info_add(info, "maxclients:%" PRIu64, info->conn->loop->limits.connections);
    info_add(info, "blocked_clients:0");
    info_counter(info, "cairn_clients_memory_bytes", METRIC_memory_clients_bytes);
}

static void info_memory(struct info *info)
{
    const uint64_t *counter = info->stats->counter;
    uint64_t used = counter[METRIC_memory_used_bytes], rss = counter[METRIC_memory_rss_bytes];
    bool evict = atomic_load(&info->conn->loop->env.store->evict);
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    info_counter(info, "used_memory", METRIC_memory_used_bytes);
    info_add(info, "used_memory_peak:%ld",
             usage.ru_maxrss * 1024L); /* resident: no other is kept */
    info_counter(info, "used_memory_dataset", METRIC_memory_used_bytes);
    info_counter(info, "used_memory_rss", METRIC_memory_rss_bytes);
    info_counter(info, "maxmemory", METRIC_memory_limit_bytes);
    info_add(info, "maxmemory_policy:%s", evict ? "allkeys-lru" : "noeviction");
    info_add(info, "mem_fragmentation_ratio:%.2f", used == 0 ? 0.0 : (double)rss / (double)used);
    info_counter(info, "mem_clients_normal", METRIC_memory_clients_bytes);
}

static void info_persistence(struct info *info)
{
    const struct store *store = info->conn->loop->env.store;
    info_add(info, "loading:0");
    info_add(info, "async_loading:0");
    info_counter(info, "rdb_bgsave_in_progress", METRIC_snapshot_running);
    info_counter(info, "rdb_last_save_time", METRIC_snapshot_last_time_seconds);
    info_add(info, "rdb_last_bgsave_status:%s",
             info->stats->counter[METRIC_snapshot_last_failed] ? "err" : "ok");
    info_add(info, "aof_enabled:%d", store->wal != NULL);
    info_add(info, "cairn_durability:%s", durability_name(store->durability));
    info_counter(info, "cairn_wal_entries", METRIC_wal_entries);
    info_counter(info, "cairn_wal_writes", METRIC_wal_writes);
    info_counter(info, "cairn_wal_syncs", METRIC_wal_syncs);
}

static void info_stats(struct info *info)
{
    info_counter(info, "total_connections_received", METRIC_connections_received);
    info_counter(info, "total_commands_processed", METRIC_requests);
    info_counter(info, "total_net_input_bytes", METRIC_received_bytes);
    info_counter(info, "total_net_output_bytes", METRIC_sent_bytes);
    info_counter(info, "rejected_connections", METRIC_connections_rejected);
    info_counter(info, "expired_keys", METRIC_expired);
    info_counter(info, "evicted_keys", METRIC_evicted);
    info_counter(info, "keyspace_hits", METRIC_keyspace_hits);
    info_counter(info, "keyspace_misses", METRIC_keyspace_misses);
    info_counter(info, "total_error_replies", METRIC_errors);
    info_counter(info, "cairn_slow_requests", METRIC_slow_requests);
}

static void info_replication(struct info *info)
{
    info_add(info, "role:master");
    info_add(info, "connected_slaves:0");
}

static void info_cpu(struct info *info)
{
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    info_add(info, "used_cpu_sys:%ld.%06ld", (long)usage.ru_stime.tv_sec,
             (long)usage.ru_stime.tv_usec);
    info_add(info, "used_cpu_user:%ld.%06ld", (long)usage.ru_utime.tv_sec,
             (long)usage.ru_utime.tv_usec);
}

/* By the names of operations: several commands may be spellings of one. */
static void info_commandstats(struct info *info)
{
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct op_stats *op = &info->stats->op[i];
        if (op->count == 0)
            continue;
        double mean = op->latency == NULL ? 0 : hist_mean(op->latency) / 1000;
        info_add(info,
                 "cmdstat_%s:calls=%" PRIu64 ",usec=%.0f,usec_per_call=%.2f,rejected_calls=0,"
                 "failed_calls=%" PRIu64,
                 op_table[i].name, op->count, mean * (double)op->count, mean, op->errors);
    }
}

static void info_latencystats(struct info *info)
{
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct hist *hist = info->stats->op[i].latency;
        if (hist != NULL && hist->count > 0)
            info_add(info, "latency_percentiles_usec_%s:p50=%.3f,p99=%.3f,p99.9=%.3f",
                     op_table[i].name, (double)hist_quantile(hist, 0.5) / 1000,
                     (double)hist_quantile(hist, 0.99) / 1000,
                     (double)hist_quantile(hist, 0.999) / 1000);
    }
}

/* Keys as DBSIZE counts them: records of kind kv in the run default. How many of them expire is
 * known of all runs together only. */
static void info_keyspace(struct info *info)
{
    const struct op_env *env = &info->conn->loop->env;
    struct store_figures figures;
    struct scan scan;
    uint64_t keys = 0;
    int err = scan_init(&scan, env->store->default_run, KIND_kv, BYTES_NONE, BYTES_NONE, BYTES_NONE,
                        BYTES_NONE, false);
    if (err == 0)
        err = scan_count(env->store, env->store->default_run, &scan, env->now_ms, &keys);
    scan_deinit(&scan);
    if (info->err == 0 && err < 0)
        info->err = err;
    store_figures(env->store, &figures);
    uint64_t expiring = figures.kinds[KIND_kv].expiring;
    if (keys > 0)
        info_add(info, "db0:keys=%" PRIu64 ",expires=%" PRIu64 ",avg_ttl=0", keys,
                 expiring < keys ? expiring : keys);
}

static const struct info_section {
    const char *name, *title;
    bool by_default;
    void (*write)(struct info *info);
} info_sections[] = {
    {"server", "Server", true, info_server},
    {"clients", "Clients", true, info_clients},
    {"memory", "Memory", true, info_memory},
    {"persistence", "Persistence", true, info_persistence},
    {"stats", "Stats", true, info_stats},
    {"replication", "Replication", true, info_replication},
    {"cpu", "CPU", true, info_cpu},
    {"commandstats", "Commandstats", false, info_commandstats},
    {"latencystats", "Latencystats", false, info_latencystats},
    {"keyspace", "Keyspace", true, info_keyspace},
};

/* ---- INFO ---- */

/* Is the section asked for? Without arguments: those by default. */
static bool info_wanted(struct resp_reader args, const struct info_section *section)
{
    bool all = false;
    if (args.left == 0)
        return section->by_default;
    while (args.left > 0) {
        struct bytes word = resp_next(&args);
        all = all || resp_is(word, section->name) || resp_is(word, "all") ||
              resp_is(word, "everything") || (resp_is(word, "default") && section->by_default);
    }
    return all;
}

static void info_write(struct info *info, struct resp_reader args)
{
    for (size_t i = 0; i < LENGTH_OF(info_sections); i++) {
        if (!info_wanted(args, &info_sections[i]))
            continue;
        if (info->text.size > 0)
            info_add(info, "%s", "");
        info_add(info, "# %s", info_sections[i].title);
        info_sections[i].write(info);
    }
}

int resp_do_INFO(struct resp_do *d)
{
    const struct op_host *host = d->conn->loop->env.host;
    struct stats stats;
    struct info info = {.conn = d->conn, .stats = &stats};
    buf_init(&info.text);
    host->collect(host->self, &stats);
    info_write(&info, d->args);
    stats_deinit(&stats);
    if (info.err == 0)
        info.err = resp_put_verbatim(d->out, buf_bytes(&info.text), d->conn->resp->version);
    buf_deinit(&info.text);
    return info.err;
}

/* ---- SLOWLOG ---- */

/* As Redis tells one: [id, seconds, microseconds, [words], address, name]. The words are the
 * operation and its sizes: arguments are not kept (server/ops/slowlog.h). */
static int slowlog_put(struct resp_do *d, const struct slow_request *slow)
{
    struct buf *out = d->out;
    char words[2][64];
    (void)snprintf(words[0], sizeof words[0], "request_bytes=%" PRIu64, slow->request_bytes);
    (void)snprintf(words[1], sizeof words[1], "reply_bytes=%" PRIu64, slow->reply_bytes);
    int err = resp_put_array(out, 6);
    (void)(err == 0 && (err = resp_put_int(out, (int64_t)slow->id)) == 0 &&
           (err = resp_put_int(out, slow->at_ms / 1000)) == 0 &&
           (err = resp_put_int(out, (int64_t)(slow->ns / 1000))) == 0 &&
           (err = resp_put_array(out, 3)) == 0 &&
           (err = resp_put_text(out, op_table[slow->op].name)) == 0 &&
           (err = resp_put_text(out, words[0])) == 0 && (err = resp_put_text(out, words[1])) == 0 &&
           (err = resp_put_text(out, slow->address)) == 0 &&
           (err = resp_put_text(out, slow->client_name)) == 0);
    return err;
}

/* The newest; `reset`: and forget all of them. */
static int slowlog_tell(struct resp_do *d, size_t most, bool reset, bool only_count)
{
    struct slowlog *log = d->conn->loop->env.slowlog;
    size_t room = most < log->capacity ? most : log->capacity, held = 0;
    struct slow_request *requests = mem_calloc(room + 1, sizeof *requests);
    if (requests == NULL)
        return ERR_OUT_OF_MEMORY;
    size_t n = slowlog_read(log, UINT64_MAX, room, reset, requests, &held);
    int err = reset        ? resp_put_simple(d->out, "OK")
              : only_count ? resp_put_int(d->out, (int64_t)held)
                           : resp_put_array(d->out, n);
    for (size_t i = 0; i < n && err == 0 && !reset && !only_count; i++)
        err = slowlog_put(d, &requests[i]);
    mem_free(requests);
    return err;
}

static int slowlog_get(struct resp_do *d)
{
    int64_t most = 10;
    if (d->args.left > 1)
        return resp_fail(d, "ERR unknown subcommand or wrong number of arguments for 'GET'. Try "
                            "SLOWLOG HELP.");
    if ((d->args.left > 0 && !num_read_int(resp_next(&d->args), &most)) || most < -1)
        return resp_fail(d, "ERR count should be greater than or equal to -1");
    return slowlog_tell(d, most < 0 ? SIZE_MAX : (size_t)most, false, false);
}

static int slowlog_len(struct resp_do *d)
{
    return slowlog_tell(d, 0, false, true);
}

static int slowlog_clear(struct resp_do *d)
{
    return slowlog_tell(d, 0, true, false);
}

int resp_do_SLOWLOG(struct resp_do *d)
{
    static const struct resp_subcommand subcommands[] = {
        {"get", 0, UINT32_MAX, slowlog_get},
        {"len", 0, 0, slowlog_len},
        {"reset", 0, 0, slowlog_clear},
    };
    return resp_subcommand(d, subcommands, LENGTH_OF(subcommands));
}
