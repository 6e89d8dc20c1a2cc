/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/resp_map_vec: every command on vector sets becomes the request it should, or is refused.
 *
 * A row is a command, its arguments separated by spaces (_ is an empty one, ~ stands for a space),
 * and the request it becomes as JSON; or "!" and the text of the error.
 */
#include "common/err.h"
#include "proto/json_out.h"
#include "proto/resp_command.h"
#include "proto/rpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define VADDED "\"keep_metadata\": true, \"return_added\": true, \"create\": true"

static struct limits limits;
static unsigned good[RESP_COUNT]; /* rows of each command that become requests */

static void add_words(struct buf *message, const char *command)
{
    struct buf words = {0};
    size_t count = 0;
    for (const char *p = command; *p != 0; count++) {
        char word[200];
        size_t size = strcspn(p, " ");
        (void)snprintf(word, sizeof word, "%.*s", (int)size, p);
        for (char *c = word; *c != 0; c++)
            *c = *c == '~' ? ' ' : *c;
        assert_int_equal(resp_put_text(&words, strcmp(word, "_") == 0 ? "" : word), 0);
        p += size + (p[size] == ' ');
    }
    assert_int_equal(resp_put_array(message, count), 0);
    assert_int_equal(buf_append(message, words.data, words.size), 0);
    buf_deinit(&words);
}

static enum resp_shape check(const char *words, const char *expected)
{
    struct resp_scan scan = {0};
    struct problem problem = {0};
    struct request request;
    struct buf message = {0}, scratch = {0}, encoded = {0}, shown = {0};
    size_t need;
    add_words(&message, words);
    assert_int_equal(resp_scan(&scan, buf_bytes(&message), &need, &problem), 0);
    struct resp_reader args = resp_reader_of(&scan, message.data);
    struct resp_call call = {.command = resp_find(resp_next(&args)),
                             .args = args,
                             .limits = &limits,
                             .now_ms = 1,
                             .scratch = &scratch,
                             .request = &request,
                             .problem = &problem};
    assert_non_null(call.command);
    assert_true(resp_arity_fits(call.command, args.left));
    memset(&request, 0xa5, sizeof request);
    int err = resp_map(&call);
    if (err == 0) {
        good[call.command->id]++;
        assert_int_equal(rpc_encode_call(&encoded, &request), 0);
        assert_int_equal(json_out(buf_bytes(&encoded), 0, &shown), 0);
    } else {
        assert_int_equal(problem.err, err);
        assert_int_equal(buf_append(&shown, "!", 1), 0);
        assert_int_equal(buf_append(&shown, problem.text, strlen(problem.text)), 0);
    }
    if (!bytes_equal(buf_bytes(&shown), bytes_of(expected)))
        fail_msg("%s\n%.*s\ninstead of\n%s", words, (int)shown.size, (const char *)shown.data,
                 expected);
    buf_deinit(&message);
    buf_deinit(&scratch);
    buf_deinit(&encoded);
    buf_deinit(&shown);
    return call.shape;
}

static void sets(void **state)
{
    (void)state;
    check("vcard s", "[\"vec.count\", {\"collection\": \"s\"}]");
    check("vdim s", "[\"vec.info\", {\"collection\": \"s\"}]");
    check("VINFO s", "[\"vec.info\", {\"collection\": \"s\"}]");
    check("vemb s a", "[\"vec.get\", {\"collection\": \"s\", \"key\": \"a\"}]");
    check("vrem s a", "[\"vec.delete\", {\"collection\": \"s\", \"keys\": [\"a\"], "
                      "\"drop_empty\": true}]");
    check("vismember s a", "[\"vec.get_many\", {\"collection\": \"s\", \"keys\": [\"a\"], "
                           "\"with_vectors\": false}]");
    check("vgetattr s a", "[\"vec.get_many\", {\"collection\": \"s\", \"keys\": [\"a\"], "
                          "\"with_vectors\": false}]");
    check("vlinks s a", "[\"vec.links\", {\"collection\": \"s\", \"key\": \"a\"}]");
    assert_int_equal(
        check("vlinks s a WithScores", "[\"vec.links\", {\"collection\": \"s\", \"key\": \"a\"}]"),
        RESP_SHAPE_LINKS_SCORES);
    assert_int_equal(check("vrandmember s", "[\"vec.sample\", {\"collection\": \"s\"}]"),
                     RESP_SHAPE_MEMBER);
    assert_int_equal(
        check("vrandmember s 0", "[\"vec.sample\", {\"collection\": \"s\", \"count\": 0}]"),
        RESP_SHAPE_VALUES);
    check(
        "vrandmember s -9223372036854775807",
        "[\"vec.sample\", {\"collection\": \"s\", \"count\": 9007199254740991, \"repeat\": true}]");
    check("vrandmember s -7",
          "[\"vec.sample\", {\"collection\": \"s\", \"count\": 7, \"repeat\": true}]");
    check("vsetattr s a {\"x\":[1,null]}",
          "[\"vec.set_metadata\", {\"collection\": \"s\", \"key\": "
          "\"a\", \"metadata\": {\"x\": [1, null]}}]");
    check("vsetattr s a _",
          "[\"vec.set_metadata\", {\"collection\": \"s\", \"key\": \"a\", \"metadata\": null}]");
}

