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

#include "common/err.h"

#include <errno.h>
#include <string.h>
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
static int files_check_json(const struct files *files, char *out_detail)
{
    FILE *out = files->json[0] != 0 ? fopen(files->json, "ae") : NULL;
    if (files->json[0] != 0 && out == NULL)
        return files_cannot("json-file", files->json, out_detail);
    if (out != NULL)
        (void)fclose(out);
    return 0;
}

int files_open(struct files *files, const struct options *options, struct plan *plan,
               char out_detail[static FILES_DETAIL_SIZE])
{
    *files = (struct files){.acks = {.fd = -1}, .hdr = options->hdr, .json = options->json_file};
    int err = files_open_acks(files, options->ack_log, plan, out_detail);
    if (err == 0)
        err = files_check_json(files, out_detail);
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

int files_document(const struct files *files, FILE *document,
                   char out_detail[static FILES_DETAIL_SIZE])
{
    if (files->json[0] == 0)
        return 0;
    FILE *out = fopen(files->json, "we");
    bool good = out != NULL && files_copy(document, out);
    good = out != NULL && fclose(out) == 0 && good;
    return good ? 0 : files_cannot("json-file", files->json, out_detail);
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
