/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Matching of patterns, without recursion: after a star only the last one ever needs to be tried
 * again, as an earlier one could at best do what the later one can.
 *
 *   pattern  a * b ?          on a mismatch behind the star: back to it,
 *   text     a x x b y        and let it take one byte more
 *
 * An unfinished class "[ab" reaches to the end of the pattern; a backslash at the end is itself.
 *
 * Threads: pure functions.
 */
#include "common/glob.h"

/* Does the class that begins at pattern[*at] == '[' hold this byte? *at moves behind it. */
static bool glob_class(struct bytes pattern, size_t *at, uint8_t byte)
{
    const uint8_t *p = pattern.data;
    size_t i = *at + 1;
    bool inverted = i < pattern.size && p[i] == '^', found = false;
    i += inverted;
    for (; i < pattern.size && p[i] != ']'; i++) {
        if (p[i] == '\\' && i + 1 < pattern.size)
            i++;
        else if (i + 2 < pattern.size && p[i + 1] == '-') {
            uint8_t low = p[i] < p[i + 2] ? p[i] : p[i + 2],
                    high = p[i] < p[i + 2] ? p[i + 2] : p[i];
            found = found || (byte >= low && byte <= high);
            i += 2;
            continue;
        }
        found = found || p[i] == byte;
    }
    *at = i < pattern.size ? i + 1 : i;
    return found != inverted;
}

/* Does the one element at pattern[*at] (not a star) match this byte? *at moves behind it. */
static bool glob_one(struct bytes pattern, size_t *at, uint8_t byte)
{
    uint8_t c = pattern.data[*at];
    if (c == '[')
        return glob_class(pattern, at, byte);
    if (c == '\\' && *at + 1 < pattern.size)
        c = pattern.data[++*at];
    else if (c == '?')
        c = byte;
    ++*at;
    return c == byte;
}

bool glob_match(struct bytes pattern, struct bytes text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, star_text = 0;
    for (;;) {
        while (p < pattern.size && pattern.data[p] == '*') {
            star = ++p;
            star_text = t;
        }
        if (t == text.size)
            return p == pattern.size;
        if (p < pattern.size && glob_one(pattern, &p, text.data[t]))
            t++;
        else if (star != SIZE_MAX) {
            p = star;
            t = ++star_text;
        } else
            return false;
    }
}

struct bytes glob_prefix(struct bytes pattern)
{
    size_t n = 0;
    while (n < pattern.size && memchr("*?[\\", pattern.data[n], 4) == NULL)
        n++;
    return (struct bytes){pattern.data, n};
}
