/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Servers with a law and what follows from it.
 *
 * How: each test has a server do something of which the latencies can be worked out on paper or
 * from the server's log, lets loadgen measure it, and compares. Delays are long against the 50 us
 * that a reply takes on its way and a thread takes to wake up.
 *
 * Invariants: what is expected never comes from what loadgen measured.
 * Threads: as selftest_rig.c. Failures: in rig->failure.
 */
#include "client/loadgen/selftest_law.h"

#include "client/loadgen/arrivals.h"
#include "client/loadgen/selftest_arrivals.h"
#include "client/loadgen/warning.h"

#include <math.h>

#define MS UINT64_C(1000000)

static double law_ms(double ns)
{
    return ns / 1e6;
}

static double law_quantile_ms(const struct hist *hist, double q)
{
    return law_ms((double)hist_quantile(hist, q));
}

static uint64_t law_count_above(const struct hist *hist, uint64_t ns)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        count += hist_bucket_top(i) > ns ? hist->bucket[i] : 0;
    return count;
}

static bool law_fixed(struct selftest_rig *rig)
{
    const struct fake_law law = {.delay_ns = MS};
    const struct selftest_load load = {
        .workload = WORKLOAD_set, .rate = 200, .duration_ns = rig->time_ns};
    if (!selftest_measure(rig, &law, &load))
        return false;
    const struct result *result = &rig->result;
    double response = law_quantile_ms(&result->latency, 0.5);
    double service = law_quantile_ms(&result->service, 0.5);
    selftest_expect(rig, "response p50", "ms", 1.0, 1.15, response);
    selftest_expect(rig, "response - service, p50", "ms", 0, 0.06, response - service);
    selftest_expect(rig, "response p90", "ms", 1.0, 1.3, law_quantile_ms(&result->latency, 0.9));
    return true;
}

static bool law_bimodal_of(struct selftest_rig *rig, unsigned connections, unsigned window)
{
    const struct fake_law law = {.delay_ns = 10 * MS, .slow_each = 100, .slow_ns = 100 * MS};
    const struct selftest_load load = {.workload = WORKLOAD_set,
                                       .rate = 500,
                                       .connections = connections,
                                       .window = window,
                                       .duration_ns = rig->time_ns};
    if (!selftest_measure(rig, &law, &load))
        return false;
    const struct hist *latency = &rig->result.latency;
    selftest_expect(rig, "p98", "ms", 10, 10.5, law_quantile_ms(latency, 0.98));
    selftest_expect(rig, "p99.5", "ms", 100, 103, law_quantile_ms(latency, 0.995));
    selftest_expect_near(rig, "mean", "ms", 10.9, 0.03, law_ms(hist_mean(latency)));
    return true;
}

static bool law_bimodal(struct selftest_rig *rig)
{
    return law_bimodal_of(rig, 50, 1);
}

/* ---- stalls ---- */

/* Response time at quantile q if the server stalls for stall_ns of time_ns. */
static double law_stall_ms(double q, double stall_ns, double time_ns, double load)
{
    return law_ms(stall_ns - (1 - q) * (1 - load) * time_ns);
}

/* The rate offered divided by that at which the server took the backlog, as its log has it. */
static double law_load(const struct fake_log *log, double rate)
{
    size_t first = 0;
    while (first < log->count && log->arrival[first] < log->stall_end)
        first++;
    size_t backlog = (size_t)((double)(log->stall_end - log->stall_begin) / 1e9 * rate);
    if (backlog < 2 || first + backlog > log->count || first + backlog > log->capacity)
        return 0;
    double drained = arrivals_rate(log->arrival + first, backlog);
    return drained > 0 ? rate / drained : 0;
}

