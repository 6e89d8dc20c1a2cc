/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Filters over metadata: {"kind": "note", "year": {"$gte": 2020}}. docs/filters.md says what they
 * mean. A filter is compiled once, into storage of the caller, and matched against many values;
 * neither allocates.
 *
 * A compiled filter views the bytes it was compiled from: they must stay where they are as long as
 * it is used. Who keeps a filter for longer than its request copies the bytes first and compiles
 * the copy. There is nothing to deinit.
 */
#pragma once

#include "common/bytes.h"
#include "common/check.h"
#include "proto/problem.h"

enum {
    FILTER_STEPS = 256,     /* comparisons in one filter */
    FILTER_DEPTH = 16,      /* maps and arrays of conditions inside each other */
    FILTER_ELEMENTS = 4096, /* elements of all values to compare with; a key is one, too */
    FILTER_PAIRS = 128,     /* pairs of one map to compare with */
};

/* What a step asks of the value at its path. */
enum filter_test {
    FILTER_TRUE,
    FILTER_EXISTS,
    FILTER_EQUAL,
    FILTER_LESS,
    FILTER_LESS_EQUAL,
    FILTER_GREATER,
    FILTER_GREATER_EQUAL,
    FILTER_IN,
    FILTER_CONTAINS,
};

/* One question, and the step that follows each answer. */
struct filter_step {
    uint8_t test;         /* enum filter_test */
    int16_t yes, no;      /* a step further on; or FILTER_YES, FILTER_NO */
    uint16_t first;       /* FILTER_IN: where in `sorted` its operands are, */
    uint16_t n_scalars;   /* first so many scalars, in order, */
    uint16_t n_operands;  /* then arrays and maps; all together */
    struct bytes path;    /* dotted */
    struct bytes operand; /* one value, as MessagePack */
};

enum { FILTER_YES = -1, FILTER_NO = -2 };

struct filter {
    unsigned count;    /* of steps, at least 1 */
    unsigned n_sorted; /* of operands */
    struct filter_step steps[FILTER_STEPS];
    uint32_t sorted[FILTER_ELEMENTS]; /* where in `operand` they begin */
};

/* Compile one MessagePack value. 0, or what problem says: ERR_BAD_ARGUMENT with the place in the
 * filter and what is allowed there, ERR_LIMIT_EXCEEDED with the limit. */
MUST_USE int filter_compile(struct filter *filter, struct bytes map, struct problem *problem);

/* Does the filter match this MessagePack value? In one that is no map, in none at all and in bytes
 * that are no MessagePack, every path is missing. Any number of threads may ask. */
bool filter_match(const struct filter *filter, struct bytes metadata);
