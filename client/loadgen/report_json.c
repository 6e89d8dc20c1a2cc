/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes results as JSON.
 *
 * How: names end in their unit; times are whole nanoseconds. What is not known is left out.
 *
 * Invariants: every figure of the summary is here as well.
 * Threads: the main thread. Failures: as client/loadgen/json.h.
 */
#include "client/loadgen/report_json.h"

#include "build_version.h"
#include "client/loadgen/warning.h"
#include "common/clock.h"

#include <sys/utsname.h>

static void json_config(struct json *json, const struct plan *plan, const char *target)
{
    json_open(json, "config", '{');
    json_text(json, "target", target);
    json_text(json, "protocol", plan->driver->name);
    json_uint(json, "connections", plan->connections);
    json_uint(json, "threads", plan->threads);
    json_uint(json, "pipeline", plan->pipeline);
    if (plan->requests != UINT64_MAX)
        json_uint(json, "requests", plan->requests);
    json_uint(json, "duration_ns", plan->duration_ns);
    json_uint(json, "warmup_ns", plan->warmup_ns);
    json_uint(json, "keys", plan->keys);
    json_uint(json, "value_bytes", plan->value_bytes);
    json_uint(json, "ratio_write", plan->ratio.write);
    json_uint(json, "ratio_read", plan->ratio.read);
    json_bool(json, "preload", plan->preload);
    json_uint(json, "seed", plan->seed);
    json_close(json, '}');
}

static void json_environment(struct json *json, const struct plan *plan)
{
    struct utsname name;
    json_open(json, "environment", '{');
    json_uint(json, "cpus", plan->cpus);
    if (uname(&name) == 0) {
        json_text(json, "kernel", name.release);
        json_text(json, "machine", name.machine);
    }
    json_close(json, '}');
}

void report_json_begin(struct json *json, const struct plan *plan, const char *target)
{
    json_open(json, NULL, '{');
    json_text(json, "tool", "loadgen");
    json_text(json, "version", CAIRN_VERSION);
    json_uint(json, "time_ms", (uint64_t)clock_wall_ms());
    json_environment(json, plan);
    json_config(json, plan, target);
    json_open(json, "results", '[');
}

static void json_latency(struct json *json, const char *key, const struct hist *latency)
{
    json_open(json, key, '{');
    json_uint(json, "count", latency->count);
    json_uint(json, "avg", (uint64_t)hist_mean(latency));
    json_uint(json, "min", latency->count == 0 ? 0 : latency->min);
    json_uint(json, "p50", hist_quantile(latency, 0.5));
    json_uint(json, "p90", hist_quantile(latency, 0.9));
    json_uint(json, "p95", hist_quantile(latency, 0.95));
    json_uint(json, "p99", hist_quantile(latency, 0.99));
    json_uint(json, "p99_9", hist_quantile(latency, 0.999));
    json_uint(json, "p99_99", hist_quantile(latency, 0.9999));
    json_uint(json, "max", latency->max);
    json_close(json, '}');
}

static void json_latencies(struct json *json, const struct result *result)
{
    const struct workload *workload = result->workload;
    json_latency(json, "latency_ns", &result->latency);
    if (!workload_mixes(workload))
        return;
    json_open(json, "latency_ns_by_request", '{');
    for (unsigned i = 0; i < WORKLOAD_SHAPES; i++)
        json_latency(json, workload->shapes[i]->name, &result->by_shape[i]);
    json_close(json, '}');
}

static void json_cpu(struct json *json, const struct result *result)
{
    json_uint(json, "client_user_ns", result->client.user_ns);
    json_uint(json, "client_system_ns", result->client.system_ns);
    json_real(json, "client_us_per_request", result_client_us(result));
    json_real(json, "client_busiest_thread", result->busiest);
    if (result->has_server_cpu) {
        json_uint(json, "server_cpu_ns", result->server_cpu_ns);
        json_real(json, "server_us_per_request", result_server_us(result));
    }
}

static void json_warnings(struct json *json, const struct plan *plan, const struct result *result)
{
    bool holds[WARNING_COUNT];
    warning_check(plan, result, holds);
    json_open(json, "warnings", '[');
    for (unsigned i = 0; i < WARNING_COUNT; i++)
        if (holds[i])
            json_text(json, NULL, warning_table[i].name);
    json_close(json, ']');
    if (result->first_error[0] != 0)
        json_text(json, "first_error", result->first_error);
    if (result->failure.kind != FAILURE_NONE)
        json_text(json, "failure", result->failure.text);
}

void report_json_test(struct json *json, const struct plan *plan, const struct result *result)
{
    json_open(json, NULL, '{');
    json_text(json, "test", result->workload->name);
    json_text(json, "title", result->workload->title);
    json_uint(json, "requests", result_requests(result));
    json_uint(json, "errors", result->counts.errors);
    json_uint(json, "elapsed_ns", result->elapsed_ns);
    json_real(json, "requests_per_second", result_rate(result));
    json_latencies(json, result);
    json_uint(json, "hits", result->counts.hits);
    json_uint(json, "misses", result->counts.misses);
    json_uint(json, "bytes_in", result->counts.bytes_in);
    json_uint(json, "bytes_out", result->counts.bytes_out);
    json_cpu(json, result);
    json_warnings(json, plan, result);
    json_close(json, '}');
}

void report_json_end(struct json *json)
{
    json_close(json, ']');
    json_close(json, '}');
}
