/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Transactions over partitions.
 *
 *   lock ----> find, plan ----> commit: version = next; for each effect: partition_apply; unlock
 *
 * The locks are held from the first read to the last change, so a transaction is one instant for
 * everybody else. Memory is taken while planning, so that committing cannot fail.
 *
 * A single effect on a record that has room is applied in place (no allocation at all). With
 * several effects each put but the last prepares a record of its own, so that later reads of the
 * same transaction see it.
 *
 * Invariants
 *   1. Partitions are locked in ascending order and only once: no deadlock.
 *   2. At most one effect per key.
 *   3. The version is taken while all partitions are locked: per record, versions only grow.
 *
 * Threads: one transaction belongs to one thread.
 * Failures: planning may run out of memory; txn_deinit then undoes everything.
 */
#include "server/store/txn.h"

#include "common/err.h"
#include "common/mem.h"
#include "server/store/codec.h"
#include "server/store/group.h"
#include "server/store/journal.h"
#include "server/store/vindex.h"

enum { TXN_INDEX_FROM = 16 }; /* effects from which on they are looked up by hash */

void txn_init(struct txn *txn, struct store *store, int64_t now_ms)
{
    txn->store = store;
    txn->now_ms = now_ms;
    txn->locked_one = NULL;
    txn->many_locked = false;
    txn->many = txn->deferred = txn->done = txn->silent = false;
    txn->log_bytes = 0;
    txn->seen = 0;
    txn->effects = txn->first;
    txn->n_effects = 0;
    txn->capacity = LENGTH_OF(txn->first);
    txn->plans = 0;
    txn->index = NULL;
    txn->undo = NULL;
    txn->met_key = (struct record_key){0};
    txn->notes = (struct buf){0};
}

/* A count to be changed back, a group that will have no owner, or bytes that are kept. */
struct txn_undo {
    struct txn_undo *next;
    struct record *counted; /* NULL: another of these */
    uint32_t count;         /* as it was */
    struct reap *reap;      /* NULL: the same */
    struct partition *partition;
    uint8_t bytes[];
};

static struct partition *txn_partition(const struct txn *txn, uint64_t hash)
{
    return &txn->store->partitions[store_partition_index(txn->store, hash)];
}

static void txn_release_many(struct txn *txn)
{
    for (unsigned word = 0; word < LENGTH_OF(txn->locked.bits); word++) {
        for (; txn->locked.bits[word] != 0; txn->locked.bits[word] &= txn->locked.bits[word] - 1) {
            unsigned i = word * 64 + (unsigned)__builtin_ctzll(txn->locked.bits[word]);
            partition_unlock(&txn->store->partitions[i]);
        }
    }
    txn->many_locked = false;
}

/* Newest first, so that a count that was changed twice ends as it began. */
static void txn_forget_undo(struct txn *txn)
{
    struct txn_undo *undo;
    while ((undo = txn->undo) != NULL) {
        if (undo->counted != NULL && !txn->done)
            record_set_count(undo->counted, undo->count);
        if (undo->reap != NULL && txn->done)
            group_orphan(undo->partition, undo->reap);
        else
            reap_destroy(undo->reap);
        txn->undo = undo->next;
        mem_free(undo);
    }
}

static inline void txn_release(struct txn *txn)
{
    if (txn->undo != NULL)
        txn_forget_undo(txn);
    if (txn->locked_one != NULL)
        partition_unlock(txn->locked_one);
    txn->locked_one = NULL;
    if (txn->many_locked)
        txn_release_many(txn);
}

/* What was prepared for an effect that is not applied. */
static void txn_forget_effect(struct effect *effect)
{
    if (effect->index != NULL)
        vindex_effect_deinit(effect);
    record_destroy(effect->record);
}

void txn_deinit(struct txn *txn)
{
    for (size_t i = 0; i < txn->n_effects && !txn->done; i++)
        txn_forget_effect(&txn->effects[i]);
    txn_release(txn);
    if (txn->effects != txn->first)
        mem_free(txn->effects);
    if (txn->index != NULL) /* once a request: not even a call */
        mem_free(txn->index);
    if (txn->notes.data != NULL)
        buf_deinit(&txn->notes);
    txn->effects = txn->first;
    txn->n_effects = 0;
    txn->index = NULL;
}

