/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Results as Markdown, made from what --json writes: a page for a repository or a ticket. Every
 * line of figures says under which promise of the server they were measured.
 */
#pragma once

#include "common/check.h"

#include <jansson.h>
#include <stdio.h>

/* `document` is one that load_check accepts. 0; what cannot be written is the stream's to tell. */
MUST_USE int markdown_write(FILE *out, const json_t *document);

/* What identifies a run in a heading or a list: its label, or the software it was run on. */
void markdown_title(FILE *out, const json_t *document);

/* Two servers compared (--vs), if there is something: a table for each test. */
void markdown_versus(FILE *out, const json_t *document);

/* Text in a line or a cell, without what has a meaning in Markdown. */
void markdown_text(FILE *out, const char *text);
