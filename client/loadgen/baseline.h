/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Results kept under a name, to compare later ones with: --save-baseline and --baseline. A baseline
 * is the file --json would have written, NAME.json in a folder.
 */
#pragma once

#include "client/loadgen/options.h"

#include <jansson.h>
#include <stdio.h>

enum { BASELINE_PATH_SIZE = 4096, BASELINE_DETAIL_SIZE = 400 };

struct baseline {
    char folder[BASELINE_PATH_SIZE];
    const char *save, *compare; /* names; "": none */
    json_t *old;                /* to compare with; NULL: nothing */
    double threshold;           /* a change up to this does not matter */
};

/* Before anything is measured: read what to compare with, see that there is a place to save to. 0,
 * or ERR_BAD_ARGUMENT or ERR_IO with a sentence. baseline_close is due either way. */
MUST_USE int baseline_open(struct baseline *baseline, const struct options *options,
                           char out_detail[static BASELINE_DETAIL_SIZE]);
void baseline_close(struct baseline *baseline);

/* Is a document needed? */
bool baseline_wanted(const struct baseline *baseline);

/* Print how the document compares. Returns the exit code of loadgen compare; 0, and nothing is
 * printed, if nothing was to be compared. */
int baseline_compare(const struct baseline *baseline, const json_t *new, FILE *out);

/* Keep the document (a file), all or nothing. 0, or ERR_IO with a sentence. */
MUST_USE int baseline_save(const struct baseline *baseline, FILE *document,
                           char out_detail[static BASELINE_DETAIL_SIZE]);

/* The path of a baseline of this name in `folder` ("": the usual one), for loadgen compare. 0, or
 * ERR_BAD_ARGUMENT with a sentence: it is no name. */
MUST_USE int baseline_find(const char *folder, const char *name,
                           char out_path[static BASELINE_PATH_SIZE],
                           char out_detail[static BASELINE_DETAIL_SIZE]);
