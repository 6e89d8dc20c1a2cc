/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Mutants: faults put in on purpose, so that the rigs of tests/crash can show that they notice.
 *
 *   if (err != 0 && !MUTANT(sync_error_ignored))
 *
 * MUTANT(name) is false, a constant, in every build but those with -Dmutants=true; there it is true
 * in a process whose environment says CAIRN_MUTANT=name. A name that is no row of mutants.def does
 * not compile in either.
 *
 * Threads: any.
 */
#pragma once

#include <stdbool.h>

enum mutant {
    MUTANT_NONE,
#define MUTANT_ROW(name, text) MUTANT_##name,
#include "common/mutants.def"
#undef MUTANT_ROW
};

#ifdef CAIRN_MUTANTS
bool mutant_is(enum mutant mutant);
#define MUTANT(name) mutant_is(MUTANT_##name)
#else
#define MUTANT(name) (MUTANT_##name == MUTANT_NONE)
#endif
