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

void csv_head(FILE *out)
{
    fputs("\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\","
          "\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n",
          out);
}

static void csv_ms(FILE *out, double ns)
{
    fprintf(out, ",\"%.3f\"", ns / 1e6);
}

void csv_row(FILE *out, const struct result *result)
{
    const struct hist *latency = &result->latency;
    fputc('"', out);
    for (const char *c = result->workload->title; *c != 0; c++)
        fputs(*c == '"' ? "\"\"" : (const char[]){*c, 0}, out);
    fprintf(out, "\",\"%.2f\"", result_rate(result));
    csv_ms(out, hist_mean(latency));
    csv_ms(out, latency->count == 0 ? 0 : (double)latency->min);
    csv_ms(out, (double)hist_quantile(latency, 0.5));
    csv_ms(out, (double)hist_quantile(latency, 0.95));
    csv_ms(out, (double)hist_quantile(latency, 0.99));
    csv_ms(out, (double)latency->max);
    fputc('\n', out);
    fflush(out);
}
