/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Graphs from snapshots: see vindex_file.h.
 *
 *   1. the hashes of all rows, in a table        hash --> slot now
 *   2. each node of the parts finds its row      slot then --> slot now
 *   3. its links, in the slots of now, are written
 *   4. hnsw_write_end drops what leads nowhere; rows that lost much are linked anew
 *
 * What the parts say is checked to be whole and in bounds (vindex_check_part, hnsw_write), and
 * believed no further: distances are computed from the vectors, so a graph that lies finds less,
 * but nothing wrong.
 *
 * Threads: recovery's. Failures: memory; a graph that cannot be is left out with a word in the log.
 */
#include "server/store/vindex_file.h"

#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"
#include "server/store/vindex_impl.h"
#include "server/wal/little.h"

enum { LOAD_HEAD = 12, LOAD_NODE_HEAD = 13 };

/* ---- reading parts ---- */

struct load_node {
    uint64_t hash;
    uint32_t slot;
    unsigned level;
    uint16_t counts[HNSW_LEVEL_MAX + 1];
    size_t n_links;
    const uint8_t *links[HNSW_LEVEL_MAX + 1];
};

/* False: that is none. */
static bool load_node(const uint8_t **at, const uint8_t *end, struct load_node *out_node)
{
    const uint8_t *from = *at;
    if ((size_t)(end - from) < LOAD_NODE_HEAD || from[12] > HNSW_LEVEL_MAX)
        return false;
    *out_node = (struct load_node){
        .hash = little_read_u64(from), .slot = little_read_u32(from + 8), .level = from[12]};
    from += LOAD_NODE_HEAD;
    for (unsigned i = 0; i <= out_node->level; i++) {
        uint16_t count;
        if ((size_t)(end - from) < sizeof count)
            return false;
        memcpy(&count, from, sizeof count);
        from += sizeof count;
        out_node->counts[i] = count = le16toh(count);
        out_node->links[i] = from;
        out_node->n_links += count;
        if ((size_t)(end - from) / sizeof(uint32_t) < count)
            return false;
        from += count * sizeof(uint32_t);
    }
    *at = from;
    return true;
}

static uint64_t part_generation(const struct vindex_part *part)
{
    return little_read_u64(part->bytes);
}

bool vindex_check_part(struct bytes part, uint64_t *out_count)
{
    const uint8_t *at = part.data + LOAD_HEAD, *end = part.data + part.size;
    struct load_node node;
    if (part.size < LOAD_HEAD)
        return false;
    uint32_t count = little_read_u32(part.data + 8);
    for (uint32_t i = 0; i < count; i++)
        if (!load_node(&at, end, &node) || node.slot >= ROWS_MAX)
            return false;
    *out_count = count;
    return at == end;
}

/* ---- the table of rows ---- */

struct load {
    struct vindex *vindex;
    const struct vindex_part *parts; /* of all graphs; each was checked */
    struct hnsw *hnsw;
    uint64_t n_nodes;
    uint32_t slot_end; /* behind the highest slot of then */
    uint32_t *now;     /* slot now of a slot then; ROWS_NONE: it has no row */
    size_t mask;
    struct load_row {
        uint64_t hash;
        uint32_t slot; /* ROWS_NONE: free, or taken */
        bool used;
    } * table;
    struct buf links;
    uint64_t written;
};

static void load_deinit(struct load *load)
{
    mem_free(load->now);
    mem_free(load->table);
    buf_deinit(&load->links);
}

static int load_rows(struct load *load)
{
    const struct rows *rows = &load->vindex->rows;
    uint32_t n_slots = atomic_load(&rows->n_slots);
    size_t capacity = 16;
    while (capacity < 2 * (size_t)n_slots)
        capacity *= 2;
    load->mask = capacity - 1;
    load->table = mem_calloc(capacity, sizeof *load->table);
    if (load->table == NULL)
        return ERR_OUT_OF_MEMORY;
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        if (rows_dead(rows, slot))
            continue;
        uint64_t hash = vindex_row_hash(load->vindex, slot);
        size_t i = hash & load->mask;
        while (load->table[i].used)
            i = (i + 1) & load->mask;
        load->table[i] = (struct load_row){hash, slot, true};
    }
    return 0;
}

/* The row with this hash, which nobody else gets; ROWS_NONE: there is none. */
static uint32_t load_take(struct load *load, uint64_t hash)
{
    for (size_t i = hash & load->mask; load->table[i].used; i = (i + 1) & load->mask) {
        uint32_t slot = load->table[i].slot;
        if (load->table[i].hash != hash || slot == ROWS_NONE)
            continue;
        load->table[i].slot = ROWS_NONE;
        return slot;
    }
    return ROWS_NONE;
}

/* ---- nodes ---- */

typedef int (*load_node_fn)(struct load *load, const struct load_node *node);

