/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Opens, fills and closes the files of a run.
 *
 * How: what cannot be written is said before the run where that is possible.
 *
 * Invariants: a file that was not asked for is not touched.
 * Threads: the main thread. Failures: ERR_IO and a sentence.
 */
#include "client/loadgen/files.h"

#include "client/loadgen/html.h"
#include "client/loadgen/markdown.h"
#include "common/err.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int files_cannot(const char *option, const char *path, char *out_detail)
{
    (void)snprintf(out_detail, FILES_DETAIL_SIZE, "--%s: cannot write %.150s: %s", option, path,
                   strerror(errno));
    return ERR_IO;
}

static int files_open_acks(struct files *files, const char *path, struct plan *plan,
                           char *out_detail)
{
    if (path[0] == 0)
        return 0;
    plan->acks = &files->acks;
    return acks_create(&files->acks, path, plan->value_min, plan->value_bytes, out_detail);
}

/* Can it be written? What stands there stays until there is something else. */
static int files_check(const char *option, const char *path, char *out_detail)
{
    FILE *out = path[0] != 0 ? fopen(path, "ae") : NULL;
    if (path[0] != 0 && out == NULL)
        return files_cannot(option, path, out_detail);
    if (out != NULL)
        (void)fclose(out);
    return 0;
}

int files_open(struct files *files, const struct options *options, struct plan *plan,
               char out_detail[static FILES_DETAIL_SIZE])
{
    *files = (struct files){.acks = {.fd = -1},
                            .hdr = options->hdr,
                            .json = options->json_file,
                            .html = options->html,
                            .markdown = options->markdown};
    int err = files_open_acks(files, options->ack_log, plan, out_detail);
    if (err == 0)
        err = files_check("json-file", files->json, out_detail);
    if (err == 0)
        err = files_check("html", files->html, out_detail);
    if (err == 0)
        err = files_check("markdown", files->markdown, out_detail);
    if (err != 0 || options->ndjson[0] == 0)
        return err;
    files->ndjson.out = fopen(options->ndjson, "we");
    return files->ndjson.out != NULL ? 0 : files_cannot("ndjson", options->ndjson, out_detail);
}

void files_begin(struct files *files, const struct report_run *run)
{
    ndjson_config(&files->ndjson, run);
}

int files_result(struct files *files, const struct report_run *run, const struct result *result,
                 char out_detail[static FILES_DETAIL_SIZE])
{
    ndjson_result(&files->ndjson, run, result);
    return files_hdr(files, run->step != NULL ? run->step : "", result, out_detail);
}

int files_hdr(const struct files *files, const char *step, const struct result *result,
              char out_detail[static FILES_DETAIL_SIZE])
{
    return files->hdr[0] == 0 ? 0 : hdr_write_files(files->hdr, step, result, out_detail);
}

bool files_copy(FILE *from, FILE *to)
{
    char text[BUFSIZ];
    size_t size;
    rewind(from);
    while ((size = fread(text, 1, sizeof text, from)) > 0)
        if (fwrite(text, 1, size, to) != size)
            return false;
    return ferror(from) == 0;
}

int files_copy_to(const char *option, const char *path, FILE *from,
                  char out_detail[static FILES_DETAIL_SIZE])
{
    FILE *out = fopen(path, "we");
    bool good = out != NULL && files_copy(from, out);
    good = out != NULL && fclose(out) == 0 && good;
    return good ? 0 : files_cannot(option, path, out_detail);
}

int files_make(const char *option, const char *path, int (*make)(FILE *out, const json_t *document),
               const json_t *document, char out_detail[static FILES_DETAIL_SIZE])
{
    FILE *out = fopen(path, "we");
    bool good = out != NULL && make(out, document) == 0 && ferror(out) == 0;
    good = out != NULL && fclose(out) == 0 && good;
    return good ? 0 : files_cannot(option, path, out_detail);
}

int files_document(const struct files *files, FILE *json, const json_t *document,
                   char out_detail[static FILES_DETAIL_SIZE])
{
    int errors[3] = {0};
    if (files->json[0] != 0)
        errors[0] = files_copy_to("json-file", files->json, json, out_detail);
    if (files->html[0] != 0)
        errors[1] = files_make("html", files->html, html_write, document, out_detail);
    if (files->markdown[0] != 0)
        errors[2] = files_make("markdown", files->markdown, markdown_write, document, out_detail);
    for (size_t i = 0; i < LENGTH_OF(errors); i++)
        if (errors[i] != 0)
            return errors[i];
    return 0;
}

bool files_make_folder(const char *path, mode_t mode)
{
    char part[PATH_MAX];
    (void)snprintf(part, sizeof part, "%s", path);
    for (char *at = part + 1; part[0] != 0 && *at != 0; at++) {
        if (*at != '/')
            continue;
        *at = 0;
        (void)mkdir(part, mode); /* the last one tells whether that was needed */
        *at = '/';
    }
    if (mkdir(part, mode) != 0 && errno != EEXIST)
        return false;
    return access(part, W_OK | X_OK) == 0;
}

int files_close(struct files *files, char out_detail[static FILES_DETAIL_SIZE])
{
    FILE *out = files->ndjson.out;
    files->ndjson.out = NULL;
    if (files->acks.fd >= 0)
        close(files->acks.fd);
    if (out == NULL)
        return 0;
    bool good = ferror(out) == 0;
    good = fclose(out) == 0 && good;
    return good ? 0 : files_cannot("ndjson", "all of it", out_detail);
}
