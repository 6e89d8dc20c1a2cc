/* SPDX-License-Identifier: BSD-3-Clause
 *
 * struct problem: why a request failed, in the caller's storage, for whoever writes the reply.
 */
#pragma once

#include "common/check.h"

#include <stdbool.h>
#include <stdint.h>

struct problem {
    int err;         /* enum err; 0: no problem */
    bool has_actual; /* CONFLICT: `actual` is the version that was found (0: absent) */
    bool inside;     /* NOT_FOUND: the collection is there, what was looked for in it is not */
    bool has_index;  /* batch: the call or condition number `index` failed */
    uint64_t actual;
    uint32_t index;
    char text[200]; /* one sentence; no values of records */
};

/* Fill in error and text (the text of the error itself if format is NULL); returns err. */
int problem_set(struct problem *problem, int err, const char *format, ...) PRINTF_LIKE(3, 4);

/* A condition did not hold: `actual` is the version found. Returns ERR_CONFLICT. */
int problem_conflict(struct problem *problem, uint64_t actual, const char *format, ...)
    PRINTF_LIKE(3, 4);
