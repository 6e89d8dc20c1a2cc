/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Prints results as text.
 *
 * How: one function for each line of the summary, in the order in which they appear.
 *
 * Invariants: latencies are in ms with us; a line that has nothing to say is left out.
 * Threads: the main thread. Failures: none; what cannot be written is lost.
 */
#include "client/loadgen/report.h"

#include "client/loadgen/stairs_report.h"
#include "client/loadgen/text.h"
#include "client/loadgen/vector_report.h"
#include "client/loadgen/warning.h"
#include "common/num.h"

#include <inttypes.h>

static const char *report_plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

void report_head(FILE *out, const struct plan *plan, const char *target)
{
    char size[SIZES_TEXT_SIZE], keys[TEXT_SIZE], rate[SCHEDULE_TEXT_SIZE];
    bool ranges = plan->sizes.kind != SIZES_UNIFORM || plan->value_min < plan->value_bytes;
    if (ranges)
        sizes_format(&plan->sizes, size);
    else
        num_format_bytes((int64_t)plan->value_bytes, size);
    text_count(plan->keys, keys);
    fprintf(out, "%s  %s, %u connection%s", target, plan->driver->name, plan->connections,
            report_plural(plan->connections));
    if (plan->stairs.each_ns > 0)
        fprintf(out, " (from %u in steps of %u, each %.6g s)", plan->stairs.start,
                plan->stairs.step, (double)plan->stairs.each_ns / 1e9);
    if (plan->each_rate > 0)
        fprintf(out, " (%.10g requests/s each)", plan->each_rate);
    fprintf(out, ", %u thread%s", plan->threads, report_plural(plan->threads));
    if (plan->each_thread > 0)
        fprintf(out, " (%u connection%s each)", plan->each_thread,
                report_plural(plan->each_thread));
    fprintf(out, ", pipeline %u, values of %s%s, %s key%s", plan->pipeline, size,
            !ranges && plan->value_bytes % 1024 == 0 ? "" : " bytes", keys,
            report_plural(plan->keys));
    if (plan->first_key > 0)
        fprintf(out, " from %" PRIu64, plan->first_key);
    fputc('\n', out);
    if (plan->key_span.max > 0)
        fprintf(out, "keys of %zu to %zu bytes\n", plan->key_span.min, plan->key_span.max);
    vector_report_head(out, &plan->vectors);
    if (plan->rate <= 0) {
        fputs("closed loop: latency depends on connections and pipeline", out);
        if (plan->think.kind != THINK_NEVER)
            fprintf(out, "; each connection thinks for %.3f s on average",
                    think_mean_ns(&plan->think) / 1e9);
        fputc('\n', out);
        return;
    }
    const struct schedule_law law = plan_law(plan);
    schedule_format(&law, rate);
    fprintf(out, "open loop: %s; response time counts from when a request was due\n", rate);
}

enum { REPORT_LABEL = 12 }; /* letters of the names of lines, at least */

static void report_ms(FILE *out, uint64_t ns)
{
    char text[TEXT_SIZE];
    text_ms(ns, text);
    fprintf(out, " %9s", text);
}

/* The table of latencies: its percentiles, and how wide the names of its lines are. */
struct report_table {
    FILE *out;
    const struct percentiles *percentiles;
    int width;
};

static void report_latency_row(const struct report_table *table, const char *label,
                               const struct hist *latency)
{
    FILE *out = table->out;
    fprintf(out, "  %-*s", table->width, label);
    report_ms(out, (uint64_t)hist_mean(latency));
    report_ms(out, latency->count == 0 ? 0 : latency->min);
    for (unsigned i = 0; i < table->percentiles->n; i++)
        report_ms(out, hist_quantile(latency, table->percentiles->row[i].quantile));
    report_ms(out, latency->max);
    fputc('\n', out);
}

static void report_step_label(const struct shape *sequence, unsigned step, char out[TEXT_SIZE])
{
    (void)snprintf(out, TEXT_SIZE, " %u %s", step + 1, sequence->steps[step]->name);
}

/* Wide enough for every kind and step of a sequence. */
static int report_label_width(const struct workload *workload)
{
    size_t width = REPORT_LABEL;
    for (unsigned i = 0; i < workload->n_shapes; i++) {
        const struct shape *shape = workload->shapes[i];
        char label[TEXT_SIZE];
        if (workload_mixes(workload) && strlen(shape->name) > width)
            width = strlen(shape->name);
        for (unsigned step = 0; step < shape->n_steps; step++) {
            report_step_label(shape, step, label);
            width = strlen(label) > width ? strlen(label) : width;
        }
    }
    return (int)width;
}

