/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/config_check: the rules between options, and addresses.
 */
#include "server/config.h"

#include "common/err.h"
#include "tests/unit/server/config_fixture.h"

#include <stdio.h>
#include <stdlib.h>

/* Each row: assignments separated by spaces, and the beginning of the refusal (NULL: accepted). */
static void rules(void **state)
{
    (void)state;
    static const struct {
        const char *assignments;
        int err;
        const char *message;
    } rows[] = {
        {"durability.mode=buffered", ERR_BAD_ARGUMENT, "durability.mode: buffered and strict keep"},
        {"durability.mode=strict", ERR_BAD_ARGUMENT, "durability.mode: buffered and strict keep"},
        {"durability.mode=memory data.dir=/x", ERR_BAD_ARGUMENT,
         "data.dir: durability.mode: memory"},
        {"data.dir=/x memory.policy=evict", ERR_BAD_ARGUMENT,
         "memory.policy: evict deletes records"},
        {"memory.policy=evict", ERR_BAD_ARGUMENT, "memory.policy: evict makes room below"},
        {"memory.policy=evict memory.limit=1GiB", 0, NULL},
        {"listen.rpc=", 0, NULL},
        {"listen.rpc=127.8.9.1:0", 0, NULL},
        {"listen.rpc=localhost:65535", 0, NULL},
        {"listen.rpc=[::1]:1,[::ffff:127.0.0.1]:1,/run/s", 0, NULL},
        {"listen.rpc=0.0.0.0:7420", ERR_BAD_ARGUMENT, "listen.rpc: 0.0.0.0:7420 can be reached"},
        {"listen.rpc=127.0.0.1:1,[::]:7420", ERR_BAD_ARGUMENT, "listen.rpc: [::]:7420 can be"},
        {"listen.rpc=[::ffff:10.0.0.1]:1", ERR_BAD_ARGUMENT, "listen.rpc: [::ffff:10.0.0.1]:1 can"},
        {"listen.rpc=128.0.0.1:1", ERR_BAD_ARGUMENT, "listen.rpc: 128.0.0.1:1 can be reached"},
        {"listen.rpc=0.0.0.0:7420 auth.file=/etc/cairn/tokens", 0, NULL},
        {"listen.rpc=7420", ERR_BAD_ARGUMENT, "listen.rpc: '7420' is not an address"},
        {"listen.rpc=127.0.0.1", ERR_BAD_ARGUMENT, "listen.rpc: '127.0.0.1' is not an address"},
        {"listen.rpc=127.0.0.1:", ERR_BAD_ARGUMENT, "listen.rpc: '127.0.0.1:' is not an address"},
        {"listen.rpc=:7420", ERR_BAD_ARGUMENT, "listen.rpc: ':7420' is not an address"},
        {"listen.rpc=127.0.0.1:65536", ERR_BAD_ARGUMENT, "listen.rpc: '127.0.0.1:65536' is not"},
        {"listen.rpc=127.0.0.1:-1", ERR_BAD_ARGUMENT, "listen.rpc: '127.0.0.1:-1' is not"},
        {"listen.rpc=127.1:80", ERR_BAD_ARGUMENT, "listen.rpc: '127.1:80' is not an address"},
        {"listen.rpc=example.org:80", ERR_BAD_ARGUMENT, "listen.rpc: 'example.org:80' is not"},
        {"listen.rpc=::1:80", ERR_BAD_ARGUMENT, "listen.rpc: '::1:80' is not an address"},
        {"listen.rpc=[::1]", ERR_BAD_ARGUMENT, "listen.rpc: '[::1]' is not an address"},
        {"listen.rpc=[::1:80", ERR_BAD_ARGUMENT, "listen.rpc: '[::1:80' is not an address"},
        {"listen.rpc=[:80", ERR_BAD_ARGUMENT, "listen.rpc: '[:80' is not an address"},
        {"listen.rpc=127.0.0.1:1,", ERR_BAD_ARGUMENT, "listen.rpc: '' is not an address"},
        {"listen.rpc=,", ERR_BAD_ARGUMENT, "listen.rpc: '' is not an address"},
        {"listen.rpc=run/s", ERR_BAD_ARGUMENT, "listen.rpc: 'run/s' is not an address"},
        {"listen.http=", 0, NULL},
        {"listen.http=127.0.0.1:0,[::]:7422,/run/h.sock", 0, NULL}, /* no login, hence no rule */
        {"listen.http=7422", ERR_BAD_ARGUMENT, "listen.http: '7422' is not an address"},
        {"listen.http=127.0.0.1:1,", ERR_BAD_ARGUMENT, "listen.http: '' is not an address"},
        {"listen.rpc=nonsense auth.file=/x", ERR_BAD_ARGUMENT, "listen.rpc: 'nonsense' is not"},
        {"listen.rpc=/1,/2,/3,/4,/5,/6,/7,/8,/9,/a,/b,/c,/d,/e,/f,/g", 0, NULL},
        {"listen.rpc=/1,/2,/3,/4,/5,/6,/7,/8,/9,/a,/b,/c,/d,/e,/f,/g,/h", ERR_BAD_ARGUMENT,
         "listen.rpc: more than 16 addresses"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct config *config = config_create();
        struct err_detail detail = {""};
        char copy[256];
        (void)snprintf(copy, sizeof(copy), "%s", rows[i].assignments);
        char *space = strchr(copy, ' ');
        if (space != NULL) {
            *space = '\0';
            set(config, space + 1);
        }
        set(config, copy);
        int err = config_check(config, &detail);
        const char *message = rows[i].message == NULL ? "" : rows[i].message;
        if (err != rows[i].err || strncmp(detail.text, message, strlen(message)) != 0)
            fail_msg("%s: %s: %s", rows[i].assignments, err_name(err), detail.text);
        assert_true(strlen(detail.text) < sizeof(detail.text) - 1);
        config_destroy(config);
    }
}

static void unix_paths_fit(void **state)
{
    struct config *config = *state;
    char text[256] = "listen.rpc=";
    size_t start = strlen(text);
    memset(text + start, 'x', 107);
    text[start] = '/';
    set(config, text);
    assert_int_equal(config_check(config, NULL), 0);
    text[start + 107] = 'x';
    set(config, text);
    assert_int_equal(config_check(config, NULL), ERR_BAD_ARGUMENT);
}

static void addresses(void **state)
{
    struct config *config = *state;
    struct config_address list[CONFIG_ADDRESSES_MAX];
    unsigned count = 99;
    set(config, "listen.rpc= 10.0.0.1:80 ,  [fe80::1]:81,/run/a b.sock ");
    assert_int_equal(config_addresses(config, OPTION_listen_rpc, list, &count, NULL), 0);
    assert_int_equal(count, 3);
    assert_int_equal(list[0].kind, CONFIG_ADDRESS_TCP4);
    assert_int_equal(list[0].sa.sa_family, AF_INET);
    assert_int_equal(ntohs(list[0].tcp4.sin_port), 80);
    assert_int_equal(ntohl(list[0].tcp4.sin_addr.s_addr), 0x0a000001);
    assert_string_equal(list[0].text, "10.0.0.1:80");
    assert_int_equal(list[1].kind, CONFIG_ADDRESS_TCP6);
    assert_int_equal(list[1].sa.sa_family, AF_INET6);
    assert_int_equal(ntohs(list[1].tcp6.sin6_port), 81);
    assert_string_equal(list[1].text, "[fe80::1]:81");
    assert_int_equal(list[2].kind, CONFIG_ADDRESS_UNIX);
    assert_int_equal(list[2].sa.sa_family, AF_UNIX);
    assert_string_equal(list[2].un.sun_path, "/run/a b.sock");
    set(config, "listen.rpc=");
    assert_int_equal(config_addresses(config, OPTION_listen_rpc, list, &count, NULL), 0);
    assert_int_equal(count, 0);
}

/* durability.mode: auto, and the directory that systemd gives. */
static void durability(void **state)
{
    struct config *config = config_create();
    struct err_detail detail;
    (void)state;
    assert_int_equal(unsetenv("STATE_DIRECTORY"), 0);
    assert_int_equal(config_durability(config), DURABILITY_MEMORY);
    assert_int_equal(setenv("STATE_DIRECTORY", "/var/lib/cairnd", 1), 0);
    assert_int_equal(config_durability(config), DURABILITY_BUFFERED);
    assert_string_equal(config_data_dir(config), "/var/lib/cairnd");
    assert_int_equal(config_check(config, &detail), 0);
    set(config, "data.dir=/x");
    assert_string_equal(config_data_dir(config), "/x");
    set(config, "data.dir=");
    set(config, "durability.mode=memory");
    assert_string_equal(config_data_dir(config), "");
    assert_int_equal(config_durability(config), DURABILITY_MEMORY);
    assert_int_equal(config_check(config, &detail), 0);
    set(config, "durability.mode=strict");
    assert_int_equal(config_durability(config), DURABILITY_STRICT);
    assert_int_equal(config_check(config, &detail), 0);
    assert_int_equal(unsetenv("STATE_DIRECTORY"), 0);
    config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rules),
        TEST(durability),
        TEST(unix_paths_fit),
        TEST(addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
