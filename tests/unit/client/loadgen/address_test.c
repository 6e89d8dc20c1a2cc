/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/address: what a URI means, what is refused, and what options change of it.
 */
#include "client/loadgen/address.h"

#include "common/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct row {
    const char *text;
    const struct driver *driver;
    const char *host;
    int port;
    const char *path, *user, *password, *space;
};

static void understood(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"redis://h", &driver_resp2, "h", 0, "", "", "", ""},
        {"redis://h:1/2", &driver_resp2, "h", 1, "", "", "", "2"},
        {"redis://:p%40w@h:1", &driver_resp2, "h", 1, "", "", "p@w", ""},
        {"redis://u:p:q@[::1]:7", &driver_resp2, "::1", 7, "", "u", "p:q", ""},
        {"redis://u:a@b@h", &driver_resp2, "h", 0, "", "u", "a@b", ""},
        {"valkey://[::1]/0", &driver_resp2, "::1", 0, "", "", "", "0"},
        {"cairn://h:7420/agent-7", &driver_msgpack, "h", 7420, "", "", "", "agent-7"},
        {"cairn://tok:en@h", &driver_msgpack, "h", 0, "", "", "tok:en", ""},
        {"cairn://", &driver_msgpack, "127.0.0.1", 0, "", "", "", ""},
        {"redis+unix:///a/b", &driver_resp2, "127.0.0.1", 0, "/a/b", "", "", ""},
        {"redis+unix://:pw@/a", &driver_resp2, "127.0.0.1", 0, "/a", "", "pw", ""},
        {"cairn+unix:///a", &driver_msgpack, "127.0.0.1", 0, "/a", "", "", ""},
        {"unix:/a", NULL, "127.0.0.1", 0, "/a", "", "", ""},
        {"/a/b", NULL, "127.0.0.1", 0, "/a/b", "", "", ""},
        {"h:9", NULL, "h", 9, "", "", "", ""},
        {"::1", NULL, "::1", 0, "", "", "", ""},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        const struct row *row = &rows[i];
        struct address a;
        char detail[ADDRESS_DETAIL_SIZE] = "";
        if (address_parse(row->text, &a, detail) != 0)
            fail_msg("%s: %s", row->text, detail);
        assert_ptr_equal(a.driver, row->driver);
        assert_string_equal(a.host, row->host);
        assert_int_equal(a.port, row->port);
        assert_string_equal(a.path, row->path);
        assert_string_equal(a.user, row->user);
        assert_string_equal(a.password, row->password);
        assert_string_equal(a.space, row->space);
    }
}

static void refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"http://h", "a server is redis://"},   {"redis://pw@h", "redis://:password@host"},
        {"redis://:%zz@h", "hexadecimal"},      {"redis://:%4@h", "hexadecimal"},
        {"redis://:%00@h", "hexadecimal"},      {"redis://h:0", "from 1 to 65535"},
        {"redis://h:65536", "from 1 to 65535"}, {"redis://h:x", "from 1 to 65535"},
        {"redis://[::1", "[::1]:7420"},         {"redis://[::1]x", "[::1]:7420"},
        {"redis+unix://", "1 to 107 bytes"},    {"unix:", "1 to 107 bytes"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct address a;
        char detail[ADDRESS_DETAIL_SIZE] = "";
        assert_int_equal(address_parse(rows[i][0], &a, detail), ERR_BAD_ARGUMENT);
        if (strstr(detail, rows[i][1]) == NULL)
            fail_msg("%s: expected '%s' in '%s'", rows[i][0], rows[i][1], detail);
    }
}

static int of_words(int argc, const char *const *words, struct address *out, char *detail)
{
    char *argv[16] = {NULL};
    static struct options options;
    for (int i = 0; i < argc; i++)
        memcpy(&argv[i + 1], &words[i], sizeof words[i]);
    assert_int_equal(options_parse(argc + 1, argv, &options, detail), 0);
    return address_of_options(&options, out, detail);
}

#define OF(...)                                                                                    \
    of_words(LENGTH_OF(((const char *[]){__VA_ARGS__})), (const char *[]){__VA_ARGS__}, &a, detail)

static void options_go_before(void **state)
{
    (void)state;
    struct address a;
    char detail[ADDRESS_DETAIL_SIZE];
    assert_int_equal(OF("-q"), 0);
    assert_null(a.driver);
    assert_int_equal(a.port, 0);
    assert_int_equal(OF("-u", "redis://:x@h:1/2", "-p", "3", "-a", "y", "--dbnum", "5"), 0);
    assert_string_equal(a.host, "h");
    assert_string_equal(a.password, "y");
    assert_string_equal(a.space, "5");
    assert_int_equal(a.port, 3);
    assert_int_equal(OF("-u", "redis://h", "-3"), 0);
    assert_ptr_equal(a.driver, &driver_resp3);
    assert_int_equal(OF("--protocol", "resp"), 0);
    assert_ptr_equal(a.driver, &driver_resp2);
    assert_int_equal(OF("--protocol", "redis"), 0);
    assert_ptr_equal(a.driver, &driver_resp2);
    assert_int_equal(OF("-s", "/x", "--user", "me"), ERR_BAD_ARGUMENT);
    assert_non_null(strstr(detail, "give -a"));
    assert_int_equal(OF("-s", "/x", "--user", "me", "-a", ""), 0);
    assert_string_equal(a.path, "/x");
    assert_string_equal(a.user, "me");
    assert_int_equal(OF("--protocol", "smtp"), ERR_BAD_ARGUMENT);
    assert_non_null(strstr(detail, "unknown protocol 'smtp'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understood),
        cmocka_unit_test(refused),
        cmocka_unit_test(options_go_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
