/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A window on a file: what was read of it and not yet taken. Memory is bounded by the most that is
 * asked for at a time, not by the file, which may be a pipe.
 */
#pragma once

#include "client/common/usage.h"
#include "common/buf.h"

#include <stdio.h>

enum { WINDOW_STEP = 256 * 1024 };

struct window {
    FILE *in;
    struct buf raw;  /* not yet taken from `at` on */
    size_t at;       /* in raw */
    uint64_t offset; /* of raw in the file */
    bool ended;      /* `in` has no more */
};

/* No file is read yet; it stays the caller's. window_deinit is due. */
void window_init(struct window *window, FILE *in);
void window_deinit(struct window *window);

/* Have n bytes, or all that are left: 0. ERR_OUT_OF_MEMORY, or ERR_BAD_ARGUMENT told: the file
 * cannot be read. */
MUST_USE int window_have(struct window *window, size_t n, struct usage *usage);

/* What can be taken; until the next window_have. */
struct bytes window_bytes(const struct window *window);

/* Step over n of these bytes. */
void window_take(struct window *window, size_t n);

/* Where in the file it is. */
uint64_t window_offset(const struct window *window);

/* Go on at this byte of a file that is no pipe. 0, or ERR_BAD_ARGUMENT told. */
MUST_USE int window_seek(struct window *window, uint64_t offset, struct usage *usage);
