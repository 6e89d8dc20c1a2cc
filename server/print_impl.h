/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files server/print*.c share; nobody else includes this.
 */
#pragma once

#include <stdio.h>

/* Write text as lines of at most 100 columns, each after `prefix`. */
void print_wrapped(FILE *out, const char *prefix, const char *text);

/* Write text for a Markdown table: on one line, with what has a meaning there escaped. */
void print_cell(FILE *out, const char *text);

/* The title of a page and where it comes from. */
void print_page(FILE *out, const char *title, const char *table);

/* What a print function returns. */
int print_result(FILE *out);
