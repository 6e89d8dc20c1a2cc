/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lanes: threads that apply effects of recovery, each those of its own partitions, in the order in
 * which they were given. Private to recovery.
 */
#pragma once

#include "server/store/store.h"

struct recover_lanes;

/* Up to n threads; fewer, perhaps none, if they cannot be made. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int recover_lanes_create(struct store *store, unsigned n,
                                  struct recover_lanes **out_lanes);

/* An effect with its hash; views in it are copied. Waits while its lane is behind. 0, or
 * ERR_OUT_OF_MEMORY, which may be that of an effect given earlier. */
MUST_USE int recover_lanes_put(struct recover_lanes *lanes, const struct effect *effect);

/* Wait until everything has been applied. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int recover_lanes_drain(struct recover_lanes *lanes);

/* End the threads, whatever is left to do. NULL is fine. */
void recover_lanes_destroy(struct recover_lanes *lanes);

/* Apply effects with their hashes, in this order; records of puts may be there, and are taken.
 * `locked`: others may be at the same partitions. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int recover_apply(struct store *store, struct effect *effects, size_t n, bool locked);
