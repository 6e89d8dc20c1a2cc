/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/cli/json: both directions, what JSON cannot hold, bytes that must not reach a terminal,
 * and random MessagePack that must survive the way there and back.
 */
#include "client/cli/json.h"

#include "common/base64.h"
#include "common/err.h"
#include "common/rng.h"
#include "proto/mp.h"
#include "proto/pack.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <jansson.h>

enum { RANDOM_ROUNDS = 3000, RANDOM_DEPTH = 4 };

static void check_out(struct bytes packed, const char *expected)
{
    struct buf text;
    buf_init(&text);
    assert_int_equal(json_out(packed, 0, &text), 0);
    if (!bytes_equal(buf_bytes(&text), bytes_of(expected)))
        fail_msg("%.*s instead of %s", (int)text.size, (const char *)text.data, expected);
    buf_deinit(&text);
}

#define OUT(packed, expected)                                                                      \
    check_out((struct bytes){(const uint8_t *)(packed), sizeof(packed) - 1}, expected)

/* The text becomes MessagePack that is written as `expected`. */
static void check_in(const char *text, const char *expected)
{
    struct buf packed;
    struct usage usage;
    buf_init(&packed);
    assert_int_equal(json_in(bytes_of(text), &packed, &usage), 0);
    check_out(buf_bytes(&packed), expected);
    buf_deinit(&packed);
}

static void check_refused(const char *text, int expected)
{
    struct buf packed;
    struct usage usage = {""};
    buf_init(&packed);
    int err = json_in(bytes_of(text), &packed, &usage);
    if (err != expected || packed.size != 0 || usage.text[0] == 0)
        fail_msg("%s: %s", text, err_name(err));
    buf_deinit(&packed);
}

static void written(void **state)
{
    (void)state;
    OUT("\xc0", "null");
    OUT("\xc3", "true");
    OUT("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615");
    OUT("\xcf\x00\x20\x00\x00\x00\x00\x00\x01", "9007199254740993");
    OUT("\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808");
    OUT("\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", "1.0");
    OUT("\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a", "0.1");
    OUT("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "{\"$float\": \"nan\"}");
    OUT("\xca\xff\x80\x00\x00", "{\"$float\": \"-inf\"}");
    OUT("\xa3"
        "a\"\n",
        "\"a\\\"\\n\"");
    OUT("\xa3\x1b\x00\x7f", "\"\\u001b\\u0000\\u007f\"");
    OUT("\xa2\xc2\x9b", "\"\\u009b\"");
    OUT("\xa2\xc3\xa4", "\"\xc3\xa4\"");
    OUT("\xc4\x02hi", "\"hi\"");
    OUT("\xc4\x01\xff", "{\"$bin\": \"/w==\"}");
    OUT("\xa2\xc3(", "{\"$bin\": \"wyg=\"}");
    OUT("\xd4\x05\x00", "{\"$ext\": [5, \"AA==\"]}");
    OUT("\xc7\x00\xff", "{\"$ext\": [-1, \"\"]}");
    OUT("\x82\xa1"
        "b\x01\xa1"
        "a\x90",
        "{\"b\": 1, \"a\": []}");
    OUT("\x80", "{}");
    OUT("\x81\x01\x02", "{\"$map\": [[1, 2]]}");
    OUT("\x81\xa1\x00\x02", "{\"$map\": [[\"\\u0000\", 2]]}");
    OUT("\x81\xa4$bin\x02", "{\"$map\": [[\"$bin\", 2]]}");
    OUT("\x81\xa5$none\x02", "{\"$none\": 2}");
}

static void indented(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text);
    assert_int_equal(
        json_out((struct bytes){(const uint8_t *)"\x81\xa1k\x92\x01\x90", 6}, 2, &text), 0);
    assert_true(bytes_equal(buf_bytes(&text), bytes_of("{\n  \"k\": [\n    1,\n    []\n  ]\n}")));
    buf_deinit(&text);
}

