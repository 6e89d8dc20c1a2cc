/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of loadgen by itself: when its requests arrive.
 *
 * How: the log of the server, which knows nothing of schedules, is held against what was asked for.
 *
 * Invariants: as selftest_law.c. Threads: as selftest_rig.c. Failures: in rig->failure.
 */
#include "client/loadgen/selftest_arrivals.h"

#include "client/loadgen/arrivals.h"
#include "common/clock.h"

#include <math.h>

#define MS         1e6

#define LAW_WAY_MS 0.1 /* from sending to arriving, and waking up there */

enum { LAW_WINDOW_NS = 10000000 };

bool law_poisson(struct selftest_rig *rig)
{
    const uint64_t time = rig->time_ns;
    const struct fake_law law = {0};
    const struct selftest_load load = {
        .workload = WORKLOAD_set, .rate = 200, .poisson = true, .window = 16, .duration_ns = time};
    if (!selftest_measure(rig, &law, &load))
        return false;
    const struct fake_log *log = rig->log;
    double windows = (double)time / LAW_WINDOW_NS;
    double spread = 3 * sqrt(2 / windows); /* of an index of so many windows: three deviations */
    /* A sender that sleeps cannot tell gaps apart that are shorter than waking up takes. */
    double blurred = sqrt((double)log->count) * load.rate * LAW_WAY_MS / 1e3;
    selftest_expect(rig, "distance to exponential (KS)", "", 0, 1.63 + blurred,
                    arrivals_exponential(log->arrival, log->count, load.rate));
    selftest_expect(rig, "dispersion", "", 1 - spread, 1 + spread,
                    arrivals_dispersion(log->arrival, log->count, LAW_WINDOW_NS));
    return true;
}

/* How far loadgen's clock has gone when the kernel's has gone on by so much, in millionths off. */
static double law_clock_ppm(uint64_t ns_0, uint64_t ticks_0, uint64_t ns_1, uint64_t ticks_1)
{
    double passed = (double)(ns_1 - ns_0), ours = (double)clock_ticks_to_ns(ticks_1 - ticks_0);
    return passed > 0 ? (ours / passed - 1) * 1e6 : 0;
}

/* A request cannot arrive before it is sent, and takes no longer than LAW_WAY_MS to do so: what is
 * late on arrival was sent late. */
bool law_slip(struct selftest_rig *rig)
{
    const struct fake_law law = {0};
    const struct selftest_load load = {
        .workload = WORKLOAD_set, .rate = 1000, .window = 16, .duration_ns = rig->time_ns};
    static const double quantiles[] = {0.5, 0.99};
    static const char *const figures[] = {"arrived late - sent late, p50",
                                          "arrived late - sent late, p99"};
    uint64_t ns_0 = clock_mono_ns(), ticks_0 = clock_ticks();
    if (!selftest_measure(rig, &law, &load))
        return false;
    uint64_t ns_1 = clock_mono_ns(), ticks_1 = clock_ticks();
    const struct fake_log *log = rig->log;
    for (size_t i = 0; i < LENGTH_OF(quantiles); i++) {
        double late_ns, sent_ns = (double)hist_quantile(&rig->result.slip, quantiles[i]);
        if (arrivals_late(log->arrival, log->count, rig->result.begun_ns, load.rate, quantiles[i],
                          &late_ns) != 0)
            return false;
        selftest_expect(rig, figures[i], "ms", -0.01 - 0.01 * sent_ns / MS, LAW_WAY_MS,
                        (late_ns - sent_ns) / MS);
    }
    selftest_expect(rig, "loadgen's clock is off by", "ppm", -200, 200,
                    law_clock_ppm(ns_0, ticks_0, ns_1, ticks_1));
    return true;
}

enum { LAW_LAGS = 32, LAW_PAUSES = 5 };

static bool law_periods_of(struct selftest_rig *rig, const char *figure, unsigned threads,
                           bool poisson)
{
    const struct fake_law law = {0};
    const struct selftest_load load = {.workload = WORKLOAD_set,
                                       .connections = 50,
                                       .window = 16,
                                       .threads = threads,
                                       .rate = 2000,
                                       .poisson = poisson,
                                       .duration_ns = rig->time_ns};
    if (!selftest_measure(rig, &law, &load))
        return false;
    const struct fake_log *log = rig->log;
    /* Of random gaps chance makes something: of so many lags, four deviations. */
    double chance = poisson ? 4 / sqrt((double)log->count + 1) : 0;
    selftest_expect(rig, figure, "", -1, 0.05 + chance,
                    arrivals_periodicity(log->arrival, log->count, LAW_LAGS));
    /* A pause is a gap, and then many that are none; two long ones near each other, of half the
     * lost time each, have a product that weighs as much as all the gaps. */
    double seconds = (double)rig->time_ns / 1e9;
    selftest_allow(rig, LAW_PAUSES, load.rate / (4 * seconds));
    return true;
}

bool law_periods(struct selftest_rig *rig)
{
    return law_periods_of(rig, "repetition of gaps, 1 thread", 1, false) &&
           law_periods_of(rig, "repetition of gaps, 2 threads", 2, false) &&
           law_periods_of(rig, "repetition of gaps, 8 threads", 8, false) &&
           law_periods_of(rig, "the same, random", 2, true);
}

/* At least ten arrivals are in a window on average: of fewer, chance makes a difference. */
static uint64_t law_window_ns(double rate)
{
    double ten = 10 * 1e9 / rate;
    return ten > (double)LAW_WINDOW_NS ? (uint64_t)ten : LAW_WINDOW_NS;
}

bool selftest_rate(struct selftest_rig *rig, double rate)
{
    const uint64_t time = rig->time_ns;
    const struct fake_law law = {0};
    const struct selftest_load load = {.workload = WORKLOAD_set,
                                       .connections = 50,
                                       .window = 16,
                                       .threads = rig->threads,
                                       .rate = rate,
                                       .duration_ns = time};
    if (!selftest_measure(rig, &law, &load))
        return false;
    const struct fake_log *log = rig->log;
    double requests = ceil(rate * (double)time / 1e9);
    selftest_expect(rig, "requests", "", requests, requests, (double)log->count);
    selftest_expect_near(rig, "arrivals/s", "", rate, 0.001,
                         arrivals_rate(log->arrival, log->count));
    selftest_expect(rig, "dispersion", "", 0, 0.2,
                    arrivals_dispersion(log->arrival, log->count, law_window_ns(rate)));
    selftest_expect(rig, "sent late, p99", "ms", 0, 1,
                    (double)hist_quantile(&rig->result.slip, 0.99) / MS);
    selftest_expect(rig, "CPU of the busiest thread", "%", 0, 90, 100 * rig->result.busiest);
    return true;
}
