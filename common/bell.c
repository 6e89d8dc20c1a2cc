/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A bell: an eventfd(2), which is written by the first who rings. See bell.h.
 */
#include "common/bell.h"

#include "common/err.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int bell_init(struct bell *bell)
{
    atomic_init(&bell->rung, false);
    bell->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return bell->fd < 0 ? ERR_INTERNAL : 0;
}

void bell_deinit(struct bell *bell)
{
    (void)close(bell->fd);
}

void bell_ring(struct bell *bell)
{
    uint64_t once = 1;
    if (!atomic_exchange(&bell->rung, true))
        REQUIRE(write(bell->fd, &once, sizeof once) == sizeof once);
}

void bell_answer(struct bell *bell)
{
    uint64_t rings;
    (void)!read(bell->fd, &rings, sizeof rings); /* none: it was silent already */
    (void)atomic_exchange(&bell->rung, false);
}
