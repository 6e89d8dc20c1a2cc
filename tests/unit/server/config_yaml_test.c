/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/config_yaml: which files are refused, with what words, and a good one.
 */
#include "server/config.h"

#include "common/err.h"
#include "common/log.h"
#include "tests/unit/server/config_fixture.h"

struct bad {
    const char *yaml;
    int err;
    const char *message;
};

/* Refused with these words, and nothing has changed. */
static void assert_bad(const struct bad *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct config *config = config_create();
        struct config *fresh = config_create();
        struct err_detail detail = {"nothing"};
        int err = load(config, rows[i].yaml, &detail);
        assert_string_equal(detail.text, rows[i].message);
        assert_int_equal(err, rows[i].err);
        assert_int_equal(load(config, rows[i].yaml, NULL), err);
        assert_same(config, fresh);
        config_destroy(config);
        config_destroy(fresh);
    }
}

#define SECTIONS "must be sections, as cairnd --print-config shows them"
#define SINGLE   "must be a single value, not a list or a mapping"

static void bad_shapes(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"", ERR_BAD_ARGUMENT, "f:1: the file is empty"},
        {"# nothing\n", ERR_BAD_ARGUMENT, "f:2: the file is empty"},
        {"---\n", ERR_BAD_ARGUMENT, "f:2: the document is empty"},
        {"4", ERR_BAD_ARGUMENT, "f:1: " SECTIONS},
        {"- server", ERR_BAD_ARGUMENT, "f:1: " SECTIONS},
        {"server:\n  loops: 4\n---\nserver:\n  loops: 5\n", ERR_BAD_ARGUMENT,
         "f:3: a second document is not allowed"},
        {"server: 4", ERR_BAD_ARGUMENT,
         "f:1: server: must hold options, each on a line of its own, indented"},
        {"server: [4]", ERR_BAD_ARGUMENT,
         "f:1: server: must hold options, each on a line of its own, indented"},
        {"? [server]\n: 4", ERR_BAD_ARGUMENT, "f:1: the name of a section must be a text"},
        {"server:\n  ? {a: b}\n  : 4", ERR_BAD_ARGUMENT,
         "f:2: server: the name of an option must be a text"},
        {"server:\n  loops: [4]\n", ERR_BAD_ARGUMENT, "f:2: server.loops: " SINGLE},
        {"server:\n  loops:\n    a: 4\n", ERR_BAD_ARGUMENT, "f:3: server.loops: " SINGLE},
        {"server:\n  loops: &a 4\n", ERR_BAD_ARGUMENT, "f:2: anchors are not allowed here"},
        {"server: &a\n  loops: 4\n", ERR_BAD_ARGUMENT, "f:1: anchors are not allowed here"},
        {"server:\n  loops: *a\n", ERR_BAD_ARGUMENT, "f:2: aliases are not allowed here"},
        {"server:\n  loops: !!int 4\n", ERR_BAD_ARGUMENT, "f:2: tags are not allowed here"},
        {"server: !x\n  loops: 4\n", ERR_BAD_ARGUMENT, "f:1: tags are not allowed here"},
        {"data:\n  dir: \"a\\0b\"\n", ERR_BAD_ARGUMENT, "f:2: a NUL character is not allowed here"},
        {"server:\n  loops: 4\n  loops: 4\n", ERR_BAD_ARGUMENT, "f:3: server.loops: is set twice"},
        {"server:\n  loops: 4\nserver:\n  drain_ms: 4\n", ERR_BAD_ARGUMENT,
         "f:3: server: the section is there twice"},
        {"server:\n\tloops: 4\n", ERR_BAD_ARGUMENT,
         "f:2: not valid YAML: found character that cannot start any token"},
        {"server:\n  loops: \"4\n", ERR_BAD_ARGUMENT,
         "f:3: not valid YAML: found unexpected end of stream"},
        {"server:\n  loops: 4\n  \xff: 4\n", ERR_BAD_ARGUMENT,
         "f:3: not valid YAML: invalid leading UTF-8 octet"},
        {"%YAML 1.1\n%TAG !a! b\n---\nserver: {}\n", ERR_BAD_ARGUMENT,
         "f:2: %TAG is not allowed here"},
        {"\xef\xbb\xbf%TAG !a! b\n---\nserver: {}\n", ERR_BAD_ARGUMENT,
         "f:1: %TAG is not allowed here"},
        {"{{{{{{{{{{{{{{{{", ERR_BAD_ARGUMENT, "f:1: the name of a section must be a text"},
    };
    assert_bad(rows, LENGTH_OF(rows));
}