static void too_deep(void **state)
{
    (void)state;
    struct buf packed, text;
    buf_init(&packed);
    buf_init(&text);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(pack_array(&packed, 1), 0);
    assert_int_equal(pack_nil(&packed), 0);
    assert_int_equal(json_out(buf_bytes(&packed), 0, &text), ERR_LIMIT_EXCEEDED);
    buf_deinit(&packed);
    buf_deinit(&text);
}

static void read_back(void **state)
{
    (void)state;
    static const char *const same[] = {
        "null",
        "[1, -1, 9223372036854775807, 0.5, 1e+300]",
        "{\"z\": 1, \"a\": {\"b\": [true, false]}}",
        "\"a\\u0000b\"",
        "{\"$bin\": \"/w==\"}",
        "{\"$ext\": [-128, \"AQID\"]}",
        "[{\"$float\": \"inf\"}, {\"$float\": \"nan\"}]",
        "18446744073709551615",
    };
    for (size_t i = 0; i < LENGTH_OF(same); i++)
        check_in(same[i], same[i]);
    check_in("{\"$map\": [[1, {\"$map\": []}], [[2], 3]]}", "{\"$map\": [[1, {}], [[2], 3]]}");
    check_in("[{\"$uint\": \"18446744073709551615\"}]", "[18446744073709551615]");
    check_in("{\"$bin\": \"aGk=\"}", "\"hi\"");
    check_in("{\"$bin\": 1, \"x\": 2}", "{\"$bin\": 1, \"x\": 2}");
}

static void refused(void **state)
{
    (void)state;
    static const char *const not_json[] = {"",   "hello", "{",   "[1,]",    "{a:1}",
                                           "01", "nul",   "1 2", "\"\xff\""};
    static const char *const wrong[] = {
        "{\"$bin\": \"x\"}",
        "{\"$bin\": 5}",
        "{\"$bin\": \"AA=A\"}",
        "{\"$bin\": \"AB==\"}",
        "{\"$ext\": [200, \"\"]}",
        "{\"$ext\": \"\"}",
        "{\"$float\": 1}",
        "{\"$uint\": \"-1\"}",
        "{\"$uint\": \"18446744073709551616\"}",
        "{\"$map\": [[1]]}",
        "{\"$map\": 1}",
        "[18446744073709551615]",
        "18446744073709551616",
        "1e999",
    };
    for (size_t i = 0; i < LENGTH_OF(not_json); i++)
        check_refused(not_json[i], ERR_BAD_REQUEST);
    for (size_t i = 0; i < LENGTH_OF(wrong); i++)
        check_refused(wrong[i], ERR_BAD_ARGUMENT);
}

/* A random scalar, often an odd one. */
static int random_scalar(struct rng *rng, struct buf *out)
{
    uint8_t bytes[6];
    struct bytes view = {bytes, rng_below(rng, sizeof bytes)};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)rng_below(rng, 256);
    switch (rng_below(rng, 6)) {
    case 0:
        return pack_nil(out);
    case 1:
        return pack_int(out, (int64_t)(rng_next(rng) >> rng_below(rng, 64)));
    case 2:
        return pack_int(out, -(int64_t)(rng_next(rng) >> (1 + rng_below(rng, 63))));
    case 3:
        return pack_real(out, (double)rng_next(rng) / 1e9);
    case 4:
        return pack_bin(out, view);
    default:
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] &= 0x7f;
        return pack_str(out, view);
    }
}

static int random_value(struct rng *rng, unsigned depth, struct buf *out)
{
    uint64_t kind = depth == 0 ? 9 : rng_below(rng, 5);
    size_t count = rng_below(rng, 4);
    if (kind > 1)
        return random_scalar(rng, out);
    int err = kind == 0 ? pack_array(out, count) : pack_map(out, count);
    for (size_t i = 0; i < count && err == 0; i++) {
        uint8_t key = (uint8_t)('a' + i); /* distinct: jansson keeps the last of two */
        if (kind == 1)
            err = rng_below(rng, 4) > 0 ? pack_str(out, (struct bytes){&key, 1})
                                        : pack_int(out, (int64_t)i);
        if (err == 0)
            err = random_value(rng, depth - 1, out);
    }
    return err;
}

