/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/server_cpu: what a server says of its CPU time is believed, a late answer belongs
 * to nobody, a refusal ends it, and a process is asked nothing.
 */
#include "client/loadgen/server_cpu.h"

#include "client/loadgen/driver.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static int listener, connection;
static struct target target;
static struct server_cpu cpu;

/* A server of the protocol, which this test plays itself. */
static void begin(const struct driver *driver)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    memset(&target, 0, sizeof target);
    memcpy(&target.address, &address, sizeof address);
    target.address_size = sizeof address;
    target.driver = driver;
    target.login = (struct driver_login){.user = "", .password = "", .space = ""};
    target.timeout_ms = 20000;
    server_cpu_begin(&cpu, &target, 0, true);
    connection = accept(listener, NULL, NULL);
    assert_true(connection >= 0);
}

static void end(void)
{
    server_cpu_end(&cpu);
    close(connection);
    close(listener);
}

static void answer(struct bytes bytes)
{
    assert_int_equal(send(connection, bytes.data, bytes.size, MSG_NOSIGNAL), bytes.size);
}

static void answer_info(const char *text)
{
    char bulk[256];
    (void)snprintf(bulk, sizeof bulk, "$%zu\r\n%s\r\n", strlen(text), text);
    answer(bytes_of(bulk));
}

/* All questions until now must be so many of these. */
static void heard(const char *question, unsigned times)
{
    char got[512] = "", wanted[512] = "";
    ssize_t size = recv(connection, got, sizeof got - 1, MSG_DONTWAIT);
    for (unsigned i = 0; i < times; i++)
        strncat(wanted, question, sizeof wanted - strlen(wanted) - 1);
    assert_true(size >= 0 || times == 0);
    assert_string_equal(got, wanted);
}

static const char info_cpu[] = "*2\r\n$4\r\nINFO\r\n$3\r\ncpu\r\n";

static void told(void **state)
{
    (void)state;
    uint64_t ns = 0;
    begin(&driver_resp2);
    assert_string_equal(cpu.told.source, "INFO cpu");
    answer_info("# CPU\r\nused_cpu_sys:1.250000\r\nused_cpu_user:2.500000\r\n"
                "used_cpu_sys_children:9.000000\r\n");
    assert_true(server_cpu_read(&cpu, true, &ns));
    assert_true(ns == 3750000000);
    answer_info("# CPU\r\nused_cpu_sys:1.250000\r\nused_cpu_user:2.500001\r\n");
    assert_true(server_cpu_read(&cpu, false, &ns));
    assert_true(ns == 3750001000);
    heard(info_cpu, 2);
    assert_int_equal(cpu.told.wanted, 2);
    assert_int_equal(cpu.told.asked, 2);
    assert_int_equal(cpu.told.answered, 2);
    assert_false(server_cpu_missing(&cpu.told, true));
    end();
}

/* It says nothing in time: it is asked once, and what it says later is not believed. */
static void late(void **state)
{
    (void)state;
    uint64_t ns = 7;
    begin(&driver_resp2);
    assert_false(server_cpu_read(&cpu, false, &ns));
    assert_false(server_cpu_read(&cpu, false, &ns));
    heard(info_cpu, 1);
    answer_info("used_cpu_user:1.0\r\nused_cpu_sys:1.0\r\n");
    assert_false(server_cpu_read(&cpu, false, &ns)); /* asks again */
    heard(info_cpu, 1);
    assert_int_equal(cpu.told.asked, 2);
    assert_int_equal(cpu.told.wanted, 3);
    assert_int_equal(cpu.told.answered, 0);
    assert_true(server_cpu_missing(&cpu.told, true));
    end();
}

static void refused(void **state)
{
    static const char *const answers[] = {
        "-NOPERM this user has no permissions to run the 'info' command\r\n",
        "$-1\r\n",
        "+OK\r\n",
        ":1\r\n",
        "$7\r\n# CPU\r\n\r\n",
        "nonsense\r\n",
    };
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(answers); i++) {
        uint64_t ns;
        begin(&driver_resp2);
        answer(bytes_of(answers[i]));
        assert_false(server_cpu_read(&cpu, true, &ns));
        assert_false(server_cpu_read(&cpu, true, &ns));
        heard(info_cpu, 1);
        assert_int_equal(cpu.told.asked, 1);
        assert_true(server_cpu_missing(&cpu.told, false));
        end();
    }
}

static void closed(void **state)
{
    (void)state;
    uint64_t ns;
    begin(&driver_resp2);
    close(connection);
    assert_false(server_cpu_read(&cpu, true, &ns));
    assert_false(server_cpu_read(&cpu, true, &ns));
    assert_true(server_cpu_missing(&cpu.told, false));
    connection = -1;
    end();
}

/* [1, 0, nil, {"server": {"cpu_us": 5}}], and a refusal. */
static void cairnd(void **state)
{
    static const uint8_t good[] = "\x94\x01\x00\xc0\x81\xa6server\x81\xa6"
                                  "cpu_us\x05";
    static const uint8_t bad[] = "\x94\x01\x00\xa2no\xc0";
    (void)state;
    uint64_t ns = 0;
    begin(&driver_msgpack);
    assert_string_equal(cpu.told.source, "server.info");
    answer((struct bytes){good, sizeof good - 1});
    assert_true(server_cpu_read(&cpu, true, &ns));
    assert_int_equal(ns, 5000);
    answer((struct bytes){bad, sizeof bad - 1});
    assert_false(server_cpu_read(&cpu, true, &ns));
    end();
}

/* A process of this machine is not asked, and neither is anybody if nobody wants to know. */
static void not_asked(void **state)
{
    (void)state;
    uint64_t ns = 0;
    begin(&driver_resp2);
    server_cpu_end(&cpu);
    server_cpu_begin(&cpu, &target, getpid(), true);
    assert_string_equal(cpu.told.source, "process");
    assert_true(server_cpu_read(&cpu, false, &ns));
    assert_true(ns > 0);
    assert_int_equal(cpu.told.wanted, 0);
    server_cpu_end(&cpu);
    server_cpu_begin(&cpu, &target, 0, false);
    assert_null(cpu.told.source);
    assert_false(server_cpu_read(&cpu, true, &ns));
    assert_false(server_cpu_missing(&cpu.told, false));
    heard(info_cpu, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told),   cmocka_unit_test(late),   cmocka_unit_test(refused),
        cmocka_unit_test(closed), cmocka_unit_test(cairnd), cmocka_unit_test(not_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
