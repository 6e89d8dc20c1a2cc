/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Invariant: while offering, hits[0..count-1] is a heap by hit_before, no hit above one that is
 * after it; so the root is the one to go.
 * Threads: the owner's. Failures: none.
 */
#include "server/ds/topk.h"

/* Put `hit` at position i or below, among the first n. */
static void topk_sink(struct hit *hits, size_t n, size_t i, struct hit hit)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && hit_before(hits[child], hits[child + 1]))
            child++;
        if (!hit_before(hit, hits[child]))
            break;
        hits[i] = hits[child];
    }
    hits[i] = hit;
}

static void topk_rise(struct hit *hits, size_t i, struct hit hit)
{
    for (size_t parent; i > 0 && hit_before(hits[parent = (i - 1) / 2], hit); i = parent)
        hits[i] = hits[parent];
    hits[i] = hit;
}

void topk_offer(struct topk *topk, struct hit hit)
{
    if (topk->count < topk->k) {
        topk_rise(topk->hits, topk->count++, hit);
        return;
    }
    struct hit out = hit;
    if (hit_before(hit, topk->hits[0])) {
        out = topk->hits[0];
        topk_sink(topk->hits, topk->count, 0, hit);
        topk->tied = topk->tied && out.distance == topk->hits[0].distance;
    }
    topk->tied = topk->tied || out.distance == topk->hits[0].distance;
}

void topk_sort(struct topk *topk)
{
    for (size_t n = topk->count; n > 1; n--) {
        struct hit last = topk->hits[n - 1];
        topk->hits[n - 1] = topk->hits[0];
        topk_sink(topk->hits, n - 1, 0, last);
    }
}
