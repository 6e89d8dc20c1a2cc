/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The search for the knee for people, line by line as it goes on, and as JSON.
 */
#pragma once

#include "client/loadgen/knee.h"
#include "client/loadgen/writer.h"

/* The word for a phase: "grid". */
const char *knee_phase_text(enum knee_phase phase);

/* The objective, and the head of the table. */
void knee_report_head(FILE *out, const struct knee *knee);

/* The newest point. */
void knee_report_point(FILE *out, const struct knee *knee, const struct knee_point *point);

/* "SET: knee at 98,000 requests/s ..." */
void knee_report_answer(FILE *out, const struct knee *knee, const struct knee_answer *answer);

/* The member "knee" of the report, of n tests (docs/loadgen-json.md). */
void knee_report_write(struct writer *json, const struct knee *knees, size_t n);
