/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The seed of a random test: CAIRN_SEED, or 1. It is printed, so that a failure can be repeated.
 */
#pragma once

#include "common/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static inline struct rng seed_rng(void)
{
    const char *text = getenv("CAIRN_SEED");
    struct rng rng = {text == NULL ? 1 : strtoull(text, NULL, 0)};
    print_message("CAIRN_SEED=%llu\n", (unsigned long long)rng.state);
    return rng;
}
