/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/mix, mix_print and keys: lists, scripts and files of keys as they may be written,
 * what is said of those that cannot be meant, and tests that are printed as scripts.
 */
#include "client/loadgen/mix.h"

#include "client/loadgen/keys.h"
#include "client/loadgen/mix_print.h"
#include "common/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct mix mix;

static int tear_down(void **state)
{
    (void)state;
    mix_deinit(&mix);
    return 0;
}

/* A file with this text; the name stays until the next call. */
static const char *file_of(const void *text, size_t size)
{
    static char path[64];
    (void)snprintf(path, sizeof path, "/tmp/cairn-mix-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, size) == (ssize_t)size);
    close(fd);
    return path;
}

static int script(const char *text, char *detail)
{
    const char *path = file_of(text, strlen(text));
    int err = mix_of_script(&mix, path, detail);
    unlink(path);
    return err;
}

static void kind_is(unsigned i, const char *name, uint32_t weight, unsigned flags)
{
    assert_string_equal(mix.workload.shapes[i]->name, name);
    assert_int_equal(mix.workload.weights[i], weight);
    assert_int_equal(mix.workload.shapes[i]->flags, flags);
}

static void lists(void **state)
{
    (void)state;
    char detail[MIX_DETAIL_SIZE] = "";
    assert_int_equal(mix_of_list(&mix, "get=70,SET=25,incr", detail), 0);
    assert_int_equal(mix.workload.n_shapes, 3);
    kind_is(0, "get", 70, SHAPE_FINDS);
    kind_is(1, "set", 25, SHAPE_STORES);
    kind_is(2, "incr", 1, 0);
    assert_string_equal(mix.workload.name, "get=70,set=25,incr=1");
    assert_int_equal(mix_of_list(&mix, "get=95,insert=5", detail), 0);
    kind_is(0, "insert", 5, SHAPE_INSERTS | SHAPE_STORES);
    kind_is(1, "get", 95, SHAPE_FINDS);
}

static void bad_list(const char *list, const char *words)
{
    char detail[MIX_DETAIL_SIZE] = "";
    assert_int_equal(mix_of_list(&mix, list, detail), ERR_BAD_ARGUMENT);
    if (strstr(detail, words) == NULL)
        fail_msg("'%s': expected '%s' in '%s'", list, words, detail);
}

static void bad_lists(void **state)
{
    (void)state;
    bad_list("", "unknown test ''");
    bad_list("get=70,", "unknown test ''");
    bad_list("gte=70", "did you mean get?");
    bad_list("get=0", "from 1 to 1000000");
    bad_list("get=-1", "from 1 to 1000000");
    bad_list("get=1.5", "from 1 to 1000000");
    bad_list("get=1000001", "from 1 to 1000000");
    bad_list("get=", "from 1 to 1000000");
    bad_list("get=1,get=2", "twice");
    bad_list("mixed=1", "unknown test 'mixed'");
    bad_list(
        "set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,xadd,del,exists,append,"
        "mset",
        "at most 16 kinds");
}

static void scripts(void **state)
{
    (void)state;
    char detail[MIX_DETAIL_SIZE] = "";
    assert_int_equal(script("# a comment\n\nread=70 GET __key__\r\n25\tSET __key__ __data__\n"
                            "  GET other\n SET x __number:1-9__\n2 DEL a",
                            detail),
                     0);
    assert_int_equal(mix.workload.n_shapes, 5);
    kind_is(0, "read", 70, SHAPE_FINDS);
    kind_is(1, "SET", 25, 0);
    kind_is(2, "GET", 1, SHAPE_FINDS);
    kind_is(3, "SET 2", 1, 0);
    kind_is(4, "DEL", 2, SHAPE_REMOVES);
    struct command command;
    assert_true(shape_command(mix.workload.shapes[1], SPELLING_RESP, "k", &command));
    assert_int_equal(command.count, 3);
    assert_true(bytes_equal(command.words[1], bytes_of("k")));
    assert_true(command_is_data(command.words[2]));
}

/* Lines that begin with "then" are steps of the request before. */
static void sequences(void **state)
{
    (void)state;
    char detail[MIX_DETAIL_SIZE] = "";
    assert_int_equal(
        script("3 GET a\nthen SET b __reply__\nthen DEL a\nlast=2 PING\nthen PING\n", detail), 0);
    const struct workload *workload = &mix.workload;
    assert_int_equal(workload->n_shapes, 2);
    kind_is(0, "GET", 3, 0);
    kind_is(1, "last", 2, 0);
    const struct shape *first = workload->shapes[0];
    assert_int_equal(first->n_steps, 3);
    assert_string_equal(first->steps[0]->name, "GET");
    assert_string_equal(first->steps[2]->name, "DEL");
    assert_int_equal(first->steps[0]->flags, SHAPE_FINDS);
    assert_int_equal(first->steps[1]->flags, SHAPE_COPIES);
    assert_true(workload_has(workload, SHAPE_REMOVES) && !workload_has(workload, SHAPE_STORES));
    assert_int_equal(workload_first_step(workload, 0), 2);
    assert_int_equal(workload_first_step(workload, 1), 5);
    assert_int_equal(workload_rows(workload), 7);
    assert_true(workload_speaks(workload, SPELLING_RESP));
    mix_deinit(&mix);
    assert_int_equal(mix_of_list(&mix, "rmw=1,get=2", detail), 0);
    assert_int_equal(workload_rows(workload), 4);
}

/* Words in quotes, names of steps, commands that begin alike, and what the table of tests has. */
static void written_out(void **state)
{
    (void)state;
    char detail[MIX_DETAIL_SIZE] = "";
    assert_int_equal(script("GETEX a\nGET b # of these\nGET 'c d'\n7 SET x {\\\"a\\\":1} ''\n"
                            "both/old=2 GET __key__\nthen=new GET b\nthen kv.get c\n",
                            detail),
                     0);
    kind_is(0, "GETEX", 1, 0);
    kind_is(1, "GET", 1, SHAPE_FINDS);
    kind_is(2, "GET 2", 1, SHAPE_FINDS);
    kind_is(3, "SET", 7, 0);
    const struct workload *workload = &mix.workload;
    assert_string_equal(workload->shapes[2]->words[1], "c d");
    assert_string_equal(workload->shapes[3]->words[2], "{\"a\":1}");
    assert_string_equal(workload->shapes[3]->words[3], "");
    const struct shape *both = workload->shapes[4];
    assert_string_equal(both->name, "both");
    assert_int_equal(both->n_steps, 3);
    assert_string_equal(both->steps[0]->name, "old");
    assert_string_equal(both->steps[1]->name, "new");
    assert_string_equal(both->steps[2]->name, "kv.get");
    assert_string_equal(both->steps[0]->spelling[SPELLING_RPC], "kv.get __key__");
    assert_null(both->steps[0]->words);
}

static void bad_script(const char *text, const char *words)
{
    char detail[MIX_DETAIL_SIZE] = "";
    assert_int_equal(script(text, detail), ERR_BAD_ARGUMENT);
    if (strstr(detail, words) == NULL)
        fail_msg("'%s': expected '%s' in '%s'", text, words, detail);
    mix_deinit(&mix);
}

static void bad_scripts(void **state)
{
    (void)state;
    char many[1024] = "";
    for (size_t i = 0; i < 17; i++)
        memcpy(many + 5 * i, "PING\n", 6);
    bad_script(many, "at most 16 kinds");
    for (size_t i = 0; i < 256; i++)
        memcpy(many + 2 * i, "a ", 3);
    bad_script(many, "words");
    bad_script("", "no request");
    bad_script("# nothing\n\n", "no request");
    bad_script("GET a\n70\n", "line 2");
    bad_script("read=x GET a\n", "NAME=WEIGHT");
    bad_script("=5 GET a\n", "NAME=WEIGHT");
    bad_script("a=1 GET a\na=2 GET b\n", "twice");
    bad_script("a/=1 GET a\n", "NAME=WEIGHT");
    bad_script("/b=1 GET a\n", "NAME=WEIGHT");
    bad_script("GET a\nthen= GET a\n", "line 2");
    bad_script("GET a\nSET 'a b\n", "line 2 of the script: the quote ' is not closed");
    bad_script("GET __keys__\n", "no such placeholder");
    bad_script("GET a:__key__\n", "__rand_int__");
    bad_script("SET a __number:9-1__\n", "__number:1-100__");
    bad_script("SET a __number:5__\n", "__number:1-100__");
    bad_script("then GET a\n", "none before it");
    bad_script("GET a\nthen\n", "line 2");
    bad_script("SET a __reply__\n", "behind \"then\"");
    bad_script("GET a\nthen SET a __reply:__\n", "__reply:KEY__");
    bad_script("MGET __repeat:10001__ a\n", "at most 10000");
    bad_script("MGET __repeat:0__ a\n", "at most 10000");
    size_t at = 0;
    for (size_t i = 0; i < MIX_STEPS + 1; i++)
        at += (size_t)snprintf(many + at, sizeof many - at, "%sGET a\n", i > 0 ? "then " : "");
    bad_script(many, "at most 16 steps");
    assert_int_equal(mix_of_script(&mix, "/nonexistent", many), ERR_IO);
    assert_non_null(strstr(many, "No such file"));
}

/* Are two requests spelled alike, and what is known of them the same? */
static void same_request(const struct shape *a, const struct shape *b, enum spelling spelling)
{
    const unsigned kept = (unsigned)~(SHAPE_STORES | SHAPE_INSERTS | SHAPE_INLINE);
    struct command words, others;
    assert_int_equal(a->flags & kept, b->flags & kept);
    assert_true(shape_command(a, spelling, "k", &words));
    assert_true(shape_command(b, spelling, "k", &others));
    assert_int_equal(words.count, others.count);
    for (unsigned i = 0; i < words.count; i++)
        assert_true(bytes_equal(words.words[i], others.words[i]));
}

/* What is printed of a test is a script of the same requests. */
static void printed_again(enum workload_id id, enum spelling spelling)
{
    struct plan plan = {.ratio = {1, 10}};
    char detail[MIX_DETAIL_SIZE] = "", *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    plan.tests[id] = true;
    assert_int_equal(mix_print(out, &plan, spelling, detail), 0);
    fclose(out);
    if (script(text, detail) != 0)
        fail_msg("%s: %s", text, detail);
    free(text);
    const struct workload *workload = &workload_table[id], *again = &mix.workload;
    assert_int_equal(again->n_shapes, workload->n_shapes);
    for (unsigned i = 0; i < again->n_shapes; i++) {
        const struct shape *a = workload->shapes[i], *b = again->shapes[i];
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->n_steps, b->n_steps);
        assert_int_equal(again->weights[i], workload_mixes(workload) && i > 0 ? 10 : 1);
        for (unsigned step = 0; step < (a->n_steps > 0 ? a->n_steps : 1); step++) {
            same_request(shape_step(a, step), shape_step(b, step), spelling);
            assert_string_equal(shape_step(a, step)->name, shape_step(b, step)->name);
        }
    }
    mix_deinit(&mix);
}

