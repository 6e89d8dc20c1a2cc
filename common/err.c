/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names and texts of the errors in err.def.
 *
 * Threads: constant tables, any thread.
 */
#include "common/err.h"

#include <string.h>

struct err_row {
    const char *name;
    const char *text;
    bool retryable;
};

static const struct err_row err_table[ERR_COUNT] = {
#define ERR(name, retryable, text) {#name, text, retryable},
#include "common/err.def"
#undef ERR
};

static const struct err_row *err_find(int err)
{
    if (err >= 0 || err < -ERR_COUNT)
        return &err_table[ERR_INDEX_INTERNAL];
    return &err_table[-err - 1];
}

const char *err_name(int err)
{
    return err == 0 ? "OK" : err_find(err)->name;
}

const char *err_text(int err)
{
    return err == 0 ? "success" : err_find(err)->text;
}

bool err_retryable(int err)
{
    return err != 0 && err_find(err)->retryable;
}

int err_by_name(const char *name, unsigned long size)
{
    for (int i = 0; i < ERR_COUNT; i++)
        if (strlen(err_table[i].name) == size && memcmp(err_table[i].name, name, size) == 0)
            return -(i + 1);
    return 0;
}
