/* SPDX-License-Identifier: BSD-3-Clause
 *
 * "Did you mean": the known word that is nearest to a mistyped one.
 */
#pragma once

#include <stddef.h>

/* The one of `count` words with the fewest letters to insert, delete, change or swap, about a third
 * of `word` at most; a word that `word` begins counts as near. NULL if none is near. `word`
 * need not end in NUL. Any thread. */
const char *suggest_nearest(const char *word, size_t size, const char *const *words, size_t count);
