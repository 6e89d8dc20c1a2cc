/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/metrics_text: form of the text, exact counts of histograms, escapes, failing allocations.
 */
#include "server/metrics_text.h"

#include "common/err.h"
#include "common/mem.h"
#include "tests/unit/common/seed.h"

#include <inttypes.h>
#include <stdio.h>

enum { VALUES = 3000, ROUNDS = 40 };

static struct stats stats;

static struct metrics_source source_of(const char *version)
{
    static const uint64_t ages_ns[2] = {0, 1500000000};
    static const struct partition_kind kinds[KIND_MAX + 1] = {
        [KIND_kv] = {.records = 17}, [KIND_session] = {.records = 3, .expiring = 1}};
    return (struct metrics_source){.version = version,
                                   .stats = &stats,
                                   .kinds = kinds,
                                   .process = {.cpu_us = 1234567},
                                   .started_ms = 1700000000001,
                                   .loop_ages_ns = ages_ns,
                                   .n_loops = 2};
}

/* The text as a string; freed by the caller. */
static char *text_of(const struct metrics_source *source)
{
    struct buf out;
    buf_init(&out);
    assert_int_equal(metrics_text(source, &out), 0);
    assert_int_equal(buf_append(&out, "", 1), 0);
    return (char *)out.data;
}

/* How many lines begin like this. */
static unsigned lines(const char *text, const char *start)
{
    unsigned n = 0;
    for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        n += strncmp(at, start, strlen(start)) == 0;
        if (*at == '\0')
            break;
    }
    return n;
}

static void has(const char *text, const char *line)
{
    if (lines(text, line) != 1)
        fail_msg("%u lines begin with %s", lines(text, line), line);
}

static void form(void **state)
{
    (void)state;
    memset(&stats, 0, sizeof stats);
    stats.counter[METRIC_records] = UINT64_MAX;
    stats.counter[METRIC_requests] = 17;
    stats.op[OP_kv_put].count = 10;
    stats.op[OP_kv_put].errors = 3;
    stats.op[OP_kv_get].count = 1; /* an error may be seen before its request */
    stats.op[OP_kv_get].errors = 2;
    struct metrics_source source = source_of("1\"2\\3\n4");
    char *text = text_of(&source);
    has(text, "# HELP cairn_records ");
    has(text, "# TYPE cairn_records gauge\ncairn_records 18446744073709551615\n");
    has(text, "# TYPE cairn_requests_total counter\ncairn_requests_total 17\n");
    has(text, "cairn_build_info{version=\"1\\\"2\\\\3\\n4\"} 1\n");
    has(text, "cairn_start_time_seconds 1700000000.001\n");
    has(text, "process_cpu_seconds_total 1.234567\n");
    has(text, "cairn_loop_heartbeat_age_seconds{loop=\"0\"} 0\n"
              "cairn_loop_heartbeat_age_seconds{loop=\"1\"} 1.5\n");
    has(text, "cairn_commands_total{cmd=\"kv.put\",result=\"ok\"} 7\n");
    has(text, "cairn_commands_total{cmd=\"kv.put\",result=\"error\"} 3\n");
    has(text, "cairn_commands_total{cmd=\"kv.get\",result=\"ok\"} 0\n");
    assert_int_equal(lines(text, "cairn_commands_total{"), 2 * OP_COUNT);
    assert_int_equal(lines(text, "cairn_command_duration_seconds_"), 0);
    assert_int_equal(lines(text, "# HELP "), lines(text, "# TYPE "));
    assert_int_equal(text[strlen(text) - 1], '\n');
    mem_free(text);
}

/* The count at each bound is that of the values themselves. */
static void check_bounds(const char *text, const uint64_t *values, unsigned n)
{
    static const char head[] = "cairn_command_duration_seconds_bucket{cmd=\"kv.scan\",le=\"";
    uint64_t sum = 0, found;
    unsigned n_bounds = 0;
    double bound;
    const char *at = text;
    for (unsigned i = 0; i < n; i++)
        sum += values[i];
    while ((at = strstr(at, head)) != NULL) {
        at += sizeof head - 1;
        if (*at == '+')
            break;
        assert_int_equal(sscanf(at, "%lf\"} %" SCNu64, &bound, &found), 2);
        uint64_t expected = 0;
        for (unsigned i = 0; i < n; i++)
            expected += (double)values[i] < bound * 1e9 - 0.001;
        assert_int_equal(found, expected);
        n_bounds++;
    }
    assert_int_equal(n_bounds, 23);
    char line[256];
    (void)snprintf(line, sizeof line, "%s+Inf\"} %u\n", head, n);
    has(text, line);
    (void)snprintf(line, sizeof line, "cairn_command_duration_seconds_count{cmd=\"kv.scan\"} %u\n",
                   n);
    has(text, line);
    at = strstr(text, "cairn_command_duration_seconds_sum{cmd=\"kv.scan\"} ");
    assert_non_null(at);
    assert_true(strtod(strchr(at, ' '), NULL) * 1e9 - (double)sum < 1 + (double)sum / 1e15);
}

static void histograms(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    static uint64_t values[VALUES];
    for (unsigned round = 0; round < ROUNDS; round++) {
        memset(&stats, 0, sizeof stats);
        unsigned n = 1 + (unsigned)rng_below(&rng, VALUES);
        for (unsigned i = 0; i < n; i++) {
            uint64_t power = (uint64_t)1 << rng_below(&rng, 36);
            values[i] =
                rng_below(&rng, 2) ? power - rng_below(&rng, 2) : rng_below(&rng, 2 * power);
            stats_time(&stats, OP_kv_scan, values[i]);
        }
        struct metrics_source source = source_of("1");
        char *text = text_of(&source);
        check_bounds(text, values, n);
        mem_free(text);
        stats_deinit(&stats);
    }
}

#ifdef CAIRN_FAULTS
static void without_memory(void **state)
{
    (void)state;
    struct metrics_source source = source_of("1");
    memset(&stats, 0, sizeof stats);
    unsigned n = 1;
    for (bool failed = true; failed; n++) {
        struct buf out;
        buf_init(&out);
        mem_fail_after(n, 1);
        int err = metrics_text(&source, &out);
        mem_fail_after(0, 0);
        failed = err != 0;
        assert_true(err == 0 || err == ERR_OUT_OF_MEMORY);
        buf_deinit(&out);
    }
    assert_true(n > 3);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(form),
        cmocka_unit_test(histograms),
#ifdef CAIRN_FAULTS
        cmocka_unit_test(without_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