static int load_each(struct load *load, load_node_fn visit)
{
    const struct vindex_part *part = load->parts;
    int err = 0;
    for (; part != NULL && err == 0; part = part->next) {
        const uint8_t *at = part->bytes + LOAD_HEAD, *end = part->bytes + part->size;
        struct load_node node;
        if (part_generation(part) != load->vindex->generation)
            continue;
        while (err == 0 && at < end && load_node(&at, end, &node))
            err = visit(load, &node);
    }
    return err;
}

static int load_count(struct load *load, const struct load_node *node)
{
    load->n_nodes++;
    if (node->slot >= load->slot_end)
        load->slot_end = node->slot + 1;
    return 0;
}

static int load_match(struct load *load, const struct load_node *node)
{
    if (load->now[node->slot] != ROWS_NONE)
        return ERR_DATA_DAMAGED; /* two nodes with one slot */
    load->now[node->slot] = load_take(load, node->hash);
    return 0;
}

static int load_write(struct load *load, const struct load_node *node)
{
    uint16_t counts[HNSW_LEVEL_MAX + 1] = {0};
    uint32_t slot = load->now[node->slot];
    load->links.size = 0;
    if (slot == ROWS_NONE)
        return 0;
    if (buf_reserve(&load->links, node->n_links * sizeof(uint32_t)) != 0)
        return ERR_OUT_OF_MEMORY;
    uint32_t *to = (uint32_t *)(void *)load->links.data;
    for (unsigned level = 0; level <= node->level; level++) {
        for (uint16_t i = 0; i < node->counts[level]; i++) {
            uint32_t then = little_read_u32(node->links[level] + i * sizeof then);
            uint32_t now = then < load->slot_end ? load->now[then] : ROWS_NONE;
            if (now == ROWS_NONE || now == slot)
                continue;
            *to++ = now;
            counts[level]++;
        }
    }
    int err = hnsw_write(load->hnsw, slot, node->level, counts,
                         (const uint32_t *)(const void *)load->links.data);
    if (err == 0)
        load->written++;
    return err;
}

static void load_on_lost(void *context, uint32_t slot)
{
    struct load *load = context;
    (void)slot;
    load->written--;
}

/* ---- a graph ---- */

/* Slots of then that are far beyond their number are no slots. */
static bool load_slots_can_be(const struct load *load)
{
    enum { SPARE = 1 << 16 };
    return load->slot_end <= 8 * load->n_nodes + SPARE;
}

static int load_prepare(struct load *load)
{
    if (!load_slots_can_be(load))
        return ERR_DATA_DAMAGED;
    load->now = mem_alloc(((size_t)load->slot_end + 1) * sizeof *load->now);
    if (load->now == NULL)
        return ERR_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < load->slot_end; i++)
        load->now[i] = ROWS_NONE;
    int err = load_rows(load);
    return err != 0 ? err : load_each(load, load_match);
}

static int load_graph(struct load *load)
{
    struct vindex *vindex = load->vindex;
    int err = load_prepare(load);
    if (err != 0)
        return err;
    load->hnsw = hnsw_create(&vindex->rows, vindex->config.m, vindex->config.ef_construction);
    if (load->hnsw == NULL)
        return ERR_OUT_OF_MEMORY;
    err = hnsw_reserve(load->hnsw, atomic_load(&vindex->rows.n_slots));
    return err != 0 ? err : load_each(load, load_write);
}

/* What was linked before it failed is not linked any more. */
static void load_undo(struct load *load)
{
    struct rows *rows = &load->vindex->rows;
    uint32_t n_slots = atomic_load(&rows->n_slots);
    for (uint32_t slot = 0; slot < n_slots; slot++)
        if (rows_state(rows, slot) == ROW_LINKED)
            rows_set_state(rows, slot, ROW_TAIL);
    if (load->hnsw != NULL)
        hnsw_destroy(load->hnsw);
}

static int load_one(struct vindex *vindex, const struct vindex_part *parts)
{
    struct load load = {.vindex = vindex, .parts = parts};
    (void)load_each(&load, load_count);
    if (load.n_nodes == 0 || vindex->config.index == VEC_FLAT)
        return 0;
    int err = load_graph(&load);
    if (err == 0) {
        hnsw_write_end(load.hnsw, load_on_lost, &load);
        atomic_store(&vindex->hnsw, load.hnsw);
        atomic_fetch_sub(&vindex->n_tail, (uint32_t)load.written);
        atomic_fetch_add(&vindex->n_new, (uint32_t)load.written);
    } else {
        load_undo(&load);
    }
    if (err == ERR_DATA_DAMAGED)
        log_warn("vectors", "a graph in the snapshot says what cannot be; it is built anew");
    load_deinit(&load);
    return err == ERR_DATA_DAMAGED ? 0 : err;
}

int vindex_load(struct partition *partition, const struct vindex_part *parts)
{
    size_t position = 0, slots = SIZE_MAX;
    struct vindex *vindex;
    int err = 0;
    if (parts == NULL)
        return 0;
    while (err == 0 && (vindex = hmap_walk(&partition->vindexes, &position, &slots)) != NULL)
        err = load_one(vindex, parts);
    return err;
}
