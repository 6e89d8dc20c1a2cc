/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/config: the table, precedence, changes at run time, reload, and that what print_config
 * writes can be loaded. Files and rules have tests of their own.
 */
#include "server/config.h"

#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"
#include "server/config_impl.h"
#include "server/print.h"
#include "tests/unit/server/config_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The table itself: defaults pass their own checks, limits have the types their names say. */
static void table_is_sound(void **state)
{
    struct limits limits = config_limits(*state);
    struct limits expected = limits_default();
    assert_memory_equal(&limits, &expected, sizeof(limits));
    assert_int_equal(config_check(*state, NULL), 0);
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        struct config_option option = config_option(id);
        struct config_value value = {0, NULL};
        char text[CONFIG_VALUE_SIZE];
        config_format_default(id, text);
        assert_value(*state, id, text);
        assert_int_equal(config_value_parse(&option, text, &value, NULL), 0);
        mem_free(value.text);
        assert_int_equal(config_find(option.name), id);
        assert_true(strlen(option.text) > 0);
        assert_true(option.max < CONFIG_VALUE_SIZE || option.type != OPTION_TYPE_TEXT);
    }
    assert_int_equal(config_option(OPTION_limits_frame_bytes).type, OPTION_TYPE_BYTES);
    assert_int_equal(config_option(OPTION_limits_idle_ms).type, OPTION_TYPE_DURATION);
    assert_int_equal(config_option(OPTION_limits_items).type, OPTION_TYPE_INT);
    assert_int_equal(config_find("server"), OPTION_COUNT);
    assert_int_equal(config_find(""), OPTION_COUNT);
}

/* The enums of the words are in their order. */
static void words_are_enums(void **state)
{
    struct config *config = *state;
    assert_value(config, OPTION_durability_mode, "auto");
    assert_int_equal(config_enum(config, OPTION_durability_mode), DURABILITY_AUTO);
    set(config, "durability.mode=memory");
    assert_int_equal(config_enum(config, OPTION_durability_mode), DURABILITY_MEMORY);
    set(config, "durability.mode=buffered");
    assert_int_equal(config_enum(config, OPTION_durability_mode), DURABILITY_BUFFERED);
    set(config, "durability.mode=strict");
    assert_int_equal(config_enum(config, OPTION_durability_mode), DURABILITY_STRICT);
    set(config, "memory.policy=refuse");
    assert_int_equal(config_enum(config, OPTION_memory_policy), MEMORY_POLICY_REFUSE);
    static const char *const levels[] = {"error", "warn", "notice", "info", "debug"};
    for (unsigned level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "log.level=%s", levels[level]);
        set(config, text);
        assert_int_equal(config_enum(config, OPTION_log_level), level);
    }
}

/* There is no BOOL option yet, but the type works. */
static void bool_type(void **state)
{
    (void)state;
    struct config_option option = {.name = "a.b", .type = OPTION_TYPE_BOOL, .min = 0, .max = 1};
    struct config_value value = {7, NULL};
    struct err_detail detail;
    char text[CONFIG_VALUE_SIZE];
    assert_int_equal(config_value_parse(&option, "yes", &value, &detail), 0);
    config_value_format(&option, &value, text);
    assert_string_equal(text, "true");
    assert_int_equal(config_value_parse(&option, "1", &value, &detail), ERR_BAD_ARGUMENT);
    assert_string_equal(detail.text, "a.b: '1' is not true or false");
}

static void overrides_win(void **state)
{
    struct config *config = *state;
    struct err_detail detail;
    set(config, "server.loops=8");
    set(config, "data.dir=a=b");
    assert_int_equal(load(config, "server:\n  loops: 4\n  drain_ms: 1s\n", &detail), 0);
    assert_value(config, OPTION_server_loops, "8");
    assert_value(config, OPTION_server_drain_ms, "1s");
    assert_value(config, OPTION_data_dir, "a=b");
    assert_int_equal(load(config, "server:\n  loops: x\n", &detail), ERR_BAD_ARGUMENT);
    assert_string_equal(detail.text, "f:2: server.loops: 'x' is not a number between 0 and 256");
    set(config, "server.loops=9");
    assert_value(config, OPTION_server_loops, "9");
}

