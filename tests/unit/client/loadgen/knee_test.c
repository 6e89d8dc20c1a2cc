/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/knee: the search is held against servers whose knee is known, without a server: a
 * model answers each step with what it would have measured.
 */
#include "client/loadgen/knee.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define BASE_NS 100000.0

/* A server that does up to `limit` requests a second; p99 grows as 1 / (1 - load), and above its
 * limit it is as long as the window. */
struct model {
    double limit;
    double maximum;       /* of the closed loop */
    double client_limit;  /* loadgen can do no more; 0: it can */
    unsigned errors_from; /* this point and those behind it have errors; 0: none */
    bool (*lies)(const struct knee_step *); /* this run was disturbed */
};

static struct knee knee;

static struct knee_point measure(const struct model *model, const struct knee_step *step)
{
    double rate = step->rate, limit = model->limit;
    bool starved = model->client_limit > 0 && rate > model->client_limit;
    struct knee_point point = {.phase = step->phase, .offered = rate, .busy = starved ? 0.95 : 0.5};
    if (starved)
        limit = model->client_limit;
    double load = rate / limit;
    point.achieved = rate <= 0 ? model->maximum : load < 1 ? rate : limit;
    point.latency_ns = load < 0.999 ? BASE_NS / (1 - load) : 1e9;
    if (model->lies != NULL && model->lies(step))
        point.latency_ns = 1e9;
    point.errors = model->errors_from > 0 && knee.n >= model->errors_from ? 1 : 0;
    return point;
}

static struct knee_answer search(const struct model *model, double slo_ns)
{
    knee = (struct knee){.rules = {.quantile = 0.99, .slo_ns = slo_ns, .window_ns = 1000}};
    for (struct knee_step step = knee_next(&knee); step.phase != KNEE_DONE;
         step = knee_next(&knee)) {
        assert_true(knee.n < KNEE_POINTS_MAX);
        assert_int_equal(knee_answer(&knee).outcome, KNEE_UNFINISHED);
        struct knee_point point = measure(model, &step);
        knee.points[knee.n++] = point;
    }
    return knee_answer(&knee);
}

static unsigned count_of(enum knee_phase phase)
{
    unsigned count = 0;
    for (size_t i = 0; i < knee.n; i++)
        count += knee.points[i].phase == phase;
    return count;
}

/* The answer is at most 2 % below the truth, and not above it. */
static void assert_knee(const struct knee_answer *answer, enum knee_outcome outcome, double truth)
{
    if (answer->outcome != outcome)
        fail_msg("%s, expected %s", knee_outcome_text(answer->outcome), knee_outcome_text(outcome));
    if (!(answer->rate <= truth * 1.0001 && answer->rate >= truth * 0.9799))
        fail_msg("knee at %.0f, expected %.0f", answer->rate, truth);
}

/* p99 is 5 times the base where the load is 0.8. */
static void objective(void **state)
{
    (void)state;
    for (double maximum = 20000; maximum < 3e6; maximum *= 1.7) {
        struct model model = {.limit = maximum, .maximum = maximum};
        struct knee_answer answer = search(&model, 5 * BASE_NS);
        assert_knee(&answer, KNEE_FOUND, 0.8 * maximum);
        assert_int_equal(knee.points[0].phase, KNEE_MAXIMUM);
        assert_int_equal(count_of(KNEE_CONFIRM), KNEE_RUNS);
        assert_true(fabs(answer.achieved.median - answer.rate) < 1);
        assert_true(answer.latency_ns.high <= 5 * BASE_NS);
    }
}

/* Without an objective p99 may be twice what it is at 5 % of the maximum. */
static void doubling(void **state)
{
    (void)state;
    struct model model = {.limit = 100000, .maximum = 100000};
    struct knee_answer answer = search(&model, 0);
    assert_true(fabs(knee_objective_ns(&knee) - 2 * BASE_NS / 0.95) < 1);
    assert_knee(&answer, KNEE_FOUND, 100000 * (1 - 0.95 / 2));
    assert_true(knee.points[1].offered >= 5000 && knee.points[1].offered <= 5000);
}

