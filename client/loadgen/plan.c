/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Turns options into a plan.
 *
 * How: values are checked one by one when they are parsed; here is what depends on more than one.
 *
 * Invariants: every thread has at least one connection.
 * Threads: any; no state. Failures: ERR_BAD_ARGUMENT and a sentence.
 */
#include "client/loadgen/plan.h"

#include "common/err.h"

#include <stdio.h>

/* In flight at the same time: bounds the memory for stamps (24 bytes each). */
enum { PLAN_IN_FLIGHT_MAX = 16 * 1024 * 1024 };

static int plan_check(const struct options *options, char *out_detail)
{
    const char *wrong = NULL;
    if (options->duration > 0 && options->given[OPTIONS_requests])
        wrong = "give -n or --duration, not both";
    else if (options->connections * options->pipeline > PLAN_IN_FLIGHT_MAX)
        wrong = "-c times -P must be at most 16777216";
    else if (options->quiet && options->json)
        wrong = "give -q or --json, not both";
    if (wrong == NULL)
        return 0;
    (void)snprintf(out_detail, PLAN_DETAIL_SIZE, "%s", wrong);
    return ERR_BAD_ARGUMENT;
}

static uint64_t plan_ns(int64_t ms)
{
    return (uint64_t)ms * 1000000u;
}

int plan_make(const struct options *options, unsigned cpus, struct plan *out,
              char out_detail[static PLAN_DETAIL_SIZE])
{
    int64_t connections = options->connections;
    struct plan plan = {
        .driver = driver_find(options->protocol),
        .preload = options->preload,
        .threads = (unsigned)(options->threads < connections ? options->threads : connections),
        .connections = (unsigned)connections,
        .pipeline = (unsigned)options->pipeline,
        .cpus = cpus,
        .requests = options->duration > 0 ? UINT64_MAX : (uint64_t)options->requests,
        .duration_ns = plan_ns(options->duration),
        .warmup_ns = plan_ns(options->warmup),
        .timeout_ns = plan_ns(options->timeout),
        .seed = (uint64_t)options->seed,
        .keys = options->keyspace > 0 ? (uint64_t)options->keyspace : 1,
        .ratio = options->ratio,
        .value_bytes = (size_t)options->size,
    };
    if (plan.driver == NULL) {
        (void)snprintf(out_detail, PLAN_DETAIL_SIZE, "unknown protocol '%s'; there is msgpack",
                       options->protocol);
        return ERR_BAD_ARGUMENT;
    }
    int err = plan_check(options, out_detail);
    if (err == 0)
        err = workload_select(options->tests, plan.tests, out_detail);
    if (err == 0)
        *out = plan;
    return err;
}

unsigned plan_connections(const struct plan *plan, unsigned thread)
{
    unsigned rest = plan->connections % plan->threads;
    return plan->connections / plan->threads + (thread < rest ? 1 : 0);
}

struct stream plan_stream(const struct plan *plan, const struct workload *workload, bool warmup)
{
    uint64_t test = (uint64_t)(workload - workload_table) * 2 + (warmup ? 1 : 0);
    struct stream stream = {
        .seed = rng_mix(plan->seed + test * 0x632be59bd9b4e019u),
        .keys = plan->keys,
        .writes = 1,
        .each = 1,
    };
    if (workload_mixes(workload)) {
        stream.writes = plan->ratio.write;
        stream.each = (uint64_t)plan->ratio.write + plan->ratio.read;
    }
    return stream;
}

struct stream plan_preload_stream(const struct plan *plan)
{
    return (struct stream){.keys = plan->keys, .writes = 1, .each = 1, .in_order = true};
}