static bool law_stall(struct selftest_rig *rig)
{
    uint64_t time = rig->time_ns, stall = rig->quick ? 400 * MS : 1000 * MS;
    const struct fake_law law = {.stall_at_ns = time / 4, .stall_ns = stall};
    const struct selftest_load load = {
        .workload = WORKLOAD_set, .connections = 1, .rate = 1000, .duration_ns = time};
    if (!selftest_measure(rig, &law, &load))
        return false;
    const struct result *result = &rig->result;
    double stalled = (double)(rig->log->stall_end - rig->log->stall_begin);
    double busy = law_load(rig->log, load.rate);
    double service = law_quantile_ms(&result->service, 0.99);
    const double quantiles[] = {0.95, 0.99, 0.999};
    static const char *const names[] = {"response p95", "response p99", "response p99.9"};
    for (size_t i = 0; i < LENGTH_OF(quantiles); i++)
        selftest_expect_near(rig, names[i], "ms",
                             law_stall_ms(quantiles[i], stalled, (double)time, busy), 0.03,
                             law_quantile_ms(&result->latency, quantiles[i]));
    selftest_expect(rig, "service p99: the stall is hidden", "ms", 0, 5, service);
    double requests = (double)time / 1e9 * load.rate;
    selftest_expect(rig, "requests", "", requests, requests, (double)result->latency.count);
    return true;
}

static bool law_stall_closed(struct selftest_rig *rig)
{
    uint64_t stall = 400 * MS;
    const struct fake_law law = {.delay_ns = MS, .stall_at_ns = 300 * MS, .stall_ns = stall};
    const struct selftest_load load = {
        .workload = WORKLOAD_set, .connections = 4, .duration_ns = rig->time_ns};
    if (!selftest_measure(rig, &law, &load))
        return false;
    selftest_expect(rig, "requests above half the stall", "", 1, load.connections,
                    (double)law_count_above(&rig->result.latency, stall / 2));
    return true;
}

/* https://github.com/giltene/wrk2: 0.525, 0.993 and 1.23 to 1.28 s were published. On one
 * connection, as the law is that of a queue: what came first is served first. */
static bool law_wrk2(struct selftest_rig *rig)
{
    const uint64_t service = 90000, stall = 1416 * MS, time = rig->time_ns;
    const struct fake_law law = {
        .delay_ns = service, .serial = true, .stall_at_ns = 5000 * MS, .stall_ns = stall};
    const struct selftest_load load = {.workload = WORKLOAD_set,
                                       .connections = 1,
                                       .window = 4096,
                                       .rate = 1000,
                                       .duration_ns = time};
    if (!selftest_measure(rig, &law, &load))
        return false;
    const struct hist *latency = &rig->result.latency;
    double busy = load.rate * (double)service / 1e9;
    double expected[] = {law_stall_ms(0.95, (double)stall, (double)time, busy),
                         law_stall_ms(0.975, (double)stall, (double)time, busy),
                         law_stall_ms(0.99, (double)stall, (double)time, busy)};
    selftest_expect_near(rig, "response p95", "ms", expected[0], 0.03,
                         law_quantile_ms(latency, 0.95));
    selftest_expect_near(rig, "response p97.5", "ms", expected[1], 0.03,
                         law_quantile_ms(latency, 0.975));
    selftest_expect_near(rig, "response p99", "ms", expected[2], 0.03,
                         law_quantile_ms(latency, 0.99));
    return true;
}

/* ---- queues ---- */

enum { LAW_SERVICE_MS = 2 };

#define LAW_WAY_MS 0.1 /* there and back, and waking up at both ends */

/* Response time of a queue of so many arrivals a second, against what follows from the arrivals. */
static bool law_queue_of(struct selftest_rig *rig, const char *figure, double rate, bool poisson)
{
    const uint64_t service = LAW_SERVICE_MS * MS;
    const struct fake_law law = {.delay_ns = service, .serial = true};
    const struct selftest_load load = {.workload = WORKLOAD_set,
                                       .connections = 50,
                                       .window = 16,
                                       .rate = rate,
                                       .poisson = poisson,
                                       .duration_ns = rig->time_ns};
    if (!selftest_measure(rig, &law, &load))
        return false;
    const struct fake_log *log = rig->log;
    double wait = poisson ? arrivals_wait_ns(log->arrival, log->count, service) : 0;
    double expected = law_ms(wait + (double)service);
    selftest_expect(rig, figure, "ms", 0.95 * expected, 1.05 * expected + LAW_WAY_MS,
                    law_ms(hist_mean(&rig->result.latency)));
    return true;
}

