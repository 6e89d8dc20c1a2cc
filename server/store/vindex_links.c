/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The links of a row of a graph, for people who look into one: see vindex.h.
 *
 * Threads: any, between vindex_enter and vindex_leave; workers may change the links meanwhile.
 * Failures: memory.
 */
#include "common/err.h"
#include "common/mem.h"
#include "server/store/vindex_impl.h"

/* Add the living ones of these slots; returns how many. */
static uint16_t links_add(const struct vindex *vindex, uint32_t slot, const uint32_t *slots,
                          uint16_t n, struct vindex_link *out)
{
    const struct rows *rows = &vindex->rows;
    uint16_t added = 0;
    for (uint16_t i = 0; i < n; i++) {
        if (rows_dead(rows, slots[i]))
            continue;
        float distance = rows_distance_between(rows, slot, slots[i]);
        out[added++] = (struct vindex_link){vindex_record(vindex, slots[i]),
                                            (double)rows_score(rows->metric, distance)};
    }
    return added;
}

int vindex_links(const struct vindex *vindex, uint32_t slot, struct vindex_links *out_links)
{
    const struct hnsw *hnsw = atomic_load_explicit(&vindex->hnsw, memory_order_acquire);
    uint16_t counts[HNSW_LEVEL_MAX + 1];
    unsigned level = 0;
    *out_links = (struct vindex_links){.levels = 1};
    if (hnsw == NULL)
        return 0;
    size_t most = hnsw_links_max(hnsw), n = 0, end = 0;
    uint32_t *slots = mem_alloc(most * sizeof *slots);
    out_links->links = mem_alloc(most * sizeof *out_links->links);
    bool linked =
        slots != NULL && out_links->links != NULL && hnsw_read(hnsw, slot, &level, counts, slots);
    int err = slots == NULL || out_links->links == NULL ? ERR_OUT_OF_MEMORY : 0;
    for (unsigned l = 0; linked && l <= level; l++)
        end += counts[l];
    out_links->levels = level + 1;
    for (unsigned l = level + 1; linked && l-- > 0;) {
        end -= counts[l];
        out_links->counts[l] =
            links_add(vindex, slot, slots + end, counts[l], out_links->links + n);
        n += out_links->counts[l];
    }
    mem_free(slots);
    if (err != 0) {
        mem_free(out_links->links);
        out_links->links = NULL;
    }
    return err;
}
