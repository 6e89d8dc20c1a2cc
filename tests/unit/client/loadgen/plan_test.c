/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/plan and stream: how connections are spread, what is refused, and that a run is
 * the same requests whatever the number of threads.
 */
#include "client/loadgen/plan.h"

#include "client/loadgen/frame.h"
#include "client/loadgen/mix.h"
#include "common/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KEYS = 1000, REQUESTS = 100003, CONNECTIONS = 50 };

/* Options as the command line would have them, with these words added. */
static struct options options_of(int argc, const char *const *words)
{
    char *argv[16] = {NULL};
    char detail[OPTIONS_DETAIL_SIZE];
    struct options options;
    for (int i = 0; i < argc; i++)
        memcpy(&argv[i + 1], &words[i], sizeof words[i]);
    assert_int_equal(options_parse(argc + 1, argv, &options, detail), 0);
    return options;
}

#define OPTIONS(...)                                                                               \
    options_of(LENGTH_OF(((const char *[]){__VA_ARGS__})), (const char *[]){__VA_ARGS__})

static struct plan good(const struct options *options)
{
    struct plan plan;
    char detail[PLAN_DETAIL_SIZE] = "";
    if (plan_make(options, 2, &plan, detail) != 0)
        fail_msg("%s", detail);
    return plan;
}

static void bad(const struct options *options, const char *words)
{
    struct plan plan;
    char detail[PLAN_DETAIL_SIZE] = "";
    assert_int_equal(plan_make(options, 2, &plan, detail), ERR_BAD_ARGUMENT);
    if (strstr(detail, words) == NULL)
        fail_msg("expected '%s' in '%s'", words, detail);
}

/* A command line, and what is said of it. */
struct mistake {
    const char *words, *args[8];
};

static void refuse(const struct mistake *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int argc = 0;
        while (argc < (int)LENGTH_OF(rows[i].args) && rows[i].args[argc] != NULL)
            argc++;
        struct options options = options_of(argc, rows[i].args);
        bad(&options, rows[i].words);
    }
}

static void connections_are_spread(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= CONNECTIONS; threads++) {
        struct plan plan = {.connections = CONNECTIONS, .threads = threads};
        unsigned sum = 0, least = CONNECTIONS, most = 0;
        for (unsigned i = 0; i < threads; i++) {
            unsigned n = plan_connections(&plan, i);
            sum += n;
            least = n < least ? n : least;
            most = n > most ? n : most;
        }
        assert_int_equal(sum, CONNECTIONS);
        assert_true(least >= 1 && most - least <= 1);
    }
}

static void threads_at_most_connections(void **state)
{
    (void)state;
    struct options options = OPTIONS("-c", "3", "--threads", "8");
    assert_int_equal(good(&options).threads, 3);
}

static void times_and_counts(void **state)
{
    (void)state;
    struct options options = OPTIONS("--duration", "2", "--warmup", "1", "-t", "PING,Mixed");
    struct plan plan = good(&options);
    assert_true(plan.requests == UINT64_MAX);
    assert_int_equal(plan.duration_ns, 2000000000);
    assert_int_equal(plan.warmup_ns, 1000000000);
    assert_int_equal(plan.keys, 1);
    assert_true(plan.tests[WORKLOAD_ping] && plan.tests[WORKLOAD_mixed]);
    assert_false(plan.tests[WORKLOAD_set] || plan.tests[WORKLOAD_get]);
}

static void until_it_is_good(void **state)
{
    (void)state;
    struct options options = OPTIONS("--warmup", "auto", "--until-ci", "2%", "--until-ci-p99", "8");
    struct plan plan = good(&options);
    assert_true(plan.until_steady && plan.warmup_ns == 30000000000);
    assert_true(plan.ci_rate == 0.02 && plan.ci_p99 == 0.08);
    assert_true(plan.requests == UINT64_MAX && plan.duration_ns == 300000000000);
    options = OPTIONS("--until-ci", "2", "-n", "500");
    plan = good(&options);
    assert_true(plan.requests == 500 && plan.duration_ns == 0 && !plan.until_steady);
}

