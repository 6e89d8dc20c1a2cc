/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/fake_server: the server by which loadgen is judged keeps to its law, as a client
 * sees that does one thing after the other.
 */
#include "client/loadgen/fake_server.h"

#include "common/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

static struct fake_server *server;

static int open_connection(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)fake_server_port(server))};
    const struct timeval patience = {.tv_sec = 120};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int begin(const struct fake_law *law)
{
    assert_int_equal(fake_server_start(law, 100, &server), 0);
    return open_connection();
}

static void end(int fd)
{
    close(fd);
    fake_server_destroy(server);
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What comes must be exactly this. Returns when it was there. */
static uint64_t hear(int fd, const char *text)
{
    char got[256] = "";
    size_t size = 0, wanted = strlen(text);
    while (size < wanted) {
        ssize_t n = recv(fd, got + size, wanted - size, 0);
        assert_true(n > 0);
        size += (size_t)n;
    }
    assert_string_equal(got, text);
    return clock_mono_ns();
}

static const char set_7[] = "*3\r\n$3\r\nSET\r\n$5\r\nkey:7\r\n$5\r\nhello\r\n";
static const char get_7[] = "*2\r\n$3\r\nGET\r\n$5\r\nkey:7\r\n";

static void values(void **state)
{
    (void)state;
    const struct fake_law law = {.corrupt_each = 4, .error_each = 5};
    int fd = begin(&law);
    say(fd, "PING\r\n*1\r\n$4\r\nPING\r\n");
    hear(fd, "+PONG\r\n+PONG\r\n");
    say(fd, get_7);
    say(fd, set_7);
    say(fd, get_7);
    say(fd, get_7);
    say(fd, get_7);
    say(fd, "*1\r\n$5\r\nWHAT?\r\n");
    hear(fd, "$-1\r\n+OK\r\n$5\r\nhello\r\n$5\r\nhemlo\r\n-ERR refused\r\n+OK\r\n");
    fake_server_stop(server);
    assert_int_equal(fake_server_log(server)->count, 6);
    end(fd);
}

/* A slow one holds up those behind it on its connection, but no other. */
static void delays(void **state)
{
    (void)state;
    const struct fake_law law = {.delay_ns = 20 * MS, .slow_each = 2, .slow_ns = 200 * MS};
    int fd = begin(&law), other = open_connection();
    uint64_t start = clock_mono_ns();
    say(fd, set_7);
    assert_true(hear(fd, "+OK\r\n") - start >= 20 * MS);
    start = clock_mono_ns();
    say(fd, set_7);
    say(fd, get_7);
    hear(fd, "+OK\r\n");
    assert_true(hear(fd, "$5\r\nhello\r\n") - start >= 200 * MS);
    say(fd, set_7); /* the fourth: slow */
    fake_server_stop(server);
    assert_int_equal(fake_server_log(server)->count, 4);
    close(other);
    end(fd);
}

static void one_at_a_time(void **state)
{
    (void)state;
    const struct fake_law law = {.delay_ns = 20 * MS, .serial = true};
    int fd = begin(&law), other = open_connection();
    uint64_t start = clock_mono_ns();
    say(fd, set_7);
    say(fd, set_7);
    say(other, set_7);
    hear(fd, "+OK\r\n+OK\r\n");
    uint64_t last = hear(other, "+OK\r\n");
    assert_true(last - start >= 60 * MS);
    close(other);
    end(fd);
}

static void stalls(void **state)
{
    (void)state;
    const struct fake_law law = {.stall_at_ns = 1, .stall_ns = 200 * MS};
    int fd = begin(&law);
    say(fd, set_7);
    hear(fd, "+OK\r\n");
    say(fd, set_7);
    uint64_t answered = hear(fd, "+OK\r\n");
    fake_server_stop(server);
    const struct fake_log *log = fake_server_log(server);
    assert_true(log->stall_end - log->stall_begin >= 200 * MS);
    /* The second request came within the stall, and was answered behind it, or before it. */
    assert_true(log->arrival[1] <= log->stall_begin || log->arrival[1] >= log->stall_end);
    assert_true(log->arrival[1] < log->stall_begin || answered >= log->stall_end);
    end(fd);
}

static void leaves(void **state)
{
    (void)state;
    const struct fake_law law = {.silent_from = 2, .close_at = 3};
    char byte;
    int fd = begin(&law);
    say(fd, set_7);
    hear(fd, "+OK\r\n");
    say(fd, set_7);
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    say(fd, set_7);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
    fd = open_connection();
    say(fd, "*1\r\n$x\r\n");
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    end(fd);
}

static void say_bytes(int fd, const char *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

static void hear_bytes(int fd, const char *bytes, size_t size)
{
    char got[256];
    assert_true(size <= sizeof got);
    for (size_t done = 0; done < size;) {
        ssize_t n = recv(fd, got + done, size - done, 0);
        assert_true(n > 0);
        done += (size_t)n;
    }
    assert_memory_equal(got, bytes, size);
}

#define SAY(text)  say_bytes(fd, text, sizeof text - 1)
#define HEAR(text) hear_bytes(fd, text, sizeof text - 1)

/* The same in MessagePack-RPC, on another connection of the same server; cut anywhere. */
static void messagepack(void **state)
{
    (void)state;
    const struct fake_law law = {.corrupt_each = 3, .error_each = 4};
    int resp = begin(&law), fd = open_connection();
    SAY("\x94\x00\x01\xabserver.ping\x90");
    HEAR("\x94\x01\x01\xc0\xa4pong");
    SAY("\x94\x00\xce\x00\x00\x00\x07\xa6kv.put\x92\xa5key:7\xc4\x05");
    SAY("hello");
    HEAR("\x94\x01\x07\xc0\xc3");
    say(resp, get_7);
    hear(resp, "$5\r\nhello\r\n");
    SAY("\x94\x00\x08\xa6kv.get\x91\xa5key:7");
    HEAR("\x94\x01\x08\xc0\xc4\x05hemlo");
    SAY("\x94\x00\x09\xa6kv.get\x91\xa5key:7");
    HEAR("\x94\x01\x09\xa7refused\xc0");
    SAY("\x94\x00\x0a\xa6kv.get\x91\xa5key:8");
    HEAR("\x94\x01\x0a\xc0\xc0");
    SAY("\x94\x00\x0b\xa4what\x90");
    HEAR("\x94\x01\x0b\xc0\xc3");
    SAY("\x94\x01\x0b\xa4what\x90"); /* no request */
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(resp);
    end(fd);
}

/* Replies with ids do not wait for those before. */
static void overtakes(void **state)
{
    (void)state;
    const struct fake_law law = {.delay_ns = 1 * MS, .slow_each = 2, .slow_ns = 100 * MS};
    int fd = begin(&law);
    for (unsigned i = 0; i < 2; i++) {
        SAY("\x94\x00\x01\xa4what\x90\x94\x00\x02\xa4what\x90\x94\x00\x03\xa4what\x90"
            "\x94\x00\x04\xa4what\x90");
        HEAR("\x94\x01\x01\xc0\xc3\x94\x01\x03\xc0\xc3");
        HEAR("\x94\x01\x02\xc0\xc3\x94\x01\x04\xc0\xc3");
    }
    end(fd);
}

/* More arrivals than the log has room for are counted. */
static void log_is_bounded(void **state)
{
    (void)state;
    const struct fake_law law = {0};
    int fd = begin(&law);
    for (unsigned i = 0; i < 150; i++) {
        say(fd, set_7);
        hear(fd, "+OK\r\n");
    }
    fake_server_stop(server);
    const struct fake_log *log = fake_server_log(server);
    assert_true(log->count == 150 && log->capacity == 100);
    for (unsigned i = 1; i < 100; i++)
        assert_true(log->arrival[i] >= log->arrival[i - 1]);
    end(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),        cmocka_unit_test(delays),
        cmocka_unit_test(one_at_a_time), cmocka_unit_test(stalls),
        cmocka_unit_test(leaves),        cmocka_unit_test(log_is_bounded),
        cmocka_unit_test(messagepack),   cmocka_unit_test(overtakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
