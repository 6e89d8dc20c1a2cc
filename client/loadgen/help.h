/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What --help prints.
 */
#pragma once

#include <stdio.h>

/* Usage, examples, all options by group, the tests, exit codes. */
void help_print(FILE *out);
