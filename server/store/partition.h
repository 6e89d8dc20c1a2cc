/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A partition: a share of all records with a lock, a hash table for point reads, an ordered map for
 * scans and a timer wheel for expiry. partition.c is the only file that locks state.
 *
 * Except for creation, partition_prefetch and partition_figures, every function wants the lock
 * held.
 */
#pragma once

#include "server/ds/hmap.h"
#include "server/ds/omap.h"
#include "server/store/effect.h"
#include "server/store/index.h"
#include "server/store/sums.h"

#include <pthread.h>

/* What others may see without the lock: written as relaxed atomics after each change. */
struct partition_figures {
    uint64_t records, bytes;   /* now */
    uint64_t expiring;         /* records that have an expiry */
    uint64_t expired, evicted; /* counters */
};

/* Of one kind; the same. */
struct partition_kind {
    uint64_t records, expiring;
};

struct partition {
    pthread_mutex_t lock;
    bool shared;       /* more than one thread works on it; otherwise locking does nothing */
    struct hmap table; /* struct record by struct record_key */
    struct omap order; /* the same records, ordered */
    bool unordered;    /* being filled by recovery: `order` is empty until the end (order.h) */
    struct omap indexes[INDEX_COUNT]; /* some of the records in other orders (index.h) */
    struct sums sums;                 /* of some of them, by run (sums.h) */
    struct wheel expiry;              /* those that expire */
    uint64_t gone;           /* version of the newest delete: what an absent record may rest on */
    size_t planned;          /* inserts planned by the transaction that holds the lock */
    size_t planned_numbered; /* of those, and of changes: records with a sequence number */
    size_t planned_rows;     /* of those, and of changes: records of a RECORD_INDEXED kind */
    struct hmap vindexes;    /* of its collections of vectors (vindex.h) */
    uint64_t vindex_bytes;   /* memory of these */
    size_t vindex_hand;      /* where sweeps stand among them */
    size_t planned_summed;   /* of these: records that are summed up */
    struct reap *orphans;    /* what nobody owns any more (group.h) */
    size_t hand;             /* where the clock of eviction stands in the table */
    uint64_t record_bytes;
    uint64_t reported_bytes;                   /* share of all that the store's total knows of */
    struct partition_figures figures;          /* written under the lock, read by anybody */
    struct partition_kind kinds[KIND_MAX + 1]; /* the same */
} __attribute__((aligned(64)));

/* `hash_type` must outlive the partition. shared: more than one thread will use it. 0 or
 * ERR_OUT_OF_MEMORY. */
MUST_USE int partition_init(struct partition *partition, const struct hmap_type *hash_type,
                            bool shared, int64_t now_ms);

/* Release everything, records included. */
void partition_deinit(struct partition *partition);

void partition_lock(struct partition *partition);
void partition_unlock(struct partition *partition);
/* Lock it if nobody has. */
MUST_USE bool partition_try_lock(struct partition *partition);

/* The record with this key, expired or not, or NULL. */
struct record *partition_find(const struct partition *partition, uint64_t hash,
                              const struct record_key *key);

/* Make sure that one more planned insert cannot fail. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int partition_plan_insert(struct partition *partition);

/* The same for one more change of a record with a sequence number, whether it is an insert too. */
MUST_USE int partition_plan_numbered(struct partition *partition, enum record_kind kind);

/* Perform an effect. Cannot fail: memory was taken while planning. THE mutator. */
void partition_apply(struct partition *partition, struct effect *effect);

/* Bytes of memory held: records, table, map. */
uint64_t partition_bytes(const struct partition *partition);

/* Let others see how many records there are now, and the bytes they take. */
void partition_show(struct partition *partition, uint64_t bytes);

/* Add one to a counter of the figures. */
void partition_count(uint64_t *counter);

/* Any thread, without the lock: the figures, which may be a little behind. */
struct partition_figures partition_figures(const struct partition *partition);
struct partition_kind partition_kind_figures(const struct partition *partition,
                                             enum record_kind kind);

/* The next record the clock hand would evict, or NULL if it found none in `max_slots` steps.
 * Records used since the hand last passed are spared once; if that
 * is all it met, the last of them goes. */
struct record *partition_victim(struct partition *partition, size_t max_slots);

/* Hints to the processor: slots for this hash (lock-free); and, if the lock is free, the record. */
void partition_prefetch(const struct partition *partition, uint64_t hash);
void partition_prefetch_record(struct partition *partition, uint64_t hash);
