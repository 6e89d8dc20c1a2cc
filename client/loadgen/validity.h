/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether the figures of a whole run can be taken at face value: of each sign the worst of all
 * results.
 */
#pragma once

#include "client/loadgen/plan.h"
#include "client/loadgen/result.h"
#include "client/loadgen/warning.h"
#include "client/loadgen/writer.h"

struct validity {
    bool holds[WARNING_COUNT]; /* of any result */
    bool interrupted;          /* the run was ended by hand */
    bool has_residual, has_slip, has_achieved;
    double residual_pct;  /* Little's law, closed loop: the farthest from 0 */
    uint64_t slip_p99_ns; /* how late loadgen itself sent */
    double achieved;      /* open loop: requests done of those that were due, 0..1 and above */
};

void validity_add(struct validity *validity, const struct plan *plan, const struct result *result);

/* The member "validity" of the report (docs/loadgen-json.md). */
void validity_write(struct writer *json, const struct validity *validity);

/* By how many percent fewer (or more) requests were in flight than a closed loop asks for. False:
 * this is none, or it is not known. */
bool validity_residual(const struct plan *plan, const struct result *result, double *out_pct);
