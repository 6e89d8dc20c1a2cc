/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/driver_msgpack: requests are what the server's own decoder reads, and replies are
 * told apart, whatever bytes come.
 */
#include "client/loadgen/driver.h"
#include "client/loadgen/vector_words.h"

#include "common/rng.h"
#include "proto/mp.h"
#include "proto/rpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct limits limits = {
#define LIMIT(name, fallback, min, max, text) .name = (fallback),
#include "proto/limits.def"
#undef LIMIT
};

enum { VECTORS_SIZE = 1000 }; /* of what stands for vectors in any shape */

/* Emit a shape with this value, or with a value of its own that differs (NULL). */
static void emit(const struct shape *shape, const char *value, struct buf *out)
{
    struct value_source source = {.pool = (const uint8_t *)"", .min = 3, .max = 3};
    float vector[] = {1, 2, 3};
    struct vector_set set = {.spec = {.dim = 3, .n = 1, .queries = 1, .selectivity = 0.5},
                             .rows = vector,
                             .queries = vector};
    struct vector_plan vectors = {.collection = "c",
                                  .key_prefix = "key:",
                                  .k = 10,
                                  .ef = 64,
                                  .batch = 2,
                                  .exact = true,
                                  .set = &set};
    struct frame_fill fill = {
        .id = 0x01020304, .source = &source, .reply = bytes_of("abc"), .vectors = &vectors};
    struct command command;
    struct frame frame;
    frame_init(&frame);
    for (unsigned i = 0; i < FRAME_KEYS_MAX; i++) {
        fill.keys[i] = 42;
        fill.sizes[i] = 3;
    }
    assert_int_equal(value_init(&source, 3, 3, false, 1), 0);
    assert_true(shape_command(shape, SPELLING_RPC, COMMAND_KEY_USUAL, &command));
    struct bytes view = value == NULL ? BYTES_NONE : bytes_of(value);
    assert_int_equal(driver_msgpack.encode(&command, false, view, &frame), 0);
    assert_int_equal(buf_reserve(out, frame_size_max(&frame, 3, 0) + 3 + VECTORS_SIZE), 0);
    frame_emit(&frame, &fill, out);
    buf_deinit(&frame.bytes);
    value_deinit(&source);
}

static void check_decodes(const struct shape *shape, const char *value)
{
    struct buf out;
    struct request request;
    struct problem problem;
    size_t size;
    buf_init(&out);
    emit(shape, value, &out);
    enum rpc_result result = rpc_decode(buf_bytes(&out), &limits, &request, &problem, &size);
    if (result != RPC_OK)
        fail_msg("%s is no request", shape->name);
    assert_int_equal(size, out.size);
    assert_int_equal(request.msgid, 0x01020304);
    if (strstr(shape->spelling[SPELLING_RPC], "__rand_int__") != NULL ||
        strstr(shape->spelling[SPELLING_RPC], "__key__") != NULL)
        assert_non_null(memmem(out.data, out.size, ":000000000042", 13));
    buf_deinit(&out);
}

/* Every shape of every test, as it would be sent, must decode: with values that are all the same,
 * and, but for those that repeat them, with others. */
static void requests_decode(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++) {
        const struct workload *workload = &workload_table[i];
        if (!workload_speaks(workload, SPELLING_RPC))
            continue;
        for (unsigned s = 0; s < workload->n_shapes; s++) {
            const struct shape *shape = workload->shapes[s];
            unsigned steps = shape->n_steps > 0 ? shape->n_steps : 1;
            for (unsigned step = 0; step < steps; step++) {
                const struct shape *one = shape_step(shape, step);
                check_decodes(one, "xyz");
                if (strstr(one->spelling[SPELLING_RPC], "__repeat:") == NULL)
                    check_decodes(one, NULL);
            }
        }
    }
}

/* The bytes behind the id of a request in these words. */
static void check_words(const char *words, const char *expected, size_t size)
{
    struct command command;
    struct frame frame;
    frame_init(&frame);
    command_split(words, &command);
    assert_int_equal(driver_msgpack.encode(&command, false, bytes_of("v"), &frame), 0);
    assert_int_equal(frame.bytes.size, 7 + size);
    assert_memory_equal(frame.bytes.data + 7, expected, size);
    buf_deinit(&frame.bytes);
}

static void words_of_a_kind(void **state)
{
    (void)state;
    check_words("o \"\" true", "\xa1o\x92\xa0\xa4true", 9);
    check_words("o { a true b false c [ true ] }",
                "\xa1o\x91\x83\xa1"
                "a\xc3\xa1"
                "b\xc2\xa1"
                "c\x91\xa4true",
                18);
    check_words("o __repeat:3__ a",
                "\xa1o\x93\xa1"
                "a\xa1"
                "a\xa1"
                "a",
                9);
    check_words("o [ x __repeat:2__ { s __data__ l [ 1 ] } y ] { z 1 }",
                "\xa1o\x92\x94\xa1x"
                "\x82\xa1s\xc4\x01v\xa1l\x91\x01"
                "\x82\xa1s\xc4\x01v\xa1l\x91\x01"
                "\xa1y\x81\xa1z\x01",
                32);
}

