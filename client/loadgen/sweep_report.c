/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Prints and writes sweeps.
 *
 * How: a line for each value as soon as it was measured; of several runs the medians, and how much
 * their throughput varies.
 *
 * Invariants: warnings stand beside the figures they are about.
 * Threads: the main thread. Failures: none; what cannot be written is lost.
 */
#include "client/loadgen/sweep.h"

#include "client/loadgen/text.h"

void sweep_print_head(FILE *out, const struct sweep_table *table)
{
    fprintf(out, "\n%s, by %s\n  %12s %12s  %9s %9s %9s %9s  %6s %9s %9s\n", table->workload->title,
            table->sweep->name, table->sweep->name, "requests/s", "p50 (ms)", "p99", "p99.9", "max",
            "client", "us/req", "server us");
    fflush(out);
}

/* "1.234", or "-" where it is not known. */
static void sweep_us(double us, char out[static TEXT_SIZE])
{
    (void)snprintf(out, TEXT_SIZE, us > 0 ? "%.2f" : "-", us);
}

static void sweep_print_remarks(FILE *out, const struct sweep_point *point)
{
    char errors[TEXT_SIZE];
    text_count(point->errors, errors);
    if (point->runs > 1)
        fprintf(out, "  varies %.1f %% over %zu runs", 100 * point->rate.cv, point->runs);
    if (point->errors > 0)
        fprintf(out, "  %s errors", errors);
    for (unsigned i = 0; i < WARNING_COUNT; i++)
        if (point->warnings[i])
            fprintf(out, "  %s", warning_table[i].name);
}

void sweep_print_point(FILE *out, const struct sweep_table *table, const struct sweep_point *point)
{
    static const enum metric_id shown[] = {METRIC_p50, METRIC_p99, METRIC_p999};
    char rate[TEXT_SIZE], text[TEXT_SIZE], client[TEXT_SIZE], server[TEXT_SIZE];
    text_count((uint64_t)(point->figures[METRIC_rate] + 0.5), rate);
    fprintf(out, "  %12s %12s ", table->sweep->values[point->value], rate);
    for (size_t i = 0; i < LENGTH_OF(shown); i++) {
        text_ms((uint64_t)point->figures[shown[i]], text);
        fprintf(out, " %9s", text);
    }
    text_ms(point->max_ns, text);
    sweep_us(point->figures[METRIC_client_us], client);
    sweep_us(point->figures[METRIC_server_us], server);
    fprintf(out, " %9s  %4.0f %% %9s %9s", text, 100 * point->busiest, client, server);
    sweep_print_remarks(out, point);
    fputc('\n', out);
    fflush(out);
}

/* ---- JSON ---- */

static void sweep_write_point(struct writer *json, const struct sweep_table *table,
                              const struct sweep_point *point)
{
    writer_open_line(json, NULL, '{');
    writer_text(json, "value", table->sweep->values[point->value]);
    if (point->offered > 0)
        writer_real(json, "offered_per_sec", point->offered);
    metric_write(json, point->figures);
    writer_uint(json, "max_ns", point->max_ns);
    writer_uint(json, "errors", point->errors);
    writer_real(json, "client_busy", point->busiest);
    if (point->runs > 1)
        writer_real(json, "cv", point->rate.cv);
    if (point->runs >= STATS_RUNS_MIN) {
        writer_real(json, "low", point->rate.low);
        writer_real(json, "high", point->rate.high);
    }
    writer_open(json, "warnings", '[');
    for (unsigned i = 0; i < WARNING_COUNT; i++)
        if (point->warnings[i])
            writer_text(json, NULL, warning_table[i].name);
    writer_close(json, ']');
    writer_close(json, '}');
}

void sweep_write(struct writer *json, const struct sweep_table *tables, size_t n)
{
    if (n == 0)
        return;
    writer_open(json, "sweep", '[');
    for (size_t i = 0; i < n; i++) {
        writer_open(json, NULL, '{');
        writer_text(json, "test", tables[i].workload->name);
        writer_text(json, "title", tables[i].workload->title);
        writer_text(json, "option", options_table[tables[i].sweep->id].name);
        writer_open(json, "points", '[');
        for (unsigned j = 0; j < tables[i].n; j++)
            sweep_write_point(json, &tables[i], &tables[i].points[j]);
        writer_close(json, ']');
        writer_close(json, '}');
    }
    writer_close(json, ']');
}
