/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes a result as JSON.
 *
 * How: names end in their unit; times are whole nanoseconds. What is not known is left out. Some
 * names are not ours (median_ns, samples), so that tools of others can read them.
 *
 * Invariants: every figure of the summary is here as well.
 * Threads: the main thread. Failures: as client/loadgen/writer.h.
 */
#include "client/loadgen/result_json.h"

#include "client/loadgen/stairs_report.h"
#include "client/loadgen/validity.h"
#include "client/loadgen/vector_report.h"
#include "client/loadgen/warning.h"

#include <inttypes.h>
#include <math.h>

enum { JSON_STEP_SIZE = 64 };

/* ---- latencies ---- */

static uint64_t hist_lower(unsigned index)
{
    return index == 0 ? 0 : hist_bucket_top(index - 1) + 1;
}

static double hist_stddev(const struct hist *hist)
{
    double mean = hist_mean(hist), squares = 0;
    for (unsigned i = 0; i < HIST_BUCKETS && hist->count > 1; i++) {
        double middle = ((double)hist_lower(i) + (double)hist_bucket_top(i)) / 2;
        squares += (double)hist->bucket[i] * (middle - mean) * (middle - mean);
    }
    return hist->count > 1 ? sqrt(squares / (double)(hist->count - 1)) : 0;
}

/* [smallest value, count] of each bucket that is not empty. */
static void json_histogram(struct writer *json, const struct hist *hist)
{
    writer_open_line(json, "histogram", '[');
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        if (hist->bucket[i] == 0)
            continue;
        writer_open(json, NULL, '[');
        writer_uint(json, NULL, hist_lower(i));
        writer_uint(json, NULL, hist->bucket[i]);
        writer_close(json, ']');
    }
    writer_close(json, ']');
}

static void json_latency(struct writer *json, const struct hist *hist)
{
    writer_uint(json, "samples", hist->count);
    writer_uint(json, "mean_ns", (uint64_t)hist_mean(hist));
    writer_uint(json, "stddev_ns", (uint64_t)hist_stddev(hist));
    writer_uint(json, "min_ns", hist->count == 0 ? 0 : hist->min);
    writer_uint(json, "median_ns", hist_quantile(hist, 0.5));
    writer_uint(json, "p90_ns", hist_quantile(hist, 0.9));
    writer_uint(json, "p95_ns", hist_quantile(hist, 0.95));
    writer_uint(json, "p99_ns", hist_quantile(hist, 0.99));
    writer_uint(json, "p999_ns", hist_quantile(hist, 0.999));
    writer_uint(json, "p9999_ns", hist_quantile(hist, 0.9999));
    writer_uint(json, "max_ns", hist->max);
    json_histogram(json, hist);
}

static void json_latency_object(struct writer *json, const char *key, const struct hist *hist)
{
    if (hist->count == 0)
        return;
    writer_open(json, key, '{');
    json_latency(json, hist);
    writer_close(json, '}');
}

/* The steps of a sequence, each by itself: "1 get", "2 set". */
static void json_steps(struct writer *json, const struct result *result, unsigned shape)
{
    const struct shape *sequence = result->workload->shapes[shape];
    unsigned first = workload_first_step(result->workload, shape);
    if (sequence->n_steps == 0)
        return;
    writer_open(json, "steps", '{');
    for (unsigned i = 0; i < sequence->n_steps; i++) {
        char name[JSON_STEP_SIZE];
        (void)snprintf(name, sizeof name, "%u %s", i + 1, sequence->steps[i]->name);
        json_latency_object(json, name, &result->by_shape[first + i]);
    }
    writer_close(json, '}');
}

