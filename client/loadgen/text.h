/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Figures as people read them.
 */
#pragma once

#include "common/check.h"

#include <stdint.h>

enum { TEXT_SIZE = 40 };

/* "1,234,567" */
void text_count(uint64_t value, char out_text[static TEXT_SIZE]);

/* A time: "10" is seconds, as people write it; anything with a unit is as elsewhere. 0 or
 * ERR_BAD_ARGUMENT. */
MUST_USE int text_read_time(const char *text, int64_t *out_ms);

/* Nanoseconds as milliseconds with microseconds: "0.412", "12.034", "1,204.500". */
void text_ms(uint64_t ns, char out_text[static TEXT_SIZE]);
