/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/reply: the bytes of replies and errors in both forms, limits, silence, and that a failed
 * allocation anywhere leaves one whole reply or nothing.
 */
#include "proto/reply.h"

#include "common/err.h"
#include "common/mem.h"
#include "proto/rpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct buf out;

static int reset(void **state)
{
    (void)state;
    mem_fail_after(0, 0);
    buf_deinit(&out);
    return 0;
}

/* The output is these bytes; start again. */
static void wrote(const char *bytes, size_t size)
{
    assert_int_equal(out.size, size);
    assert_memory_equal(out.data, bytes, size);
    out.size = 0;
}

#define WROTE(literal) wrote(literal, sizeof(literal) - 1)

static struct reply begun(uint32_t msgid)
{
    struct reply reply;
    reply_begin(&reply, &out, REPLY_RPC, msgid, 65536);
    return reply;
}

static void heads(void **state)
{
    (void)state;
    static const struct {
        uint32_t msgid;
        const char *bytes;
        size_t size;
    } rows[] = {
        {0, "\x94\x01\x00\xc0\xc0", 5},
        {0x7f, "\x94\x01\x7f\xc0\xc0", 5},
        {0x80, "\x94\x01\xcc\x80\xc0\xc0", 6},
        {0x100, "\x94\x01\xcd\x01\x00\xc0\xc0", 7},
        {UINT32_MAX, "\x94\x01\xce\xff\xff\xff\xff\xc0\xc0", 9},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct reply reply = begun(rows[i].msgid);
        reply_nil(&reply);
        assert_int_equal(reply_size(&reply), rows[i].size);
        assert_int_equal(reply_end(&reply), 0);
        wrote(rows[i].bytes, rows[i].size);
    }
}

static void parts(void **state)
{
    (void)state;
    struct reply reply = begun(1);
    reply_array(&reply, 9);
    reply_bool(&reply, true);
    reply_uint(&reply, 200);
    reply_int(&reply, -1);
    reply_real(&reply, 0.5);
    reply_text(&reply, "text");
    reply_bytes(&reply, bytes_of("bin"), false);
    reply_value(&reply, bytes_of("\x92\x01\x02"));
    reply_map(&reply, 1);
    reply_key(&reply, "k");
    reply_nil(&reply);
    size_t mark = reply_array_open(&reply);
    reply_uint(&reply, 7);
    reply_array_close(&reply, mark, 1);
    assert_int_equal(reply_end(&reply), 0);
    WROTE("\x94\x01\x01\xc0\x99\xc3\xcc\xc8\xff\xcb\x3f\xe0\0\0\0\0\0\0\xa4text\xc4\x03"
          "bin\x92\x01\x02\x81\xa1k\xc0\xdd\0\0\0\x01\x07");
}

static void later(void **state)
{
    (void)state;
    struct reply reply = begun(1);
    reply_array(&reply, 2);
    size_t place = reply_uint_later(&reply);
    reply_bool(&reply, false);
    reply_uint_now(&reply, place, 0x0102030405060708);
    assert_int_equal(reply_end(&reply), 0);
    WROTE("\x94\x01\x01\xc0\x92\xcf\x01\x02\x03\x04\x05\x06\x07\x08\xc2");
    reply = begun(1);
    (void)reply_uint_later(&reply); /* never filled in: still a number */
    assert_int_equal(reply_end(&reply), 0);
    WROTE("\x94\x01\x01\xc0\xcf\0\0\0\0\0\0\0\0");
}

static void cut(void **state)
{
    (void)state;
    struct reply reply = begun(1);
    reply_array(&reply, 2);
    reply_uint(&reply, 1);
    size_t size = reply_size(&reply);
    reply_map(&reply, 5);
    reply_key(&reply, "half");
    reply_cut(&reply, size);
    reply_uint(&reply, 2);
    assert_int_equal(reply_end(&reply), 0);
    WROTE("\x94\x01\x01\xc0\x92\x01\x02");
}

static void error_strings(void **state)
{
    (void)state;
    struct problem problem;
    struct reply reply = begun(3);
    reply_text(&reply, "to be replaced");
    (void)problem_set(&problem, ERR_NOT_FOUND, "none");
    reply_error(&reply, &problem);
    assert_int_equal(reply_end(&reply), 0);
    WROTE("\x94\x01\x03\xaeNOT_FOUND none\xc0");
    reply = begun(UINT32_MAX);
    (void)problem_conflict(&problem, 9, "no");
    reply_error(&reply, &problem);
    assert_int_equal(reply_end(&reply), 0);
    WROTE("\x94\x01\xce\xff\xff\xff\xff\xab"
          "CONFLICT no\xc0");
}

