/* SPDX-License-Identifier: BSD-3-Clause
 *
 * loadgen report: the page of a file of results.
 *
 * How: as at the end of a run (--html), a page is made of JSON, and shows no more than that has.
 *
 * Invariants: a page that cannot be written whole is told.
 * Threads: the main thread. Failures: a sentence; loadgen report ends with exit code 1 or 2.
 */
#include "client/loadgen/html.h"

#include "client/loadgen/load.h"

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
