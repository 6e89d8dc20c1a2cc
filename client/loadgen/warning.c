/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Decides when a figure should not be trusted.
 *
 * How: each row of warnings.def brings its own condition.
 *
 * Invariants: adding a warning takes a row and no code.
 * Threads: any; no state. Failures: none.
 */
#include "client/loadgen/warning.h"

const struct warning warning_table[WARNING_COUNT] = {
#define WARNING(id, name, condition, text) {name, text},
#include "client/loadgen/warnings.def"
#undef WARNING
};

void warning_check(const struct plan *plan, const struct result *result,
                   bool out_holds[static WARNING_COUNT])
{
#define WARNING(id, name, condition, text) out_holds[WARNING_##id] = (condition);
#include "client/loadgen/warnings.def"
#undef WARNING
}
