/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Prints redis-benchmark's CSV.
 *
 * How: two decimals for the rate, three for times, as it does, so that scripts need no change.
 *
 * Invariants: a title with quotes stays one field.
 * Threads: the main thread. Failures: none; what cannot be written is lost.
 */
#include "client/loadgen/csv.h"

#include "client/loadgen/warning.h"

#include <inttypes.h>

enum {
    CSV_KIND_COLUMNS = 3,  /* of intervals alone: kind, begin, length */
    CSV_COUNT_COLUMNS = 4, /* of whole results alone: from the offered rate to misses */
    CSV_JUDGE_COLUMNS = 2, /* the same: warnings and recall */
};

/* How many percentiles were asked for; of some there are columns anyway. */
static unsigned csv_more_n(const struct plan *plan)
{
    return plan->more_percentiles ? plan->percentiles.n : 0;
}

static bool csv_is_more(const struct percentile *percentile)
{
    static const char *const columns[] = {"p50", "p90", "p95", "p99", "p99.9", "p99.99"};
    return !percentiles_is_one_of(percentile, columns, LENGTH_OF(columns));
}

void csv_head(FILE *out, const struct plan *extended)
{
    fputs("\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\","
          "\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"",
          out);
    if (extended != NULL)
        fputs(
            ",\"p90_latency_ms\",\"p99.9_latency_ms\",\"p99.99_latency_ms\",\"offered_rps\","
            "\"errors\",\"hits\",\"misses\",\"client_us_per_op\",\"server_us_per_op\",\"warnings\","
            "\"recall\",\"kind\",\"start_s\",\"length_s\"",
            out);
    for (unsigned i = 0; extended != NULL && i < csv_more_n(extended); i++)
        if (csv_is_more(&extended->percentiles.row[i]))
            fprintf(out, ",\"%s_latency_ms\"", extended->percentiles.row[i].title);
    fputc('\n', out);
}

/* What is not known. */
static void csv_nothing(FILE *out, unsigned columns)
{
    for (unsigned i = 0; i < columns; i++)
        fputs(",\"\"", out);
}

static void csv_ms(FILE *out, double ns)
{
    fprintf(out, ",\"%.3f\"", ns / 1e6);
}

static void csv_count(FILE *out, uint64_t count)
{
    fprintf(out, ",\"%" PRIu64 "\"", count);
}

/* Names of warnings, separated by spaces. */
static void csv_warnings(FILE *out, const struct plan *plan, const struct result *result)
{
    bool holds[WARNING_COUNT];
    const char *space = "";
    warning_check(plan, result, holds);
    fputs(",\"", out);
    for (unsigned i = 0; i < WARNING_COUNT; i++) {
        if (!holds[i])
            continue;
        fprintf(out, "%s%s", space, warning_table[i].name);
        space = " ";
    }
    fputc('"', out);
}

static void csv_more(FILE *out, const struct result *result, const struct plan *plan)
{
    const struct hist *latency = &result->latency;
    csv_ms(out, (double)hist_quantile(latency, 0.9));
    csv_ms(out, (double)hist_quantile(latency, 0.999));
    csv_ms(out, (double)hist_quantile(latency, 0.9999));
    fprintf(out, ",\"%.2f\"", result->offered);
    csv_count(out, result->counts.errors);
    csv_count(out, result->counts.hits);
    csv_count(out, result->counts.misses);
    fprintf(out, ",\"%.3f\"", result_client_us(result));
    if (result->has_server_cpu)
        fprintf(out, ",\"%.3f\"", result_server_us(result));
    else
        csv_nothing(out, 1);
    csv_warnings(out, plan, result);
    if (result->recall.scored > 0)
        fprintf(out, ",\"%.5f\"", result->recall.mean);
    else
        csv_nothing(out, 1);
    csv_nothing(out, CSV_KIND_COLUMNS);
    for (unsigned i = 0; i < csv_more_n(plan); i++)
        if (csv_is_more(&plan->percentiles.row[i]))
            csv_ms(out, (double)hist_quantile(latency, plan->percentiles.row[i].quantile));
}

