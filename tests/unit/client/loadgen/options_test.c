/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/options: spellings, defaults, bounds, and what is said about mistakes.
 */
#include "client/loadgen/options.h"

#include "client/loadgen/help.h"
#include "common/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MAX = 32 };

/* Parse a line of words separated by single spaces; `line` is cut up. Options keep views of the
 * words, so those of the last line stay until the next call. */
static int parse(char *line, struct options *out, char *out_detail)
{
    static char *argv[WORDS_MAX];
    int argc = 1;
    argv[0] = line;
    for (char *at = strchr(line, ' '); at != NULL; at = strchr(at, ' ')) {
        *at++ = 0;
        assert_true(argc < WORDS_MAX);
        argv[argc++] = at;
    }
    return options_parse(argc, argv, out, out_detail);
}

/* The line must parse. The text of the last line stays until the next call. */
static struct options good(const char *line)
{
    static char copy[512];
    static struct options options;
    char detail[OPTIONS_DETAIL_SIZE] = "";
    (void)snprintf(copy, sizeof copy, "%s", line);
    if (parse(copy, &options, detail) != 0)
        fail_msg("'%s': %s", line, detail);
    return options;
}

/* The line must be refused, for a reason that has these words. */
static void bad(const char *line, const char *words)
{
    char copy[512], detail[OPTIONS_DETAIL_SIZE] = "";
    struct options options = {.port = 4711};
    (void)snprintf(copy, sizeof copy, "%s", line);
    assert_int_equal(parse(copy, &options, detail), ERR_BAD_ARGUMENT);
    assert_int_equal(options.port, 4711);
    if (strstr(detail, words) == NULL)
        fail_msg("'%s': expected '%s' in '%s'", line, words, detail);
}

/* A test that is given takes the place of the mix that a workload stands for. */
static void mix_of_a_workload(void **state)
{
    (void)state;
    assert_non_null(strstr(good("loadgen --workload stall").mix, "snapshot=1"));
    assert_string_equal(good("loadgen --workload stall -t get").mix, "");
    assert_string_equal(good("loadgen --workload stall PING").mix, "");
    assert_string_equal(good("loadgen --workload stall --mix get=1").mix, "get=1");
    assert_string_equal(good("loadgen --mix get=1 -t get").mix, "get=1");
    assert_int_equal(good("loadgen --workload stall -n 5").duration, 0);
    assert_int_equal(good("loadgen --workload stall").duration, 60000);
    assert_true(good("loadgen --expect-hits 99.5%").expect_hits > 99.4);
    bad("loadgen --expect-hits 101%", "from 0 to 100");
}

static void defaults(void **state)
{
    (void)state;
    struct options o = good("loadgen");
    assert_string_equal(o.host, "127.0.0.1");
    assert_int_equal(o.port, 7420);
    assert_string_equal(o.socket, "");
    assert_int_equal(o.connections, 50);
    assert_int_equal(o.requests, 100000);
    assert_int_equal(o.size.max, 3);
    assert_int_equal(o.keyspace, 0);
    assert_int_equal(o.pipeline, 1);
    assert_string_equal(o.tests, "set,get");
    assert_int_equal(o.ratio.write, 1);
    assert_int_equal(o.ratio.read, 10);
    assert_int_equal(o.timeout, 10000);
    assert_false(o.quiet || o.json || o.help || o.given[OPTIONS_requests]);
    assert_int_equal(o.preload, OPTIONS_NONE);
}

static void redis_letters(void **state)
{
    (void)state;
    struct options o = good("loadgen -h ::1 -p 6379 -c 7 -n 1000 -d 64 -r 100 -P 16 -t get,set -q");
    assert_string_equal(o.host, "::1");
    assert_int_equal(o.port, 6379);
    assert_int_equal(o.connections, 7);
    assert_int_equal(o.requests, 1000);
    assert_int_equal(o.size.max, 64);
    assert_int_equal(o.keyspace, 100);
    assert_int_equal(o.pipeline, 16);
    assert_string_equal(o.tests, "get,set");
    assert_true(o.quiet && o.given[OPTIONS_requests]);
    assert_string_equal(good("loadgen -s /tmp/x.sock").socket, "/tmp/x.sock");
}

