/* SPDX-License-Identifier: BSD-3-Clause
 *
 * struct usage: what is wrong with a command line, as one sentence for the person who typed it.
 */
#pragma once

#include "common/check.h"

struct usage {
    char text[512];
};

/* Exit codes of cairn; cairn --help lists them. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_ANSWERED_ERROR = 1,
    EXIT_USAGE = 2,
    EXIT_UNREACHABLE = 3,
    EXIT_ABSENT = 4,
};

/* Fill in the sentence; returns ERR_BAD_ARGUMENT. */
int usage_set(struct usage *usage, const char *format, ...) PRINTF_LIKE(2, 3);
