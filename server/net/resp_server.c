/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Commands of RESP about the server: COMMAND, CONFIG, TIME, WAIT, WAITAOF, LASTSAVE,
 * BGSAVE; and those that are refused: SAVE, MONITOR.
 *
 * COMMAND is printed from the table (resp.def). CONFIG knows the options that tools for Redis ask
 * for by their names there, as a table of which option of ours each one is, and all of ours by
 * their own.
 *
 * Threads: the loop of the connection.
 */
#include "common/clock.h"
#include "common/err.h"
#include "common/glob.h"
#include "proto/pack.h"
#include "server/net/resp.h"

#include <stdio.h>

/* ---- COMMAND ---- */

static int command_flags(struct buf *out, unsigned flags, unsigned version)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {{RESP_WRITE, "write"},   {RESP_READONLY, "readonly"}, {RESP_DENYOOM, "denyoom"},
                 {RESP_FAST, "fast"},     {RESP_ADMIN, "admin"},       {RESP_NOAUTH, "no_auth"},
                 {RESP_ALONE, "no_multi"}};
    size_t n = 0;
    for (size_t i = 0; i < LENGTH_OF(names); i++)
        n += (flags & names[i].flag) != 0;
    int err = resp_put_set(out, n, version);
    for (size_t i = 0; i < LENGTH_OF(names) && err == 0; i++)
        if (flags & names[i].flag)
            err = resp_put_simple(out, names[i].name);
    return err;
}

/* [name, arity, flags, first key, last key, step, categories, tips, key specifications,
 * subcommands] */
static int command_info(struct resp_do *d, const struct resp_command *command)
{
    static const int keys[][3] = {[RESP_KEYS_NONE] = {0, 0, 0},
                                  [RESP_KEYS_FIRST] = {1, 1, 1},
                                  [RESP_KEYS_ALL] = {1, -1, 1},
                                  [RESP_KEYS_PAIRS] = {1, -1, 2}};
    unsigned version = d->conn->resp->version;
    struct buf *out = d->out;
    int err = resp_put_array(out, 10);
    (void)(err == 0 && (err = resp_put_text(out, command->name)) == 0 &&
           (err = resp_put_int(out, command->arity)) == 0 &&
           (err = command_flags(out, command->flags, version)) == 0);
    for (int i = 0; i < 3 && err == 0; i++)
        err = resp_put_int(out, keys[command->keys][i]);
    for (int i = 0; i < 4 && err == 0; i++)
        err = resp_put_set(out, 0, version);
    return err;
}

/* The end of the word or bracket that begins here. */
static const char *command_argument_end(const char *text)
{
    int open = 0;
    for (; *text != 0 && (open > 0 || *text != ' '); text++)
        open += *text == '[' ? 1 : *text == ']' ? -1 : 0;
    return text;
}

/* One argument as COMMAND DOCS tells it: what stands in brackets is optional. */
static int command_argument(struct resp_do *d, const char *text, size_t size)
{
    unsigned version = d->conn->resp->version;
    struct bytes name = {(const uint8_t *)text, size};
    bool optional = text[0] == '[';
    if (optional)
        name = (struct bytes){name.data + 1, size - 2};
    int err = resp_put_map(d->out, 2 + (size_t)optional, version);
    (void)(err == 0 && (err = resp_put_text(d->out, "name")) == 0 &&
           (err = resp_put_bulk(d->out, name)) == 0 && (err = resp_put_text(d->out, "type")) == 0 &&
           (err = resp_put_text(d->out, "string")) == 0);
    if (err == 0 && optional)
        (void)((err = resp_put_text(d->out, "flags")) == 0 &&
               (err = resp_put_set(d->out, 1, version)) == 0 &&
               (err = resp_put_simple(d->out, "optional")) == 0);
    return err;
}

static int command_arguments(struct resp_do *d, const char *text)
{
    size_t n = 0;
    for (const char *p = text; *p != 0; p += *p == ' ', n++)
        p = command_argument_end(p);
    int err = resp_put_array(d->out, n);
    while (*text != 0 && err == 0) {
        const char *end = command_argument_end(text);
        err = command_argument(d, text, (size_t)(end - text));
        text = end + (*end == ' ');
    }
    return err;
}

