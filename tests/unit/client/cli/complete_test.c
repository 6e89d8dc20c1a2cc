/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/cli/complete: command lines, the last word of which is to be completed, and the names that
 * are offered. Every operation and option of the table is reached.
 */
#include "client/cli/complete.h"

#include "client/cli/args.h"
#include "client/cli/help.h"
#include "client/common/words.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Complete the last word of the line, which ends in a bar: "kv g|". Release *out. */
static void complete(enum complete_where where, const char *line, struct complete *out)
{
    struct words words;
    size_t n = strlen(line) - 1;
    assert_int_equal(line[n], '|');
    assert_int_equal(words_split((struct bytes){(const uint8_t *)line, n}, &words), 0);
    int before = words.argc - (words.inside ? 1 : 0);
    assert_int_equal(
        complete_find(where, before, words.argv, words.inside ? words.argv[before] : "", out), 0);
    words_deinit(&words);
}

/* The names, separated by blanks. */
static void check(enum complete_where where, const char *line, const char *expected)
{
    struct complete found;
    complete(where, line, &found);
    for (size_t i = 0; i < found.names.size; i++)
        if (found.names.data[i] == 0)
            found.names.data[i] = ' ';
    if (!bytes_equal(buf_bytes(&found.names), bytes_of(expected)))
        fail_msg("%s: %.*s", line, (int)found.names.size, (const char *)found.names.data);
    complete_deinit(&found);
}

static void lines(void **state)
{
    (void)state;
    check(COMPLETE_LINE, "k|", "kv ");
    check(COMPLETE_LINE, "kv g|", "get ");
    check(COMPLETE_LINE, "kv m|", "mget mput mdel ");
    check(COMPLETE_LINE, "kv get|", "get ");
    check(COMPLETE_LINE, "kv get |", "");
    check(COMPLETE_LINE, "kv nope |", "");
    check(COMPLETE_LINE, "nope |", "");
    check(COMPLETE_LINE, "kv.m|", "kv.mget kv.mput kv.mdel ");
    check(COMPLETE_LINE, "kv.get k --w|", "--with-version ");
    check(COMPLETE_LINE, "kv get k --with-version --w|", "");
    check(COMPLETE_LINE, "kv put k v --if-version=3 --if-v|", "--if-value ");
    check(COMPLETE_LINE, "kv put k v --ttl |", "");
    check(COMPLETE_LINE, "kv put k v --ttl-ms -|", "");
    check(COMPLETE_LINE, "kv put k v --timeout -|", "");
    check(COMPLETE_LINE, "kv put k v --js|", "--json --json-in ");
    check(COMPLETE_LINE, "help k|", "kv ");
    check(COMPLETE_LINE, "help kv pu|", "put ");
    check(COMPLETE_LINE, "call server.p|", "server.ping ");
    check(COMPLETE_LINE, "call kv.get |", "");
    check(COMPLETE_LINE, "server stats --op run.|", "run.use run.list run.drop ");
    check(COMPLETE_LINE, "qu|", "quit ");
    check(COMPLETE_LINE, "--so|", "");
    check(COMPLETE_SHELL, "qu|", "");
    check(COMPLETE_SHELL, "--so|", "--socket ");
    check(COMPLETE_SHELL, "--complete|", "");
    check(COMPLETE_SHELL, "-p |", "");
    check(COMPLETE_SHELL, "-p 1 --run r kv pu|", "put ");
    check(COMPLETE_SHELL, "--bad=3 -p notanumber kv pu|", "put ");
    check(COMPLETE_SHELL, "--stat 2s --cou|", "--count ");
}

static bool offers(const char *line, const char *name)
{
    struct complete found;
    complete(COMPLETE_SHELL, line, &found);
    const char *at = (const char *)found.names.data;
    bool offered = false;
    for (unsigned i = 0; i < found.count; i++, at += strlen(at) + 1)
        offered = offered || strcmp(at, name) == 0;
    complete_deinit(&found);
    return offered;
}

static void whole_table(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        struct help_name name = help_split(op_table[i].name);
        char line[128], option[OP_NAME_MAX + 3], bare[OP_NAME_MAX + 1];
        snprintf(line, sizeof line, "%s|", name.group[0] != 0 ? name.group : name.verb);
        assert_true(offers(line, name.group[0] != 0 ? name.group : name.verb));
        snprintf(line, sizeof line, "%s |", name.group);
        assert_true(name.group[0] == 0 || offers(line, name.verb));
        snprintf(line, sizeof line, "%s %s -|", name.group, name.verb);
        for (unsigned k = op_table[i].n_positional; args_desc(&op_table[i], k) != NULL; k++) {
            args_option_name(args_desc(&op_table[i], k), true, bare);
            snprintf(option, sizeof option, "--%s", bare);
            assert_true(offers(line, option));
        }
    }
}

static void common(void **state)
{
    (void)state;
    struct complete found;
    complete(COMPLETE_LINE, "kv put k v --if|", &found);
    assert_int_equal(found.count, 4);
    assert_int_equal(complete_common(&found), strlen("--if-"));
    complete_deinit(&found);
    complete(COMPLETE_LINE, "kv nope|", &found);
    assert_int_equal(complete_common(&found), 0);
    complete_deinit(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(whole_table),
        cmocka_unit_test(common),
    };
    op_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