static void adds(void **state)
{
    (void)state;
    check("vadd s FP32 abcd a", "[\"vec.upsert\", {\"collection\": \"s\", \"key\": \"a\", "
                                "\"vector\": \"abcd\", " VADDED "}]");
    check("vadd s values 2 1 -2.5 a cas ef 7",
          "[\"vec.upsert\", {\"collection\": \"s\", \"key\": \"a\", \"vector\": {\"$bin\": "
          "\"AACAPwAAIMA=\"}, " VADDED "}]");
    check("vadd s fp32 abcd a Q8 M 8 SETATTR {\"x\":1}",
          "[\"vec.upsert\", {\"collection\": \"s\", \"key\": \"a\", \"vector\": \"abcd\", "
          "\"metadata\": {\"x\": 1}, \"keep_metadata\": false, \"return_added\": true, "
          "\"create\": true, \"m\": 8, \"quantization\": \"int8_only\"}]");
    check("vadd s fp32 abcd a setattr _ noquant",
          "[\"vec.upsert\", {\"collection\": \"s\", \"key\": \"a\", \"vector\": \"abcd\", "
          "\"keep_metadata\": false, \"return_added\": true, \"create\": true, "
          "\"quantization\": \"none\"}]");
}

/* Numbers of one digit leave the least room for the floats they become. */
static void short_numbers(void **state)
{
    static const unsigned dims[] = {1, 2, 63, 64, 65, 8192};
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(dims); i++) {
        struct buf message = {0}, scratch = {0};
        struct resp_scan scan = {0};
        struct problem problem = {0};
        struct request request;
        struct mp mp;
        char dim[12];
        size_t need;
        (void)snprintf(dim, sizeof dim, "%u", dims[i]);
        assert_int_equal(resp_put_array(&message, dims[i] + 5), 0);
        assert_int_equal(resp_put_text(&message, "vadd") + resp_put_text(&message, "s") +
                             resp_put_text(&message, "values") + resp_put_text(&message, dim),
                         0);
        for (unsigned n = 0; n < dims[i]; n++)
            assert_int_equal(resp_put_text(&message, n % 2 == 0 ? "7" : "2"), 0);
        assert_int_equal(resp_put_text(&message, "element"), 0);
        assert_int_equal(resp_scan(&scan, buf_bytes(&message), &need, &problem), 0);
        struct resp_reader args = resp_reader_of(&scan, message.data);
        struct resp_call call = {.command = resp_find(resp_next(&args)),
                                 .args = args,
                                 .limits = &limits,
                                 .scratch = &scratch,
                                 .request = &request,
                                 .problem = &problem};
        assert_int_equal(resp_map(&call), 0);
        const struct args_vec_upsert *a = (const struct args_vec_upsert *)request.args;
        assert_true(bytes_equal(a->key.bytes, bytes_of("element")));
        struct mp_reader reader = mp_reader_of(a->vector.bytes);
        assert_int_equal(mp_read(&reader, &mp), 0);
        assert_true(mp.kind == MP_BIN && mp.bytes.size == 4 * (size_t)dims[i]);
        for (unsigned n = 0; n < dims[i]; n++) /* 7 and 2 as little-endian floats */
            assert_memory_equal(mp.bytes.data + 4 * (size_t)n,
                                n % 2 == 0 ? "\0\0\xe0\x40" : "\0\0\0\x40", 4);
        buf_deinit(&message);
        buf_deinit(&scratch);
    }
}