static void spellings(void **state)
{
    (void)state;
    assert_int_equal(good("loadgen -c9").connections, 9);
    assert_int_equal(good("loadgen --connections 9").connections, 9);
    assert_int_equal(good("loadgen --connections=9").connections, 9);
    assert_int_equal(good("loadgen -c 8 -c 9").connections, 9);
    assert_int_equal(good("loadgen -d 4KiB").size.max, 4096);
    assert_int_equal(good("loadgen --duration 3").duration, 3000);
    assert_int_equal(good("loadgen --duration 250ms").duration, 250);
    assert_int_equal(good("loadgen --ratio 0:1").ratio.write, 0);
    assert_int_equal(good("loadgen --ratio 3:4").ratio.read, 4);
}

/* What is no option begins the request to send. */
static void words_of_a_request(void **state)
{
    (void)state;
    assert_int_equal(good("loadgen -q").n_words, 0);
    struct options o = good("loadgen -q SET k -n 3");
    assert_int_equal(o.n_words, 4);
    assert_string_equal(o.words[0], "SET");
    assert_string_equal(o.words[3], "3");
    assert_int_equal(o.requests, 100000);
    assert_int_equal(good("loadgen -- -x").n_words, 1);
    assert_int_equal(good("loadgen -").n_words, 1);
}

static void sizes_and_reals(void **state)
{
    (void)state;
    struct options o = good("loadgen -d 64-4KiB --key-zipf-exp 1.2");
    assert_int_equal(o.size.min, 64);
    assert_int_equal(o.size.max, 4096);
    assert_true(o.zipf_exponent == 1.2);
    bad("loadgen -d 10-9", "must be a size");
    bad("loadgen -d 10-", "must be a size");
    bad("loadgen -d -9", "must be a size");
    bad("loadgen --key-zipf-exp x", "must be a number from 0 to 10");
    bad("loadgen --key-zipf-exp 11", "must be a number from 0 to 10");
}

/* A workload stands for options; those that are given go before it, wherever they stand. */
static void workloads(void **state)
{
    (void)state;
    struct options o = good("loadgen -d 5 --workload ycsb-a -r 7");
    assert_string_equal(o.tests, "mixed");
    assert_string_equal(o.key_pattern, "zipf");
    assert_int_equal(o.ratio.write, 50);
    assert_int_equal(o.size.max, 5);
    assert_int_equal(o.keyspace, 7);
    assert_true(o.preload && o.given[OPTIONS_size] && !o.given[OPTIONS_tests]);
    assert_int_equal(good("loadgen --workload=big").size.min, 65536);
    bad("loadgen --workload ycsb-x", "did you mean ycsb-");
    bad("loadgen --workload xyzzyxyzzy", "--help lists all");
    for (const struct options_preset *preset = options_presets; preset->name != NULL; preset++) {
        char line[64];
        (void)snprintf(line, sizeof line, "loadgen --workload %s", preset->name);
        assert_string_equal(good(line).workload, preset->name);
    }
}

static void aliases(void **state)
{
    (void)state;
    assert_true(good("loadgen --rps 5").rate == 5);
    assert_true(good("loadgen --qps=0.5").rate == 0.5);
    assert_int_equal(good("loadgen --test-time 3").duration, 3000);
    assert_true(good("loadgen --data-size 9").given[OPTIONS_size]);
}

static void help_wins(void **state)
{
    (void)state;
    assert_true(good("loadgen --help").help);
    assert_true(good("loadgen -h --help").help);
    assert_true(good("loadgen --nonsense --help").help);
    assert_false(good("loadgen -h localhost").help);
    bad("loadgen -h", "--help");
}