static void over_time(void **state)
{
    (void)state;
    struct options options = OPTIONS("--ramp", "100:2000:30s");
    struct plan plan = good(&options);
    assert_true(plan.rate == 2000 && plan_law(&plan).from == 100);
    assert_true(plan.requests == UINT64_MAX && plan.duration_ns == 30000000000);
    options = OPTIONS("--ramp", "100:2000:30s", "-n", "500", "--arrival", "poisson");
    plan = good(&options);
    assert_true(plan.requests == 500 && plan.duration_ns == 0 && plan_law(&plan).poisson);
    options = OPTIONS("--burst", "1s:4s", "--rate", "200");
    plan = good(&options);
    assert_true(plan_law(&plan).rate == 200 && plan_law(&plan).off_ns == 4000000000);
    options = OPTIONS("--think", "exponential:1s");
    plan = good(&options);
    assert_true(plan.think.kind == THINK_EXPONENTIAL && plan.batch && plan.rate == 0);
}

static void mistakes_in_time(void **state)
{
    static const struct mistake rows[] = {
        {"give no --rate", {"--ramp", "1:2:3s", "--rate", "5"}},
        {"not both", {"--ramp", "1:2:3s", "--burst", "1s:1s"}},
        {"never steady", {"--ramp", "1:2:3s", "--until-ci", "5"}},
        {"as 100:2000:30s", {"--ramp", "1:2"}},
        {"give --rate", {"--burst", "1s:1s"}},
        {"as 1s:4s", {"--burst", "1s", "--rate", "5"}},
        {"give no --rate", {"--think", "1s", "--rate", "5"}},
        {"no --ramp", {"--think", "1s", "--ramp", "1:2:3s"}},
        {"no --knee", {"--think", "1s", "--knee"}},
        {"give no -k 0", {"--think", "1s", "-k", "0"}},
        {"exponential:1s", {"--think", "soon"}},
        {"-k 0", {"--ramp", "1:2:3s", "-k", "0"}},
        {"even rate", {"--ramp", "1:2:3s", "--max-backlog", "5"}},
    };
    (void)state;
    refuse(rows, LENGTH_OF(rows));
}

static void mistakes(void **state)
{
    static const struct mistake rows[] = {
        {"not both", {"-n", "5", "--duration", "1"}},
        {"16777216", {"-c", "60000", "-P", "65536"}},
        {"did you mean get?", {"-t", "set,gte"}},
        {"unknown test", {"-t", "set,"}},
        {"at least 34 bytes", {"--verify", "-d", "33"}},
        {"unknown --key-pattern 'zip'", {"--key-pattern", "zip"}},
        {"give one of", {"--mix", "get=1", "-t", "get"}},
        {"give one of", {"--mix", "get=1", "PING"}},
        {"give no -r", {"--key-file", "x", "-r", "5"}},
        {"give no --key-prefix", {"--key-file", "x", "--key-prefix", "a"}},
        {"--ack-log knows keys", {"--verify", "--ack-log", "x", "--key-file", "y"}},
        {"at least 1", {"--compress-ratio", "0.5"}},
        {"above 0", {"--verify-sample", "0%"}},
        {"queue, drop or abort", {"--rate", "5", "--overload", "stop"}},
        {"give --rate", {"--max-backlog", "5"}},
        {"lets all wait", {"--rate", "5", "--overload", "queue", "--max-backlog", "5"}},
        {"at least the length", {"--key-size", "15"}},
        {"at least the length", {"--key-size", "15:40"}},
        {"not both", {"-q", "--json"}},
        {"at most 60000", {"--clients-per-thread", "60000", "--threads", "2"}},
        {"at most 100000000", {"--rate-limiting", "10000000"}},
        {"at least --key-minimum", {"--key-minimum", "5", "--key-maximum", "4"}},
        {"give --key-maximum or -r", {"--key-minimum", "5"}},
        {"12 digits", {"--key-minimum", "999999999999", "-r", "2"}},
        {"give --seed or --randomize, not both", {"--seed", "5", "--randomize"}},
        {"give -c or --clients-per-thread, not both", {"-c", "5", "--clients-per-thread", "2"}},
        {"--ratio is of tests that mix", {"-t", "get", "--ratio", "1:4"}},
        {"give no -r and no --key-maximum", {"--key-file", "x", "--key-maximum", "5"}},
    };
    (void)state;
    refuse(rows, LENGTH_OF(rows));
    struct options letters = OPTIONS("--key-pattern", "Z:Z");
    assert_int_equal(good(&letters).pattern, STREAM_ZIPF);
}

