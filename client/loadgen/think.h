/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Think time: how long a user, who is a connection, does nothing between a reply and the next
 * request.
 *
 *   500ms                          always
 *   100ms-2s                       evenly
 *   exponential:1s                 of this mean
 *   lognormal:2s,1                 of this median and sigma
 */
#pragma once

#include "common/check.h"

#include <stdbool.h>
#include <stdint.h>

enum think_kind {
    THINK_NEVER,
    THINK_UNIFORM, /* from a to b, which may be the same */
    THINK_EXPONENTIAL,
    THINK_LOGNORMAL,
};

struct think {
    enum think_kind kind;
    double a, b; /* ns; of lognormal b is sigma */
};

/* "": never. ERR_BAD_ARGUMENT: the text is none of the above. */
MUST_USE int think_parse(const char *text, struct think *out);

/* The time before request number `turn` of connection number `conn`, in ns: the same for the same
 * seed. The first is what is left of one that was under way, as if all had been there for long:
 * then as many go on in the first second as in any other. */
uint64_t think_ns(const struct think *think, uint64_t seed, uint64_t conn, uint64_t turn);

/* Its mean. */
double think_mean_ns(const struct think *think);
