/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Prints options, errors and metrics as YAML and Markdown.
 *
 * How: one pass over each table; print_ops.c does the operations.
 * Invariants: what print_config writes, config_load_file reads back as the same values.
 * Threads: none of its own.
 * Failures: the stream remembers a failed write, print_result reports it.
 */
#include "server/print.h"

#include "common/err.h"
#include "server/print_impl.h"

#include <stdbool.h>
#include <string.h>

enum { COLUMNS = 100 };

void print_wrapped(FILE *out, const char *prefix, const char *text)
{
    size_t room = COLUMNS - strlen(prefix);
    while (*text != '\0') {
        size_t size = strlen(text);
        if (size > room) {
            for (size = room; size > 0 && text[size] != ' '; size--)
                continue;
            if (size == 0)
                size = strcspn(text, " "); /* a word longer than a line */
        }
        (void)fprintf(out, "%s%.*s\n", prefix, (int)size, text);
        text += size;
        text += strspn(text, " ");
    }
}

void print_cell(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("|<*\\", *text) != NULL)
            (void)fputc('\\', out);
        (void)fputc(*text, out);
    }
}

void print_page(FILE *out, const char *title, const char *table)
{
    (void)fprintf(out,
                  "<!-- SPDX-License-Identifier: BSD-3-Clause -->\n"
                  "<!-- Generated from %s; change it there. -->\n\n"
                  "# %s\n\n",
                  table, title);
}

int print_result(FILE *out)
{
    return fflush(out) == 0 && !ferror(out) ? 0 : ERR_IO;
}

/* A value as YAML: texts in double quotes. */
static void print_value(FILE *out, enum option_type type, const char *value)
{
    if (type != OPTION_TYPE_TEXT) {
        (void)fputs(value, out);
        return;
    }
    (void)fputc('"', out);
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            (void)fputc('\\', out);
        (void)fputc(*value, out);
    }
    (void)fputc('"', out);
}

void print_describe(enum option_id id, char out_text[static PRINT_FACTS_SIZE])
{
    struct config_option option = config_option(id);
    const char *quote = option.type == OPTION_TYPE_TEXT ? "\"" : "";
    char value[CONFIG_VALUE_SIZE];
    char accepted[CONFIG_VALUE_SIZE];
    config_format_default(id, value);
    config_describe(id, accepted);
    (void)snprintf(out_text, PRINT_FACTS_SIZE, "Default %s%s%s. Accepts %s. %s", quote, value,
                   quote, accepted, option.reloadable ? "Reloadable." : "Needs a restart.");
}

static void print_facts(FILE *out, const char *prefix, enum option_id id)
{
    char text[PRINT_FACTS_SIZE];
    print_describe(id, text);
    print_wrapped(out, prefix, text);
}

bool print_is_first_of_section(enum option_id id)
{
    return id == 0 || strcmp(config_option(id).section, config_option(id - 1).section) != 0;
}

static void print_option(FILE *out, const struct config *config, enum option_id id)
{
    struct config_option option = config_option(id);
    char value[CONFIG_VALUE_SIZE];
    print_wrapped(out, "  # ", option.text);
    print_facts(out, "  # ", id);
    config_format_value(config, id, value);
    (void)fprintf(out, "  %s: ", option.key);
    print_value(out, option.type, value);
    (void)fputc('\n', out);
}

int print_config(FILE *out, const struct config *config)
{
    (void)fputs("# SPDX-License-Identifier: BSD-3-Clause\n"
                "#\n"
                "# Configuration of cairnd, with every option. What is left out has its default.\n"
                "# Sizes are written as 64, 64KiB, 16MiB, 2GiB, 1TiB; durations as 250ms, 10s, 5m, "
                "2h, 7d.\n"
                "# cairnd --set section.key=value overrides the file; SIGHUP reads it again.\n",
                out);
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        if (print_is_first_of_section(id))
            (void)fprintf(out, "\n%s:\n", config_option(id).section);
        else
            (void)fputc('\n', out);
        print_option(out, config, id);
    }
    return print_result(out);
}

static void print_option_markdown(FILE *out, enum option_id id)
{
    struct config_option option = config_option(id);
    if (print_is_first_of_section(id))
        (void)fprintf(out, "\n## %s\n", option.section);
    (void)fprintf(out, "\n### %s\n\n", option.name);
    print_wrapped(out, "", option.text);
    (void)fputc('\n', out);
    print_facts(out, "", id);
}