static int command_docs_one(struct resp_do *d, const struct resp_command *command)
{
    struct buf *out = d->out;
    int err = resp_put_text(out, command->name);
    (void)(err == 0 && (err = resp_put_map(out, 4, d->conn->resp->version)) == 0 &&
           (err = resp_put_text(out, "summary")) == 0 &&
           (err = resp_put_text(out, command->summary)) == 0 &&
           (err = resp_put_text(out, "since")) == 0 &&
           (err = resp_put_text(out, command->since)) == 0 &&
           (err = resp_put_text(out, "group")) == 0 &&
           (err = resp_put_text(out, command->group)) == 0 &&
           (err = resp_put_text(out, "arguments")) == 0 &&
           (err = command_arguments(d, command->arguments)) == 0);
    return err;
}

static int command_count(struct resp_do *d)
{
    return resp_put_int(d->out, RESP_COUNT);
}

static int command_all(struct resp_do *d)
{
    int err = resp_put_array(d->out, RESP_COUNT);
    for (unsigned i = 0; i < RESP_COUNT && err == 0; i++)
        err = command_info(d, &resp_table[i]);
    return err;
}

static int command_some(struct resp_do *d)
{
    if (d->args.left == 0)
        return command_all(d);
    int err = resp_put_array(d->out, d->args.left);
    while (d->args.left > 0 && err == 0) {
        const struct resp_command *command = resp_find(resp_next(&d->args));
        err = command == NULL ? resp_put_nil(d->out, d->conn->resp->version)
                              : command_info(d, command);
    }
    return err;
}

static int command_docs(struct resp_do *d)
{
    struct resp_reader args = d->args;
    size_t n = d->args.left == 0 ? RESP_COUNT : 0;
    while (args.left > 0)
        n += resp_find(resp_next(&args)) != NULL;
    int err = resp_put_map(d->out, n, d->conn->resp->version);
    for (unsigned i = 0; i < RESP_COUNT && d->args.left == 0 && n == RESP_COUNT && err == 0; i++)
        err = command_docs_one(d, &resp_table[i]);
    while (d->args.left > 0 && err == 0) {
        const struct resp_command *command = resp_find(resp_next(&d->args));
        err = command == NULL ? 0 : command_docs_one(d, command);
    }
    return err;
}

static int command_list(struct resp_do *d)
{
    int err = resp_put_array(d->out, RESP_COUNT);
    for (unsigned i = 0; i < RESP_COUNT && err == 0; i++)
        err = resp_put_text(d->out, resp_table[i].name);
    return err;
}

static int command_getkeys(struct resp_do *d)
{
    const struct resp_command *command = resp_find(resp_next(&d->args));
    if (command == NULL)
        return resp_fail(d, "ERR Invalid command specified");
    if (!resp_arity_fits(command, d->args.left))
        return resp_fail(d, "ERR Invalid number of arguments specified for command");
    if (command->keys == RESP_KEYS_NONE)
        return resp_fail(d, "ERR The command has no key arguments");
    uint32_t step = command->keys == RESP_KEYS_PAIRS ? 2 : 1;
    uint32_t n = command->keys == RESP_KEYS_FIRST ? 1 : (d->args.left + step - 1) / step;
    int err = resp_put_array(d->out, n);
    for (uint32_t i = 0; i < n && err == 0; i++) {
        err = resp_put_bulk(d->out, resp_next(&d->args));
        if (step == 2 && d->args.left > 0)
            (void)resp_next(&d->args);
    }
    return err;
}

int resp_do_COMMAND(struct resp_do *d)
{
    static const struct resp_subcommand subcommands[] = {
        {"count", 0, 0, command_count},
        {"info", 0, UINT32_MAX, command_some},
        {"docs", 0, UINT32_MAX, command_docs},
        {"list", 0, 0, command_list},
        {"getkeys", 1, UINT32_MAX, command_getkeys},
    };
    if (d->args.left == 0)
        return command_all(d);
    return resp_subcommand(d, subcommands, LENGTH_OF(subcommands));
}

/* ---- CONFIG ---- */

/* An option of Redis that tools ask for: an option of ours, or what is always so. */
struct config_row {
    const char *name;
    const char *option; /* ours, or NULL */
    const char *fixed;  /* or this */
    enum { AS_TEXT, AS_BYTES, AS_SECONDS } as;
};

