/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/report_json, json and probe: what is written is JSON that a parser of others
 * reads, with all that was measured in it and no password.
 */
#include "client/loadgen/report_json.h"

#include "client/loadgen/metric.h"
#include "common/buf.h"
#include "proto/pack.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MAX = 16, RATE = 50000 };

static struct result result;
static struct options options;
static struct plan plan;

/* The report of `result` by a command of these words. */
static json_t *report(int argc, const char *const *words)
{
    char *argv[WORDS_MAX], detail[OPTIONS_DETAIL_SIZE], *text = NULL;
    size_t size;
    json_error_t error;
    memcpy(argv, words, (size_t)argc * sizeof *argv);
    assert_int_equal(options_parse(argc, argv, &options, detail), 0);
    assert_int_equal(plan_make(&options, 2, &plan, detail), 0);
    assert_int_equal(plan_use(&plan, &driver_msgpack, detail), 0);
    struct report_run run = {.options = &options,
                             .plan = &plan,
                             .target = "a \"quoted\"\ttarget",
                             .server = {.software = "cairn", .durability = "strict"},
                             .argc = argc,
                             .argv = argv};
    FILE *out = open_memstream(&text, &size);
    struct writer json;
    writer_init(&json, out);
    report_json_begin(&json, &run);
    report_json_test(&json, &run, &result, NULL);
    report_json_end(&json, NULL);
    fclose(out);
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (document == NULL)
        fail_msg("%s at line %d of\n%s", error.text, error.line, text);
    free(text);
    return document;
}

#define REPORT(...)                                                                                \
    report(LENGTH_OF(((const char *[]){__VA_ARGS__})), (const char *[]){__VA_ARGS__})

/* 1000 requests of 1 to 1000 us, half of them in each of two intervals. */
static void measure(void)
{
    static struct snapshot seen;
    memset(&seen, 0, sizeof seen);
    hist_init(&seen.latency);
    hist_init(&seen.slip);
    result_init(&result, &workload_table[WORKLOAD_get]);
    series_init(&result.series, &seen);
    for (unsigned i = 1; i <= 1000; i++) {
        hist_add(&seen.latency, i * 1000);
        seen.now_ns = i * 1000000;
        if (i % 500 == 0)
            series_update(&result.series, &seen, i == 1000);
    }
    hist_merge(&result.latency, &seen.latency);
    hist_merge(&result.service, &seen.latency);
    result.elapsed_ns = 1000000000 / RATE * 1000;
    result.counts.hits = 1000;
    result.client.user_ns = 3000000;
}

static json_t *the_result(json_t *document, const char *name)
{
    json_t *found = json_object_get(json_object_get(document, "results"), name);
    if (found == NULL)
        fail_msg("no result %s", name);
    return found;
}

static uint64_t sum_of(const json_t *pairs)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < json_array_size(pairs); i++)
        sum += (uint64_t)json_integer_value(json_array_get(json_array_get(pairs, i), 1));
    return sum;
}

static void all_is_there(void **state)
{
    (void)state;
    measure();
    result.offered = 5000; /* else service time is the same, and not written */
    json_t *document = REPORT("loadgen", "-d", "64", "-t", "get");
    json_t *get = the_result(document, "get/d64/c50/P1/r5000/strict");
    const struct {
        const char *key;
        json_int_t from, to;
    } expected[] = {
        {"samples", 1000, 1000},     {"count", 1000, 1000},         {"median_ns", 500000, 510000},
        {"p99_ns", 990000, 1000000}, {"min_ns", 1000, 1000},        {"max_ns", 1000000, 1000000},
        {"mean_ns", 500500, 500500}, {"stddev_ns", 286000, 291000}, {"hits", 1000, 1000},
    };
    for (size_t i = 0; i < LENGTH_OF(expected); i++)
        assert_in_range(json_integer_value(json_object_get(get, expected[i].key)), expected[i].from,
                        expected[i].to);
    assert_int_equal(sum_of(json_object_get(get, "histogram")), 1000);
    json_t *series = json_object_get(get, "series");
    assert_int_equal(json_array_size(series), 2);
    assert_int_equal(sum_of(json_object_get(json_array_get(series, 1), "cells")), 500);
    assert_non_null(json_object_get(get, "service"));
    assert_null(json_object_get(get, "ttfb"));
    assert_string_equal(json_string_value(json_object_get(document, "version")), "2.0");
    assert_string_equal(json_string_value(json_object_get(document, "durability")), "strict");
    json_decref(document);
}

static void every_option_is_there(void **state)
{
    (void)state;
    measure();
    json_t *document = REPORT("loadgen", "--ratio", "3:7");
    json_t *config = json_object_get(document, "config");
    for (unsigned i = 0; i < OPTIONS_COUNT; i++)
        assert_non_null(json_object_get(config, options_table[i].name));
    assert_string_equal(json_string_value(json_object_get(config, "ratio")), "3:7");
    json_decref(document);
}

static void metrics_find_their_keys(void **state)
{
    (void)state;
    double values[METRIC_COUNT];
    measure();
    result.has_server_cpu = true;
    result.server_cpu_ns = 5000000;
    result.recall = (struct vector_recall){.scored = 5, .mean = 0.9};
    json_t *document = REPORT("loadgen");
    json_t *get = the_result(document, "get/d3/c50/P1/strict");
    metric_values(&result, values);
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        if (i == METRIC_record_bytes) /* of bench/suite.py */
            continue;
        assert_true(values[i] > 0);
        assert_true(fabs(metric_of_json(&metric_table[i], get) / values[i] - 1) < 1e-6);
    }
    assert_true(fabs(metric_of_json(&metric_table[METRIC_rate], get) / RATE - 1) < 1e-6);
    json_decref(document);
}

