/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads a server's counters and subtracts them.
 *
 * How: operations by name, as the server calls them. What asking causes (a greeting, INFO) is taken
 * off, so that a server that nobody else uses has counted what loadgen sent.
 *
 * Invariants: the answer is data from outside; what does not fit or parse is left out.
 * Threads: the main thread, while no worker runs. Failures: none; state.known stays false.
 */
#include "client/loadgen/server_stats.h"

#include "common/num.h"
#include "proto/mp.h"

#include <stdio.h>

/* Operations by which loadgen asks and greets: no part of a test. */
static bool server_is_own(const char *name)
{
    static const char *const own[] = {"info",        "hello",        "auth",        "select",
                                      "server.info", "server.stats", "server.auth", "run.use"};
    for (size_t i = 0; i < LENGTH_OF(own); i++)
        if (strcmp(own[i], name) == 0)
            return true;
    return false;
}

static bool server_is_ping(const char *name)
{
    return strcmp(name, "ping") == 0 || strcmp(name, "server.ping") == 0;
}

static struct server_op *server_op_of(struct server_op *ops, unsigned *n, struct bytes name)
{
    for (unsigned i = 0; i < *n; i++)
        if (bytes_equal(bytes_of(ops[i].name), name))
            return &ops[i];
    if (*n == SERVER_OPS || name.size >= SERVER_NAME_SIZE)
        return NULL;
    struct server_op *op = &ops[(*n)++];
    memset(op, 0, sizeof *op);
    for (size_t i = 0; i < name.size; i++)
        op->name[i] = name.data[i] >= ' ' && name.data[i] <= '~' ? (char)name.data[i] : '?';
    return op;
}

/* A counter of either protocol; other names belong to nobody. */
static void server_counter(struct server_state *out, struct bytes name, double value)
{
    const struct {
        const char *name;
        uint64_t *field;
    } fields[] = {
        {"requests", &out->requests},
        {"total_commands_processed", &out->requests},
        {"memory_used_bytes", &out->memory_used},
        {"used_memory", &out->memory_used},
        {"memory_rss_bytes", &out->memory_resident},
        {"used_memory_rss", &out->memory_resident},
        {"evicted", &out->evicted},
        {"evicted_keys", &out->evicted},
        {"expired", &out->expired},
        {"expired_keys", &out->expired},
        {"wal_writes", &out->log_writes},
        {"cairn_wal_writes", &out->log_writes},
        {"wal_syncs", &out->log_syncs},
        {"cairn_wal_syncs", &out->log_syncs},
    };
    for (size_t i = 0; i < LENGTH_OF(fields); i++)
        if (bytes_equal(name, bytes_of(fields[i].name)) && value >= 0 && value < 1e18)
            *fields[i].field = (uint64_t)value;
}

/* ---- MessagePack ---- */

static double server_number(const struct mp *value)
{
    return value->kind == MP_UINT ? (double)value->uint : value->kind == MP_FLOAT ? value->real : 0;
}

/* Read the header of a map: how many pairs follow. */
static uint32_t server_map(struct mp_reader *reader)
{
    struct mp head;
    return mp_read(reader, &head) == 0 && head.kind == MP_MAP ? head.count : 0;
}

/* The next pair of a map; `out_value` stands at the value. */
static bool server_pair(struct mp_reader *reader, struct bytes *out_key,
                        struct mp_reader *out_value)
{
    bool text;
    if (mp_read_bytes(reader, out_key, &text) != 0)
        return false;
    *out_value = *reader;
    return mp_skip(reader, MP_DEPTH_MAX) == 0;
}

static void server_read_op(struct mp_reader *reader, struct server_op *op)
{
    uint32_t pairs = server_map(reader);
    double mean_us = 0;
    struct bytes key;
    struct mp_reader at;
    struct mp value;
    for (uint32_t i = 0; i < pairs && server_pair(reader, &key, &at); i++) {
        double number = mp_read(&at, &value) == 0 ? server_number(&value) : 0;
        if (bytes_equal(key, bytes_of("count")))
            op->calls = (uint64_t)number;
        else if (bytes_equal(key, bytes_of("errors")))
            op->failed = (uint64_t)number;
        else if (bytes_equal(key, bytes_of("mean_us")))
            mean_us = number;
        else if (bytes_equal(key, bytes_of("p50_us")))
            op->p50_us = number;
        else if (bytes_equal(key, bytes_of("p99_us")))
            op->p99_us = number;
    }
    op->spent_us = mean_us * (double)op->calls;
}

