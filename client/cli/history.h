/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The file with the lines of earlier interactive sessions.
 */
#pragma once

#include "client/cli/usage.h"
#include "common/buf.h"

enum { HISTORY_LINES_MAX = 1000, HISTORY_PATH_BYTES = 4096 };

/* $XDG_STATE_HOME/cairn/history, else ~/.local/state/cairn/history; false: there is no place. */
bool history_path(char out[HISTORY_PATH_BYTES]);

/* May this line be written down? Not if it logs in, or could: what names a token stays out. */
bool history_is_public(struct bytes line);

/* Read the file: the lines, each with its line end, at most the last HISTORY_LINES_MAX; the file is
 * cut to as many. Without a file there are none. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int history_load(const char *path, struct buf *out);

/* Add a line to the file, made with its folders at need, readable by its owner alone. False: it
 * could not be written. */
bool history_save(const char *path, struct bytes line);
