/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sizes of values (-d):
 *
 *   64                     all of one size
 *   64-4KiB                each at random, from and to
 *   64:90,4KiB:10          of these sizes, with these weights
 *   normal:1000,200        mean, standard deviation
 *   lognormal:200,1.2      median, sigma
 *   pareto:214,0.348       generalized Pareto from 1 on: scale, shape
 *   etc, small, session,   what these stand for is in sizes.c
 *   embedding
 *
 * A span, of keys, is only one size, or from and to, which may have a colon between them: 16-40,
 * 16:40.
 *
 * Distributions are cut off at 1 byte, and above at the size that one value of a million exceeds.
 */
#pragma once

#include "common/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIZES_LIST_MAX = 16, SIZES_TEXT_SIZE = 96 };

enum sizes_kind { SIZES_UNIFORM, SIZES_LIST, SIZES_NORMAL, SIZES_LOGNORMAL, SIZES_PARETO };

struct sizes {
    enum sizes_kind kind;
    int64_t min, max; /* of all that may be drawn */
    double a, b;      /* of a distribution: as written */
    unsigned n;       /* of the list */
    struct {
        int64_t size;
        uint64_t weight; /* of this and all before it */
    } list[SIZES_LIST_MAX];
};

/* Read what is written. 0, or ERR_BAD_ARGUMENT: it is none of these, or not from min to max. */
MUST_USE int sizes_parse(const char *text, int64_t min, int64_t max, struct sizes *out);

/* The same of a span. */
MUST_USE int sizes_parse_span(const char *text, int64_t min, int64_t max, struct sizes *out);

/* The same as text. */
void sizes_format(const struct sizes *sizes, char out_text[static SIZES_TEXT_SIZE]);

/* The size that belongs to a random number. */
size_t sizes_draw(const struct sizes *sizes, uint64_t random);

/* The mean size, about where a distribution is cut off. */
double sizes_mean(const struct sizes *sizes);
