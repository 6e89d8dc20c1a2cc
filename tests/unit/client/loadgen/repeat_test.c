/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/repeat: medians, intervals and sums of runs whose figures are known, as numbers,
 * as text and as JSON.
 */
#include "client/loadgen/repeat.h"

#include "common/err.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { REQUESTS = 1000, RUNS = 5 };

static struct result result;
static struct repeat repeat;

/* A run in which requests took `us` each, one after the other. */
static void run(uint64_t us)
{
    result_init(&result, &workload_table[WORKLOAD_get]);
    hist_add_n(&result.latency, us * 1000, REQUESTS);
    result.elapsed_ns = us * 1000 * REQUESTS;
    result.client.user_ns = 1000000;
    repeat_add(&repeat, &result);
}

/* So many runs, of 100, 110, 120 ... us, the slowest one first. */
static void measure(size_t asked, size_t runs, bool discarded)
{
    assert_int_equal(repeat_init(&repeat, asked, discarded), 0);
    for (size_t i = runs; i > 0; i--)
        run(90 + 10 * i);
}

/* What a function prints; the caller frees it. */
static char *printed(void (*print)(FILE *out, const struct repeat *repeat))
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    print(out, &repeat);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void expect(char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("no '%s' in\n%s", words, text);
}

static void medians(void **state)
{
    (void)state;
    struct stats_spread spread;
    measure(RUNS, RUNS, false);
    assert_int_equal(repeat_figure(&repeat, METRIC_rate, &spread), 0);
    assert_int_equal(spread.runs, RUNS);
    assert_true(fabs(spread.median - 1e6 / 120) < 0.001);
    assert_true(spread.low >= 1e6 / 140 - 0.001 && spread.low < spread.median);
    assert_true(spread.high <= 1e6 / 100 + 0.001 && spread.high > spread.median);
    assert_true(spread.cv > 0.1 && spread.cv < 0.15);
    assert_int_equal(repeat_figure(&repeat, METRIC_p99, &spread), 0);
    assert_true(spread.median >= 120000 && spread.median <= 120000 * 1.008);
    repeat_deinit(&repeat);
}

/* All runs together are as if they had followed each other. */
static void together(void **state)
{
    (void)state;
    measure(RUNS, RUNS, false);
    assert_int_equal(repeat.all->latency.count, RUNS * REQUESTS);
    assert_int_equal(repeat.all->latency.min, 100000);
    assert_int_equal(repeat.all->latency.max, 140000);
    assert_int_equal(repeat.all->elapsed_ns, UINT64_C(600000) * REQUESTS);
    assert_true(fabs(result_rate(repeat.all) - 1e6 / 120) < 0.001);
    repeat_deinit(&repeat);
}

/* A figure that is not known, or not of every run, is none. */
static void unknown(void **state)
{
    (void)state;
    struct stats_spread spread;
    measure(2, 0, false);
    assert_int_equal(repeat_figure(&repeat, METRIC_rate, &spread), ERR_BAD_ARGUMENT);
    run(100);
    assert_int_equal(repeat_figure(&repeat, METRIC_server_us, &spread), ERR_BAD_ARGUMENT);
    assert_int_equal(repeat_figure(&repeat, METRIC_client_us, &spread), 0);
    repeat.runs[repeat.n++][METRIC_client_us] = 0;
    assert_int_equal(repeat_figure(&repeat, METRIC_client_us, &spread), ERR_BAD_ARGUMENT);
    repeat_deinit(&repeat);
}

static void as_text(void **state)
{
    (void)state;
    measure(RUNS, RUNS, true);
    char *text = printed(repeat_print);
    expect(text, "  5 runs, one before not counted\n");
    expect(text, "throughput, requests/s       8333.333  ");
    expect(text, " to ");
    assert_null(strstr(text, "at least"));
    free(text);
    text = printed(repeat_print_line);
    expect(text, "  5 runs, medians: throughput 8333.333 requests/s (");
    free(text);
    repeat_deinit(&repeat);
}

/* Of few runs there is no interval; after an interrupt it is said how far they came; of one run
 * nothing is. */
static void few(void **state)
{
    (void)state;
    measure(RUNS, 2, false);
    char *text = printed(repeat_print);
    expect(text, "  2 of 5 runs\n");
    expect(text, "an interval takes at least 5 runs");
    assert_null(strstr(text, " to "));
    expect(text, " %\n");
    free(text);
    repeat_deinit(&repeat);
    measure(RUNS, 1, false); /* one does not vary */
    text = printed(repeat_print);
    expect(text, "  1 of 5 runs\n");
    assert_null(strchr(strstr(text, "throughput"), '%'));
    free(text);
    text = printed(repeat_print_line);
    expect(text, "variation -)");
    free(text);
    repeat_deinit(&repeat);
    measure(1, 1, false);
    text = printed(repeat_print);
    assert_string_equal(text, "");
    free(text);
    text = printed(repeat_print_line);
    assert_string_equal(text, "");
    free(text);
    repeat_deinit(&repeat);
}

static json_t *document(void)
{
    char *text = NULL;
    size_t size;
    struct writer json;
    FILE *out = open_memstream(&text, &size);
    writer_init(&json, out);
    writer_open(&json, NULL, '{');
    repeat_write(&json, &repeat);
    writer_close(&json, '}');
    assert_int_equal(fclose(out), 0);
    json_t *read = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    assert_non_null(read);
    return read;
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void as_json(void **state)
{
    (void)state;
    measure(RUNS + 1, RUNS, true);
    json_t *all = document();
    const json_t *runs = json_object_get(all, "runs"), *repeats = json_object_get(all, "repeats");
    assert_int_equal(json_array_size(runs), RUNS);
    assert_true(fabs(number(json_array_get(runs, 0), "ops_per_sec") - 1e6 / 140) < 0.001);
    assert_true(number(repeats, "asked") == RUNS + 1 && number(repeats, "counted") == RUNS);
    assert_true(json_is_true(json_object_get(repeats, "discarded")));
    const json_t *rate = json_array_get(json_object_get(repeats, "figures"), 0);
    assert_string_equal(json_string_value(json_object_get(rate, "metric")), "ops_per_sec");
    assert_true(fabs(number(rate, "median") - 1e6 / 120) < 0.001);
    assert_true(number(rate, "low") < number(rate, "high"));
    json_decref(all);
    repeat_deinit(&repeat);
    measure(1, 1, false);
    all = document();
    assert_int_equal(json_object_size(all), 0);
    json_decref(all);
    repeat_deinit(&repeat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(medians), cmocka_unit_test(together), cmocka_unit_test(unknown),
        cmocka_unit_test(as_text), cmocka_unit_test(few),      cmocka_unit_test(as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
