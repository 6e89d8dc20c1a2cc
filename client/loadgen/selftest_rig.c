/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runs a load of a test, in this process, against a server in another thread of it.
 *
 * How: the same code as any run: target, run, phase. Only the plan is written down instead of made
 * from options.
 *
 * Invariants: the log belongs to the server, which stays until the next load.
 * Threads: the main thread, with those of run.c and fake_server.c.
 * Failures: kept in rig->failure.
 */
#include "client/loadgen/selftest_rig.h"

#include "client/loadgen/options.h"
#include "client/loadgen/selftest_witness.h"
#include "common/clock.h"
#include "common/err.h"

#include <unistd.h>

enum { SELFTEST_CONNECTIONS = 16, SELFTEST_BYTES = 64, SELFTEST_ARRIVALS = 2000000 };

#define SELFTEST_LOST   0.01 /* over this share, bursts are no fault of ours */
#define SELFTEST_SHARES 3.0  /* what is late makes others late as well */

static const uint64_t selftest_timeout_ns = 10000000000;

static uint64_t selftest_or(uint64_t value, uint64_t otherwise)
{
    return value != 0 ? value : otherwise;
}

static void selftest_plan(struct plan *plan, const struct driver *driver,
                          const struct selftest_load *load)
{
    *plan = (struct plan){
        .driver = driver,
        .preload = load->keys > 1,
        .threads = (unsigned)selftest_or(load->threads, 1),
        .connections = (unsigned)selftest_or(load->connections, SELFTEST_CONNECTIONS),
        .pipeline = (unsigned)selftest_or(load->window, 1),
        .cpus = cpu_count(),
        .requests = selftest_or(load->requests, UINT64_MAX),
        .duration_ns = load->duration_ns,
        .timeout_ns = selftest_or(load->timeout_ns, selftest_timeout_ns),
        .seed = 1,
        .keys = selftest_or(load->keys, 1),
        .ratio = {1, 1},
        .value_bytes = SELFTEST_BYTES,
        .value_min = SELFTEST_BYTES,
        .verify = load->keys > 1,
        .rate = load->rate,
        .poisson = load->poisson,
        .overload = load->drop ? PLAN_OVERLOAD_DROP : PLAN_OVERLOAD_QUEUE,
        .drain_ns = selftest_timeout_ns,
    };
    if (plan->threads > plan->connections)
        plan->connections = plan->threads;
}

static bool selftest_phase(struct selftest_rig *rig, struct run *run, struct phase *phase)
{
    struct progress progress;
    struct witness witness;
    progress_init(&progress, 0, false);
    uint64_t begin = clock_mono_ns(), stolen = cpu_stolen_ns();
    witness_start(&witness);
    run_phase(run, phase, &progress, &rig->result);
    rig->took_ns = clock_mono_ns() - begin;
    rig->away_ns = witness_stop(&witness) + cpu_stolen_ns() - stolen;
    phase_deinit(phase);
    return rig->result.failure.kind != FAILURE_LOCAL;
}

static bool selftest_phases(struct selftest_rig *rig, struct run *run,
                            const struct selftest_load *load)
{
    struct phase phase;
    if (rig->plan.preload && (phase_init_preload(&phase, &rig->plan, PRELOAD_KEYS) != 0 ||
                              !selftest_phase(rig, run, &phase)))
        return false;
    return phase_init_measure(&phase, &rig->plan, &workload_table[load->workload]) == 0 &&
           selftest_phase(rig, run, &phase);
}

static bool selftest_run(struct selftest_rig *rig, const struct selftest_load *load)
{
    struct address address = {.driver = rig->driver, .port = fake_server_port(rig->server)};
    struct target target;
    struct run run;
    (void)snprintf(address.host, sizeof address.host, "127.0.0.1");
    if (target_init(&target, &address, 10000, &rig->failure) != 0)
        return false;
    bool good = run_open(&run, &rig->plan, &target, 0, &rig->failure) == 0 &&
                selftest_phases(rig, &run, load);
    run_close(&run);
    return good;
}

bool selftest_measure(struct selftest_rig *rig, const struct fake_law *law,
                      const struct selftest_load *load)
{
    selftest_release(rig);
    selftest_plan(&rig->plan, rig->driver, load);
    rig->failure.kind = FAILURE_NONE;
    int err = fake_server_start(law, SELFTEST_ARRIVALS, &rig->server);
    if (err != 0) {
        (void)failure_set(&rig->failure, FAILURE_LOCAL, "cannot start a server: %s", err_text(err));
        return false;
    }
    bool good = selftest_run(rig, load);
    fake_server_stop(rig->server);
    rig->log = fake_server_log(rig->server);
    if (good) {
        rig->spent_ns += rig->took_ns;
        rig->lost_ns += rig->result.waiting_ns + rig->log->waiting_ns + rig->away_ns;
    } else
        (void)failure_set(&rig->failure, FAILURE_LOCAL, "%s",
                          rig->result.failure.kind != FAILURE_NONE ? rig->result.failure.text
                                                                   : "out of memory");
    return good;
}

void selftest_release(struct selftest_rig *rig)
{
    fake_server_destroy(rig->server);
    rig->server = NULL;
    rig->log = NULL;
}

void selftest_expect(struct selftest_rig *rig, const char *figure, const char *unit, double low,
                     double high, double measured)
{
    REQUIRE(rig->n_findings < SELFTEST_FINDINGS);
    rig->findings[rig->n_findings++] =
        (struct selftest_finding){rig->test, figure, unit, low, high, measured, 0, 0};
}

void selftest_expect_near(struct selftest_rig *rig, const char *figure, const char *unit,
                          double expected, double share, double measured)
{
    selftest_expect(rig, figure, unit, expected * (1 - share), expected * (1 + share), measured);
    selftest_allow(rig, SELFTEST_SHARES * expected, 0);
}

void selftest_allow(struct selftest_rig *rig, double slack, double squared)
{
    REQUIRE(rig->n_findings > 0);
    rig->findings[rig->n_findings - 1].slack = slack;
    rig->findings[rig->n_findings - 1].squared = squared;
}

bool selftest_finding_good(const struct selftest_finding *finding)
{
    return finding->measured >= finding->low && finding->measured <= finding->high;
}

bool selftest_finding_excused(const struct selftest_rig *rig,
                              const struct selftest_finding *finding)
{
    double lost = (double)rig->lost_ns, spent = (double)rig->spent_ns + 1;
    double off = finding->measured < finding->low ? finding->low - finding->measured
                                                  : finding->measured - finding->high;
    if (finding->low == finding->high) /* exact */
        return false;
    if (strcmp(finding->unit, "ms") == 0)
        return off * 1e6 <= lost;
    if (finding->slack > 0 || finding->squared > 0)
        return off <=
               finding->slack * lost / spent + finding->squared * (lost / 1e9) * (lost / 1e9);
    return lost > SELFTEST_LOST * spent;
}
