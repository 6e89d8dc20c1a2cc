/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a function writes to a FILE, as text.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct written {
    FILE *out;
    char *text;
    size_t size;
};

static inline void written_begin(struct written *written)
{
    written->out = open_memstream(&written->text, &written->size);
    assert_non_null(written->out);
}

/* That this was written, and nothing else. */
static inline void written_is(struct written *written, const char *expected)
{
    fclose(written->out);
    assert_string_equal(written->text, expected);
    free(written->text);
}
