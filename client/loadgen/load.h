/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading what --json wrote (docs/loadgen-json.md), and other files of JSON. The files come from
 * anywhere: only the outermost shape is checked, and who reads on must expect members of any type.
 */
#pragma once

#include "common/check.h"

#include <jansson.h>

enum { LOAD_DETAIL_SIZE = 300 };

/* Read a file; "-" is standard input. 0, or ERR_IO or ERR_BAD_ARGUMENT with a sentence in
 * out_detail. *out_document is the caller's (json_decref). */
MUST_USE int load_file(const char *path, json_t **out_document,
                       char out_detail[static LOAD_DETAIL_SIZE]);

/* The same for results: an object of format 2.x with "results". */
MUST_USE int load_results(const char *path, json_t **out_document,
                          char out_detail[static LOAD_DETAIL_SIZE]);
MUST_USE int load_check(const json_t *document, const char *name,
                        char out_detail[static LOAD_DETAIL_SIZE]);

/* A text of an object; "" if it is not there or no text. */
const char *load_text(const json_t *object, const char *key);

/* A number, or that of an object or array; 0 if it is not there, no number, or not plausible: not
 * above 0 or beyond 1e18, with which arithmetic would overflow. */
double load_value(const json_t *value);
double load_number(const json_t *object, const char *key);
double load_element(const json_t *array, size_t index);