static void printed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++)
        for (unsigned spelling = 0; spelling < SPELLING_COUNT; spelling++)
            if (workload_speaks(&workload_table[i], (enum spelling)spelling))
                printed_again((enum workload_id)i, (enum spelling)spelling);
    struct plan plan = {.ratio = {1, 1}};
    char detail[MIX_DETAIL_SIZE];
    assert_int_equal(mix_print(stdout, &plan, SPELLING_RPC, detail), ERR_BAD_ARGUMENT);
    assert_non_null(strstr(detail, "one test"));
    plan.tests[WORKLOAD_ckpt_get] = true;
    assert_int_equal(mix_print(stdout, &plan, SPELLING_RESP, detail), ERR_BAD_ARGUMENT);
    assert_non_null(strstr(detail, "--protocol"));
}

static void numbers(void **state)
{
    (void)state;
    uint64_t low, high;
    assert_true(command_is_number(bytes_of("__number__"), &low, &high));
    assert_true(low == 0 && high == 999999);
    assert_true(command_is_number(bytes_of("__number:7-9__"), &low, &high));
    assert_true(low == 7 && high == 9);
    static const char *const not [] = {"",
                                       "__",
                                       "__number:__",
                                       "__number:-__",
                                       "__number:1-2",
                                       "__number:1-9007199254740993__",
                                       "__number:-1-2__",
                                       "number"};
    for (size_t i = 0; i < LENGTH_OF(not ); i++)
        assert_false(command_is_number(bytes_of(not [i]), &low, &high));
}

