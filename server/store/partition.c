/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Partitions: locks, and the one mutator of all state.
 *
 *                    hash table ---.
 *   key --hash-->                   >--> record (one block)  <-- timer wheel, if it expires
 *                    ordered map --'
 *
 * Invariants
 *   1. A record is in the table, in the map and in the indexes of its kind, or in none of them; in
 *   the wheel if and only if it expires. Map and indexes of an unordered partition are empty.
 *   2. record_bytes is the sum of record_memory over the records; kinds and sums are those of the
 *   records, too (sums of an unordered partition are empty).
 *   3. partition_apply does not fail, reads no clock, no random source and no configuration.
 *
 * Threads: any loop, under `lock`; several partitions are locked in ascending order (txn.c).
 * Failures: only the planning functions fail, before anything has changed.
 */
#include "server/store/partition.h"

#include "common/err.h"
#include "common/prefetch.h"
#include "server/store/group.h"
#include "server/store/vindex.h"

int partition_init(struct partition *partition, const struct hmap_type *hash_type, bool shared,
                   int64_t now_ms)
{
    memset(partition, 0, sizeof *partition);
    partition->shared = shared;
    if (pthread_mutex_init(&partition->lock, NULL) != 0)
        return ERR_OUT_OF_MEMORY;
    hmap_init(&partition->table, hash_type);
    omap_init(&partition->order, record_compare);
    index_init(partition->indexes);
    vindex_table_init(partition);
    wheel_init(&partition->expiry, now_ms);
    return 0;
}

void partition_deinit(struct partition *partition)
{
    size_t position = 0, slots = SIZE_MAX;
    struct record *record;
    while ((record = hmap_walk(&partition->table, &position, &slots)) != NULL)
        record_destroy(record);
    vindex_table_deinit(partition);
    group_forget(partition);
    index_deinit(partition->indexes);
    sums_deinit(&partition->sums);
    omap_deinit(&partition->order);
    hmap_deinit(&partition->table);
    pthread_mutex_destroy(&partition->lock);
}

void partition_lock(struct partition *partition)
{
    if (partition->shared)
        pthread_mutex_lock(&partition->lock);
}

bool partition_try_lock(struct partition *partition)
{
    return !partition->shared || pthread_mutex_trylock(&partition->lock) == 0;
}

void partition_unlock(struct partition *partition)
{
    partition->planned = partition->planned_numbered = partition->planned_summed = 0;
    partition->planned_rows = 0;
    if (partition->shared)
        pthread_mutex_unlock(&partition->lock);
}

struct record *partition_find(const struct partition *partition, uint64_t hash,
                              const struct record_key *key)
{
    return hmap_find(&partition->table, hash, key);
}

int partition_plan_insert(struct partition *partition)
{
    int err = hmap_reserve(&partition->table, partition->planned + 1);
    if (err == 0 && !partition->unordered)
        err = omap_reserve(&partition->order, partition->planned + 1);
    if (err == 0)
        partition->planned++;
    return err;
}

int partition_plan_numbered(struct partition *partition, enum record_kind kind)
{
    if (partition->unordered)
        return 0;
    int err = index_reserve(partition->indexes, partition->planned_numbered + 1);
    if (err == 0)
        partition->planned_numbered++;
    if (err != 0 || !(record_kinds[kind].flags & RECORD_SUMMED))
        return err;
    err = sums_reserve(&partition->sums, partition->planned_summed + 1);
    if (err == 0)
        partition->planned_summed++;
    return err;
}

/* Should the indexes know of changes of such a record? */
static bool partition_indexes(const struct partition *partition, const struct record *record)
{
    return record_kinds[record_kind_of(record)].flags & RECORD_NUMBERED && !partition->unordered;
}

static void partition_unlink_expiry(struct partition *partition, struct record *record)
{
    struct wheel_node *node = record_wheel_node(record);
    if (node != NULL && node->link != NULL)
        wheel_remove(&partition->expiry, node);
}

static void partition_link_expiry(struct partition *partition, struct record *record,
                                  int64_t expires_at_ms)
{
    struct wheel_node *node = record_wheel_node(record);
    if (node == NULL)
        return;
    if (node->link != NULL)
        wheel_remove(&partition->expiry, node);
    wheel_add(&partition->expiry, node, expires_at_ms);
}

/* Do indexes read records of this kind without our lock? */
static bool partition_indexed(const struct partition *partition, const struct record *record)
{
    return record_kinds[record_kind_of(record)].flags & RECORD_INDEXED && !partition->unordered;
}

/* One more of its kind, or one less. */
static void partition_count_kind(struct partition *partition, struct record *record, int by)
{
    struct partition_kind *kind = &partition->kinds[record_kind_of(record)];
    __atomic_store_n(&kind->records, kind->records + (uint64_t)by, __ATOMIC_RELAXED);
    if (record_wheel_node(record) != NULL)
        __atomic_store_n(&kind->expiring, kind->expiring + (uint64_t)by, __ATOMIC_RELAXED);
}

static void partition_free(struct partition *partition, struct record *record, bool replaced)
{
    if (partition_indexes(partition, record)) {
        index_remove(partition->indexes, record);
        sums_remove(&partition->sums, record);
    }
    partition_count_kind(partition, record, -1);
    partition_unlink_expiry(partition, record);
    partition->record_bytes -= record_memory(record);
    if (!partition_indexed(partition, record) || !vindex_on_free(partition, record, replaced))
        record_destroy(record);
}