static void bad_names(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"server:\n  loop: 4\n", ERR_NOT_FOUND,
         "f:2: server.loop: unknown option; did you mean server.loops?"},
        {"log:\n  lvel: info\n", ERR_NOT_FOUND,
         "f:2: log.lvel: unknown option; did you mean log.level?"},
        {"memory:\n  dir: x\n", ERR_NOT_FOUND,
         "f:2: memory.dir: unknown option; did you mean data.dir?"},
        {"server:\n  colour: blue\n", ERR_NOT_FOUND,
         "f:2: server.colour: unknown option; cairnd --print-config lists all"},
        {"sever:\n  loops: 4\n", ERR_NOT_FOUND,
         "f:1: sever: unknown section; did you mean server?"},
        {"replication:\n  loops: 4\n", ERR_NOT_FOUND,
         "f:1: replication: unknown section; cairnd --print-config lists all"},
        {"server:\n  <<: 4\n", ERR_NOT_FOUND,
         "f:2: server.<<: unknown option; cairnd --print-config lists all"},
        {"server:\n  \"lo\\e[2J\": 4\n", ERR_NOT_FOUND,
         "f:2: server.lo?[2J: unknown option; cairnd --print-config lists all"},
    };
    assert_bad(rows, LENGTH_OF(rows));
}

static void bad_values(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"limits:\n  connections: abc\n", ERR_BAD_ARGUMENT,
         "f:2: limits.connections: 'abc' is not a number between 4 and 1000000"},
        {"limits:\n  connections: 3\n", ERR_BAD_ARGUMENT,
         "f:2: limits.connections: '3' is not a number between 4 and 1000000"},
        {"limits:\n  connections: 1000001\n", ERR_BAD_ARGUMENT,
         "f:2: limits.connections: '1000001' is not a number between 4 and 1000000"},
        {"limits:\n  connections: 99999999999999999999\n", ERR_BAD_ARGUMENT,
         "f:2: limits.connections: '99999999999999999999' is not a number between 4 and 1000000"},
        {"limits:\n  connections: 4KiB\n", ERR_BAD_ARGUMENT,
         "f:2: limits.connections: '4KiB' is not a number between 4 and 1000000"},
        {"limits:\n  frame_bytes: 2GiB\n", ERR_BAD_ARGUMENT,
         "f:2: limits.frame_bytes: '2GiB' is not a size between 1KiB and 1GiB (units: B, KiB, MiB, "
         "GiB, TiB)"},
        {"limits:\n  frame_bytes: 16MB\n", ERR_BAD_ARGUMENT,
         "f:2: limits.frame_bytes: '16MB' is not a size between 1KiB and 1GiB (units: B, KiB, MiB, "
         "GiB, TiB)"},
        {"limits:\n  login_ms: 1 s\n", ERR_BAD_ARGUMENT,
         "f:2: limits.login_ms: '1 s' is not a duration between 100ms and 1h (units: ms, s, m, h, "
         "d)"},
        {"listen:\n  unix_mode: 0999\n", ERR_BAD_ARGUMENT,
         "f:2: listen.unix_mode: '0999' is not an octal mode between 0000 and 0777"},
        {"listen:\n  unix_mode: 07777\n", ERR_BAD_ARGUMENT,
         "f:2: listen.unix_mode: '07777' is not an octal mode between 0000 and 0777"},
        {"memory:\n  policy: lru\n", ERR_BAD_ARGUMENT,
         "f:2: memory.policy: 'lru' is not one of refuse, evict"},
        {"memory:\n  policy: refuse|evict\n", ERR_BAD_ARGUMENT,
         "f:2: memory.policy: 'refuse|evict' is not one of refuse, evict"},
        {"memory:\n  policy: \"\"\n", ERR_BAD_ARGUMENT,
         "f:2: memory.policy: '' is not one of refuse, evict"},
        {"data:\n  dir: \"a\\nb\"\n", ERR_BAD_ARGUMENT,
         "f:2: data.dir: 'a?b' is not a text of at most 1024 bytes, all printable ASCII"},
        {"data:\n  dir:\n", ERR_BAD_ARGUMENT,
         "f:2: data.dir: has no value; an empty text is written \"\""},
        {"data:\n  dir: null\n", ERR_BAD_ARGUMENT,
         "f:2: data.dir: has no value; an empty text is written \"\""},
        {"server:\n  loops: 4\nlog:\n  level: loud\n", ERR_BAD_ARGUMENT,
         "f:4: log.level: 'loud' is not one of error, warn, notice, info, debug"},
    };
    assert_bad(rows, LENGTH_OF(rows));
}

