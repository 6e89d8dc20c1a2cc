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

/* Pairs that get slower together; B takes `percent` of the time of A. */
static void measure(unsigned pairs, unsigned percent)
{
    versus_init(&versus, &workload_table[WORKLOAD_get]);
    for (unsigned i = 0; i < pairs; i++) {
        run(&side_a, 1000 + 100 * i);
        run(&side_b, (1000 + 100 * i) * percent / 100);
        assert_int_equal(versus_add(&versus, &side_a, &side_b), 0);
    }
}

static struct comparison of(enum metric_id metric)
{
    struct comparison comparison;
    assert_int_equal(versus_compare(&versus, metric, 0.05, &comparison), 0);
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
    assert_string_equal(text, "no difference shown (5 % would have been), unstable");
    versus_deinit(&versus);
}

static void few(void **state)
{
    (void)state;
    measure(STATS_RUNS_MIN - 1, 50);
    assert_int_equal(of(METRIC_rate).verdict, STATS_TOO_FEW);
    versus_deinit(&versus);
}

static void what_is_not_known(void **state)
{
    (void)state;
    struct comparison comparison;
    measure(PAIRS, 100);
    assert_int_equal(versus_compare(&versus, METRIC_server_us, 0.05, &comparison), ERR_NOT_FOUND);
    versus_deinit(&versus);
    versus_init(&versus, &workload_table[WORKLOAD_get]);
    assert_int_equal(versus_compare(&versus, METRIC_rate, 0.05, &comparison), ERR_NOT_FOUND);
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
    writer_open(&json, NULL, '[');
    versus_write(&json, &versus);
    writer_close(&json, ']');
    fclose(out);
    json_t *rows = json_loads(text, 0, NULL);
    assert_non_null(rows);
    assert_int_equal(json_array_size(rows), METRIC_COUNT - 1); /* no CPU time of a server */
    json_t *rate = json_array_get(rows, 0);
    assert_string_equal(json_string_value(json_object_get(rate, "verdict")), "worse");
    assert_int_equal(json_array_size(json_object_get(rate, "pairs")), PAIRS);
    json_decref(rows);
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
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slower),  cmocka_unit_test(what_is_not_judged_is_no_regression),
        cmocka_unit_test(faster),  cmocka_unit_test(equal),
        cmocka_unit_test(few),     cmocka_unit_test(what_is_not_known),
        cmocka_unit_test(written), cmocka_unit_test(printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
