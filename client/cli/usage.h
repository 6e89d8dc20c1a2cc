/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is wrong with a command line, and exit codes.
 */
#pragma once

#include "client/common/usage.h"

/* Exit codes of cairn; cairn --help lists them. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_ANSWERED_ERROR = 1,
    EXIT_USAGE = 2,
    EXIT_UNREACHABLE = 3,
    EXIT_ABSENT = 4,
};
