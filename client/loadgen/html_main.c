/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ways to a page: from a file of results (loadgen report), and at the end of a run (--html).
 *
 * How: both read JSON first, so that a page shows no more than the JSON has.
 *
 * Invariants: a file that cannot be written whole is told.
 * Threads: the main thread. Failures: a sentence; loadgen report ends with exit code 1 or 2.
 */
#include "client/loadgen/html.h"

#include "client/loadgen/load.h"
#include "common/err.h"

#include <errno.h>
#include <string.h>

static const char html_usage[] =
    "Usage: loadgen report FILE.json >report.html\n"
    "\n"
    "Makes a page of what loadgen --json wrote: one file that needs nothing else.\n"
    "FILE.json may be - for standard input.\n";

static int html_wrong(const char *detail)
{
    fprintf(stderr, "loadgen report: %s\n", detail);
    return 2;
}

int html_main(int argc, char **argv)
{
    char detail[LOAD_DETAIL_SIZE];
    json_t *document = NULL;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(html_usage, stdout);
        return 0;
    }
    if (argc != 2)
        return html_wrong("give one file of results; see loadgen report --help");
    if (load_results(argv[1], &document, detail) != 0)
        return html_wrong(detail);
    int err = html_write(stdout, document);
    json_decref(document);
    if (err == 0 && fflush(stdout) == 0 && ferror(stdout) == 0)
        return 0;
    fputs("loadgen report: cannot write the page\n", stderr);
    return 1;
}

int html_write_file(const char *path, FILE *json, char out_detail[static HTML_DETAIL_SIZE])
{
    json_error_t error;
    json_t *document = json_loadf(json, 0, &error);
    FILE *out = document != NULL ? fopen(path, "we") : NULL;
    int err = ERR_IO;
    if (document == NULL)
        (void)snprintf(out_detail, HTML_DETAIL_SIZE, "the results cannot be read: line %d: %.150s",
                       error.line, error.text);
    else if (out == NULL)
        (void)snprintf(out_detail, HTML_DETAIL_SIZE, "cannot write %.150s: %s", path,
                       strerror(errno));
    else
        err = html_write(out, document);
    if (out != NULL && (fflush(out) != 0 || ferror(out) != 0 || err != 0)) {
        err = ERR_IO;
        (void)snprintf(out_detail, HTML_DETAIL_SIZE, "cannot write all of %.150s: %s", path,
                       strerror(errno));
    }
    if (out != NULL)
        fclose(out);
    json_decref(document);
    return err;
}

int html_check_file(const char *path, char out_detail[static HTML_DETAIL_SIZE])
{
    FILE *out = fopen(path, "ae");
    if (out == NULL) {
        (void)snprintf(out_detail, HTML_DETAIL_SIZE, "--html: cannot write %.150s: %s", path,
                       strerror(errno));
        return ERR_IO;
    }
    fclose(out);
    return 0;
}