/* Steps of a sequence, each by itself. */
static void report_steps(const struct report_table *table, const struct result *result,
                         unsigned shape)
{
    const struct shape *sequence = result->workload->shapes[shape];
    unsigned first = workload_first_step(result->workload, shape);
    for (unsigned i = 0; i < sequence->n_steps; i++) {
        char label[TEXT_SIZE];
        report_step_label(sequence, i, label);
        report_latency_row(table, label, &result->by_shape[first + i]);
    }
}

static void report_latency(FILE *out, const struct percentiles *percentiles,
                           const struct result *result)
{
    const struct workload *workload = result->workload;
    const struct report_table table = {out, percentiles, report_label_width(workload)};
    if (result->latency.count == 0) {
        fprintf(out, "  %-12s of nothing: no request succeeded\n", "latency");
        return;
    }
    fprintf(out, "  %-*s %9s %9s", table.width, "latency (ms)", "avg", "min");
    for (unsigned i = 0; i < percentiles->n; i++)
        fprintf(out, " %9s", percentiles->row[i].title);
    fprintf(out, " %9s\n", "max");
    bool open = result->offered > 0;
    report_latency_row(&table, open ? "response" : "", &result->latency);
    if (open)
        report_latency_row(&table, "service", &result->service);
    if (open && result->slip.count > 0)
        report_latency_row(&table, "sent late", &result->slip);
    for (unsigned i = 0; i < workload->n_shapes; i++) {
        if (workload_mixes(workload))
            report_latency_row(&table, workload->shapes[i]->name, &result->by_shape[i]);
        report_steps(&table, result, i);
    }
}

/* How much a kind changed over time: the lowest and highest interval. */
static void report_kind_range(FILE *out, const struct kinds *kinds, unsigned kind)
{
    double low = kinds_rate(kinds, kind, 0), high = low;
    uint64_t fast = cells_quantile(&kinds->row[kind][0], 0.99), slow = fast;
    char texts[4][TEXT_SIZE];
    for (unsigned i = 1; i < kinds->n; i++) {
        double rate = kinds_rate(kinds, kind, i);
        uint64_t p99 = cells_quantile(&kinds->row[kind][i], 0.99);
        low = rate < low ? rate : low;
        high = rate > high ? rate : high;
        fast = p99 < fast ? p99 : fast;
        slow = p99 > slow ? p99 : slow;
    }
    if (kinds->n < 2)
        return;
    text_count((uint64_t)(low + 0.5), texts[0]);
    text_count((uint64_t)(high + 0.5), texts[1]);
    text_ms(fast, texts[2]);
    text_ms(slow, texts[3]);
    fprintf(out, "; over time %s to %s/s, p99 %s to %s ms", texts[0], texts[1], texts[2], texts[3]);
}

/* Of an open loop: what of the response time of a kind was not waiting to be sent. */
static void report_kind_times(FILE *out, const struct worker_times *times)
{
    char service[TEXT_SIZE], late[TEXT_SIZE];
    if (times->service.count == 0)
        return;
    text_ms(hist_quantile(&times->service, 0.99), service);
    text_ms(hist_quantile(&times->slip, 0.99), late);
    fprintf(out, "; p99 of service %s, sent late %s ms", service, late);
}

/* Of a mix: how often each kind came, and what became of it. */
static void report_kinds(FILE *out, const struct result *result)
{
    const struct workload *workload = result->workload;
    double all = (double)result_requests(result);
    for (unsigned i = 0; workload_mixes(workload) && i < workload->n_shapes; i++) {
        const struct worker_kind *kind = &result->kinds[i];
        char requests[TEXT_SIZE], errors[TEXT_SIZE];
        text_count(result_kind_requests(result, i), requests);
        text_count(kind->errors, errors);
        fprintf(out, "  %-12s %s requests (%.2f %%), %s errors", workload->shapes[i]->name,
                requests, all > 0 ? 100 * (double)result_kind_requests(result, i) / all : 0,
                errors);
        if (kind->hits + kind->misses > 0)
            fprintf(out, ", %.2f %% hits",
                    100 * (double)kind->hits / (double)(kind->hits + kind->misses));
        report_kind_range(out, &result->over_time, i);
        report_kind_times(out, &result->times[i]);
        fputc('\n', out);
    }
}

static void report_throughput(FILE *out, const struct result *result)
{
    char requests[TEXT_SIZE], rate[TEXT_SIZE], errors[TEXT_SIZE];
    text_count(result_requests(result), requests);
    text_count((uint64_t)(result_rate(result) + 0.5), rate);
    text_count(result->counts.errors, errors);
    fprintf(out, "  %-12s %s in %.3f s, %s errors\n", "requests", requests,
            (double)result->elapsed_ns / 1e9, errors);
    fprintf(out, "  %-12s %s requests/s", "throughput", rate);
    if (result->offered > 0) {
        text_count((uint64_t)(result->offered + 0.5), rate);
        fprintf(out, " of %s offered", rate);
    }
    fputc('\n', out);
}

