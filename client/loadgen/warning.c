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
#include <string.h>

const struct warning warning_table[WARNING_COUNT] = {
#define WARNING(id, name, condition, text) {name, text},
#include "client/loadgen/warnings.def"
#undef WARNING
};

/* Was less than 99 % of the rate done? Random arrivals may be fewer by chance: three standard
 * deviations are allowed for. The last request is answered later than it is sent, which is no lack
 * of speed: that time is taken off, unless it was spent waiting to be sent. */
static bool warning_rate_unmet(const struct plan *plan, const struct result *result)
{
    double n = (double)result_requests(result);
    double chance = plan->poisson && n > 0 ? 3 / sqrt(n) : 0;
    double seconds = ((double)result->elapsed_ns - (double)result->service.max) / 1e9;
    return result->offered > 0 && seconds > 0 && n / seconds < result->offered * (0.99 - chance);
}

/* Is the share of hits off by more than one percent, and not by chance (three standard
 * deviations)? */
static bool warning_unexpected_hits(const struct plan *plan, const struct result *result)
{
    double reads = (double)(result->counts.hits + result->counts.misses);
    double p = plan->expect_hits;
    if (!plan->expects_hits || reads <= 0)
        return plan->expects_hits && workload_has(result->workload, SHAPE_FINDS);
    return fabs(result_hit_share(result) - p) > 0.01 + 3 * sqrt(p * (1 - p) / reads);
}

/* Does the server promise something else than it is said to? */
static bool warning_promise_differs(const struct plan *plan, const struct result *result)
{
    const char *said = plan->durability, *says = result->server.durability;
    return said != NULL && said[0] != 0 && says[0] != 0 && strcmp(said, says) != 0;
}

void warning_check(const struct plan *plan, const struct result *result,
                   bool out_holds[static WARNING_COUNT])
{
#define WARNING(id, name, condition, text) out_holds[WARNING_##id] = (condition);
#include "client/loadgen/warnings.def"
#undef WARNING
}
