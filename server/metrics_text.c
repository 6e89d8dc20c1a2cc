/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes the rows of server/ops/metrics.def as Prometheus reads them.
 *
 *   # HELP cairn_records Records stored now, of all runs and kinds
 *   # TYPE cairn_records gauge
 *   cairn_records 17
 *
 * How: a METRIC row is one number of struct stats. Each FAMILY row has a function family_<id>
 * below, which writes the samples.
 * Histograms: buckets of struct hist begin at every power of two, so that the counts at such
 * bounds are exact: durations are whole nanoseconds, rounded down, so that what took less than
 * 1024 ns was recorded as 1023 at most.
 * Invariants: HELP and TYPE once, then all samples of the family, with nothing in between. No
 * sample has a label that a client chose.
 * Threads: none of its own; reads what it is given.
 * Failures: without memory the text ends early, and the caller is told.
 */
#include "server/metrics_text.h"

#include "common/err.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    TEXT_ROOM = 256,   /* reserved for a line before its size is known */
    SECONDS_SIZE = 32, /* room for a number of seconds */
    BOUND_FIRST = 8,   /* the first bound of a histogram is 2^8 ns, */
    BOUND_LAST = 30,   /* the last 2^30 ns, about a second */
};

struct text {
    struct buf *out;
    int err; /* the first; nothing is written after it */
};

/* ---- text ---- */

static void text_add(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);
static void text_add(struct text *text, const char *format, ...)
{
    struct buf *out = text->out;
    size_t need = TEXT_ROOM;
    for (bool fits = false; !fits && text->err == 0; need++) {
        va_list args;
        if ((text->err = buf_reserve(out, need)) != 0)
            return;
        size_t room = out->capacity - out->size;
        va_start(args, format);
        need = (size_t)vsnprintf((char *)out->data + out->size, room, format, args);
        va_end(args);
        fits = need < room;
        out->size += fits ? need : 0;
    }
}

/* As HELP and label values want it: backslash, line end and, in a label, the quote are escaped. */
static void text_add_escaped(struct text *text, const char *value, const char *escaped)
{
    while (*value != '\0') {
        size_t plain = strcspn(value, escaped);
        text_add(text, "%.*s", (int)plain, value);
        value += plain;
        if (*value != '\0') {
            text_add(text, "\\%c", *value == '\n' ? 'n' : *value);
            value++;
        }
    }
}

static void text_head(struct text *text, const char *name, const char *type, const char *help)
{
    text_add(text, "# HELP %s ", name);
    text_add_escaped(text, help, "\\\n");
    text_add(text, "\n# TYPE %s %s\n", name, type);
}

static void text_number(struct text *text, const char *name, uint64_t value)
{
    text_add(text, "%s %" PRIu64 "\n", name, value);
}

/* Nanoseconds as seconds, all digits and no more: 1500000 is 0.0015. */
static const char *seconds(uint64_t ns, char out_text[static SECONDS_SIZE])
{
    int size = snprintf(out_text, SECONDS_SIZE, "%" PRIu64 ".%09" PRIu64, ns / 1000000000,
                        ns % 1000000000);
    while (out_text[size - 1] == '0')
        size--;
    size -= out_text[size - 1] == '.';
    out_text[size] = '\0';
    return out_text;
}

static void text_seconds(struct text *text, const char *name, uint64_t ns)
{
    char value[SECONDS_SIZE];
    text_add(text, "%s %s\n", name, seconds(ns, value));
}

/* ---- families: one function for each row ---- */

static void family_build_info(struct text *text, const char *name,
                              const struct metrics_source *source)
{
    text_add(text, "%s{version=\"", name);
    text_add_escaped(text, source->version, "\\\n\"");
    text_add(text, "\"} 1\n");
}

static void family_start_time(struct text *text, const char *name,
                              const struct metrics_source *source)
{
    text_seconds(text, name, (uint64_t)source->started_ms * 1000000);
}

static void family_kind_records(struct text *text, const char *name,
                                const struct metrics_source *source)
{
    for (unsigned kind = 0; kind <= KIND_MAX; kind++)
        if (record_kind_stored(kind))
            text_add(text, "%s{kind=\"%s\"} %" PRIu64 "\n", name, record_kind_name(kind),
                     source->kinds[kind].records);
}

