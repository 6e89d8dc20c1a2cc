/* SPDX-License-Identifier: BSD-3-Clause
 *
 * struct limits: the bounds of limits.def as numbers. Each event loop owns a copy and replaces it
 * when the configuration is reloaded, so that reading a limit needs no lock.
 */
#pragma once

#include <stdint.h>

struct limits {
#define LIMIT(name, default_value, min, max, text) uint64_t name;
#include "proto/limits.def"
#undef LIMIT
};

/* All defaults. */
static inline struct limits limits_default(void)
{
    return (struct limits){
#define LIMIT(name, default_value, min, max, text) .name = (default_value),
#include "proto/limits.def"
#undef LIMIT
    };
}