static void report_in_flight(FILE *out, const struct plan *plan, const struct result *result)
{
    double mean = result_in_flight(result);
    if (mean <= 0)
        return;
    fprintf(out, "  %-12s %.1f requests on average", "in flight", mean);
    if (plan->rate <= 0 && !plan->batch && !plan->reconnect && plan->stairs.each_ns == 0)
        fprintf(out, " of %u", plan->connections * plan->pipeline);
    fputc('\n', out);
}

static void report_hits(FILE *out, const struct result *result)
{
    char hits[TEXT_SIZE], reads[TEXT_SIZE];
    if (result->counts.hits + result->counts.misses == 0)
        return;
    text_count(result->counts.hits, hits);
    text_count(result->counts.hits + result->counts.misses, reads);
    fprintf(out, "  %-12s %.2f %% (%s of %s reads)\n", "hits", 100 * result_hit_share(result), hits,
            reads);
}

static void report_checked(FILE *out, const struct plan *plan, const struct result *result)
{
    char checked[TEXT_SIZE], followed[TEXT_SIZE], corrupt[TEXT_SIZE], stale[TEXT_SIZE];
    if (!plan->verify || result->counts.hits + result->counts.misses == 0)
        return;
    text_count(result->counts.checked, checked);
    text_count(result->counts.corrupt, corrupt);
    text_count(result->counts.followed, followed);
    text_count(result->counts.stale, stale);
    fprintf(out, "  %-12s %s values, %s wrong; %s of keys the connection knew, %s stale\n",
            "verified", checked, corrupt, followed, stale);
}

static void report_fairness(FILE *out, const struct fairness *fairness)
{
    char min[TEXT_SIZE], median[TEXT_SIZE], max[TEXT_SIZE];
    if (fairness->connections < 2 || fairness->max == 0)
        return;
    text_count(fairness->min, min);
    text_count(fairness->median, median);
    text_count(fairness->max, max);
    fprintf(out, "  %-12s %s to %s requests a connection, median %s; Jain's index %.4f\n",
            "fairness", min, max, median, fairness->jain);
}

static void report_cpu(FILE *out, const struct result *result)
{
    double requests = (double)result_requests(result);
    if (requests <= 0)
        return;
    fprintf(out, "  %-12s client %.2f us/request (user %.2f, system %.2f)", "CPU time",
            result_client_us(result), (double)result->client.user_ns / 1e3 / requests,
            (double)result->client.system_ns / 1e3 / requests);
    if (result->waiting_ns > 0)
        fprintf(out, ", waited for a CPU %.2f", (double)result->waiting_ns / 1e3 / requests);
    if (result->has_server_cpu)
        fprintf(out, ", server %.2f us/request (%s)", result_server_us(result),
                result->server_told.source);
    fputc('\n', out);
}

/* What --overload and --max-backlog came to. */
static void report_backlog(FILE *out, const struct plan *plan, const struct result *result)
{
    char backlog[TEXT_SIZE], dropped[TEXT_SIZE];
    if (plan->backlog == 0 && result->counts.dropped == 0)
        return;
    text_count(plan->backlog, backlog);
    text_count(result->counts.dropped, dropped);
    fprintf(out, "  %-12s at most %s requests waited for a connection", "backlog", backlog);
    if (plan->backlog > 0 && plan->rate > 0)
        fprintf(out, ", %.3f ms", 1e3 * (double)plan->backlog / plan->rate);
    fprintf(out, "; %s were not sent\n", dropped);
}

/* What the machine did meanwhile. */
static void report_system(FILE *out, const struct result *result)
{
    const struct cpu_system *system = &result->system;
    const struct {
        const char *what;
        uint64_t ns;
    } parts[] = {{"user", system->user_ns},
                 {"system", system->system_ns},
                 {"interrupts", system->softirq_ns},
                 {"stolen", system->steal_ns},
                 {"idle", system->idle_ns}};
    double all = (double)cpu_system_all_ns(system), other = result_other_programs(result);
    if (all <= 0)
        return;
    fprintf(out, "  %-12s", "machine");
    for (size_t i = 0; i < LENGTH_OF(parts); i++)
        fprintf(out, "%s %s %.1f %%", i > 0 ? "," : "", parts[i].what,
                100 * (double)parts[i].ns / all);
    if (other >= 0)
        fprintf(out, "; other programs %.1f %%", 100 * other);
    fputc('\n', out);
}