static void keys_of(const char *text, size_t size, int err, const char *words)
{
    char detail[KEYS_DETAIL_SIZE] = "";
    struct keys keys;
    const char *path = file_of(text, size);
    assert_int_equal(keys_read(&keys, path, detail), err);
    unlink(path);
    if (err == 0) {
        assert_int_equal(keys.n, 3);
        assert_int_equal(keys.longest, 4);
        assert_true(bytes_equal(keys_at(&keys, 0), bytes_of("a")));
        assert_true(bytes_equal(keys_at(&keys, 1), (struct bytes){(const uint8_t *)"b\0c", 3}));
        assert_true(bytes_equal(keys_at(&keys, 2), bytes_of("last")));
    } else if (strstr(detail, words) == NULL) {
        fail_msg("expected '%s' in '%s'", words, detail);
    }
    keys_deinit(&keys);
}

static void key_files(void **state)
{
    (void)state;
    char *large = malloc(65537);
    memset(large, 'x', 65537);
    keys_of("a\nb\0c\nlast", 10, 0, "");
    keys_of("a\nb\0c\nlast\n", 11, 0, "");
    keys_of("", 0, ERR_BAD_ARGUMENT, "no key");
    keys_of("a\n\nb\n", 5, ERR_BAD_ARGUMENT, "line 2");
    keys_of(large, 65537, ERR_BAD_ARGUMENT, "line 1 must have 1 to 65535 bytes");
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(lists, tear_down),
        cmocka_unit_test_teardown(bad_lists, tear_down),
        cmocka_unit_test_teardown(scripts, tear_down),
        cmocka_unit_test_teardown(written_out, tear_down),
        cmocka_unit_test_teardown(bad_scripts, tear_down),
        cmocka_unit_test_teardown(printed, tear_down),
        cmocka_unit_test(numbers),
        cmocka_unit_test_teardown(sequences, tear_down),
        cmocka_unit_test(key_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
