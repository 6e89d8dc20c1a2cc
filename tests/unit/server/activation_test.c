/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/activation: which inherited sockets are there, who takes them, which are refused. The
 * sockets stand at descriptors 3 and above, as a service manager leaves them.
 */
#include "server/activation.h"

#include "common/err.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What can stand at a descriptor. */
enum kind { LOOPBACK, UNIX, BOUND_ONLY, DATAGRAM, PLAIN_FILE, CLOSED };

static int open_tcp(bool listening)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    if (listening)
        assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static int open_unix(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address.sun_family), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static int open_kind(enum kind kind)
{
    switch (kind) {
    case LOOPBACK:
        return open_tcp(true);
    case UNIX:
        return open_unix();
    case BOUND_ONLY:
        return open_tcp(false);
    case DATAGRAM:
        return socket(AF_UNIX, SOCK_DGRAM, 0);
    case PLAIN_FILE:
        return open("/dev/null", O_RDONLY);
    case CLOSED:
        break;
    }
    return -1;
}

static void put(int slot, enum kind kind)
{
    (void)close(slot);
    int fd = open_kind(kind);
    if (fd < 0 || fd == slot)
        return;
    assert_int_equal(dup2(fd, slot), slot);
    close(fd);
}

static void set(const char *name, const char *value)
{
    if (value == NULL)
        assert_int_equal(unsetenv(name), 0);
    else
        assert_int_equal(setenv(name, value, 1), 0);
}

/* "me" stands for our process number. */
static void set_variables(const char *pid, const char *fds, const char *names)
{
    char own[16];
    (void)snprintf(own, sizeof own, "%d", (int)getpid());
    set("LISTEN_PID", pid != NULL && strcmp(pid, "me") == 0 ? own : pid);
    set("LISTEN_FDS", fds);
    set("LISTEN_FDNAMES", names);
}

static void assert_variables_gone(void)
{
    assert_null(getenv("LISTEN_PID"));
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_FDNAMES"));
}

static void names_decide_who_takes_what(void **state)
{
    (void)state;
    struct activation activation;
    struct err_detail detail;
    int fds[ACTIVATION_MAX];
    put(3, LOOPBACK);
    put(4, UNIX);
    put(5, LOOPBACK);
    set_variables("me", "3", "rpc:resp:rpc");
    assert_int_equal(activation_init(&activation, &detail), 0);
    assert_variables_gone();
    assert_int_equal(fcntl(4, F_GETFD), FD_CLOEXEC);
    assert_int_equal(activation_check(&activation, &detail), ERR_BAD_ARGUMENT);
    assert_int_equal(activation_take(&activation, "rpc", fds, ACTIVATION_MAX), 2);
    assert_int_equal(fds[0], 3);
    assert_int_equal(fds[1], 5);
    assert_int_equal(activation_take(&activation, "http", fds, ACTIVATION_MAX), 0);
    assert_int_equal(activation_check(&activation, &detail), ERR_BAD_ARGUMENT);
    assert_string_equal(detail.text,
                        "inherited socket 4 ('resp') has no name that cairnd knows; set "
                        "FileDescriptorName= in the socket unit to its protocol (rpc, http)");
    assert_int_equal(activation_take(&activation, "resp", fds, 1), 1);
    assert_int_equal(fds[0], 4);
    assert_int_equal(activation_check(&activation, &detail), 0);
    activation_deinit(&activation);
    for (int fd = 3; fd <= 5; fd++)
        assert_int_equal(close(fd), 0); /* ours since they were taken */
}

static void what_is_not_taken_is_closed(void **state)
{
    (void)state;
    struct activation activation;
    struct err_detail detail;
    int fd;
    put(3, UNIX);
    put(4, UNIX);
    set_variables("me", "2", "http:http");
    assert_int_equal(activation_init(&activation, &detail), 0);
    assert_int_equal(activation_take(&activation, "http", &fd, 1), 1);
    assert_int_equal(activation_check(&activation, &detail), ERR_BAD_ARGUMENT);
    assert_string_equal(detail.text, "inherited socket 4 ('http') is one more of this name than "
                                     "cairnd can use");
    activation_deinit(&activation);
    assert_int_equal(fcntl(4, F_GETFD), -1);
    assert_int_equal(close(fd), 0);
}

