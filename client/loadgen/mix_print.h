/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A test as a script, to begin one of one's own with:
 *
 *   $ loadgen --workload agent-think --print-script >think.txt
 *   $ loadgen --workload agent-think --script think.txt
 */
#pragma once

#include "client/loadgen/plan.h"

#include <stdio.h>

enum { MIX_PRINT_DETAIL_SIZE = PLAN_DETAIL_SIZE };

/* Print the only test of the plan. 0, or ERR_BAD_ARGUMENT with a sentence: it has several, or one
 * that has no requests in this language. */
MUST_USE int mix_print(FILE *out, const struct plan *plan, enum spelling spelling,
                       char out_detail[static MIX_PRINT_DETAIL_SIZE]);
