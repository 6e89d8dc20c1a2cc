/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tests of loadgen selftest: what a server of a known law must look like through loadgen.
 */
#pragma once

#include "client/loadgen/selftest_rig.h"

enum selftest_id {
#define SELFTEST(id, quick_ms, full_ms, loads, text) SELFTEST_##id,
#include "client/loadgen/selftests.def"
#undef SELFTEST
    SELFTEST_COUNT
};

struct selftest_law {
    const char *name, *text;
    unsigned quick_ms, full_ms, loads;     /* as in the table */
    bool (*run)(struct selftest_rig *rig); /* false: it could not be done, see rig->failure */
};

extern const struct selftest_law selftest_laws[SELFTEST_COUNT];
