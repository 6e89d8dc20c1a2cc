/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ordered map of items (pointers the caller owns): a B+ tree with subtree counts, so that besides
 * ordered walks in both directions it answers "how many items are below this key" in O(log n).
 *
 * Leaves hold only item pointers (8 bytes an item at a fill of about 0.7 or better); inner nodes
 * hold, for every child, the pointer, the first item of its subtree as separator, and its item
 * count. Items are compared through `compare`, which gets a key of the caller's form and an item.
 *
 * Nodes an insert may need are reserved before it, so that the insert itself cannot fail.
 * Pure data structure: no I/O, no locks; callers serialise all access to one map.
 */
#pragma once

#include "common/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct omap_node;

/* < 0, 0, > 0 if `key` sorts before, equal to, after `item`. Pure. */
typedef int (*omap_compare_fn)(const void *key, const void *item);

enum { OMAP_LEVELS = 24 }; /* far above what fits in memory: 15 * 6^22 items */

/* The way from the root to a place in a leaf: at each level the node and the place in it. */
struct omap_path {
    struct omap_node *node[OMAP_LEVELS];
    unsigned index[OMAP_LEVELS];
    bool found; /* the item at that place equals the key */
};

struct omap {
    omap_compare_fn compare;
    struct omap_node *root;  /* NULL if empty */
    size_t count;            /* items */
    size_t bytes;            /* memory held by nodes, reserve included */
    size_t reserved;         /* inserts promised by the last omap_reserve and not yet made */
    unsigned height;         /* levels; 0 if empty */
    unsigned n_spare;        /* nodes kept ready for inserts */
    struct omap_node *spare; /* list of them */
    struct omap_path last;   /* the way to what was inserted last; node[0] NULL: not known now */
    bool runs; /* that stands right behind what was inserted before: so may the next */
};

/* A place between items; next() gives the one behind it, previous() the one before it.
 * Valid until the map changes. */
struct omap_iter {
    const struct omap_node *leaf;
    unsigned index;
};

/* An empty map that holds no memory. */
void omap_init(struct omap *map, omap_compare_fn compare);

/* Release the nodes. The items are the caller's. */
void omap_deinit(struct omap *map);

/* Make sure that the next `inserts` inserts find the nodes they may need, whatever is removed in
 * between. 0 or ERR_OUT_OF_MEMORY. Calls do not add up: the latest one counts. The reserve is kept
 * small: once those inserts are made, nodes beyond what one insert may need are given back by later
 * changes. */
MUST_USE int omap_reserve(struct omap *map, size_t inserts);

/* Add an item; `key` is its key and must be absent; nodes must have been reserved. */
void omap_insert(struct omap *map, const void *key, void *item);

/* Fill an empty map with items in the order of their keys, no key twice, without comparing any. 0
 * or ERR_OUT_OF_MEMORY (still empty). */
MUST_USE int omap_build(struct omap *map, void *const *items, size_t n);

/* The item with this key leaves the map and is returned; NULL if there is none. */
void *omap_remove(struct omap *map, const void *key);

/* The item with this key is replaced by `item` (same key); it must be in the map. */
void omap_replace(struct omap *map, const void *key, void *item);

/* Iterator before the first item whose key is >= `key`; NULL key: before the first item. */
void omap_seek(const struct omap *map, const void *key, struct omap_iter *out_iter);

/* Iterator behind the last item. */
void omap_seek_end(const struct omap *map, struct omap_iter *out_iter);

/* The next / previous item, and step over it; NULL at the end. Both prefetch items ahead. */
void *omap_next(struct omap_iter *iter);
void *omap_previous(struct omap_iter *iter);

/* Number of items whose key sorts before `key`. */
size_t omap_rank(const struct omap *map, const void *key);

/* Iterator before the item that `rank` others sort before; behind the last if there are fewer. */
void omap_seek_rank(const struct omap *map, size_t rank, struct omap_iter *out_iter);

/* Test aid: REQUIRE every invariant (separators, counts, fill, links; not the order, as there is no
 * way to get an item's key). O(n). */
void omap_check(const struct omap *map);
