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
    bad("loadgen --workload xyzzyxyzzy", "--workload help lists all");
    assert_string_equal(good("loadgen --workload help").tests, "set,get");
    assert_string_equal(good("loadgen --workload embedding_workflow").tests, "embedding");
    assert_string_equal(good("loadgen --workload agent_think").tests, "agent_think");
    bad("loadgen --workload agent", "unknown workload");
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
    bad("loadgen --quiet=1", "takes no value");
    bad("loadgen --json=1", "--json-file FILE");
    bad("loadgen --verify off", "leave it out");
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
    bad("loadgen --expiry-range=10-20", "there is no --expiry-range here: a request of your own");
    bad("loadgen -q -I", "there is no -I here: connections that idle are --workload idle");
    bad("loadgen --key-maximun 5", "did you mean --key-maximum?");
    bad("loadgen -P redis", "--pipeline redis: -P is how many requests are in flight");
    bad("loadgen -n allkeys", "--preload writes every key");
    bad("loadgen -x SET k", "-x is how often a test is run");
    assert_true(good("loadgen --debug -e --hide-histogram -q").quiet);
    assert_string_equal(good("loadgen --sequential").key_pattern, "sequential");
    assert_true(good("loadgen -R").compress == 1 && good("loadgen --random-data").compress == 1);
    bad("loadgen --sequential=1", "--sequential takes no value");
    bad("loadgen --R", "unknown option --R");
    assert_string_equal(good("loadgen -S/x").socket, "/x");
    assert_int_equal(good("loadgen -x5").run_count, 5);
    assert_string_equal(good("loadgen --server ten --select-db 3").host, "ten");
    assert_string_equal(good("loadgen --json-out-file=x").json_file, "x");
    assert_int_equal(good("loadgen --key-size 16:40").key_size.max, 40);
    bad("loadgen --key-size 40:16", "as 32, or from one to another, as 16:40");
}

/* What is said in terms of other options. */
static void in_other_terms(void **state)
{
    (void)state;
    char detail[OPTIONS_DETAIL_SIZE];
    struct options o = good("loadgen --clients-per-thread 5 --threads 4 --rate-limiting 7.5");
    assert_int_equal(o.connections, 20);
    assert_true(o.rate == 150);
    assert_int_equal(options_set(&o, OPTIONS_threads, "8", detail), 0);
    assert_int_equal(o.connections, 40);
    assert_true(o.rate == 300);
    o = good("loadgen --key-minimum 100 --key-maximum 149");
    assert_int_equal(o.keyspace, 50);
    assert_int_equal(good("loadgen --key-maximum 149").keyspace, 150);
    assert_string_equal(good("loadgen --ratio 1:4").tests, "mixed");
    assert_string_equal(good("loadgen --ratio 1:4 -t get").tests, "get");
    assert_string_equal(good("loadgen --workload ycsb-d --ratio 1:4").tests, "insert_get");
    assert_string_equal(good("loadgen --ratio 1:4 --mix get=1").tests, "set,get");
}

/* Different ways to say the same. */
static void clashes(void **state)
{
    (void)state;
    const struct options_row *a, *b;
    struct options o = good("loadgen -n 5 --duration 1");
    assert_true(options_clash(&o, &a, &b));
    assert_string_equal(a->name, "requests");
    assert_string_equal(b->name, "duration");
    o = good("loadgen --rate 5 -c 4 --seed 3 --key-maximum 4 -t get");
    assert_false(options_clash(&o, &a, &b));
    o = good("loadgen --rate 5 --rate-limiting 5");
    assert_true(options_clash(&o, &a, &b));
}

