/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which mutant this process is, from its environment; empty but in builds with -Dmutants=true.
 *
 * Threads: any; it is chosen before main.
 * Failures: a name that does not exist ends the process, as a rig would wait for it in vain.
 */
#include "common/mutant.h"

#ifdef CAIRN_MUTANTS
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char *const mutant_names[] = {
    "none",
#define MUTANT_ROW(name, text) #name,
#include "common/mutants.def"
#undef MUTANT_ROW
};

static enum mutant mutant_chosen;

__attribute__((constructor)) static void mutant_choose(void)
{
    const char *name = getenv("CAIRN_MUTANT");
    if (name == NULL)
        return;
    for (size_t i = 0; i < sizeof mutant_names / sizeof mutant_names[0]; i++)
        if (strcmp(name, mutant_names[i]) == 0)
            mutant_chosen = (enum mutant)i;
    if (mutant_chosen != MUTANT_NONE || strcmp(name, "none") == 0)
        return;
    (void)fputs("CAIRN_MUTANT: no row of common/mutants.def has that name\n", stderr);
    _exit(EX_USAGE);
}

bool mutant_is(enum mutant mutant)
{
    return mutant_chosen == mutant;
}
#else
extern const enum mutant mutant_none; /* no translation unit may be empty */
const enum mutant mutant_none = MUTANT_NONE;
#endif
