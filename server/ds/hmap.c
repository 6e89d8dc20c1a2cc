/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Open-addressing hash map of tagged pointers that grows and shrinks a few slots at a time.
 *
 *     slot:  | tag: hash bits 63..48 | item pointer, 48 bits |     0: empty     1: tombstone
 *     home of a hash = hash & mask; a probe goes up from there to the first empty slot.
 *
 *     old:  TTTTTTTTTTTT|iiii ii iiiii i        moved -> items left of `|` are in `now`
 *     now:  i i   ii  i    i   ii     i   i     all inserts go here
 *
 * Invariants:
 *  1. load = now.used + now.tombs + old.used <= 4/5 of the slots of `now`; hence every table has an
 *     empty slot and every probe ends. `old` never gains an occupied slot.
 *  2. An item is in exactly one slot, between its home and the next empty slot of that table.
 *  3. Slots of `old` below `moved` hold no item. An emptied slot becomes a tombstone (2 holds for
 *     what follows it), and a probe whose home is below `moved` may start at `moved`.
 *  4. A walk passes `old` before `now`, and items only move from `old` to `now`: none is missed.
 *
 * Why a new table is not needed before the old one is empty, for small reservations: a new table of
 * n slots takes over from one of m <= 4n, starts without tombstones, and the load can grow by one
 * per insert only (a remove turns used into tombs at most). Every insert empties 16 slots of the m,
 * so m/16 inserts suffice.
 *  - grow, rehash: m <= 2n and load <= 5/8 n, so there is room for 7/40 n >= 7/80 m > m/16 inserts;
 *  - shrink: m = 4n (less for the smallest) and load <= m/10 = 2/5 n: room for m/10 > m/16 inserts.
 * Rounding costs less than one insert, and hmap_reserve makes a step too. Only a reservation for
 * more than that room at once finishes the migration on the spot (hmap_grow).
 *
 * Threads: the caller's lock, except hmap_prefetch: any thread. It reads slots and mask relaxed and
 * maybe from different tables; the address is never dereferenced, only prefetched.
 * Failures: hmap_reserve returns ERR_OUT_OF_MEMORY. A shrink that gets no memory is left for later.
 */
#include "server/ds/hmap.h"

#include "common/err.h"
#include "common/mem.h"
#include "common/prefetch.h"

#include <stdatomic.h>
#include <string.h>

#define HMAP_EMPTY     UINT64_C(0)
#define HMAP_TOMB      UINT64_C(1)
#define HMAP_POINTER   ((UINT64_C(1) << 48) - 1)
#define HMAP_MIN_SLOTS ((size_t)8)
#define HMAP_MAX_ITEMS ((size_t)1 << 36)
#define HMAP_STEP      ((size_t)16) /* slots of `old` moved per change */
#define HMAP_SLOT_BITS (HMAP_POSITION_BITS - 8)
#define HMAP_NOWHERE   SIZE_MAX

static inline uint64_t *hmap_slots(const struct hmap_table *table)
{
    return atomic_load_explicit(&table->slots, memory_order_relaxed);
}

static inline size_t hmap_mask(const struct hmap_table *table)
{
    return atomic_load_explicit(&table->mask, memory_order_relaxed);
}

static size_t hmap_size(const struct hmap_table *table)
{
    return hmap_slots(table) == NULL ? 0 : hmap_mask(table) + 1;
}

static void hmap_table_set(struct hmap_table *table, uint64_t *slots, size_t mask)
{
    atomic_store_explicit(&table->slots, slots, memory_order_relaxed);
    atomic_store_explicit(&table->mask, mask, memory_order_relaxed);
    table->used = 0;
    table->tombs = 0;
}

/* The slot value of an item. */
static inline uint64_t hmap_pack(uint64_t hash, const void *item)
{
    return (hash & ~HMAP_POINTER) | (uint64_t)(uintptr_t)item;
}

static inline void *hmap_item(uint64_t slot)
{
    return (void *)(uintptr_t)(slot & HMAP_POINTER);
}

/* True if the slot holds an item with this tag. XOR leaves the bare pointer if the tags agree and a
 * number above all pointers if not; empty and tombstone wrap around to one as well. */