void txn_set_add(struct txn_set *set, const struct store *store, uint64_t hash)
{
    unsigned i = store_partition_index(store, hash);
    set->bits[i / 64] |= (uint64_t)1 << (i % 64);
}

void txn_set_all(struct txn_set *set, const struct store *store)
{
    for (unsigned i = 0; i < store->n_partitions; i++)
        set->bits[i / 64] |= (uint64_t)1 << (i % 64);
}

int txn_lock_set(struct txn *txn, const struct run *run, const struct txn_set *set, uint64_t need)
{
    int err = 0;
    if (txn->deferred)
        return 0;
    txn->locked = (struct txn_set){0};
    txn->many_locked = true;
    for (unsigned i = 0; i < txn->store->n_partitions && err == 0; i++) {
        uint64_t bit = (uint64_t)1 << (i % 64);
        if (!(set->bits[i / 64] & bit))
            continue;
        partition_lock(&txn->store->partitions[i]);
        txn->locked.bits[i / 64] |= bit;
        if (need > 0)
            err = store_admit(txn->store, &txn->store->partitions[i], need);
    }
    if (err == 0 && run_is_dropped(run))
        err = TXN_RETRY;
    if (err != 0)
        txn_release(txn);
    return err;
}

int txn_lock(struct txn *txn, const struct run *run, uint64_t hash, uint64_t need)
{
    int err = 0;
    if (txn->deferred)
        return 0;
    struct partition *partition = txn_partition(txn, hash);
    partition_lock(partition);
    if (need > 0)
        err = store_admit(txn->store, partition, need);
    if (err == 0 && run_is_dropped(run))
        err = TXN_RETRY;
    if (err != 0)
        partition_unlock(partition);
    else
        txn->locked_one = partition;
    return err;
}

void txn_unlock(struct txn *txn)
{
    if (!txn->deferred)
        txn_release(txn);
}

const struct partition *txn_partition_at(const struct txn *txn, uint64_t hash)
{
    return txn_partition(txn, hash);
}

static bool txn_effect_is(const struct effect *effect, const struct record_key *key, uint64_t hash)
{
    return effect->hash == hash && effect->spec.key.run == key->run &&
           effect->spec.key.kind == key->kind && bytes_equal(effect->spec.key.bytes, key->bytes);
}

/* The effect planned for this key, or NULL. */
static struct effect *txn_planned(const struct txn *txn, const struct record_key *key,
                                  uint64_t hash)
{
    if (txn->index == NULL) {
        for (size_t i = 0; i < txn->n_effects; i++)
            if (txn_effect_is(&txn->effects[i], key, hash))
                return &txn->effects[i];
        return NULL;
    }
    for (size_t i = hash & txn->index_mask; txn->index[i] != 0; i = (i + 1) & txn->index_mask)
        if (txn_effect_is(&txn->effects[txn->index[i] - 1], key, hash))
            return &txn->effects[txn->index[i] - 1];
    return NULL;
}

const struct record *txn_find(struct txn *txn, const struct record_key *key, uint64_t hash)
{
    if (txn->n_effects > 0) {
        const struct effect *planned = txn_planned(txn, key, hash);
        if (planned != NULL && (planned->record == NULL || planned->type == EFFECT_DEL))
            return NULL;
        if (planned != NULL)
            return record_expired(planned->record, txn->now_ms) ? NULL : planned->record;
    }
    const struct partition *partition = txn_partition(txn, hash);
    txn->met = partition_find(partition, hash, key);
    txn->met_key = *key;
    uint64_t rests_on = txn->met != NULL ? record_version(txn->met) : partition->gone;
    txn->seen = rests_on > txn->seen ? rests_on : txn->seen;
    return txn->met != NULL && record_expired(txn->met, txn->now_ms) ? NULL : txn->met;
}

/* The record that stands there now, expired or not: the one just seen, or looked up. */
static struct record *txn_standing(const struct txn *txn, const struct record_key *key,
                                   uint64_t hash)
{
    const struct record_key *seen = &txn->met_key;
    if (seen->bytes.data == key->bytes.data && seen->run == key->run && seen->kind == key->kind &&
        seen->bytes.size == key->bytes.size)
        return txn->met;
    return partition_find(txn_partition(txn, hash), hash, key);
}

