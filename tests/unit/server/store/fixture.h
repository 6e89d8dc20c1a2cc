/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of the store share: a store with a fixed hash key, one-line puts, gets and
 * deletes, and a check of every invariant of its partitions and their indexes.
 */
#pragma once

#include "common/err.h"
#include "common/mem.h"
#include "server/store/group.h"
#include "server/store/txn.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIXTURE_NOW_MS = 1000000 };

static inline struct store *fixture_open(unsigned n_partitions, unsigned n_threads)
{
    struct store_options options = {.n_partitions = n_partitions,
                                    .n_threads = n_threads,
                                    .runs_max = 1000,
                                    .now_ms = FIXTURE_NOW_MS,
                                    .hash_key_given = true,
                                    .hash_key = {1, 2}};
    struct store *store = store_create(&options);
    assert_non_null(store);
    return store;
}

static inline struct record_key fixture_key(const struct store *store, const char *key)
{
    return (struct record_key){run_id(store->default_run), KIND_kv, bytes_of(key)};
}

static inline struct record_spec fixture_spec(const struct store *store, const char *key,
                                              struct bytes value, int64_t expires_at_ms)
{
    return (struct record_spec){fixture_key(store, key), true, value, expires_at_ms};
}

/* As kv.put does it: lock (admit), plan, commit. 0 or an error. Others may write meanwhile. */
static inline int fixture_put_among(struct store *store, const char *key, struct bytes value,
                                    int64_t expires_at_ms, uint64_t *out_version)
{
    struct record_spec spec = fixture_spec(store, key, value, expires_at_ms);
    uint64_t hash = store_hash(store, &spec.key);
    struct txn txn;
    txn_init(&txn, store, FIXTURE_NOW_MS);
    int err = txn_lock(&txn, store->default_run, hash, spec.key.bytes.size + value.size + 96);
    if (err == 0)
        err = txn_put(&txn, &spec, hash);
    if (err == 0)
        *out_version = txn_commit(&txn);
    txn_deinit(&txn);
    return err;
}

/* The same by the only thread. */
static inline int fixture_put(struct store *store, const char *key, struct bytes value,
                              int64_t expires_at_ms)
{
    uint64_t version;
    int err = fixture_put_among(store, key, value, expires_at_ms, &version);
    if (err == 0)
        assert_true(version == atomic_load(&store->version));
    return err;
}

static inline void put(struct store *store, const char *key, const char *value)
{
    assert_int_equal(fixture_put(store, key, bytes_of(value), 0), 0);
}

static inline void del(struct store *store, const char *key)
{
    struct record_key record_key = fixture_key(store, key);
    uint64_t hash = store_hash(store, &record_key);
    struct txn txn;
    txn_init(&txn, store, FIXTURE_NOW_MS);
    assert_int_equal(txn_lock(&txn, store->default_run, hash, 0), 0);
    assert_int_equal(txn_del(&txn, &record_key, hash), 0);
    (void)txn_commit(&txn);
    txn_deinit(&txn);
}

/* The record that stands there, expired or not, or NULL. For one thread. */
static inline const struct record *standing(const struct store *store, const char *key)
{
    struct record_key record_key = fixture_key(store, key);
    uint64_t hash = store_hash(store, &record_key);
    return partition_find(&store->partitions[store_partition_index(store, hash)], hash,
                          &record_key);
}

static inline void assert_value(const struct store *store, const char *key, const char *value)
{
    const struct record *record = standing(store, key);
    if (value == NULL) {
        assert_null(record);
        return;
    }
    assert_non_null(record);
    assert_true(bytes_equal(record_value(record), bytes_of(value)));
}

/* < 0, 0, > 0: as the index should have them. */
static inline int fixture_index_order(const struct record *a, const struct record *b, bool by_owner)
{
    struct bytes x = record_key_bytes(a), y = record_key_bytes(b);
    uint64_t m = record_number_of(record_value(a)), n = record_number_of(record_value(b));
    int order = (record_run(a) > record_run(b)) - (record_run(a) < record_run(b));
    if (order == 0 && by_owner)
        order = bytes_compare((struct bytes){x.data, group_prefix_size(x)},
                              (struct bytes){y.data, group_prefix_size(y)});
    if (order == 0)
        order = (m > n) - (m < n);
    return order != 0 ? order : bytes_compare(x, y);
}