static void bad_bytes(void **state)
{
    static const char nul[] = "server:\n  loops: 4\n\0";
    struct err_detail detail;
    assert_int_equal(config_load_memory(*state, nul, sizeof(nul), "f", &detail), ERR_BAD_ARGUMENT);
    assert_string_equal(detail.text, "f:3: a NUL byte is not allowed here");
    assert_int_equal(config_load_memory(*state, NULL, 0, "f", &detail), ERR_BAD_ARGUMENT);
    assert_string_equal(detail.text, "f:1: the file is empty");

    char *big = test_malloc(CONFIG_FILE_SIZE_MAX + 1);
    memset(big, '\n', CONFIG_FILE_SIZE_MAX + 1);
    memcpy(big, "server:\n  loops: 4", 18);
    assert_int_equal(config_load_memory(*state, big, CONFIG_FILE_SIZE_MAX, "f", &detail), 0);
    assert_int_equal(config_load_memory(*state, big, CONFIG_FILE_SIZE_MAX + 1, "f", &detail),
                     ERR_LIMIT_EXCEEDED);
    assert_string_equal(detail.text, "f:1: the file is larger than 1MiB");
    test_free(big);
}

static void bad_files(void **state)
{
    struct err_detail detail;
    assert_int_equal(config_load_file(*state, "/nonexistent", &detail), ERR_IO);
    assert_string_equal(detail.text, "/nonexistent: cannot open: No such file or directory");
    assert_int_equal(config_load_file(*state, "/", &detail), ERR_IO);
    assert_string_equal(detail.text, "/: cannot read: Is a directory");
    assert_int_equal(config_load_file(*state, "/dev/zero", &detail), ERR_LIMIT_EXCEEDED);
}

static void good_file(void **state)
{
    struct config *config = *state;
    struct err_detail detail = {""};
    int err = load(config,
                   "%YAML 1.1\n---\n"
                   "listen: {rpc: '127.0.0.1:1, [::1]:2,/s', unix_mode: 600}\n"
                   "server:\n  loops: 4\n  drain_ms: 1m\n"
                   "memory:\n  limit: \"2GiB\"\n  policy: evict\n"
                   "data: {dir: \"100%TAG\"}\n"
                   "auth: # all of it is commented out\n"
                   "log:\n  level: debug\n"
                   "limits:\n  connections: 100\n  frame_bytes: 32MiB\n  idle_ms: 7d\n...\n",
                   &detail);
    assert_string_equal(detail.text, "");
    assert_int_equal(err, 0);
    assert_string_equal(config_text(config, OPTION_data_dir), "100%TAG");
    assert_string_equal(config_text(config, OPTION_listen_rpc), "127.0.0.1:1, [::1]:2,/s");
    assert_int_equal(config_int(config, OPTION_listen_unix_mode), 0600);
    assert_int_equal(config_int(config, OPTION_server_loops), 4);
    assert_int_equal(config_int(config, OPTION_server_drain_ms), 60000);
    assert_int_equal(config_int(config, OPTION_memory_limit), INT64_C(2) << 30);
    assert_int_equal(config_enum(config, OPTION_memory_policy), MEMORY_POLICY_EVICT);
    assert_int_equal(config_enum(config, OPTION_log_level), LOG_LEVEL_DEBUG);
    struct limits limits = config_limits(config);
    assert_int_equal(limits.connections, 100);
    assert_int_equal(limits.frame_bytes, 32 << 20);
    assert_int_equal(limits.idle_ms, 604800000);
    assert_int_equal(limits.key_bytes, limits_default().key_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bad_shapes), TEST(bad_names), TEST(bad_values),
        TEST(bad_bytes),  TEST(bad_files), TEST(good_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