static void txn_index_add(struct txn *txn, size_t position)
{
    size_t i = txn->effects[position].hash & txn->index_mask;
    while (txn->index[i] != 0)
        i = (i + 1) & txn->index_mask;
    txn->index[i] = (uint32_t)position + 1;
}

/* Double the room for effects, and the index with it. */
static int txn_grow(struct txn *txn)
{
    size_t capacity = txn->capacity * 4;
    struct effect *effects = mem_alloc(capacity * sizeof *effects);
    uint32_t *index = NULL;
    if (capacity > TXN_INDEX_FROM)
        index = mem_calloc(capacity * 2, sizeof *index);
    if (effects == NULL || (capacity > TXN_INDEX_FROM && index == NULL)) {
        mem_free(effects);
        mem_free(index);
        return ERR_OUT_OF_MEMORY;
    }
    memcpy(effects, txn->effects, txn->n_effects * sizeof *effects);
    if (txn->effects != txn->first)
        mem_free(txn->effects);
    mem_free(txn->index);
    txn->effects = effects;
    txn->capacity = capacity;
    txn->index = index;
    txn->index_mask = capacity * 2 - 1;
    for (size_t i = 0; index != NULL && i < txn->n_effects; i++)
        txn_index_add(txn, i);
    return 0;
}

/* Count the bytes of an effect, and those of the one it replaces no more. */
static int txn_count_bytes(struct txn *txn, const struct effect *planned,
                           const struct effect *effect)
{
    enum { TYPE_BYTES = 1 };
    size_t then = planned == NULL ? 0 : codec_effect_size(planned) + TYPE_BYTES;
    size_t now = txn->log_bytes - then + codec_effect_size(effect) + TYPE_BYTES;
    if (now > JOURNAL_BODY_MAX && txn->store->wal != NULL)
        return ERR_LIMIT_EXCEEDED;
    txn->log_bytes = now;
    return 0;
}

/* A new effect for a key that has none. */
static int txn_add(struct txn *txn, const struct effect *effect)
{
    int err = txn->n_effects == txn->capacity ? txn_grow(txn) : 0;
    if (err != 0)
        return err;
    txn->effects[txn->n_effects++] = *effect;
    if (txn->index != NULL)
        txn_index_add(txn, txn->n_effects - 1);
    return 0;
}

/* May the record that stands be written over? Of a deferred transaction nobody knows what is still
 * to come, and indexes of vectors read records without a lock. */
static bool txn_in_place(const struct txn *txn, const struct effect *effect,
                         const struct effect *planned, bool last)
{
    if (txn->many && (!last || txn->deferred || planned != NULL))
        return false;
    return effect->old != NULL && record_fits(effect->old, &effect->spec) &&
           !(record_kinds[effect->spec.key.kind].flags & RECORD_INDEXED);
}

static int txn_plan_put(struct txn *txn, const struct record_spec *spec, uint64_t hash, bool last)
{
    struct partition *partition = txn_partition(txn, hash);
    struct effect *planned = txn->n_effects > 0 ? txn_planned(txn, &spec->key, hash) : NULL;
    struct effect effect = {.type = EFFECT_PUT, .spec = *spec, .hash = hash};

    int err = txn_count_bytes(txn, planned, &effect);
    if (err != 0)
        return err;
    effect.old = planned != NULL ? planned->old : txn_standing(txn, &spec->key, hash);
    if (!txn_in_place(txn, &effect, planned, last)) {
        effect.record = record_create(spec);
        if (effect.record == NULL)
            return ERR_OUT_OF_MEMORY;
        effect.spec.key.bytes = record_key_bytes(effect.record);
        effect.spec.value = record_value(effect.record);
    }
    if (effect.old == NULL && (planned == NULL || planned->type == EFFECT_DEL))
        err = partition_plan_insert(partition);
    if (err == 0 && record_kinds[spec->key.kind].flags & RECORD_NUMBERED)
        err = partition_plan_numbered(partition, spec->key.kind);
    if (err == 0 && record_kinds[spec->key.kind].flags & RECORD_INDEXED)
        err = vindex_plan(txn->store, partition, &effect);
    if (err == 0 && planned == NULL)
        err = txn_add(txn, &effect);
    if (err != 0) {
        txn_forget_effect(&effect);
        return err;
    }
    if (planned != NULL) {
        txn_forget_effect(planned);
        *planned = effect;
    }
    txn->plans++;
    return 0;
}