static const char *path_of(const char *text)
{
    static char path[64];
    static const char form[] = "/tmp/loadgen-options-XXXXXX";
    memcpy(path, form, sizeof form);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *out = fdopen(fd, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    return path;
}

static char *line_of(const char *path, const char *words)
{
    static char line[256];
    (void)snprintf(line, sizeof line, "loadgen --config %s%s", path, words);
    return line;
}

/* The line must parse with this file; options_deinit is due. */
static struct options filed(const char *text, const char *words)
{
    const char *path = path_of(text);
    struct options options = good(line_of(path, words));
    assert_int_equal(remove(path), 0);
    return options;
}

static void file_bad(const char *text, const char *words)
{
    const char *path = path_of(text);
    bad(line_of(path, ""), words);
    assert_int_equal(remove(path), 0);
}

static void files(void **state)
{
    (void)state;
    struct options o = filed("# load\n\nclients = 20 # in all\nthreads=2\n--port = 99\r\n"
                             "key-prefix = \"a # b \" # quoted\nquiet\njson = no\n"
                             "preload = yes\nrandom-data = on\nhide-histogram",
                             " -c 21");
    assert_int_equal(o.connections, 21);
    assert_int_equal(o.threads, 2);
    assert_int_equal(o.port, 99);
    assert_string_equal(o.key_prefix, "a # b ");
    assert_true(o.quiet && !o.json && o.preload == OPTIONS_AUTO && o.compress == 1);
    assert_true(o.given[OPTIONS_port] && o.given[OPTIONS_connections] && !o.given[OPTIONS_json]);
    options_deinit(&o);
    o = filed("preload = 1", "");
    assert_int_equal(o.preload, 1);
    options_deinit(&o);
    o = filed("", "");
    assert_int_equal(o.connections, 50);
    options_deinit(&o);
}

/* What is above goes before, and takes the place of what says the same. */
static void layers(void **state)
{
    (void)state;
    const struct options_row *a, *b;
    struct options o = filed("size = 5\nworkload = ycsb-a\nduration = 3", "");
    assert_string_equal(o.tests, "mixed");
    assert_int_equal(o.size.max, 5);
    assert_true(o.given[OPTIONS_size] && !o.given[OPTIONS_tests]);
    options_deinit(&o);
    o = filed("size = 5\nworkload = ycsb-a\ntests = get", " --workload kv-mixed");
    assert_string_equal(o.tests, "mixed");
    assert_string_equal(o.key_pattern, "uniform");
    assert_int_equal(o.size.max, 100);
    assert_false(o.given[OPTIONS_size] || o.given[OPTIONS_tests]);
    options_deinit(&o);
    o = filed("duration = 3\nrate-limiting = 5\nkey-maximum = 9\nmix = get=1",
              " -n 7 --rate 9 -r 3 PING");
    assert_int_equal(o.duration, 0);
    assert_int_equal(o.requests, 7);
    assert_true(o.rate == 9);
    assert_int_equal(o.keyspace, 3);
    assert_string_equal(o.mix, "");
    assert_false(options_clash(&o, &a, &b));
    options_deinit(&o);
}

static void file_mistakes(void **state)
{
    (void)state;
    bad("loadgen --config /nonexistent/x", "No such file");
    file_bad("port = 1\nconections = 5",
             "line 2: unknown option conections; did you mean connections?");
    file_bad("port", "line 1: port needs a value: port = PORT");
    file_bad("clients", "line 1: clients needs a value: clients = N");
    file_bad("\n\nport = x", "line 3: port x: must be a whole number");
    file_bad("quiet = maybe", "quiet is yes or no");
    file_bad("config = x", "belongs on the command line");
    file_bad("tls", "there is no tls here");
    file_bad("[a]", "line 1: write NAME = VALUE");
    file_bad("= 5", "line 1: write NAME = VALUE");
    file_bad("a b = 5", "line 1: write NAME = VALUE");
    file_bad("user = \"x", "line 1: a value in quotes ends with one");
    file_bad("user = \"x\" y", "line 1: a value in quotes ends with one");
    file_bad("workload = nonsense", "unknown workload");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_other_terms),
        cmocka_unit_test(clashes),
        cmocka_unit_test(files),
        cmocka_unit_test(layers),
        cmocka_unit_test(file_mistakes),
        cmocka_unit_test(of_other_tools),
        cmocka_unit_test(mix_of_a_workload),
        cmocka_unit_test(defaults),
        cmocka_unit_test(redis_letters),
        cmocka_unit_test(spellings),
        cmocka_unit_test(help_wins),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(bounds),
        cmocka_unit_test(help_lists_all),
        cmocka_unit_test(words_of_a_request),
        cmocka_unit_test(sizes_and_reals),
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(workloads),
        cmocka_unit_test(aliases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
