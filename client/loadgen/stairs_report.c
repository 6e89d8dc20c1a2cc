/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tells what each step of a staircase came to.
 *
 * How: the intervals of the series that lie in one step are added up.
 *
 * Invariants: an interval counts for one step at most.
 * Threads: the main thread. Failures: none; what cannot be written is lost.
 */
#include "client/loadgen/stairs_report.h"

#include "client/loadgen/text.h"

static bool stairs_is_on(const struct series_row *row, unsigned connections)
{
    return row->length_ns > 0 && row->conn_ns == connections * row->length_ns;
}

bool stairs_figures_of(const struct stairs *stairs, const struct series *series, unsigned step,
                       struct stairs_figures *out)
{
    struct series_row all = {.requests = 0};
    unsigned connections = stairs_at(stairs, step), n = 0;
    for (unsigned i = 0; i < series->n; i++)
        if (stairs_is_on(&series->row[i], connections)) {
            series_join(&all, &series->row[i]);
            n++;
        }
    *out = (struct stairs_figures){
        .connections = connections,
        .length_ns = all.length_ns,
        .requests = all.requests,
        .errors = all.errors,
        .rate = n > 0 ? series_rate(&all, 1) : 0,
        .median_ns = series_quantile(&all, 0.5),
        .p99_ns = series_quantile(&all, 0.99),
        .p999_ns = series_quantile(&all, 0.999),
        .max_ns = all.max_ns,
    };
    return n > 0;
}

void stairs_report_print(FILE *out, const struct plan *plan, const struct result *result)
{
    const struct stairs *stairs = &plan->stairs;
    struct stairs_figures figures;
    if (stairs->each_ns == 0)
        return;
    fprintf(out, "  %-12s %12s %9s %9s %9s %9s (ms)\n", "connections", "requests/s", "p50", "p99",
            "p99.9", "max");
    for (unsigned step = 0; step < stairs_steps(stairs); step++) {
        char rate[TEXT_SIZE];
        if (!stairs_figures_of(stairs, &result->series, step, &figures))
            continue;
        text_count((uint64_t)(figures.rate + 0.5), rate);
        fprintf(out, "  %12u %12s %9.3f %9.3f %9.3f %9.3f\n", figures.connections, rate,
                (double)figures.median_ns / 1e6, (double)figures.p99_ns / 1e6,
                (double)figures.p999_ns / 1e6, (double)figures.max_ns / 1e6);
    }
}

void stairs_report_write(struct writer *json, const struct plan *plan, const struct result *result)
{
    const struct stairs *stairs = &plan->stairs;
    struct stairs_figures figures;
    if (stairs->each_ns == 0)
        return;
    writer_open(json, "by_connections", '[');
    for (unsigned step = 0; step < stairs_steps(stairs); step++) {
        if (!stairs_figures_of(stairs, &result->series, step, &figures))
            continue;
        writer_open_line(json, NULL, '{');
        writer_uint(json, "connections", figures.connections);
        writer_uint(json, "length_ns", figures.length_ns);
        writer_uint(json, "ops", figures.requests);
        writer_uint(json, "errors", figures.errors);
        writer_real(json, "ops_per_sec", figures.rate);
        writer_uint(json, "median_ns", figures.median_ns);
        writer_uint(json, "p99_ns", figures.p99_ns);
        writer_uint(json, "p999_ns", figures.p999_ns);
        writer_uint(json, "max_ns", figures.max_ns);
        writer_close(json, '}');
    }
    writer_close(json, ']');
}
