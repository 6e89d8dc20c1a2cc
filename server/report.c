/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the server tells about itself: server.info, server.stats, server.config_get and _set, and
 * the figures for everybody else who tells them (server_collect_stats).
 *
 * Figures of the loops are read while they count on; sums may be a little behind, never torn.
 *
 * Threads: called by handlers on any loop, and server_collect_stats by any thread: it takes no
 * lock. The configuration is read and changed under its lock.
 */
#include "build_version.h"
#include "common/clock.h"
#include "common/err.h"
#include "server/process.h"
#include "server/server.h"

#include <unistd.h>

struct report_metric {
    const char *name;
};

static const struct report_metric report_metrics[STATS_METRICS] = {
#define METRIC(name, type, unit, text) {#name},
#include "server/ops/metrics.def"
};

static void report_uint(struct reply *reply, const char *key, uint64_t value)
{
    reply_key(reply, key);
    reply_uint(reply, value);
}

static void report_text(struct reply *reply, const char *key, const char *value)
{
    reply_key(reply, key);
    reply_text(reply, value);
}

static uint64_t report_connections(const struct server *server)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < server->n_loops; i++)
        n += atomic_load_explicit(&server->loops[i]->n_conns, memory_order_relaxed);
    return n;
}

static uint64_t report_held_max_us(const struct server *server)
{
    uint64_t max = 0;
    for (unsigned i = 0; i < server->n_loops; i++) {
        uint64_t ns = loop_held_max_ns(server->loops[i]);
        max = ns > max ? ns : max;
    }
    return max / 1000;
}

static void report_stats_reset(void *self)
{
    struct server *server = self;
    for (unsigned i = 0; i < server->n_loops; i++)
        loop_held_reset(server->loops[i]);
}

static uint64_t report_watches(const struct server *server)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < server->n_loops; i++)
        n += atomic_load_explicit(&server->loops[i]->env.watches.count, memory_order_relaxed);
    return n;
}

static uint64_t report_uptime_s(const struct server *server)
{
    return (clock_mono_ns() - server->started_ns) / 1000000000;
}

static void report_server(struct server *server, struct reply *reply)
{
    reply_map(reply, 7);
    report_text(reply, "version", CAIRN_VERSION);
    report_uint(reply, "pid", (uint64_t)getpid());
    report_uint(reply, "uptime_seconds", report_uptime_s(server));
    report_uint(reply, "cpu_us", process_cpu_us());
    report_uint(reply, "loops", server->n_loops);
    report_uint(reply, "partitions", server->store->n_partitions);
    report_text(reply, "durability", durability_name(server->store->durability));
}

static void report_memory(struct server *server, const struct store_figures *figures,
                          struct reply *reply)
{
    reply_map(reply, 4);
    report_uint(reply, "used_bytes", figures->bytes);
    report_uint(reply, "limit_bytes", atomic_load(&server->store->memory_limit));
    report_uint(reply, "resident_bytes", process_resident_bytes());
    report_text(reply, "policy", atomic_load(&server->store->evict) ? "evict" : "refuse");
}

/* Records of each kind that is stored. */
static void report_kinds(const struct store_figures *figures, struct reply *reply)
{
    unsigned n = 0;
    for (unsigned kind = 0; kind <= KIND_MAX; kind++)
        n += record_kind_stored(kind);
    reply_key(reply, "kinds");
    reply_map(reply, n);
    for (unsigned kind = 0; kind <= KIND_MAX; kind++)
        if (record_kind_stored(kind))
            report_uint(reply, record_kind_name(kind), figures->kinds[kind].records);
}

static void report_info(void *self, enum op_info_section section, struct reply *reply)
{
    struct server *server = self;
    struct store_figures figures;
    store_figures(server->store, &figures);
    switch (section) {
    case INFO_SERVER:
        report_server(server, reply);
        break;
    case INFO_MEMORY:
        report_memory(server, &figures, reply);
        break;
    case INFO_CLIENTS:
        reply_map(reply, 3);
        report_uint(reply, "connections", report_connections(server));
        report_uint(reply, "received", server->group.received);
        report_uint(reply, "rejected", server->group.rejected);
        break;
    case INFO_KEYSPACE:
        reply_map(reply, 5);
        report_uint(reply, "records", figures.records);
        report_kinds(&figures, reply);
        report_uint(reply, "version", figures.version);
        report_uint(reply, "expired", figures.expired);
        report_uint(reply, "evicted", figures.evicted);
        break;
    case INFO_SECTIONS:
        reply_nil(reply);
        break;
    }
}

