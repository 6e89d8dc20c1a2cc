/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libcairn: calls, errors, pipelining, and everything that a bad server can send, against the
 * server of fake.h.
 */
#include "tests/unit/client/lib/fake.h"

#include "client/lib/fault.h"
#include "common/clock.h"

/* ---- Calls --------------------------------------------------------------------------------- */

static void serve_get(int fd)
{
    REPLY_OK(fd, read_request(fd),
             "\x93\xc4\x03"
             "abc\x07\xc0");
    REPLY_OK(fd, read_request(fd), "\xc0");
    REPLY_OK(fd, read_request(fd), "\x93\x05\x08\xcd\x03\xe8");
    REPLY_OK(fd, read_request(fd), "\x93\x05\x08\xcd\x03\xe8");
    REPLY_OK(fd, read_request(fd),
             "\xa3"
             "abc");
    drain(fd);
}

static void get(void **state)
{
    (void)state;
    struct fake fake;
    struct cairn_bytes value = {NULL, 99};
    struct cairn_record record;
    struct cairn *c = fake_connect(&fake, serve_get, 0);
    assert_int_equal(cairn_kv_get(c, cairn_text("k"), &value), CAIRN_OK);
    assert_int_equal(value.size, 3);
    assert_memory_equal(value.data, "abc", 3);
    assert_int_equal(cairn_kv_get(c, cairn_text("k"), &value), CAIRN_ABSENT);
    assert_int_equal(cairn_kv_get(c, cairn_text("k"), &value), CAIRN_WRONG_TYPE);
    assert_false(cairn_error(c)->from_server);
    assert_int_equal(cairn_kv_get_record(c, cairn_text("k"), &record), CAIRN_OK);
    assert_int_equal(record.ttl_ms, 1000);
    assert_int_equal(record.version, 8);
    assert_int_equal(cairn_kv_get(c, cairn_text("k"), &value), CAIRN_PROTOCOL);
    assert_true(cairn_usable(c));
    cairn_close(c);
    fake_stop(&fake);
}

static void serve_kv(int fd)
{
    REPLY_OK(fd, read_request(fd), "\x2a");                                 /* put */
    REPLY_OK(fd, read_request(fd), "\x2b");                                 /* mput */
    REPLY_OK(fd, read_request(fd), "\xc3");                                 /* del */
    REPLY_OK(fd, read_request(fd), "\xc2");                                 /* exists */
    REPLY_OK(fd, read_request(fd), "\xd3\x80\x00\x00\x00\x00\x00\x00\x00"); /* incr */
    REPLY_OK(fd, read_request(fd), "\xff");                                 /* ttl */
    REPLY_OK(fd, read_request(fd), "\xc0");                                 /* ttl */
    REPLY_OK(fd, read_request(fd), "\x92\xc0\x93\xa1x\x01\xc0");            /* mget */
    REPLY_OK(fd, read_request(fd),
             "\x82\xa5items\x91\x94\xa1k\xa1v\x03\xc0\xa6"
             "cursor\xc4\x01k"); /* scan */
    REPLY_OK(fd, read_request(fd),
             "\x82\xa5items\x90\xa6"
             "cursor\xc0");                                  /* scan */
    REPLY_OK(fd, read_request(fd), "\x81\xa5items\x91\x05"); /* scan, wrong */
}

static void check_scan(struct cairn *c)
{
    struct cairn_page page = {0};
    struct cairn_bytes key;
    struct cairn_record record;
    assert_int_equal(cairn_kv_scan(c, NULL, page.cursor, &page), CAIRN_OK);
    assert_int_equal(page.count, 1);
    assert_true(cairn_page_next(&page, &key, &record));
    assert_memory_equal(key.data, "k", 1);
    assert_memory_equal(record.bytes.data, "v", 1);
    assert_false(cairn_page_next(&page, &key, &record));
    assert_int_equal(page.cursor.size, 1);
    assert_int_equal(cairn_kv_scan(c, NULL, page.cursor, &page), CAIRN_OK);
    assert_int_equal(page.cursor.size, 0);
    assert_int_equal(cairn_kv_scan(c, NULL, page.cursor, &page), CAIRN_PROTOCOL);
}

