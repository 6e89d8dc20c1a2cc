/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/versus and comparison: pairs of runs whose difference is known.
 */
#include "client/loadgen/versus.h"

#include "common/err.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAIRS = 8 };

static struct result side_a, side_b;
static struct versus versus;

/* A run in which 1000 requests took `us` each, one after the other. */
static void run(struct result *out, uint64_t us)
{
    result_init(out, &workload_table[WORKLOAD_get]);
    hist_add_n(&out->latency, us * 1000, 1000);
    out->elapsed_ns = us * 1000 * 1000;
    out->client.user_ns = 1000000;
}

static void begin(void)
{
    assert_int_equal(versus_init(&versus, &workload_table[WORKLOAD_get], PAIRS, 0.05), 0);
}

/* Pairs that get slower together; B takes `percent` of the time of A. */
static void measure(unsigned pairs, unsigned percent)
{
    begin();
    for (unsigned i = 0; i < pairs; i++) {
        run(&side_a, 1000 + 100 * i);
        run(&side_b, (1000 + 100 * i) * percent / 100);
        assert_int_equal(versus_add(&versus, &side_a, &side_b), 0);
    }
}

static struct comparison of(enum metric_id metric)
{
    struct comparison comparison;
    assert_int_equal(versus_compare(&versus, metric, &comparison), 0);
    return comparison;
}

static void slower(void **state)
{
    (void)state;
    measure(PAIRS, 125);
    struct comparison rate = of(METRIC_rate), p99 = of(METRIC_p99), cpu = of(METRIC_client_us);
    assert_true(fabs(rate.ratio.ratio - 0.8) < 0.001);
    assert_int_equal(rate.verdict, STATS_WORSE);
    assert_int_equal(p99.verdict, STATS_WORSE);
    assert_true(comparison_is_regression(&rate) && comparison_is_regression(&p99));
    assert_int_equal(cpu.verdict, STATS_NO_DIFFERENCE);
    versus_deinit(&versus);
}

static void what_is_not_judged_is_no_regression(void **state)
{
    (void)state;
    measure(PAIRS, 125);
    struct comparison p95 = of(METRIC_p95);
    assert_int_equal(p95.verdict, STATS_WORSE);
    assert_false(comparison_is_regression(&p95));
    versus_deinit(&versus);
}

static void faster(void **state)
{
    (void)state;
    measure(PAIRS, 50);
    assert_int_equal(of(METRIC_rate).verdict, STATS_BETTER);
    assert_int_equal(of(METRIC_p50).verdict, STATS_BETTER);
    versus_deinit(&versus);
}

static void equal(void **state)
{
    (void)state;
    char text[COMPARISON_TEXT_SIZE];
    measure(40, 100); /* more than fit at first */
    struct comparison rate = of(METRIC_rate);
    assert_int_equal(rate.ratio.runs, 40);
    comparison_text(&rate, text);
    assert_string_equal(
        text, "no difference shown (could have seen >= 5 %), unstable (runs vary by 50 %)");
    versus_deinit(&versus);
}

static void few(void **state)
{
    (void)state;
    measure(STATS_RUNS_MIN - 1, 50);
    assert_int_equal(of(METRIC_rate).verdict, STATS_TOO_FEW);
    versus_deinit(&versus);
}

/* Runs of a side differ by 50 %, so that a third more proves nothing, three times as much does. */
static void unstable(void **state)
{
    (void)state;
    char text[COMPARISON_TEXT_SIZE];
    measure(40, 130);
    struct comparison rate = of(METRIC_rate);
    assert_int_equal(rate.verdict, STATS_UNSTABLE);
    comparison_text(&rate, text);
    assert_string_equal(text, "unstable (runs vary by 50 %)");
    assert_false(comparison_is_regression(&rate) || comparison_is_judged(&rate));
    versus_deinit(&versus);
    measure(40, 300);
    assert_int_equal(of(METRIC_rate).verdict, STATS_WORSE);
    assert_int_equal(versus_outcome(&versus), VERSUS_WORSE);
    versus_deinit(&versus);
}

