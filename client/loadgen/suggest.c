/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Finds the nearest of some words by edit distance.
 *
 * How: optimal string alignment (Levenshtein and swapped neighbours), three rows of the table kept.
 *
 * Invariants: words longer than SUGGEST_MAX are never near.
 * Threads: any; no state. Failures: none.
 */
#include "client/loadgen/suggest.h"

#include <string.h>

enum { SUGGEST_MAX = 32 };

static unsigned suggest_min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned suggest_distance(const char *a, size_t size_a, const char *b, size_t size_b)
{
    unsigned rows[3][SUGGEST_MAX + 1];
    for (unsigned j = 0; j <= size_b; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= size_a; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3], *above_2 = rows[(i + 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= size_b; j++) {
            unsigned change = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = suggest_min(change, suggest_min(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = suggest_min(row[j], above_2[j - 2] + 1);
        }
    }
    return rows[size_a % 3][size_b];
}

const char *suggest_nearest(const char *word, size_t size, const char *const *words, size_t count)
{
    const char *nearest = NULL;
    unsigned best = (unsigned)size / 3 + 2;
    if (size == 0 || size > SUGGEST_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t other = strlen(words[i]);
        if (other > SUGGEST_MAX)
            continue;
        unsigned distance = suggest_distance(word, size, words[i], other);
        if (size >= 3 && other > size && memcmp(words[i], word, size) == 0)
            distance = 1;
        if (distance < best) {
            best = distance;
            nearest = words[i];
        }
    }
    return nearest;
}
