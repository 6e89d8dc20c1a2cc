/* SPDX-License-Identifier: BSD-3-Clause
 *
 * loadgen compare: what --json wrote at two times, side by side; and gates, which are bounds that a
 * result has to keep.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

enum compare_exit {
    COMPARE_OK,
    COMPARE_REGRESSION, /* or a gate was missed */
    COMPARE_USAGE,      /* also: a file that cannot be read */
    COMPARE_INVALID,    /* nothing could be judged */
};

/* argv[0] is "compare". Prints to standard output, errors to standard error. Returns the exit code
 * of the process. */
int compare_main(int argc, char **argv);

/* The same of two documents of results and a threshold (0.05 is 5 %); prints to `out`. */
int compare_documents(FILE *out, const json_t *old, const json_t *new, double threshold);
