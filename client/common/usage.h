/* SPDX-License-Identifier: BSD-3-Clause
 *
 * struct usage: what is wrong with what a person typed, or with a file they named, as one sentence
 * for them.
 */
#pragma once

#include "common/check.h"

struct usage {
    char text[512];
};

/* Fill in the sentence; returns ERR_BAD_ARGUMENT. */
int usage_set(struct usage *usage, const char *format, ...) PRINTF_LIKE(2, 3);

/* Put the place before the sentence, as in "line 3: not JSON"; returns ERR_BAD_ARGUMENT. */
int usage_at(struct usage *usage, const char *format, ...) PRINTF_LIKE(2, 3);
