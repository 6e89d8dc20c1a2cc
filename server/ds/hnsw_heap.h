/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A row and how far it is in one integer, and heaps of such keys.
 *
 *   key = distance, as an integer of the same order, in the high half | slot in the low half
 *
 * so that one comparison orders by distance and, where that is equal, by slot. The smallest key is
 * at the root; a heap whose root is to be the largest holds the complements of its keys.
 *
 * Pure; storage is the caller's, who makes room before a push.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t key_make(float distance, uint32_t slot)
{
    uint32_t bits;
    memcpy(&bits, &distance, sizeof bits);
    bits ^= (uint32_t)((int32_t)bits >> 31) | 0x80000000u;
    return (uint64_t)bits << 32 | slot;
}

static inline uint32_t key_slot(uint64_t key)
{
    return (uint32_t)key;
}

static inline float key_distance(uint64_t key)
{
    uint32_t bits = (uint32_t)(key >> 32);
    bits ^= ~(uint32_t)((int32_t)bits >> 31) | 0x80000000u;
    float distance;
    memcpy(&distance, &bits, sizeof distance);
    return distance;
}

struct heap {
    uint64_t *keys;
    size_t count, room;
};

static inline void heap_push(struct heap *heap, uint64_t key)
{
    size_t i = heap->count++;
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (heap->keys[parent] <= key)
            break;
        heap->keys[i] = heap->keys[parent];
        i = parent;
    }
    heap->keys[i] = key;
}

/* Put this key in the place of the root. */
static inline void heap_replace(struct heap *heap, uint64_t key)
{
    uint64_t *keys = heap->keys;
    size_t i = 0, child = 1, n = heap->count;
    while (child + 1 < n) {
        child += keys[child + 1] < keys[child];
        if (key <= keys[child])
            break;
        keys[i] = keys[child];
        i = child;
        child = 2 * i + 1;
    }
    if (child + 1 == n && keys[child] < key) {
        keys[i] = keys[child];
        i = child;
    }
    keys[i] = key;
}

/* Take the root; the heap is not empty. */
static inline uint64_t heap_pop(struct heap *heap)
{
    uint64_t root = heap->keys[0];
    uint64_t last = heap->keys[--heap->count];
    if (heap->count > 0)
        heap_replace(heap, last);
    return root;
}

/* Sort ascending; fast where little is out of place. (Shell 1959, with the gaps of Ciura 2001.) */
static inline void keys_sort(uint64_t *keys, size_t n)
{
    static const unsigned short gaps[] = {1750, 701, 301, 132, 57, 23, 10, 4, 1};
    for (unsigned g = 0; g < sizeof gaps / sizeof gaps[0]; g++) {
        size_t gap = gaps[g];
        for (size_t i = gap; i < n; i++) {
            uint64_t key = keys[i];
            size_t j = i;
            for (; j >= gap && keys[j - gap] > key; j -= gap)
                keys[j] = keys[j - gap];
            keys[j] = key;
        }
    }
}
