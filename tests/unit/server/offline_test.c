/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/offline: how entries, keys and JSON are printed, whatever the bytes are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/offline_impl.h"

#include "server/store/codec.h"
#include "server/wal/little.h"

#include <stdlib.h>

/* What was printed since print_begin; to be freed. */
struct printed {
    FILE *out;
    char *text;
    size_t size;
};

static FILE *print_begin(struct printed *printed)
{
    printed->out = open_memstream(&printed->text, &printed->size);
    assert_non_null(printed->out);
    return printed->out;
}

static void print_same(struct printed *printed, const char *expected)
{
    assert_int_equal(fclose(printed->out), 0);
    assert_string_equal(printed->text, expected);
    free(printed->text);
}

static struct entry entry_of(const struct effect *effects, size_t n, uint8_t *body)
{
    codec_write(body, effects, n);
    return (struct entry){codec_type(effects, n), 7, 4096, {body, codec_size(effects, n)}};
}

static void quoted(void **state)
{
    struct printed printed;
    (void)state;
    offline_quote(print_begin(&printed), (struct bytes){(const uint8_t *)"a\"\\\n\0\x7f\xff", 7});
    print_same(&printed, "\"a\\\"\\\\\\x0a\\x00\\x7f\\xff\"");
}

static void json(void **state)
{
    struct printed printed;
    struct offline_json writer = {.out = print_begin(&printed)};
    (void)state;
    json_open(&writer, NULL, '{');
    json_uint(&writer, "max", UINT64_MAX);
    json_int(&writer, "min", INT64_MIN);
    json_open(&writer, "list", '[');
    json_bool(&writer, NULL, true);
    json_bool(&writer, NULL, false);
    json_close(&writer, ']');
    json_open(&writer, "none", '[');
    json_close(&writer, ']');
    json_text(&writer, "text", "a\"\\\n\x7f");
    json_text(&writer, "null", NULL);
    json_text(&writer, "strange", "a\xff");
    json_bytes(&writer, "key", "key_hex", bytes_of("\xc3\xa9"));
    json_bytes(&writer, "key", "key_hex", bytes_of("\xc3("));
    json_close(&writer, '}');
    print_same(&printed,
               "{\"max\": 18446744073709551615, \"min\": -9223372036854775808, "
               "\"list\": [true, false], \"none\": [], "
               "\"text\": \"a\\\"\\\\\\u000a\\u007f\", \"null\": null, \"strange\": \"a\\u00ff\", "
               "\"key\": \"\xc3\xa9\", \"key_hex\": \"c328\"}");
}

static void effects(void **state)
{
    static const struct effect some[] = {
        {.type = EFFECT_PUT,
         .spec =
             {{1, KIND_kv, {(const uint8_t *)"k\x1b", 2}}, true, {(const uint8_t *)"vv", 2}, 9}},
        {.type = EFFECT_DEL, .spec = {{2, 63, {(const uint8_t *)"d", 1}}, false, {NULL, 0}, 0}},
        {.type = EFFECT_PUT,
         .spec = {{0, KIND_run, {(const uint8_t *)"r", 1}},
                  true,
                  {(const uint8_t *)"\xce\0\0\0\5", 5},
                  0}},
    };
    struct printed printed;
    uint8_t body[256];
    struct entry entry = entry_of(some, 3, body);
    (void)state;
    dump_text(print_begin(&printed), "file", 4096, &entry, true);
    print_same(&printed,
               "7           file:4096                              batch             90       4096"
               "  put run=1 kv key=\"k\\x1b\" value=2B expires_at_ms=9; del run=2 kind=63 "
               "key=\"d\"; put run=0 run key=\"r\" number=5\n");
    entry = entry_of(some, 2, body);
    dump_json(print_begin(&printed), "file", 4096, &entry, false);
    print_same(
        &printed,
        "{\"lsn\": 7, \"file\": \"file\", \"offset\": 4096, \"type\": \"batch\", \"bytes\": "
        "69, \"synced\": 4096, \"effects\": [{\"op\": \"put\", \"run\": 1, \"kind\": 1, "
        "\"kind_name\": \"kv\", \"key_bytes\": 2, \"value_bytes\": 2, \"expires_at_ms\": 9}, "
        "{\"op\": \"del\", \"run\": 2, \"kind\": 63, \"kind_name\": null, \"key_bytes\": "
        "1}]}\n");
}