static inline bool hmap_tag_match(uint64_t slot, uint64_t tag)
{
    return (slot ^ tag) - (HMAP_TOMB + 1) < HMAP_POINTER - HMAP_TOMB;
}

/* Where a probe of `old` starts (invariant 3). */
static inline size_t hmap_old_home(const struct hmap *map, uint64_t hash)
{
    size_t home = hash & hmap_mask(&map->old);
    return home < map->moved ? map->moved : home;
}

void hmap_init(struct hmap *map, const struct hmap_type *type)
{
    memset(map, 0, sizeof *map);
    map->type = type;
}

void hmap_deinit(struct hmap *map)
{
    mem_free(hmap_slots(&map->now));
    mem_free(hmap_slots(&map->old));
    hmap_init(map, map->type);
}

/* ---- find ---- */

static inline void *hmap_probe(const struct hmap_type *type, const struct hmap_table *table,
                               size_t i, uint64_t hash, const void *key)
{
    const uint64_t *slots = hmap_slots(table);
    const size_t mask = hmap_mask(table);
    const uint64_t tag = hash & ~HMAP_POINTER;
    for (;; i = (i + 1) & mask) {
        uint64_t slot = slots[i];
        if (hmap_tag_match(slot, tag) && type->equal(hmap_item(slot), key))
            return hmap_item(slot);
        if (slot == HMAP_EMPTY)
            return NULL;
    }
}

static __attribute__((noinline)) void *hmap_find_migrating(const struct hmap *map, uint64_t hash,
                                                           const void *key)
{
    size_t home = hash & hmap_mask(&map->now);
    void *item = hmap_probe(map->type, &map->now, home, hash, key);
    if (item != NULL)
        return item;
    return hmap_probe(map->type, &map->old, hmap_old_home(map, hash), hash, key);
}

void *hmap_find(const struct hmap *map, uint64_t hash, const void *key)
{
    if (__builtin_expect(hmap_slots(&map->old) != NULL, 0))
        return hmap_find_migrating(map, hash, key);
    if (hmap_slots(&map->now) == NULL)
        return NULL;
    return hmap_probe(map->type, &map->now, hash & hmap_mask(&map->now), hash, key);
}

static const void *hmap_peek_table(const struct hmap_table *table, size_t i, uint64_t hash)
{
    const uint64_t *slots = hmap_slots(table);
    for (; slots[i] != HMAP_EMPTY; i = (i + 1) & hmap_mask(table))
        if (hmap_tag_match(slots[i], hash & ~HMAP_POINTER))
            return hmap_item(slots[i]);
    return NULL;
}

const void *hmap_peek(const struct hmap *map, uint64_t hash)
{
    const void *item = NULL;
    if (hmap_slots(&map->now) != NULL)
        item = hmap_peek_table(&map->now, hash & hmap_mask(&map->now), hash);
    if (item == NULL && hmap_slots(&map->old) != NULL)
        item = hmap_peek_table(&map->old, hmap_old_home(map, hash), hash);
    return item;
}

/* Addresses are computed as integers: a torn pair of slots and mask may point outside the array. */
static inline void hmap_prefetch_table(const struct hmap_table *table, uint64_t hash)
{
    uintptr_t slots = (uintptr_t)hmap_slots(table);
    if (slots != 0)
        prefetch((const void *)(slots + (hash & hmap_mask(table)) * sizeof(uint64_t)));
}

void hmap_prefetch(const struct hmap *map, uint64_t hash)
{
    hmap_prefetch_table(&map->now, hash);
    hmap_prefetch_table(&map->old, hash);
}

/* The slot that holds exactly this value, or HMAP_NOWHERE. */
static size_t hmap_locate(const struct hmap_table *table, size_t i, uint64_t value)
{
    const uint64_t *slots = hmap_slots(table);
    if (slots == NULL)
        return HMAP_NOWHERE;
    for (; slots[i] != HMAP_EMPTY; i = (i + 1) & hmap_mask(table))
        if (slots[i] == value)
            return i;
    return HMAP_NOWHERE;
}

