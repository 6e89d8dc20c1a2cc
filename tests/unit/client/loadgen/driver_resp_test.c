/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/driver_resp: requests are byte for byte what redis-benchmark sends, and replies
 * are told apart, whatever bytes come.
 */
#include "client/loadgen/driver.h"

#include "common/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void emit(const struct shape *shape, struct buf *out)
{
    struct frame_fill fill = {.keys = {42, 43, 44, 45, 46, 47, 48, 49, 50, 51}};
    struct command command;
    struct frame frame;
    frame_init(&frame);
    assert_true(shape_command(shape, SPELLING_RESP, COMMAND_KEY_USUAL, &command));
    bool line = (shape->flags & SHAPE_INLINE) != 0;
    assert_int_equal(driver_resp2.encode(&command, line, bytes_of("VXK"), &frame), 0);
    assert_int_equal(buf_reserve(out, frame.bytes.size + 1), 0);
    frame_emit(&frame, &fill, out);
    out->data[out->size] = 0;
    buf_deinit(&frame.bytes);
}

static void sends(enum workload_id id, const char *expected)
{
    struct buf out;
    buf_init(&out);
    emit(workload_table[id].shapes[0], &out);
    assert_string_equal(out.data, expected);
    buf_deinit(&out);
}

static void requests(void **state)
{
    (void)state;
    sends(WORKLOAD_ping_inline, "PING\r\n");
    sends(WORKLOAD_ping_mbulk, "*1\r\n$4\r\nPING\r\n");
    sends(WORKLOAD_set, "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000042\r\n$3\r\nVXK\r\n");
    sends(WORKLOAD_get, "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000042\r\n");
    sends(WORKLOAD_lrange_100, "*4\r\n$6\r\nLRANGE\r\n$6\r\nmylist\r\n$1\r\n0\r\n$2\r\n99\r\n");
    sends(WORKLOAD_hset, "*4\r\n$4\r\nHSET\r\n$6\r\nmyhash\r\n$20\r\nelement:000000000042\r\n"
                         "$3\r\nVXK\r\n");
    struct buf out;
    buf_init(&out);
    emit(workload_table[WORKLOAD_mset].shapes[0], &out);
    assert_true(bytes_start_with(buf_bytes(&out), bytes_of("*21\r\n$4\r\nMSET\r\n")));
    for (unsigned key = 42; key < 52; key++) {
        char text[64];
        (void)snprintf(text, sizeof text, "\r\n$16\r\nkey:0000000000%u\r\n$3\r\nVXK\r\n", key);
        assert_non_null(strstr((const char *)out.data, text));
    }
    buf_deinit(&out);
}

/* Values that differ in length and content, in one request. */
static void values_that_differ(void **state)
{
    (void)state;
    struct value_source source;
    struct command command;
    struct frame frame;
    struct buf out;
    assert_int_equal(value_init(&source, 34, 100, true, 0), 0);
    struct frame_fill fill = {.keys = {7, 8}, .write = 5, .sizes = {34, 100}, .source = &source};
    frame_init(&frame);
    buf_init(&out);
    command_split("MSET a__rand_int__ __data__ b__rand_int__ __data__", &command);
    assert_int_equal(driver_resp2.encode(&command, false, BYTES_NONE, &frame), 0);
    assert_int_equal(buf_reserve(&out, frame_size_max(&frame, 100, 0)), 0);
    frame_emit(&frame, &fill, &out);
    const char expected[] = "*5\r\n$4\r\nMSET\r\n$13\r\na000000000007\r\n$34\r\n"
                            "loadgen 000000000007:000000000005:\r\n$13\r\nb000000000008\r\n$100\r\n"
                            "loadgen 000000000008:000000000005:";
    assert_int_equal(out.size, sizeof expected - 1 + 66 + 2);
    assert_memory_equal(out.data, expected, sizeof expected - 1);
    struct bytes second = {out.data + out.size - 102, 100};
    assert_true(value_wrong_at(&source, second, 8) == SIZE_MAX);
    assert_true(value_wrong_at(&source, second, 9) == 19);
    buf_deinit(&out);
    buf_deinit(&frame.bytes);
    value_deinit(&source);
}

