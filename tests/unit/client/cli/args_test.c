/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/cli/args: command lines and the params they become, written as JSON; what is refused and
 * how; and that every operation of the table can be typed and is understood by the decoder.
 */
#include "client/cli/args.h"

#include "client/cli/json.h"
#include "common/err.h"
#include "proto/pack.h"
#include "proto/rpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORDS_MAX = 16 };

/* One command line: the wire name of the operation and its words, separated by `|`. */
struct line {
    const char *op, *words;
    const char *expected; /* params as JSON, or part of the message */
};

/* Cut a copy of the words at `|`. */
static int cut(char *text, char *argv[WORDS_MAX])
{
    int argc = 0;
    for (char *at = text; *text != 0 && at != NULL;) {
        char *end = strchr(at, '|');
        argv[argc++] = at;
        if (end != NULL)
            *end++ = 0;
        at = end;
    }
    return argc;
}

static int pack_line(const char *op, const char *words, struct buf *out, struct usage *usage)
{
    char text[512];
    char *argv[WORDS_MAX];
    struct args args = {.op = NULL};
    snprintf(text, sizeof text, "%s", words);
    int err = args_parse(op_find(bytes_of(op)), cut(text, argv), argv, &args, usage);
    if (err != 0)
        return err;
    err = args_pack(&args, BYTES_NONE, out, usage);
    args_deinit(&args);
    return err;
}

static void accepted(void **state)
{
    (void)state;
    static const struct line lines[] = {
        {"kv.put", "k|v", "{\"key\": \"k\", \"value\": \"v\"}"},
        {"kv.put", "k|v|--ttl|10s", "{\"key\": \"k\", \"value\": \"v\", \"ttl_ms\": 10000}"},
        {"kv.put", "k|v|--ttl-ms=10000", "{\"key\": \"k\", \"value\": \"v\", \"ttl_ms\": 10000}"},
        {"kv.put", "k|v|--ttl_ms|7", "{\"key\": \"k\", \"value\": \"v\", \"ttl_ms\": 7}"},
        {"kv.put", "--if-absent|k|v", "{\"key\": \"k\", \"value\": \"v\", \"if_absent\": true}"},
        {"kv.put", "k|v|--if-absent=no",
         "{\"key\": \"k\", \"value\": \"v\", \"if_absent\": false}"},
        {"kv.put", "k|v|--expires-at|1970-01-02T00:00:00Z",
         "{\"key\": \"k\", \"value\": \"v\", \"expires_at_ms\": 86400000}"},
        {"kv.put", "k|--value|v", "{\"key\": \"k\", \"value\": \"v\"}"},
        {"kv.put", "k|5", "{\"key\": \"k\", \"value\": 5}"},
        {"kv.put", "k|-5.5", "{\"key\": \"k\", \"value\": -5.5}"},
        {"kv.put", "k|\"5\"", "{\"key\": \"k\", \"value\": \"5\"}"},
        {"kv.put", "k|5|--string", "{\"key\": \"k\", \"value\": \"5\"}"},
        {"kv.put", "k|@x|--string", "{\"key\": \"k\", \"value\": \"@x\"}"},
        {"kv.put", "k|007", "{\"key\": \"k\", \"value\": \"007\"}"},
        {"kv.put", "k|{broken", "{\"key\": \"k\", \"value\": \"{broken\"}"},
        {"kv.put", "k| 5", "{\"key\": \"k\", \"value\": \" 5\"}"},
        {"kv.put", "k|null", "{\"key\": \"k\", \"value\": null}"},
        {"kv.put", "5|{\"a\": [1]}", "{\"key\": \"5\", \"value\": {\"a\": [1]}}"},
        {"kv.put", "--|--k|--v", "{\"key\": \"--k\", \"value\": \"--v\"}"},
        {"kv.put", "k|v|--run|r", "{\"key\": \"k\", \"value\": \"v\", \"run\": \"r\"}"},
        {"kv.put", "k|v|--json|--timeout|5s", "{\"key\": \"k\", \"value\": \"v\"}"},
        {"kv.put", "k|\xff", "{\"key\": \"k\", \"value\": {\"$bin\": \"/w==\"}}"},
        {"kv.get", "{\"$bin\": \"/w==\"}", "{\"key\": {\"$bin\": \"/w==\"}}"},
        {"kv.get", "{\"$bin\"}", "{\"key\": \"{\\\"$bin\\\"}\"}"},
        {"kv.incr", "k|-5|--min|-9", "{\"key\": \"k\", \"delta\": -5, \"min\": -9}"},
        {"kv.expire", "k|5m", "{\"key\": \"k\", \"ttl_ms\": 300000}"},
        {"kv.mget", "a|1|--with-version", "{\"keys\": [\"a\", \"1\"], \"with_version\": true}"},
        {"kv.mget", "[\"a\"]|--json-in", "{\"keys\": [\"a\"]}"},
        {"kv.mput", "a|1|b|x", "{\"pairs\": [[\"a\", 1], [\"b\", \"x\"]]}"},
        {"kv.mput", "[[\"a\", 1]]", "{\"pairs\": [[\"a\", 1]]}"},
        {"kv.scan", "--prefix|user:|--limit|2", "{\"prefix\": \"user:\", \"limit\": 2}"},
        {"kv.scan", "", "{}"},
        {"batch", "[[\"kv.get\", [\"a\"]]]|--atomic",
         "{\"calls\": [[\"kv.get\", [\"a\"]]], \"atomic\": true}"},
        {"ping", "", "{}"},
    };
    for (size_t i = 0; i < LENGTH_OF(lines); i++) {
        struct buf params, text;
        struct usage usage = {""};
        buf_init(&params);
        buf_init(&text);
        int err = pack_line(lines[i].op, lines[i].words, &params, &usage);
        if (err == 0)
            err = json_out(buf_bytes(&params), 0, &text);
        if (err != 0 || !bytes_equal(buf_bytes(&text), bytes_of(lines[i].expected)))
            fail_msg("%s: %.*s (%s)", lines[i].words, (int)text.size, (const char *)text.data,
                     usage.text);
        buf_deinit(&params);
        buf_deinit(&text);
    }
}