/* ---- statistics ---- */

static void report_op(struct reply *reply, const struct op_stats *op)
{
    static const struct {
        const char *key;
        double quantile;
    } rows[] = {{"p50_us", 0.5}, {"p99_us", 0.99}, {"p999_us", 0.999}};
    struct hist *hist = op->latency;
    reply_map(reply, 4 + LENGTH_OF(rows));
    report_uint(reply, "count", op->count);
    report_uint(reply, "errors", op->errors);
    reply_key(reply, "mean_us");
    reply_real(reply, hist == NULL ? 0 : hist_mean(hist) / 1000);
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        reply_key(reply, rows[i].key);
        reply_real(reply, hist == NULL ? 0 : (double)hist_quantile(hist, rows[i].quantile) / 1000);
    }
    reply_key(reply, "max_us");
    reply_real(reply, hist == NULL ? 0 : (double)hist->max / 1000);
}

static bool report_op_wanted(const struct stats *stats, struct bytes op, enum op_id id)
{
    return op.size == 0 ? stats->op[id].count > 0 : op_find(op) == &op_table[id];
}

static void report_ops(struct reply *reply, const struct stats *stats, struct bytes op)
{
    size_t n = 0;
    for (unsigned i = 0; i < OP_COUNT; i++)
        n += report_op_wanted(stats, op, i);
    reply_map(reply, n);
    for (unsigned i = 0; i < OP_COUNT; i++) {
        if (!report_op_wanted(stats, op, i))
            continue;
        reply_key(reply, op_table[i].name);
        report_op(reply, &stats->op[i]);
    }
}

static uint64_t report_client_bytes(const struct server *server)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < server->n_loops; i++)
        n += __atomic_load_n(&server->loops[i]->client_bytes, __ATOMIC_RELAXED);
    return n;
}

static uint64_t report_figure(const _Atomic uint64_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed);
}

static void report_vectors(const struct store *store, uint64_t *counter)
{
    const struct store_vectors *vectors = &store->vectors;
    counter[METRIC_collections] = report_figure(&vectors->collections);
    counter[METRIC_vectors] = report_figure(&vectors->vectors);
    counter[METRIC_vector_index_bytes] = report_figure(&vectors->bytes);
    counter[METRIC_vectors_linked] = report_figure(&vectors->linked);
    counter[METRIC_vector_searches] = report_figure(&vectors->searches);
    counter[METRIC_vector_distances] = report_figure(&vectors->distances);
    counter[METRIC_workers_waiting] = store->workers == NULL ? 0 : workers_waiting(store->workers);
}

void server_collect_stats(const struct server *server, struct stats *out_stats)
{
    struct store_figures figures;
    memset(out_stats, 0, sizeof *out_stats);
    for (unsigned i = 0; i < server->n_loops; i++)
        stats_merge(out_stats, &server->loops[i]->stats);
    store_figures(server->store, &figures);
    uint64_t *counter = out_stats->counter;
    counter[METRIC_uptime_seconds] = report_uptime_s(server);
    counter[METRIC_connections] = report_connections(server);
    counter[METRIC_connections_received] = server->group.received;
    counter[METRIC_connections_rejected] = server->group.rejected;
    counter[METRIC_loop_held_max_us] = report_held_max_us(server);
    counter[METRIC_watches] = report_watches(server);
    counter[METRIC_records] = figures.records;
    counter[METRIC_records_expiring] = figures.expiring;
    counter[METRIC_expired] = figures.expired;
    counter[METRIC_evicted] = figures.evicted;
    report_vectors(server->store, counter);
    counter[METRIC_memory_used_bytes] = figures.bytes;
    counter[METRIC_memory_limit_bytes] = atomic_load(&server->store->memory_limit);
    counter[METRIC_memory_clients_bytes] = report_client_bytes(server);
    counter[METRIC_memory_rss_bytes] = process_resident_bytes();
    report_storage_stats(server, counter);
}

