/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Figures as people read them.
 */
#pragma once

#include <stdint.h>

enum { TEXT_SIZE = 40 };

/* "1,234,567" */
void text_count(uint64_t value, char out_text[static TEXT_SIZE]);

/* Nanoseconds as milliseconds with microseconds: "0.412", "12.034", "1,204.500". */
void text_ms(uint64_t ns, char out_text[static TEXT_SIZE]);
