/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Transactions: lock, read, plan, commit.
 *
 *   txn_init
 *   txn_lock / txn_lock_set      locks the partitions, in ascending order
 *   txn_find                     reads (sees what is already planned)
 *   txn_put / txn_del            plan effects; take all memory that applying needs
 *   txn_note                     what watches are told of it, where put and del say too little
 *   txn_commit                   one version for all effects; applies them; unlocks
 *   txn_deinit                   unlocks and forgets what was planned but not committed
 *
 * Of each key a transaction keeps at most one effect, the final one.
 */
#pragma once

#include "server/store/store.h"

/* Not an error: the run was dropped meanwhile; look its name up again and start over. */
enum { TXN_RETRY = 1 };

/* A set of partitions. */
struct txn_set {
    uint64_t bits[STORE_PARTITIONS_MAX / 64];
};

struct txn {
    struct store *store;
    int64_t now_ms;
    /* What is locked: this one partition, or, while many_locked, those in `locked`. */
    struct partition *locked_one;
    struct txn_set locked;
    bool many_locked;
    bool many;     /* several effects: planned ones are looked up, none overwrites in place */
    bool deferred; /* part of a larger transaction, whose owner locks and commits */
    bool done;     /* committed */
    bool silent;   /* not logged and without a version: deletes of what nobody can see any more */
    size_t log_bytes; /* of the effects, in the log */
    uint64_t seen;    /* the newest version that was read, or made, or whose delete was noticed */
    struct effect *effects;
    size_t n_effects, capacity;
    uint64_t plans;        /* how often something was planned: has a call planned any? */
    struct txn_undo *undo; /* what lasts as long as the transaction, newest first */
    uint32_t *index; /* open-addressed positions + 1 in effects by hash, when there are many */
    size_t index_mask;
    /* What the last txn_find met, expired or not, and for which view of a key, so that planning
     * need not look again. No key: nothing. */
    struct record *met;
    struct record_key met_key;
    struct buf notes;       /* of struct note */
    struct effect first[1]; /* room for the common case */
};

void txn_init(struct txn *txn, struct store *store, int64_t now_ms);
void txn_deinit(struct txn *txn);

/* Collect the partition of a key. */
void txn_set_add(struct txn_set *set, const struct store *store, uint64_t hash);
void txn_set_all(struct txn_set *set, const struct store *store);

/* Lock. `need`: bytes a write may add, admitted against the memory limit here (0: reads, deletes).
 * 0, TXN_RETRY if `run` has been dropped, or ERR_OUT_OF_MEMORY; nothing is locked unless 0.
 * In a deferred transaction the partitions are locked already and this only checks. */
MUST_USE int txn_lock(struct txn *txn, const struct run *run, uint64_t hash, uint64_t need);
MUST_USE int txn_lock_set(struct txn *txn, const struct run *run, const struct txn_set *set,
                          uint64_t need);

/* Unlock everything (after reading). Not in a deferred transaction, where it does nothing. */
void txn_unlock(struct txn *txn);

/* The live record with this key as the transaction would leave it, or NULL. A planned record has
 * version 0. The pointer holds until the next planning call or the commit; the bytes of
 * the key must stay until then. */
const struct record *txn_find(struct txn *txn, const struct record_key *key, uint64_t hash);

/* The partition of a hash, which is locked, for its ordered maps: they do not know what is planned.
 */
const struct partition *txn_partition_at(const struct txn *txn, uint64_t hash);

/* Plan. The views in spec and key must last until the commit, but for the value of a txn_put while
 * `many`: it is copied. 0, ERR_OUT_OF_MEMORY, or ERR_LIMIT_EXCEEDED if all effects together are
 * more than an entry of the log may hold. */
MUST_USE int txn_put(struct txn *txn, const struct record_spec *spec, uint64_t hash);

/* The same, where nothing but txn_note follows before the commit, so that the record that stands
 * may be written over even while `many`. The value must last until the commit. */
MUST_USE int txn_put_last(struct txn *txn, const struct record_spec *spec, uint64_t hash);
MUST_USE int txn_del(struct txn *txn, const struct record_key *key, uint64_t hash);

/* Change the count (record_count) of a record that txn_find gave: at once, without a version and
 * without a word in the log; a transaction that is not committed changes it back. The count stays
 * where it is at its greatest and at 0. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int txn_count(struct txn *txn, const struct record *record, int delta);

/* A copy of bytes, for the key of a txn_del, that lasts as long as the transaction. 0 or
 * ERR_OUT_OF_MEMORY. */
MUST_USE int txn_keep(struct txn *txn, struct bytes bytes, struct bytes *out_copy);

/* The transaction deletes the owner of this group, which has this hash: once it commits the group
 * will be reaped (group.h). 0 or ERR_OUT_OF_MEMORY. */
struct group;
MUST_USE int txn_orphan(struct txn *txn, const struct group *group, uint64_t hash);

/* Say what this transaction does to a key, in the words of events.def: watches are told of `event`
 * where they would be told of a put or del of this key; a key that the transaction changes nothing
 * about has an event of its own, behind those of the effects. Call it after planning; the key must
 * last until the commit. A transaction without effects has no events. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int txn_note(struct txn *txn, const struct record_key *key, bool text, uint64_t hash,
                      enum event event);

/* Apply what was planned and unlock; returns the version of all of it. In a deferred transaction it
 * does nothing and returns 0; the owner calls txn_commit_deferred at the end. */
uint64_t txn_commit(struct txn *txn);
uint64_t txn_commit_deferred(struct txn *txn);