static void csv_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (const char *c = text; *c != 0; c++)
        fputs(*c == '"' ? "\"\"" : (const char[]){*c, 0}, out);
    fputc('"', out);
}

/* ---- kinds of requests of a test that mixes them ---- */

/* CPU time of an interval by request: of all kinds together, which is what is known. */
static void csv_kind_cpu(FILE *out, const struct kinds *kinds, unsigned i)
{
    const struct snapshot_used *used = &kinds->span[i].used;
    double requests = (double)kinds_requests(kinds, i);
    if (requests > 0)
        fprintf(out, ",\"%.3f\"", (double)used->client_ns / 1e3 / requests);
    else
        csv_nothing(out, 1);
    if (requests > 0 && used->has_server)
        fprintf(out, ",\"%.3f\"", (double)used->server_ns / 1e3 / requests);
    else
        csv_nothing(out, 1);
}

/* Percentiles in the order of the columns, of an interval. */
static void csv_kind_row(FILE *out, const char *title, const struct result *result,
                         const struct plan *plan, unsigned kind, unsigned i)
{
    const struct kinds *kinds = &result->over_time;
    const struct cells *row = &kinds->row[kind][i];
    csv_text(out, title);
    fprintf(out, ",\"%.2f\"", kinds_rate(kinds, kind, i));
    csv_nothing(out, 2); /* mean and minimum */
    csv_ms(out, (double)cells_quantile(row, 0.5));
    csv_ms(out, (double)cells_quantile(row, 0.95));
    csv_ms(out, (double)cells_quantile(row, 0.99));
    csv_ms(out, (double)row->max_ns);
    csv_ms(out, (double)cells_quantile(row, 0.9));
    csv_ms(out, (double)cells_quantile(row, 0.999));
    csv_ms(out, (double)cells_quantile(row, 0.9999));
    csv_nothing(out, CSV_COUNT_COLUMNS);
    csv_kind_cpu(out, kinds, i);
    csv_nothing(out, CSV_JUDGE_COLUMNS);
    fputc(',', out);
    csv_text(out, result->workload->shapes[kind]->name);
    fprintf(out, ",\"%.3f\",\"%.3f\"", (double)kinds->span[i].start_ns / 1e9,
            (double)kinds->span[i].length_ns / 1e9);
    for (unsigned j = 0; j < csv_more_n(plan); j++)
        if (csv_is_more(&plan->percentiles.row[j]))
            csv_ms(out, (double)cells_quantile(row, plan->percentiles.row[j].quantile));
    fputc('\n', out);
}

static void csv_kinds(FILE *out, const char *title, const struct result *result,
                      const struct plan *plan)
{
    const struct workload *workload = result->workload;
    if (!workload_mixes(workload))
        return;
    for (unsigned kind = 0; kind < workload->n_shapes; kind++) {
        if (result_kind_requests(result, kind) == 0)
            continue;
        for (unsigned i = 0; i < result->over_time.n; i++)
            csv_kind_row(out, title, result, plan, kind, i);
    }
}

void csv_row(FILE *out, const char *title, const struct result *result, const struct plan *extended)
{
    const struct hist *latency = &result->latency;
    csv_text(out, title);
    fprintf(out, ",\"%.2f\"", result_rate(result));
    csv_ms(out, hist_mean(latency));
    csv_ms(out, latency->count == 0 ? 0 : (double)latency->min);
    csv_ms(out, (double)hist_quantile(latency, 0.5));
    csv_ms(out, (double)hist_quantile(latency, 0.95));
    csv_ms(out, (double)hist_quantile(latency, 0.99));
    csv_ms(out, (double)latency->max);
    if (extended != NULL)
        csv_more(out, result, extended);
    fputc('\n', out);
    if (extended != NULL)
        csv_kinds(out, title, result, extended);
    fflush(out);
}
