/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Live figures from the counters of server.stats.
 *
 *   sample, wait, sample: difference / time between   ->   one line
 *
 * How: one small request an interval (the statistics of one operation, which brings the counters
 * along), so that watching costs the server nothing. Rates are those of the time that passed.
 *
 * Invariants: a line compares two samples of one connection: another one may reach another server.
 * Threads: one. Failures: a lost connection is told and tried again every interval.
 */
#include "client/cli/stat.h"

#include "client/cli/print.h"
#include "client/cli/signals.h"
#include "common/clock.h"
#include "common/err.h"
#include "proto/pack.h"

#include <math.h>
#include <string.h>

enum { STAT_HEAD_EVERY = 20 };

/* ---- Samples -------------------------------------------------------------------------------- */

static const struct stat_counter {
    const char *name;
    size_t field;
} stat_counters[] = {
    {"requests", offsetof(struct stat_sample, requests)},
    {"errors", offsetof(struct stat_sample, errors)},
    {"keyspace_hits", offsetof(struct stat_sample, keyspace_hits)},
    {"keyspace_misses", offsetof(struct stat_sample, keyspace_misses)},
    {"received_bytes", offsetof(struct stat_sample, received_bytes)},
    {"sent_bytes", offsetof(struct stat_sample, sent_bytes)},
    {"connections", offsetof(struct stat_sample, connections)},
    {"records", offsetof(struct stat_sample, records)},
    {"memory_used_bytes", offsetof(struct stat_sample, memory_used_bytes)},
};

static void stat_set(struct stat_sample *sample, struct bytes name, uint64_t value)
{
    for (size_t i = 0; i < LENGTH_OF(stat_counters); i++)
        if (bytes_equal(name, bytes_of(stat_counters[i].name)))
            *(uint64_t *)(void *)((char *)sample + stat_counters[i].field) = value;
}

/* A map of names and numbers. */
static bool stat_parse_counters(struct bytes packed, struct stat_sample *out)
{
    struct mp_reader reader = mp_reader_of(packed);
    struct mp head, value;
    struct bytes name, ignored;
    bool text;
    if (mp_read(&reader, &head) != 0 || head.kind != MP_MAP)
        return false;
    for (uint32_t i = 0; i < head.count; i++) {
        if (mp_read_bytes(&reader, &name, &text) != 0)
            return false;
        struct mp_reader peek = reader;
        if (!print_skip(&reader, &ignored) || mp_read(&peek, &value) != 0)
            return false;
        if (value.kind == MP_UINT)
            stat_set(out, name, value.uint);
    }
    return true;
}

bool stat_parse(struct bytes result, struct stat_sample *out)
{
    struct mp_reader reader = mp_reader_of(result);
    struct stat_sample sample = {0};
    struct mp head;
    struct bytes name, value;
    bool text, found = false;
    if (mp_read(&reader, &head) != 0 || head.kind != MP_MAP)
        return false;
    for (uint32_t i = 0; i < head.count; i++) {
        if (mp_read_bytes(&reader, &name, &text) != 0 || !print_skip(&reader, &value))
            return false;
        if (bytes_equal(name, bytes_of("counters")))
            found = stat_parse_counters(value, &sample);
    }
    if (found)
        *out = sample;
    return found;
}

/* ---- Lines ---------------------------------------------------------------------------------- */

void stat_short(double number, bool bytes, char out[16])
{
    static const char units[] = "KMGTPE";
    double step = bytes ? 1024 : 1000;
    size_t unit = 0;
    if (number < 999.5) {
        snprintf(out, 16, "%.0f", number);
        return;
    }
    for (number /= step; number >= 999.5 && unit + 2 < sizeof units; unit++)
        number /= step;
    snprintf(out, 16, "%.*f%c",
             number < 9.995   ? 2
             : number < 99.95 ? 1
                              : 0,
             number, unit == 0 && !bytes ? 'k' : units[unit]);
}

/* How a column comes from two samples. */
enum stat_form { STAT_RATE, STAT_BYTE_RATE, STAT_NOW, STAT_BYTES, STAT_HITS };

static const struct stat_column {
    const char *name;
    int width;
    enum stat_form form;
    size_t field;
} stat_columns[] = {
    {"requests/s", 10, STAT_RATE, offsetof(struct stat_sample, requests)},
    {"errors/s", 9, STAT_RATE, offsetof(struct stat_sample, errors)},
    {"hits", 6, STAT_HITS, offsetof(struct stat_sample, keyspace_hits)},
    {"in B/s", 8, STAT_BYTE_RATE, offsetof(struct stat_sample, received_bytes)},
    {"out B/s", 8, STAT_BYTE_RATE, offsetof(struct stat_sample, sent_bytes)},
    {"clients", 8, STAT_NOW, offsetof(struct stat_sample, connections)},
    {"records", 9, STAT_NOW, offsetof(struct stat_sample, records)},
    {"memory B", 9, STAT_BYTES, offsetof(struct stat_sample, memory_used_bytes)},
};

