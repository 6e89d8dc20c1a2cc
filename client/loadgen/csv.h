/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Results as redis-benchmark --csv prints them: the same columns, every field in quotes.
 */
#pragma once

#include "client/loadgen/result.h"

#include <stdio.h>

void csv_head(FILE *out);
void csv_row(FILE *out, const struct result *result);