/* Of bytes before and after: "1.2 MiB to 3.4 MiB". */
static void report_growth(FILE *out, const char *what, uint64_t before, uint64_t after)
{
    if (before == 0 && after == 0)
        return;
    fprintf(out, ", %s %.1f to %.1f MiB", what, (double)before / 1048576, (double)after / 1048576);
}

/* What the server says. */
static void report_server(FILE *out, const struct result *result)
{
    const struct server_change *server = &result->server;
    const struct server_op *op = server_stats_main(server);
    char count[TEXT_SIZE];
    if (!server->known)
        return;
    text_count(server->requests, count);
    fprintf(out, "  %-12s counted %s requests", "server", count);
    if (op != NULL)
        fprintf(out, ", executed in %.2f us on average", server_stats_mean_us(server));
    if (op != NULL && op->p99_us > 0)
        fprintf(out, " (%s since it started: p50 %.2f, p99 %.2f)", op->name, op->p50_us,
                op->p99_us);
    fprintf(out, "\n  %-12s %s", "", server->durability[0] != 0 ? server->durability : "unknown");
    report_growth(out, "records", server->used_before, server->used_after);
    report_growth(out, "resident", server->resident_before, server->resident_after);
    if (server->log_writes > 0) {
        fprintf(out, ", %" PRIu64 " writes and %" PRIu64 " syncs of the log", server->log_writes,
                server->log_syncs);
    }
    fprintf(out, ", %" PRIu64 " evicted\n", server->evicted);
}

static void report_trend(FILE *out, const char *what, const struct steady_trend *trend)
{
    fprintf(out, " %s %+.1f %% (noise %.1f %%)", what, 100 * trend->drift, 100 * trend->noise);
}

static void report_warmup(FILE *out, const struct steady *warmup)
{
    if (!warmup->rules.until_steady)
        return;
    fprintf(out, "  %-12s %.1f s, %s", "warm-up", (double)warmup->after_ns / 1e9,
            warmup->enough ? "then steady:" : "not steady:");
    if (warmup->has_trends) {
        report_trend(out, "rate", &warmup->rate_trend);
        report_trend(out, "and median", &warmup->median_trend);
        fputs(" in its later half\n", out);
    } else
        fputs(" too short to tell\n", out);
}

static void report_precision(FILE *out, const struct steady *length)
{
    if (!(length->rules.rate > 0 || length->rules.p99 > 0))
        return;
    fprintf(out, "  %-12s", "precision");
    if (length->has_rate)
        fprintf(out, " throughput +- %.2f %%", 100 * length->rate);
    if (length->has_p99)
        fprintf(out, ", p99 +- %.1f %%", 100 * length->p99);
    fprintf(out, "%s after %.1f s\n", length->has_rate ? " (95 %)" : " not known",
            (double)length->after_ns / 1e9);
}

static void report_digest(FILE *out, const struct plan *plan, const struct result *result)
{
    if (plan->digest)
        fprintf(out, "  %-12s %016" PRIx64 "\n", "digest", result->digest);
}

static void report_warnings(FILE *out, const struct plan *plan, const struct result *result)
{
    bool holds[WARNING_COUNT];
    warning_check(plan, result, holds);
    for (unsigned i = 0; i < WARNING_COUNT; i++)
        if (holds[i])
            fprintf(out, "  warning: %s: %s\n", warning_table[i].name, warning_table[i].text);
    if (result->first_error[0] != 0)
        fprintf(out, "  first error: %s\n", result->first_error);
}

void report_summary(FILE *out, const struct plan *plan, const struct result *result)
{
    fprintf(out, "\n%s\n", result->workload->title);
    report_warmup(out, &result->warmup);
    report_throughput(out, result);
    report_precision(out, &result->length);
    report_latency(out, &plan->percentiles, result);
    report_kinds(out, result);
    report_hits(out, result);
    vector_report_recall(out, &result->recall);
    report_checked(out, plan, result);
    stairs_report_print(out, plan, result);
    report_in_flight(out, plan, result);
    report_backlog(out, plan, result);
    report_fairness(out, &result->fairness);
    report_cpu(out, result);
    report_system(out, result);
    report_server(out, result);
    report_digest(out, plan, result);
    report_warnings(out, plan, result);
    fflush(out);
}

void report_line(FILE *out, const char *title, const struct result *result)
{
    fprintf(out, "%s: %.2f requests per second, p50=%.3f msec", title, result_rate(result),
            (double)hist_quantile(&result->latency, 0.5) / 1e6);
    if (result->recall.scored > 0)
        fprintf(out, ", recall=%.4f", result->recall.mean);
    fputc('\n', out);
    fflush(out);
}
