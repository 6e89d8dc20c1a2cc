/* SPDX-License-Identifier: BSD-3-Clause
 *
 * JSON (RFC 8259) from clients to MessagePack, without a tree in between.
 *
 * Integers stay integers and exact from -2^63 to 2^64 - 1, other numbers become floats; the order
 * of keys stays, and a key that is there twice is so afterwards. What is written grows to at most
 * nine times the text.
 */
#pragma once

#include "common/buf.h"
#include "proto/problem.h"

/* Add the MessagePack of one JSON object, which nests at most `depth` objects and arrays, to out.
 * 0, ERR_BAD_ARGUMENT with the byte in *problem (from 1 on), or ERR_OUT_OF_MEMORY; out is then as
 * it was. */
MUST_USE int json_read_object(struct bytes text, unsigned depth, struct buf *out,
                              struct problem *problem);
