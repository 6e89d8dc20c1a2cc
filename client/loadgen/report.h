/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Results for people: a summary of each test, or one line in the form of redis-benchmark's -q.
 */
#pragma once

#include "client/loadgen/plan.h"
#include "client/loadgen/result.h"

#include <stdio.h>

/* Before the first test: the target and the load. */
void report_head(FILE *out, const struct plan *plan, const char *target);

/* One test. */
void report_summary(FILE *out, const struct plan *plan, const struct result *result);

/* "SET: 105263.16 requests per second, p50=0.231 msec" */
void report_line(FILE *out, const char *title, const struct result *result);
