/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Gathers what speaks against the figures of a run.
 *
 * How: a flag is the name of a warning that any result has, or what befell the run.
 *
 * Invariants: a sign that no result can have (the rate of a closed loop) is left out.
 * Threads: any; no state. Failures: none.
 */
#include "client/loadgen/validity.h"

#include <math.h>

bool validity_residual(const struct plan *plan, const struct result *result, double *out_pct)
{
    double asked = (double)plan->connections * plan->pipeline, mean = result_in_flight(result);
    if (mean <= 0 || plan->rate > 0 || plan->batch || plan->reconnect || plan->stairs.each_ns > 0)
        return false;
    *out_pct = 100 * (mean - asked) / asked;
    return true;
}

static void validity_add_slip(struct validity *validity, const struct result *result)
{
    uint64_t slip = hist_quantile(&result->slip, 0.99);
    if (result->slip.count == 0)
        return;
    validity->has_slip = true;
    validity->slip_p99_ns = slip > validity->slip_p99_ns ? slip : validity->slip_p99_ns;
}

static void validity_add_achieved(struct validity *validity, const struct result *result)
{
    if (!(result->offered > 0))
        return;
    double achieved = result_paced_rate(result) / result->offered;
    if (!validity->has_achieved || achieved < validity->achieved)
        validity->achieved = achieved;
    validity->has_achieved = true;
}

void validity_add(struct validity *validity, const struct plan *plan, const struct result *result)
{
    bool holds[WARNING_COUNT];
    double residual;
    warning_check(plan, result, holds);
    for (unsigned i = 0; i < WARNING_COUNT; i++)
        validity->holds[i] = validity->holds[i] || holds[i];
    if (validity_residual(plan, result, &residual)) {
        if (!validity->has_residual || fabs(residual) > fabs(validity->residual_pct))
            validity->residual_pct = residual;
        validity->has_residual = true;
    }
    validity_add_slip(validity, result);
    validity_add_achieved(validity, result);
}

void validity_write(struct writer *json, const struct validity *validity)
{
    writer_open(json, "validity", '{');
    writer_open_line(json, "flags", '[');
    for (unsigned i = 0; i < WARNING_COUNT; i++)
        if (validity->holds[i])
            writer_text(json, NULL, warning_table[i].name);
    if (validity->interrupted)
        writer_text(json, NULL, "interrupted");
    writer_close(json, ']');
    if (validity->has_residual)
        writer_real(json, "little_residual_pct", validity->residual_pct);
    if (validity->has_slip)
        writer_uint(json, "slip_p99_ns", validity->slip_p99_ns);
    if (validity->has_achieved)
        writer_real(json, "achieved_ratio", validity->achieved);
    writer_close(json, '}');
}
