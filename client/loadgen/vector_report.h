/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is said of vectors: in the summary, in --json, --csv-ext and the names of results.
 */
#pragma once

#include "client/loadgen/result.h"
#include "client/loadgen/vector_session.h"
#include "client/loadgen/writer.h"

/* A line about the vectors of a plan; nothing if there are none. */
void vector_report_head(FILE *out, const struct vector_plan *plan);

/* How the collection came to be; nothing if it was there. */
void vector_report_build(FILE *out, const struct vector_build *build);

/* How much searches found; nothing if it is not known. */
void vector_report_recall(FILE *out, const struct vector_recall *recall);

/* "recall": {...} and "vector": {...} of a result. */
void vector_report_write(struct writer *json, const struct vector_plan *plan,
                         const struct result *result);

/* "collection": {...}, or of the second server "collection_b". */
void vector_report_write_build(struct writer *json, const char *key,
                               const struct vector_build *build);

/* The part of the name of a result that says what it depends on; "" if that is no vector. */
void vector_report_name(const struct vector_plan *plan, const struct result *result, char *out,
                        size_t size);
