/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of loadgen by itself: whether requests arrive when they should. See selftests.def.
 */
#pragma once

#include "client/loadgen/selftest_rig.h"

MUST_USE bool law_poisson(struct selftest_rig *rig);
MUST_USE bool law_slip(struct selftest_rig *rig);
MUST_USE bool law_periods(struct selftest_rig *rig);

/* Requests at a rate, against an instant server: do they arrive as often, evenly, in time? As a
 * test of the table. */
MUST_USE bool selftest_rate(struct selftest_rig *rig, double rate);
