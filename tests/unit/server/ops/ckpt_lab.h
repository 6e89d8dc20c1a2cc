/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of states share: a store with one session, checkpoints whose records hold nothing
 * but the hash of their manifest, and a check that counts are what a recount makes of them.
 */
#pragma once

#include "common/rng.h"
#include "proto/pack.h"
#include "server/ops/ckpt_state.h"
#include "tests/unit/server/store/fixture.h"

enum { LAB_VALUE_BYTES = RECORD_NUMBER_BYTES + 2 + CKPT_HASH_BYTES };

struct lab {
    struct store *store;
    struct txn txn;
    struct ckpt_space space;
    uint64_t number; /* the last of a record */
    uint8_t prefix[GROUP_PREFIX_MAX];
    char keys[64][GROUP_PREFIX_MAX + 8]; /* of the records the transaction plans */
};

static inline void lab_open_in(struct lab *lab, struct store *store, uint32_t run,
                               const char *session)
{
    memset(lab, 0, sizeof *lab);
    lab->store = store;
    struct group group = {run, KIND_session, bytes_of(session), 7};
    size_t size = group_write_prefix(&group, lab->prefix);
    lab->space = (struct ckpt_space){&lab->txn, lab->store, group.run, {lab->prefix, size}};
}

static inline void lab_open(struct lab *lab, const char *session)
{
    struct store *store = fixture_open(4, 1);
    lab_open_in(lab, store, run_id(store->default_run), session);
}

static inline void lab_close(struct lab *lab)
{
    store_destroy(lab->store);
}

/* The key of a checkpoint, in memory that lasts as long as the transaction. */
static inline struct record_key lab_key(struct lab *lab, unsigned id)
{
    char *key = lab->keys[id % LENGTH_OF(lab->keys)];
    memcpy(key, lab->prefix, lab->space.prefix.size);
    memcpy(key + lab->space.prefix.size, &id, sizeof id);
    return (struct record_key){
        lab->space.run, KIND_ckpt, {(uint8_t *)key, lab->space.prefix.size + sizeof id}};
}

static inline void lab_begin(struct lab *lab)
{
    struct record_key key = lab_key(lab, 0);
    txn_init(&lab->txn, lab->store, FIXTURE_NOW_MS);
    assert_int_equal(txn_lock(&lab->txn, lab->store->default_run, store_hash(lab->store, &key), 0),
                     0);
    lab->txn.many = true;
}

/* Commit, or give up. */
static inline void lab_end(struct lab *lab, bool commit)
{
    if (commit)
        (void)txn_commit(&lab->txn);
    txn_deinit(&lab->txn);
}

static inline struct bytes lab_manifest_of(const struct record *record)
{
    struct bytes value = record_value(record);
    if (value.size != LAB_VALUE_BYTES)
        return BYTES_NONE;
    return (struct bytes){value.data + RECORD_NUMBER_BYTES + 2, CKPT_HASH_BYTES};
}

/* The manifest of a checkpoint as the transaction would leave it; false: there is none. */
static inline bool lab_hash(struct lab *lab, unsigned id, uint8_t out[static CKPT_HASH_BYTES])
{
    struct record_key key = lab_key(lab, id);
    const struct record *record = txn_find(&lab->txn, &key, store_hash(lab->store, &key));
    if (record == NULL)
        return false;
    memcpy(out, lab_manifest_of(record).data, CKPT_HASH_BYTES);
    return true;
}

static inline int lab_put(struct lab *lab, unsigned id, const uint8_t hash[static CKPT_HASH_BYTES])
{
    uint8_t value[LAB_VALUE_BYTES] = {0x92, 0xcf};
    for (unsigned i = 0; i < 8; i++)
        value[2 + i] = (uint8_t)(lab->number >> (56 - 8 * i));
    lab->number++;
    value[RECORD_NUMBER_BYTES] = 0xc4;
    value[RECORD_NUMBER_BYTES + 1] = CKPT_HASH_BYTES;
    memcpy(value + RECORD_NUMBER_BYTES + 2, hash, CKPT_HASH_BYTES);
    struct record_spec spec = {.key = lab_key(lab, id), .value = {value, sizeof value}};
    return txn_put(&lab->txn, &spec, store_hash(lab->store, &spec.key));
}

