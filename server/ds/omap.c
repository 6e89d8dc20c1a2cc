/* SPDX-License-Identifier: BSD-3-Clause
 *
 * B+ tree of item pointers with subtree counts: memory, insert, remove (reading: omap_read.c).
 *
 *     inner   first | i0   i40  i91 |      child j holds the items in [first j, first j+1)
 *             count | 40   51   61  |      n counts sum up to the count in the parent
 *                      |    |    |
 *     leaf       [i0..i39] [..] [i91..i154]      linked in both directions
 *
 * A full leaf first shares with a sibling under the same parent and is split only if both are full;
 * a leaf that shrinks is merged as soon as it and a sibling leave some room in one leaf. Both keep
 * the fill high under random inserts and under churn. An insert behind the last item (before the
 * first) splits off a new leaf for just that item: ascending loads leave full leaves behind.
 *
 * Invariants:
 *  1. All leaves have level 0, every child is one level below its parent.
 *  2. first[j] is the first item of child j's subtree, hence always an item that is in the map;
 *     count[j] is the number of items in it.
 *  3. A leaf has 1..61 items and, unless it is the first or last of the map, at least 15. An inner
 *     node has 2..21 children and, unless on the first or last path, at least 6.
 *  4. `last` is the way to an item that is in the map, or its node[0] is NULL: what moves nodes or
 *     items other than by putting one in says so.
 *  5. While `reserved` inserts are promised, nodes freed by merges stay in `spare`, and live and
 *     spare nodes together suffice for them (omap_demand).
 *
 * Threads: none of its own; the caller serialises.
 * Failures: only omap_reserve fails, with ERR_OUT_OF_MEMORY; what it got by then stays in `spare`.
 */
#include "server/ds/omap.h"

#include "server/ds/omap_node.h"

#include "common/err.h"
#include "common/mem.h"

#include <string.h>

enum { OMAP_TRIM = 8 }; /* spare nodes given back per change, at most */

/* ---- memory ---- */

static bool omap_spare_add(struct omap *map)
{
    struct omap_node *node = mem_alloc(sizeof *node);
    if (node == NULL)
        return false;
    node->leaf.next = map->spare;
    map->spare = node;
    map->n_spare++;
    map->bytes += sizeof *node;
    return true;
}

static struct omap_node *omap_spare_take(struct omap *map)
{
    struct omap_node *node = map->spare;
    REQUIRE(node != NULL);
    map->spare = node->leaf.next;
    map->n_spare--;
    return node;
}

bool omap_spare_grow(struct omap *map, size_t n)
{
    while (map->n_spare < n)
        if (!omap_spare_add(map))
            return false;
    return true;
}

struct omap_node *omap_node_new(struct omap *map, unsigned level)
{
    struct omap_node *node = omap_spare_take(map);
    node->n = 0;
    node->level = level;
    node->leaf.previous = NULL;
    node->leaf.next = NULL;
    return node;
}

static void omap_node_release(struct omap *map, struct omap_node *node)
{
    node->leaf.next = map->spare;
    map->spare = node;
    map->n_spare++;
}

/* Give back spare nodes beyond one insert's worst case, a few at a time. */
static void omap_trim(struct omap *map)
{
    if (map->reserved > 0)
        return;
    for (unsigned i = 0; i < OMAP_TRIM && map->n_spare > map->height + 1; i++) {
        mem_free(omap_spare_take(map));
        map->bytes -= sizeof(struct omap_node);
    }
}

void omap_init(struct omap *map, omap_compare_fn compare)
{
    memset(map, 0, sizeof *map);
    map->compare = compare;
}

/* Recursion is as deep as the tree. */
static void omap_free_tree(struct omap_node *node)
{
    for (unsigned i = 0; node->level > 0 && i < node->n; i++)
        omap_free_tree(omap_child(node, i));
    mem_free(node);
}

void omap_deinit(struct omap *map)
{
    if (map->root != NULL)
        omap_free_tree(map->root);
    while (map->n_spare > 0)
        mem_free(omap_spare_take(map));
    omap_init(map, map->compare);
}