static void report_collect(void *self, struct stats *out_stats)
{
    server_collect_stats(self, out_stats);
}

static void report_stats(void *self, struct bytes op, struct reply *reply)
{
    struct stats stats;
    server_collect_stats(self, &stats);
    reply_map(reply, 2);
    reply_key(reply, "operations");
    report_ops(reply, &stats, op);
    reply_key(reply, "counters");
    reply_map(reply, STATS_METRICS);
    for (unsigned i = 0; i < STATS_METRICS; i++)
        report_uint(reply, report_metrics[i].name, stats.counter[i]);
    stats_deinit(&stats);
}

/* ---- configuration ---- */

static void report_config_get(void *self, struct bytes prefix, struct reply *reply)
{
    struct server *server = self;
    char value[CONFIG_VALUE_SIZE];
    size_t n = 0;
    for (unsigned i = 0; i < OPTION_COUNT; i++)
        n += bytes_start_with(bytes_of(config_option(i).name), prefix);
    reply_map(reply, n);
    uv_mutex_lock(&server->config_lock);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        const char *name = config_option(i).name;
        if (!bytes_start_with(bytes_of(name), prefix))
            continue;
        config_format_value(server->config, i, value);
        report_text(reply, name, value);
    }
    uv_mutex_unlock(&server->config_lock);
}

/* The new value as text, as a file would have it. */
static bool report_value_text(struct bytes value, char *out_text, size_t size)
{
    struct mp_reader reader = mp_reader_of(value);
    struct mp mp;
    if (mp_read(&reader, &mp) != 0)
        return false;
    if (mp.kind == MP_UINT)
        snprintf(out_text, size, "%llu", (unsigned long long)mp.uint);
    else if (mp.kind == MP_SINT)
        snprintf(out_text, size, "%lld", (long long)mp.sint);
    else if (mp.kind == MP_BOOL)
        snprintf(out_text, size, "%s", mp.boolean ? "true" : "false");
    else if ((mp.kind == MP_STR || mp.kind == MP_BIN) && mp.bytes.size < size &&
             memchr(mp.bytes.data, 0, mp.bytes.size) == NULL)
        snprintf(out_text, size, "%.*s", (int)mp.bytes.size, (const char *)mp.bytes.data);
    else
        return false;
    return true;
}

static int report_config_set(void *self, struct bytes option, struct bytes value,
                             struct problem *problem)
{
    struct server *server = self;
    struct err_detail detail = {""};
    char name[256], text[CONFIG_VALUE_SIZE];
    if (option.size >= sizeof name || memchr(option.data, 0, option.size) != NULL ||
        !report_value_text(value, text, sizeof text))
        return problem_set(problem, ERR_BAD_ARGUMENT,
                           "an option is set to a str, a number or a bool");
    snprintf(name, sizeof name, "%.*s", (int)option.size, (const char *)option.data);
    uv_mutex_lock(&server->config_lock);
    int err = config_change(server->config, name, text, &detail);
    if (err == 0)
        server_apply_config(server);
    uv_mutex_unlock(&server->config_lock);
    return err == 0 ? 0 : problem_set(problem, err, "%s", detail.text);
}

static bool report_token_valid(void *self, struct bytes token)
{
    return auth_valid(((struct server *)self)->auth, token);
}

void server_init_host(struct server *server)
{
    server->host = (struct op_host){.self = server,
                                    .server_version = CAIRN_VERSION,
                                    .info = report_info,
                                    .stats = report_stats,
                                    .stats_reset = report_stats_reset,
                                    .collect = report_collect,
                                    .config_get = report_config_get,
                                    .config_set = report_config_set,
                                    .snapshot = report_snapshot,
                                    .snapshots = report_snapshots,
                                    .recovery = report_recovery,
                                    .token_valid = report_token_valid,
                                    .clients = report_clients,
                                    .kill = report_kill};
}