/* Keys of a file and numbers, which have no room in the frame, between digits that have. */
static void keys_and_numbers(void **state)
{
    (void)state;
    static size_t ends[] = {6, 13};
    static char lines[] = "alpha\nbetaXY\n";
    const struct keys keys = {
        .text = {(uint8_t *)lines, sizeof lines - 1, 0}, .ends = ends, .n = 2, .longest = 6};
    struct value_source source;
    struct command command;
    struct frame frame;
    struct buf out;
    assert_int_equal(value_init(&source, 34, 40, true, 0), 0);
    struct frame_fill fill = {.keys = {1, 8, 0},
                              .write = 5,
                              .sizes = {34},
                              .numbers = {0, 12345},
                              .source = &source,
                              .list = &keys};
    frame_init(&frame);
    buf_init(&out);
    command_split("X __key__ a__rand_int__ __data__ __number__ __key__ __number:1-20000__",
                  &command);
    assert_int_equal(driver_resp2.encode(&command, false, BYTES_NONE, &frame), 0);
    assert_int_equal(frame.holes[4].high, 20000);
    assert_int_equal(buf_reserve(&out, frame_size_max(&frame, 40, keys.longest)), 0);
    frame_emit(&frame, &fill, &out);
    const char expected[] = "*7\r\n$1\r\nX\r\n$6\r\nbetaXY\r\n$13\r\na000000000008\r\n$34\r\n"
                            "loadgen 000000000008:000000000005:\r\n$1\r\n0\r\n$5\r\nalpha\r\n"
                            "$5\r\n12345\r\n";
    assert_int_equal(out.size, sizeof expected - 1);
    assert_memory_equal(out.data, expected, sizeof expected - 1);
    buf_deinit(&out);
    buf_deinit(&frame.bytes);
    value_deinit(&source);
}

static void begins(const struct driver *driver, struct driver_login login, unsigned replies,
                   const char *expected)
{
    struct buf out;
    unsigned n;
    buf_init(&out);
    assert_int_equal(driver->begin(&login, &out, &n), 0);
    assert_int_equal(n, replies);
    assert_true(bytes_equal(buf_bytes(&out), bytes_of(expected)));
    buf_deinit(&out);
}

static void logins(void **state)
{
    (void)state;
    begins(&driver_resp2, (struct driver_login){"", "", "", false}, 1, "*1\r\n$4\r\nPING\r\n");
    begins(&driver_resp2, (struct driver_login){"", "pw", "3", false}, 3,
           "*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*1\r\n$4\r\nPING\r\n");
    begins(&driver_resp2, (struct driver_login){"me", "pw", "", false}, 2,
           "*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$2\r\npw\r\n*1\r\n$4\r\nPING\r\n");
    begins(&driver_resp3, (struct driver_login){"", "", "", false}, 2,
           "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*1\r\n$4\r\nPING\r\n");
    begins(&driver_resp3, (struct driver_login){"", "pw", "", false}, 2,
           "*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$2\r\npw\r\n"
           "*1\r\n$4\r\nPING\r\n");
    begins(&driver_resp2, (struct driver_login){"", "", "", true}, 0, "");
    begins(&driver_resp2, (struct driver_login){"", "pw", "3", true}, 2,
           "*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n");
    begins(&driver_resp3, (struct driver_login){"", "", "", true}, 1,
           "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n");
}

struct row {
    const char *data;
    enum driver_status status;
    const char *text; /* of the value or error; NULL: none */
};