static void server_read_ops(struct mp_reader *reader, struct server_state *out)
{
    uint32_t pairs = server_map(reader);
    struct bytes key;
    struct mp_reader at;
    for (uint32_t i = 0; i < pairs && server_pair(reader, &key, &at); i++) {
        struct server_op read = {.calls = 0}, *op;
        server_read_op(&at, &read);
        if (read.calls == 0 || (op = server_op_of(out->ops, &out->n_ops, key)) == NULL)
            continue;
        memcpy(read.name, op->name, sizeof read.name);
        *op = read;
    }
}

static void server_read_counters(struct mp_reader *reader, struct server_state *out)
{
    uint32_t pairs = server_map(reader);
    struct bytes key;
    struct mp_reader at;
    struct mp value;
    for (uint32_t i = 0; i < pairs && server_pair(reader, &key, &at); i++)
        if (mp_read(&at, &value) == 0)
            server_counter(out, key, server_number(&value));
}

void server_stats_from_stats(struct bytes stats, struct server_state *out)
{
    struct mp_reader reader = mp_reader_of(stats), at;
    uint32_t pairs = server_map(&reader);
    struct bytes key;
    for (uint32_t i = 0; i < pairs && server_pair(&reader, &key, &at); i++) {
        if (bytes_equal(key, bytes_of("operations")))
            server_read_ops(&at, out);
        else if (bytes_equal(key, bytes_of("counters")))
            server_read_counters(&at, out);
        out->known = true;
    }
}

void server_stats_from_info(struct bytes info, struct server_state *out)
{
    struct probe probe;
    probe_from_info(info, &probe);
    memcpy(out->durability, probe.durability, sizeof out->durability);
}

/* ---- INFO ---- */

/* The number behind "name=" in "calls=12,usec=34"; 0 if there is none. */
static double server_part(struct bytes line, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i + size < line.size; i++) {
        if ((i > 0 && line.data[i - 1] != ',') || memcmp(line.data + i, name, size) != 0 ||
            line.data[i + size] != '=')
            continue;
        struct bytes digits = {line.data + i + size + 1, 0};
        while (digits.data + digits.size < line.data + line.size && digits.data[digits.size] != ',')
            digits.size++;
        long double value;
        return num_read_real(digits, &value) && value >= 0 && value < 1e18L ? (double)value : 0;
    }
    return 0;
}

static bool server_strip(struct bytes *name, const char *prefix)
{
    size_t size = strlen(prefix);
    if (name->size <= size || memcmp(name->data, prefix, size) != 0)
        return false;
    *name = (struct bytes){name->data + size, name->size - size};
    return true;
}

/* A line "name:value". */
static void server_line(struct server_state *out, struct bytes name, struct bytes value)
{
    struct server_op *op;
    long double number;
    if (server_strip(&name, "cmdstat_")) {
        op = server_op_of(out->ops, &out->n_ops, name);
        if (op == NULL)
            return;
        op->calls = (uint64_t)server_part(value, "calls");
        op->failed = (uint64_t)server_part(value, "failed_calls");
        op->spent_us = server_part(value, "usec");
    } else if (server_strip(&name, "latency_percentiles_usec_")) {
        op = server_op_of(out->ops, &out->n_ops, name);
        if (op == NULL)
            return;
        op->p50_us = server_part(value, "p50");
        op->p99_us = server_part(value, "p99");
    } else if (num_read_real(value, &number))
        server_counter(out, name, (double)number);
}

void server_stats_from_resp(const char *info, struct server_state *out)
{
    struct probe probe;
    probe_from_resp(info, &probe);
    memcpy(out->durability, probe.durability, sizeof out->durability);
    for (const char *at = info; *at != 0;) {
        size_t size = strcspn(at, "\r\n");
        const char *colon = memchr(at, ':', size);
        if (colon != NULL) {
            size_t name = (size_t)(colon - at);
            server_line(out, (struct bytes){(const uint8_t *)at, name},
                        (struct bytes){(const uint8_t *)colon + 1, size - name - 1});
            out->known = true;
        }
        at += size + strspn(at + size, "\r\n");
    }
}

/* ---- asking ---- */

static void server_take(void *into, const char *question, struct bytes content)
{
    if (strcmp(question, "server.info") == 0)
        server_stats_from_info(content, into);
    else if (strcmp(question, "server.stats") == 0)
        server_stats_from_stats(content, into);
    else
        server_stats_from_resp((const char *)content.data, into);
}

static const char *const *server_questions(const struct target *target)
{
    static const char *const rpc[] = {"server.info", "server.stats", NULL};
    static const char *const resp[] = {"all", NULL};
    return probe_is_resp(target) ? resp : rpc;
}