/* A kind of request over time. */
static void json_kind_series(struct writer *json, const struct kinds *kinds, unsigned kind)
{
    writer_open(json, "series", '[');
    for (unsigned i = 0; i < kinds->n; i++) {
        const struct cells *row = &kinds->row[kind][i];
        writer_open_line(json, NULL, '{');
        writer_uint(json, "t_ns", kinds->span[i].start_ns);
        writer_uint(json, "length_ns", kinds->span[i].length_ns);
        writer_uint(json, "ops", row->count);
        writer_real(json, "ops_per_sec", kinds_rate(kinds, kind, i));
        writer_uint(json, "median_ns", cells_quantile(row, 0.5));
        writer_uint(json, "p99_ns", cells_quantile(row, 0.99));
        writer_uint(json, "max_ns", row->max_ns);
        writer_close(json, '}');
    }
    writer_close(json, ']');
}

/* A kind of request of a test that mixes several. */
static void json_kind(struct writer *json, const struct result *result, unsigned i)
{
    const struct worker_kind *kind = &result->kinds[i];
    uint64_t requests = result_kind_requests(result, i);
    if (requests == 0)
        return;
    writer_open(json, result->workload->shapes[i]->name, '{');
    writer_uint(json, "count", requests);
    writer_real(json, "ops_per_sec",
                result->elapsed_ns > 0
                    ? (double)result->by_shape[i].count / ((double)result->elapsed_ns / 1e9)
                    : 0);
    writer_uint(json, "errors", kind->errors);
    writer_uint(json, "hits", kind->hits);
    writer_uint(json, "misses", kind->misses);
    json_latency(json, &result->by_shape[i]);
    json_latency_object(json, "service", &result->times[i].service);
    json_latency_object(json, "ttfb", &result->times[i].first_byte);
    json_latency_object(json, "slip", &result->times[i].slip);
    json_steps(json, result, i);
    json_kind_series(json, &result->over_time, i);
    writer_close(json, '}');
}

static void json_latencies(struct writer *json, const struct result *result)
{
    const struct workload *workload = result->workload;
    json_latency(json, &result->latency);
    if (result->offered > 0) /* else it is the same */
        json_latency_object(json, "service", &result->service);
    json_latency_object(json, "ttfb", &result->first_byte);
    json_latency_object(json, "slip", &result->slip);
    if (!workload_mixes(workload)) {
        json_steps(json, result, 0);
        return;
    }
    writer_open(json, "by_request", '{');
    for (unsigned i = 0; i < workload->n_shapes; i++)
        json_kind(json, result, i);
    writer_close(json, '}');
}

/* ---- over time ---- */

enum {
    JSON_CELL = 1 << (HIST_SUB_BITS - 4), /* buckets to a cell: 16 cells to an octave, 4.4 % */
};

static void json_cells(struct writer *json, const struct series_row *row)
{
    writer_open(json, "cells", '[');
    for (unsigned i = 0; i < HIST_BUCKETS; i += JSON_CELL) {
        uint64_t count = 0;
        for (unsigned j = 0; j < JSON_CELL; j++)
            count += row->bucket[i + j];
        if (count == 0)
            continue;
        writer_open(json, NULL, '[');
        writer_uint(json, NULL, hist_lower(i));
        writer_uint(json, NULL, count);
        writer_close(json, ']');
    }
    writer_close(json, ']');
}

static void json_series_row(struct writer *json, const struct series_row *row, unsigned threads)
{
    writer_open_line(json, NULL, '{');
    writer_uint(json, "t_ns", row->start_ns);
    writer_uint(json, "length_ns", row->length_ns);
    writer_uint(json, "ops", row->requests);
    writer_uint(json, "errors", row->errors);
    writer_uint(json, "median_ns", series_quantile(row, 0.5));
    writer_uint(json, "p95_ns", series_quantile(row, 0.95));
    writer_uint(json, "p99_ns", series_quantile(row, 0.99));
    writer_uint(json, "p999_ns", series_quantile(row, 0.999));
    writer_uint(json, "max_ns", row->max_ns);
    writer_real(json, "ops_per_sec", (double)row->requests / ((double)row->length_ns / 1e9));
    if (row->slip.count > 0) {
        writer_uint(json, "slip_p99_ns", cells_quantile(&row->slip, 0.99));
        writer_uint(json, "slip_max_ns", row->slip.max_ns);
    }
    snapshot_write(json, &row->used, row->length_ns, threads, row->requests);
    writer_real(json, "connections", series_connections(row));
    json_cells(json, row);
    writer_close(json, '}');
}