/* Whatever is stored, what is printed is JSON that stores the same again. */
static void round_trip(void **state)
{
    (void)state;
    struct rng rng = {20261121};
    struct buf packed, text, again;
    buf_init(&packed);
    buf_init(&text);
    buf_init(&again);
    for (int round = 0; round < RANDOM_ROUNDS; round++) {
        struct usage usage;
        packed.size = text.size = again.size = 0;
        assert_int_equal(random_value(&rng, RANDOM_DEPTH, &packed), 0);
        assert_int_equal(json_out(buf_bytes(&packed), round % 3, &text), 0);
        assert_true(mp_utf8_valid(buf_bytes(&text)));
        int err = json_in(buf_bytes(&text), &again, &usage);
        if (err != 0 || !mp_equal(buf_bytes(&packed), buf_bytes(&again)))
            fail_msg("round %d: %.*s", round, (int)text.size, (const char *)text.data);
    }
    buf_deinit(&packed);
    buf_deinit(&text);
    buf_deinit(&again);
}

static void check_exact(struct bytes packed, const char *expected)
{
    struct buf text, again;
    struct usage usage;
    buf_init(&text);
    buf_init(&again);
    assert_int_equal(json_out_exact(packed, &text), 0);
    if (expected != NULL && !bytes_equal(buf_bytes(&text), bytes_of(expected)))
        fail_msg("%.*s instead of %s", (int)text.size, (const char *)text.data, expected);
    int err = json_in(buf_bytes(&text), &again, &usage);
    if (err != 0 || !bytes_equal(packed, buf_bytes(&again)))
        fail_msg("%.*s", (int)text.size, (const char *)text.data);
    buf_deinit(&text);
    buf_deinit(&again);
}

#define EXACT(packed, expected)                                                                    \
    check_exact((struct bytes){(const uint8_t *)(packed), sizeof(packed) - 1}, expected)

/* What must come back as it was: the same bytes, if they are the shortest for the value. */
static void exact(void **state)
{
    (void)state;
    EXACT("\xc4\x02hi", "{\"$bin\": \"aGk=\"}");
    EXACT("\xa2hi", "\"hi\"");
    EXACT("\xa2\xc3(", "{\"$str\": \"wyg=\"}");
    EXACT("\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "[{\"$uint\": \"18446744073709551615\"}]");
    EXACT("\x82\xa1k\x01\xa1k\x02", "{\"$map\": [[\"k\", 1], [\"k\", 2]]}");
    EXACT("\x81\xc4\x01k\x01", "{\"$map\": [[{\"$bin\": \"aw==\"}, 1]]}");
    EXACT("\x82\xa1k\x01\xa1l\x02", "{\"k\": 1, \"l\": 2}");
    EXACT("\xd4\x05\x00", "{\"$ext\": [5, \"AA==\"]}");
    EXACT("\xc7\x03\x05\x00\x01\x02", NULL);
    EXACT("\xd8\x05\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", NULL);
    EXACT("\xc7\x00\xff", NULL);
}

/* Random bytes are refused or written as something that jansson reads. */
static void hostile(void **state)
{
    (void)state;
    struct rng rng = {7};
    for (int round = 0; round < RANDOM_ROUNDS; round++) {
        uint8_t bytes[24];
        struct buf text;
        buf_init(&text);
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)rng_below(&rng, 256);
        struct bytes packed = {bytes, sizeof bytes};
        if ((round % 2 == 0 ? json_out(packed, 0, &text) : json_out_exact(packed, &text)) == 0) {
            json_t *json =
                json_loadb((const char *)text.data, text.size,
                           JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
            if (json == NULL)
                fail_msg("%.*s", (int)text.size, (const char *)text.data);
            json_decref(json);
        }
        buf_deinit(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written),   cmocka_unit_test(indented), cmocka_unit_test(too_deep),
        cmocka_unit_test(read_back), cmocka_unit_test(refused),  cmocka_unit_test(round_trip),
        cmocka_unit_test(hostile),   cmocka_unit_test(exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