static void error_maps(void **state)
{
    (void)state;
    struct problem problem;
    struct reply reply = begun(3);
    reply.error_maps = true;
    (void)problem_set(&problem, ERR_BUSY, "wait");
    reply_error(&reply, &problem);
    assert_int_equal(reply_end(&reply), 0);
    WROTE("\x94\x01\x03\x84\xa4"
          "code\xa4"
          "BUSY\xa7message\xa4wait\xa9retryable\xc3\xa4"
          "data\xc0\xc0");
    reply = begun(3);
    reply.error_maps = true;
    (void)problem_conflict(&problem, 300, "no");
    problem.has_index = true;
    problem.index = 2;
    reply_error(&reply, &problem);
    assert_int_equal(reply_end(&reply), 0);
    WROTE("\x94\x01\x03\x84\xa4"
          "code\xa8"
          "CONFLICT\xa7message\xa2no\xa9retryable\xc2\xa4"
          "data\x82\xa6"
          "actual\xcd\x01\x2c\xa5index\x02\xc0");
}

static void nested(void **state)
{
    (void)state;
    struct problem problem;
    struct reply reply;
    reply_begin(&reply, &out, REPLY_NESTED, 77, 1000);
    reply_uint(&reply, 5);
    assert_int_equal(reply_end(&reply), 0);
    WROTE("\x92\xc0\x05");
    reply_begin(&reply, &out, REPLY_NESTED, 77, 1000);
    (void)problem_set(&problem, ERR_BUSY, "b");
    reply_error(&reply, &problem);
    assert_int_equal(reply_end(&reply), 0);
    WROTE("\x92\xa6"
          "BUSY b\xc0");
}

/* Whatever a notification does, nothing of it is kept, and what stood before stays. */
static void silent(void **state)
{
    (void)state;
    struct problem problem;
    assert_int_equal(buf_append(&out, "before", 6), 0);
    struct reply reply = begun(0);
    reply.silent = true;
    reply_text(&reply, "unheard");
    assert_int_equal(reply_end(&reply), 0);
    assert_int_equal(out.size, 6);
    reply = begun(0);
    reply.silent = true;
    (void)problem_set(&problem, ERR_BUSY, NULL);
    reply_error(&reply, &problem);
    assert_int_equal(reply_end(&reply), 0);
    WROTE("before");
}

/* The reply that stands in `out` from `start` on is whole; its error, or 0. */
static int whole_reply(size_t start, uint32_t msgid)
{
    struct rpc_response response;
    struct mp_reader reader;
    struct mp mp;
    size_t size = 0;
    struct bytes all = {out.data + start, out.size - start};
    assert_int_equal(rpc_decode_response(all, &response, &size), 0);
    assert_int_equal(size, all.size);
    assert_int_equal(response.msgid, msgid);
    reader = mp_reader_of(response.error);
    assert_int_equal(mp_read(&reader, &mp), 0);
    if (mp.kind == MP_NIL)
        return 0;
    assert_int_equal(mp.kind, MP_STR);
    assert_true(bytes_equal(response.result, bytes_of("\xc0")));
    const uint8_t *space = memchr(mp.bytes.data, ' ', mp.bytes.size);
    assert_non_null(space);
    int err = err_by_name((const char *)mp.bytes.data, (size_t)(space - mp.bytes.data));
    assert_int_not_equal(err, 0);
    return err;
}

/* The head has 4 bytes: a str of n bytes fits in 4 + n, as the check is made before its header. */
static void limits(void **state)
{
    (void)state;
    static const uint8_t body[100];
    struct reply reply;
    for (size_t limit = 90; limit < 120; limit++) {
        reply_begin(&reply, &out, REPLY_RPC, 5, limit);
        reply_bytes(&reply, (struct bytes){body, sizeof body}, false);
        reply_text(&reply, "behind"); /* after a failure nothing more is written */
        bool failed = reply.failed != 0;
        assert_int_equal(reply_end(&reply), 0);
        int err = failed ? whole_reply(0, 5) : 0;
        assert_int_equal(err, limit < 104 + 2 + 6 ? ERR_LIMIT_EXCEEDED : 0);
        out.size = 0;
    }
    reply_begin(&reply, &out, REPLY_RPC, 5, 10);
    reply_value(&reply, (struct bytes){body, sizeof body});
    assert_int_equal(reply_end(&reply), 0);
    assert_int_equal(whole_reply(0, 5), ERR_LIMIT_EXCEEDED);
    assert_non_null(memmem(out.data, out.size, "limits.reply_bytes (10)", 23));
}