static void json_series(struct writer *json, const struct series *series, unsigned threads)
{
    writer_open(json, "series", '[');
    for (unsigned i = 0; i < series->n; i++)
        json_series_row(json, &series->row[i], threads);
    writer_close(json, ']');
}

/* ---- the rest ---- */

static void json_threads(struct writer *json, const struct result *result)
{
    unsigned n = RESULT_THREADS;
    while (n > 0 && result->threads[n - 1].user_ns + result->threads[n - 1].system_ns == 0)
        n--;
    writer_open(json, "threads", '[');
    for (unsigned i = 0; i < n; i++) {
        const struct cpu_thread *thread = &result->threads[i];
        writer_open_line(json, NULL, '{');
        writer_uint(json, "cpu_user_ns", thread->user_ns);
        writer_uint(json, "cpu_system_ns", thread->system_ns);
        writer_uint(json, "runq_delay_ns", thread->waiting_ns);
        writer_uint(json, "context_switches", thread->switches);
        writer_close(json, '}');
    }
    writer_close(json, ']');
}

/* Requests in flight on average; in a closed loop there should be as many as asked for: what is
 * missing is the time loadgen needs to send the next. */
static void json_in_flight(struct writer *json, const struct plan *plan,
                           const struct result *result)
{
    double mean = result_in_flight(result), residual;
    if (mean <= 0)
        return;
    writer_open(json, "in_flight", '{');
    writer_real(json, "mean", mean);
    if (validity_residual(plan, result, &residual)) {
        writer_real(json, "asked", (double)plan->connections * plan->pipeline);
        writer_real(json, "little_residual_pct", residual);
    }
    writer_close(json, '}');
}

static void json_cpu(struct writer *json, const struct result *result)
{
    writer_open(json, "client", '{');
    writer_uint(json, "cpu_user_ns", result->client.user_ns);
    writer_uint(json, "cpu_system_ns", result->client.system_ns);
    writer_real(json, "us_per_op", result_client_us(result));
    writer_real(json, "busiest_thread", result->busiest);
    writer_uint(json, "runq_delay_ns", result->waiting_ns);
    json_threads(json, result);
    writer_close(json, '}');
}

static void json_system(struct writer *json, const struct result *result)
{
    const struct cpu_system *system = &result->system;
    double all = (double)cpu_system_all_ns(system), other = result_other_programs(result);
    if (all <= 0)
        return;
    writer_open(json, "system", '{');
    writer_uint(json, "user_ns", system->user_ns);
    writer_uint(json, "system_ns", system->system_ns);
    writer_uint(json, "softirq_ns", system->softirq_ns);
    writer_uint(json, "steal_ns", system->steal_ns);
    writer_uint(json, "idle_ns", system->idle_ns);
    if (other >= 0)
        writer_uint(json, "other_ns", (uint64_t)(other * all));
    writer_close(json, '}');
}

/* Of the test are calls and mean; quantiles are since the server started, which is the same if it
 * had not been called before. */
static void json_server_ops(struct writer *json, const struct server_change *server)
{
    writer_open(json, "operations", '{');
    for (unsigned i = 0; i < server->n_ops; i++) {
        const struct server_op *op = &server->ops[i];
        writer_open_line(json, op->name, '{');
        writer_uint(json, "count", op->calls);
        writer_uint(json, "errors", op->failed);
        writer_uint(json, "mean_ns", (uint64_t)(1e3 * op->spent_us / (double)op->calls));
        if (op->p99_us > 0) {
            writer_uint(json, "median_ns", (uint64_t)(1e3 * op->p50_us));
            writer_uint(json, "p99_ns", (uint64_t)(1e3 * op->p99_us));
            writer_bool(json, "quantiles_of_test", server->exact[i]);
        }
        writer_close(json, '}');
    }
    writer_close(json, '}');
}

