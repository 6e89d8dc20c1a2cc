/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The elements of one vector after another, as they come from a file: all of one dimension, all
 * finite as 32-bit floats.
 */
#pragma once

#include "client/common/usage.h"
#include "common/buf.h"

enum { ELEMENTS_MAX = 8192 };

struct elements {
    unsigned dim;   /* of all vectors; 0: none has begun */
    struct buf row; /* the floats of this vector, aligned */
};

void elements_init(struct elements *elements);
void elements_deinit(struct elements *elements);

/* A vector of so many elements begins, and there is room for them. 0, ERR_OUT_OF_MEMORY, or
 * ERR_BAD_ARGUMENT told: none may have so many, or those before had another number. */
MUST_USE int elements_begin(struct elements *elements, uint64_t dim, struct usage *usage);

/* The next element, of at most `dim`. 0, or ERR_BAD_ARGUMENT told: it is not finite. */
MUST_USE int elements_add(struct elements *elements, double number, struct usage *usage);

/* All `dim` elements, little-endian floats of 2, 4 or 8 bytes behind each other. As elements_add.
 */
MUST_USE int elements_take(struct elements *elements, const uint8_t *at, size_t float_size,
                           struct usage *usage);