static void bad_overrides(void **state)
{
    static const struct {
        const char *assignment;
        int err;
        const char *message;
    } rows[] = {
        {"server.loops", ERR_BAD_ARGUMENT,
         "server.loops: not an assignment; write it like server.loops=4"},
        {"", ERR_BAD_ARGUMENT, ": not an assignment; write it like server.loops=4"},
        {"=4", ERR_NOT_FOUND, ": unknown option; cairnd --print-config lists all"},
        {"loops=4", ERR_NOT_FOUND, "loops: unknown option; did you mean server.loops?"},
        {"server.loops =4", ERR_NOT_FOUND,
         "server.loops : unknown option; did you mean server.loops?"},
        {"server.loops= 4", ERR_BAD_ARGUMENT,
         "server.loops: ' 4' is not a number between 0 and 256"},
        {"server.loops=", ERR_BAD_ARGUMENT, "server.loops: '' is not a number between 0 and 256"},
    };
    struct config *fresh = config_create();
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct err_detail detail;
        assert_int_equal(config_override(*state, rows[i].assignment, &detail), rows[i].err);
        assert_string_equal(detail.text, rows[i].message);
    }
    assert_same(*state, fresh);
    config_destroy(fresh);
}

static void change_keeps_rules(void **state)
{
    struct config *config = *state;
    struct err_detail detail;
    assert_int_equal(config_change(config, "limits.connections", "77", &detail), 0);
    assert_int_equal(config_limits(config).connections, 77);
    assert_int_equal(config_change(config, "limits.connections", "0", &detail), ERR_BAD_ARGUMENT);
    assert_int_equal(config_change(config, "server.loops", "4", &detail), ERR_UNSUPPORTED);
    assert_int_equal(config_change(config, "server.loop", "4", &detail), ERR_NOT_FOUND);
    assert_int_equal(config_change(config, "memory.policy", "evict", &detail), ERR_BAD_ARGUMENT);
    assert_value(config, OPTION_memory_policy, "refuse");
    assert_int_equal(config_change(config, "memory.limit", "1MiB", &detail), 0);
    assert_int_equal(config_change(config, "memory.policy", "evict", &detail), 0);
    assert_int_equal(config_change(config, "memory.limit", "0", &detail), ERR_BAD_ARGUMENT);
    assert_value(config, OPTION_memory_limit, "1MiB");
}