/* What a step takes from the reply before. */
static void fields(void **state)
{
    (void)state;
    static const struct {
        const char *whole;
        size_t size;
        const char *found;
    } rows[] = {
        {"\x82\xa1"
         "a\x01\xa2id\xa3"
         "abc",
         11, "abc"},
        {"\x81\xc4\x02id\xc4\x01z", 8, "z"},
        {"\x82\xa2id\x07\xa1"
         "a\xa1"
         "b",
         9, NULL},
        {"\x81\xa1x\xa1y", 5, NULL},
        {"\xa2id", 3, NULL},
        {"\xc0", 1, NULL},
        {"\x82\xa1"
         "a\x01\xa2id\xa3"
         "ab",
         10, NULL},
        {"\x81\x01\x02", 3, NULL},
        {"", 0, NULL},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct bytes whole = {(const uint8_t *)rows[i].whole, rows[i].size};
        struct bytes found = driver_msgpack.find_field(whole, bytes_of("id"));
        if (!bytes_equal(found, rows[i].found == NULL ? BYTES_NONE : bytes_of(rows[i].found)))
            fail_msg("row %zu", i);
    }
    /* {"items": [{"key": "abc"}, 5]} */
    static const char nested[] = "\x81\xa5items\x92\x81\xa3key\xa3"
                                 "abc\x05";
    static const struct {
        const char *path, *found;
    } paths[] = {
        {"items.0.key", "abc"},
        {"items.0.k", NULL},
        {"items.1.key", NULL},
        {"items.1", NULL},
        {"items.2", NULL},
        {"items.x.key", NULL},
        {"items.-1", NULL},
        {"items", NULL},
        {"items.0.key.0", NULL},
        {"", NULL},
        {".", NULL},
    };
    for (size_t size = 0; size < sizeof nested; size++)
        for (size_t i = 0; i < LENGTH_OF(paths); i++) {
            struct bytes whole = {(const uint8_t *)nested, size};
            struct bytes found = driver_msgpack.find_field(whole, bytes_of(paths[i].path));
            bool there = size >= sizeof nested - 2 && paths[i].found != NULL;
            if (!bytes_equal(found, there ? bytes_of(paths[i].found) : BYTES_NONE))
                fail_msg("%s of %zu bytes", paths[i].path, size);
        }
}

/* Lengths of values are written as readers expect them. */
static void value_heads(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 255, 256, 65535, 65536, 1000000};
    for (size_t i = 0; i < LENGTH_OF(sizes); i++) {
        struct command command;
        struct frame frame;
        uint8_t head[FRAME_VALUE_HEAD_MAX];
        frame_init(&frame);
        command_split("kv.put k __data__", &command);
        assert_int_equal(driver_msgpack.encode(&command, false, BYTES_NONE, &frame), 0);
        size_t n = frame.style->put_value_head(head, sizes[i]);
        uint8_t *data = calloc(1, n + sizes[i]);
        memcpy(data, head, n);
        struct mp_reader reader = mp_reader_of((struct bytes){data, n + sizes[i]});
        struct mp value;
        assert_int_equal(mp_read(&reader, &value), 0);
        assert_true(value.kind == MP_BIN && value.bytes.size == sizes[i]);
        free(data);
        buf_deinit(&frame.bytes);
    }
}

/* Keys of a file and numbers are read back as they are. */
static void keys_and_numbers(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0, 127, 65536, UINT64_C(1) << 53};
    static uint8_t text[65536];
    static size_t ends[] = {2, 258, 65536};
    struct keys keys = {.text = {text, sizeof text, 0}, .ends = ends, .n = 3, .longest = 65277};
    memset(text, 'k', sizeof text);
    for (size_t i = 0; i < 12; i++) {
        struct command command;
        struct frame frame;
        struct buf out;
        struct frame_fill fill = {
            .id = 9, .keys = {i % 3}, .numbers = {numbers[i / 3]}, .list = &keys};
        frame_init(&frame);
        buf_init(&out);
        command_split("kv.mput [ [ __key__ __number__ ] ]", &command);
        assert_int_equal(driver_msgpack.encode(&command, false, BYTES_NONE, &frame), 0);
        assert_int_equal(buf_reserve(&out, frame_size_max(&frame, 0, keys.longest)), 0);
        frame_emit(&frame, &fill, &out);
        struct mp_reader reader = mp_reader_of(buf_bytes(&out));
        struct mp element;
        for (unsigned n = 0; n < 7; n++) /* [0, id, operation, [[[ */
            assert_int_equal(mp_read(&reader, &element), 0);
        assert_int_equal(mp_read(&reader, &element), 0);
        assert_true(element.kind == MP_STR && bytes_equal(element.bytes, keys_at(&keys, i % 3)));
        assert_int_equal(mp_read(&reader, &element), 0);
        assert_true(element.kind == MP_UINT && element.uint == numbers[i / 3]);
        assert_true(reader.at == out.data + out.size);
        buf_deinit(&out);
        buf_deinit(&frame.bytes);
    }
}

