/* SPDX-License-Identifier: BSD-3-Clause
 *
 * JSON to MessagePack and back, so that what cairn prints can be given to it again.
 *
 * How what JSON has no words for is written is told in proto/json_out.h.
 */
#pragma once

#include "client/cli/usage.h"
#include "common/buf.h"
#include "proto/json_out.h"

/* Add the MessagePack of one JSON value to out. 0; ERR_BAD_REQUEST: it is not JSON (told in
 * *usage); ERR_BAD_ARGUMENT: it is, but cannot be stored (told in *usage); ERR_OUT_OF_MEMORY. */
MUST_USE int json_in(struct bytes text, struct buf *out, struct usage *usage);
