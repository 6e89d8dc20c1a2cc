/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/driver_msgpack: requests are what the server's own decoder reads, and replies are
 * told apart, whatever bytes come.
 */
#include "client/loadgen/driver.h"

#include "common/rng.h"
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

/* Every shape of every test, as it would be sent, must decode as the operation it names. */
static void requests_decode(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORKLOAD_COUNT * WORKLOAD_SHAPES; i++) {
        const struct shape *shape = workload_table[i / 2].shapes[i % 2];
        struct frame frame;
        struct buf out;
        struct request request;
        struct problem problem;
        size_t size;
        buf_init(&frame.bytes);
        buf_init(&out);
        assert_int_equal(driver_msgpack.encode_request(shape, bytes_of("xyz"), &frame), 0);
        assert_int_equal(buf_reserve(&out, frame.bytes.size), 0);
        frame_emit(&frame, 0x01020304, 42, &out);
        assert_int_equal(rpc_decode(buf_bytes(&out), &limits, &request, &problem, &size), RPC_OK);
        assert_int_equal(size, out.size);
        assert_int_equal(request.msgid, 0x01020304);
        assert_int_equal(request.op->id, shape->op);
        if ((shape->flags & SHAPE_KEY) != 0) {
            struct bytes key = request.args[0].bytes;
            assert_memory_equal(key.data + key.size - 12, "000000000042", 12);
        }
        buf_deinit(&frame.bytes);
        buf_deinit(&out);
    }
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
        cmocka_unit_test(requests_decode),
        cmocka_unit_test(replies),
        cmocka_unit_test(any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