/* Nodes that the next `inserts` inserts may need. At each level not more than one per insert, and
 * not more than may exist there afterwards, which invariant 3 bounds. The tree grows by one level,
 * and by another one only after the new root has got more than 20 further children. */
static size_t omap_demand(const struct omap *map, size_t inserts)
{
    size_t demand = 0;
    size_t levels = map->height + 1 + inserts / (OMAP_FANOUT - 2);
    size_t most = (map->count + inserts) / OMAP_LEAF_MIN + 2;
    for (size_t level = 0; level < levels; level++) {
        demand += most < inserts ? most : inserts;
        if (most == 1)
            break;
        most = most < 4 ? 1 : (most - 4) / OMAP_FANOUT_MIN + 2;
    }
    return demand;
}

int omap_reserve(struct omap *map, size_t inserts)
{
    if (!omap_spare_grow(map, omap_demand(map, inserts)))
        return ERR_OUT_OF_MEMORY;
    map->reserved = inserts;
    return 0;
}

/* `item` has become the first of the subtree at this place of the path, from `level` upwards. */
static void omap_path_first(const struct omap *map, struct omap_path *path, unsigned level,
                            void *item)
{
    for (; level < map->height; level++) {
        path->node[level]->inner.first[path->index[level]] = item;
        if (path->index[level] > 0)
            return;
    }
}

/* ---- insert ---- */

static void omap_root_new(struct omap *map, struct omap_path *path)
{
    REQUIRE(map->height < OMAP_LEVELS);
    struct omap_node *root = omap_node_new(map, map->height);
    if (map->root != NULL)
        omap_inner_put(root, 0, map->root);
    map->root = root;
    path->node[map->height] = root;
    path->index[map->height] = 0;
    map->height++;
}

/* How many children stay left when a full inner node gets a new child at place p. Nodes at the ends
 * of the map keep nearly all, as ascending and descending inserts do not come back to them. */
static unsigned omap_split_point(const struct omap *map, const struct omap_path *path,
                                 unsigned level, unsigned p)
{
    bool at_end = p == OMAP_FANOUT;
    bool at_start = p == 1;
    for (unsigned l = level + 1; l < map->height; l++) {
        at_end = at_end && path->index[l] + 1 == path->node[l]->n;
        at_start = at_start && path->index[l] == 0;
    }
    return at_end ? OMAP_FANOUT - 1 : at_start ? 1 : OMAP_FANOUT / 2;
}

/* Hang a new node behind the path's node at `level` into its parent; split upwards as needed. */
static void omap_add_node(struct omap *map, struct omap_path *path, unsigned level,
                          struct omap_node *added)
{
    while (added != NULL) {
        level++;
        if (level == map->height)
            omap_root_new(map, path);
        struct omap_node *node = path->node[level];
        struct omap_node *right = NULL;
        unsigned p = path->index[level] + 1;
        omap_refresh(node, p - 1);
        if (node->n == OMAP_FANOUT) {
            unsigned at = omap_split_point(map, path, level, p);
            right = omap_node_new(map, level);
            omap_pour(node, right, at);
            if (p > at) {
                node = right;
                p -= at;
            }
        }
        omap_inner_put(node, p, added);
        added = right;
    }
}

static void omap_split_leaf(struct omap *map, struct omap_path *path, void *item)
{
    struct omap_node *leaf = path->node[0];
    struct omap_node *right = omap_node_new(map, 0);
    unsigned place = path->index[0];
    unsigned at = OMAP_LEAF / 2;
    if (place == OMAP_LEAF && leaf->leaf.next == NULL)
        at = OMAP_LEAF;
    else if (place == 0 && leaf->leaf.previous == NULL)
        at = 0;
    omap_leaf_link(leaf, right);
    omap_pour(leaf, right, at);
    if (place > at || at == OMAP_LEAF)
        omap_leaf_put(right, place - at, item);
    else
        omap_leaf_put(leaf, place, item);
    omap_add_node(map, path, 0, right);
}

/* Put an item into the full leaf at child i or its sibling with room, at child j = i - 1 or i + 1.
 * Of the 65 items in order `move` go over: half the room, so that both have some afterwards (in the
 * end this fills the leaves behind an ascending run, too). */
