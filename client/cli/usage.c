/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sentences about a wrong command line.
 *
 * Invariants: control characters of what was typed become '?', so that it cannot harm a terminal.
 * Threads: as the storage. Failures: none; what is too long is cut.
 */
#include "client/cli/usage.h"

#include "common/err.h"

#include <stdarg.h>

int usage_set(struct usage *usage, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(usage->text, sizeof usage->text, format, args);
    va_end(args);
    for (char *p = usage->text; *p != 0; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p == 0x7f)
            *p = '?';
    return ERR_BAD_ARGUMENT;
}
