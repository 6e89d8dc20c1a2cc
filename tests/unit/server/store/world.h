/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For model tests of recovery: random transactions, runs, sweeps and clears on a store with a log,
 * and the comparison of two stores. Sessions come, go and expire, with checkpoints of theirs.
 */
#pragma once

#include "tests/unit/server/store/grouped.h"
#include "tests/unit/server/store/logged.h"

#include "common/rng.h"
#include "server/store/clear.h"

#include <limits.h>

enum { KEYS = 60, RUNS = 4, WORLD_SESSIONS = 5, WORLD_CKPTS = 12 };

struct world {
    struct rng rng;
    struct store *store;
    int64_t now_ms;
};

/* A store with the seed of the environment. */
static inline void world_open(struct world *world)
{
    const char *seed = getenv("CAIRN_SEED");
    uint64_t number = seed != NULL ? strtoull(seed, NULL, 10) : 1;
    print_message("seed %llu\n", (unsigned long long)number);
    *world = (struct world){.now_ms = FIXTURE_NOW_MS};
    world->rng.state = number;
    world->store = fixture_open(4, 1);
}

static inline struct run *some_run(struct world *world)
{
    char name[16];
    struct run *run;
    (void)snprintf(name, sizeof name, "run%u", (unsigned)rng_below(&world->rng, RUNS));
    assert_int_equal(run_open(world->store->runs, bytes_of(name), &run), 0);
    return run;
}

/* One transaction with up to four effects. */
static inline void some_effects(struct world *world)
{
    char text[4][16], value[4][40];
    struct txn_set set = {0};
    struct run *run = some_run(world);
    struct txn txn;
    txn_init(&txn, world->store, world->now_ms);
    txn_set_all(&set, world->store);
    assert_int_equal(txn_lock_set(&txn, run, &set, 0), 0);
    unsigned n = 1 + (unsigned)rng_below(&world->rng, 4);
    txn.many = n > 1;
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(text[i], sizeof text[i], "key%u", (unsigned)rng_below(&world->rng, KEYS));
        int size = snprintf(value[i], sizeof value[i], "%0*u", 1 + (int)rng_below(&world->rng, 30),
                            (unsigned)i);
        struct record_spec spec = {{run_id(run), KIND_kv, bytes_of(text[i])},
                                   true,
                                   {(uint8_t *)value[i], (size_t)size},
                                   0};
        if (rng_below(&world->rng, 4) == 0)
            spec.expires_at_ms = world->now_ms + (int64_t)rng_below(&world->rng, 500);
        uint64_t hash = store_hash(world->store, &spec.key);
        (void)txn_find(&txn, &spec.key, hash);
        assert_int_equal(rng_below(&world->rng, 3) == 0 ? txn_del(&txn, &spec.key, hash)
                                                        : txn_put(&txn, &spec, hash),
                         0);
    }
    (void)txn_commit(&txn);
    txn_deinit(&txn);
    run_unref(run);
}

/* What lies in an effect until it is committed. */
struct some_bytes {
    char name[16];
    uint8_t key[MEMBER_KEY], value[OWNER_VALUE];
};

/* Nobody owns the group of the record that stands there, or of this planned one, any more. */
static inline void some_orphan(struct world *world, const struct record_key *key,
                               const struct record *record)
{
    struct group group = {key->run, KIND_session, key->bytes, 0};
    struct reap *reap;
    if (record == NULL)
        return;
    group.generation = group_generation(record_value(record));
    reap = reap_create(&group);
    assert_non_null(reap);
    group_orphan(grouped_partition(world->store, key), reap);
}

/* A session goes, or begins anew, or goes on. */
static inline void some_session(struct world *world, struct txn *txn, const struct record_key *key,
                                struct some_bytes *bytes)
{
    uint64_t hash = store_hash(world->store, key), dice = rng_below(&world->rng, 4);
    const struct record *record = txn_find(txn, key, hash);
    struct record_spec spec = {.key = *key, .text = true};
    uint64_t generation = record == NULL ? 0 : group_generation(record_value(record));
    if (dice < 2 || record == NULL) { /* one that has expired may stand there */
        some_orphan(world, key, grouped_find(world->store, key));
        some_orphan(world, key, record);
        generation = 0;
    }
    if (generation == 0)
        generation = store_next_number(world->store, 1);
    spec.value = grouped_value(store_next_number(world->store, 1), generation, bytes->value);
    if (rng_below(&world->rng, 3) == 0)
        spec.expires_at_ms = world->now_ms + (int64_t)rng_below(&world->rng, 500);
    assert_int_equal(dice == 0 ? txn_del(txn, key, hash) : txn_put(txn, &spec, hash), 0);
}

