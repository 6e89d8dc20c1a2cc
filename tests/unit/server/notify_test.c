/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/notify: addresses of the service manager, messages, and whom the watchdog is for.
 */
#include "server/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/cairn-notify-XXXXXX";

/* A socket at the address, as a service manager has one. `name` begins with / or @. */
static int manager_open(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static void assert_received(int fd, const char *expected)
{
    char text[NOTIFY_MESSAGE_SIZE + 1];
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    assert_string_equal(text, expected);
}

static void exchange(const char *name)
{
    struct notify notify;
    int fd = manager_open(name);
    notify_open(&notify);
    assert_null(getenv("NOTIFY_SOCKET"));
    notify_send(&notify, "READY=1\nSTATUS=%s %d", "text", 7);
    assert_received(fd, "READY=1\nSTATUS=text 7");
    notify_send(&notify, "WATCHDOG=1");
    assert_received(fd, "WATCHDOG=1");
    notify_close(&notify);
    notify_send(&notify, "WATCHDOG=1");
    assert_int_equal(recv(fd, (char[1]){0}, 1, 0), -1);
    close(fd);
}

static void a_path(void **state)
{
    (void)state;
    char path[64];
    (void)snprintf(path, sizeof path, "%s/notify", folder);
    exchange(path);
    assert_int_equal(unlink(path), 0);
}

static void an_abstract_name(void **state)
{
    (void)state;
    char name[64];
    (void)snprintf(name, sizeof name, "@cairn-notify-%d", (int)getpid());
    exchange(name);
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    struct notify notify;
    char name[64], text[2 * NOTIFY_MESSAGE_SIZE];
    (void)snprintf(name, sizeof name, "@cairn-notify-%d", (int)getpid());
    int fd = manager_open(name);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    notify_open(&notify);
    notify_send(&notify, "%s", text);
    text[NOTIFY_MESSAGE_SIZE - 1] = '\0';
    assert_received(fd, text);
    notify_close(&notify);
    close(fd);
}

/* No, wrong, and dead service managers: nothing happens, whatever is sent. */
static void nobody_listens(void **state)
{
    (void)state;
    static char too_long[200];
    memset(too_long, '/', sizeof too_long - 1);
    const char *names[] = {NULL, "", "relative", "vsock:2:1", too_long, "/nonexistent/notify"};
    for (size_t i = 0; i < LENGTH_OF(names); i++) {
        struct notify notify;
        if (names[i] != NULL)
            assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
        notify_open(&notify);
        assert_int_equal(notify.fd >= 0, i == LENGTH_OF(names) - 1);
        notify_send(&notify, "READY=1");
        notify_close(&notify);
    }
}

static void whom_the_watchdog_is_for(void **state)
{
    (void)state;
    char own[16];
    (void)snprintf(own, sizeof own, "%d", (int)getpid());
    const struct {
        const char *usec, *pid;
        uint64_t expected_ns;
    } rows[] = {
        {NULL, NULL, 0},
        {"30000000", NULL, 30000000000},
        {"1", own, 1000},
        {"1", "1", 0},
        {"1", "x", 0},
        {"1", "", 0},
        {"0", own, 0},
        {"-1", own, 0},
        {"", own, 0},
        {"1x", own, 0},
        {"18446744073709551615", own, 0},
        {"9223372036854775807", own, 0},
        {NULL, own, 0},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct notify notify;
        if (rows[i].usec != NULL)
            assert_int_equal(setenv("WATCHDOG_USEC", rows[i].usec, 1), 0);
        if (rows[i].pid != NULL)
            assert_int_equal(setenv("WATCHDOG_PID", rows[i].pid, 1), 0);
        notify_open(&notify);
        assert_int_equal(notify.watchdog_ns, rows[i].expected_ns);
        assert_null(getenv("WATCHDOG_USEC"));
        assert_null(getenv("WATCHDOG_PID"));
        notify_close(&notify);
    }
}

static int setup(void **state)
{
    (void)state;
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
    return mkdtemp(folder) == NULL;
}

static int teardown(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path),
        cmocka_unit_test(an_abstract_name),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(whom_the_watchdog_is_for),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