/* The table and slot of an item that must be in the map. */
static struct hmap_table *hmap_locate_item(struct hmap *map, uint64_t hash, const void *item,
                                           size_t *out_slot)
{
    uint64_t value = hmap_pack(hash, item);
    *out_slot = hmap_locate(&map->now, hash & hmap_mask(&map->now), value);
    if (*out_slot != HMAP_NOWHERE)
        return &map->now;
    *out_slot = hmap_locate(&map->old, hmap_old_home(map, hash), value);
    REQUIRE(*out_slot != HMAP_NOWHERE);
    return &map->old;
}

/* ---- change ---- */

/* Put an item into the first free slot; its key is not in the table. */
static void hmap_put(struct hmap_table *table, uint64_t hash, const void *item)
{
    uint64_t *slots = hmap_slots(table);
    size_t mask = hmap_mask(table);
    size_t i = hash & mask;
    while (slots[i] > HMAP_TOMB)
        i = (i + 1) & mask;
    if (slots[i] == HMAP_TOMB)
        table->tombs--;
    slots[i] = hmap_pack(hash, item);
    table->used++;
}

/* Free a slot. If a probe ends behind it anyway, it and the tombstones before it can be empty. */
static void hmap_erase(struct hmap_table *table, size_t i)
{
    uint64_t *slots = hmap_slots(table);
    size_t mask = hmap_mask(table);
    table->used--;
    table->tombs++;
    slots[i] = HMAP_TOMB;
    if (slots[(i + 1) & mask] != HMAP_EMPTY)
        return;
    for (; slots[i] == HMAP_TOMB; i = (i - 1) & mask) {
        slots[i] = HMAP_EMPTY;
        table->tombs--;
    }
}

static void hmap_drop_old(struct hmap *map)
{
    mem_free(hmap_slots(&map->old));
    hmap_table_set(&map->old, NULL, 0);
    map->moved = 0;
}

/* hash() will read the items of the next step: start to fetch them now. */
static void hmap_prefetch_step(const struct hmap *map, size_t end)
{
    const uint64_t *slots = hmap_slots(&map->old);
    for (size_t i = map->moved; i < end; i++)
        if (slots[i] > HMAP_TOMB)
            prefetch(hmap_item(slots[i]));
}

/* Move the items in the next `n` slots of `old` to `now`; drop `old` when it is empty. */
static void hmap_migrate(struct hmap *map, size_t n)
{
    uint64_t *slots = hmap_slots(&map->old);
    size_t size = hmap_size(&map->old);
    size_t end = n < size - map->moved ? map->moved + n : size;
    for (size_t i = map->moved; i < end; i++) {
        if (slots[i] <= HMAP_TOMB)
            continue;
        void *item = hmap_item(slots[i]);
        hmap_put(&map->now, map->type->hash(item, map->type->context), item);
        slots[i] = HMAP_TOMB;
        map->old.used--;
        map->old.tombs++;
    }
    map->moved = end;
    if (map->old.used == 0)
        hmap_drop_old(map);
    else
        hmap_prefetch_step(map, size - end < HMAP_STEP ? size : end + HMAP_STEP);
}

static inline void hmap_step(struct hmap *map)
{
    if (__builtin_expect(hmap_slots(&map->old) != NULL, 0))
        hmap_migrate(map, HMAP_STEP);
}

/* Make a table of n slots the one that receives inserts. False: no memory, map unchanged. */
static bool hmap_begin(struct hmap *map, size_t n)
{
    uint64_t *slots = mem_calloc(n, sizeof *slots);
    if (slots == NULL)
        return false;
    if (hmap_slots(&map->old) != NULL)
        hmap_migrate(map, SIZE_MAX);
    hmap_table_set(&map->old, hmap_slots(&map->now), hmap_mask(&map->now));
    map->old.used = map->now.used;
    map->old.tombs = map->now.tombs;
    hmap_table_set(&map->now, slots, n - 1);
    map->epoch++;
    if (map->old.used == 0)
        hmap_drop_old(map);
    return true;
}

size_t hmap_count(const struct hmap *map)
{
    return map->now.used + map->old.used;
}

size_t hmap_bytes(const struct hmap *map)
{
    return (hmap_size(&map->now) + hmap_size(&map->old)) * sizeof(uint64_t);
}

/* True if `extra` more items keep invariant 1. */
static inline bool hmap_fits(const struct hmap *map, size_t extra)
{
    size_t load = map->now.used + map->now.tombs + map->old.used;
    return load + extra <= hmap_size(&map->now) * 4 / 5;
}

