/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Are all event loops alive? Asked before the service manager's watchdog is fed.
 *
 * Threads: one caller; the loops run meanwhile.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* Have all loops come round within the last `patience_ns` (or ended)? Each that has not is named in
 * the log. */
bool watchdog_is_alive(struct loop *const *loops, unsigned n_loops, uint64_t patience_ns);
