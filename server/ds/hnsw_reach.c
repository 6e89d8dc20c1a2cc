/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The end of a round: rows that no walk comes to get a link.
 *
 * A list that is full drops links, and a round takes away all those of the rows that go, so a row,
 * or a few that know each other, can be left without a way to them: far from all others, they are
 * in nobody's list any more. Nothing else would bring them back.
 *
 *   reach   from the entry along all links of level 0: what is met is reached
 *   bridge  the nearest row that is reached links to one that is not, which is reached from then
 *           on, and so is what it leads to
 *
 * Invariant: linked rows stay linked until the round ends, so what waits in `front` is valid.
 * Threads: that of hnsw_mend_step, while others search and insert. Rows that were linked behind the
 * look at their neighbours may get a link they did not need.
 * Failures: memory; the step can be done again.
 */
#include "server/ds/hnsw_impl.h"

#include "common/err.h"
#include "common/mem.h"

enum { BRIDGE_TRIES = 32 }; /* rows that are asked for room in their list */

static void reach_mark(struct hnsw_reach *reach, uint32_t slot)
{
    if (slot >= reach->n_slots || reach->reached[slot])
        return;
    reach->reached[slot] = true;
    reach->front[reach->n_front++] = slot;
}

static int reach_begin(struct hnsw *hnsw)
{
    struct hnsw_reach *reach = &hnsw->reach;
    uint32_t n = hnsw->to;
    reach->reached = mem_calloc(n + 1, sizeof *reach->reached);
    reach->front = mem_alloc((n + 1) * sizeof *reach->front);
    if (reach->reached == NULL || reach->front == NULL) {
        reach_end(hnsw);
        return ERR_OUT_OF_MEMORY;
    }
    reach->n_slots = n;
    uint64_t entry = atomic_load_explicit(&hnsw->entry, memory_order_acquire);
    if (entry != ENTRY_NONE)
        reach_mark(reach, entry_slot(entry));
    return 0;
}

void reach_end(struct hnsw *hnsw)
{
    mem_free(hnsw->reach.reached);
    mem_free(hnsw->reach.front);
    hnsw->reach = (struct hnsw_reach){0};
}

/* Have the nearest row with room in its list link to this one. */
static int bridge(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t slot)
{
    uint32_t list[2 * HNSW_M_MAX];
    struct base base = base_of(hnsw, slot);
    int r = pool_search(hnsw, scratch, base, 0);
    if (r != 0 || scratch->pool.count == 0)
        return r;
    uint32_t best = base_slot(base, scratch->pool.keys[0]);
    for (size_t i = 0; i < scratch->pool.count && i < BRIDGE_TRIES; i++) {
        uint32_t other = base_slot(base, scratch->pool.keys[i]);
        if (links_get(hnsw, other, 0, list) < links_max(hnsw, 0)) {
            best = other;
            break;
        }
    }
    (void)link_add(hnsw, scratch, slot, 0, best);
    link_force(hnsw, best, slot);
    return 0;
}

int reach_step(struct hnsw *hnsw, struct hnsw_scratch *scratch, int64_t *left, int64_t bridge_price,
               bool *out_done)
{
    struct hnsw_reach *reach = &hnsw->reach;
    uint32_t list[2 * HNSW_M_MAX];
    int r = reach->reached == NULL ? reach_begin(hnsw) : 0;
    while (r == 0 && *left > 0 && (reach->n_front > 0 || reach->at < reach->n_slots)) {
        --*left;
        if (reach->n_front > 0) {
            unsigned n = links_get(hnsw, reach->front[--reach->n_front], 0, list);
            for (unsigned i = 0; i < n; i++)
                reach_mark(reach, list[i]);
            continue;
        }
        uint32_t slot = reach->at;
        if (!reach->reached[slot] && row_linked(hnsw, slot) && !rows_dead(hnsw->rows, slot)) {
            *left -= bridge_price;
            r = bridge(hnsw, scratch, slot);
            if (r != 0)
                break;
            reach_mark(reach, slot);
        }
        reach->at++;
    }
    *out_done = r == 0 && reach->n_front == 0 && reach->at == reach->n_slots;
    return r;
}