/* Not for us, or nothing at all: the descriptors are left alone. */
static void nothing_is_inherited(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {NULL, NULL, NULL}, {NULL, "1", "rpc"}, {"me", NULL, "rpc"},
        {"me", "0", NULL},  {"1", "1", "rpc"},  {"1", "1", "rpc:too:many"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct activation activation;
        struct err_detail detail;
        put(3, UNIX);
        set_variables(rows[i][0], rows[i][1], rows[i][2]);
        assert_int_equal(activation_init(&activation, &detail), 0);
        assert_int_equal(activation.n, 0);
        assert_int_equal(activation_check(&activation, &detail), 0);
        assert_variables_gone();
        activation_deinit(&activation);
        assert_int_equal(close(3), 0);
    }
}

static void what_is_unfit_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *pid, *fds, *names;
        enum kind second; /* at descriptor 4; at 3 is a good one */
        const char *message;
    } rows[] = {
        {"me", "2", "rpc:rpc", CLOSED, "inherited socket 4 ('rpc') is not open"},
        {"me", "2", "rpc:rpc", PLAIN_FILE, "inherited socket 4 ('rpc') is not a stream socket"},
        {"me", "2", "rpc:rpc", DATAGRAM, "inherited socket 4 ('rpc') is not a stream socket"},
        {"me", "2", "rpc:rpc", BOUND_ONLY, "inherited socket 4 ('rpc') is not listening"},
        {"me", "2", NULL, CLOSED, "inherited socket 4 ('') is not open"},
        {"me", "2", "rpc", UNIX, "LISTEN_FDNAMES has 1 names for the 2 sockets"},
        {"me", "2", "rpc:rpc:rpc", UNIX, "LISTEN_FDNAMES has 3 names for the 2 sockets"},
        {"me", "2", "", UNIX, "LISTEN_FDNAMES has 1 names for the 2 sockets"},
        {"me", "-1", NULL, UNIX, "LISTEN_PID and LISTEN_FDS must be numbers"},
        {"me", "x", NULL, UNIX, "LISTEN_PID and LISTEN_FDS must be numbers"},
        {"x", "1", NULL, UNIX, "LISTEN_PID and LISTEN_FDS must be numbers"},
        {"me", "17", NULL, UNIX, "17 sockets are inherited; at most 16 are allowed"},
        {"me", "9999999999999999999", NULL, UNIX, "LISTEN_PID and LISTEN_FDS must be numbers"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct activation activation;
        struct err_detail detail = {""};
        put(3, LOOPBACK);
        put(4, rows[i].second);
        set_variables(rows[i].pid, rows[i].fds, rows[i].names);
        assert_int_equal(activation_init(&activation, &detail), ERR_BAD_ARGUMENT);
        assert_memory_equal(detail.text, rows[i].message, strlen(rows[i].message));
        assert_variables_gone();
        (void)close(3);
        (void)close(4);
    }
}

static void a_socket_without_a_name_is_refused(void **state)
{
    (void)state;
    struct activation activation;
    struct err_detail detail;
    int fd;
    put(3, UNIX);
    set_variables("me", "1", NULL);
    assert_int_equal(activation_init(&activation, &detail), 0);
    assert_int_equal(activation_take(&activation, "rpc", &fd, 1), 0);
    assert_int_equal(activation_check(&activation, &detail), ERR_BAD_ARGUMENT);
    assert_memory_equal(detail.text, "inherited socket 3 ('') has no name", 35);
    activation_deinit(&activation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_decide_who_takes_what),
        cmocka_unit_test(what_is_not_taken_is_closed),
        cmocka_unit_test(nothing_is_inherited),
        cmocka_unit_test(what_is_unfit_is_refused),
        cmocka_unit_test(a_socket_without_a_name_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