void server_stats_read(const struct target *target, struct server_state *out)
{
    memset(out, 0, sizeof *out);
    if (!probe_ask(target, server_questions(target), server_take, out))
        out->known = false;
}

/* ---- differences ---- */

static uint64_t server_minus(uint64_t after, uint64_t before)
{
    return after > before ? after - before : 0;
}

static struct server_op server_op_before(const struct server_state *before, const char *name)
{
    for (unsigned i = 0; i < before->n_ops; i++)
        if (strcmp(before->ops[i].name, name) == 0)
            return before->ops[i];
    return (struct server_op){.calls = 0};
}

/* Each connection on which the server was asked began with a ping. */
static uint64_t server_greetings(const struct server_state *before,
                                 const struct server_state *after)
{
    uint64_t asked = 1; /* some do not count INFO */
    for (unsigned i = 0; i < after->n_ops; i++) {
        const struct server_op *op = &after->ops[i];
        uint64_t calls = server_minus(op->calls, server_op_before(before, op->name).calls);
        bool asks = strcmp(op->name, "info") == 0 || strcmp(op->name, "server.info") == 0;
        calls = server_minus(calls, after->ungreeted);
        asked = asks && calls > asked ? calls : asked;
    }
    return asked;
}

static void server_change_op(const struct server_state *before, const struct server_op *after,
                             uint64_t greetings, struct server_change *out)
{
    struct server_op was = server_op_before(before, after->name), change = *after;
    change.calls = server_minus(after->calls, was.calls);
    uint64_t own = server_is_own(after->name) ? change.calls : 0;
    if (server_is_ping(after->name))
        own = greetings < change.calls ? greetings : change.calls;
    change.calls -= own;
    out->requests = server_minus(out->requests, own);
    change.failed = server_minus(after->failed, was.failed);
    change.spent_us = after->spent_us > was.spent_us ? after->spent_us - was.spent_us : 0;
    if (change.calls == 0)
        return;
    out->exact[out->n_ops] = was.calls == 0;
    out->ops[out->n_ops++] = change;
}

void server_stats_change(const struct server_state *before, const struct server_state *after,
                         struct server_change *out)
{
    memset(out, 0, sizeof *out);
    memcpy(out->durability, after->durability, sizeof out->durability);
    out->known = before->known && after->known;
    if (!out->known)
        return;
    out->requests = server_minus(after->requests, before->requests);
    out->used_before = before->memory_used;
    out->used_after = after->memory_used;
    out->resident_before = before->memory_resident;
    out->resident_after = after->memory_resident;
    out->evicted = server_minus(after->evicted, before->evicted);
    out->expired = server_minus(after->expired, before->expired);
    out->log_writes = server_minus(after->log_writes, before->log_writes);
    out->log_syncs = server_minus(after->log_syncs, before->log_syncs);
    uint64_t greetings = server_greetings(before, after);
    for (unsigned i = 0; i < after->n_ops; i++)
        server_change_op(before, &after->ops[i], greetings, out);
}

void server_stats_add(struct server_change *into, const struct server_change *from)
{
    if (!into->known || !from->known) {
        into->known = false;
        return;
    }
    into->requests += from->requests;
    into->used_after = from->used_after;
    into->resident_after = from->resident_after;
    into->evicted += from->evicted;
    into->expired += from->expired;
    into->log_writes += from->log_writes;
    into->log_syncs += from->log_syncs;
    for (unsigned i = 0; i < from->n_ops; i++) {
        struct server_op *op = server_op_of(into->ops, &into->n_ops, bytes_of(from->ops[i].name));
        if (op == NULL)
            continue;
        op->calls += from->ops[i].calls;
        op->failed += from->ops[i].failed;
        op->spent_us += from->ops[i].spent_us;
        op->p50_us = from->ops[i].p50_us;
        op->p99_us = from->ops[i].p99_us;
    }
}

double server_stats_mean_us(const struct server_change *change)
{
    double spent = 0, calls = 0;
    for (unsigned i = 0; i < change->n_ops; i++) {
        spent += change->ops[i].spent_us;
        calls += (double)change->ops[i].calls;
    }
    return calls > 0 ? spent / calls : 0;
}

const struct server_op *server_stats_main(const struct server_change *change)
{
    const struct server_op *most = NULL;
    for (unsigned i = 0; i < change->n_ops; i++)
        if (most == NULL || change->ops[i].calls > most->calls)
            most = &change->ops[i];
    return most;
}
