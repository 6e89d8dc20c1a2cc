/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sums up workers and derives figures.
 *
 * How: counts and histograms add up; everything else is divided out of them when it is asked for.
 *
 * Invariants: no figure is NaN or infinite, whatever was measured.
 * Threads: none; workers have returned. Failures: none.
 */
#include "client/loadgen/result.h"

static double result_per(double value, double by)
{
    return by > 0 ? value / by : 0;
}

void result_init(struct result *result, const struct workload *workload)
{
    memset(result, 0, sizeof *result);
    result->workload = workload;
    hist_init(&result->latency);
    hist_init(&result->service);
    hist_init(&result->first_byte);
    hist_init(&result->slip);
    for (unsigned i = 0; i < workload_rows(workload); i++)
        hist_init(&result->by_shape[i]);
    for (unsigned i = 0; i < workload->n_shapes; i++)
        worker_times_init(&result->times[i]);
}

static void result_count(struct worker_counts *into, const struct worker_counts *from)
{
    into->errors += from->errors;
    into->hits += from->hits;
    into->misses += from->misses;
    into->bytes_in += from->bytes_in;
    into->bytes_out += from->bytes_out;
    into->unanswered += from->unanswered;
    into->unsent += from->unsent;
    into->dropped += from->dropped;
    into->corrupt += from->corrupt;
    into->checked += from->checked;
    into->followed += from->followed;
    into->stale += from->stale;
}

static void result_count_kind(struct worker_kind *into, const struct worker_kind *from)
{
    into->errors += from->errors;
    into->hits += from->hits;
    into->misses += from->misses;
}

static void result_keep_first(char *into, const char *from)
{
    if (into[0] == 0)
        memcpy(into, from, WORKER_ERROR_SIZE);
}

void result_add(struct result *result, const struct worker *worker)
{
    result_count(&result->counts, &worker->counts);
    for (unsigned i = 0; i < result->workload->n_shapes; i++) {
        result_count_kind(&result->kinds[i], &worker->kinds[i]);
        hist_merge(&result->latency, &worker->latency[i]);
        hist_merge(&result->by_shape[i], &worker->latency[i]);
        worker_times_merge(&result->times[i], &worker->times[i]);
        hist_merge(&result->service, &worker->times[i].service);
        hist_merge(&result->first_byte, &worker->times[i].first_byte);
        hist_merge(&result->slip, &worker->times[i].slip);
        if (result->offered <= 0) /* sent when intended */
            hist_merge(&result->service, &worker->latency[i]);
    }
    for (unsigned i = result->workload->n_shapes; i < workload_rows(result->workload); i++)
        hist_merge(&result->by_shape[i], &worker->latency[i]);
    result->waiting_ns += worker->cpu.waiting_ns;
    if (worker->index < RESULT_THREADS)
        cpu_thread_add(&result->threads[worker->index], &worker->cpu);
    result->digest += worker->digest;
    result->replies += worker->replies;
    double busy = result_per((double)(worker->cpu.user_ns + worker->cpu.system_ns),
                             (double)result->elapsed_ns);
    if (busy > result->busiest)
        result->busiest = busy < 1 ? busy : 1;
    result_keep_first(result->first_error, worker->first_error);
    result_keep_first(result->first_corrupt, worker->first_corrupt);
    result_keep_first(result->first_stale, worker->first_stale);
    if (result->failure.kind == FAILURE_NONE)
        result->failure = worker->failure;
}

/* Of several runs the one that did not come to what was asked for is kept. */
static void result_merge_steady(struct steady *into, const struct steady *from, bool first)
{
    if (first || (into->enough && !from->enough))
        *into = *from;
}

