/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Walks over the hash tables of the partitions, one after the other.
 *
 *   cursor:  | partition: 8 bits | position in its table: 45 bits |     below 2^53
 *
 * A position survives whatever happens to the table (server/ds/hmap.h), so nothing is kept between
 * two pages. A page also ends when it has seen many slots without finding records of this run, so
 * that no page is long; the lock is given back after every WALK_SLICE slots.
 *
 * Threads: as transactions; one partition is locked at a time.
 */
#include "server/store/walk.h"

enum { WALK_SLICE = 512, WALK_SLOTS_MIN = 4096, WALK_SLOTS_PER_RECORD = 16 };

_Static_assert(STORE_PARTITIONS_MAX <= 256 && HMAP_POSITION_BITS + 8 <= 53, "a cursor fits");

/* What is left of a page. */
struct walk {
    uint32_t run;
    uint64_t kinds;
    int64_t now_ms;
    uint64_t records, slots;
    scan_visit_fn visit;
    void *context;
};

/* One slice of a partition, under its lock. */
static void walk_slice(struct walk *walk, struct partition *partition, size_t *position)
{
    size_t slots = walk->slots < WALK_SLICE ? walk->slots : WALK_SLICE;
    const struct record *record;
    walk->slots -= slots;
    while (walk->records > 0 && (record = hmap_walk(&partition->table, position, &slots)) != NULL) {
        if (record_run(record) != walk->run || !(walk->kinds >> record_kind_of(record) & 1) ||
            record_expired(record, walk->now_ms))
            continue;
        walk->records--;
        if (!walk->visit(walk->context, record))
            walk->records = 0;
    }
    walk->slots += slots; /* what was not needed */
}

int walk_visit(struct store *store, const struct run *run, uint64_t kinds, int64_t now_ms,
               uint64_t limit, scan_visit_fn visit, void *context, uint64_t *cursor)
{
    struct walk walk = {.run = run_id(run), .kinds = kinds, .now_ms = now_ms, .records = limit};
    size_t position = *cursor & (((uint64_t)1 << HMAP_POSITION_BITS) - 1);
    uint64_t i = *cursor >> HMAP_POSITION_BITS;
    walk.visit = visit;
    walk.context = context;
    walk.slots = WALK_SLOTS_MIN + WALK_SLOTS_PER_RECORD * limit;
    while (i < store->n_partitions && walk.records > 0 && walk.slots > 0) {
        struct partition *partition = &store->partitions[i];
        partition_lock(partition);
        bool dropped = run_is_dropped(run);
        if (!dropped)
            walk_slice(&walk, partition, &position);
        partition_unlock(partition);
        if (dropped)
            return TXN_RETRY;
        i += position == 0; /* its end */
    }
    *cursor = i < store->n_partitions ? i << HMAP_POSITION_BITS | position : 0;
    return 0;
}