static void refused(void **state)
{
    (void)state;
    static const struct line lines[] = {
        {"kv.put", "k", "'value' is missing"},
        {"kv.put", "", "'key' is missing"},
        {"kv.put", "k|v|w", "unexpected argument 'w'"},
        {"kv.put", "k|v|--ttll|5", "did you mean --ttl?"},
        {"kv.put", "k|v|--if-abs", "did you mean --if-absent?"},
        {"kv.put", "k|v|--qqqqqqqq", "unknown option --qqqqqqqq"},
        {"kv.put", "k|v|--ttl", "needs a value"},
        {"kv.put", "k|v|--ttl|5|--ttl-ms|5", "given twice"},
        {"kv.put", "k|v|--ttl|-5s", "not a duration"},
        {"kv.put", "k|v|--ttl|5 s", "not a duration"},
        {"kv.put", "k|v|--expires-at|tomorrow", "not a time"},
        {"kv.put", "k|v|--if-version|-1", "not a number"},
        {"kv.put", "k|v|--if-absent=maybe", "not true or false"},
        {"kv.put", "k|x|--json-in", "not JSON"},
        {"kv.put", "k|99999999999999999999999", "does not fit"},
        {"kv.put", "k|{\"$bin\": \"?\"}", "base64"},
        {"kv.put", "k|@/nonexistent/file", "cannot open"},
        {"kv.put", "k|v|--timeout|soon", "not a duration"},
        {"kv.incr", "k|1.5", "not an integer"},
        {"kv.mput", "a|1|b", "'b' has no value"},
        {"kv.mget", "", "'keys' is missing"},
        {"batch", "nonsense", "not JSON"},
        {"ckpt.tag", "s|i|bad",
         "tags: not JSON: line 1 column 3: invalid token near 'bad'; give "
         "'[\"a\", \"b\"]', or @FILE for what a file has"},
        {"ckpt.import", "a.ckpt", "items: not JSON"},
        {"ckpt.save", "s|1|--metadata|x", "metadata: not JSON"},
    };
    for (size_t i = 0; i < LENGTH_OF(lines); i++) {
        struct buf params;
        struct usage usage = {""};
        buf_init(&params);
        int err = pack_line(lines[i].op, lines[i].words, &params, &usage);
        if (err == 0 || strstr(usage.text, lines[i].expected) == NULL)
            fail_msg("%s: %d %s", lines[i].words, err, usage.text);
        buf_deinit(&params);
    }
}

