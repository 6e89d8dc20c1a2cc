/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Results as redis-benchmark --csv prints them: the same columns, every field in quotes. More of
 * them (--csv-ext) stand behind.
 */
#pragma once

#include "client/loadgen/plan.h"
#include "client/loadgen/result.h"

#include <stdio.h>

void csv_head(FILE *out, bool extended);

/* `extended`: the plan, of which warnings depend; NULL: only the columns of redis-benchmark. */
void csv_row(FILE *out, const char *title, const struct result *result,
             const struct plan *extended);