static void refused(const char *words)
{
    struct command command;
    struct frame frame;
    frame_init(&frame);
    command_split(words, &command);
    assert_int_not_equal(driver_msgpack.encode(&command, false, BYTES_NONE, &frame), 0);
    buf_deinit(&frame.bytes);
}

static void requests_refused(void **state)
{
    (void)state;
    refused("");
    refused("kv.mget [ a");
    refused("kv.mget a ]");
    refused("kv.mget ] a [");
    refused("kv.scan { limit }");
    refused("kv.scan { limit 5 ]");
    refused("kv.scan [ { limit 5 ] }");
    refused("kv.scan { limit 5");
    refused("o __repeat:3__");
    refused("o [ __repeat:3__ ]");
    refused("o [ __repeat:3__ [ a __repeat:3__ b ] ]");
    refused("o __repeat:3__ __repeat:3__ a");
    refused("o __repeat:17__ __key__");
    refused("o __reply:a__ __reply:b__");
    refused("x __data__ __data__ __data__ __data__ __data__ __data__ __data__ __data__ __data__ "
            "__data__ __data__ __data__ __data__ __data__ __data__ __data__ __data__");
}

struct row {
    const char *data;
    size_t size;
    enum driver_status status;
    uint32_t id;
    const char *text;
};

#define BYTES(text) text, sizeof(text) - 1

static void replies(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {BYTES("\x94\x01\x07\xc0\x2a"), DRIVER_VALUE, 7, NULL},
        {BYTES("\x94\x01\xce\x00\x01\x00\x00\xc0\xc0"), DRIVER_NIL, 65536, NULL},
        {BYTES("\x94\x01\x07\xa4"
               "BUSY\xc0"),
         DRIVER_ERROR, 7, "BUSY"},
        {BYTES("\x94\x01\x07\x82\xa4"
               "code\xa1"
               "X\xa7message\xa2hi\xc0"),
         DRIVER_ERROR, 7, "hi"},
        {BYTES("\x94\x01\x07\x05\xc0"), DRIVER_ERROR, 7, "\x05"},
        {BYTES(""), DRIVER_MORE, 0, NULL},
        {BYTES("\x94\x01\x07"), DRIVER_MORE, 0, NULL},
        {BYTES("\x94\x01\x07\xc0\xc4\x05"
               "ab"),
         DRIVER_MORE, 0, NULL},
        {BYTES("\x94\x01\x07\xc0\xdd\xff\xff\xff\xff"), DRIVER_MORE, 0, NULL},
        {BYTES("\x93\x02\xa1x\x90"), DRIVER_BAD, 0, NULL},
        {BYTES("\x94\x00\x07\xa1x\x90"), DRIVER_BAD, 0, NULL},
        {BYTES("\x94\x01\xff\xc0\xc0"), DRIVER_BAD, 0, NULL},
        {BYTES("\x94\x01\x07\xc1\xc0"), DRIVER_BAD, 0, NULL},
        {BYTES("-ERR unknown command\r\n"), DRIVER_BAD, 0, NULL},
        {BYTES("HTTP/1.1 400 Bad Request\r\n\r\n"), DRIVER_BAD, 0, NULL},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct driver_reply reply;
        struct bytes data = {(const uint8_t *)rows[i].data, rows[i].size};
        enum driver_status status = driver_msgpack.parse_reply(data, &reply);
        if (status != rows[i].status)
            fail_msg("row %zu: %d", i, (int)status);
        if (status == DRIVER_MORE || status == DRIVER_BAD)
            continue;
        assert_int_equal(reply.id, rows[i].id);
        assert_int_equal(reply.size, rows[i].size);
        if (rows[i].text != NULL)
            assert_true(bytes_equal(reply.text, bytes_of(rows[i].text)));
    }
}

/* Random bytes, and valid replies with one byte changed, in memory of exactly their size. */
static void any_bytes(void **state)
{
    (void)state;
    struct rng rng = {1};
    for (unsigned i = 0; i < 200000; i++) {
        uint8_t reply[] = "\x94\x01\xce\x00\x00\x00\x07\x82\xa4"
                          "code\xa1X\xa7message\xa2hi\xc0";
        size_t size = rng_below(&rng, sizeof reply);
        for (unsigned j = 0; j < i % 3; j++)
            reply[rng_below(&rng, sizeof reply)] = (uint8_t)rng_next(&rng);
        uint8_t *exact = malloc(size + 1);
        struct driver_reply out;
        memcpy(exact + 1, reply, size);
        enum driver_status status =
            driver_msgpack.parse_reply((struct bytes){exact + 1, size}, &out);
        if (status != DRIVER_MORE && status != DRIVER_BAD)
            assert_true(out.size > 0 && out.size <= size);
        free(exact);
    }
}

int main(void)
{
    op_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_decode),  cmocka_unit_test(words_of_a_kind),
        cmocka_unit_test(fields),           cmocka_unit_test(value_heads),
        cmocka_unit_test(keys_and_numbers), cmocka_unit_test(requests_refused),
        cmocka_unit_test(replies),          cmocka_unit_test(any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
