/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/warning: what makes a figure doubtful is said, and nothing else is.
 */
#include "client/loadgen/warning.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { REQUESTS = 20000 };

static struct plan plan;
static struct result result;

/* A run nobody could object to: 20,000 requests in 2 s, at the rate asked for. */
static int set_up(void **state)
{
    (void)state;
    plan = (struct plan){.threads = 2, .cpus = 2, .connections = 50};
    result_init(&result, &workload_table[WORKLOAD_get]);
    result.elapsed_ns = 2000000000;
    result.counts.hits = REQUESTS;
    result.offered = 10000;
    hist_add_n(&result.latency, 1000000, REQUESTS);
    hist_add_n(&result.service, 1000000, REQUESTS);
    hist_add_n(&result.slip, 10000, REQUESTS);
    return 0;
}

/* Exactly these hold; WARNING_COUNT: none. */
static void only(enum warning_id first, enum warning_id second)
{
    bool holds[WARNING_COUNT];
    warning_check(&plan, &result, holds);
    for (unsigned i = 0; i < WARNING_COUNT; i++)
        if (holds[i] != (i == first || i == second))
            fail_msg("%s", warning_table[i].name);
}

static void good(void **state)
{
    (void)state;
    only(WARNING_COUNT, WARNING_COUNT);
}

static void rate_not_met(void **state)
{
    (void)state;
    result.elapsed_ns = 2100000000;
    only(WARNING_rate, WARNING_rate);
}

/* Fewer by chance is no lack of speed; far fewer is. */
static void rate_of_poisson(void **state)
{
    (void)state;
    plan.poisson = true;
    result.elapsed_ns = 2040000000;
    only(WARNING_COUNT, WARNING_COUNT);
    result.elapsed_ns = 2200000000;
    only(WARNING_rate, WARNING_rate);
}

/* One slow reply at the end is not an unmet rate; one that waited to be sent is. */
static void slow_at_the_end(void **state)
{
    (void)state;
    result.elapsed_ns = 2500000000;
    hist_add(&result.service, 500000000);
    hist_add(&result.latency, 500000000);
    only(WARNING_COUNT, WARNING_COUNT);
    hist_init(&result.service);
    hist_add_n(&result.service, 1000000, REQUESTS);
    only(WARNING_rate, WARNING_rate);
}

static void sent_late(void **state)
{
    (void)state;
    hist_add_n(&result.slip, 2000000, REQUESTS / 50);
    only(WARNING_late, WARNING_late);
}

static void left_over(void **state)
{
    (void)state;
    result.counts.unsent = 1;
    result.counts.unanswered = 1;
    hist_add_n(&result.latency, 1000000, 2);
    only(WARNING_unsent, WARNING_unanswered);
}

static void keys(void **state)
{
    (void)state;
    result.counts.misses = 1;
    only(WARNING_misses, WARNING_misses);
    result.counts.hits = 0;
    only(WARNING_misses, WARNING_never_loaded);
    result.counts.misses = 0;
    result.counts.corrupt = 1;
    only(WARNING_corrupt, WARNING_corrupt);
}

static void others(void **state)
{
    (void)state;
    plan.threads = 3;
    only(WARNING_threads, WARNING_threads);
    plan.threads = 2;
    result.busiest = 0.95;
    only(WARNING_saturated, WARNING_saturated);
    result.busiest = 0;
    result.waiting_ns = 399000000;
    only(WARNING_COUNT, WARNING_COUNT);
    result.waiting_ns = 401000000;
    only(WARNING_waiting, WARNING_waiting);
    result.waiting_ns = 0;
    result.system = (struct cpu_system){.user_ns = 500000000, .idle_ns = 480000000};
    result.system.steal_ns = 20000000;
    only(WARNING_COUNT, WARNING_COUNT);
    result.system.steal_ns = 21000000;
    only(WARNING_stolen, WARNING_stolen);
    result.system.steal_ns = 0;
    result.client.user_ns = 300000000;
    only(WARNING_COUNT, WARNING_COUNT); /* who knows what the server took */
    result.has_server_cpu = true;
    result.server_cpu_ns = 110000000;
    only(WARNING_COUNT, WARNING_COUNT);
    result.server_cpu_ns = 90000000;
    only(WARNING_other_programs, WARNING_other_programs);
    result.server_told = (struct server_cpu_told){.source = "INFO cpu", .wanted = 11};
    result.server_told.asked = result.server_told.answered = 6;
    only(WARNING_other_programs, WARNING_other_programs);
    result.server_told.answered = 5;
    only(WARNING_other_programs, WARNING_server_cpu);
    result.server_told.answered = 11;
    result.has_server_cpu = false;
    only(WARNING_server_cpu, WARNING_server_cpu);
    result.server_told = (struct server_cpu_told){.source = NULL};
    only(WARNING_COUNT, WARNING_COUNT); /* nobody asked */
    result.system = (struct cpu_system){.user_ns = 0};
    result.counts.errors = 1;
    only(WARNING_errors, WARNING_errors);
    result.counts.errors = 0;
    result.counts.dropped = 1;
    only(WARNING_dropped, WARNING_dropped);
}

/* Hits off by more than one percent, unless by chance. */
static void unexpected_hits(void **state)
{
    (void)state;
    plan.expects_hits = true;
    plan.expect_hits = 1;
    only(WARNING_COUNT, WARNING_COUNT);
    result.counts.misses = REQUESTS / 100;
    only(WARNING_misses, WARNING_misses);
    result.counts.misses = REQUESTS / 90;
    only(WARNING_misses, WARNING_unexpected_hits);
    plan.expect_hits = 0.5;
    result.counts = (struct worker_counts){.hits = 45, .misses = 55};
    only(WARNING_misses, WARNING_misses);
    result.counts = (struct worker_counts){.hits = 4500, .misses = 5500};
    only(WARNING_misses, WARNING_unexpected_hits);
    result.counts = (struct worker_counts){.hits = 0};
    only(WARNING_unexpected_hits, WARNING_unexpected_hits);
}

static void unfair(void **state)
{
    (void)state;
    result.fairness = (struct fairness){.connections = 50, .median = 100, .jain = 0.81};
    only(WARNING_COUNT, WARNING_COUNT);
    result.fairness.jain = 0.79;
    only(WARNING_unfair, WARNING_unfair);
    result.fairness.median = 99;
    only(WARNING_COUNT, WARNING_COUNT);
    result.counts.stale = 1;
    only(WARNING_stale, WARNING_stale);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(good, set_up),
        cmocka_unit_test_setup(rate_not_met, set_up),
        cmocka_unit_test_setup(rate_of_poisson, set_up),
        cmocka_unit_test_setup(slow_at_the_end, set_up),
        cmocka_unit_test_setup(sent_late, set_up),
        cmocka_unit_test_setup(left_over, set_up),
        cmocka_unit_test_setup(keys, set_up),
        cmocka_unit_test_setup(others, set_up),
        cmocka_unit_test_setup(unexpected_hits, set_up),
        cmocka_unit_test_setup(unfair, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