static void percentile_lists(void **state)
{
    (void)state;
    struct options options = OPTIONS("--print-percentiles", "75,99.99,100");
    struct plan plan = good(&options);
    assert_true(plan.more_percentiles && plan.percentiles.n == 3);
    assert_string_equal(plan.percentiles.row[1].title, "p99.99");
    assert_true(plan.percentiles.row[0].quantile == 0.75);
    assert_true(plan.percentiles.row[2].quantile == 1);
    options = OPTIONS("-q");
    plan = good(&options);
    assert_true(!plan.more_percentiles && plan.percentiles.n == 5);
    static const char *const wrong[] = {"50,x", "0",   "101",     "50,",
                                        ",",    "nan", "50,50.0", "1,2,3,4,5,6,7,8,9,10,11,12,13"};
    for (size_t i = 0; i < LENGTH_OF(wrong); i++) {
        options = OPTIONS("--print-percentiles", wrong[i]);
        bad(&options, "--print-percentiles: ");
    }
}

static void pins(void **state)
{
    (void)state;
    struct options options = OPTIONS("--pin", "client=0,2-4,server=7");
    struct plan plan = good(&options);
    assert_int_equal(plan.pin.client.n, 4);
    assert_int_equal(plan.pin.client.cpu[0], 0);
    assert_int_equal(plan.pin.client.cpu[3], 4);
    assert_int_equal(plan.pin.server.n, 1);
    assert_int_equal(plan.pin.server.cpu[0], 7);
    assert_int_equal(plan.cpus, 4);
    static const char *const wrong[] = {
        "0",         "client",    "client=",   "client=x",       "client=1-",   "client=3-2",
        "client=-1", "client=0,", "clients=0", "client=0-99999", "client=0,,1", "client=0-1023"};
    for (size_t i = 0; i < LENGTH_OF(wrong); i++) {
        options = OPTIONS("--pin", wrong[i]);
        bad(&options, "--pin takes numbers");
    }
}

/* All of them, and no others; sequential, partitioned, random, and the first alone. */
static void keys_from_another(void **state)
{
    (void)state;
    static const char *const patterns[] = {"S", "P", "R", "G", "Z", "H", "L", "1"};
    for (size_t i = 0; i < LENGTH_OF(patterns); i++) {
        struct options options =
            OPTIONS("--key-minimum", "500", "--key-maximum", "549", "--key-pattern", patterns[i]);
        struct plan plan = good(&options);
        struct stream stream = plan_stream(&plan, &workload_table[WORKLOAD_get], false);
        unsigned seen[50] = {0}, keys = 0;
        for (uint64_t index = 0; index < 20000; index++) {
            struct stream_op op = stream_at(&stream, index);
            op.part = index % 50;
            uint64_t key = stream_key(&stream, &op, 1);
            assert_true(key >= 500 && key < 550);
            seen[key - 500]++;
        }
        for (size_t key = 0; key < LENGTH_OF(seen); key++)
            keys += seen[key] > 0;
        assert_int_equal(keys, patterns[i][0] == '1' ? 1 : 50);
        assert_true(patterns[i][0] != '1' || seen[0] == 20000);
    }
    struct options options = OPTIONS("--key-minimum", "500", "-r", "2", "-t", "vec_get");
    struct plan plan = good(&options);
    char detail[PLAN_DETAIL_SIZE];
    assert_int_equal(plan_check(&plan, detail), ERR_BAD_ARGUMENT);
    assert_non_null(strstr(detail, "give no --key-minimum"));
}

/* What depends on the number of keys and on the test. */
static void checks(void **state)
{
    (void)state;
    char detail[PLAN_DETAIL_SIZE];
    struct options options = OPTIONS("--key-pattern", "P", "-r", "49", "-c", "50");
    struct plan plan = good(&options);
    const struct keys keys = {.n = 50};
    assert_int_equal(plan_check(&plan, detail), ERR_BAD_ARGUMENT);
    assert_non_null(strstr(detail, "-r must be at least -c"));
    plan_set_keys(&plan, &options, &keys);
    assert_int_equal(plan_check(&plan, detail), 0);
    assert_string_equal(plan.key, "__key__");
    plan_set_own(&plan, &workload_table[WORKLOAD_insert_get]);
    assert_int_equal(plan_check(&plan, detail), ERR_BAD_ARGUMENT);
    assert_non_null(strstr(detail, "--key-file has no more"));
    struct options sample = OPTIONS("--verify-sample", "25%", "--key-prefix", "a");
    plan = good(&sample);
    assert_true(plan.verify && plan.verify_skip > 0.749 && plan.verify_skip < 0.751);
    assert_int_equal(plan.value_bytes, 64);
    assert_string_equal(plan.key, "a__rand_int__");
}