int txn_put(struct txn *txn, const struct record_spec *spec, uint64_t hash)
{
    return txn_plan_put(txn, spec, hash, false);
}

int txn_put_last(struct txn *txn, const struct record_spec *spec, uint64_t hash)
{
    return txn_plan_put(txn, spec, hash, true);
}

int txn_del(struct txn *txn, const struct record_key *key, uint64_t hash)
{
    struct effect *planned = txn->n_effects > 0 ? txn_planned(txn, key, hash) : NULL;
    struct effect effect = {.type = EFFECT_DEL, .hash = hash};
    effect.spec.key = *key;
    int err = txn_count_bytes(txn, planned, &effect);
    if (err != 0)
        return err;
    effect.old = planned != NULL ? planned->old : txn_standing(txn, key, hash);
    if (planned == NULL) {
        err = txn_add(txn, &effect);
    } else {
        txn_forget_effect(planned);
        *planned = effect;
    }
    txn->plans += err == 0;
    return err;
}

static struct txn_undo *txn_undo_new(struct txn *txn, size_t size)
{
    struct txn_undo *undo = mem_alloc(sizeof *undo + size);
    if (undo == NULL)
        return NULL;
    *undo = (struct txn_undo){.next = txn->undo};
    return txn->undo = undo;
}

int txn_count(struct txn *txn, const struct record *record, int delta)
{
    struct record *counted = (struct record *)(uintptr_t)record;
    uint32_t count = record_count(record);
    if (count == 0 ? delta < 0 : count == UINT32_MAX)
        return 0;
    if (record_version(record) != 0) { /* not planned, but standing */
        struct txn_undo *undo = txn_undo_new(txn, 0);
        if (undo == NULL)
            return ERR_OUT_OF_MEMORY;
        undo->counted = counted;
        undo->count = count;
    }
    record_set_count(counted, count + (uint32_t)delta);
    return 0;
}

int txn_keep(struct txn *txn, struct bytes bytes, struct bytes *out_copy)
{
    struct txn_undo *undo = txn_undo_new(txn, bytes.size);
    if (undo == NULL)
        return ERR_OUT_OF_MEMORY;
    if (bytes.size > 0)
        memcpy(undo->bytes, bytes.data, bytes.size);
    *out_copy = (struct bytes){undo->bytes, bytes.size};
    return 0;
}

int txn_orphan(struct txn *txn, const struct group *group, uint64_t hash)
{
    struct reap *reap = reap_create(group);
    struct txn_undo *undo = reap == NULL ? NULL : txn_undo_new(txn, 0);
    if (undo == NULL) {
        reap_destroy(reap);
        return ERR_OUT_OF_MEMORY;
    }
    undo->reap = reap;
    undo->partition = txn_partition(txn, hash);
    return 0;
}

int txn_note(struct txn *txn, const struct record_key *key, bool text, uint64_t hash,
             enum event event)
{
    struct note note = {*key, text, event};
    struct effect *planned = txn_planned(txn, key, hash);
    if (planned == NULL)
        return buf_append(&txn->notes, &note, sizeof note);
    planned->event = (uint8_t)event;
    return 0;
}

static uint64_t txn_apply(struct txn *txn)
{
    uint64_t version = 0;
    if (txn->n_effects > 0 && !txn->silent)
        version = txn->seen = journal_record(txn->store, txn->effects, txn->n_effects, &txn->notes);
    for (size_t i = 0; i < txn->n_effects; i++) {
        struct partition *partition = txn_partition(txn, txn->effects[i].hash);
        txn->effects[i].version = version;
        partition_apply(partition, &txn->effects[i]);
        if (i + 1 == txn->n_effects || txn_partition(txn, txn->effects[i + 1].hash) != partition)
            store_account(txn->store, partition);
    }
    txn->done = true;
    txn_release(txn);
    return version;
}

uint64_t txn_commit(struct txn *txn)
{
    return txn->deferred ? 0 : txn_apply(txn);
}

uint64_t txn_commit_deferred(struct txn *txn)
{
    txn->deferred = false;
    return txn_apply(txn);
}
