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
    for (unsigned i = 0; i < WORKLOAD_SHAPES; i++)
        hist_init(&result->by_shape[i]);
}

void result_add(struct result *result, const struct worker *worker)
{
    const struct worker_counts *counts = &worker->counts;
    result->counts.errors += counts->errors;
    result->counts.hits += counts->hits;
    result->counts.misses += counts->misses;
    result->counts.bytes_in += counts->bytes_in;
    result->counts.bytes_out += counts->bytes_out;
    result->counts.unanswered += counts->unanswered;
    result->counts.unsent += counts->unsent;
    result->counts.dropped += counts->dropped;
    hist_merge(&result->service, &worker->service);
    hist_merge(&result->first_byte, &worker->first_byte);
    hist_merge(&result->slip, &worker->slip);
    result->counts.corrupt += counts->corrupt;
    for (unsigned i = 0; i < WORKLOAD_SHAPES; i++) {
        hist_merge(&result->latency, &worker->latency[i]);
        hist_merge(&result->by_shape[i], &worker->latency[i]);
        if (result->offered <= 0) /* sent when intended */
            hist_merge(&result->service, &worker->latency[i]);
    }
    result->waiting_ns += worker->waiting_ns;
    result->digest += worker->digest;
    double busy = result_per((double)worker->cpu_ns, (double)result->elapsed_ns);
    if (busy > result->busiest)
        result->busiest = busy < 1 ? busy : 1;
    if (result->first_error[0] == 0)
        memcpy(result->first_error, worker->first_error, sizeof result->first_error);
    if (result->first_corrupt[0] == 0)
        memcpy(result->first_corrupt, worker->first_corrupt, sizeof result->first_corrupt);
    if (result->failure.kind == FAILURE_NONE)
        result->failure = worker->failure;
}

/* Requests that have succeeded: the histogram has those as well that never were answered. */
static uint64_t result_succeeded(const struct result *result)
{
    return result->latency.count - result->counts.unanswered - result->counts.unsent;
}

uint64_t result_requests(const struct result *result)
{
    return result_succeeded(result) + result->counts.errors;
}

double result_rate(const struct result *result)
{
    return result_per((double)result_succeeded(result), (double)result->elapsed_ns / 1e9);
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

double result_hit_share(const struct result *result)
{
    uint64_t reads = result->counts.hits + result->counts.misses;
    return reads == 0 ? 1 : (double)result->counts.hits / (double)reads;
}