static void replies(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"+OK\r\n", DRIVER_VALUE, "OK"},
        {":42\r\n", DRIVER_VALUE, "42"},
        {"$3\r\nabc\r\n", DRIVER_VALUE, "abc"},
        {"$0\r\n\r\n", DRIVER_VALUE, ""},
        {"$-1\r\n", DRIVER_NIL, NULL},
        {"*-1\r\n", DRIVER_NIL, NULL},
        {"_\r\n", DRIVER_NIL, NULL},
        {"-ERR no\r\n", DRIVER_ERROR, "ERR no"},
        {"!6\r\nERR no\r\n", DRIVER_ERROR, "ERR no"},
        {"*2\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n", DRIVER_VALUE, NULL},
        {"*0\r\n", DRIVER_VALUE, NULL},
        {"%1\r\n+a\r\n#t\r\n", DRIVER_VALUE, NULL},
        {"~1\r\n,1.5\r\n", DRIVER_VALUE, NULL},
        {"|1\r\n+a\r\n+b\r\n:1\r\n", DRIVER_VALUE, NULL},
        {"=7\r\ntxt:abc\r\n", DRIVER_VALUE, "txt:abc"},
        {"*1\r\n-ERR inside\r\n", DRIVER_VALUE, NULL},
        {"", DRIVER_MORE, NULL},
        {"+OK\r", DRIVER_MORE, NULL},
        {"$3\r\nabc\r", DRIVER_MORE, NULL},
        {"*2\r\n:1\r\n", DRIVER_MORE, NULL},
        {"*4000000000\r\n:1\r\n", DRIVER_MORE, NULL},
        {"$3\r\nabcd\r\n", DRIVER_BAD, NULL},
        {"$x\r\n", DRIVER_BAD, NULL},
        {"$-2\r\n", DRIVER_BAD, NULL},
        {"$99999999999\r\n", DRIVER_BAD, NULL},
        {"*1\r\nHTTP/1.1 400\r\n", DRIVER_BAD, NULL},
        {"HTTP/1.1 400 Bad Request\r\n", DRIVER_BAD, NULL},
        {"\x94\x01", DRIVER_BAD, NULL},
        {"+OK\n", DRIVER_BAD, NULL},
        {"\r\n", DRIVER_BAD, NULL},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct driver_reply reply;
        struct bytes data = bytes_of(rows[i].data);
        enum driver_status status = driver_resp2.parse_reply(data, &reply);
        if (status != rows[i].status)
            fail_msg("row %zu: %d", i, (int)status);
        if (status == DRIVER_MORE || status == DRIVER_BAD)
            continue;
        assert_int_equal(reply.size, data.size);
        assert_false(reply.has_id);
        struct bytes text = status == DRIVER_ERROR ? reply.text : reply.value;
        if (rows[i].text != NULL)
            assert_true(bytes_equal(text, bytes_of(rows[i].text)));
    }
}

/* A line without an end is not waited for for ever. */
static void endless_line(void **state)
{
    (void)state;
    enum { SIZE = 128 * 1024 };
    uint8_t *data = malloc(SIZE);
    struct driver_reply reply;
    assert_non_null(data);
    memset(data, '+', SIZE);
    assert_int_equal(driver_resp2.parse_reply((struct bytes){data, SIZE}, &reply), DRIVER_BAD);
    assert_int_equal(driver_resp2.parse_reply((struct bytes){data, 100}, &reply), DRIVER_MORE);
    free(data);
}

/* Valid replies, cut and with bytes changed, in memory of exactly their size. */
static void any_bytes(void **state)
{
    (void)state;
    struct rng rng = {1};
    for (unsigned i = 0; i < 200000; i++) {
        uint8_t reply[] = "*3\r\n$3\r\nabc\r\n%1\r\n+k\r\n:-1\r\n|1\r\n_\r\n#t\r\n!2\r\nno\r\n";
        size_t size = rng_below(&rng, sizeof reply);
        for (unsigned j = 0; j < i % 3; j++)
            reply[rng_below(&rng, sizeof reply)] = (uint8_t)rng_next(&rng);
        uint8_t *exact = malloc(size + 1);
        struct driver_reply out;
        memcpy(exact + 1, reply, size);
        enum driver_status status = driver_resp3.parse_reply((struct bytes){exact + 1, size}, &out);
        if (status != DRIVER_MORE && status != DRIVER_BAD)
            assert_true(out.size > 0 && out.size <= size);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),         cmocka_unit_test(values_that_differ),
        cmocka_unit_test(keys_and_numbers), cmocka_unit_test(logins),
        cmocka_unit_test(replies),          cmocka_unit_test(endless_line),
        cmocka_unit_test(any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
