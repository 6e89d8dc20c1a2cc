/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For tests of groups, indexes and sequence numbers: keys and values of owners and of what they
 * own, and transactions of one effect on any kind.
 */
#pragma once

#include "tests/unit/server/store/fixture.h"

#include "server/store/group.h"

#include <endian.h>

enum {
    OWNER_VALUE = 2 * RECORD_NUMBER_BYTES - 1,
    MEMBER_KEY = GROUP_PREFIX_MAX + 64,
};

/* [number, generation]: what a session begins with, and, as any array would do, a checkpoint. */
static inline struct bytes grouped_value(uint64_t number, uint64_t generation,
                                         uint8_t out[static OWNER_VALUE])
{
    number = htobe64(number);
    generation = htobe64(generation);
    out[0] = 0x92;
    out[1] = out[RECORD_NUMBER_BYTES] = 0xcf;
    memcpy(out + 2, &number, sizeof number);
    memcpy(out + RECORD_NUMBER_BYTES + 1, &generation, sizeof generation);
    return (struct bytes){out, OWNER_VALUE};
}

/* The key of something that the group has. */
static inline struct bytes grouped_key(const struct group *group, struct bytes rest,
                                       uint8_t out[static MEMBER_KEY])
{
    size_t size = group_write_prefix(group, out);
    assert_true(rest.size <= MEMBER_KEY - GROUP_PREFIX_MAX);
    if (rest.size > 0)
        memcpy(out + size, rest.data, rest.size);
    return (struct bytes){out, size + rest.size};
}

static inline int grouped_put(struct store *store, const struct record_spec *spec)
{
    uint64_t hash = store_hash(store, &spec->key);
    struct txn txn;
    txn_init(&txn, store, FIXTURE_NOW_MS);
    int err = txn_lock(&txn, NULL, hash, 0);
    if (err == 0)
        err = txn_put(&txn, spec, hash);
    if (err == 0)
        (void)txn_commit(&txn);
    txn_deinit(&txn);
    return err;
}

static inline void grouped_del(struct store *store, const struct record_key *key)
{
    uint64_t hash = store_hash(store, key);
    struct txn txn;
    txn_init(&txn, store, FIXTURE_NOW_MS);
    assert_int_equal(txn_lock(&txn, NULL, hash, 0), 0);
    assert_int_equal(txn_del(&txn, key, hash), 0);
    (void)txn_commit(&txn);
    txn_deinit(&txn);
}

static inline struct partition *grouped_partition(const struct store *store,
                                                  const struct record_key *key)
{
    return &store->partitions[store_partition_index(store, store_hash(store, key))];
}

static inline struct record *grouped_find(const struct store *store, const struct record_key *key)
{
    return partition_find(grouped_partition(store, key), store_hash(store, key), key);
}

/* A session of the default run. */
static inline void grouped_put_owner(struct store *store, const char *name, uint64_t number,
                                     uint64_t generation, int64_t expires_at_ms)
{
    uint8_t value[OWNER_VALUE];
    struct record_spec spec = {
        .key = {run_id(store->default_run), KIND_session, bytes_of(name)},
        .text = true,
        .value = grouped_value(number, generation, value),
        .expires_at_ms = expires_at_ms,
    };
    assert_int_equal(grouped_put(store, &spec), 0);
}

static inline void grouped_put_member(struct store *store, const struct group *group, uint8_t kind,
                                      unsigned number)
{
    uint8_t key[MEMBER_KEY], value[OWNER_VALUE];
    char rest[16];
    (void)snprintf(rest, sizeof rest, "%u", number);
    struct record_spec spec = {
        .key = {group->run, kind, grouped_key(group, bytes_of(rest), key)},
        .value = grouped_value(number, 0, value),
    };
    assert_int_equal(grouped_put(store, &spec), 0);
}

/* How many records there are of a group. */
static inline size_t grouped_count(const struct store *store, const struct group *group)
{
    size_t n = 0;
    for (unsigned p = 0; p < store->n_partitions; p++) {
        struct omap_iter iter;
        const struct record *record;
        omap_seek(&store->partitions[p].order, NULL, &iter);
        while ((record = omap_next(&iter)) != NULL) {
            struct record_key key = {record_run(record), record_kind_of(record),
                                     record_key_bytes(record)};
            struct group of;
            struct bytes rest;
            n += group_read(&key, &of, &rest) && of.run == group->run && of.owner == group->owner &&
                 of.generation == group->generation && bytes_equal(of.name, group->name);
        }
    }
    return n;
}
