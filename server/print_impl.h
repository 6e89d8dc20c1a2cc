/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files server/print*.c share; nobody else includes this.
 */
#pragma once

#include "proto/op.h"
#include "server/config.h"

#include <stdbool.h>
#include <stdio.h>

enum { PRINT_FACTS_SIZE = 3 * CONFIG_VALUE_SIZE };

/* "Default 10s. Accepts a duration between 100ms and 1h. Reloadable." */
void print_describe(enum option_id id, char out_text[static PRINT_FACTS_SIZE]);

/* Does a section, or a group (what stands before the dot), begin with this row? */
bool print_is_first_of_section(enum option_id id);
bool print_is_first_of_group(const struct op *op);
size_t print_group_size(const struct op *op);

/* "(key, [delta], {min, max, ttl_ms})" */
void print_signature(FILE *out, const struct op *op);

/* Where an argument may stand: "required", "optional", "by name". */
const char *print_place(enum arg_place place);

/* What the flags of an operation mean to a caller: sentences, or "". */
enum { PRINT_PROPERTIES_SIZE = 256 };
void print_properties(const struct op *op, char out_text[static PRINT_PROPERTIES_SIZE]);

/* Write text as lines of at most 100 columns, each after `prefix`. */
void print_wrapped(FILE *out, const char *prefix, const char *text);

/* Write text for a Markdown table: on one line, with what has a meaning there escaped. */
void print_cell(FILE *out, const char *text);

/* The title of a page and where it comes from. */
void print_page(FILE *out, const char *title, const char *table);

/* What a print function returns. */
int print_result(FILE *out);
