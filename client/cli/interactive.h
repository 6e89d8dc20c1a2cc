/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The interactive mode: a prompt, line editing, history and completion.
 */
#pragma once

#include "client/cli/session.h"

/* Talk with the person at the terminal until quit or the end of input. Returns an exit code: done,
 * or why there was no connection to begin with. */
int interactive_run(struct session *session);
