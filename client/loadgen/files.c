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

int files_open(struct files *files, const struct options *options, struct plan *plan,
               char out_detail[static FILES_DETAIL_SIZE])
{
    *files = (struct files){.acks = {.fd = -1}, .hdr = options->hdr};
    int err = files_open_acks(files, options->ack_log, plan, out_detail);
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
