/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Mutants: nothing is broken in a process that nobody has told to be one.
 */
#include "common/mutant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void none(void **state)
{
    (void)state;
    assert_null(getenv("CAIRN_MUTANT"));
#define MUTANT_ROW(name, text) assert_false(MUTANT(name));
#include "common/mutants.def"
#undef MUTANT_ROW
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