static void omap_share(struct omap_path *path, unsigned i, unsigned j, void *item)
{
    struct omap_node *parent = path->node[1];
    struct omap_node *leaf = omap_child(parent, i);
    struct omap_node *sibling = omap_child(parent, j);
    unsigned place = path->index[0];
    unsigned room = OMAP_LEAF - sibling->n;
    unsigned move = (room + 1) / 2;
    if (j < i) {
        bool over = place < move;
        unsigned end = sibling->n;
        omap_pour(sibling, leaf, end + move - over);
        omap_leaf_put(over ? sibling : leaf, over ? end + place : place - move, item);
    } else {
        bool over = place + move > OMAP_LEAF;
        omap_pour(leaf, sibling, OMAP_LEAF - move + over);
        omap_leaf_put(over ? sibling : leaf, over ? place - leaf->n : place, item);
    }
    omap_refresh(parent, i);
    omap_refresh(parent, j);
}

static void omap_insert_full(struct omap *map, struct omap_path *path, void *item)
{
    if (map->height > 1) {
        const struct omap_node *parent = path->node[1];
        unsigned i = path->index[1];
        if (i > 0 && parent->inner.count[i - 1] < OMAP_LEAF) {
            omap_share(path, i, i - 1, item);
            return;
        }
        if (i + 1 < parent->n && parent->inner.count[i + 1] < OMAP_LEAF) {
            omap_share(path, i, i + 1, item);
            return;
        }
    }
    omap_split_leaf(map, path, item);
}

/* Does the key belong right behind what was inserted last? That is one compare or two with items
 * that are in the cache, instead of one at every step of a search. */
static bool omap_follows(const struct omap *map, const void *key)
{
    const struct omap_node *leaf = map->last.node[0];
    unsigned i = map->last.index[0] + 1;
    if (map->compare(key, leaf->leaf.item[i - 1]) <= 0)
        return false;
    if (i == leaf->n && (leaf = leaf->leaf.next) != NULL)
        i = 0;
    return leaf == NULL || map->compare(key, leaf->leaf.item[i]) < 0;
}

/* The way to where the key belongs, in map->last. */
static void omap_descend_insert(struct omap *map, const void *key)
{
    struct omap_path *path = &map->last;
    const struct omap_node *leaf = path->node[0];
    unsigned i = path->index[0] + 1;
    if (map->runs && leaf != NULL && omap_follows(map, key)) {
        path->index[0] = i;
        return;
    }
    omap_descend(map, key, path);
    if (leaf != NULL)
        map->runs = path->node[0] == leaf && path->index[0] == i;
}

void omap_insert(struct omap *map, const void *key, void *item)
{
    struct omap_path *path = &map->last;
    if (map->root == NULL) {
        omap_root_new(map, path);
        path->node[0] = NULL; /* with no item in it yet */
    }
    omap_descend_insert(map, key);
    REQUIRE(!path->found);
    map->count++;
    for (unsigned level = 1; level < map->height; level++)
        path->node[level]->inner.count[path->index[level]]++;
    if (path->index[0] == 0)
        omap_path_first(map, path, 1, item);
    if (path->node[0]->n < OMAP_LEAF) {
        omap_leaf_put(path->node[0], path->index[0], item);
    } else {
        omap_insert_full(map, path, item);
        path->node[0] = NULL;
    }
    if (map->reserved > 0)
        map->reserved--;
    omap_trim(map);
}

/* ---- remove ---- */

/* Give the left one of children j and j + 1 `want` elements, which merges them if these are all.
 * True if so. */
static bool omap_join(struct omap *map, struct omap_path *path, unsigned level, unsigned j,
                      unsigned want)
{
    struct omap_node *parent = path->node[level];
    struct omap_node *left = omap_child(parent, j);
    struct omap_node *right = omap_child(parent, j + 1);
    bool merge = want == left->n + right->n;
    map->last.node[0] = NULL;
    omap_pour(left, right, want);
    omap_refresh(parent, j);
    path->index[level] = j;
    omap_path_first(map, path, level, omap_node_first(left));
    if (!merge) {
        omap_refresh(parent, j + 1);
        return false;
    }
    if (right->level == 0)
        omap_leaf_unlink(right);
    omap_inner_cut(parent, j + 1);
    omap_node_release(map, right);
    return true;
}

