/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sentences about what people gave us.
 *
 * Invariants: control characters of what was typed become '?', so that it cannot harm a terminal.
 * Threads: as the storage. Failures: none; what is too long is cut.
 */
#include "client/common/usage.h"

#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int usage_print(struct usage *usage, const char *format, va_list args)
{
    vsnprintf(usage->text, sizeof usage->text, format, args);
    for (char *p = usage->text; *p != 0; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p == 0x7f)
            *p = '?';
    return ERR_BAD_ARGUMENT;
}

int usage_set(struct usage *usage, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int err = usage_print(usage, format, args);
    va_end(args);
    return err;
}

int usage_at(struct usage *usage, const char *format, ...)
{
    struct usage what = *usage;
    va_list args;
    va_start(args, format);
    int err = usage_print(usage, format, args);
    va_end(args);
    size_t at = strlen(usage->text);
    (void)snprintf(usage->text + at, sizeof usage->text - at, ": %s", what.text);
    return err;
}
