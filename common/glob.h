/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Patterns of keys as Redis has them: ? any byte, * any bytes, [abc] [a-z] [^a] one of or none of,
 * \x the byte x itself.
 */
#pragma once

#include "common/bytes.h"

/* Does all of `text` match? Time is at most proportional to the product of both sizes. */
bool glob_match(struct bytes pattern, struct bytes text);

/* The bytes every match begins with: the pattern up to its first special byte. */
struct bytes glob_prefix(struct bytes pattern);