/* Keys of different lengths: each from the first to the last, and the mean as it should be. */
static void key_spans(void **state)
{
    (void)state;
    char detail[PLAN_DETAIL_SIZE];
    struct options options = OPTIONS("--key-size", "16:40", "-r", "100000");
    struct plan plan = good(&options);
    bool seen[41] = {false};
    size_t sum = 0;
    assert_string_equal(plan.key, "__key__");
    assert_true(plan_key_mean(&plan) == 28);
    for (uint64_t i = 0; i < plan.keys; i++) {
        size_t size = keys_span_size(&plan.key_span, i);
        assert_true(size >= 16 && size <= 40);
        seen[size] = true;
        sum += size;
    }
    for (size_t size = 16; size <= 40; size++)
        assert_true(seen[size]);
    assert_true(sum > 27 * plan.keys && sum < 29 * plan.keys);
    plan_set_own(&plan, &workload_table[WORKLOAD_vec_get]);
    assert_int_equal(plan_check(&plan, detail), ERR_BAD_ARGUMENT);
    assert_non_null(strstr(detail, "give no --key-size"));
    struct options one = OPTIONS("--key-size", "18");
    plan = good(&one);
    assert_string_equal(plan.key, "key:__rand_int__xx");
    assert_true(plan_key_mean(&plan) == 18);
    struct options usual = OPTIONS("-t", "set");
    plan = good(&usual);
    assert_string_equal(plan.key, "key:__rand_int__");
}

/* How often each request occurs when so many threads take their numbers. */
static void tally(const struct stream *stream, unsigned threads, unsigned (*out_counts)[2])
{
    memset(out_counts, 0, KEYS * sizeof *out_counts);
    for (unsigned thread = 0; thread < threads; thread++)
        for (uint64_t i = thread; i < REQUESTS; i += threads) {
            struct stream_op op = stream_at(stream, i);
            uint64_t key = stream_key(stream, &op, 1);
            assert_true(key < KEYS && op.shape < 2);
            out_counts[key][op.shape]++;
        }
}

static void same_requests_for_any_threads(void **state)
{
    (void)state;
    struct plan plan = {.seed = 42, .keys = KEYS, .ratio = {1, 10}};
    struct stream stream = plan_stream(&plan, &workload_table[WORKLOAD_mixed], false);
    static unsigned one[KEYS][2], other[KEYS][2];
    tally(&stream, 1, one);
    tally(&stream, 2, other);
    assert_memory_equal(one, other, sizeof one);
    tally(&stream, 8, other);
    assert_memory_equal(one, other, sizeof one);
}

static void stream_is_even(void **state)
{
    (void)state;
    struct plan plan = {.seed = 7, .keys = KEYS, .ratio = {1, 10}};
    struct stream stream = plan_stream(&plan, &workload_table[WORKLOAD_mixed], false);
    static unsigned counts[KEYS][2];
    unsigned writes = 0;
    tally(&stream, 1, counts);
    for (unsigned key = 0; key < KEYS; key++) {
        unsigned all = counts[key][0] + counts[key][1];
        assert_in_range(all, 50, 150); /* 100 expected; five standard deviations */
        writes += counts[key][0];
    }
    assert_in_range(writes, REQUESTS / 11 - 500, REQUESTS / 11 + 500);
}

static uint64_t key_of(const struct stream *stream, uint64_t index)
{
    struct stream_op op = stream_at(stream, index);
    return stream_key(stream, &op, 1);
}

static void streams_differ(void **state)
{
    (void)state;
    struct plan plan = {.seed = 1, .keys = 1000000, .ratio = {1, 1}}, other = plan;
    const struct workload *get = &workload_table[WORKLOAD_get];
    other.seed = 2;
    struct stream a = plan_stream(&plan, get, false), b = plan_stream(&plan, get, true);
    struct stream c = plan_stream(&other, get, false);
    unsigned equal = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        equal += key_of(&a, i) == key_of(&b, i);
        equal += key_of(&a, i) == key_of(&c, i);
    }
    assert_true(equal < 5);
}

