/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The store: all partitions, the runs, the counter of versions and the memory limit.
 *
 * Handlers work on it through transactions (txn.h) and ordered scans (scan.h); this header is for
 * whoever creates it, watches it and gives it time (expiry).
 */
#pragma once

#include "common/hash.h"
#include "server/store/feed.h"
#include "server/store/partition.h"
#include "server/store/run.h"

#include <stdatomic.h>

enum { STORE_PARTITIONS_MAX = 256 };

/* The name of the counter of sequence numbers in snapshots, and a bound that none ever reaches. */
#define STORE_NUMBER     "number"
#define STORE_NUMBER_MAX ((uint64_t)INT64_MAX)

struct searchers;
struct vindex;
struct wal;

/* What a reply promises; each includes those before it. */
enum durability { DURABILITY_LEVEL_MEMORY, DURABILITY_LEVEL_BUFFERED, DURABILITY_LEVEL_STRICT };

/* "memory", "buffered", "strict". */
const char *durability_name(enum durability level);

struct store_options {
    unsigned n_partitions; /* a power of two, 1..STORE_PARTITIONS_MAX */
    unsigned n_threads;    /* that will use the store; 1: it needs no locks */
    uint64_t memory_limit; /* bytes; 0: none */
    bool evict;            /* at the limit: delete records not used lately, instead of refusing */
    uint64_t runs_max;
    uint64_t feed_bytes; /* of the feed, once it is on; less than FEED_RING_MIN: that */
    int64_t now_ms;
    bool hash_key_given; /* tests: a fixed key instead of a random one */
    struct hash_key hash_key;
};

/* Of all indexes of vectors together; relaxed. */
struct store_vectors {
    _Atomic uint64_t collections, vectors, bytes; /* now */
    _Atomic uint64_t linked, searches, distances; /* since the start */
};

struct store {
    struct partition *partitions;
    unsigned n_partitions;
    struct hash_key hash_key;
    struct run_table *runs;
    struct run *default_run;
    struct feed *feed;
    uint64_t history; /* names the line of versions: one in memory begins at each start. < 2^53 */
    _Atomic uint64_t version; /* of the newest transaction */
    _Atomic uint64_t number;  /* the last sequence number given away, for all kinds together */
    _Atomic uint64_t bytes;   /* memory held, up to a small lag per partition */
    struct store_vectors vectors;
    _Atomic(struct vindex *) dropped; /* indexes that workers are to free (vindex.c) */
    _Atomic uint64_t memory_limit;
    atomic_bool evict;
    struct workers *workers;     /* NULL: there are none. Set before others use the store */
    struct searchers *searchers; /* to search vectors with */
    struct wal *wal;             /* NULL: nothing is logged. Set before others use the store */
    enum durability durability;  /* what every reply promises at least */
};

/* Figures for statistics; a snapshot that is a little behind. */
struct store_figures {
    uint64_t records, bytes, expiring, expired, evicted, version;
    struct partition_kind kinds[KIND_MAX + 1];
};

/* NULL without memory. */
struct store *store_create(const struct store_options *options) MUST_USE;
void store_destroy(struct store *store);

/* Hash of a key, and the partition it lives in, which for some kinds is where another record does
 * (kinds.def). */
#define STORE_ROUTE_BITS ((uint64_t)0xff << 40)
uint64_t store_hash(const struct store *store, const struct record_key *key);
/* The same of a key with an owner, whose hash is known. */
uint64_t store_hash_owned(const struct store *store, const struct record_key *key,
                          uint64_t owner_hash);
static inline unsigned store_partition_index(const struct store *store, uint64_t hash)
{
    /* Bits that neither choose the slot of a table below 2^40 slots nor make its tag. */
    return (unsigned)(hash >> 40) & (store->n_partitions - 1);
}

/* The next sequence number, or the first of `count`: from 1 on, never one twice, also after a
 * restart; there are gaps where memory ran out. And: numbers up to this one were given away. */
uint64_t store_next_number(struct store *store, uint64_t count);
void store_raise_number(struct store *store, uint64_t number);

/* Turn the feed on, if it is not yet. No partition is locked by the caller. 0 or
 * ERR_OUT_OF_MEMORY. */
MUST_USE int store_start_feed(struct store *store);

/* Let the total and the figures know what a partition holds (under its lock). */
void store_account(struct store *store, struct partition *partition);

/* Room for `need` more bytes in this locked partition? Evicts if that is the policy. 0 or
 * ERR_OUT_OF_MEMORY. No record pointer may be held across it. */
MUST_USE int store_admit(struct store *store, struct partition *partition, uint64_t need);

/* Delete up to `budget` expired records of one partition. True if more may be due now. */
bool store_expire(struct store *store, unsigned partition, int64_t now_ms, int budget);

/* The same, and then records that nobody owns any more, of which there may be very many. */
bool store_sweep(struct store *store, unsigned partition, int64_t now_ms, int budget);

/* Any thread; takes no lock, so that watching the store never slows it. */
void store_figures(const struct store *store, struct store_figures *out_figures);