void result_merge(struct result *into, const struct result *from)
{
    bool first = into->elapsed_ns == 0;
    result_count(&into->counts, &from->counts);
    hist_merge(&into->latency, &from->latency);
    hist_merge(&into->service, &from->service);
    hist_merge(&into->first_byte, &from->first_byte);
    hist_merge(&into->slip, &from->slip);
    for (unsigned i = 0; i < into->workload->n_shapes; i++) {
        result_count_kind(&into->kinds[i], &from->kinds[i]);
        worker_times_merge(&into->times[i], &from->times[i]);
    }
    for (unsigned i = 0; i < workload_rows(into->workload); i++)
        hist_merge(&into->by_shape[i], &from->by_shape[i]);
    if (into->fairness.connections == 0 || from->fairness.jain < into->fairness.jain)
        into->fairness = from->fairness;
    vector_recall_merge(&into->recall, &from->recall);
    series_append(&into->series, &from->series);
    kinds_append(&into->over_time, &from->over_time);
    into->elapsed_ns += from->elapsed_ns;
    into->client.user_ns += from->client.user_ns;
    into->client.system_ns += from->client.system_ns;
    cpu_system_add(&into->system, &from->system);
    into->has_server_cpu = from->has_server_cpu && (first || into->has_server_cpu);
    into->server_cpu_ns += from->server_cpu_ns;
    server_cpu_add(&into->server_told, &from->server_told);
    into->busiest = from->busiest > into->busiest ? from->busiest : into->busiest;
    into->waiting_ns += from->waiting_ns;
    for (unsigned i = 0; i < RESULT_THREADS; i++)
        cpu_thread_add(&into->threads[i], &from->threads[i]);
    into->digest += from->digest;
    into->replies += from->replies;
    into->offered = from->offered;
    result_keep_first(into->first_error, from->first_error);
    result_keep_first(into->first_corrupt, from->first_corrupt);
    result_keep_first(into->first_stale, from->first_stale);
    if (into->failure.kind == FAILURE_NONE)
        into->failure = from->failure;
    if (first)
        into->server = from->server;
    else
        server_stats_add(&into->server, &from->server);
    result_merge_steady(&into->warmup, &from->warmup, first);
    result_merge_steady(&into->length, &from->length, first);
}

/* Requests that have succeeded: the histogram has those as well that never were answered. */
static uint64_t result_succeeded(const struct result *result)
{
    return result->latency.count - result->counts.unanswered - result->counts.unsent;
}

void result_judge(struct result *result, const struct steady_rules *rules)
{
    if (!result->length.enough)
        result->length = steady_judge(rules, &result->series);
}

uint64_t result_requests(const struct result *result)
{
    return result_succeeded(result) + result->counts.errors;
}

uint64_t result_kind_requests(const struct result *result, unsigned shape)
{
    return result->by_shape[shape].count + result->kinds[shape].errors;
}

double result_rate(const struct result *result)
{
    return result_per((double)result_succeeded(result), (double)result->elapsed_ns / 1e9);
}

double result_paced_rate(const struct result *result)
{
    double ns = (double)result->elapsed_ns - (double)result->service.max;
    return result_per((double)result_succeeded(result), ns / 1e9);
}

double result_in_flight(const struct result *result)
{
    if (result->counts.unanswered > 0) /* they waited when the time was over, too */
        return 0;
    return result_per((double)result->service.sum, (double)result->elapsed_ns);
}

double result_client_us(const struct result *result)
{
    return result_per((double)(result->client.user_ns + result->client.system_ns) / 1e3,
                      (double)result_requests(result));
}

double result_server_us(const struct result *result)
{
    return result_per((double)result->server_cpu_ns / 1e3, (double)result_requests(result));
}

double result_stolen(const struct result *result)
{
    return result_per((double)result->system.steal_ns, (double)cpu_system_all_ns(&result->system));
}

double result_other_programs(const struct result *result)
{
    const struct cpu_system *system = &result->system;
    double all = (double)cpu_system_all_ns(system);
    double busy = all - (double)system->idle_ns - (double)system->steal_ns;
    double ours =
        (double)(result->client.user_ns + result->client.system_ns + result->server_cpu_ns) +
        (double)system->softirq_ns; /* of whom, the kernel does not tell */
    if (!result->has_server_cpu || all <= 0)
        return -1;
    return busy > ours ? (busy - ours) / all : 0;
}

double result_hit_share(const struct result *result)
{
    uint64_t reads = result->counts.hits + result->counts.misses;
    return reads == 0 ? 1 : (double)result->counts.hits / (double)reads;
}
