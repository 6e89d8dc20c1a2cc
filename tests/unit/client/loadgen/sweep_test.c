/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/sweep: which values are read and which refused, that each has the plan it would
 * have had alone, and what is kept, printed and written of it.
 */
#include "client/loadgen/sweep.h"

#include "common/err.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MAX = 16 };

static struct options options;
static struct sweep sweep;
static struct plan first;
static char detail[OPTIONS_DETAIL_SIZE];

static int parse(int argc, const char *const *words)
{
    char *argv[WORDS_MAX];
    memcpy(argv, words, (size_t)argc * sizeof *argv);
    assert_int_equal(options_parse(argc, argv, &options, detail), 0);
    return sweep_parse(&sweep, &options, detail);
}

#define PARSE(...)                                                                                 \
    parse(LENGTH_OF(((const char *[]){"loadgen", __VA_ARGS__})),                                   \
          (const char *[]){"loadgen", __VA_ARGS__})

static void refused(const char *words)
{
    if (strstr(detail, words) == NULL)
        fail_msg("expected '%s' in '%s'", words, detail);
}

/* The plan of a value that must have one. */
static struct plan plan_of(unsigned value)
{
    struct plan plan;
    if (sweep_plan(&sweep, value, &options, &first, &plan, detail) != 0)
        fail_msg("%s", detail);
    return plan;
}

static void begin(void)
{
    assert_int_equal(plan_make(&options, 2, &first, detail), 0);
    assert_int_equal(plan_use(&first, &driver_resp2, detail), 0);
}

static void values(void **state)
{
    (void)state;
    char text[SWEEP_STEP_SIZE];
    assert_int_equal(PARSE("--sweep", "clients=1,10,50", "-P", "4"), 0);
    static const unsigned connections[] = {1, 10, 50};
    assert_int_equal(sweep.n, 3);
    assert_int_equal(options.connections, 1); /* the first is set */
    sweep_step_text(&sweep, 2, text);
    assert_string_equal(text, "clients=50");
    begin();
    for (unsigned i = 0; i < sweep.n; i++) {
        struct plan plan = plan_of(i);
        assert_int_equal(plan.connections, connections[i]);
        assert_int_equal(plan.pipeline, 4);
        assert_ptr_equal(plan.driver, &driver_resp2);
    }
    assert_int_equal(PARSE("-t", "get"), 0);
    assert_int_equal(sweep.n, 0);
}

static void mistakes(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--sweep", "seed=1,2"), ERR_BAD_ARGUMENT);
    refused("there are clients, pipeline");
    assert_int_equal(PARSE("--sweep", "clients"), ERR_BAD_ARGUMENT);
    refused("needs values: clients=1,2,4");
    assert_int_equal(PARSE("--sweep", "clients=1,,2"), ERR_BAD_ARGUMENT);
    refused("values with commas");
    assert_int_equal(PARSE("--sweep", "clients=1,2,1"), ERR_BAD_ARGUMENT);
    refused("the value 1 is there twice");
    assert_int_equal(PARSE("--sweep", "clients=1,2", "-c", "5"), ERR_BAD_ARGUMENT);
    refused("give --clients or --sweep clients, not both");
    assert_int_equal(PARSE("--sweep", "clients=0,2"), ERR_BAD_ARGUMENT);
    refused("from 1 to 60000");
    assert_int_equal(PARSE("--sweep", "clients=1,2,99999999"),
                     0); /* what is behind is seen later */
    begin();
    struct plan plan;
    assert_int_equal(sweep_plan(&sweep, 2, &options, &first, &plan, detail), ERR_BAD_ARGUMENT);
    refused("from 1 to 60000");
}

/* There is a bound on how many. */
static void too_many(void **state)
{
    (void)state;
    char list[SWEEP_VALUES * 6 + 32] = "clients=";
    for (int i = 1; i <= SWEEP_VALUES + 1; i++)
        (void)snprintf(list + strlen(list), sizeof list - strlen(list), "%s%d", i > 1 ? "," : "",
                       i);
    assert_int_equal(PARSE("--sweep", list), ERR_BAD_ARGUMENT);
    refused("at most 64 values");
    *strrchr(list, ',') = 0;
    assert_int_equal(PARSE("--sweep", list), 0);
    assert_int_equal(sweep.n, SWEEP_VALUES);
}

/* A test and a list of keys go with all values; other keys or values must be written again. */
static void keys(void **state)
{
    (void)state;
    const struct keys list = {.n = 7};
    assert_int_equal(PARSE("--sweep", "data-size=5,70", "-t", "get"), 0);
    assert_true(sweep_changes_keys(&sweep));
    begin();
    plan_set_own(&first, &workload_table[WORKLOAD_incr]);
    plan_set_keys(&first, &options, &list);
    struct plan plan = plan_of(1);
    assert_ptr_equal(plan.own, &workload_table[WORKLOAD_incr]);
    assert_int_equal(plan.value_bytes, 70);
    assert_true(plan.list == &list && plan.keys == 7);
    assert_int_equal(PARSE("--sweep", "key-size=16,16:40"), 0);
    assert_true(sweep_changes_keys(&sweep));
    begin();
    assert_int_equal(first.key_span.max, 0);
    plan = plan_of(1);
    assert_true(plan.key_span.min == 16 && plan.key_span.max == 40);
    assert_int_equal(PARSE("--sweep", "pipeline=1,2"), 0);
    assert_false(sweep_changes_keys(&sweep));
}

