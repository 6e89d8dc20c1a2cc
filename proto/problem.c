/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Filling in struct problem.
 *
 * Line breaks and other control bytes that came in with client text are replaced, so that no error
 * text can forge a line of a protocol or a log.
 *
 * Threads: as the storage.
 */
#include "proto/problem.h"

#include "common/err.h"

#include <stdarg.h>

static void problem_format(struct problem *problem, int err, const char *format, va_list args)
{
    *problem = (struct problem){.err = err};
    if (format == NULL)
        snprintf(problem->text, sizeof problem->text, "%s", err_text(err));
    else
        vsnprintf(problem->text, sizeof problem->text, format, args);
    for (char *p = problem->text; *p != 0; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
            *p = '?';
}

int problem_set(struct problem *problem, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    problem_format(problem, err, format, args);
    va_end(args);
    return err;
}

int problem_conflict(struct problem *problem, uint64_t actual, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    problem_format(problem, ERR_CONFLICT, format, args);
    va_end(args);
    problem->has_actual = true;
    problem->actual = actual;
    return ERR_CONFLICT;
}
