/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing graphs into snapshots: see vindex_file.h. A part at a time, in slices of SAVE_ROWS rows,
 * while others search and link; what is linked behind the place where it stands comes with it, what
 * before, not.
 *
 * Threads: one saves; see vindex.h. Failures: memory for a part.
 */
#include "server/store/vindex_file.h"

#include "common/err.h"
#include "common/hash.h"
#include "server/store/vindex_impl.h"
#include "server/wal/little.h"

enum { SAVE_ROWS = 256, SAVE_PART_BYTES = 256 * 1024, SAVE_HEAD = 12, SAVE_NODE_HEAD = 13 };

int vindex_list_graphs(struct partition *partition, struct buf *out)
{
    size_t position = 0, slots = SIZE_MAX;
    struct vindex *vindex;
    int err = 0;
    partition_lock(partition);
    while (err == 0 && (vindex = hmap_walk(&partition->vindexes, &position, &slots)) != NULL) {
        if (vindex->dropped || atomic_load(&vindex->hnsw) == NULL)
            continue;
        err = buf_append(out, &vindex, sizeof vindex);
        if (err == 0)
            (void)vindex_ref(vindex);
    }
    partition_unlock(partition);
    return err;
}

void vindex_pin(struct vindex *vindex, bool pin)
{
    (void)pthread_rwlock_wrlock(&vindex->use);
    atomic_store(&vindex->pinned, pin);
    (void)pthread_rwlock_unlock(&vindex->use);
}

uint64_t vindex_row_hash(const struct vindex *vindex, uint32_t slot)
{
    static const struct hash_key fixed = {0x636169726e206772, 0x6170682076310000};
    struct bytes key = record_key_bytes(vindex_record(vindex, slot));
    struct bytes elements = {rows_stored(&vindex->rows, slot), vindex->rows.vector_bytes};
    return hash_word_bytes(&fixed, hash_word_bytes(&fixed, vindex->rows.dim, key), elements);
}

static uint8_t *save_links(uint8_t *to, const uint32_t *links, uint16_t count)
{
    uint16_t little = htole16(count);
    memcpy(to, &little, sizeof little);
    to += sizeof little;
    for (uint16_t i = 0; i < count; i++, to += sizeof *links)
        little_write_u32(to, links[i]);
    return to;
}

/* There is room. False: the row is not linked, or dead. */
static bool save_node(const struct vindex *vindex, const struct hnsw *hnsw, uint32_t slot,
                      uint32_t *links, struct buf *out)
{
    uint16_t counts[HNSW_LEVEL_MAX + 1];
    unsigned level;
    if (rows_state(&vindex->rows, slot) != ROW_LINKED || rows_dead(&vindex->rows, slot) ||
        !hnsw_read(hnsw, slot, &level, counts, links))
        return false;
    uint8_t *to = out->data + out->size;
    little_write_u64(to, vindex_row_hash(vindex, slot));
    little_write_u32(to + 8, slot);
    to[12] = (uint8_t)level;
    to += SAVE_NODE_HEAD;
    for (unsigned i = 0; i <= level; links += counts[i++])
        to = save_links(to, links, counts[i]);
    out->size = (size_t)(to - out->data);
    return true;
}

/* Some rows; adds to *count. */
static int save_rows(const struct vindex *vindex, const struct hnsw *hnsw, uint32_t *slot,
                     uint32_t end, struct buf *links, struct buf *out, uint32_t *count)
{
    size_t most = hnsw_links_max(hnsw);
    size_t node =
        SAVE_NODE_HEAD + (HNSW_LEVEL_MAX + 1) * sizeof(uint16_t) + most * sizeof(uint32_t);
    int err = buf_reserve(links, most * sizeof(uint32_t));
    for (; err == 0 && *slot < end; ++*slot) {
        err = buf_reserve(out, node);
        if (err == 0)
            *count += save_node(vindex, hnsw, *slot, (uint32_t *)(void *)links->data, out);
    }
    return err;
}

int vindex_save_part(struct vindex *vindex, uint32_t *slot, struct buf *out, bool *out_done)
{
    const struct hnsw *hnsw = atomic_load_explicit(&vindex->hnsw, memory_order_acquire);
    size_t head = out->size, full = head + SAVE_PART_BYTES;
    struct buf links = {0};
    uint32_t count = 0;
    *out_done = false;
    int err = buf_reserve(out, SAVE_HEAD);
    if (err != 0)
        return err;
    out->size += SAVE_HEAD;
    while (err == 0 && out->size < full && !*out_done) {
        vindex_enter(vindex);
        uint32_t n_slots = atomic_load_explicit(&vindex->rows.n_slots, memory_order_acquire);
        uint32_t end = n_slots - *slot > SAVE_ROWS ? *slot + SAVE_ROWS : n_slots;
        err = save_rows(vindex, hnsw, slot, end, &links, out, &count);
        vindex_leave(vindex);
        *out_done = *slot >= n_slots;
    }
    little_write_u64(out->data + head, vindex->generation);
    little_write_u32(out->data + head + 8, count);
    buf_deinit(&links);
    return err;
}