static const struct config_row config_rows[] = {
    {"save", NULL, "", AS_TEXT}, /* redis-benchmark and exporters ask for these two */
    {"appendonly", NULL, "no", AS_TEXT},
    {"maxmemory", "memory.limit", NULL, AS_BYTES},
    {"maxclients", "limits.connections", NULL, AS_TEXT},
    {"timeout", "limits.idle_ms", NULL, AS_SECONDS},
    {"proto-max-bulk-len", "limits.value_bytes", NULL, AS_BYTES},
    {"databases", NULL, "1", AS_TEXT},
    {"io-threads", "server.loops", NULL, AS_TEXT},
};

/* The value of an option of ours as a file would write it, "" if there is none. */
static int config_value(struct resp_do *d, const char *option, char *out_text, size_t size)
{
    const struct op_host *host = d->conn->loop->env.host;
    struct reply reply;
    struct buf buf;
    struct mp mp;
    buf_init(&buf);
    out_text[0] = 0;
    reply_begin(&reply, &buf, REPLY_PLAIN, 0, d->conn->loop->limits.reply_bytes);
    host->config_get(host->self, bytes_of(option), &reply);
    int err = reply_end(&reply);
    struct mp_reader reader = mp_reader_of(buf_bytes(&buf));
    if (err == 0 && mp_read(&reader, &mp) == 0 && mp.count > 0) {
        REQUIRE(mp_read(&reader, &mp) == 0 && mp_read(&reader, &mp) == 0);
        (void)snprintf(out_text, size, "%.*s", (int)mp.bytes.size, (const char *)mp.bytes.data);
    }
    buf_deinit(&buf);
    return err;
}

static int config_row_value(struct resp_do *d, const struct config_row *row, char *out_text,
                            size_t size)
{
    int64_t number;
    if (row->fixed != NULL)
        return snprintf(out_text, size, "%s", row->fixed) < 0;
    int err = config_value(d, row->option, out_text, size);
    if (row->as == AS_BYTES && num_parse_bytes(out_text, &number) == 0)
        (void)snprintf(out_text, size, "%lld", (long long)number);
    if (row->as == AS_SECONDS && num_parse_duration_ms(out_text, &number) == 0)
        (void)snprintf(out_text, size, "%lld", (long long)number / 1000);
    return err;
}

/* Does any of the patterns name it, in any case? As which name: a pattern that is a name is told as
 * it was asked. */
