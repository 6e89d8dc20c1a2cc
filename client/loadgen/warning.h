/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Warnings (warnings.def): which of them hold for a result.
 */
#pragma once

#include "client/loadgen/plan.h"
#include "client/loadgen/result.h"

enum warning_id {
#define WARNING(id, name, condition, text) WARNING_##id,
#include "client/loadgen/warnings.def"
#undef WARNING
    WARNING_COUNT
};

struct warning {
    const char *name;
    const char *text;
};

extern const struct warning warning_table[WARNING_COUNT];

/* Which ones hold. */
void warning_check(const struct plan *plan, const struct result *result,
                   bool out_holds[static WARNING_COUNT]);