static void outcomes(void **state)
{
    (void)state;
    const struct {
        unsigned pairs, percent;
        enum versus_outcome outcome;
    } cases[] = {{PAIRS, 100, VERSUS_FINE},
                 {PAIRS, 50, VERSUS_FINE},
                 {PAIRS, 125, VERSUS_WORSE},
                 {STATS_RUNS_MIN - 1, 200, VERSUS_UNKNOWN},
                 {0, 100, VERSUS_UNKNOWN}};
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        measure(cases[i].pairs, cases[i].percent);
        assert_int_equal(versus_outcome(&versus), cases[i].outcome);
        versus_deinit(&versus);
    }
}

/* The sum of a side: all requests, and the time of all runs. */
static void sums(void **state)
{
    (void)state;
    measure(3, 200);
    assert_int_equal(versus.b->latency.count, 3000);
    assert_int_equal(versus.b->elapsed_ns, 2 * (1000 + 1100 + 1200) * UINT64_C(1000000));
    assert_int_equal(versus.b->latency.min, 2000000);
    assert_int_equal(versus.b->latency.max, 2400000);
    assert_int_equal(versus.a->client.user_ns, 3000000);
    assert_false(versus.a->has_server_cpu);
    versus_deinit(&versus);
}

static void sides_take_turns(void **state)
{
    (void)state;
    unsigned b_first = 0;
    for (size_t i = 0; i < 10; i++) {
        assert_true(versus_b_first(i) != versus_b_first(i + 1));
        b_first += versus_b_first(i);
    }
    assert_int_equal(b_first, 5);
}

static void what_is_not_known(void **state)
{
    (void)state;
    struct comparison comparison;
    measure(PAIRS, 100);
    assert_int_equal(versus_compare(&versus, METRIC_server_us, &comparison), ERR_NOT_FOUND);
    versus_deinit(&versus);
    begin();
    assert_int_equal(versus_compare(&versus, METRIC_rate, &comparison), ERR_NOT_FOUND);
    versus_deinit(&versus);
}

static void written(void **state)
{
    (void)state;
    char text[32768] = "";
    struct writer json;
    FILE *out = fmemopen(text, sizeof text, "w");
    measure(PAIRS, 125);
    writer_init(&json, out);
    writer_open(&json, NULL, '{');
    versus_write(&json, &versus, 1);
    versus_write_runs(&json, &versus, true);
    writer_close(&json, '}');
    fclose(out);
    json_t *document = json_loads(text, 0, NULL), *runs = json_object_get(document, "runs");
    json_t *rows = json_object_get(json_object_get(document, "versus"), "figures");
    assert_non_null(rows);
    assert_int_equal(json_array_size(runs), PAIRS);
    assert_int_equal(metric_of_json(&metric_table[METRIC_p50], json_array_get(runs, 0)), 1250000);
    assert_true(metric_of_json(&metric_table[METRIC_client_us], json_array_get(runs, 0)) > 0);
    assert_int_equal(json_array_size(rows), METRIC_COUNT - 3); /* no CPU time of a server, no
                                                                memory of a record, no recall */
    json_t *rate = json_array_get(rows, 0);
    assert_string_equal(json_string_value(json_object_get(rate, "verdict")), "worse");
    assert_int_equal(json_array_size(json_object_get(rate, "pairs")), PAIRS);
    json_decref(document);
    versus_deinit(&versus);
}

static void printed(void **state)
{
    (void)state;
    char text[8192] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    measure(PAIRS, 125);
    versus_print(out, &versus, "redis", "cairn");
    fclose(out);
    assert_non_null(strstr(text, "GET, 8 pairs, A: redis, B: cairn\n"));
    assert_non_null(strstr(text, "0.800  0.800 to 0.800    worse"));
    assert_null(strstr(text, "server CPU"));
    versus_deinit(&versus);
    out = fmemopen(text, sizeof text, "w");
    measure(PAIRS - 1, 125); /* it ended early */
    versus_print(out, &versus, "redis", "cairn");
    fclose(out);
    assert_non_null(strstr(text, "GET, 7 of 8 pairs, A: redis"));
    versus_deinit(&versus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slower),   cmocka_unit_test(what_is_not_judged_is_no_regression),
        cmocka_unit_test(faster),   cmocka_unit_test(equal),
        cmocka_unit_test(few),      cmocka_unit_test(what_is_not_known),
        cmocka_unit_test(written),  cmocka_unit_test(printed),
        cmocka_unit_test(unstable), cmocka_unit_test(outcomes),
        cmocka_unit_test(sums),     cmocka_unit_test(sides_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