static void preload_writes_every_key_once(void **state)
{
    (void)state;
    struct plan plan = {.keys = KEYS};
    struct stream stream = plan_preload_stream(&plan);
    static bool seen[KEYS];
    for (uint64_t i = 0; i < KEYS; i++) {
        struct stream_op op = stream_at(&stream, i);
        uint64_t key = stream_key(&stream, &op, 1);
        assert_true(op.shape == 0 && key < KEYS && !seen[key]);
        seen[key] = true;
    }
}

/* Tests are chosen by name or group; what the protocol does not know is left out. */
static void tests_of_a_protocol(void **state)
{
    (void)state;
    char detail[PLAN_DETAIL_SIZE];
    struct options redis = OPTIONS("-t", "redis");
    struct plan plan = good(&redis), other = plan;
    assert_int_equal(plan_use(&plan, &driver_resp2, detail), 0);
    assert_true(plan.tests[WORKLOAD_ping_inline] && plan.tests[WORKLOAD_lpush]);
    assert_false(plan.tests[WORKLOAD_ping] || plan.tests[WORKLOAD_mixed]);
    assert_int_equal(plan_use(&other, &driver_msgpack, detail), 0);
    assert_true(other.tests[WORKLOAD_set] && !other.tests[WORKLOAD_lpush]);
    struct options list = OPTIONS("-t", "lpush");
    plan = good(&list);
    assert_int_equal(plan_use(&plan, &driver_msgpack, detail), ERR_BAD_ARGUMENT);
    assert_non_null(strstr(detail, "protocol msgpack"));
    struct options ping = OPTIONS("-t", "ping,LRANGE_100");
    plan = good(&ping);
    assert_int_equal(plan_use(&plan, &driver_resp3, detail), 0);
    assert_true(plan.tests[WORKLOAD_ping_inline] && plan.tests[WORKLOAD_ping_mbulk] &&
                plan.tests[WORKLOAD_lrange_fill] && plan.tests[WORKLOAD_lrange_100]);
    assert_false(plan.tests[WORKLOAD_lrange_300] || plan.tests[WORKLOAD_lpush]);
    struct options own = OPTIONS("SET", "a", "b");
    static struct mix mix;
    static char set[] = "SET", *words[] = {set, set, set};
    plan = good(&own);
    mix_of_words(&mix, words, 3);
    plan_set_own(&plan, &mix.workload);
    assert_int_equal(plan_use(&plan, &driver_resp2, detail), 0);
    assert_false(plan.tests[WORKLOAD_set]);
    assert_int_equal(mix_of_list(&mix, "get=1,lpush=2", detail), 0);
    assert_int_equal(plan_use(&plan, &driver_resp2, detail), 0);
    assert_int_equal(plan_use(&plan, &driver_msgpack, detail), ERR_BAD_ARGUMENT);
}

static void digits(void **state)
{
    (void)state;
    static const uint64_t keys[] = {0, 1, 42, 99, 100, 123456789012, FRAME_KEYS - 1};
    for (size_t i = 0; i < LENGTH_OF(keys); i++) {
        char text[FRAME_DIGITS + 1] = "", expected[32];
        frame_put_digits((uint8_t *)text, keys[i]);
        (void)snprintf(expected, sizeof expected, "%012llu", (unsigned long long)keys[i]);
        assert_string_equal(text, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_spread),
        cmocka_unit_test(threads_at_most_connections),
        cmocka_unit_test(times_and_counts),
        cmocka_unit_test(until_it_is_good),
        cmocka_unit_test(over_time),
        cmocka_unit_test(mistakes_in_time),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(checks),
        cmocka_unit_test(key_spans),
        cmocka_unit_test(same_requests_for_any_threads),
        cmocka_unit_test(stream_is_even),
        cmocka_unit_test(streams_differ),
        cmocka_unit_test(preload_writes_every_key_once),
        cmocka_unit_test(tests_of_a_protocol),
        cmocka_unit_test(percentile_lists),
        cmocka_unit_test(pins),
        cmocka_unit_test(keys_from_another),
        cmocka_unit_test(digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