/* Plan a checkpoint, in the place of the one with this id if there is one. 0 or an error. */
static inline int lab_save(struct lab *lab, unsigned id, struct bytes state, struct bytes previous,
                           uint8_t out_hash[static CKPT_HASH_BYTES], uint64_t *out_new_bytes)
{
    uint8_t old[CKPT_HASH_BYTES];
    uint64_t freed;
    bool cut, replaces = lab_hash(lab, id, old);
    int err = ckpt_state_plan(&lab->space, state, previous, out_hash, &cut, out_new_bytes);
    if (err == 0)
        assert_true(cut);
    if (err == 0)
        err = lab_put(lab, id, out_hash);
    if (err == 0 && replaces)
        err = ckpt_state_unref(&lab->space, (struct bytes){old, sizeof old}, &freed);
    return err;
}

static inline int lab_delete(struct lab *lab, unsigned id, uint64_t *out_freed)
{
    uint8_t hash[CKPT_HASH_BYTES];
    struct record_key key = lab_key(lab, id);
    *out_freed = 0;
    if (!lab_hash(lab, id, hash))
        return 0;
    int err = ckpt_state_unref(&lab->space, (struct bytes){hash, sizeof hash}, out_freed);
    return err != 0 ? err : txn_del(&lab->txn, &key, store_hash(lab->store, &key));
}

static inline void lab_assert_state(struct lab *lab, const uint8_t hash[static CKPT_HASH_BYTES],
                                    struct bytes state)
{
    struct bytes of = {hash, CKPT_HASH_BYTES};
    struct buf out;
    uint64_t size = 0;
    buf_init(&out);
    assert_int_equal(buf_append(&out, "before", 6), 0);
    assert_int_equal(ckpt_state_read(&lab->space, of, &out), 0);
    assert_int_equal(ckpt_state_size(&lab->space, of, &size), 0);
    assert_int_equal(size, state.size);
    assert_int_equal(out.size, 6 + state.size);
    assert_memory_equal(out.data + 6, state.data, state.size);
    assert_int_equal(ckpt_state_verify(&lab->space, of), 0);
    buf_deinit(&out);
}

/* Counts of all pieces, in order. */
static inline size_t lab_counts(const struct store *store, uint32_t *counts, size_t max)
{
    size_t n = 0;
    for (unsigned p = 0; p < store->n_partitions; p++) {
        struct omap_iter iter;
        struct record *record;
        omap_seek(&store->partitions[p].order, NULL, &iter);
        while ((record = omap_next(&iter)) != NULL) {
            if (record_kind_of(record) != KIND_piece)
                continue;
            assert_true(n < max);
            counts[n++] = record_count(record);
        }
    }
    return n;
}

/* All counts are what counting anew makes of them, and nothing is missing or unused. */
static inline struct ckpt_recounted lab_check(struct lab *lab)
{
    enum { MAX = 100000 };
    struct ckpt_recounted counts;
    uint32_t *before = calloc(2 * MAX, sizeof *before), *after = before + MAX;
    size_t n = lab_counts(lab->store, before, MAX);
    ckpt_state_recount(lab->store, lab_manifest_of, &counts);
    assert_int_equal(lab_counts(lab->store, after, MAX), n);
    assert_memory_equal(before, after, n * sizeof *before);
    assert_int_equal(counts.manifests + counts.pieces, n);
    assert_int_equal(counts.missing, 0);
    assert_int_equal(counts.unused, 0);
    (void)fixture_check(lab->store);
    free(before);
    return counts;
}
