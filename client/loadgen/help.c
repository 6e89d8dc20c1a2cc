/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Prints --help from the tables of options and tests.
 *
 * How: each row is a left column with its spelling and a right column with its text, wrapped.
 *
 * Invariants: no line is wider than HELP_COLUMNS; nothing is listed that the tables do not hold.
 * Threads: none. Failures: none; what cannot be written is lost.
 */
#include "client/loadgen/help.h"

#include "client/loadgen/options.h"
#include "client/loadgen/workload.h"

#include <stdbool.h>
#include <string.h>

enum { HELP_COLUMNS = 96, HELP_LEFT = 25 };

/* A title, or an option below it. */
struct help_line {
    const char *title; /* NULL: an option */
    enum options_id id;
};

static const struct help_line help_lines[] = {
#define GROUP(title)                                                  {title, OPTIONS_COUNT},
#define OPTION(id, name, letter, type, arg, fallback, min, max, text) {NULL, OPTIONS_##id},
#define ALIAS(name, id)
#define MEANS(name, id, value)
#define EITHER(...)
#include "client/loadgen/options.def"
#undef GROUP
#undef OPTION
#undef ALIAS
#undef MEANS
#undef EITHER
};

static const char help_head[] =
    "Usage: loadgen [options] [COMMAND [ARGUMENT...]]\n"
    "       loadgen SUBCOMMAND [--help]\n"
    "\n"
    "Sends requests to a running cairnd, Redis or Valkey over many connections and prints "
    "throughput\n"
    "and latencies. Short options mean what redis-benchmark means by them.\n"
    "\n"
    "Examples\n"
    "  loadgen                             SET, then GET, against 127.0.0.1:7420\n"
    "  loadgen --threads 8 -c 400          eight threads, 400 connections in all\n"
    "  loadgen -t set,get -P 16 -q         16 requests in flight on each connection, brief\n"
    "  loadgen -t get -r 100000 --preload  a keyspace of 100,000 keys, each written once before\n"
    "  loadgen -t mixed --ratio 1:4 -d 1KiB --duration 30 --warmup 5\n"
    "  loadgen -t get --warmup auto --until-ci 2%    until it is steady, and known well enough\n"
    "  loadgen -s /run/cairnd/cairnd.sock --json >result.json\n"
    "  loadgen -u redis://127.0.0.1:6379 -t set,get -n 1000000 -P 16 -q\n"
    "  loadgen -t get -r 100000 --preload --rate 5000 --arrival poisson --duration 30\n"
    "  loadgen --mix get=70,set=25,incr=5 -r 100000 --preload --expect-hits 100%\n"
    "  loadgen --workload agent-think -c 1000 --think lognormal:2s,1 --duration 60\n"
    "  loadgen -u redis://:secret@db/1 HSET user:__rand_int__ name __data__\n"
    "  loadgen --vs redis://127.0.0.1:6379 -t set,get --duration 5     which of two is faster\n"
    "  loadgen --knee --slo p99=5ms -t get -r 100000 --preload       the most it can do in time\n";

/* What is done besides measuring. */
static const struct {
    const char *name, *arguments, *text;
} help_subcommands[] = {
#define SUBCOMMAND(name, run, arguments, text) {#name, arguments, text},
#include "client/loadgen/subcommands.def"
#undef SUBCOMMAND
};

static const char help_tail[] =
    "\n"
    "A connection sends its next request when a reply has come (closed loop), so latency depends\n"
    "on -c and -P: their product divided by the throughput. Latency is taken from sending a "
    "request\n"
    "to reading its reply. With --rate (open loop) it is taken from the time the request was due:\n"
    "what a server that stalls makes others wait is in it.\n"
    "\n"
    "In the words of a COMMAND or a --script, __key__ becomes a key, __rand_int__ the 12 digits "
    "of\n"
    "one, __data__ a value, and __number:1-100__ a number from 1 to 100.\n"
    "To a cairnd in its own protocol the words are an operation and its arguments: kv.put\n"
    "key:__rand_int__ __data__; [ and ] as words of their own enclose an array, { and } a map.\n"
    "\n"
    "Exit status: 0 all is well; 1 --vs: B is worse than A in throughput, median, p99 or CPU time "
    "of\n"
    "the server; 2 wrong usage; 3 what was measured is not what was asked for: no server, it fell\n"
    "silent or closed connections, requests failed, values were wrong or stale, keys were not "
    "there\n"
    "that should be (--keys-check, --expect-hits), --overload abort, --vs or --knee came to no "
    "end,\n"
    "or Ctrl-C.\n";

