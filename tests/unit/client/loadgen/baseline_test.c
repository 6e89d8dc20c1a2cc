/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/baseline: names that are no paths, folders that are made, files that are whole or
 * not there, and what is said when something is missing.
 */
#include "client/loadgen/baseline.h"

#include "client/loadgen/compare.h"
#include "common/err.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/cairn_baseline_XXXXXX", folder[sizeof root + 16];
static char detail[BASELINE_DETAIL_SIZE];
static struct baseline baseline;

static int make_root(void **state)
{
    (void)state;
    if (mkdtemp(root) == NULL)
        return -1;
    (void)snprintf(folder, sizeof folder, "%s/a/b", root);
    return 0;
}

static int remove_one(const char *path, const struct stat *is, int type, struct FTW *where)
{
    (void)is;
    (void)type;
    (void)where;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int open_with(const char *save, const char *compare)
{
    const struct options options = {
        .baseline_dir = folder, .save_baseline = save, .baseline = compare, .threshold = 5};
    return baseline_open(&baseline, &options, detail);
}

static void refused(const char *words)
{
    if (strstr(detail, words) == NULL)
        fail_msg("expected '%s' in '%s'", words, detail);
}

/* Results with one figure. */
static FILE *document(double rate)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fprintf(file,
            "{\"version\": \"2.0\", \"timestamp\": \"then\", \"results\": {\"get/d3\": "
            "{\"test\": \"get\", \"ops_per_sec\": %f, \"median_ns\": 1000, \"p99_ns\": 2000}}}",
            rate);
    rewind(file);
    return file;
}

static json_t *parsed(double rate)
{
    FILE *file = document(rate);
    json_t *json = json_loadf(file, 0, NULL);
    assert_non_null(json);
    fclose(file);
    return json;
}

static void names(void **state)
{
    (void)state;
    char path[BASELINE_PATH_SIZE], longest[5000];
    static const char *const bad[] = {"", ".", "..", "../x", "a/b", "-x", ".x", "a b", "a\n"};
    for (size_t i = 0; i < LENGTH_OF(bad); i++) {
        assert_int_equal(baseline_find(folder, bad[i], path, detail), ERR_BAD_ARGUMENT);
        refused("is no name of a baseline");
    }
    assert_int_equal(baseline_find("/x", "v1.2_a-b", path, detail), 0);
    assert_string_equal(path, "/x/v1.2_a-b.json");
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(baseline_find("/x", longest, path, detail), ERR_BAD_ARGUMENT);
    refused("too long");
}

/* The folder of the user, unless one is given. */
static void usual_folder(void **state)
{
    (void)state;
    char path[BASELINE_PATH_SIZE];
    assert_int_equal(setenv("HOME", "/home/x", 1), 0);
    assert_int_equal(setenv("XDG_STATE_HOME", "/state", 1), 0);
    assert_int_equal(baseline_find("", "n", path, detail), 0);
    assert_string_equal(path, "/state/loadgen/n.json");
    assert_int_equal(setenv("XDG_STATE_HOME", "relative", 1), 0); /* to be ignored */
    assert_int_equal(baseline_find("", "n", path, detail), 0);
    assert_string_equal(path, "/home/x/.local/state/loadgen/n.json");
    assert_int_equal(unsetenv("XDG_STATE_HOME"), 0);
    assert_int_equal(unsetenv("HOME"), 0);
    assert_int_equal(baseline_find("", "n", path, detail), ERR_BAD_ARGUMENT);
    refused("give --baseline-dir");
}

static void nothing_wanted(void **state)
{
    (void)state;
    assert_int_equal(open_with("", ""), 0);
    assert_false(baseline_wanted(&baseline));
    assert_int_equal(access(folder, F_OK), -1);
    baseline_close(&baseline);
}

/* What is saved is found again, and compares. */
static void round_trip(void **state)
{
    (void)state;
    char path[BASELINE_PATH_SIZE], *text = NULL;
    size_t size;
    assert_int_equal(open_with("one", ""), 0);
    assert_true(baseline_wanted(&baseline));
    FILE *file = document(1000);
    json_t *new = parsed(500);
    assert_int_equal(baseline_compare(&baseline, new, stderr), 0); /* nothing to compare with */
    assert_int_equal(baseline_save(&baseline, file, detail), 0);
    baseline_close(&baseline);
    fclose(file);
    assert_int_equal(baseline_find(folder, "one", path, detail), 0);
    assert_int_equal(access(path, R_OK), 0);
    (void)snprintf(path, sizeof path, "%s/one.json.new", folder);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(open_with("", "one"), 0);
    FILE *out = open_memstream(&text, &size);
    int status = baseline_compare(&baseline, new, out);
    json_decref(new);
    fclose(out);
    baseline_close(&baseline);
    assert_true(status == COMPARE_REGRESSION || status == COMPARE_INVALID); /* it is one run each */
    assert_non_null(strstr(text, "old: baseline one, then\n"));
    assert_non_null(strstr(text, "get/d3"));
    free(text);
}

/* Saving again replaces the old one; what is not JSON is said before anything is measured. */
static void replaced(void **state)
{
    (void)state;
    FILE *file = document(2000);
    assert_int_equal(open_with("one", "one"), 0);
    assert_int_equal(baseline_save(&baseline, file, detail), 0);
    baseline_close(&baseline);
    fclose(file);
    assert_int_equal(open_with("", "one"), 0);
    const json_t *results = json_object_get(baseline.old, "results");
    const json_t *rate = json_object_get(json_object_get(results, "get/d3"), "ops_per_sec");
    assert_true(json_number_value(rate) == 2000);
    baseline_close(&baseline);
    file = tmpfile();
    fputs("{", file);
    rewind(file);
    assert_int_equal(open_with("half", ""), 0);
    assert_int_equal(baseline_save(&baseline, file, detail), 0);
    baseline_close(&baseline);
    fclose(file);
    assert_int_not_equal(open_with("", "half"), 0);
    refused("--baseline: ");
    baseline_close(&baseline);
}

static void missing(void **state)
{
    (void)state;
    assert_int_equal(open_with("", "two"), ERR_IO);
    refused("there is no baseline two in ");
    refused("--save-baseline");
    refused("one");
    baseline_close(&baseline);
    assert_int_equal(open_with("a/b", ""), ERR_BAD_ARGUMENT);
    refused("is no name");
    baseline_close(&baseline);
}

/* A place that cannot be written is refused before anything is measured. */
static void no_place(void **state)
{
    (void)state;
    const struct options options = {
        .baseline_dir = "/dev/null/x", .save_baseline = "one", .baseline = ""};
    assert_int_equal(baseline_open(&baseline, &options, detail), ERR_IO);
    refused("cannot write /dev/null/x");
    baseline_close(&baseline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),          cmocka_unit_test(usual_folder),
        cmocka_unit_test(nothing_wanted), cmocka_unit_test(round_trip),
        cmocka_unit_test(replaced),       cmocka_unit_test(missing),
        cmocka_unit_test(no_place),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