static bool law_queue(struct selftest_rig *rig)
{
    return law_queue_of(rig, "mean, random, 50 % load", 250, true) &&
           law_queue_of(rig, "mean, random, 80 % load", 400, true) &&
           law_queue_of(rig, "mean, even, 80 % load", 400, false);
}

static bool law_overload(struct selftest_rig *rig)
{
    const uint64_t time = rig->time_ns;
    const struct fake_law law = {.delay_ns = MS, .serial = true};
    const struct selftest_load load = {
        .workload = WORKLOAD_set, .connections = 50, .rate = 1200, .duration_ns = time};
    bool holds[WARNING_COUNT];
    if (!selftest_measure(rig, &law, &load))
        return false;
    const struct result *result = &rig->result;
    warning_check(&rig->plan, result, holds);
    selftest_expect_near(rig, "requests/s", "", 1000, 0.005, result_rate(result));
    selftest_expect_near(rig, "longest response", "ms", 0.2 * law_ms((double)time), 0.03,
                         law_ms((double)result->latency.max));
    selftest_expect(rig, "warning rate-not-met", "", 1, 1, holds[WARNING_rate]);
    return true;
}

static bool law_drop(struct selftest_rig *rig)
{
    const uint64_t time = rig->time_ns;
    const struct fake_law law = {.delay_ns = MS, .serial = true};
    const struct selftest_load load = {.workload = WORKLOAD_set,
                                       .connections = 20,
                                       .rate = 1200,
                                       .drop = true,
                                       .duration_ns = time};
    if (!selftest_measure(rig, &law, &load))
        return false;
    const struct result *result = &rig->result;
    double offered = load.rate * (double)time / 1e9, sent = (double)rig->log->count;
    selftest_expect(rig, "sent + dropped", "", offered, offered,
                    sent + (double)result->counts.dropped);
    /* What the server does meanwhile, and what it still has to do at the end. */
    selftest_expect_near(rig, "sent", "", (double)time / (double)MS + load.connections, 0.01, sent);
    selftest_expect(rig, "longest response", "ms", load.connections - 1, load.connections + 5,
                    law_ms((double)result->latency.max));
    return true;
}

static bool law_little(struct selftest_rig *rig)
{
    const struct fake_law law = {.delay_ns = 5 * MS};
    const struct selftest_load load = {
        .workload = WORKLOAD_set, .connections = 16, .duration_ns = rig->time_ns};
    if (!selftest_measure(rig, &law, &load))
        return false;
    const struct result *result = &rig->result;
    double in_flight = result_rate(result) * hist_mean(&result->latency) / 1e9;
    selftest_expect_near(rig, "requests/s", "", 16 / 5.0e-3, 0.05, result_rate(result));
    selftest_expect_near(rig, "throughput x latency", "", 16, 0.02, in_flight);
    return true;
}

/* ---- kinds of requests ---- */