/* A prepared record takes the place of another, or an empty one. */
static void partition_place(struct partition *partition, struct effect *effect)
{
    struct record *record = effect->record;
    partition->record_bytes += record_memory(record);
    partition_count_kind(partition, record, 1);
    if (effect->old == NULL) {
        hmap_insert(&partition->table, effect->hash, record);
        if (!partition->unordered)
            omap_insert(&partition->order, &effect->spec.key, record);
        return;
    }
    hmap_replace(&partition->table, effect->hash, effect->old, record);
    if (!partition->unordered)
        omap_replace(&partition->order, &effect->spec.key, record);
    partition_free(partition, effect->old, true);
}

/* What stands at its place now: in its other orders as well. */
static void partition_place_indexed(struct partition *partition, struct effect *effect)
{
    partition_place(partition, effect);
    if (partition_indexes(partition, effect->record)) {
        index_insert(partition->indexes, effect->record);
        sums_add(&partition->sums, effect->record);
    }
}

/* What stands there gets another value, and another place in its other orders. */
static void partition_overwrite(struct partition *partition, const struct effect *effect)
{
    struct record *record = effect->old;
    bool indexed = partition_indexes(partition, record);
    if (indexed) {
        index_remove(partition->indexes, record);
        sums_remove(&partition->sums, record);
    }
    record_overwrite(record, &effect->spec);
    if (indexed) {
        index_insert(partition->indexes, record);
        sums_add(&partition->sums, record);
    }
}

void partition_apply(struct partition *partition, struct effect *effect)
{
    if (effect->type == EFFECT_DEL) {
        if (effect->old == NULL)
            return; /* planned and taken back within one transaction */
        hmap_remove(&partition->table, effect->hash, effect->old);
        if (!partition->unordered)
            REQUIRE(omap_remove(&partition->order, &effect->spec.key) == effect->old);
        partition_free(partition, effect->old, false);
        if (effect->version > partition->gone)
            partition->gone = effect->version;
        return;
    }
    struct record *record = effect->record;
    if (record == NULL) {
        record = effect->old;
        partition_overwrite(partition, effect);
    } else {
        partition_place_indexed(partition, effect);
    }
    record_set_version(record, effect->version);
    partition_link_expiry(partition, record, effect->spec.expires_at_ms);
    if (partition_indexed(partition, record))
        vindex_on_put(partition, effect);
}

uint64_t partition_bytes(const struct partition *partition)
{
    return partition->record_bytes + hmap_bytes(&partition->table) + partition->order.bytes +
           index_bytes(partition->indexes) + sums_bytes(&partition->sums) + partition->vindex_bytes;
}

void partition_show(struct partition *partition, uint64_t bytes)
{
    __atomic_store_n(&partition->figures.records, hmap_count(&partition->table), __ATOMIC_RELAXED);
    __atomic_store_n(&partition->figures.bytes, bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&partition->figures.expiring, partition->expiry.count, __ATOMIC_RELAXED);
}

void partition_count(uint64_t *counter)
{
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

struct partition_figures partition_figures(const struct partition *partition)
{
    const struct partition_figures *figures = &partition->figures;
    return (struct partition_figures){
        .records = __atomic_load_n(&figures->records, __ATOMIC_RELAXED),
        .bytes = __atomic_load_n(&figures->bytes, __ATOMIC_RELAXED),
        .expiring = __atomic_load_n(&figures->expiring, __ATOMIC_RELAXED),
        .expired = __atomic_load_n(&figures->expired, __ATOMIC_RELAXED),
        .evicted = __atomic_load_n(&figures->evicted, __ATOMIC_RELAXED),
    };
}

struct partition_kind partition_kind_figures(const struct partition *partition,
                                             enum record_kind kind)
{
    const struct partition_kind *figures = &partition->kinds[kind];
    return (struct partition_kind){
        .records = __atomic_load_n(&figures->records, __ATOMIC_RELAXED),
        .expiring = __atomic_load_n(&figures->expiring, __ATOMIC_RELAXED),
    };
}

struct record *partition_victim(struct partition *partition, size_t max_slots)
{
    enum { SLOTS_AT_ONCE = 16 };
    struct record *spared = NULL;
    for (size_t looked = 0; looked < max_slots; looked += SLOTS_AT_ONCE) {
        size_t slots = SLOTS_AT_ONCE;
        struct record *record = hmap_walk(&partition->table, &partition->hand, &slots);
        if (record == NULL || !(record_kinds[record_kind_of(record)].flags & RECORD_EVICTS))
            continue;
        if (!record_untouch(record))
            return record;
        spared = record;
    }
    return spared;
}

void partition_prefetch(const struct partition *partition, uint64_t hash)
{
    hmap_prefetch(&partition->table, hash);
}

void partition_prefetch_record(struct partition *partition, uint64_t hash)
{
    if (partition->shared && pthread_mutex_trylock(&partition->lock) != 0)
        return;
    const char *record = hmap_peek(&partition->table, hash);
    if (record != NULL) {
        prefetch(record);
        prefetch(record + 64);
    }
    if (partition->shared)
        pthread_mutex_unlock(&partition->lock);
}