/* @FILE is the bytes of the file; a list reads its JSON from there. */
static void from_file(void **state)
{
    (void)state;
    char path[] = "/tmp/cairn-args-XXXXXX";
    char words[64];
    struct buf params, text;
    struct usage usage;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "[1]\xff", 4), 4);
    snprintf(words, sizeof words, "k|@%s", path);
    buf_init(&params);
    buf_init(&text);
    assert_int_equal(pack_line("kv.put", words, &params, &usage), 0);
    assert_int_equal(json_out(buf_bytes(&params), 0, &text), 0);
    assert_true(bytes_equal(buf_bytes(&text),
                            bytes_of("{\"key\": \"k\", \"value\": {\"$bin\": \"WzFd/w==\"}}")));
    params.size = text.size = 0;
    assert_int_equal(ftruncate(fd, 3), 0);
    snprintf(words, sizeof words, "k|@%s|--json-in", path);
    assert_int_equal(pack_line("kv.put", words, &params, &usage), 0);
    assert_int_equal(json_out(buf_bytes(&params), 0, &text), 0);
    assert_true(bytes_equal(buf_bytes(&text), bytes_of("{\"key\": \"k\", \"value\": [1]}")));
    buf_deinit(&params);
    buf_deinit(&text);
    close(fd);
    unlink(path);
}

static void cursor(void **state)
{
    (void)state;
    struct args args = {.op = NULL};
    struct usage usage;
    struct buf params, text;
    char prefix[] = "--prefix=p";
    char *argv[] = {prefix};
    buf_init(&params);
    buf_init(&text);
    assert_int_equal(args_parse(op_find(bytes_of("kv.scan")), 1, argv, &args, &usage), 0);
    assert_int_equal(args_pack(&args,
                               bytes_of("\xa1"
                                        "c"),
                               &params, &usage),
                     0);
    assert_int_equal(json_out(buf_bytes(&params), 0, &text), 0);
    assert_true(bytes_equal(buf_bytes(&text), bytes_of("{\"prefix\": \"p\", \"cursor\": \"c\"}")));
    args_deinit(&args);
    buf_deinit(&params);
    buf_deinit(&text);
}

/* A word that is right for an argument of this type. */
static const char *sample(enum arg_type type)
{
    static const char *const samples[ARG_TYPE_COUNT] = {
        [ARG_ARRAY] = "[1]",
        [ARG_MAP] = "{}",
        [ARG_VECTOR] = "[1, 0.5]",
        [ARG_KEYS] = "[\"k\"]",
        [ARG_PAIRS] = "[[\"k\", 1]]",
        [ARG_CALLS] = "[[\"kv.get\", [\"k\"]]]",
        [ARG_ITEMS] = "[{\"session\": \"s\"}]",
        [ARG_CONDITIONS] = "[[\"kv\", \"k\", 1]]",
        [ARG_BOOL] = "true",
    };
    return samples[type] != NULL ? samples[type] : "5";
}

/* Every operation, with every argument it has, becomes a request that the server's decoder
 * takes. */
static void whole_table(void **state)
{
    (void)state;
    struct limits limits = limits_default();
    for (unsigned i = 0; i < OP_COUNT; i++) {
        const struct op *op = &op_table[i];
        struct args args = {.op = op};
        struct usage usage = {""};
        struct request request;
        struct problem problem = {.text = ""};
        struct buf message;
        size_t size;
        buf_init(&message);
        for (unsigned k = 0; args_desc(op, k) != NULL; k++)
            args.word[k] = (struct args_word){sample(args_desc(op, k)->type), false};
        assert_int_equal(rpc_encode_request(&message, 1, bytes_of(op->name)), 0);
        if (args_pack(&args, BYTES_NONE, &message, &usage) != 0 ||
            rpc_decode(buf_bytes(&message), &limits, &request, &problem, &size) != RPC_OK)
            fail_msg("%s: %s %s", op->name, usage.text, problem.text);
        buf_deinit(&message);
    }
}

static int setup(void **state)
{
    (void)state;
    op_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted), cmocka_unit_test(refused),     cmocka_unit_test(from_file),
        cmocka_unit_test(cursor),   cmocka_unit_test(whole_table),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