static unsigned omap_child_n(const struct omap_node *node, unsigned i)
{
    return node->level == 1 ? (unsigned)node->inner.count[i] : omap_child(node, i)->n;
}

/* Restore invariant 3 for the path's node at `level`, and pack two neighbours into one or three
 * into two where that leaves room. True if the parent lost a child by that.
 * Three into two: neither pair fits into one, so each side has less than half of the three and its
 * share, half of them, only adds to it. */
static bool omap_balance(struct omap *map, struct omap_path *path, unsigned level)
{
    const struct omap_node *parent = path->node[level + 1];
    unsigned n = path->node[level]->n;
    unsigned i = path->index[level + 1];
    unsigned merge = level == 0 ? OMAP_LEAF_MERGE : OMAP_FANOUT_MERGE;
    unsigned least = level == 0 ? OMAP_LEAF_MIN : OMAP_FANOUT_MIN;
    unsigned left = i > 0 ? omap_child_n(parent, i - 1) : 0;
    unsigned right = i + 1 < parent->n ? omap_child_n(parent, i + 1) : 0;
    if (left > 0 && left + n <= merge)
        return omap_join(map, path, level + 1, i - 1, left + n);
    if (right > 0 && right + n <= merge)
        return omap_join(map, path, level + 1, i, n + right);
    if (left > 0 && right > 0 && left + n + right <= 2 * merge) {
        unsigned half = (left + n + right) / 2;
        omap_join(map, path, level + 1, i - 1, half);
        return omap_join(map, path, level + 1, i, left + n - half + right);
    }
    if (n < least && left > right)
        return omap_join(map, path, level + 1, i - 1, (left + n) / 2);
    if (n < least)
        return omap_join(map, path, level + 1, i, (n + right) / 2);
    return false;
}

static void omap_lower_root(struct omap *map)
{
    while (map->height > 1 && map->root->n == 1) {
        struct omap_node *root = map->root;
        map->root = omap_child(root, 0);
        map->height--;
        omap_node_release(map, root);
    }
    if (map->root->n == 0) {
        omap_node_release(map, map->root);
        map->root = NULL;
        map->height = 0;
    }
}

/* The item at the end of this path leaves: what was inserted last may be that, or move up. */
static void omap_last_stays(struct omap *map, const struct omap_path *path)
{
    struct omap_path *last = &map->last;
    if (last->node[0] != path->node[0] || last->index[0] < path->index[0])
        return;
    if (last->index[0] == path->index[0])
        last->node[0] = NULL;
    else
        last->index[0]--;
}

void *omap_remove(struct omap *map, const void *key)
{
    struct omap_path path;
    if (map->root == NULL)
        return NULL;
    omap_descend(map, key, &path);
    if (!path.found)
        return NULL;
    omap_last_stays(map, &path);
    struct omap_node *leaf = path.node[0];
    void *item = leaf->leaf.item[path.index[0]];
    omap_leaf_cut(leaf, path.index[0]);
    map->count--;
    for (unsigned level = 1; level < map->height; level++)
        path.node[level]->inner.count[path.index[level]]--;
    if (path.index[0] == 0 && leaf->n > 0)
        omap_path_first(map, &path, 1, leaf->leaf.item[0]);
    for (unsigned level = 0; level + 1 < map->height; level++)
        if (!omap_balance(map, &path, level))
            break;
    omap_lower_root(map);
    omap_trim(map);
    return item;
}

void omap_replace(struct omap *map, const void *key, void *item)
{
    struct omap_path path;
    REQUIRE(map->root != NULL);
    omap_descend(map, key, &path);
    REQUIRE(path.found);
    path.node[0]->leaf.item[path.index[0]] = item;
    if (path.index[0] == 0)
        omap_path_first(map, &path, 1, item);
}