/* A table with room, without the tombstones; not below half the size (see the proof above). */
static bool hmap_grow(struct hmap *map, size_t extra)
{
    size_t n = hmap_size(&map->now) / 2;
    if (n < HMAP_MIN_SLOTS)
        n = HMAP_MIN_SLOTS;
    while (hmap_count(map) + extra > n / 8 * 5)
        n *= 2;
    return hmap_begin(map, n);
}

int hmap_reserve(struct hmap *map, size_t extra)
{
    if (extra > HMAP_MAX_ITEMS || hmap_count(map) > HMAP_MAX_ITEMS)
        return ERR_OUT_OF_MEMORY;
    if (!hmap_fits(map, extra) && !hmap_grow(map, extra))
        return ERR_OUT_OF_MEMORY;
    hmap_step(map);
    map->reserved = extra;
    return 0;
}

void hmap_insert(struct hmap *map, uint64_t hash, void *item)
{
    REQUIRE((uintptr_t)item - (HMAP_TOMB + 1) < HMAP_POINTER - HMAP_TOMB);
    REQUIRE(hmap_fits(map, 1));
    hmap_put(&map->now, hash, item);
    if (map->reserved > 0)
        map->reserved--;
    hmap_step(map);
}

void hmap_replace(struct hmap *map, uint64_t hash, const void *old_item, void *item)
{
    REQUIRE((uintptr_t)item - (HMAP_TOMB + 1) < HMAP_POINTER - HMAP_TOMB);
    size_t i;
    struct hmap_table *table = hmap_locate_item(map, hash, old_item, &i);
    hmap_slots(table)[i] = hmap_pack(hash, item);
}

/* Go to a quarter of the slots when less than a tenth is in use, reserved room included. */
static void hmap_shrink(struct hmap *map)
{
    size_t size = hmap_size(&map->now);
    if (hmap_slots(&map->old) != NULL || size <= HMAP_MIN_SLOTS ||
        map->now.used + map->reserved >= size / 10)
        return;
    size_t n = size / 4 < HMAP_MIN_SLOTS ? HMAP_MIN_SLOTS : size / 4;
    if (!hmap_begin(map, n))
        return; /* the next remove tries again */
}

void hmap_remove(struct hmap *map, uint64_t hash, const void *item)
{
    size_t i;
    struct hmap_table *table = hmap_locate_item(map, hash, item, &i);
    hmap_erase(table, i);
    hmap_step(map);
    hmap_shrink(map);
}

/* ---- walk ---- */

/* A position names a table by the epoch in which it came (8 bits), and the next slot to look at. */
static size_t hmap_position(const struct hmap *map, const struct hmap_table *table, size_t i)
{
    uint8_t epoch = (uint8_t)(table == &map->now ? map->epoch : map->epoch - 1u);
    return ((size_t)epoch << HMAP_SLOT_BITS) | (i + 1);
}

/* Table and slot of a position; one in a table that is gone starts over (invariant 4). */
static const struct hmap_table *hmap_walk_from(const struct hmap *map, size_t position, size_t *i)
{
    bool old = hmap_slots(&map->old) != NULL;
    uint8_t age = (uint8_t)(map->epoch - (position >> HMAP_SLOT_BITS));
    *i = (position & (((size_t)1 << HMAP_SLOT_BITS) - 1)) - 1;
    if (position != 0 && age == 0)
        return &map->now;
    if (position != 0 && age == 1 && old)
        return &map->old;
    *i = 0;
    return old ? &map->old : &map->now;
}

void *hmap_walk(const struct hmap *map, size_t *position, size_t *slots)
{
    size_t i;
    const struct hmap_table *table = hmap_walk_from(map, *position, &i);
    while (*slots > 0) {
        if (i >= hmap_size(table) && table == &map->old) {
            table = &map->now;
            i = 0;
        }
        if (i >= hmap_size(table)) {
            *position = 0;
            return NULL;
        }
        uint64_t slot = hmap_slots(table)[i++];
        --*slots;
        if (slot > HMAP_TOMB) {
            *position = hmap_position(map, table, i);
            return hmap_item(slot);
        }
    }
    *position = hmap_position(map, table, i);
    return NULL;
}