/* A checkpoint, if there is the session. */
static inline void some_ckpt(struct world *world, struct txn *txn, const struct record_key *owner,
                             struct some_bytes *bytes)
{
    char rest[16];
    const struct record *record = txn_find(txn, owner, store_hash(world->store, owner));
    if (record == NULL)
        return;
    struct group group = {owner->run, KIND_session, owner->bytes,
                          group_generation(record_value(record))};
    (void)snprintf(rest, sizeof rest, "%u", (unsigned)rng_below(&world->rng, WORLD_CKPTS));
    uint64_t number = store_next_number(world->store, 1);
    struct record_spec spec = {.key = {owner->run,
                                       rng_below(&world->rng, 3) == 0 ? KIND_blob : KIND_ckpt,
                                       grouped_key(&group, bytes_of(rest), bytes->key)},
                               .value = grouped_value(number, 0, bytes->value)};
    uint64_t hash = store_hash(world->store, &spec.key);
    assert_int_equal(rng_below(&world->rng, 4) == 0 ? txn_del(txn, &spec.key, hash)
                                                    : txn_put(txn, &spec, hash),
                     0);
}

/* One transaction on sessions and what they own. */
static inline void some_group_effects(struct world *world)
{
    struct some_bytes bytes[4];
    struct txn_set set = {0};
    struct run *run = some_run(world);
    struct txn txn;
    txn_init(&txn, world->store, world->now_ms);
    txn_set_all(&set, world->store);
    txn.many = true;
    assert_int_equal(txn_lock_set(&txn, run, &set, 0), 0);
    for (size_t i = 0; i < LENGTH_OF(bytes); i++) {
        unsigned number = (unsigned)rng_below(&world->rng, WORLD_SESSIONS);
        (void)snprintf(bytes[i].name, sizeof bytes[i].name, "session%u", number);
        struct record_key key = {run_id(run), KIND_session, bytes_of(bytes[i].name)};
        (rng_below(&world->rng, 4) == 0 ? some_session : some_ckpt)(world, &txn, &key, &bytes[i]);
    }
    (void)txn_commit(&txn);
    txn_deinit(&txn);
    run_unref(run);
}

static inline void clear_all(struct world *world, const struct run *run, bool dropped)
{
    struct clear clear;
    bool done = false;
    assert_int_equal(clear_init(&clear, world->store, run, dropped ? KIND_NONE : KIND_kv,
                                dropped ? BYTES_NONE : bytes_of("key1")),
                     0);
    if (dropped)
        clear.version = UINT64_MAX;
    clear.silent = dropped;
    while (!done)
        assert_int_equal(clear_step(&clear, world->store, world->now_ms, &done), 0);
    clear_deinit(&clear);
}

static inline void some_step(struct world *world)
{
    uint64_t dice = rng_below(&world->rng, 100);
    if (dice < 90) {
        (dice < 60 ? some_effects : some_group_effects)(world);
        return;
    }
    struct run *run = some_run(world);
    if (dice < 93 && run_drop(world->store->runs, run)) {
        run_unref(run); /* the table's */
        clear_all(world, run, true);
    } else if (dice < 95) {
        clear_all(world, run, false);
    } else {
        world->now_ms += (int64_t)rng_below(&world->rng, 100);
        for (unsigned i = 0; i < world->store->n_partitions; i++)
            while (store_sweep(world->store, i, world->now_ms, 100))
                continue;
    }
    run_unref(run);
    if (rng_below(&world->rng, 10) == 0)
        wal_step(world->store->wal);
}

/* Every record of `a` is in `b` as it is in `a`. */
static inline size_t assert_within(const struct store *a, const struct store *b)
{
    size_t n = 0;
    for (unsigned p = 0; p < a->n_partitions; p++) {
        struct omap_iter iter;
        const struct record *record;
        omap_seek(&a->partitions[p].order, NULL, &iter);
        for (; (record = omap_next(&iter)) != NULL; n++) {
            struct record_key key = {record_run(record), record_kind_of(record),
                                     record_key_bytes(record)};
            uint64_t hash = store_hash(b, &key);
            const struct record *other =
                partition_find(&b->partitions[store_partition_index(b, hash)], hash, &key);
            assert_non_null(other);
            assert_true(bytes_equal(record_value(record), record_value(other)));
            assert_true(record_version(record) == record_version(other));
            assert_true(record_expires_at_ms(record) == record_expires_at_ms(other));
            assert_int_equal(record_is_text(record), record_is_text(other));
        }
    }
    return n;
}

static inline void assert_same_runs(const struct store *a, const struct store *b)
{
    struct run *runs[RUNS + 2];
    size_t n = run_page(a->runs, BYTES_NONE, false, RUNS + 2, runs);
    for (size_t i = 0; i < n; i++) {
        struct run *other = run_find(b->runs, run_name(runs[i]));
        assert_int_equal(run_id(other), run_id(runs[i]));
        run_unref(other);
        run_unref(runs[i]);
    }
}

/* One may have deleted more of what nobody owns than the other. */
static inline void reap_all(struct store *store)
{
    for (unsigned i = 0; i < store->n_partitions; i++) {
        int budget = INT_MAX;
        group_reap(store, &store->partitions[i], &budget);
        store_account(store, &store->partitions[i]);
    }
}

static inline void assert_same(struct store *a, struct store *b)
{
    reap_all(a);
    reap_all(b);
    assert_int_equal(assert_within(a, b), assert_within(b, a));
    assert_same_runs(a, b);
    assert_same_runs(b, a);
    assert_true(atomic_load(&a->version) == atomic_load(&b->version));
    (void)fixture_check(b);
}