/* Keys of groups in their parts, and numbers that values begin with. */
static void groups(void **state)
{
    static const uint8_t key[] = "\002s1\0\0\0\0\0\0\001\002re",
                         value[] = "\x91\xcf\0\0\0\0\0\0\0\011";
    static const struct effect some[] = {
        {.type = EFFECT_PUT,
         .spec = {.key = {1, KIND_session, {(const uint8_t *)"s1", 2}}, .value = {value, 10}}},
        {.type = EFFECT_PUT, .spec = {.key = {1, KIND_ckpt, {key, 13}}, .value = {value, 9}}},
        {.type = EFFECT_DEL, .spec = {.key = {1, KIND_blob, {key, 11}}}},
        {.type = EFFECT_DEL, .spec = {.key = {1, KIND_blob, {key, 10}}}}, /* malformed */
    };
    struct printed printed;
    uint8_t body[256];
    struct entry entry = entry_of(some, 4, body);
    (void)state;
    dump_text(print_begin(&printed), "file", 4096, &entry, true);
    print_same(&printed,
               "7           file:4096                              batch            137       4096"
               "  put run=1 session key=\"s1\" sequence=9 value=10B; put run=1 ckpt session=\"s1\" "
               "generation=258 rest=\"re\" sequence=0 value=9B; del run=1 blob session=\"s1\" "
               "generation=258 rest=\"\"; del run=1 blob "
               "key=\"\\x02s1\\x00\\x00\\x00\\x00\\x00\\x00\\x01\"\n");
    entry = entry_of(&some[1], 1, body);
    dump_json(print_begin(&printed), "f", 1, &entry, true);
    print_same(&printed,
               "{\"lsn\": 7, \"file\": \"f\", \"offset\": 1, \"type\": \"put\", \"bytes\": 62, "
               "\"synced\": 4096, \"effects\": [{\"op\": \"put\", \"run\": 1, \"kind\": 5, "
               "\"kind_name\": \"ckpt\", \"key_bytes\": 13, "
               "\"key\": \"\\u0002s1\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0001\\u0002re\", "
               "\"owner\": \"s1\", \"generation\": 258, \"rest\": \"re\", \"sequence\": 0, "
               "\"value_bytes\": 9}]}\n");
    dump_text(print_begin(&printed), "f", 1, &entry, false);
    (void)fclose(printed.out);
    assert_non_null(strstr(printed.text, "  put run=1 ckpt key=13B sequence=0 value=9B\n"));
    free(printed.text);
}

/* A batch of many is cut, and says so. */
static void many(void **state)
{
    struct effect some[20];
    struct printed printed;
    uint8_t body[1024];
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(some); i++)
        some[i] = (struct effect){.type = EFFECT_DEL,
                                  .spec = {.key = {1, KIND_kv, {(const uint8_t *)"k", 1}}}};
    struct entry entry = entry_of(some, LENGTH_OF(some), body);
    dump_text(print_begin(&printed), "f", 1, &entry, false);
    (void)fclose(printed.out);
    assert_non_null(strstr(printed.text, "key=1B; and 4 more (--json has them)\n"));
    free(printed.text);
}

static void others(void **state)
{
    struct printed printed;
    uint8_t lsn[8];
    struct entry entry = {.type = ENTRY_MARKER, .lsn = 9, .body = {lsn, sizeof lsn}};
    (void)state;
    little_write_u64(lsn, 5);
    dump_json(print_begin(&printed), "f", 1, &entry, false);
    print_same(&printed, "{\"lsn\": 9, \"file\": \"f\", \"offset\": 1, \"type\": \"marker\", "
                         "\"bytes\": 34, \"synced\": 0, \"snapshot_lsn\": 5}\n");
    entry = (struct entry){.type = ENTRY_PUT, .lsn = 9, .body = {lsn, sizeof lsn}}; /* garbage */
    dump_json(print_begin(&printed), "f", 1, &entry, true);
    print_same(&printed, "{\"lsn\": 9, \"file\": \"f\", \"offset\": 1, \"type\": \"put\", "
                         "\"bytes\": 34, \"synced\": 0, \"effects\": [], \"damaged\": true}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quoted), cmocka_unit_test(json), cmocka_unit_test(effects),
        cmocka_unit_test(groups), cmocka_unit_test(many), cmocka_unit_test(others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
