/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keeps the reason of an early end.
 *
 * How: the first failure is the cause, later ones are its consequences and are not kept.
 *
 * Invariants: text is printable ASCII, whatever a server sent.
 * Threads: as the struct. Failures: a long text is cut.
 */
#include "client/loadgen/failure.h"

#include "common/err.h"

#include <stdarg.h>

int failure_set(struct failure *failure, enum failure_kind kind, const char *format, ...)
{
    va_list args;
    if (failure->kind != FAILURE_NONE)
        return ERR_IO;
    failure->kind = kind;
    va_start(args, format);
    (void)vsnprintf(failure->text, sizeof failure->text, format, args);
    va_end(args);
    for (char *c = failure->text; *c != 0; c++)
        if ((*c < ' ' && *c != '\n') || *c > '~')
            *c = '?';
    return ERR_IO;
}

int failure_exit_code(const struct failure *failure)
{
    return failure->kind == FAILURE_NONE ? 0 : 3;
}