int print_config_markdown(FILE *out)
{
    print_page(out, "Configuration", "server/options.def and proto/limits.def");
    (void)fputs(
        "`cairnd --config FILE` reads a YAML file: sections, and below each its options. What the\n"
        "file leaves out has its default. `--set section.key=value` overrides the file. A file\n"
        "with anything wrong in it is refused as a whole, with its line.\n"
        "`cairnd --print-config` prints a file with all options.\n"
        "\n"
        "Sizes are written as `64`, `64KiB`, `16MiB`, `2GiB`, `1TiB` (powers of 1024), durations\n"
        "as `250` (milliseconds), `250ms`, `10s`, `5m`, `2h`, `7d`.\n"
        "\n"
        "Reloadable options change when the file is read again (SIGHUP), and by\n"
        "`server.config_set`, which lasts until the next reload or restart.\n",
        out);
    for (unsigned id = 0; id < OPTION_COUNT; id++)
        print_option_markdown(out, id);
    return print_result(out);
}

int print_errors(FILE *out)
{
    static const struct {
        const char *name;
        bool retryable;
        const char *text;
    } rows[] = {
#define ERR(name, retryable, text) {#name, retryable, text},
#include "common/err.def"
#undef ERR
    };
    print_page(out, "Errors", "common/err.def");
    (void)fputs("An error is the text `CODE message`, or with `hello(errors: \"map\")` a map of\n"
                "code, message, retryable and data. Codes are stable; messages may change. Retry:\n"
                "the same request may succeed later without being changed.\n"
                "\n"
                "| code | retry | meaning |\n"
                "|---|---|---|\n",
                out);
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        (void)fprintf(out, "| `%s` | %s | ", rows[i].name, rows[i].retryable ? "yes" : "no");
        print_cell(out, rows[i].text);
        (void)fputs(" |\n", out);
    }
    return print_result(out);
}

/* METRIC rows: what server.stats has, under both names. */
static void print_metric_rows(FILE *out)
{
    enum kind { COUNTER, GAUGE };
    static const struct {
        const char *name;
        enum kind kind;
        const char *unit;
        const char *text;
    } rows[] = {
#define METRIC(name, kind, unit, text) {#name, kind, unit, text},
#include "server/ops/metrics.def"
    };
    (void)fputs("| /metrics | server.stats | kind | unit | meaning |\n|---|---|---|---|---|\n",
                out);
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        bool is_counter = rows[i].kind == COUNTER;
        (void)fprintf(out, "| `cairn_%s%s` | `%s` | %s | %s | ", rows[i].name,
                      is_counter ? "_total" : "", rows[i].name, is_counter ? "counter" : "gauge",
                      rows[i].unit);
        print_cell(out, rows[i].text);
        (void)fputs(" |\n", out);
    }
}

/* FAMILY rows: what only /metrics has. */
static void print_family_rows(FILE *out)
{
    static const char COUNTER[] = "counter", GAUGE[] = "gauge", HISTOGRAM[] = "histogram";
    const struct {
        const char *name, *kind, *labels, *unit, *text;
    } rows[] = {
#define FAMILY(id, name, kind, labels, unit, text) {name, kind, labels, unit, text},
#include "server/ops/metrics.def"
    };
    (void)fputs("\n| /metrics | labels | kind | unit | meaning |\n|---|---|---|---|---|\n", out);
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        (void)fprintf(out, "| `%s` | %s | %s | %s | ", rows[i].name, rows[i].labels, rows[i].kind,
                      rows[i].unit);
        print_cell(out, rows[i].text);
        (void)fputs(" |\n", out);
    }
}

int print_metrics(FILE *out)
{
    print_page(out, "Metrics", "server/ops/metrics.def");
    (void)fputs(
        "`listen.http` serves them at `/metrics` in the text format of Prometheus (see\n"
        "[monitoring](monitoring.md)); `server.stats` returns those of the first table, and "
        "counts\n"
        "and latencies of the operations. A counter only grows, from 0 at start; a gauge is the\n"
        "present value; of a histogram there are `_bucket`, `_sum` and `_count`.\n"
        "\n",
        out);
    print_metric_rows(out);
    print_family_rows(out);
    return print_result(out);
}