void help_wrap(FILE *out, const char *text, size_t left, size_t at)
{
    while (*text != 0) {
        size_t word = strcspn(text, " ");
        if (at > left && at + 1 + word > HELP_COLUMNS) {
            fprintf(out, "\n%*s", (int)left, "");
            at = left;
        }
        fprintf(out, "%s%.*s", at > left ? " " : "", (int)word, text);
        at += word + (at > left);
        text += word + (text[word] == ' ');
    }
    fputc('\n', out);
}

/* The left column, then the text. */
static void help_row(FILE *out, const char *left, const char *text)
{
    size_t size = strlen(left);
    if (size < HELP_LEFT)
        fprintf(out, "%-*s", HELP_LEFT, left);
    else
        fprintf(out, "%s\n%*s", left, HELP_LEFT, "");
    help_wrap(out, text, HELP_LEFT, HELP_LEFT);
}

static void help_option(FILE *out, const struct options_row *row)
{
    char left[64], text[400], letter[8] = "    ";
    if (row->letter != 0)
        (void)snprintf(letter, sizeof letter, "-%c, ", row->letter);
    (void)snprintf(left, sizeof left, "  %s--%s%s%s%s", letter, row->name,
                   row->arg[0] == 0                  ? ""
                   : row->type == OPTIONS_TYPE_MAYBE ? "[="
                                                     : " ",
                   row->arg, row->type == OPTIONS_TYPE_MAYBE ? "]" : "");
    bool shown = row->fallback[0] != 0 && strcmp(row->fallback, "0") != 0;
    (void)snprintf(text, sizeof text, "%s%s%s%s", row->text, shown ? " Default: " : "",
                   shown ? row->fallback : "", shown ? "." : "");
    help_row(out, left, text);
}

/* What a workload is, and the options it stands for. */
static void help_preset(FILE *out, const struct options_preset *preset)
{
    char left[40], text[400];
    int at = snprintf(text, sizeof text, "%s As", preset->text);
    for (int i = 0; i < preset->n_words && at < (int)sizeof text; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, " %s", preset->words[i]);
    (void)snprintf(left, sizeof left, "  %s", preset->name);
    help_row(out, left, text);
}

static void help_print_subcommands(FILE *out)
{
    fputs("\nSubcommands\n", out);
    for (size_t i = 0; i < LENGTH_OF(help_subcommands); i++) {
        int size = fprintf(out, "  loadgen %s ", help_subcommands[i].name);
        help_wrap(out, help_subcommands[i].arguments, HELP_LEFT, (size_t)size);
        fprintf(out, "%*s", HELP_LEFT, "");
        help_wrap(out, help_subcommands[i].text, HELP_LEFT, HELP_LEFT);
    }
}

void help_print_workloads(FILE *out)
{
    fputs("Workloads\n", out);
    for (const struct options_preset *preset = options_presets; preset->name != NULL; preset++)
        help_preset(out, preset);
}

void help_print(FILE *out)
{
    fputs(help_head, out);
    for (size_t i = 0; i < LENGTH_OF(help_lines); i++) {
        if (help_lines[i].title != NULL)
            fprintf(out, "\n%s\n", help_lines[i].title);
        else
            help_option(out, &options_table[help_lines[i].id]);
    }
    fputs("\nTests\n", out);
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++) {
        char left[32];
        (void)snprintf(left, sizeof left, "  %s", workload_table[i].name);
        help_row(out, left, workload_table[i].text);
    }
    fputc('\n', out);
    help_print_workloads(out);
    help_print_subcommands(out);
    fputs(help_tail, out);
}
