/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Commands from a file or pipe, one a line.
 */
#pragma once

#include "client/cli/session.h"

/* Do every line read from fd. Stops at the first that fails, unless the option --keep-going was
 * given; an absent key (exit code 4) is an answer and no failure. The exit code of the first
 * failure. */
int script_run(struct session *session, int fd);

/* Do one line: its words as a command. quit ends: *out_quit. */
int script_line(struct session *session, struct bytes line, bool *out_quit);
