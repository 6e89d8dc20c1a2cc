/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Did you mean: the nearest of several words.
 */
#pragma once

#include <stddef.h>

/* The search for the word nearest to `typed` (which need not end in NUL). */
struct suggest {
    const char *typed;
    size_t size;
    const char *best; /* NULL: none is near enough */
    unsigned distance;
};

/* Begin with nothing found. */
void suggest_init(struct suggest *suggest, const char *typed, size_t size);

/* Consider one word, which must live as long as the result is used. */
void suggest_offer(struct suggest *suggest, const char *word);

/* Edits (insert, delete, replace, swap neighbours) from a to b; large if either is over 64 bytes.
 * */
unsigned suggest_distance(const char *a, size_t size, const char *b);
