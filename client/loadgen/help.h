/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What --help prints.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

/* Print words in the column behind `left`, then end the line. The cursor stands at `at` now. */
void help_wrap(FILE *out, const char *text, size_t left, size_t at);

/* What --workload help prints. */
void help_print_workloads(FILE *out);

/* Usage, examples, all options by group, the tests, exit codes. */
void help_print(FILE *out);
