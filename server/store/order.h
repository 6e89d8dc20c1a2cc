/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Puts records in the order of the ordered map, for a partition that was filled without one.
 */
#pragma once

#include "server/store/partition.h"

/* A record among those to be sorted. */
struct order_item {
    uint64_t prefix; /* 8 bytes of its key, where those of its neighbours begin to differ */
    struct record *record;
};

/* Sort by record_compare. `scratch` has room for n items too. */
void order_sort(struct order_item *items, struct order_item *scratch, size_t n);

/* Make the ordered map of an unordered partition. It takes 32 bytes a record for that, which it
 * gives back. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int order_build(struct partition *partition);
