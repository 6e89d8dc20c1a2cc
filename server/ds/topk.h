/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The k nearest of what is offered: a bounded heap, the farthest at its root. Storage is the
 * caller's. Of equal distances the lower slot stays, so that the result depends on nothing but what
 * was offered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hit {
    float distance;
    uint32_t slot;
};

struct topk {
    struct hit *hits; /* room for k */
    size_t count, k;
    bool tied; /* something was left out that is as near as the farthest of the hits */
};

static inline bool hit_before(struct hit a, struct hit b)
{
    return a.distance < b.distance || (a.distance == b.distance && a.slot < b.slot);
}

/* Would it be taken? */
static inline bool topk_wants(const struct topk *topk, float distance)
{
    return topk->count < topk->k || distance <= topk->hits[0].distance;
}

/* Offer one; k > 0. */
void topk_offer(struct topk *topk, struct hit hit);

/* The nearest first; it is no heap any more. */
void topk_sort(struct topk *topk);
