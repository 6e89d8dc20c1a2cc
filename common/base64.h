/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Base64 (RFC 4648, section 4: with padding) for bytes that JSON cannot hold.
 */
#pragma once

#include "common/buf.h"

/* Add the base64 of bytes to out. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int base64_encode(struct bytes bytes, struct buf *out);

/* Add the bytes that text stands for to out. 0, ERR_BAD_ARGUMENT or ERR_OUT_OF_MEMORY. */
MUST_USE int base64_decode(struct bytes text, struct buf *out);