/* The grid ends two failures behind the knee: nobody waits for rates that cannot be. */
static void grid_ends_early(void **state)
{
    (void)state;
    struct model model = {.limit = 100000, .maximum = 100000};
    (void)search(&model, 2 * BASE_NS); /* at half the maximum: 40 % is kept, 60 and 70 are not */
    assert_int_equal(count_of(KNEE_GRID), 6);
    assert_in_range(count_of(KNEE_BISECT), 4, 6);
}

/* The objective is kept as long as the rate is: the limit itself is the knee. */
static void throughput(void **state)
{
    (void)state;
    struct model model = {.limit = 60000, .maximum = 100000};
    struct knee_answer answer = search(&model, 5e8);
    assert_knee(&answer, KNEE_FOUND, 60000);
}

static void client_limited(void **state)
{
    (void)state;
    struct model model = {.limit = 1e6, .maximum = 100000, .client_limit = 85000};
    struct knee_answer answer = search(&model, 2e6);
    assert_int_equal(answer.outcome, KNEE_CLIENT_LIMITED);
    assert_in_range((uint64_t)answer.rate, 83000, 85000);
}

/* What loadgen is short of, one by one. */
static void what_is_the_clients_fault(void **state)
{
    (void)state;
    const struct knee_point missed = {.offered = 1000, .achieved = 1000, .latency_ns = 2e6};
    struct knee_point point = missed;
    knee = (struct knee){.rules = {.quantile = 0.99, .slo_ns = 1e6}};
    assert_int_equal(knee_judge(&knee, &point), KNEE_TOO_SLOW);
    point.achieved = 980;
    assert_int_equal(knee_judge(&knee, &point), KNEE_TOO_FEW);
    point.chance = 0.03;
    assert_int_equal(knee_judge(&knee, &point), KNEE_TOO_SLOW);
    point = missed;
    point.busy = 0.9;
    assert_int_equal(knee_judge(&knee, &point), KNEE_CLIENT);
    point = missed;
    point.slip_ns = 1.1e5;
    assert_int_equal(knee_judge(&knee, &point), KNEE_CLIENT);
    point = missed;
    point.waiting = 0.06;
    assert_int_equal(knee_judge(&knee, &point), KNEE_CLIENT);
    point.errors = 1;
    assert_int_equal(knee_judge(&knee, &point), KNEE_FAILED);
    point = missed;
    point.latency_ns = 9e5;
    point.busy = 0.99; /* it was kept all the same */
    assert_int_equal(knee_judge(&knee, &point), KNEE_KEPT);
}

static void beyond(void **state)
{
    (void)state;
    struct model model = {.limit = 1e6, .maximum = 100000};
    struct knee_answer answer = search(&model, 1e8);
    assert_knee(&answer, KNEE_BEYOND, 105000);
    assert_int_equal(count_of(KNEE_BISECT), 0);
}

static void nowhere(void **state)
{
    (void)state;
    struct model model = {.limit = 100000, .maximum = 100000};
    struct knee_answer answer = search(&model, BASE_NS / 2);
    assert_int_equal(answer.outcome, KNEE_NOWHERE);
    assert_int_equal(count_of(KNEE_GRID), 2);
    assert_true(answer.rate <= 0);
    model.maximum = 0;
    assert_int_equal(search(&model, 0).outcome, KNEE_NOWHERE);
    assert_int_equal(knee.n, 1);
}

static void errors(void **state)
{
    (void)state;
    struct model model = {.limit = 1e6, .maximum = 100000, .errors_from = 5};
    struct knee_answer answer = search(&model, 1e8); /* kept: 5 to 40 %; 60 and 70 % fail */
    assert_int_equal(answer.outcome, KNEE_UNCONFIRMED);
    model.errors_from = 1;
    assert_int_equal(search(&model, 1e8).outcome, KNEE_NOWHERE);
}

