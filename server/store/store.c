/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Creation of the store, the memory limit with eviction, and the sweep of expired records.
 *
 * Memory: each partition counts its own bytes; the store's total is told in steps of ACCOUNT_STEP,
 * so that loops do not fight for one counter. The limit is therefore exact up to partitions * step.
 *
 * Eviction (memory.policy evict) is the clock algorithm over the hash table of the partition that
 * needs room: a record that was read since the hand passed is spared once. It deletes through the
 * same effects as everybody else.
 *
 * Threads: any; partitions are locked one at a time here.
 * Failures: creation without memory returns NULL; admission answers ERR_OUT_OF_MEMORY.
 */
#include "server/store/store.h"

#include "common/err.h"
#include "common/mem.h"
#include "server/store/group.h"
#include "server/store/journal.h"
#include "server/store/searchers.h"
#include "server/store/vindex.h"

enum {
    ACCOUNT_STEP = 64 * 1024,
    EVICT_SLOTS = 512, /* how far the clock hand may move for one victim */
    EVICT_MAX = 4096,  /* victims for one request */
};

const char *durability_name(enum durability level)
{
    static const char *const names[] = {"memory", "buffered", "strict"};
    return names[level];
}

static inline uint64_t store_hash_own(const struct store *store, const struct record_key *key)
{
    return hash_word_bytes(&store->hash_key, (uint64_t)key->run << 8 | key->kind, key->bytes);
}

/* As far as the table of a partition looks at it: the bits that lead to the partition are not in
 * it, so the hash of an owner is not needed. */
static uint64_t store_rehash(const void *item, const void *context)
{
    const struct record *record = item;
    struct record_key key = {record_run(record), record_kind_of(record), record_key_bytes(record)};
    return store_hash_own(context, &key);
}

/* The map type carries the store as context, so it lives beside it. */
struct store_block {
    struct store store;
    struct hmap_type type;
};

static int store_init_partitions(struct store_block *block, const struct store_options *options)
{
    struct store *store = &block->store;
    block->type = (struct hmap_type){record_equal, store_rehash, store};
    store->partitions = mem_aligned(64, options->n_partitions * sizeof(struct partition));
    if (store->partitions == NULL)
        return ERR_OUT_OF_MEMORY;
    for (unsigned i = 0; i < options->n_partitions; i++, store->n_partitions++)
        if (partition_init(&store->partitions[i], &block->type, options->n_threads != 1,
                           options->now_ms) != 0)
            return ERR_OUT_OF_MEMORY;
    return 0;
}

struct store *store_create(const struct store_options *options)
{
    unsigned n = options->n_partitions;
    REQUIRE(n > 0 && n <= STORE_PARTITIONS_MAX && (n & (n - 1)) == 0);
    struct store_block *block = mem_calloc(1, sizeof *block);
    if (block == NULL)
        return NULL;
    struct store *store = &block->store;
    struct hash_key random;
    store->hash_key = options->hash_key;
    if (!options->hash_key_given)
        hash_key_random(&store->hash_key);
    store->memory_limit = options->memory_limit;
    store->evict = options->evict;
    hash_key_random(&random);
    store->history = random.k0 >> 11; /* below 2^53 */
    store->feed = feed_create(options->feed_bytes, options->n_threads);
    store->runs = run_table_create(options->runs_max, store);
    store->searchers = mem_alloc(sizeof *store->searchers);
    if (store->searchers != NULL)
        searchers_init(store->searchers);
    if (store->feed == NULL || store->runs == NULL || store->searchers == NULL ||
        store_init_partitions(block, options) != 0 ||
        run_open(store->runs, bytes_of("default"), &store->default_run) != 0) {
        store_destroy(store);
        return NULL;
    }
    return store;
}

void store_destroy(struct store *store)
{
    if (store == NULL)
        return;
    for (unsigned i = 0; i < store->n_partitions; i++)
        partition_deinit(&store->partitions[i]);
    mem_free(store->partitions);
    if (run_is_dropped(store->default_run)) /* else it is the table's to free */
        run_unref(store->default_run);
    run_table_destroy(store->runs);
    feed_destroy(store->feed);
    if (store->searchers != NULL)
        searchers_deinit(store->searchers);
    mem_free(store->searchers);
    mem_free(store); /* the first member of its block */
}

uint64_t store_hash_owned(const struct store *store, const struct record_key *key,
                          uint64_t owner_hash)
{
    return (store_hash_own(store, key) & ~STORE_ROUTE_BITS) | (owner_hash & STORE_ROUTE_BITS);
}

/* By itself, as most kinds need no room for it on the stack. */
__attribute__((noinline)) static uint64_t store_hash_beside(const struct store *store,
                                                            const struct record_key *key)
{
    const struct record_kind_row *kind = &record_kinds[key->kind];
    struct record_key of = {key->run, kind->beside,
                            kind->owner == KIND_none ? key->bytes : group_name(key->bytes)};
    return store_hash_owned(store, key, store_hash(store, &of));
}

uint64_t store_hash(const struct store *store, const struct record_key *key)
{
    return __builtin_expect(record_kinds[key->kind].beside == KIND_none, 1)
               ? store_hash_own(store, key)
               : store_hash_beside(store, key);
}

uint64_t store_next_number(struct store *store, uint64_t count)
{
    return atomic_fetch_add_explicit(&store->number, count, memory_order_relaxed) + 1;
}

void store_raise_number(struct store *store, uint64_t number)
{
    uint64_t now = atomic_load_explicit(&store->number, memory_order_relaxed);
    while (now < number && !atomic_compare_exchange_weak(&store->number, &now, number))
        continue;
}

