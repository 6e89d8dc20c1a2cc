/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Assertions on our own logic. REQUIRE stays on in release builds; it must never be reachable by
 * remote input, which is answered with an error instead.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            check_failed(#condition, __FILE__, __LINE__);                                          \
    } while (0)

/* The result of this function must be used. */
#define MUST_USE __attribute__((warn_unused_result))

/* A printf-like function: `f` is the index of the format, `a` of the first argument. */
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* Number of elements of an array. */
#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Print where and what on stderr (journald priority 2, critical) and abort. */
_Noreturn static inline void check_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "<2>check: %s:%d: requirement failed: %s\n", file, line, condition);
    abort();
}
