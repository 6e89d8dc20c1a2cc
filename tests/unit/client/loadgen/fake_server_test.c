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
    const struct timeval patience = {.tv_sec = 20};
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
    uint64_t start = clock_mono_ns();
    say(fd, set_7);
    uint64_t waited = hear(fd, "+OK\r\n") - start;
    fake_server_stop(server);
    const struct fake_log *log = fake_server_log(server);
    assert_true(log->stall_end - log->stall_begin >= 200 * MS);
    /* The second request came within the stall, or before it. */
    assert_true(log->arrival[1] <= log->stall_begin || log->arrival[1] >= log->stall_end);
    assert_true(log->arrival[1] < log->stall_begin || waited >= 100 * MS);
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
        cmocka_unit_test(values), cmocka_unit_test(delays), cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(stalls), cmocka_unit_test(leaves), cmocka_unit_test(log_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
