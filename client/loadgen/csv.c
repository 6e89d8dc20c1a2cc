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

void csv_head(FILE *out, bool extended)
{
    fputs("\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\","
          "\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"",
          out);
    if (extended)
        fputs(
            ",\"p90_latency_ms\",\"p99.9_latency_ms\",\"p99.99_latency_ms\",\"offered_rps\","
            "\"errors\",\"hits\",\"misses\",\"client_us_per_op\",\"server_us_per_op\",\"warnings\","
            "\"recall\"",
            out);
    fputc('\n', out);
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
        fputs(",\"\"", out); /* not known */
    csv_warnings(out, plan, result);
    if (result->recall.scored > 0)
        fprintf(out, ",\"%.5f\"", result->recall.mean);
    else
        fputs(",\"\"", out);
}

void csv_row(FILE *out, const char *title, const struct result *result, const struct plan *extended)
{
    const struct hist *latency = &result->latency;
    fputc('"', out);
    for (const char *c = title; *c != 0; c++)
        fputs(*c == '"' ? "\"\"" : (const char[]){*c, 0}, out);
    fprintf(out, "\",\"%.2f\"", result_rate(result));
    csv_ms(out, hist_mean(latency));
    csv_ms(out, latency->count == 0 ? 0 : (double)latency->min);
    csv_ms(out, (double)hist_quantile(latency, 0.5));
    csv_ms(out, (double)hist_quantile(latency, 0.95));
    csv_ms(out, (double)hist_quantile(latency, 0.99));
    csv_ms(out, (double)latency->max);
    if (extended != NULL)
        csv_more(out, result, extended);
    fputc('\n', out);
    fflush(out);
}
