/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The list of protocols.
 *
 * How: a protocol is one file with a table, and one line here.
 *
 * Threads: any; constant. Failures: an unknown name is NULL.
 */
#include "client/loadgen/driver.h"

#include <string.h>

static const struct driver *const drivers[] = {
    &driver_msgpack,
};

const struct driver *driver_find(const char *name)
{
    for (size_t i = 0; i < LENGTH_OF(drivers); i++)
        if (strcmp(drivers[i]->name, name) == 0)
            return drivers[i];
    return NULL;
}