/* An index has all records of its kind and no others, in order. */
static inline void fixture_check_index(const struct partition *partition, const struct omap *index,
                                       uint8_t kind, bool by_owner)
{
    struct omap_iter iter;
    const struct record *record, *last = NULL;
    size_t n = 0, of_kind = 0;
    omap_seek(&partition->order, NULL, &iter);
    while ((record = omap_next(&iter)) != NULL)
        of_kind += record_kind_of(record) == kind;
    omap_check(index);
    omap_seek(index, NULL, &iter);
    for (; (record = omap_next(&iter)) != NULL; n++, last = record) {
        struct record_key key = {record_run(record), kind, record_key_bytes(record)};
        struct omap_iter found;
        omap_seek(&partition->order, &key, &found);
        assert_ptr_equal(omap_next(&found), record);
        assert_int_equal(record_kind_of(record), kind);
        assert_true(last == NULL || fixture_index_order(last, record, by_owner) < 0);
    }
    assert_int_equal(n, of_kind);
    assert_int_equal(n, index->count);
}

static inline void fixture_check_indexes(const struct partition *partition)
{
#define INDEX(name, kind, by_owner, text)                                                          \
    fixture_check_index(partition, &partition->indexes[INDEX_##name], KIND_##kind, by_owner);
#include "server/store/indexes.def"
#undef INDEX
}

/* Sums are those of the records, and there are no others. */
static inline void fixture_check_sums(const struct partition *partition)
{
    const struct sums *sums = &partition->sums;
    size_t rows = 0;
    uint64_t left = 0;
    for (unsigned kind = 0; kind <= KIND_MAX; kind++)
        if (record_kinds[kind].flags & RECORD_SUMMED)
            left += partition->kinds[kind].records;
    for (size_t i = 0; i < sums->capacity; i++) {
        struct sums_row row = sums->rows[i], found = {.run = row.run, .kind = row.kind};
        struct omap_iter iter;
        const struct record *record;
        if (row.kind == KIND_NONE)
            continue;
        rows++;
        assert_true(record_kinds[row.kind].flags & RECORD_SUMMED);
        sums_read(sums, &found);
        assert_memory_equal(&found, &row, sizeof row);
        assert_true(row.records > 0);
        left -= row.records;
        omap_seek(&partition->order, NULL, &iter);
        while ((record = omap_next(&iter)) != NULL) {
            uint64_t numbers[RECORD_SUMMED_NUMBERS];
            if (record_run(record) != row.run || record_kind_of(record) != row.kind)
                continue;
            record_summed(record_value(record), numbers);
            row.records--;
            for (size_t j = 0; j < RECORD_SUMMED_NUMBERS; j++)
                row.numbers[j] -= numbers[j];
        }
        assert_int_equal(row.records, 0);
        for (size_t j = 0; j < RECORD_SUMMED_NUMBERS; j++)
            assert_int_equal(row.numbers[j], 0);
    }
    assert_int_equal(rows, sums->used);
    assert_int_equal(left, 0);
}

/* Every invariant of every partition; the number of records. */
static inline size_t fixture_check(const struct store *store)
{
    size_t records = 0;
    for (unsigned p = 0; p < store->n_partitions; p++) {
        const struct partition *partition = &store->partitions[p];
        uint64_t bytes = 0;
        size_t n = 0, expiring = 0;
        struct partition_kind kinds[KIND_MAX + 1] = {0};
        struct omap_iter iter;
        struct record *record;
        omap_check(&partition->order);
        omap_seek(&partition->order, NULL, &iter);
        for (; (record = omap_next(&iter)) != NULL; n++) {
            struct record_key key = {record_run(record), record_kind_of(record),
                                     record_key_bytes(record)};
            uint64_t hash = store_hash(store, &key);
            assert_int_equal(store_partition_index(store, hash), p);
            assert_ptr_equal(partition_find(partition, hash, &key), record);
            bytes += record_memory(record);
            expiring += record_expires_at_ms(record) != 0;
            kinds[key.kind].records++;
            kinds[key.kind].expiring += record_expires_at_ms(record) != 0;
        }
        assert_int_equal(n, partition->order.count);
        assert_int_equal(n, hmap_count(&partition->table));
        assert_int_equal(expiring, partition->expiry.count);
        assert_int_equal(bytes, partition->record_bytes);
        assert_memory_equal(kinds, partition->kinds, sizeof kinds);
        fixture_check_indexes(partition);
        fixture_check_sums(partition);
        records += n;
    }
    return records;
}
