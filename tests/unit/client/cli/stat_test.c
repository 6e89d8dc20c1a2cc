/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/cli/stat and client/cli/latency: short numbers, what is read of server.stats, and the
 * arithmetic of the lines.
 */
#include "client/cli/stat.h"

#include "client/cli/json.h"
#include "client/cli/latency.h"
#include "common/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void short_numbers(void **state)
{
    (void)state;
    static const struct {
        double number;
        bool bytes;
        const char *text;
    } cases[] = {
        {0, false, "0"},          {999, false, "999"},
        {999.4, false, "999"},    {999.6, false, "1.00k"},
        {1234, false, "1.23k"},   {12345, false, "12.3k"},
        {123456, false, "123k"},  {999499, false, "999k"},
        {999600, false, "1.00M"}, {2.5e9, false, "2.50G"},
        {1000, true, "0.98K"},    {1024, true, "1.00K"},
        {1536, true, "1.50K"},    {3.0 * (1 << 30), true, "3.00G"},
        {1.8e19, false, "18.0E"}, {1.8e23, false, "180000E"},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        char text[16];
        stat_short(cases[i].number, cases[i].bytes, text);
        assert_string_equal(text, cases[i].text);
    }
}

static bool parse(const char *json, struct stat_sample *out)
{
    struct usage usage;
    struct buf packed;
    buf_init(&packed);
    assert_int_equal(json_in(bytes_of(json), &packed, &usage), 0);
    bool parsed = stat_parse(buf_bytes(&packed), out);
    buf_deinit(&packed);
    return parsed;
}

static void parsed(void **state)
{
    (void)state;
    struct stat_sample sample;
    assert_true(parse("{\"operations\": {}, \"counters\": {\"requests\": 7, \"unknown\": [1], "
                      "\"records\": 9007199254740993, \"errors\": \"x\", \"received_bytes\": -1}}",
                      &sample));
    assert_int_equal(sample.requests, 7);
    assert_int_equal(sample.records, 9007199254740993);
    assert_int_equal(sample.errors, 0);
    assert_int_equal(sample.received_bytes, 0);
    assert_false(parse("{\"operations\": {}}", &sample));
    assert_false(parse("[]", &sample));
    assert_false(parse("{\"counters\": 5}", &sample));
    assert_false(stat_parse((struct bytes){(const uint8_t *)"\x81\xa8"
                                                            "counters\x81\xa1",
                                           12},
                            &sample));
    assert_false(stat_parse(BYTES_NONE, &sample));
}

static void lines(void **state)
{
    (void)state;
    struct stat_sample before = {.taken_ns = 1000000000,
                                 .requests = 1000,
                                 .errors = 10,
                                 .keyspace_hits = 50,
                                 .keyspace_misses = 50,
                                 .received_bytes = 1 << 20,
                                 .connections = 5,
                                 .records = 10};
    struct stat_sample after = {.taken_ns = 3000000000,
                                .requests = 26000,
                                .errors = 11,
                                .keyspace_hits = 349,
                                .keyspace_misses = 51,
                                .received_bytes = 5 << 20,
                                .sent_bytes = 3072,
                                .connections = 51,
                                .records = 1200000,
                                .memory_used_bytes = 118 << 20};
    char head[STAT_LINE_BYTES], line[STAT_LINE_BYTES];
    stat_head(head);
    assert_string_equal(head,
                        "requests/s errors/s  hits  in B/s out B/s clients  records memory B");
    stat_line(&before, &after, line);
    assert_string_equal(line,
                        "     12.5k        0   99%   2.00M   1.50K      51    1.20M     118M");
    assert_true(strlen(head) == strlen(line) && strlen(line) <= 80);
    /* Nothing happened, in no time. */
    stat_line(&after, &after, line);
    assert_string_equal(line,
                        "         0        0     -       0       0      51    1.20M     118M");
    /* Counters never go back here; if they did, that is no rate. */
    stat_line(&after, &before, line);
    assert_string_equal(line,
                        "         0        0     -       0       0       5       10        0");
}

static void latency(void **state)
{
    (void)state;
    struct hist hist;
    char line[LATENCY_LINE_BYTES];
    hist_init(&hist);
    latency_line(&hist, line);
    assert_string_equal(line, "min 0.00 us, avg 0.00 us, p50 0.00 us, p99 0.00 us, max 0.00 us, "
                              "0 samples");
    hist_add_n(&hist, 50000, 99);
    hist_add(&hist, 2500000000);
    latency_line(&hist, line);
    assert_memory_equal(line, "min 50.0 us, avg 25.0 ms, p50 50.", 33);
    assert_non_null(strstr(line, "us, max 2.50 s, 100 samples"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_numbers),
        cmocka_unit_test(parsed),
        cmocka_unit_test(lines),
        cmocka_unit_test(latency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
