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

#include <math.h>

const struct warning warning_table[WARNING_COUNT] = {
#define WARNING(id, name, condition, text) {name, text},
#include "client/loadgen/warnings.def"
#undef WARNING
};

/* Was less than 99 % of the rate done? Random arrivals may be fewer by chance: three standard
 * deviations are allowed for. */
static bool warning_rate_unmet(const struct plan *plan, const struct result *result)
{
    double n = (double)result_requests(result);
    double chance = plan->poisson && n > 0 ? 3 / sqrt(n) : 0;
    return result->offered > 0 && result->elapsed_ns > 0 &&
           result_rate(result) < result->offered * (0.99 - chance);
}

void warning_check(const struct plan *plan, const struct result *result,
                   bool out_holds[static WARNING_COUNT])
{
#define WARNING(id, name, condition, text) out_holds[WARNING_##id] = (condition);
#include "client/loadgen/warnings.def"
#undef WARNING
}