static void family_commands(struct text *text, const char *name,
                            const struct metrics_source *source)
{
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct op_stats *op = &source->stats->op[i];
        /* The two are read one after the other, so that an error may be seen before its request. */
        uint64_t errors = op->errors < op->count ? op->errors : op->count;
        text_add(text, "%s{cmd=\"%s\",result=\"ok\"} %" PRIu64 "\n", name, op_table[i].name,
                 op->count - errors);
        text_add(text, "%s{cmd=\"%s\",result=\"error\"} %" PRIu64 "\n", name, op_table[i].name,
                 errors);
    }
}

static void text_histogram(struct text *text, const char *name, const char *cmd,
                           const struct hist *hist)
{
    char value[SECONDS_SIZE];
    uint64_t below = 0;
    unsigned bucket = 0;
    for (unsigned bound = BOUND_FIRST; bound <= BOUND_LAST; bound++) {
        uint64_t ns = (uint64_t)1 << bound;
        while (hist_bucket_top(bucket) < ns)
            below += hist->bucket[bucket++];
        text_add(text, "%s_bucket{cmd=\"%s\",le=\"%s\"} %" PRIu64 "\n", name, cmd,
                 seconds(ns, value), below);
    }
    text_add(text, "%s_bucket{cmd=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, cmd, hist->count);
    text_add(text, "%s_sum{cmd=\"%s\"} %s\n", name, cmd, seconds(hist->sum, value));
    text_add(text, "%s_count{cmd=\"%s\"} %" PRIu64 "\n", name, cmd, hist->count);
}

static void family_command_duration(struct text *text, const char *name,
                                    const struct metrics_source *source)
{
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct hist *hist = source->stats->op[i].latency;
        if (hist != NULL)
            text_histogram(text, name, op_table[i].name, hist);
    }
}

static void family_loop_heartbeat_age(struct text *text, const char *name,
                                      const struct metrics_source *source)
{
    char value[SECONDS_SIZE];
    for (unsigned i = 0; i < source->n_loops; i++)
        text_add(text, "%s{loop=\"%u\"} %s\n", name, i, seconds(source->loop_ages_ns[i], value));
}

static void family_process_cpu(struct text *text, const char *name,
                               const struct metrics_source *source)
{
    text_seconds(text, name, source->process.cpu_us * 1000);
}

static void family_process_open_fds(struct text *text, const char *name,
                                    const struct metrics_source *source)
{
    text_number(text, name, source->process.open_fds);
}

static void family_process_max_fds(struct text *text, const char *name,
                                   const struct metrics_source *source)
{
    text_number(text, name, source->process.max_fds);
}

static void family_process_resident(struct text *text, const char *name,
                                    const struct metrics_source *source)
{
    text_number(text, name, source->process.resident_bytes);
}

static void family_process_virtual(struct text *text, const char *name,
                                   const struct metrics_source *source)
{
    text_number(text, name, source->process.virtual_bytes);
}

/* The server starts when the process does, but for reading the configuration. */
static void family_process_start_time(struct text *text, const char *name,
                                      const struct metrics_source *source)
{
    family_start_time(text, name, source);
}

/* ---- all ---- */

static const char COUNTER[] = "counter", GAUGE[] = "gauge", HISTOGRAM[] = "histogram";

static void text_metrics(struct text *text, const struct stats *stats)
{
    const struct {
        const char *name, *type, *help;
    } rows[STATS_METRICS] = {
#define METRIC(name, type, unit, help) {"cairn_" #name, type, help},
#include "server/ops/metrics.def"
    };
    for (unsigned i = 0; i < STATS_METRICS; i++) {
        char name[128];
        (void)snprintf(name, sizeof name, "%s%s", rows[i].name,
                       rows[i].type == COUNTER ? "_total" : "");
        text_head(text, name, rows[i].type, rows[i].help);
        text_number(text, name, stats->counter[i]);
    }
}

static void text_families(struct text *text, const struct metrics_source *source)
{
    const struct {
        const char *name, *type, *help;
        void (*samples)(struct text *text, const char *name, const struct metrics_source *source);
    } rows[] = {
#define FAMILY(id, name, type, labels, unit, help) {name, type, help, family_##id},
#include "server/ops/metrics.def"
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        text_head(text, rows[i].name, rows[i].type, rows[i].help);
        rows[i].samples(text, rows[i].name, source);
    }
}

int metrics_text(const struct metrics_source *source, struct buf *out)
{
    struct text text = {out, 0};
    text_metrics(&text, source->stats);
    text_families(&text, source);
    return text.err;
}
