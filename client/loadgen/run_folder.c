/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keeps a run in a folder.
 *
 * How: stdout becomes a stream that writes to the old one and to stdout.txt. All files but that are
 * made of the document of the results, at the end.
 *
 * Invariants: what stands in DIR already is not changed, but for a line behind INDEX.md; two runs
 * of a second have folders of their own.
 * Threads: the main thread. Failures: ERR_IO and a sentence.
 */
#include "client/loadgen/run_folder.h"

#include "client/loadgen/files.h"
#include "client/loadgen/html.h"
#include "client/loadgen/load.h"
#include "client/loadgen/markdown.h"
#include "common/err.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { RUN_FOLDER_TWINS = 100 /* in the same second */, RUN_FOLDER_COMMIT_SIZE = 48 };

bool run_folder_wanted(const struct run_folder *folder)
{
    return folder->parent[0] != 0;
}

static int folder_cannot(const char *path, char *out_detail)
{
    (void)snprintf(out_detail, RUN_FOLDER_DETAIL_SIZE, "--out-dir: cannot write %.150s: %s", path,
                   strerror(errno));
    return ERR_IO;
}

/* A file of the folder, or of the one it is in. */
static void folder_file(const char *folder, const char *name,
                        char out_path[static RUN_FOLDER_PATH_SIZE])
{
    (void)snprintf(out_path, RUN_FOLDER_PATH_SIZE, "%.*s/%s", RUN_FOLDER_PATH_SIZE - 32, folder,
                   name);
}

int run_folder_open(struct run_folder *folder, const char *parent,
                    char out_detail[static RUN_FOLDER_DETAIL_SIZE])
{
    *folder = (struct run_folder){.parent = parent};
    if (!run_folder_wanted(folder) || files_make_folder(parent, 0777))
        return 0;
    return folder_cannot(parent, out_detail);
}

/* ---- what is printed ---- */

static ssize_t folder_print(void *cookie, const char *text, size_t size)
{
    const struct run_folder *folder = cookie;
    bool good = fwrite(text, 1, size, folder->terminal) == size;
    good = fflush(folder->terminal) == 0 && good;
    (void)fwrite(text, 1, size, folder->copy); /* run_folder_end looks at it */
    return good ? (ssize_t)size : 0;
}

static bool folder_copy_output(struct run_folder *folder)
{
    char path[RUN_FOLDER_PATH_SIZE];
    folder_file(folder->path, "stdout.txt", path);
    folder->copy = fopen(path, "we");
    if (folder->copy == NULL)
        return false;
    FILE *both = fopencookie(folder, "w", (cookie_io_functions_t){.write = folder_print});
    if (both == NULL) {
        (void)fclose(folder->copy);
        return false;
    }
    if (isatty(STDOUT_FILENO))
        (void)setvbuf(both, NULL, _IOLBF, BUFSIZ);
    (void)fflush(stdout);
    folder->terminal = stdout;
    stdout = both;
    return true;
}

/* Was all of it written? */
static bool folder_end_output(struct run_folder *folder)
{
    FILE *both = stdout;
    (void)fclose(both); /* what cannot be printed, main.c sees at the old one */
    stdout = folder->terminal;
    bool good = ferror(folder->copy) == 0;
    return fclose(folder->copy) == 0 && good;
}

/* ---- the folder ---- */

/* What is measured, as part of a name. */
static void folder_commit(char out[static RUN_FOLDER_COMMIT_SIZE])
{
    const char *commit = getenv("CAIRN_GIT_COMMIT");
    (void)snprintf(out, RUN_FOLDER_COMMIT_SIZE, "%s",
                   commit != NULL && commit[0] != 0 ? commit : "unknown");
    for (char *at = out; *at != 0; at++)
        if (!isalnum((unsigned char)*at) && strchr("+-.", *at) == NULL)
            *at = '_';
}

static bool folder_make(struct run_folder *folder, const char *name)
{
    int err = -1;
    for (unsigned twin = 1; err != 0 && twin < RUN_FOLDER_TWINS; twin++) {
        char number[16] = "";
        if (twin > 1)
            (void)snprintf(number, sizeof number, "_%u", twin);
        int size =
            snprintf(folder->path, sizeof folder->path, "%s/%s%s", folder->parent, name, number);
        if (size >= RUN_FOLDER_PATH_SIZE - 32) {
            errno = ENAMETOOLONG;
            return false;
        }
        err = mkdir(folder->path, 0777);
        if (err != 0 && errno != EEXIST)
            return false;
    }
    folder->name = strrchr(folder->path, '/') + 1;
    return err == 0;
}

int run_folder_begin(struct run_folder *folder, int64_t time_ms,
                     char out_detail[static RUN_FOLDER_DETAIL_SIZE])
{
    char day[32] = "", commit[RUN_FOLDER_COMMIT_SIZE], name[128];
    struct tm tm;
    time_t second = (time_t)(time_ms / 1000);
    if (!run_folder_wanted(folder))
        return 0;
    if (gmtime_r(&second, &tm) != NULL)
        (void)strftime(day, sizeof day, "%Y-%m-%d_%H-%M-%S", &tm);
    folder_commit(commit);
    (void)snprintf(name, sizeof name, "run_%s_%s", day, commit);
    if (folder_make(folder, name) && folder_copy_output(folder))
        return 0;
    int err = folder_cannot(folder->path, out_detail);
    folder->path[0] = 0;
    return err;
}