/* A name of a result that does not say which value it is of needs the step in it. */
static void names(void **state)
{
    (void)state;
    const struct {
        const char *words;
        bool in_name;
    } rows[] = {
        {"clients=5", true},       {"pipeline=5", true},  {"rate=500", true},
        {"rate=500.5", false},     {"data-size=5", true}, {"data-size=5-6", false},
        {"threads=2", false},      {"keyspace=9", false}, {"key-size=16", false},
        {"key-zipf-exp=1", false},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        assert_int_equal(PARSE("--sweep", rows[i].words), 0);
        begin();
        if (sweep_is_in_name(&sweep, &first) != rows[i].in_name)
            fail_msg("%s", rows[i].words);
    }
}

/* ---- what came of them ---- */

static struct result result;

/* A point of runs in which 1000 requests took so many us each. */
static struct sweep_point point(unsigned value, size_t runs, const uint64_t *us)
{
    struct repeat repeat;
    struct plan plan = plan_of(value);
    assert_int_equal(repeat_init(&repeat, runs, false), 0);
    for (size_t i = 0; i < runs; i++) {
        result_init(&result, &workload_table[WORKLOAD_get]);
        hist_add_n(&result.latency, us[i] * 1000, 1000);
        result.elapsed_ns = us[i] * 1000 * 1000;
        result.counts.errors = 3;
        repeat_add(&repeat, &result);
    }
    struct sweep_point made = sweep_point_of(value, &plan, &repeat, repeat.all);
    repeat_deinit(&repeat);
    return made;
}

static void points(void **state)
{
    (void)state;
    static struct sweep_table table;
    char *text = NULL;
    size_t size;
    assert_int_equal(PARSE("--sweep", "clients=1,10", "-t", "get"), 0);
    begin();
    table = (struct sweep_table){.sweep = &sweep, .workload = &workload_table[WORKLOAD_get]};
    table.points[table.n++] = point(0, 1, (const uint64_t[]){200});
    table.points[table.n++] = point(1, 3, (const uint64_t[]){100, 50, 80});
    assert_true(fabs(table.points[1].figures[METRIC_rate] - 12500) < 0.001);
    assert_int_equal(table.points[1].max_ns, 100000);
    assert_int_equal(table.points[1].errors, 9);
    FILE *out = open_memstream(&text, &size);
    sweep_print_head(out, &table);
    for (unsigned i = 0; i < table.n; i++)
        sweep_print_point(out, &table, &table.points[i]);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "GET, by clients\n"));
    assert_non_null(strstr(text, "           1        5,000 "));
    assert_non_null(strstr(text, "          10       12,500 "));
    assert_non_null(strstr(text, " over 3 runs  9 errors"));
    free(text);
}

static void as_json(void **state)
{
    (void)state;
    static struct sweep_table table;
    char *text = NULL;
    size_t size;
    struct writer json;
    assert_int_equal(PARSE("--sweep", "clients=1,10", "-t", "get"), 0);
    begin();
    table = (struct sweep_table){.sweep = &sweep, .workload = &workload_table[WORKLOAD_get]};
    table.points[table.n++] = point(1, 5, (const uint64_t[]){100, 50, 80, 70, 90});
    FILE *out = open_memstream(&text, &size);
    writer_init(&json, out);
    writer_open(&json, NULL, '{');
    sweep_write(&json, &table, 0); /* no sweep, no member */
    sweep_write(&json, &table, 1);
    writer_close(&json, '}');
    assert_int_equal(fclose(out), 0);
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    assert_int_equal(json_object_size(document), 1);
    const json_t *one = json_array_get(json_object_get(document, "sweep"), 0);
    assert_string_equal(json_string_value(json_object_get(one, "option")), "connections");
    one = json_array_get(json_object_get(one, "points"), 0);
    assert_string_equal(json_string_value(json_object_get(one, "value")), "10");
    assert_true(fabs(json_number_value(json_object_get(one, "ops_per_sec")) - 12500) < 0.001);
    assert_true(json_number_value(json_object_get(one, "low")) < 12500);
    assert_null(json_object_get(one, "offered_per_sec"));
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),  cmocka_unit_test(mistakes), cmocka_unit_test(too_many),
        cmocka_unit_test(keys),    cmocka_unit_test(names),    cmocka_unit_test(points),
        cmocka_unit_test(as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