static void mistakes(void **state)
{
    (void)state;
    bad("loadgen --thread 4", "did you mean --threads?");
    bad("loadgen --conections=4", "did you mean --connections?");
    bad("loadgen --pipelien 4", "did you mean --pipeline?");
    bad("loadgen --xyzzyxyzzy", "--help");
    bad("loadgen -Z", "unknown option -Z");
    bad("loadgen -n", "-n needs a value");
    bad("loadgen --json=1", "takes no value");
    bad("loadgen -qq", "takes no value");
}

static void bounds(void **state)
{
    (void)state;
    bad("loadgen -c 0", "from 1 to 60000");
    bad("loadgen -c 1x", "a whole number");
    bad("loadgen -c -1", "a whole number");
    bad("loadgen -c 99999999999999999999", "a whole number");
    bad("loadgen -p 65536", "from 1 to 65535");
    bad("loadgen -d 0", "a size from 1 to 1GiB");
    bad("loadgen --duration 1y", "a time");
    bad("loadgen --duration -1", "a time");
    bad("loadgen --duration auto", "a time");
    bad("loadgen --warmup automatic", "or auto");
    bad("loadgen --until-ci 2x", "a number from 0 to 100");
    bad("loadgen --key-zipf-exp 2%", "a number");
    bad("loadgen --ratio 1", "two numbers");
    bad("loadgen --ratio 0:0", "two numbers");
    bad("loadgen --ratio 1:2:3", "two numbers");
    bad("loadgen --ratio :", "two numbers");
    bad("loadgen --ratio 1:9999999999", "two numbers");
    bad("loadgen --host=", "a length from 1 to 255");
}

/* Every option stands in --help, and no line is wider than a terminal should be. */
static void help_lists_all(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0, column = 0;
    FILE *out = open_memstream(&text, &size);
    help_print(out);
    assert_int_equal(fclose(out), 0);
    for (unsigned i = 0; i < OPTIONS_COUNT; i++) {
        char word[64];
        (void)snprintf(word, sizeof word, "--%s", options_table[i].name);
        assert_non_null(strstr(text, word));
    }
    for (size_t i = 0; i < size; i++) {
        column = text[i] == '\n' ? 0 : column + 1;
        assert_true(column <= 96);
    }
    free(text);
}

static void names_are_unique(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OPTIONS_COUNT; i++)
        for (unsigned j = 0; j < i; j++) {
            const struct options_row *a = &options_table[i], *b = &options_table[j];
            assert_string_not_equal(a->name, b->name);
            assert_true(a->letter == 0 || a->letter != b->letter);
        }
}

/* What other tools have and loadgen has not; where only the name differs, it is taken. */
static void of_other_tools(void **state)
{
    (void)state;
    bad("loadgen --key-maximum=1000", "there is no --key-maximum here: -r N uses N keys");
    bad("loadgen -q -I", "there is no -I here: connections that idle are --workload idle");
    bad("loadgen --key-maximun 5", "unknown option --key-maximun");
    assert_string_equal(good("loadgen --server ten --select-db 3").host, "ten");
    assert_string_equal(good("loadgen --json-out-file=x").json_file, "x");
    assert_int_equal(good("loadgen --key-size 16:40").key_size.max, 40);
    bad("loadgen --key-size 40:16", "as 32, or from one to another, as 16:40");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_other_tools),  cmocka_unit_test(mix_of_a_workload),
        cmocka_unit_test(defaults),        cmocka_unit_test(redis_letters),
        cmocka_unit_test(spellings),       cmocka_unit_test(help_wins),
        cmocka_unit_test(mistakes),        cmocka_unit_test(bounds),
        cmocka_unit_test(help_lists_all),  cmocka_unit_test(words_of_a_request),
        cmocka_unit_test(sizes_and_reals), cmocka_unit_test(names_are_unique),
        cmocka_unit_test(workloads),       cmocka_unit_test(aliases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
