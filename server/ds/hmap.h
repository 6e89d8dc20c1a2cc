/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hash map from a 64-bit hash and a key to an item (a pointer the caller owns).
 *
 * Open addressing over 8-byte slots: the upper 16 bits hold a tag (bits of the hash), the lower 48
 * the pointer, so that a probe touches an item only if its tag matches. The map doubles (or
 * shrinks) incrementally: every change moves a bounded number of slots, never the whole table, so
 * that no single request pays for the growth. Growth is reserved before it is needed, so that an
 * insert itself cannot fail (apply cannot fail, see docs/ARCHITECTURE.md).
 *
 * Pure data structure: no I/O, no locks. Callers serialise all access to one map, except
 * hmap_prefetch, which any thread may call at any time while the map exists.
 */
#pragma once

#include "common/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How to read an item. Both functions are pure. */
struct hmap_type {
    bool (*equal)(const void *item, const void *key);
    /* The hash it was inserted with; bits 40 to 47, which no map looks at, may differ. */
    uint64_t (*hash)(const void *item, const void *context);
    const void *context; /* handed to hash() */
};

/* One slot array. `slots` and `mask` are read by hmap_prefetch without a lock, hence atomic. */
struct hmap_table {
    _Atomic(uint64_t *) slots; /* NULL if the table does not exist */
    _Atomic size_t mask;       /* number of slots - 1; a power of two minus one */
    size_t used;               /* items */
    size_t tombs;              /* slots whose item was removed */
};

struct hmap {
    const struct hmap_type *type;
    struct hmap_table now; /* receives all inserts */
    struct hmap_table old; /* being emptied into `now`, or absent */
    size_t moved;          /* slots of `old` already emptied */
    size_t reserved;       /* inserts promised by the last hmap_reserve and not yet made */
    unsigned epoch;        /* number of tables `now` has been, so that a walk knows its table */
};

/* An empty map that holds no memory. `type` must outlive it. */
void hmap_init(struct hmap *map, const struct hmap_type *type);

/* Release the slots. The items are the caller's. */
void hmap_deinit(struct hmap *map);

/* Make room so that the next `extra` inserts cannot fail, whatever is removed in between. 0 or
 * ERR_OUT_OF_MEMORY (map unchanged). Calls do not add up: the latest one counts. */
MUST_USE int hmap_reserve(struct hmap *map, size_t extra);

/* The item with this hash and key, or NULL. */
void *hmap_find(const struct hmap *map, uint64_t hash, const void *key);

/* Add an item whose key is absent; room must have been reserved. */
void hmap_insert(struct hmap *map, uint64_t hash, void *item);

/* Put `item` into the slot of `old_item`, which must be in the map with the same hash and key. */
void hmap_replace(struct hmap *map, uint64_t hash, const void *old_item, void *item);

/* Remove an item, which must be in the map with this hash. May start to shrink the map. */
void hmap_remove(struct hmap *map, uint64_t hash, const void *item);

/* Number of items; bytes of slot memory held. */
size_t hmap_count(const struct hmap *map);
size_t hmap_bytes(const struct hmap *map);

/* Ask the processor to fetch the slots that a find with this hash will read. Lock-free. */
void hmap_prefetch(const struct hmap *map, uint64_t hash);

/* The first item whose tag matches this hash, without comparing keys, or NULL: a hint to prefetch.
 * */
const void *hmap_peek(const struct hmap *map, uint64_t hash);

/* Walk: the item at or after slot position *position, which moves behind it; NULL at the end (then
 * *position is 0 again). The map may change between calls in any way: an item that stays in it for
 * the whole walk is never missed, but may be repeated if the map is resized meanwhile (a position
 * that is older than 255 resizes may miss). Any number is a valid position. Looks at no more than
 * *slots slots and takes them off; NULL with *position != 0 means "call again". */
enum { HMAP_POSITION_BITS = 45 }; /* a position is below 2^45 */
void *hmap_walk(const struct hmap *map, size_t *position, size_t *slots);