static void typed_calls(void **state)
{
    (void)state;
    struct fake fake;
    struct cairn *c = fake_connect(&fake, serve_kv, 0);
    struct cairn_put_options options = {.ttl_ms = 5, .has_if_version = true};
    struct cairn_pair pair = {cairn_text("a"), cairn_text("b")};
    struct cairn_bytes keys[2] = {cairn_text("a"), cairn_text("b")};
    struct cairn_record records[2];
    struct cairn_bytes k = cairn_text("k");
    uint64_t version;
    int64_t number;
    assert_int_equal(cairn_kv_put(c, k, k, &options, &version), CAIRN_OK);
    assert_int_equal(version, 42);
    assert_int_equal(cairn_kv_mput(c, &pair, 1, 10, NULL), CAIRN_OK);
    assert_int_equal(cairn_kv_del(c, k), CAIRN_OK);
    assert_int_equal(cairn_kv_exists(c, k), CAIRN_ABSENT);
    assert_int_equal(cairn_kv_incr(c, k, -1, &number), CAIRN_OK);
    assert_true(number == INT64_MIN);
    assert_int_equal(cairn_kv_ttl(c, k, &number), CAIRN_OK);
    assert_int_equal(number, -1);
    assert_int_equal(cairn_kv_ttl(c, k, &number), CAIRN_ABSENT);
    assert_int_equal(cairn_kv_mget(c, keys, 2, records), CAIRN_OK);
    assert_false(records[0].present);
    assert_true(records[1].present);
    check_scan(c);
    assert_int_equal(cairn_kv_put_packed(c, k, cairn_view("\x01\x02", 2), NULL, NULL),
                     CAIRN_BAD_ARGUMENT);
    cairn_close(c);
    fake_stop(&fake);
}

static void serve_errors(int fd)
{
    REPLY_ERROR(fd, read_request(fd),
                "\xb2"
                "CONFLICT not equal");
    REPLY_ERROR(fd, read_request(fd),
                "\x84\xa4"
                "code\xa8"
                "CONFLICT\xa7message\xa6too\x1blo\xa9retryable\xc2\xa4"
                "data\x82\xa6"
                "actual\x07\xa5index\x02");
    REPLY_ERROR(fd, read_request(fd),
                "\xa4"
                "BUSY");
    REPLY_ERROR(fd, read_request(fd), "\xa9something");
    REPLY_ERROR(fd, read_request(fd), "\x93\x01\x02\x03");
    REPLY_ERROR(fd, read_request(fd), "\xa7TIMEOUT"); /* not a code that a server may use */
}

static void errors(void **state)
{
    (void)state;
    struct fake fake;
    struct cairn *c = fake_connect(&fake, serve_errors, 0);
    const struct cairn_error *error = cairn_error(c);
    assert_int_equal(cairn_kv_del(c, cairn_text("k")), CAIRN_CONFLICT);
    assert_string_equal(error->message, "not equal");
    assert_true(error->from_server && !error->has_actual);
    assert_int_equal(cairn_kv_del(c, cairn_text("k")), CAIRN_CONFLICT);
    assert_string_equal(error->message, "too?lo");
    assert_true(error->has_actual && error->actual == 7 && error->has_index && error->index == 2);
    assert_int_equal(cairn_kv_del(c, cairn_text("k")), CAIRN_BUSY);
    assert_true(error->retryable);
    assert_string_equal(error->message, "");
    assert_int_equal(cairn_kv_del(c, cairn_text("k")), CAIRN_OTHER);
    assert_string_equal(error->message, "something");
    assert_int_equal(cairn_kv_del(c, cairn_text("k")), CAIRN_OTHER);
    assert_int_equal(cairn_kv_del(c, cairn_text("k")), CAIRN_OTHER);
    cairn_close(c);
    fake_stop(&fake);
}

