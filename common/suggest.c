/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The nearest word, by edit distance with swaps of neighbours (optimal string alignment).
 *
 * Invariants: at most a third of the word typed may be wrong (and always one letter), so that what
 * is offered is worth reading. A word that begins with what was typed is one edit away.
 * Threads: pure functions. Failures: none.
 */
#include "common/suggest.h"

#include <string.h>

enum { SUGGEST_SIZE_MAX = 64 };

static unsigned suggest_min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned suggest_distance(const char *a, size_t size, const char *b)
{
    unsigned rows[3][SUGGEST_SIZE_MAX + 1];
    size_t n = size, m = strlen(b);
    if (n > SUGGEST_SIZE_MAX || m > SUGGEST_SIZE_MAX)
        return SUGGEST_SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3], *above_two = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = suggest_min(suggest_min(above[j], row[j - 1]) + 1,
                                 above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = suggest_min(row[j], above_two[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

void suggest_init(struct suggest *suggest, const char *typed, size_t size)
{
    unsigned allowed = (unsigned)size / 3;
    *suggest = (struct suggest){typed, size, NULL, (allowed > 1 ? allowed : 1) + 1};
}

void suggest_offer(struct suggest *suggest, const char *word)
{
    size_t n = suggest->size;
    unsigned distance = suggest_distance(suggest->typed, n, word);
    if (n >= 2 && strncmp(suggest->typed, word, n) == 0)
        distance = suggest_min(distance, 1);
    if (distance < suggest->distance) {
        suggest->distance = distance;
        suggest->best = word;
    }
}
