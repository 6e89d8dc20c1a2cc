/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The filter expressions of Redis' vector sets as filters of ours:
 *
 *   .year >= 1980 and .genre in ["drama", "noir"]
 *   {"$and": [{"year": {"$gte": 1980}}, {"genre": {"$in": ["drama", "noir"]}}]}
 *
 * As there, an expression that names a field which is missing does not match, whatever else it
 * says; a field alone asks whether it is neither 0, false, "" nor null; true equals 1 and false 0.
 * What ours have no word for is refused: arithmetic, and comparing anything but a field with a
 * value. Names may be dotted, which those of Redis may not.
 */
#pragma once

#include "common/buf.h"
#include "proto/problem.h"

enum {
    FILTER_EXPR_DEPTH = 8,   /* parentheses and nots inside each other */
    FILTER_EXPR_FIELDS = 64, /* that must be there */
};

/* Add the filter, as MessagePack for filter_compile, to out. 0; ERR_BAD_ARGUMENT with the byte in
 * *problem (from 1 on), ERR_LIMIT_EXCEEDED or ERR_OUT_OF_MEMORY; out is then as it was. */
MUST_USE int filter_expr_read(struct bytes text, struct buf *out, struct problem *problem);
