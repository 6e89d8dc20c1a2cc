/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keeps results under names.
 *
 * How: a baseline is written beside its place and renamed, so that there is the old one or the new
 * one, whole. A name is a plain word, so that it stays in its folder.
 *
 * Invariants: nothing but NAME.json and NAME.json.new is ever written.
 * Threads: the main thread. Failures: a sentence; before measuring where that is possible.
 */
#include "client/loadgen/baseline.h"

#include "client/loadgen/compare.h"
#include "client/loadgen/files.h"
#include "client/loadgen/load.h"
#include "common/err.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char baseline_letters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

static int baseline_check_name(const char *name, char *out_detail)
{
    if (name[0] != 0 && name[0] != '.' && name[0] != '-' &&
        name[strspn(name, baseline_letters)] == 0)
        return 0;
    (void)snprintf(out_detail, BASELINE_DETAIL_SIZE,
                   "'%.64s' is no name of a baseline: take letters, digits, '.', '_' and '-', and "
                   "begin with a letter or digit; the folder is --baseline-dir",
                   name);
    return ERR_BAD_ARGUMENT;
}

/* The folder that was given, or the one of the user. 0 or ERR_BAD_ARGUMENT. */
static int baseline_folder(const char *given, char *out_folder, char *out_detail)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int size;
    if (given[0] != 0)
        size = snprintf(out_folder, BASELINE_PATH_SIZE, "%s", given);
    else if (state != NULL && state[0] == '/')
        size = snprintf(out_folder, BASELINE_PATH_SIZE, "%s/loadgen", state);
    else if (home != NULL && home[0] == '/')
        size = snprintf(out_folder, BASELINE_PATH_SIZE, "%s/.local/state/loadgen", home);
    else
        size = BASELINE_PATH_SIZE;
    if (size < BASELINE_PATH_SIZE)
        return 0;
    (void)snprintf(out_detail, BASELINE_DETAIL_SIZE,
                   "neither XDG_STATE_HOME nor HOME says where baselines are kept: give "
                   "--baseline-dir");
    return ERR_BAD_ARGUMENT;
}

/* FOLDER/NAME and a suffix. 0 or ERR_BAD_ARGUMENT. */
static int baseline_path(const char *folder, const char *name, const char *suffix, char *out_path,
                         char *out_detail)
{
    int size = snprintf(out_path, BASELINE_PATH_SIZE, "%s/%s%s", folder, name, suffix);
    if (size < BASELINE_PATH_SIZE)
        return 0;
    (void)snprintf(out_detail, BASELINE_DETAIL_SIZE, "the path of the baseline is too long");
    return ERR_BAD_ARGUMENT;
}

int baseline_find(const char *folder, const char *name, char out_path[static BASELINE_PATH_SIZE],
                  char out_detail[static BASELINE_DETAIL_SIZE])
{
    char place[BASELINE_PATH_SIZE];
    int err = baseline_check_name(name, out_detail);
    if (err == 0)
        err = baseline_folder(folder, place, out_detail);
    return err != 0 ? err : baseline_path(place, name, ".json", out_path, out_detail);
}

/* ---- before ---- */

/* "; there are: a, b" behind the sentence, as far as there is room. */
static void baseline_list(const char *folder, char *detail)
{
    size_t used = strlen(detail);
    const char *before = "; there are: ";
    DIR *names = opendir(folder);
    if (names == NULL)
        return;
    for (const struct dirent *name = readdir(names); name != NULL; name = readdir(names)) {
        size_t size = strlen(name->d_name);
        if (size <= 5 || strcmp(name->d_name + size - 5, ".json") != 0 ||
            used + strlen(before) + size >= BASELINE_DETAIL_SIZE)
            continue;
        used += (size_t)snprintf(detail + used, BASELINE_DETAIL_SIZE - used, "%s%.*s", before,
                                 (int)size - 5, name->d_name);
        before = ", ";
    }
    closedir(names);
}

static int baseline_read(struct baseline *baseline, char *out_detail)
{
    char path[BASELINE_PATH_SIZE], wrong[LOAD_DETAIL_SIZE];
    int err = baseline_find(baseline->folder, baseline->compare, path, out_detail);
    if (err != 0)
        return err;
    if (access(path, F_OK) != 0) {
        (void)snprintf(out_detail, BASELINE_DETAIL_SIZE,
                       "there is no baseline %s in %.150s (make it with --save-baseline)",
                       baseline->compare, baseline->folder);
        baseline_list(baseline->folder, out_detail);
        return ERR_IO;
    }
    err = load_results(path, &baseline->old, wrong);
    if (err != 0)
        (void)snprintf(out_detail, BASELINE_DETAIL_SIZE, "--baseline: %s", wrong);
    return err;
}

static int baseline_cannot(const char *path, char *out_detail)
{
    (void)snprintf(out_detail, BASELINE_DETAIL_SIZE, "--save-baseline: cannot write %.200s: %s",
                   path, strerror(errno));
    return ERR_IO;
}

int baseline_open(struct baseline *baseline, const struct options *options,
                  char out_detail[static BASELINE_DETAIL_SIZE])
{
    int err = 0;
    *baseline = (struct baseline){.save = options->save_baseline,
                                  .compare = options->baseline,
                                  .threshold = options->threshold / 100};
    if (!baseline_wanted(baseline))
        return 0;
    err = baseline_folder(options->baseline_dir, baseline->folder, out_detail);
    if (err == 0 && baseline->compare[0] != 0)
        err = baseline_read(baseline, out_detail);
    if (err == 0 && baseline->save[0] != 0)
        err = baseline_check_name(baseline->save, out_detail);
    if (err == 0 && baseline->save[0] != 0 && !files_make_folder(baseline->folder, 0700))
        err = baseline_cannot(baseline->folder, out_detail);
    return err;
}

void baseline_close(struct baseline *baseline)
{
    json_decref(baseline->old);
    baseline->old = NULL;
}

bool baseline_wanted(const struct baseline *baseline)
{
    return baseline->save[0] != 0 || baseline->compare[0] != 0;
}

/* ---- behind ---- */

int baseline_compare(const struct baseline *baseline, const json_t *new, FILE *out)
{
    if (baseline->old == NULL)
        return 0;
    fprintf(out, "\nold: baseline %s, %s\nnew: this run\n", baseline->compare,
            load_text(baseline->old, "timestamp"));
    return compare_documents(out, baseline->old, new, baseline->threshold);
}

int baseline_save(const struct baseline *baseline, FILE *document,
                  char out_detail[static BASELINE_DETAIL_SIZE])
{
    char path[BASELINE_PATH_SIZE], fresh[BASELINE_PATH_SIZE];
    int err = baseline_path(baseline->folder, baseline->save, ".json", path, out_detail);
    if (err == 0)
        err = baseline_path(baseline->folder, baseline->save, ".json.new", fresh, out_detail);
    if (err != 0)
        return err;
    FILE *out = fopen(fresh, "we");
    if (out == NULL)
        return baseline_cannot(fresh, out_detail);
    bool good = files_copy(document, out) && fflush(out) == 0 && fsync(fileno(out)) == 0;
    good = fclose(out) == 0 && good;
    if (good && rename(fresh, path) == 0)
        return 0;
    err = baseline_cannot(path, out_detail);
    (void)unlink(fresh);
    return err;
}