/* A kind of which the server sends the first byte after so long. */
static void law_kind(struct selftest_rig *rig, unsigned kind, double first_ms, double tail_ms,
                     uint64_t stall_ns, const char *const names[static 6])
{
    const struct result *result = &rig->result;
    const struct worker_times *times = &result->times[kind];
    const struct hist *response = &result->by_shape[kind];
    double whole = first_ms + tail_ms, all = (double)response->count;
    double waited = (double)law_count_above(response, stall_ns / 2);
    double late = law_quantile_ms(&times->slip, 0.5);
    selftest_expect(rig, names[0], "ms", first_ms, first_ms + 0.5,
                    law_quantile_ms(&times->first_byte, 0.5));
    selftest_expect(rig, names[1], "ms", whole, whole + 0.5, law_quantile_ms(&times->service, 0.5));
    selftest_expect(rig, names[2], "ms", whole, whole + 0.5, law_quantile_ms(response, 0.5));
    selftest_expect(rig, names[3], "ms", 0, 0.5, late);
    selftest_expect(rig, names[4], "", all, all, (double)times->service.count);
    /* Half of those that came while the server stalled waited for half of it; few were sent. */
    double hidden = (double)law_count_above(&times->service, stall_ns / 2);
    selftest_expect(rig, names[5], "", 5, all, waited - hidden);
}

static bool law_kinds(struct selftest_rig *rig)
{
    static const char *const sets[] = {"SET first byte p50", "SET service p50",
                                       "SET response p50",   "SET sent late p50",
                                       "SET served",         "SET waits of the stall not served"};
    static const char *const gets[] = {"GET first byte p50", "GET service p50",
                                       "GET response p50",   "GET sent late p50",
                                       "GET served",         "GET waits of the stall not served"};
    const struct fake_law law = {.delay_ns = 2 * MS,
                                 .read_ns = 10 * MS,
                                 .tail_ns = 5 * MS,
                                 .stall_at_ns = rig->time_ns / 4,
                                 .stall_ns = rig->time_ns / 8};
    const struct selftest_load load = {
        .workload = WORKLOAD_mixed, .connections = 8, .rate = 200, .duration_ns = rig->time_ns};
    if (!selftest_measure(rig, &law, &load))
        return false;
    law_kind(rig, 0, 2, 5, law.stall_ns, sets);
    law_kind(rig, 1, 10, 5, law.stall_ns, gets);
    return true;
}

/* ---- honesty ---- */

static bool law_silence(struct selftest_rig *rig)
{
    const uint64_t timeout = rig->time_ns;
    const struct fake_law law = {.silent_from = 501};
    const struct selftest_load load = {
        .workload = WORKLOAD_set, .connections = 8, .requests = 100000, .timeout_ns = timeout};
    if (!selftest_measure(rig, &law, &load))
        return false;
    const struct result *result = &rig->result;
    selftest_expect(rig, "answered", "", 500, 500, (double)result_requests(result));
    selftest_expect(rig, "unanswered", "", 8, 8, (double)result->counts.unanswered);
    selftest_expect(rig, "age of the oldest", "ms", law_ms((double)timeout),
                    law_ms((double)timeout) + 100, law_ms((double)result->latency.max));
    return true;
}

static bool law_damage(struct selftest_rig *rig)
{
    const unsigned keys = 100, reads = 1000, each = 50;
    const struct fake_law law = {.corrupt_each = each};
    const struct selftest_load load = {.workload = WORKLOAD_get, .requests = reads, .keys = keys};
    if (!selftest_measure(rig, &law, &load))
        return false;
    const struct worker_counts *counts = &rig->result.counts;
    selftest_expect(rig, "values read", "", reads, reads, (double)counts->hits);
    selftest_expect(rig, "damaged values", "", reads / each, reads / each, (double)counts->corrupt);
    return true;
}

/* A reply that belongs to its request by its id need not wait for those before. */
static bool law_msgpack(struct selftest_rig *rig)
{
    const struct driver *usual = rig->driver;
    rig->driver = &driver_msgpack;
    bool done = law_bimodal_of(rig, 1, 256) && law_damage(rig);
    rig->driver = usual;
    return done;
}

const struct selftest_law selftest_laws[SELFTEST_COUNT] = {
#define SELFTEST(id, quick_ms, full_ms, loads, text)                                               \
    {#id, text, quick_ms, full_ms, loads, law_##id},
#include "client/loadgen/selftests.def"
#undef SELFTEST
};