static void json_server_stats(struct writer *json, const struct result *result)
{
    const struct server_change *server = &result->server;
    if (!server->known)
        return;
    writer_known(json, "durability", server->durability);
    writer_uint(json, "requests", server->requests);
    writer_uint(json, "requests_sent", result->replies);
    writer_uint(json, "mean_ns", (uint64_t)(1e3 * server_stats_mean_us(server)));
    writer_uint(json, "memory_before_bytes", server->used_before);
    writer_uint(json, "memory_after_bytes", server->used_after);
    writer_uint(json, "resident_before_bytes", server->resident_before);
    writer_uint(json, "resident_after_bytes", server->resident_after);
    writer_uint(json, "evicted", server->evicted);
    writer_uint(json, "expired", server->expired);
    writer_uint(json, "log_writes", server->log_writes);
    writer_uint(json, "log_syncs", server->log_syncs);
    json_server_ops(json, server);
}

/* Where its CPU time is from, and what asking for it took. */
static void json_server_told(struct writer *json, const struct server_cpu_told *told)
{
    if (told->source == NULL)
        return;
    writer_text(json, "source", told->source);
    if (told->wanted == 0)
        return;
    writer_uint(json, "asked", told->asked);
    writer_uint(json, "answered", told->answered);
    if (told->answered > 0)
        writer_uint(json, "answer_mean_ns", told->answer_ns / told->answered);
}

static void json_server(struct writer *json, const struct result *result)
{
    if (result->server_told.source == NULL && !result->has_server_cpu && !result->server.known)
        return;
    writer_open(json, "server", '{');
    json_server_told(json, &result->server_told);
    if (result->has_server_cpu) {
        writer_uint(json, "cpu_ns", result->server_cpu_ns);
        writer_real(json, "us_per_op", result_server_us(result));
    }
    json_server_stats(json, result);
    writer_close(json, '}');
}

static void json_fairness(struct writer *json, const struct fairness *fairness)
{
    if (fairness->connections < 2)
        return;
    writer_open(json, "fairness", '{');
    writer_uint(json, "connections", fairness->connections);
    writer_uint(json, "min", fairness->min);
    writer_uint(json, "median", fairness->median);
    writer_uint(json, "max", fairness->max);
    writer_real(json, "jain", fairness->jain);
    writer_close(json, '}');
}

static void json_warnings(struct writer *json, const struct plan *plan, const struct result *result)
{
    bool holds[WARNING_COUNT];
    warning_check(plan, result, holds);
    writer_open(json, "warnings", '[');
    for (unsigned i = 0; i < WARNING_COUNT; i++) {
        if (!holds[i])
            continue;
        writer_open(json, NULL, '{');
        writer_text(json, "name", warning_table[i].name);
        writer_text(json, "text", warning_table[i].text);
        writer_close(json, '}');
    }
    writer_close(json, ']');
    writer_known(json, "first_error", result->first_error);
    writer_known(json, "first_corrupt", result->first_corrupt);
    writer_known(json, "first_stale", result->first_stale);
    if (result->failure.kind != FAILURE_NONE)
        writer_text(json, "failure", result->failure.text);
}

static void json_trend(struct writer *json, const char *key, const struct steady_trend *trend)
{
    writer_open_line(json, key, '{');
    writer_real(json, "drift", trend->drift);
    writer_real(json, "noise", trend->noise);
    writer_close(json, '}');
}