static void searches(void **state)
{
    (void)state;
    assert_int_equal(check("vsim s ele a", "[\"vec.search\", {\"collection\": \"s\", \"key\": "
                                           "\"a\", \"ef\": 100}]"),
                     RESP_SHAPE_HITS);
    assert_int_equal(check("vsim s fp32 abcd withscores count 3 ef 9 truth nothread filter-ef 5",
                           "[\"vec.search\", {\"collection\": \"s\", \"vector\": \"abcd\", \"k\": "
                           "3, \"ef\": 9, \"exact\": true}]"),
                     RESP_SHAPE_HITS_SCORES);
    assert_int_equal(check("vsim s ele a withattribs filter .x~>~1~and~.y epsilon 0.25",
                           "[\"vec.search\", {\"collection\": \"s\", \"key\": \"a\", \"ef\": 100, "
                           "\"filter\": {\"$and\": [{\"$and\": [{\"x\": {\"$gt\": 1}}, {\"y\": "
                           "{\"$nin\": [0, false, \"\", null]}}]}, {\"x\": {\"$exists\": true}}, "
                           "{\"y\": {\"$exists\": true}}]}, \"min_score\": 0.5, "
                           "\"with_metadata\": true}]"),
                     RESP_SHAPE_HITS_ATTRIBUTES);
    assert_int_equal(check("vsim s ele a withattribs withscores",
                           "[\"vec.search\", {\"collection\": \"s\", \"key\": \"a\", \"ef\": 100, "
                           "\"with_metadata\": true}]"),
                     RESP_SHAPE_HITS_BOTH);
}

static void refused(void **state)
{
    static const struct {
        const char *words, *why;
    } rows[] = {
        {"vcard _", "!a key must not be empty"},
        {"vrem s _", "!a key must not be empty"},
        {"vemb s a raw", "!VEMB RAW is not supported: vectors are kept as 32-bit floats, which "
                         "VEMB without RAW returns"},
        {"vemb s a x", "!invalid option"},
        {"vadd s fp32 abc a", "!invalid vector specification"},
        {"vadd s fp16 abcd a", "!invalid vector specification"},
        {"vadd s values 8193 1 2", "!invalid vector specification"},
        {"vadd s values 1 nan a", "!invalid vector specification"},
        {"vadd s values 2 1 2", "!wrong number of arguments for 'vadd' command"},
        {"vadd s reduce 1 values 2 1 2 a",
         "!REDUCE is not supported: reduce vectors before they are added"},
        {"vadd s fp32 abcd a bin", "!BIN is not supported: take Q8 or NOQUANT"},
        {"vadd s fp32 abcd a setattr", "!invalid option after element"},
        {"vadd s fp32 abcd a setattr []", "!not JSON: byte 1: a JSON object is expected"},
        {"vadd s fp32 abcd a ef 0", "!invalid EF"},
        {"vadd s fp32 abcd a m x", "!invalid M"},
        {"vlinks s a x", "!syntax error"},
        {"vlinks s a withscores x", "!syntax error"},
        {"vrandmember s x", "!value is not an integer or out of range"},
        {"vrandmember s 1 2", "!syntax error"},
        {"vrandmember s -9223372036854775808", "!syntax error"},
        {"vsetattr s a x", "!not JSON: byte 1: a JSON object is expected"},
        {"vsim s ele _", "!a key must not be empty"},
        {"vsim s x y", "!invalid vector specification"},
        {"vsim s ele a count 0", "!invalid COUNT"},
        {"vsim s ele a epsilon 0", "!invalid EPSILON"},
        {"vsim s ele a filter-ef 0", "!invalid FILTER-EF"},
        {"vsim s ele a filter", "!syntax error in VSIM command"},
        {"vsim s ele a filter .x~+~1",
         "!FILTER expression: byte 4: arithmetic (+) is not supported"},
        {"vsim s ele a what", "!syntax error in VSIM command"},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        check(rows[i].words, rows[i].why);
}

static void all_have_rows(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RESP_COUNT; i++)
        if (strcmp(resp_table[i].group, "vector_set") == 0 && resp_table[i].op >= 0 && good[i] == 0)
            fail_msg("no row for %s", resp_table[i].name);
}

static int set_up(void **state)
{
    (void)state;
    op_init();
    resp_init();
    limits = limits_default();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets),     cmocka_unit_test(adds),    cmocka_unit_test(short_numbers),
        cmocka_unit_test(searches), cmocka_unit_test(refused), cmocka_unit_test(all_have_rows),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
