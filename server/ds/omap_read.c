/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading side of the ordered map: descent, iterators, rank, and the check of all invariants.
 *
 *     descend:  root  [ f0  f1  f2  f3 ]      last child whose first item is <= key
 *                            |
 *               leaf  [ i0 i1 i2 ... ]        first item >= key
 *
 * What costs time here is waiting for the caller's items, of which a compare reads one and which
 * are seldom in the cache. So a descent makes no compare twice (a separator is the first item of
 * the leaf below it), fetches both possible next items while it waits for one, and iterators fetch
 * some items ahead, and the next leaf's pointers along with this one's.
 *
 * Invariants: those of omap.c. Threads: the caller serialises. Failures: none.
 */
#include "server/ds/omap_node.h"

#include "common/prefetch.h"

enum { OMAP_AHEAD = 6 }; /* items prefetched ahead of an iterator */

/* First place in [low, high) whose item is >= key, or high. While one item is compared the two that
 * may come next are fetched: the caller's items are not in the cache, and this halves the wait. */
static inline unsigned omap_bound(const struct omap *map, void *const *item, unsigned low,
                                  unsigned high, const void *key, bool *found)
{
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        prefetch(item[low + (middle - low) / 2]);
        prefetch(item[middle + (high - middle) / 2]);
        int order = map->compare(key, item[middle]);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* All of a node: a search in it looks at lines here and there, and would wait for one after the
 * other. */
static inline void omap_prefetch_node(const struct omap_node *node)
{
    enum { LINE = 64 };
    for (size_t at = 0; at < sizeof *node; at += LINE)
        prefetch((const char *)node + at);
}

/* Once an item equals the key, what is below is known: it is the first item there. For the same
 * reason place 0 is compared only on the way to the map's first leaf. */
void omap_descend(const struct omap *map, const void *key, struct omap_path *path)
{
    struct omap_node *node = map->root;
    unsigned low = 0;
    path->found = false;
    for (unsigned level = map->height - 1; level > 0; level--) {
        unsigned i = 0;
        if (key != NULL && !path->found) {
            i = omap_bound(map, node->inner.first, 1, node->n, key, &path->found);
            i -= path->found ? 0 : 1;
            low |= i > 0;
        }
        path->node[level] = node;
        path->index[level] = i;
        node = omap_child(node, i);
        omap_prefetch_node(node);
    }
    path->node[0] = node;
    path->index[0] = 0;
    if (key != NULL && !path->found)
        path->index[0] = omap_bound(map, node->leaf.item, low, node->n, key, &path->found);
}

/* Items are often read further than one cache line. */
static inline void omap_prefetch_item(const void *item)
{
    prefetch(item);
    prefetch((const char *)item + 64);
}

void omap_seek(const struct omap *map, const void *key, struct omap_iter *out_iter)
{
    struct omap_path path;
    *out_iter = (struct omap_iter){NULL, 0};
    if (map->root == NULL)
        return;
    omap_descend(map, key, &path);
    const struct omap_node *leaf = path.node[0];
    for (unsigned i = path.index[0]; i < leaf->n && i < path.index[0] + OMAP_AHEAD; i++)
        omap_prefetch_item(leaf->leaf.item[i]); /* the first of a walk, which may well follow */
    *out_iter = (struct omap_iter){leaf, path.index[0]};
}

void omap_seek_end(const struct omap *map, struct omap_iter *out_iter)
{
    const struct omap_node *node = map->root;
    while (node != NULL && node->level > 0)
        node = omap_child(node, node->n - 1);
    *out_iter = (struct omap_iter){node, node == NULL ? 0 : node->n};
}

/* Prefetch the item some steps ahead, maybe in the next leaf, and the next leaf's line for it. */
static inline void omap_prefetch_next(const struct omap_node *leaf, unsigned i)
{
    const struct omap_node *next = leaf->leaf.next;
    if (i + OMAP_AHEAD < leaf->n) {
        omap_prefetch_item(leaf->leaf.item[i + OMAP_AHEAD]);
        if (next != NULL)
            prefetch((const char *)next + i * sizeof(void *));
    } else if (next != NULL && i + OMAP_AHEAD - leaf->n < next->n) {
        omap_prefetch_item(next->leaf.item[i + OMAP_AHEAD - leaf->n]);
    }
}

void *omap_next(struct omap_iter *iter)
{
    const struct omap_node *leaf = iter->leaf;
    if (leaf == NULL)
        return NULL;
    if (iter->index == leaf->n) {
        if (leaf->leaf.next == NULL)
            return NULL;
        iter->leaf = leaf = leaf->leaf.next;
        iter->index = 0;
    }
    omap_prefetch_next(leaf, iter->index);
    return leaf->leaf.item[iter->index++];
}

static inline void omap_prefetch_previous(const struct omap_node *leaf, unsigned i)
{
    const struct omap_node *previous = leaf->leaf.previous;
    if (i >= OMAP_AHEAD) {
        omap_prefetch_item(leaf->leaf.item[i - OMAP_AHEAD]);
        if (previous != NULL)
            prefetch((const char *)previous + i * sizeof(void *));
    } else if (previous != NULL && i + previous->n >= OMAP_AHEAD) {
        omap_prefetch_item(previous->leaf.item[i + previous->n - OMAP_AHEAD]);
    }
}

void *omap_previous(struct omap_iter *iter)
{
    const struct omap_node *leaf = iter->leaf;
    if (leaf == NULL)
        return NULL;
    if (iter->index == 0) {
        if (leaf->leaf.previous == NULL)
            return NULL;
        iter->leaf = leaf = leaf->leaf.previous;
        iter->index = leaf->n;
    }
    iter->index--;
    omap_prefetch_previous(leaf, iter->index);
    return leaf->leaf.item[iter->index];
}

size_t omap_rank(const struct omap *map, const void *key)
{
    struct omap_path path;
    if (map->root == NULL)
        return 0;
    omap_descend(map, key, &path);
    size_t rank = path.index[0];
    for (unsigned level = 1; level < map->height; level++)
        for (unsigned i = 0; i < path.index[level]; i++)
            rank += path.node[level]->inner.count[i];
    return rank;
}

void omap_seek_rank(const struct omap *map, size_t rank, struct omap_iter *out_iter)
{
    const struct omap_node *node = map->root;
    if (rank >= map->count) {
        omap_seek_end(map, out_iter);
        return;
    }
    while (node->level > 0) {
        unsigned i = 0;
        for (; rank >= node->inner.count[i]; i++)
            rank -= node->inner.count[i];
        node = omap_child(node, i);
    }
    *out_iter = (struct omap_iter){node, (unsigned)rank};
}

/* ---- test aid ---- */

/* The subtree obeys invariants 1 to 3; `edge`: on the first or last path. Advances *last over its
 * leaves, which must be linked in this order. */
static void omap_check_node(const struct omap_node *node, bool start, bool end,
                            const struct omap_node **last)
{
    bool edge = start || end;
    if (node->level == 0) {
        REQUIRE(node->n <= OMAP_LEAF && node->n >= (edge ? 1 : OMAP_LEAF_MIN));
        REQUIRE(node->leaf.previous == *last);
        REQUIRE(*last == NULL || (*last)->leaf.next == node);
        *last = node;
        return;
    }
    REQUIRE(node->n <= OMAP_FANOUT && node->n >= (edge ? 2 : OMAP_FANOUT_MIN));
    for (unsigned i = 0; i < node->n; i++) {
        const struct omap_node *child = omap_child(node, i);
        REQUIRE(child->level + 1 == node->level);
        REQUIRE(node->inner.first[i] == omap_node_first(child));
        REQUIRE(node->inner.count[i] == omap_node_count(child));
        omap_check_node(child, start && i == 0, end && i + 1 == node->n, last);
    }
}

/* Invariant 4. */
static void omap_check_last(const struct omap *map)
{
    const struct omap_path *last = &map->last;
    const struct omap_node *node = map->root;
    if (last->node[0] == NULL)
        return;
    for (unsigned level = map->height - 1; level > 0; level--) {
        REQUIRE(last->node[level] == node && last->index[level] < node->n);
        node = omap_child(node, last->index[level]);
    }
    REQUIRE(last->node[0] == node && last->index[0] < node->n);
}

void omap_check(const struct omap *map)
{
    size_t n_spare = 0;
    for (const struct omap_node *node = map->spare; node != NULL; node = node->leaf.next)
        n_spare++;
    REQUIRE(n_spare == map->n_spare);
    REQUIRE((map->root == NULL) == (map->count == 0));
    REQUIRE((map->root == NULL) == (map->height == 0));
    if (map->root == NULL)
        return;
    const struct omap_node *last = NULL;
    REQUIRE(map->root->level + 1 == map->height);
    REQUIRE(omap_node_count(map->root) == map->count);
    omap_check_node(map->root, true, true, &last);
    REQUIRE(last->leaf.next == NULL);
    omap_check_last(map);
}