#ifdef CAIRN_FAULTS
typedef void (*writer)(struct reply *reply);

static uint8_t large[5000];

static void write_small(struct reply *reply)
{
    reply_uint(reply, 1);
}

static void write_large(struct reply *reply)
{
    reply_array(reply, 3);
    reply_bytes(reply, (struct bytes){large, sizeof large}, false);
    reply_bytes(reply, (struct bytes){large, sizeof large}, true);
    reply_text(reply, "end");
}

static void write_many(struct reply *reply)
{
    size_t mark = reply_array_open(reply), place = 0;
    for (size_t i = 0; i < 300; i++) {
        place = reply_uint_later(reply);
        reply_uint_now(reply, place, i);
        reply_map(reply, 1);
        reply_key(reply, "key");
        reply_real(reply, 1.5);
    }
    reply_array_close(reply, mark, 600);
}

static void write_error(struct reply *reply)
{
    struct problem problem;
    (void)problem_set(&problem, ERR_CONFLICT, "%s", "a text that takes its room");
    reply_error(reply, &problem);
}

static void write_error_after_large(struct reply *reply)
{
    write_large(reply);
    write_error(reply);
}

static void write_too_much(struct reply *reply)
{
    static uint8_t more[70000];
    write_large(reply);
    reply_value(reply, (struct bytes){more, sizeof more});
}

/* One run with the n-th allocation failing. */
static void run_failing(writer write, uint32_t msgid, size_t before, unsigned long n, int sticky)
{
    struct reply reply;
    memset(large, 'b', sizeof large);
    buf_deinit(&out);
    for (size_t i = 0; i < before; i++)
        assert_int_equal(buf_append(&out, "x", 1), 0);
    mem_fail_after(n, sticky);
    reply_begin(&reply, &out, REPLY_RPC, msgid, 65536);
    write(&reply);
    int err = reply_end(&reply);
    mem_fail_after(0, 0);
    if (err == 0)
        (void)whole_reply(before, msgid);
    else
        assert_int_equal(err, ERR_OUT_OF_MEMORY);
    assert_true(err == 0 || out.size == before);
    for (size_t i = 0; i < before; i++)
        assert_int_equal(out.data[i], 'x');
}

/* A reply makes at most a dozen allocations, as the buffer doubles. */
static void no_memory(void **state)
{
    (void)state;
    static const writer writers[] = {
        write_small, write_large, write_many, write_error, write_error_after_large, write_too_much};
    static const size_t befores[] = {0, 1, 224, 225, 250, 252, 253, 254, 255, 256};
    for (size_t w = 0; w < LENGTH_OF(writers); w++)
        for (size_t b = 0; b < LENGTH_OF(befores); b++)
            for (unsigned long n = 0; n <= 12; n++)
                for (int sticky = 0; sticky < 2; sticky++)
                    for (uint32_t msgid = 1; msgid <= 1000; msgid += 999)
                        run_failing(writers[w], msgid, befores[b], n, sticky);
}

/* Without any memory nothing is left; with one failure the client is told. */
static void no_memory_is_told(void **state)
{
    (void)state;
    struct reply reply;
    mem_fail_after(1, 1);
    reply_begin(&reply, &out, REPLY_RPC, 1000, 65536);
    reply_nil(&reply);
    assert_int_equal(reply_end(&reply), ERR_OUT_OF_MEMORY);
    assert_int_equal(out.size, 0);
    mem_fail_after(1, 0);
    reply_begin(&reply, &out, REPLY_RPC, 1000, 65536);
    reply_nil(&reply);
    assert_int_equal(reply_end(&reply), 0);
    assert_int_equal(whole_reply(0, 1000), ERR_OUT_OF_MEMORY);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(heads, reset),
        cmocka_unit_test_teardown(parts, reset),
        cmocka_unit_test_teardown(later, reset),
        cmocka_unit_test_teardown(cut, reset),
        cmocka_unit_test_teardown(error_strings, reset),
        cmocka_unit_test_teardown(error_maps, reset),
        cmocka_unit_test_teardown(nested, reset),
        cmocka_unit_test_teardown(silent, reset),
        cmocka_unit_test_teardown(limits, reset),
#ifdef CAIRN_FAULTS
        cmocka_unit_test_teardown(no_memory, reset),
        cmocka_unit_test_teardown(no_memory_is_told, reset),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