/* A file with this text; the caller removes it. */
static void write_file(char path[static 32], const char *text)
{
    (void)snprintf(path, 32, "/tmp/cairn-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int reload(struct config *config, const char *yaml, struct config_changes *out_changes,
                  struct err_detail *out_detail)
{
    char path[32];
    write_file(path, yaml);
    int err = config_reload(config, path, out_changes, out_detail);
    unlink(path);
    return err;
}

static void reload_takes_what_it_may(void **state)
{
    struct config *config = *state;
    struct config_changes changes;
    struct err_detail detail = {""};
    set(config, "limits.items=100");
    assert_int_equal(load(config, "limits:\n  runs: 5\n  nesting: 18\n", NULL), 0);
    assert_int_equal(config_change(config, "limits.items", "200", NULL), 0);
    assert_int_equal(config_change(config, "limits.nesting", "19", NULL), 0);
    int err = reload(config,
                     "server: {loops: 4, drain_ms: 1s}\nlimits: {nesting: 18, items: 300}\n"
                     "auth: {file: /x}\n",
                     &changes, &detail);
    assert_string_equal(detail.text, "");
    assert_int_equal(err, 0);
    assert_value(config, OPTION_server_drain_ms, "1s");  /* new in the file */
    assert_value(config, OPTION_limits_runs, "1000000"); /* gone from the file */
    assert_value(config, OPTION_limits_nesting, "18");   /* changed by hand, now as in file */
    assert_value(config, OPTION_limits_items, "100");    /* by hand, now as overridden */
    assert_value(config, OPTION_server_loops, "0");      /* needs a restart */
    assert_value(config, OPTION_auth_file, "");
    assert_int_equal(changes.n_restart, 2);
    assert_int_equal(changes.restart[0], OPTION_server_loops);
    assert_int_equal(changes.restart[1], OPTION_auth_file);
    assert_int_equal(changes.n_applied, 4);
    assert_int_equal(changes.applied[0], OPTION_server_drain_ms);
    assert_int_equal(config_reload(config, NULL, &changes, &detail), 0);
    assert_value(config, OPTION_limits_items, "100");
    assert_value(config, OPTION_server_drain_ms, "5s");
    assert_int_equal(changes.n_restart, 0);
}

static void bad_reload_changes_nothing(void **state)
{
    struct config *config = *state;
    struct config *before = config_create();
    struct config_changes changes = {.n_applied = 99};
    struct err_detail detail;
    static const char *const files[] = {
        "limits:\n  runs: 5\n  nesting: 99\n",
        "limits:\n  runs: 5\nmemory:\n  policy: evict\n",
        "limits:\n  runs: 5\nlisten:\n  rpc: 0.0.0.0:1\n",
    };
    for (size_t i = 0; i < LENGTH_OF(files); i++) {
        assert_int_equal(reload(config, files[i], &changes, &detail), ERR_BAD_ARGUMENT);
        assert_same(config, before);
        assert_int_equal(changes.n_applied, 99);
    }
    assert_int_equal(config_reload(config, "/nonexistent", &changes, &detail), ERR_IO);
    config_destroy(before);
}

/* The file is good by itself, but not with the mode that is in force until a restart. */
static void reload_checks_what_is_in_force(void **state)
{
    struct config *config = *state;
    struct config_changes changes;
    struct err_detail detail;
    assert_int_equal(load(config, "durability:\n  mode: strict\n", NULL), 0); /* not checked yet */
    assert_int_equal(reload(config, "limits:\n  runs: 5\n", &changes, &detail), ERR_BAD_ARGUMENT);
    assert_value(config, OPTION_limits_runs, "1000000");
}

/* What print_config writes for `config`, in static memory. */
static const char *printed(const struct config *config)
{
    static char text[65536];
    memset(text, 0, sizeof(text));
    FILE *file = fmemopen(text, sizeof(text), "w");
    assert_non_null(file);
    assert_int_equal(print_config(file, config), 0);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void printed_file_is_loadable(void **state)
{
    struct config *config = *state;
    struct config *back = config_create();
    struct err_detail detail = {""};
    assert_int_equal(load(back, printed(config), &detail), 0);
    assert_same(back, config);
    set(config, "data.dir=a\"b\\c # d: e");
    set(config, "server.loops=7");
    set(config, "memory.policy=evict");
    set(config, "listen.unix_mode=0007");
    set(config, "limits.idle_ms=1234");
    assert_int_equal(load(back, printed(config), &detail), 0);
    assert_string_equal(detail.text, "");
    assert_same(back, config);
    config_destroy(back);
}

static void printed_lines_fit(void **state)
{
    for (const char *at = printed(*state); *at != '\0';) {
        size_t size = strcspn(at, "\n");
        assert_true(size <= 100);
        at += size + 1;
    }
}

static void full_disk_is_reported(void **state)
{
    FILE *full = fopen("/dev/full", "w");
    if (full == NULL)
        skip();
    assert_int_equal(print_config(full, *state), ERR_IO);
    assert_int_equal(print_config_markdown(full), ERR_IO);
    fclose(full);
    full = fopen("/dev/full", "w");
    setvbuf(full, NULL, _IONBF, 0); /* then the flush at the end finds nothing to do */
    assert_int_equal(print_errors(full), ERR_IO);
    fclose(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(table_is_sound),
        TEST(words_are_enums),
        TEST(bool_type),
        TEST(overrides_win),
        TEST(bad_overrides),
        TEST(change_keeps_rules),
        TEST(reload_takes_what_it_may),
        TEST(bad_reload_changes_nothing),
        TEST(reload_checks_what_is_in_force),
        TEST(printed_file_is_loadable),
        TEST(printed_lines_fit),
        TEST(full_disk_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