int store_start_feed(struct store *store)
{
    if (feed_is_on(store->feed))
        return 0;
    for (unsigned i = 0; i < store->n_partitions; i++) /* nobody commits meanwhile */
        partition_lock(&store->partitions[i]);
    int err = feed_start(store->feed, atomic_load(&store->version));
    for (unsigned i = 0; i < store->n_partitions; i++)
        partition_unlock(&store->partitions[i]);
    return err;
}

void store_account(struct store *store, struct partition *partition)
{
    uint64_t now = partition_bytes(partition), then = partition->reported_bytes;
    uint64_t moved = now > then ? now - then : then - now;
    partition_show(partition, now);
    if (moved < ACCOUNT_STEP)
        return;
    atomic_fetch_add_explicit(&store->bytes, now - then, memory_order_relaxed); /* wraps down too */
    partition->reported_bytes = now;
}

/* If others are owned by it: what will have to be reaped. 0 or ERR_OUT_OF_MEMORY. */
static int store_orphan(struct partition *partition, const struct record *record)
{
    struct group group = {record_run(record), record_kind_of(record), record_key_bytes(record),
                          group_generation(record_value(record))};
    if (!group_owns(record_kind_of(record)))
        return 0;
    struct reap *reap = reap_create(&group);
    if (reap == NULL)
        return ERR_OUT_OF_MEMORY;
    group_orphan(partition, reap);
    return 0;
}

static void store_delete(struct store *store, struct partition *partition, struct record *record,
                         enum event event)
{
    static const struct buf no_notes;
    struct effect effect = {.type = EFFECT_DEL, .event = (uint8_t)event, .old = record};
    effect.spec.key =
        (struct record_key){record_run(record), record_kind_of(record), record_key_bytes(record)};
    effect.hash = store_hash(store, &effect.spec.key);
    effect.version = journal_record(store, &effect, 1, &no_notes);
    partition_apply(partition, &effect);
}

static bool store_over(struct store *store, const struct partition *partition, uint64_t need)
{
    uint64_t limit = atomic_load_explicit(&store->memory_limit, memory_order_relaxed);
    if (limit == 0)
        return false;
    uint64_t used = atomic_load_explicit(&store->bytes, memory_order_relaxed) +
                    partition_bytes(partition) - partition->reported_bytes;
    return used + need > limit;
}

/* Delete a record of this locked partition that may go. False: none was found. */
static bool store_evict(struct store *store, struct partition *partition)
{
    struct record *victim = partition_victim(partition, EVICT_SLOTS);
    if (victim == NULL)
        return false;
    store_delete(store, partition, victim, EVENT_evicted);
    partition_count(&partition->figures.evicted);
    store_account(store, partition);
    return true;
}

/* The same in any other that nobody works on: sessions may fill a few partitions, and leave what
 * may go in the rest. */
static bool store_evict_elsewhere(struct store *store, const struct partition *partition)
{
    unsigned from = (unsigned)(partition - store->partitions);
    bool evicted = false;
    for (unsigned i = 1; i < store->n_partitions && !evicted; i++) {
        struct partition *other = &store->partitions[(from + i) % store->n_partitions];
        if (!partition_try_lock(other))
            continue;
        evicted = store_evict(store, other);
        partition_unlock(other);
    }
    return evicted;
}

int store_admit(struct store *store, struct partition *partition, uint64_t need)
{
    for (int i = 0; store_over(store, partition, need); i++) {
        bool may = store->evict && i < EVICT_MAX;
        if (!may || (!store_evict(store, partition) && !store_evict_elsewhere(store, partition)))
            return ERR_OUT_OF_MEMORY;
    }
    return 0;
}

/* The partition is locked; takes what it did off *budget. */
static void store_expire_some(struct store *store, struct partition *partition, int64_t now_ms,
                              int *budget)
{
    struct wheel_node *node;
    while (*budget > 0 && (node = wheel_pop_due(&partition->expiry, now_ms, budget)) != NULL) {
        if (store_orphan(partition, record_of_wheel_node(node)) != 0) {
            wheel_add(&partition->expiry, node, node->at_ms); /* as expired as before: next time */
            return;
        }
        store_delete(store, partition, record_of_wheel_node(node), EVENT_expired);
        partition_count(&partition->figures.expired);
    }
}

bool store_expire(struct store *store, unsigned index, int64_t now_ms, int budget)
{
    struct partition *partition = &store->partitions[index];
    partition_lock(partition);
    store_expire_some(store, partition, now_ms, &budget);
    store_account(store, partition);
    partition_unlock(partition);
    return budget <= 0;
}

bool store_sweep(struct store *store, unsigned index, int64_t now_ms, int budget)
{
    struct partition *partition = &store->partitions[index];
    partition_lock(partition);
    store_expire_some(store, partition, now_ms, &budget);
    group_reap(store, partition, &budget);
    vindex_sweep(partition);
    store_account(store, partition);
    partition_unlock(partition);
    return budget <= 0;
}

void store_figures(const struct store *store, struct store_figures *out_figures)
{
    struct store_figures sum = {.version = atomic_load(&store->version)};
    for (unsigned i = 0; i < store->n_partitions; i++) {
        struct partition_figures figures = partition_figures(&store->partitions[i]);
        sum.records += figures.records;
        sum.bytes += figures.bytes;
        sum.expiring += figures.expiring;
        sum.expired += figures.expired;
        sum.evicted += figures.evicted;
        for (unsigned kind = 0; kind <= KIND_MAX; kind++) {
            struct partition_kind of_kind = partition_kind_figures(&store->partitions[i], kind);
            sum.kinds[kind].records += of_kind.records;
            sum.kinds[kind].expiring += of_kind.expiring;
        }
    }
    *out_figures = sum;
}