/* ---- files ---- */

static int folder_summary(FILE *out, const json_t *document)
{
    int err = markdown_write(out, document);
    fputs("\n## Files\n\n[report.html](report.html): the same with figures. "
          "[result.json](result.json): everything that was measured; `loadgen compare` takes two "
          "of them. [stdout.txt](stdout.txt): what was printed. [env.json](env.json): where.\n",
          out);
    return err;
}

/* What of the document does not depend on what was measured. */
static int folder_environment(FILE *out, const json_t *document)
{
    static const char *const keys[] = {"label",      "timestamp",  "time_ms",
                                       "git_commit", "git_branch", "tool_version",
                                       "target",     "target_b",   "environment"};
    json_t *some = json_object();
    for (size_t i = 0; i < LENGTH_OF(keys); i++) {
        json_t *value = json_object_get(document, keys[i]);
        if (value != NULL && json_object_set(some, keys[i], value) != 0) {
            json_decref(some);
            return ERR_OUT_OF_MEMORY;
        }
    }
    int err = json_dumpf(some, out, JSON_INDENT(2)) == 0 ? 0 : ERR_OUT_OF_MEMORY;
    fputc('\n', out);
    json_decref(some);
    return err;
}

static int folder_comparison(const char *path, const json_t *document, FILE *text, char *out_detail)
{
    bool any = fseek(text, 0, SEEK_END) == 0 && ftell(text) > 0, good = true;
    if (!any && json_object_get(document, "versus") == NULL)
        return 0;
    FILE *out = fopen(path, "we");
    if (out == NULL)
        return folder_cannot(path, out_detail);
    fputs("# ", out);
    markdown_title(out, document);
    fputc('\n', out);
    markdown_versus(out, document);
    if (any) {
        fputs("\n## Compared with a baseline\n\n```text", out);
        good = files_copy(text, out);
        fputs("```\n", out);
    }
    good = ferror(out) == 0 && good;
    good = fclose(out) == 0 && good;
    return good ? 0 : folder_cannot(path, out_detail);
}

int run_folder_write(const struct run_folder *folder, FILE *json, const json_t *document,
                     FILE *comparison, char out_detail[static RUN_FOLDER_DETAIL_SIZE])
{
    static const struct {
        const char *name;
        int (*make)(FILE *out, const json_t *document);
    } made[] = {{"SUMMARY.md", folder_summary},
                {"report.html", html_write},
                {"env.json", folder_environment}};
    char path[RUN_FOLDER_PATH_SIZE];
    if (folder->path[0] == 0)
        return 0;
    folder_file(folder->path, "result.json", path);
    int err = files_copy_to("out-dir", path, json, out_detail);
    for (size_t i = 0; i < LENGTH_OF(made) && err == 0; i++) {
        folder_file(folder->path, made[i].name, path);
        err = files_make("out-dir", path, made[i].make, document, out_detail);
    }
    folder_file(folder->path, "comparison.md", path);
    return err != 0 ? err : folder_comparison(path, document, comparison, out_detail);
}

/* ---- the list ---- */

/* The label, or the titles of the tests. */
static void folder_what(FILE *out, const json_t *document)
{
    const char *name, *before = "";
    json_t *result;
    if (load_text(document, "label")[0] != 0) {
        markdown_text(out, load_text(document, "label"));
        return;
    }
    json_object_foreach(json_object_get(document, "results"), name, result)
    {
        const char *title = load_text(result, "title");
        if (strcmp(title, before) == 0) /* of a sweep, or of two servers */
            continue;
        fputs(before[0] != 0 ? ", " : "", out);
        markdown_text(out, title);
        before = title;
    }
}

static size_t folder_failures(const json_t *document)
{
    const char *name;
    json_t *result;
    size_t n = 0;
    json_object_foreach(json_object_get(document, "results"), name, result) n +=
        json_object_get(result, "failure") != NULL;
    return n;
}

static int folder_list(const struct run_folder *folder, const json_t *document, int exit_code,
                       char *out_detail)
{
    static const char *const verdicts[] = {"good", "worse, or a gate missed", "wrong", "not valid"};
    char path[RUN_FOLDER_PATH_SIZE];
    folder_file(folder->parent, "INDEX.md", path);
    FILE *out = fopen(path, "ae");
    if (out == NULL)
        return folder_cannot(path, out_detail);
    if (fseek(out, 0, SEEK_END) == 0 && ftell(out) == 0)
        fputs("# Runs\n\n| run | what | results | not done | verdict |\n|---|---|--:|--:|---|\n",
              out);
    fprintf(out, "| [%s](%s/SUMMARY.md) | ", folder->name, folder->name);
    folder_what(out, document);
    fprintf(out, " | %zu | %zu | %s |\n", json_object_size(json_object_get(document, "results")),
            folder_failures(document),
            exit_code >= 0 && exit_code < (int)LENGTH_OF(verdicts) ? verdicts[exit_code] : "wrong");
    bool good = ferror(out) == 0;
    good = fclose(out) == 0 && good;
    return good ? 0 : folder_cannot(path, out_detail);
}

int run_folder_end(struct run_folder *folder, const json_t *document, int exit_code,
                   char out_detail[static RUN_FOLDER_DETAIL_SIZE])
{
    if (folder->path[0] == 0)
        return 0;
    if (!folder_end_output(folder))
        return folder_cannot(folder->path, out_detail);
    return folder_list(folder, document, exit_code, out_detail);
}