static void nothing_measured(void **state)
{
    (void)state;
    result_init(&result, &workload_table[WORKLOAD_mixed]);
    (void)failure_set(&result.failure, FAILURE_CLOSED, "closed\nby \"it\" \x80");
    json_t *document = REPORT("loadgen", "-t", "mixed");
    json_t *mixed = the_result(document, "mixed/d3/c50/P1/strict");
    assert_non_null(json_object_get(mixed, "failure"));
    assert_true(json_array_size(json_object_get(mixed, "warnings")) > 0);
    json_decref(document);
}

static void no_password_is_written(void **state)
{
    (void)state;
    measure();
    json_t *document = REPORT("loadgen", "--host", "redis://user:hunter2@example.com");
    char *text = json_dumps(document, 0);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "redis://***@example.com"));
    free(text);
    json_decref(document);
}

static void two_servers(void **state)
{
    (void)state;
    char *argv[] = {NULL}, text[65536] = "";
    static struct report_findings findings = {.n_versus = 1};
    struct versus *versus = &findings.versus[0];
    struct writer json;
    struct plan plan_b;
    struct report_run run = {
        .options = &options, .plan = &plan, .target = "a", .target_b = "b", .plan_b = &plan_b};
    run.argv = argv;
    FILE *out = fmemopen(text, sizeof text, "w");
    measure();
    json_decref(REPORT("loadgen")); /* for options and plan */
    plan_b = plan;
    plan_b.driver = &driver_resp3;
    assert_int_equal(versus_init(versus, &workload_table[WORKLOAD_get], 1, 0.05), 0);
    assert_int_equal(versus_add(versus, &result, &result), 0);
    writer_init(&json, out);
    report_json_begin(&json, &run);
    report_json_side(&json, &run, versus, false);
    report_json_side(&json, &run, versus, true);
    report_json_end(&json, &findings);
    fclose(out);
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(document);
    (void)the_result(document, "A/get/d3/c50/P1/unknown");
    const json_t *b = the_result(document, "B/get/d3/c50/P1/unknown");
    assert_int_equal(json_array_size(json_object_get(b, "runs")), 1);
    const json_t *target_b = json_object_get(document, "target_b");
    assert_string_equal(json_string_value(json_object_get(target_b, "protocol")), "resp3");
    const json_t *compared = json_object_get(document, "versus");
    assert_true(json_array_size(json_object_get(compared, "figures")) > 3);
    json_decref(document);
    report_findings_deinit(&findings);
}

static void probe_of_cairn(void **state)
{
    (void)state;
    struct buf info;
    struct probe probe;
    buf_init(&info);
    assert_int_equal(pack_map(&info, 2), 0);
    assert_int_equal(pack_str(&info, bytes_of("memory")), 0);
    assert_int_equal(pack_uint(&info, 7), 0);
    assert_int_equal(pack_str(&info, bytes_of("server")), 0);
    assert_int_equal(pack_map(&info, 4), 0);
    assert_int_equal(pack_str(&info, bytes_of("pid")), 0);
    assert_int_equal(pack_uint(&info, 4711), 0);
    assert_int_equal(pack_str(&info, bytes_of("cpu_us")), 0);
    assert_int_equal(pack_uint(&info, 123456), 0);
    assert_int_equal(pack_str(&info, bytes_of("durability")), 0);
    assert_int_equal(pack_str(&info, bytes_of("buffered")), 0);
    assert_int_equal(pack_str(&info, bytes_of("loops")), 0);
    assert_int_equal(pack_uint(&info, 4), 0);
    probe_from_info(buf_bytes(&info), &probe);
    assert_string_equal(probe.software, "cairn");
    assert_string_equal(probe.durability, "buffered");
    assert_string_equal(probe.threads, "4");
    assert_int_equal(probe.cpu_ns, 123456000);
    assert_int_equal(probe.pid, 4711);
    for (size_t size = 0; size < info.size; size++) /* cut short anywhere: no harm */
        probe_from_info((struct bytes){info.data, size}, &probe);
    buf_deinit(&info);
}

static void probe_of_redis(void **state)
{
    (void)state;
    struct probe probe;
    probe_from_resp("$99\r\n# Server\r\nredis_version:7.0.15\r\nmem_allocator:jemalloc-5.3.0\r\n"
                    "process_id:4711\r\n"
                    "used_cpu_sys:1.250000\r\nused_cpu_user:0.500001\r\n"
                    "# Persistence\r\naof_enabled:1\r\n",
                    &probe);
    assert_string_equal(probe.software, "redis");
    assert_string_equal(probe.version, "7.0.15");
    assert_int_equal(probe.cpu_ns, 1750001000);
    assert_int_equal(probe.pid, 4711);
    assert_string_equal(probe.allocator, "jemalloc-5.3.0");
    assert_string_equal(probe.durability, "buffered");
    probe_from_resp("redis_version:7.2.4\ncairn_version:0.1\naof_enabled:0", &probe);
    assert_string_equal(probe.software, "cairn");
    assert_string_equal(probe.durability, "memory");
    probe_from_resp("", &probe);
    assert_string_equal(probe.software, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_there),
        cmocka_unit_test(every_option_is_there),
        cmocka_unit_test(metrics_find_their_keys),
        cmocka_unit_test(nothing_measured),
        cmocka_unit_test(no_password_is_written),
        cmocka_unit_test(two_servers),
        cmocka_unit_test(probe_of_cairn),
        cmocka_unit_test(probe_of_redis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