static void json_warmup(struct writer *json, const struct steady *warmup)
{
    if (!warmup->rules.until_steady)
        return;
    writer_open(json, "warmup", '{');
    writer_bool(json, "steady", warmup->enough);
    writer_uint(json, "elapsed_ns", warmup->after_ns);
    writer_uint(json, "intervals", warmup->intervals);
    if (warmup->has_trends) {
        json_trend(json, "ops_per_sec", &warmup->rate_trend);
        json_trend(json, "median_ns", &warmup->median_trend);
    }
    writer_close(json, '}');
}

/* Half widths are always told; what was asked for, and whether it was reached, if it was. */
static void json_precision(struct writer *json, const struct steady *length)
{
    bool asked = length->rules.rate > 0 || length->rules.p99 > 0;
    if (!asked && !length->has_rate)
        return;
    writer_open(json, "precision", '{');
    if (asked) {
        writer_bool(json, "reached", length->enough);
        writer_uint(json, "after_ns", length->after_ns);
    }
    if (length->rules.rate > 0)
        writer_real(json, "ops_per_sec_asked", length->rules.rate);
    if (length->rules.p99 > 0)
        writer_real(json, "p99_asked", length->rules.p99);
    if (length->has_rate)
        writer_real(json, "ops_per_sec", length->rate);
    if (length->has_p99)
        writer_real(json, "p99", length->p99);
    writer_uint(json, "batches", STEADY_BATCHES);
    writer_uint(json, "intervals", length->intervals);
    writer_close(json, '}');
}

static void json_digest(struct writer *json, uint64_t digest)
{
    char text[20];
    (void)snprintf(text, sizeof text, "%016" PRIx64, digest);
    writer_text(json, "digest", text);
}

/* Those of --print-percentiles. */
static void json_percentiles(struct writer *json, const struct plan *plan,
                             const struct hist *latency)
{
    if (!plan->more_percentiles || latency->count == 0)
        return;
    writer_open_line(json, "percentiles_ns", '{');
    for (unsigned i = 0; i < plan->percentiles.n; i++)
        writer_uint(json, plan->percentiles.row[i].title,
                    hist_quantile(latency, plan->percentiles.row[i].quantile));
    writer_close(json, '}');
}

void result_json_write(struct writer *json, const struct plan *plan, const char *step,
                       const struct result *result)
{
    writer_text(json, "test", result->workload->name);
    writer_text(json, "title", result->workload->title);
    writer_known(json, "step", step);
    writer_uint(json, "count", result_requests(result));
    writer_uint(json, "errors", result->counts.errors);
    writer_uint(json, "hits", result->counts.hits);
    writer_uint(json, "misses", result->counts.misses);
    writer_uint(json, "corrupt", result->counts.corrupt);
    if (plan->verify) {
        writer_uint(json, "checked", result->counts.checked);
        writer_uint(json, "followed", result->counts.followed);
        writer_uint(json, "stale", result->counts.stale);
    }
    writer_uint(json, "unanswered", result->counts.unanswered);
    writer_uint(json, "unsent", result->counts.unsent);
    writer_uint(json, "dropped", result->counts.dropped);
    if (plan->backlog > 0)
        writer_uint(json, "max_backlog", plan->backlog);
    writer_uint(json, "bytes_in", result->counts.bytes_in);
    writer_uint(json, "bytes_out", result->counts.bytes_out);
    writer_uint(json, "elapsed_ns", result->elapsed_ns);
    writer_real(json, "ops_per_sec", result_rate(result));
    if (result->offered > 0)
        writer_real(json, "offered_per_sec", result->offered);
    json_warmup(json, &result->warmup);
    json_precision(json, &result->length);
    if (plan->digest)
        json_digest(json, result->digest);
    json_latencies(json, result);
    json_percentiles(json, plan, &result->latency);
    vector_report_write(json, &plan->vectors, result);
    json_in_flight(json, plan, result);
    json_fairness(json, &result->fairness);
    json_cpu(json, result);
    json_system(json, result);
    json_server(json, result);
    json_warnings(json, plan, result);
    stairs_report_write(json, plan, result);
    json_series(json, &result->series, plan->threads);
}