static bool disturbed_once(const struct knee_step *step)
{
    return step->phase == KNEE_GRID && step->rate >= 59999 && step->rate <= 60001;
}

/* A single failure below a rate that was kept does not count. */
static void a_disturbance_is_no_knee(void **state)
{
    (void)state;
    struct model model = {.limit = 100000, .maximum = 100000, .lies = disturbed_once};
    struct knee_answer answer = search(&model, 5 * BASE_NS);
    assert_knee(&answer, KNEE_FOUND, 80000);
}

static bool long_runs_fail(const struct knee_step *step)
{
    return step->phase == KNEE_CONFIRM && step->rate > 70000;
}

/* What short runs keep and long ones do not is no knee: it is looked for below. */
static void confirmation_fails(void **state)
{
    (void)state;
    struct model model = {.limit = 100000, .maximum = 100000, .lies = long_runs_fail};
    struct knee_answer answer = search(&model, 5 * BASE_NS);
    assert_int_equal(answer.outcome, KNEE_UNCONFIRMED);
    assert_true(answer.rate < 80000);
    assert_int_equal(count_of(KNEE_CONFIRM), 6); /* three rates, two failures each */
}

static bool one_long_run_fails(const struct knee_step *step)
{
    static unsigned runs;
    if (step->phase == KNEE_GRID)
        runs = 0;
    return step->phase == KNEE_CONFIRM && runs++ == 1;
}

static void two_of_three_confirm(void **state)
{
    (void)state;
    struct model model = {.limit = 100000, .maximum = 100000, .lies = one_long_run_fails};
    struct knee_answer answer = search(&model, 5 * BASE_NS);
    assert_knee(&answer, KNEE_FOUND, 80000);
    assert_true(answer.latency_ns.median <= 5 * BASE_NS && answer.latency_ns.high > 5 * BASE_NS);
}

static void objectives_are_read(void **state)
{
    (void)state;
    const struct {
        const char *text;
        double quantile, slo_ns;
    } good[] = {{"p99=5ms", 0.99, 5e6},
                {"p99.9=800us", 0.999, 8e5},
                {"p50=1.5s", 0.5, 1.5e9},
                {"p99=0.25ms", 0.99, 2.5e5}};
    const char *const bad[] = {"",        "p99",      "99=5ms", "p0=5ms",   "p100=5ms",
                               "p99=0ms", "p99=5",    "p99=ms", "p99=5m",   "p99=-5s",
                               "pp=5ms",  "p99=5ms ", "p=5ms",  "p99=1e9s", "p99==5ms"};
    struct knee_rules rules = {.quantile = 0};
    for (size_t i = 0; i < LENGTH_OF(good); i++) {
        assert_true(knee_parse_slo(good[i].text, &rules));
        assert_true(fabs(rules.quantile - good[i].quantile) < 1e-9);
        assert_true(fabs(rules.slo_ns - good[i].slo_ns) < 1);
    }
    for (size_t i = 0; i < LENGTH_OF(bad); i++)
        if (knee_parse_slo(bad[i], &rules))
            fail_msg("'%s' is no objective", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objective),
        cmocka_unit_test(doubling),
        cmocka_unit_test(grid_ends_early),
        cmocka_unit_test(throughput),
        cmocka_unit_test(client_limited),
        cmocka_unit_test(what_is_the_clients_fault),
        cmocka_unit_test(beyond),
        cmocka_unit_test(nowhere),
        cmocka_unit_test(errors),
        cmocka_unit_test(a_disturbance_is_no_knee),
        cmocka_unit_test(confirmation_fails),
        cmocka_unit_test(two_of_three_confirm),
        cmocka_unit_test(objectives_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
