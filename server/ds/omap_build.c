/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Builds a B+ tree from items that are in order, level by level from the leaves up: see omap.h.
 *
 * The elements of a level are dealt out evenly to as few nodes as take them at the fill that merges
 * leave too. Of k >= 2 nodes each then has more than half of that, which is above the least of
 * invariant 3 (omap.c). All nodes are made before the first is used, so that failing leaves the map
 * as it was, but for spare nodes.
 *
 * Threads: none of its own; the caller serialises.
 */
#include "server/ds/omap_node.h"

#include "common/err.h"
#include "common/mem.h"

_Static_assert(OMAP_LEAF_MERGE / 2 >= OMAP_LEAF_MIN, "dealt leaves are full enough");
_Static_assert(OMAP_FANOUT_MERGE / 2 >= OMAP_FANOUT_MIN, "dealt inner nodes are full enough");

static size_t build_nodes(size_t n, unsigned fill)
{
    return (n + fill - 1) / fill;
}

/* Nodes of all levels. */
static size_t build_demand(size_t n)
{
    size_t level = build_nodes(n, OMAP_LEAF_MERGE), sum = level;
    while (level > 1) {
        level = build_nodes(level, OMAP_FANOUT_MERGE);
        sum += level;
    }
    return sum;
}

static void build_leaf(struct omap_node *leaf, struct omap_node *before, void *const *items,
                       unsigned n)
{
    leaf->n = n;
    memcpy(leaf->leaf.item, items, n * sizeof *items);
    if (before != NULL)
        omap_leaf_link(before, leaf);
}

static void build_inner(struct omap_node *node, struct omap_node *const *children, unsigned n)
{
    node->n = n;
    for (unsigned i = 0; i < n; i++) {
        node->inner.child[i] = children[i];
        omap_refresh(node, i);
    }
}

/* Where the share of node `i` of `k` begins in n elements. */
static size_t build_share(size_t n, size_t k, size_t i)
{
    return n / k * i + (i < n % k ? i : n % k);
}

/* Each node of a level takes the place of its first child in `nodes`. */
static void build_inners(struct omap *map, struct omap_node **nodes)
{
    size_t n = build_nodes(map->count, OMAP_LEAF_MERGE);
    for (map->height = 1; n > 1; map->height++) {
        size_t k = build_nodes(n, OMAP_FANOUT_MERGE);
        for (size_t i = 0; i < k; i++) {
            size_t from = build_share(n, k, i), to = build_share(n, k, i + 1);
            struct omap_node *node = omap_node_new(map, map->height);
            build_inner(node, nodes + from, (unsigned)(to - from));
            nodes[i] = node;
        }
        n = k;
    }
    map->root = nodes[0];
}

static void build_leaves(struct omap *map, struct omap_node **nodes, void *const *items, size_t n)
{
    size_t k = build_nodes(n, OMAP_LEAF_MERGE);
    for (size_t i = 0; i < k; i++) {
        size_t from = build_share(n, k, i), to = build_share(n, k, i + 1);
        nodes[i] = omap_node_new(map, 0);
        build_leaf(nodes[i], i > 0 ? nodes[i - 1] : NULL, items + from, (unsigned)(to - from));
    }
}

int omap_build(struct omap *map, void *const *items, size_t n)
{
    REQUIRE(map->root == NULL);
    if (n == 0)
        return 0;
    struct omap_node **nodes = mem_alloc(build_nodes(n, OMAP_LEAF_MERGE) * sizeof *nodes);
    if (nodes == NULL || !omap_spare_grow(map, build_demand(n))) {
        mem_free(nodes);
        return ERR_OUT_OF_MEMORY;
    }
    build_leaves(map, nodes, items, n);
    map->count = n;
    build_inners(map, nodes);
    mem_free(nodes);
    return 0;
}