static bool config_wanted(struct resp_reader patterns, const char *name, struct bytes *out_as)
{
    char lower[256];
    while (patterns.left > 0) {
        struct bytes pattern = resp_next(&patterns);
        size_t n = pattern.size < sizeof lower ? pattern.size : sizeof lower;
        for (size_t i = 0; i < n; i++) {
            uint8_t c = pattern.data[i];
            lower[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        }
        *out_as = resp_is(pattern, name) ? pattern : bytes_of(name);
        if (glob_match((struct bytes){(const uint8_t *)lower, n}, bytes_of(name)))
            return true;
    }
    return false;
}

/* Those of Redis first, then ours; *n counts them. */
static int config_gather(struct resp_do *d, struct buf *body, size_t *n)
{
    const struct op_host *host = d->conn->loop->env.host;
    char text[4096], name[256];
    struct bytes as = BYTES_NONE;
    struct reply reply;
    struct buf own;
    struct mp mp;
    int err = 0;
    for (size_t i = 0; i < LENGTH_OF(config_rows) && err == 0; i++) {
        if (!config_wanted(d->args, config_rows[i].name, &as))
            continue;
        (void)((err = config_row_value(d, &config_rows[i], text, sizeof text)) == 0 &&
               (err = resp_put_bulk(body, as)) == 0 && (err = resp_put_text(body, text)) == 0);
        ++*n;
    }
    buf_init(&own);
    reply_begin(&reply, &own, REPLY_PLAIN, 0, d->conn->loop->limits.reply_bytes);
    host->config_get(host->self, BYTES_NONE, &reply);
    if (err == 0)
        err = reply_end(&reply);
    struct mp_reader reader = mp_reader_of(buf_bytes(&own));
    uint32_t left = err == 0 && mp_read(&reader, &mp) == 0 ? mp.count : 0;
    for (; left > 0 && err == 0; left--) {
        REQUIRE(mp_read(&reader, &mp) == 0);
        (void)snprintf(name, sizeof name, "%.*s", (int)mp.bytes.size, (const char *)mp.bytes.data);
        REQUIRE(mp_read(&reader, &mp) == 0);
        if (!config_wanted(d->args, name, &as))
            continue;
        (void)((err = resp_put_bulk(body, as)) == 0 && (err = resp_put_bulk(body, mp.bytes)) == 0);
        ++*n;
    }
    buf_deinit(&own);
    return err;
}

static int config_get(struct resp_do *d)
{
    struct buf body;
    size_t n = 0;
    buf_init(&body);
    int err = config_gather(d, &body, &n);
    if (err == 0)
        err = resp_put_map(d->out, n, d->conn->resp->version);
    if (err == 0)
        err = buf_append(d->out, body.data, body.size);
    buf_deinit(&body);
    return err;
}

/* A size as Redis takes it: 100mb is ours 100MiB, 100m is 100 * 10^6. */
static bool config_bytes(struct bytes text, char out[static NUM_TEXT_SIZE])
{
    static const struct {
        const char *unit;
        int64_t factor;
    } units[] = {{"", 1},        {"b", 1},        {"k", 1000},       {"kb", 1 << 10},
                 {"m", 1000000}, {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1 << 30}};
    size_t n = 0;
    int64_t number;
    while (n < text.size && text.data[n] >= '0' && text.data[n] <= '9')
        n++;
    if (!num_read_int((struct bytes){text.data, n}, &number))
        return false;
    for (size_t i = 0; i < LENGTH_OF(units); i++) {
        if (!resp_is((struct bytes){text.data + n, text.size - n}, units[i].unit))
            continue;
        if (__builtin_mul_overflow(number, units[i].factor, &number))
            return false;
        (void)snprintf(out, NUM_TEXT_SIZE, "%lld", (long long)number);
        return true;
    }
    return false;
}

/* Set one option of ours, from the words of Redis if that is its name there. */
static int config_set_one(struct resp_do *d, struct bytes name, struct bytes value,
                          struct problem *problem)
{
    const struct op_host *host = d->conn->loop->env.host;
    char text[NUM_TEXT_SIZE];
    struct buf encoded;
    for (size_t i = 0; i < LENGTH_OF(config_rows); i++) {
        if (!resp_is(name, config_rows[i].name))
            continue;
        if (config_rows[i].option == NULL) {
            if (bytes_equal(value, bytes_of(config_rows[i].fixed)))
                return 0;
            return problem_set(problem, ERR_UNSUPPORTED, "it is always '%s' here",
                               config_rows[i].fixed);
        }
        name = bytes_of(config_rows[i].option);
        if (config_rows[i].as == AS_BYTES && config_bytes(value, text))
            value = bytes_of(text);
        if (config_rows[i].as == AS_SECONDS && value.size + 2 < sizeof text) {
            (void)snprintf(text, sizeof text, "%.*ss", (int)value.size, (const char *)value.data);
            value = bytes_of(text);
        }
    }
    buf_init(&encoded);
    int err = pack_str(&encoded, value);
    if (err == 0)
        err = host->config_set(host->self, name, buf_bytes(&encoded), problem);
    buf_deinit(&encoded);
    return err;
}

static int config_set(struct resp_do *d)
{
    struct problem problem;
    if (d->args.left % 2 != 0)
        return resp_fail(d, "ERR wrong number of arguments for 'config|set' command");
    while (d->args.left > 0) {
        struct bytes name = resp_next(&d->args), value = resp_next(&d->args);
        int shown = (int)(name.size < 64 ? name.size : 64);
        int err = config_set_one(d, name, value, &problem);
        if (err == ERR_NOT_FOUND)
            return resp_fail(d, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                             shown, (const char *)name.data);
        if (err != 0)
            return resp_fail(d, "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s",
                             shown, (const char *)name.data, problem.text);
    }
    return resp_put_simple(d->out, "OK");
}

static int config_resetstat(struct resp_do *d)
{
    return resp_fail(d, "ERR counters only grow here, as those who compute rates rely on it; "
                        "take the difference of two readings");
}

static int config_rewrite(struct resp_do *d)
{
    return resp_fail(d, "ERR the server does not write its configuration file; edit it and send "
                        "SIGHUP");
}

int resp_do_CONFIG(struct resp_do *d)
{
    static const struct resp_subcommand subcommands[] = {
        {"get", 1, UINT32_MAX, config_get},
        {"set", 2, UINT32_MAX, config_set},
        {"resetstat", 0, 0, config_resetstat},
        {"rewrite", 0, 0, config_rewrite},
    };
    return resp_subcommand(d, subcommands, LENGTH_OF(subcommands));
}

/* ---- small ones ---- */

int resp_do_TIME(struct resp_do *d)
{
    char text[NUM_TEXT_SIZE];
    int64_t now_us = clock_wall_ms() * 1000;
    int err = resp_put_array(d->out, 2);
    (void)snprintf(text, sizeof text, "%lld", (long long)(now_us / 1000000));
    if (err == 0)
        err = resp_put_text(d->out, text);
    (void)snprintf(text, sizeof text, "%lld", (long long)(now_us % 1000000));
    return err != 0 ? err : resp_put_text(d->out, text);
}

/* The last argument of WAIT and WAITAOF. False: an error was written. */
static bool server_read_timeout(struct resp_do *d, int *err)
{
    int64_t ms;
    if (!num_read_int(resp_next(&d->args), &ms))
        *err = resp_fail(d, "ERR timeout is not an integer or out of range");
    else if (ms < 0)
        *err = resp_fail(d, "ERR timeout is negative");
    else
        return true;
    return false;
}

/* There are no replicas, nor will any come while a client waits: that is known at once. */
int resp_do_WAIT(struct resp_do *d)
{
    int64_t replicas;
    int err;
    if (!num_read_int(resp_next(&d->args), &replicas))
        return resp_fail(d, "ERR value is not an integer or out of range");
    return server_read_timeout(d, &err) ? resp_put_int(d->out, 0) : err;
}

/* [disks here, replicas]. With a log the reply waits until everything before it is synced, however
 * long that takes: the timeout is for replicas. */
int resp_do_WAITAOF(struct resp_do *d)
{
    int64_t local, replicas;
    int err;
    if (!num_read_int(resp_next(&d->args), &local) || local < 0 || local > 1)
        return resp_fail(d, "ERR value is out of range, value must between 0 and 1");
    if (!num_read_int(resp_next(&d->args), &replicas) || replicas < 0)
        return resp_fail(d, "ERR value is out of range, must be positive");
    if (!server_read_timeout(d, &err))
        return err;
    struct op_env *env = &d->conn->loop->env;
    uint64_t lsn = atomic_load(&env->store->version);
    bool logs = env->store->wal != NULL;
    if (local > 0 && !logs)
        return resp_fail(d, "ERR WAITAOF cannot be used when numlocal is set but appendonly is "
                            "disabled.");
    if (logs && lsn > env->synced_first)
        env->synced_first = lsn;
    err = resp_put_array(d->out, 2);
    if (err == 0)
        err = resp_put_int(d->out, logs);
    return err != 0 ? err : resp_put_int(d->out, 0);
}

/* Redis tells its start before the first snapshot; 0 says that there is none. */
int resp_do_LASTSAVE(struct resp_do *d)
{
    const struct op_host *host = d->conn->loop->env.host;
    struct stats stats;
    host->collect(host->self, &stats);
    int64_t at_s = (int64_t)stats.counter[METRIC_snapshot_last_time_seconds];
    stats_deinit(&stats);
    return resp_put_int(d->out, at_s);
}

/* With SCHEDULE one that is running will do. */
int resp_do_BGSAVE(struct resp_do *d)
{
    const struct op_env *env = &d->conn->loop->env;
    bool scheduled = d->args.left > 0;
    if (scheduled && (d->args.left > 1 || !resp_is(resp_next(&d->args), "SCHEDULE")))
        return resp_fail(d, "ERR syntax error");
    if (env->store->wal == NULL)
        return resp_fail(d, "ERR there are no snapshots: durability.mode is memory");
    if (env->host->snapshot(env->host->self))
        return resp_put_simple(d->out, "Background saving started");
    if (scheduled)
        return resp_put_simple(d->out, "Background saving scheduled");
    return resp_fail(d, "ERR Background save already in progress");
}

int resp_do_SAVE(struct resp_do *d)
{
    return resp_fail(d, "ERR SAVE is refused: nobody waits for a snapshot here. Use BGSAVE, and "
                        "LASTSAVE to see when it is done");
}

int resp_do_MONITOR(struct resp_do *d)
{
    return resp_fail(d, "ERR MONITOR is refused: it would show the values of all clients and slow "
                        "every one of them. See INFO commandstats, SLOWLOG GET, or cairn --stat");
}
