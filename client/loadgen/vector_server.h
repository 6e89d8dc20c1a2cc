/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The collection on the server: making it, and what the server says of it. Each call is a
 * connection of its own.
 */
#pragma once

#include "client/loadgen/target.h"
#include "client/loadgen/vector_plan.h"

enum { VECTOR_STATE_SIZE = 24 };

/* vec.info. What the server does not tell is 0 or "". */
struct vector_state {
    char state[VECTOR_STATE_SIZE]; /* "flat", "building", "graph" */
    uint64_t count, linked, tail, tombstones, bytes;
};

/* Create it, unless it is there and is the same. 0, or ERR_IO with *failure filled in. */
MUST_USE int vector_server_create(const struct target *target, const struct vector_plan *plan,
                                  struct failure *failure);

/* 0, or ERR_IO with *failure filled in: there is no such collection, or no answer. */
MUST_USE int vector_server_info(const struct target *target, const struct vector_plan *plan,
                                struct vector_state *out, struct failure *failure);

/* Are all vectors in the index? */
bool vector_state_is_built(const struct vector_state *state);

/* Out of the result of vec.info, which may be anything. */
void vector_state_read(struct bytes info, struct vector_state *out);
