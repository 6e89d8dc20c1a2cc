/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A bell: any thread rings it, and the thread that waits for events on its descriptor wakes. Rings
 * that were not answered yet cost nothing more.
 *
 * libuv has uv_async_send() for this, in which the woken thread spins until the one that woke it
 * has left the call. As that call is what lets it run, it often runs instead of the other, and
 * spins for as long as the system leaves it the CPU: docs/decisions/011.
 */
#pragma once

#include "common/check.h"

#include <stdatomic.h>
#include <stdbool.h>

struct bell {
    int fd; /* readable: it was rung */
    atomic_bool rung;
};

/* 0 or ERR_INTERNAL: no descriptor was to be had. */
MUST_USE int bell_init(struct bell *bell);
void bell_deinit(struct bell *bell); /* nobody rings it any more */

/* What the caller did before is seen by who looks after bell_answer. Never blocks. */
void bell_ring(struct bell *bell);

/* Its descriptor is readable: make it silent, then look at what there is to do. */
void bell_answer(struct bell *bell);
