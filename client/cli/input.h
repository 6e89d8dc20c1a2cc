/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading a file or stdin that an argument names.
 */
#pragma once

#include "client/cli/usage.h"
#include "common/buf.h"

#define INPUT_BYTES_MAX ((size_t)1 << 30)

/* Does this argument name an input: "-", or "@" and a path? */
bool input_is_named(const char *text);

/* Add all bytes of stdin ("-") or of the file ("@path") to out; stdin is refused if it holds
 * commands. 0, ERR_BAD_ARGUMENT told in *usage, ERR_OUT_OF_MEMORY. */
MUST_USE int input_read(const char *text, bool has_lines, struct buf *out, struct usage *usage);