/* Every code of the server has a status of its own here. */
static void codes(void **state)
{
    (void)state;
#define ERR(name, retryable, text)                                                                 \
    assert_int_not_equal(fault_status(bytes_of(#name)), CAIRN_OTHER);                              \
    assert_string_equal(fault_name(fault_status(bytes_of(#name))), #name);
#include "common/err.def"
#undef ERR
}

/* ---- Streams ------------------------------------------------------------------------------- */

static void serve_bytewise(int fd)
{
    struct buf out;
    buf_init(&out);
    /* A notification, which is kept, and a reply. */
    assert_int_equal(buf_append(&out, "\x93\x02\xa1x\x90", 5), 0);
    make_reply(&out, read_request(fd), NULL, 0, "\xa5hello", 6);
    for (size_t i = 0; i < out.size; i++) {
        send_all(fd, out.data + i, 1);
        usleep(500);
    }
    buf_deinit(&out);
}

static void bytewise(void **state)
{
    (void)state;
    struct fake fake;
    struct cairn_bytes result;
    struct cairn *c = fake_connect(&fake, serve_bytewise, 0);
    assert_int_equal(cairn_call(c, "x", cairn_view(NULL, 0), &result), CAIRN_OK);
    assert_int_equal(result.size, 6);
    assert_memory_equal(result.data, "\xa5hello", 6);
    struct cairn_notification told;
    assert_int_equal(cairn_notified(c, &told), CAIRN_OK);
    assert_int_equal(told.method.size, 1);
    assert_memory_equal(told.method.data, "x", 1);
    assert_int_equal(told.params.size, 1);
    assert_memory_equal(told.params.data, "\x90", 1);
    assert_int_equal(cairn_notified(c, &told), CAIRN_DISCONNECTED);
    cairn_close(c);
    fake_stop(&fake);
}

static const char note[] = "\x93\x02\xa1n\x91\xcd\x00"; /* [2, "n", [number]], the number cut */

static void make_note(struct buf *out, uint8_t number)
{
    assert_int_equal(buf_append(out, note, sizeof note - 1), 0);
    assert_int_equal(buf_append(out, &number, 1), 0);
}

static void serve_notes(int fd)
{
    struct buf out;
    buf_init(&out);
    int64_t first = read_request(fd);
    for (uint8_t i = 0; i < 100; i++) { /* before, between and behind replies */
        make_note(&out, i);
        if (i == 50)
            make_reply(&out, first, NULL, 0, "\x01", 1);
    }
    send_all(fd, out.data, out.size);
    out.size = 0;
    make_reply(&out, read_request(fd), NULL, 0, "\x02", 1);
    make_note(&out, 100);
    make_reply(&out, 12345, NULL, 0, "\x03", 1);
    send_all(fd, out.data, out.size);
    buf_deinit(&out);
}

/* All of them, in order, whether a reply was awaited meanwhile or not. */
static void notifications(void **state)
{
    (void)state;
    struct fake fake;
    struct cairn_notification told;
    struct cairn_bytes result;
    struct cairn *c = fake_connect(&fake, serve_notes, 0);
    assert_int_equal(cairn_call(c, "x", cairn_view(NULL, 0), &result), CAIRN_OK);
    for (unsigned i = 0; i <= 100; i++) {
        if (i == 20) {
            struct cairn_reply reply;
            assert_int_equal(cairn_send(c, "x", cairn_view(NULL, 0), NULL), CAIRN_OK);
            assert_int_equal(cairn_notified(c, &told), CAIRN_BAD_ARGUMENT);
            assert_int_equal(cairn_receive(c, &reply), CAIRN_OK);
            assert_memory_equal(reply.result.data, "\x02", 1);
        }
        assert_int_equal(cairn_notified(c, &told), CAIRN_OK);
        assert_memory_equal(told.method.data, "n", 1);
        assert_int_equal(told.params.size, 4);
        assert_int_equal(((const uint8_t *)told.params.data)[3], i);
    }
    assert_int_equal(cairn_notified(c, &told), CAIRN_PROTOCOL); /* a reply that nobody wants */
    cairn_close(c);
    fake_stop(&fake);
}

static void serve_too_many_notes(int fd)
{
    struct buf out;
    buf_init(&out);
    (void)read_request(fd);
    for (unsigned i = 0; i < 10000; i++)
        make_note(&out, 0);
    send_all(fd, out.data, out.size);
    buf_deinit(&out);
}

static void too_many_notifications(void **state)
{
    (void)state;
    struct fake fake;
    struct cairn_bytes result;
    struct cairn *c = fake_connect(&fake, serve_too_many_notes, 1000);
    assert_int_equal(cairn_call(c, "x", cairn_view(NULL, 0), &result), CAIRN_LIMIT_EXCEEDED);
    assert_false(cairn_error(c)->from_server);
    assert_int_equal(cairn_call(c, "x", cairn_view(NULL, 0), &result), CAIRN_DISCONNECTED);
    cairn_close(c);
    fake_stop(&fake);
}

enum { PIPELINED = 5 };

static void serve_reversed(int fd)
{
    int64_t msgids[PIPELINED];
    struct buf out;
    buf_init(&out);
    for (int i = 0; i < PIPELINED; i++)
        msgids[i] = read_request(fd);
    for (int i = PIPELINED; i-- > 0;) {
        const char result = (char)i;
        if (i == 2)
            make_reply(&out, msgids[i], "\xa9NOT_FOUND", 10, NULL, 0);
        else
            make_reply(&out, msgids[i], NULL, 0, &result, 1);
    }
    send_all(fd, out.data, out.size);
    buf_deinit(&out);
}

static void pipelined(void **state)
{
    (void)state;
    struct fake fake;
    struct cairn_reply reply;
    uint32_t msgids[PIPELINED];
    struct cairn *c = fake_connect(&fake, serve_reversed, 0);
    for (int i = 0; i < PIPELINED; i++)
        assert_int_equal(cairn_send(c, "x", cairn_view("\x91\x01", 2), &msgids[i]), CAIRN_OK);
    assert_int_equal(cairn_outstanding(c), PIPELINED);
    assert_int_equal(cairn_kv_del(c, cairn_text("k")), CAIRN_BAD_ARGUMENT);
    assert_int_equal(cairn_flush(c), CAIRN_OK);
    for (int i = PIPELINED; i-- > 0;) {
        assert_int_equal(cairn_receive(c, &reply), CAIRN_OK);
        assert_int_equal(reply.msgid, msgids[i]);
        assert_int_equal(reply.status, i == 2 ? CAIRN_NOT_FOUND : CAIRN_OK);
        if (i != 2)
            assert_int_equal(*(const uint8_t *)reply.result.data, i);
    }
    assert_int_equal(cairn_receive(c, &reply), CAIRN_BAD_ARGUMENT);
    cairn_close(c);
    fake_stop(&fake);
}

static void bounds(void **state)
{
    (void)state;
    struct fake fake;
    struct cairn_options options = {.max_in_flight = 3, .max_send_bytes = 100};
    static const char large[200] = {(char)0xc5, 0, (char)197};
    char params[201] = {(char)0x91};
    fake_start(&fake, drain, 1);
    struct cairn *c = cairn_connect(fake.address, &options, NULL);
    assert_non_null(c);
    memcpy(params + 1, large, sizeof large);
    assert_int_equal(cairn_send(c, "x", cairn_view(params, sizeof params), NULL),
                     CAIRN_LIMIT_EXCEEDED);
    for (int i = 0; i < 3; i++)
        assert_int_equal(cairn_send(c, "x", cairn_view(NULL, 0), NULL), CAIRN_OK);
    assert_int_equal(cairn_send(c, "x", cairn_view(NULL, 0), NULL), CAIRN_LIMIT_EXCEEDED);
    assert_int_equal(cairn_outstanding(c), 3);
    cairn_close(c);
    fake_stop(&fake);
}

static void bad_params(void **state)
{
    (void)state;
    struct fake fake;
    struct cairn *c = fake_connect(&fake, drain, 0);
    const char *const wrong[] = {"\x01", "\x91", "\x91\x01\x01", "\xc1", "\xa1x", "\xe0"};
    for (size_t i = 0; i < LENGTH_OF(wrong); i++)
        assert_int_equal(cairn_send(c, "x", cairn_text(wrong[i]), NULL), CAIRN_BAD_ARGUMENT);
    assert_int_equal(cairn_outstanding(c), 0);
    cairn_close(c);
    fake_stop(&fake);
}

/* ---- Failures ------------------------------------------------------------------------------ */

/* The status of one call against this script, and that the connection is closed afterwards. */
static void check_fatal(fake_script script, int expected)
{
    struct fake fake;
    struct cairn *c = fake_connect(&fake, script, 0);
    assert_int_equal(cairn_call(c, "x", cairn_view(NULL, 0), NULL), expected);
    assert_false(cairn_usable(c));
    assert_int_equal(cairn_call(c, "x", cairn_view(NULL, 0), NULL), CAIRN_DISCONNECTED);
    cairn_close(c);
    fake_stop(&fake);
}

static void serve_garbage(int fd)
{
    (void)read_request(fd);
    send_all(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
}

static void serve_reserved(int fd)
{
    (void)read_request(fd);
    send_all(fd, "\x94\x01\xc1", 3);
    drain(fd);
}

static void serve_stranger(int fd)
{
    REPLY_OK(fd, read_request(fd) + 1, "\x01");
    drain(fd);
}

static void serve_huge_count(int fd)
{
    (void)read_request(fd);
    send_all(fd, "\x94\x01\x02\xc0\xdd\xff\xff\xff\xff", 9);
    drain(fd);
}

static void serve_oversize(int fd)
{
    static const char zeros[64 * 1024] = {0};
    (void)read_request(fd);
    send_all(fd, "\x94\x01\x02\xc0\xc6\x00\x10\x00\x00", 9);
    for (int i = 0; i < 16; i++)
        send_all(fd, zeros, sizeof zeros);
}

static void serve_half(int fd)
{
    (void)read_request(fd);
    send_all(fd, "\x94\x01\x02\xc0\xc4\x09xx", 8);
}

static void fatal(void **state)
{
    (void)state;
    check_fatal(serve_garbage, CAIRN_PROTOCOL);
    check_fatal(serve_reserved, CAIRN_PROTOCOL);
    check_fatal(serve_stranger, CAIRN_PROTOCOL);
    check_fatal(serve_huge_count, CAIRN_PROTOCOL);
    check_fatal(serve_oversize, CAIRN_PROTOCOL);
    check_fatal(serve_half, CAIRN_DISCONNECTED);
}

static void serve_late(int fd)
{
    int64_t first = read_request(fd);
    int64_t second = read_request(fd);
    REPLY_OK(fd, first, "\x01");
    REPLY_OK(fd, second, "\x02");
}

static void late(void **state)
{
    (void)state;
    struct fake fake;
    struct cairn_bytes result;
    struct cairn *c = fake_connect(&fake, serve_late, 50);
    uint64_t begun = clock_mono_ns();
    assert_int_equal(cairn_call(c, "x", cairn_view(NULL, 0), &result), CAIRN_TIMEOUT);
    assert_true(clock_mono_ns() - begun >= 50000000u);
    assert_string_equal(cairn_error(c)->code, "TIMEOUT");
    cairn_set_timeout(c, 120000);
    assert_int_equal(cairn_call(c, "x", cairn_view(NULL, 0), &result), CAIRN_OK);
    assert_int_equal(*(const uint8_t *)result.data, 2); /* not the late one */
    cairn_close(c);
    fake_stop(&fake);
}

static void cannot_connect(void **state)
{
    (void)state;
    struct cairn_error error;
    assert_null(cairn_connect("/nonexistent/socket", NULL, &error));
    assert_int_equal(error.status, CAIRN_CANNOT_CONNECT);
    assert_null(cairn_connect("127.0.0.1:0", NULL, &error));
    assert_int_equal(error.status, CAIRN_BAD_ARGUMENT);
    assert_null(cairn_connect("http://x", NULL, NULL));
}

static void serve_nothing(int fd)
{
    (void)fd;
}

/* A server that takes connections but never greets. */
static void silent(void **state)
{
    (void)state;
    struct fake fake;
    struct cairn_options options = {.connect_timeout_ms = 50};
    struct cairn_error error;
    fake_start(&fake, serve_nothing, 0); /* nobody accepts: the kernel does */
    assert_null(cairn_connect(fake.address, &options, &error));
    assert_int_equal(error.status, CAIRN_TIMEOUT);
    fake_stop(&fake);
}

/* The server closes while nobody waits for it: seen without a call. */
static void closed_meanwhile(void **state)
{
    (void)state;
    struct fake fake;
    struct cairn *c = fake_connect(&fake, serve_nothing, 0);
    fake_stop(&fake);
    assert_false(cairn_usable(c));
    assert_int_equal(cairn_call(c, "x", cairn_view(NULL, 0), NULL), CAIRN_DISCONNECTED);
    cairn_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get),
        cmocka_unit_test(typed_calls),
        cmocka_unit_test(errors),
        cmocka_unit_test(codes),
        cmocka_unit_test(bytewise),
        cmocka_unit_test(notifications),
        cmocka_unit_test(too_many_notifications),
        cmocka_unit_test(pipelined),
        cmocka_unit_test(bounds),
        cmocka_unit_test(bad_params),
        cmocka_unit_test(fatal),
        cmocka_unit_test(late),
        cmocka_unit_test(cannot_connect),
        cmocka_unit_test(silent),
        cmocka_unit_test(closed_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
