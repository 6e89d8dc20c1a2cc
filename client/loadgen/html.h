/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Results as a page: one file of HTML that needs nothing else, made from what --json writes. No
 * script; light or dark as the reader has it; for narrow screens and paper too.
 */
#pragma once

#include "common/check.h"

#include <jansson.h>
#include <stdio.h>

/* `document` is one that load_check accepts. 0, or ERR_OUT_OF_MEMORY (the page is not complete). */
MUST_USE int html_write(FILE *out, const json_t *document);

/* Sections for html.c, if the document has something for them: two servers compared (--vs), how
 * latency grows with the rate (--knee), what an option changes (--sweep), whether bounds are kept
 * (--gates). */
void html_versus(FILE *out, const json_t *document);
void html_knees(FILE *out, const json_t *document);
void html_sweeps(FILE *out, const json_t *document);
void html_recall(FILE *out, const json_t *document);
void html_gates(FILE *out, const json_t *document);

/* In the section of a test: its runs, if there were several (--run-count). */
void html_repeats(FILE *out, const json_t *result);

/* The same: its kinds of requests over time, if it mixes several. */
void html_kinds_over_time(FILE *out, const json_t *result);

/* Figures of a result for each step of a staircase of connections, if it has one. */
void html_stairs(FILE *out, const json_t *result);

/* The sheet of styles, for html.c. */
void html_style(FILE *out);

/* loadgen report FILE.json: the page of a file on standard output. argv[0] is "report". Returns the
 * exit code of the process. */
int html_main(int argc, char **argv);