static uint64_t stat_value(const struct stat_sample *sample, size_t field)
{
    uint64_t value;
    memcpy(&value, (const char *)sample + field, sizeof value);
    return value;
}

static uint64_t stat_grown(const struct stat_sample *before, const struct stat_sample *after,
                           size_t field)
{
    uint64_t from = stat_value(before, field), to = stat_value(after, field);
    return to > from ? to - from : 0;
}

/* Lookups that found something, of a hundred; "-" if there were none. */
static void stat_hits(const struct stat_sample *before, const struct stat_sample *after,
                      char out[16])
{
    uint64_t hits = stat_grown(before, after, offsetof(struct stat_sample, keyspace_hits));
    uint64_t misses = stat_grown(before, after, offsetof(struct stat_sample, keyspace_misses));
    double all = (double)hits + (double)misses;
    if (all > 0)
        snprintf(out, 16, "%.0f%%", floor(100 * (double)hits / all));
    else
        snprintf(out, 16, "-");
}

static void stat_cell(const struct stat_column *column, const struct stat_sample *before,
                      const struct stat_sample *after, char out[16])
{
    double seconds = (double)(after->taken_ns - before->taken_ns) / 1e9;
    bool rate = column->form == STAT_RATE || column->form == STAT_BYTE_RATE;
    bool bytes = column->form == STAT_BYTES || column->form == STAT_BYTE_RATE;
    if (column->form == STAT_HITS)
        stat_hits(before, after, out);
    else if (rate)
        stat_short(seconds > 0 ? (double)stat_grown(before, after, column->field) / seconds : 0,
                   bytes, out);
    else
        stat_short((double)stat_value(after, column->field), bytes, out);
}

void stat_head(char out[STAT_LINE_BYTES])
{
    int at = 0;
    for (size_t i = 0; i < LENGTH_OF(stat_columns); i++)
        at += snprintf(out + at, STAT_LINE_BYTES - (size_t)at, "%*s", stat_columns[i].width,
                       stat_columns[i].name);
}

void stat_line(const struct stat_sample *before, const struct stat_sample *after,
               char out[STAT_LINE_BYTES])
{
    char cell[16];
    int at = 0;
    for (size_t i = 0; i < LENGTH_OF(stat_columns); i++) {
        stat_cell(&stat_columns[i], before, after, cell);
        at += snprintf(out + at, STAT_LINE_BYTES - (size_t)at, "%*s", stat_columns[i].width, cell);
    }
}

/* ---- The loop ------------------------------------------------------------------------------- */

/* {"op": "server.ping"}: the shortest reply that has the counters. */
static int stat_params(struct buf *out)
{
    int err = pack_map(out, 1);
    (void)(err == 0 && (err = pack_str(out, bytes_of("op"))) == 0 &&
           (err = pack_str(out, bytes_of("server.ping"))) == 0);
    return err;
}

/* Take a sample. EXIT_DONE, or the exit code of what was told. */
static int stat_take(struct session *session, struct bytes params, struct stat_sample *out)
{
    struct bytes result;
    int code = session_ready(session, &session->options->timeout, false);
    if (code != EXIT_DONE)
        return code;
    if (session_call(session, "server.stats", params, &result) != CAIRN_OK)
        return session_tell(&session->error);
    uint64_t now = clock_mono_ns();
    if (!stat_parse(result, out)) {
        fputs("cairn: the server answers server.stats without counters\n", stderr);
        return EXIT_ANSWERED_ERROR;
    }
    out->taken_ns = now;
    return EXIT_DONE;
}

/* Print the line, with the names above the first and then every twenty. */
static bool stat_print(const struct stat_sample *before, const struct stat_sample *after,
                       int64_t number)
{
    char text[STAT_LINE_BYTES];
    if (number % STAT_HEAD_EVERY == 0) {
        stat_head(text);
        puts(text);
    }
    stat_line(before, after, text);
    puts(text);
    return print_flush(EXIT_DONE) == EXIT_DONE;
}

static int stat_loop(struct session *session, struct bytes params)
{
    const struct options *options = session->options;
    struct stat_sample before, after;
    int64_t lines = 0;
    int code = stat_take(session, params, &before);
    bool known = code == EXIT_DONE;
    if (!known)
        return code; /* it never worked: waiting would not help */
    while (options->count == 0 || lines < options->count) {
        unsigned connects = session->connects;
        signals_wait(-1, (int)options->stat.ms);
        code = stat_take(session, params, &after);
        if (code != EXIT_DONE && code != EXIT_UNREACHABLE)
            return code;
        bool same = known && code == EXIT_DONE && session->connects == connects;
        if (same && !stat_print(&before, &after, lines++))
            return EXIT_UNREACHABLE;
        known = code == EXIT_DONE;
        before = known ? after : before;
    }
    return EXIT_DONE;
}

int stat_run(struct session *session)
{
    struct buf params;
    buf_init(&params);
    int code =
        stat_params(&params) == 0 ? stat_loop(session, buf_bytes(&params)) : EXIT_UNREACHABLE;
    buf_deinit(&params);
    return code;
}
