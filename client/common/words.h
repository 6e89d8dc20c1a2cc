/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A line into words, as a shell does: blanks separate, '...' is literal, in "..." a backslash
 * escapes one of " \ $ and `, outside of quotes it escapes anything; # begins a comment where a
 * word could begin. Nothing is expanded.
 */
#pragma once

#include "common/buf.h"

struct words {
    int argc;
    char **argv; /* argc words that end in NUL, then NULL */
    char open;   /* the quote that is not closed, or 0 */
    bool inside; /* the line ends inside of the last word: nothing separates it from what follows */
    size_t last; /* where in the line the last word begins */
    struct buf text;
};

/* Split a line. 0, ERR_BAD_ARGUMENT if it holds a NUL, or ERR_OUT_OF_MEMORY; *out must be released
 * only after 0. */
MUST_USE int words_split(struct bytes line, struct words *out);

void words_deinit(struct words *words);

/* Add to out how `word` must be typed behind the opening quote `open` (0: none), without closing
 * it. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int words_quote(const char *word, char open, struct buf *out);
