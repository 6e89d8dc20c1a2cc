/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Vectors as numbers for people: 0.1 where the nearest 32-bit float is 0.100000001490116.
 */
#pragma once

#include "common/buf.h"
#include "proto/op.h"

/* The number with the fewest decimal digits that reads back as this float. */
double vec_text_shortest(float element);

/* Do replies of this operation hold vectors? */
bool vec_text_has(const struct op *op);

/* Add a reply of such an operation to out, with every vector an array of numbers as above, whether
 * it was bin or an array; all else as it is, metadata in particular. 0, ERR_BAD_REQUEST or
 * ERR_OUT_OF_MEMORY. */
MUST_USE int vec_text_reply(struct bytes packed, struct buf *out);
