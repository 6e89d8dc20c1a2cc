/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One node of the B+ tree, private to omap*.c: layout, the moves of items or
 * children within a node and between two neighbours, and the path that a search leaves behind.
 *
 * Leaves and inner nodes have one size, so that one kind of spare node serves both. All elements
 * are 8 bytes, so that one function moves them. Functions here know nothing of the tree around a
 * node; the caller keeps within the capacities and describes changed children anew (omap_refresh).
 */
#pragma once

#include "server/ds/omap.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    OMAP_LEAF = 61,       /* items in a full leaf */
    OMAP_LEAF_MIN = 15,   /* fewer: borrow from a sibling */
    OMAP_LEAF_MERGE = 53, /* two leaves with no more items than this become one */
    OMAP_FANOUT = 21,     /* children of a full inner node; makes it as large as a leaf */
    OMAP_FANOUT_MIN = 6,
    OMAP_FANOUT_MERGE = 17,
};

struct omap_leaf {
    struct omap_node *previous; /* leaf before, NULL: the first */
    struct omap_node *next;     /* leaf behind, NULL: the last; in spare nodes: the next spare */
    void *item[OMAP_LEAF];
};

struct omap_inner {
    void *child[OMAP_FANOUT]; /* struct omap_node; void so that all arrays move alike */
    void *first[OMAP_FANOUT];
    uint64_t count[OMAP_FANOUT];
};

struct omap_node {
    unsigned n; /* items or children */
    unsigned level;
    union {
        struct omap_leaf leaf;
        struct omap_inner inner;
    };
};

_Static_assert(sizeof(void *) == 8, "64-bit only");
_Static_assert(sizeof(struct omap_node) == 512, "a size class of every allocator");

/* Have at least n spare nodes; false without memory. */
bool omap_spare_grow(struct omap *map, size_t n);

/* A node with nothing in it, from the spare ones. */
struct omap_node *omap_node_new(struct omap *map, unsigned level);

/* The way to the first item >= key (to the first item at all if key is NULL); to the end of a leaf
 * if that item is in the next one. The map must not be empty. */
void omap_descend(const struct omap *map, const void *key, struct omap_path *path);

static inline struct omap_node *omap_child(const struct omap_node *node, unsigned i)
{
    return node->inner.child[i];
}

static inline void *omap_node_first(const struct omap_node *node)
{
    return node->level == 0 ? node->leaf.item[0] : node->inner.first[0];
}

static inline uint64_t omap_node_count(const struct omap_node *node)
{
    if (node->level == 0)
        return node->n;
    uint64_t sum = 0;
    for (unsigned i = 0; i < node->n; i++)
        sum += node->inner.count[i];
    return sum;
}

/* Describe child i anew after it changed. */
static inline void omap_refresh(struct omap_node *node, unsigned i)
{
    node->inner.first[i] = omap_node_first(omap_child(node, i));
    node->inner.count[i] = omap_node_count(omap_child(node, i));
}

/* Shift elements of 8 bytes between the end of one array and the start of its right neighbour, so
 * that the left one has `want` of them. */
static inline void omap_pour_array(void *left, unsigned n_left, void *right, unsigned n_right,
                                   unsigned want)
{
    uint64_t *l = left;
    uint64_t *r = right;
    if (want >= n_left) {
        unsigned k = want - n_left;
        memcpy(l + n_left, r, k * sizeof *r);
        memmove(r, r + k, (n_right - k) * sizeof *r);
    } else {
        unsigned k = n_left - want;
        memmove(r + k, r, n_right * sizeof *r);
        memcpy(r, l + want, k * sizeof *r);
    }
}

/* The same for two neighbours of one level. */
static inline void omap_pour(struct omap_node *left, struct omap_node *right, unsigned want)
{
    unsigned l = left->n;
    unsigned r = right->n;
    if (left->level == 0) {
        omap_pour_array(left->leaf.item, l, right->leaf.item, r, want);
    } else {
        omap_pour_array(left->inner.child, l, right->inner.child, r, want);
        omap_pour_array(left->inner.first, l, right->inner.first, r, want);
        omap_pour_array(left->inner.count, l, right->inner.count, r, want);
    }
    left->n = want;
    right->n = l + r - want;
}

static inline void omap_leaf_put(struct omap_node *leaf, unsigned i, void *item)
{
    memmove(leaf->leaf.item + i + 1, leaf->leaf.item + i, (leaf->n - i) * sizeof item);
    leaf->leaf.item[i] = item;
    leaf->n++;
}

static inline void omap_leaf_cut(struct omap_node *leaf, unsigned i)
{
    leaf->n--;
    memmove(leaf->leaf.item + i, leaf->leaf.item + i + 1, (leaf->n - i) * sizeof(void *));
}

static inline void omap_inner_put(struct omap_node *node, unsigned i, struct omap_node *child)
{
    struct omap_inner *inner = &node->inner;
    size_t tail = (node->n - i) * sizeof(void *);
    memmove(inner->child + i + 1, inner->child + i, tail);
    memmove(inner->first + i + 1, inner->first + i, tail);
    memmove(inner->count + i + 1, inner->count + i, tail);
    node->n++;
    inner->child[i] = child;
    omap_refresh(node, i);
}

static inline void omap_inner_cut(struct omap_node *node, unsigned i)
{
    struct omap_inner *inner = &node->inner;
    node->n--;
    size_t tail = (node->n - i) * sizeof(void *);
    memmove(inner->child + i, inner->child + i + 1, tail);
    memmove(inner->first + i, inner->first + i + 1, tail);
    memmove(inner->count + i, inner->count + i + 1, tail);
}

static inline void omap_leaf_link(struct omap_node *left, struct omap_node *right)
{
    right->leaf.previous = left;
    right->leaf.next = left->leaf.next;
    if (right->leaf.next != NULL)
        right->leaf.next->leaf.previous = right;
    left->leaf.next = right;
}

static inline void omap_leaf_unlink(struct omap_node *leaf)
{
    if (leaf->leaf.previous != NULL)
        leaf->leaf.previous->leaf.next = leaf->leaf.next;
    if (leaf->leaf.next != NULL)
        leaf->leaf.next->leaf.previous = leaf->leaf.previous;
}
