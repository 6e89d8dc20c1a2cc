/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/cli/history: which lines are written down, where, and how many are kept. The file itself
 * is looked at in tests/e2e/cli_interactive_test.py, too.
 */
#include "client/cli/history.h"

#include "proto/op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void is_public(void **state)
{
    (void)state;
    static const char *const yes[] = {
        "kv put k v",
        "kv get token:1",
        "kv put author auth",
        "cairn kv get k",
        "ping",
        "help",
        "batch '[[\"kv.get\", [\"k\"]]]'",
        "call kv.get '[\"k\"]'",
    };
    static const char *const no[] = {
        "auth x",
        "server auth x",
        "server.auth x",
        "cairn auth x",
        "hello --auth x",
        "server hello",
        "'auth' x",
        "a\"ut\"h x",
        "call server.auth '[\"x\"]'",
        "call hello '{\"AUTH\": \"x\"}'",
        "batch '[[\"auth\", [\"x\"]]]'",
        "cairn -u cairn://x@host ping",
        "my token is x",
        "kv get 'open",
    };
    for (size_t i = 0; i < LENGTH_OF(yes); i++)
        if (!history_is_public(bytes_of(yes[i])))
            fail_msg("not written: %s", yes[i]);
    for (size_t i = 0; i < LENGTH_OF(no); i++)
        if (history_is_public(bytes_of(no[i])))
            fail_msg("written: %s", no[i]);
    assert_false(history_is_public((struct bytes){(const uint8_t *)"a\0b", 3}));
}

static void path(void **state)
{
    (void)state;
    char text[HISTORY_PATH_BYTES];
    setenv("HOME", "/home/ada", 1);
    setenv("XDG_STATE_HOME", "/state", 1);
    assert_true(history_path(text));
    assert_string_equal(text, "/state/cairn/history");
    setenv("XDG_STATE_HOME", "relative", 1);
    assert_true(history_path(text));
    assert_string_equal(text, "/home/ada/.local/state/cairn/history");
    unsetenv("XDG_STATE_HOME");
    assert_true(history_path(text));
    unsetenv("HOME");
    assert_false(history_path(text));
}

static void kept(void **state)
{
    (void)state;
    char folder[] = "/tmp/cairn-history-XXXXXX", above[64], file[128], line[32];
    struct stat info;
    struct buf text;
    assert_non_null(mkdtemp(folder));
    snprintf(above, sizeof above, "%s/a", folder);
    snprintf(file, sizeof file, "%s/history", above);
    buf_init(&text);
    assert_int_equal(history_load(file, &text), 0);
    assert_int_equal(text.size, 0);
    for (int i = 0; i < HISTORY_LINES_MAX + 5; i++) {
        snprintf(line, sizeof line, "kv get %d", i);
        assert_true(history_save(file, bytes_of(line)));
    }
    assert_true(history_save(file, bytes_of("auth secret")));
    assert_int_equal(stat(file, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(stat(above, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    for (int i = 0; i < 2; i++) { /* the second time from the file that was cut */
        text.size = 0;
        assert_int_equal(history_load(file, &text), 0);
        assert_memory_equal(text.data, "kv get 5\n", 9);
        assert_memory_equal(text.data + text.size - 12, "kv get 1004\n", 12);
        assert_int_equal(stat(file, &info), 0);
        assert_int_equal(info.st_size, text.size);
        assert_int_equal(info.st_mode & 0777, 0600);
    }
    buf_deinit(&text);
    assert_int_equal(unlink(file) | rmdir(above) | rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_public),
        cmocka_unit_test(path),
        cmocka_unit_test(kept),
    };
    op_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
