/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Results as redis-benchmark --csv prints them: the same columns, every field in quotes. More of
 * them (--csv-ext) stand behind.
 */
#pragma once

#include "client/loadgen/plan.h"
#include "client/loadgen/result.h"

#include <stdio.h>

/* `extended`: the plan, on which warnings and columns depend; NULL: only the columns of
 * redis-benchmark. */
void csv_head(FILE *out, const struct plan *extended);
void csv_row(FILE *out, const char *title, const struct result *result,
             const struct plan *extended);
