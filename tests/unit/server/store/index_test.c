/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Indexes: seeded random transactions that put, replace and write over with the same and with other
 * sequence numbers, and delete, some given up, against sorted arrays, for every row of indexes.def;
 * what a restart builds is the same. And: values without a number, memory counted, memory that is
 * not there.
 *
 * CAIRN_SEED sets the seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/index.h"

#include "common/rng.h"
#include "server/store/order.h"
#include "tests/unit/server/store/grouped.h"
#include "tests/unit/server/store/logged.h"

enum {
    RUNS = 2,
    NAMES = 3,
    RESTS = 12,
    CKPTS = RUNS * NAMES * 2 * RESTS,
    SESSIONS = 40,
    OTHERS = 24, /* of kinds without number */
    SLOTS = CKPTS + SESSIONS + OTHERS,
    VALUE_MAX = OWNER_VALUE + 40,
    STEPS = 1500,
    RESTARTS = 4,
    MANY = 3000,
    FEW = 400,
};

static const struct row {
    uint8_t kind;
    bool by_owner;
} rows[INDEX_COUNT] = {
#define INDEX(name, kind, by_owner, text) [INDEX_##name] = {KIND_##kind, by_owner},
#include "server/store/indexes.def"
#undef INDEX
};

/* What should be there, by key. */
struct slot {
    uint32_t run;
    uint8_t kind;
    uint8_t key[64];
    size_t key_size, prefix_size, value_size;
    bool there;
    uint64_t number;
    uint8_t value[VALUE_MAX];
};

struct world {
    struct rng rng;
    struct store *store;
    uint64_t number; /* the last */
    struct slot slots[SLOTS], planned[SLOTS];
};

/* ---- keys and values ---- */

static struct bytes key_of(const struct slot *slot)
{
    return (struct bytes){slot->key, slot->key_size};
}

static struct bytes owner_of(const struct slot *slot)
{
    return (struct bytes){slot->key, slot->prefix_size};
}

static void name_member(struct slot *slot, unsigned i)
{
    static const char *const names[NAMES] = {"a", "ab", "b"};
    uint8_t key[MEMBER_KEY];
    char rest[16];
    struct group group = {0, KIND_session, bytes_of(names[i / RUNS % NAMES]),
                          0xff + i / RUNS / NAMES % 2};
    (void)snprintf(rest, sizeof rest, "%u", i / RUNS / NAMES / 2);
    struct bytes bytes = grouped_key(&group, bytes_of(rest), key);
    memcpy(slot->key, bytes.data, bytes.size);
    slot->key_size = bytes.size;
    slot->prefix_size = bytes.size - strlen(rest);
}

static void name_slot(struct slot *slot, unsigned i)
{
    slot->run = 1 + i % RUNS;
    slot->kind = i < CKPTS              ? KIND_ckpt
                 : i < CKPTS + SESSIONS ? KIND_session
                 : i % 4 < 2            ? KIND_kv
                                        : KIND_blob;
    if (record_kinds[slot->kind].owner != KIND_none)
        name_member(slot, i);
    else
        slot->key_size = (size_t)snprintf((char *)slot->key, sizeof slot->key, "s%u", i);
}

/* Nothing that begins with a number; some looks like it. */
static size_t some_malformed(struct world *world, uint8_t value[static VALUE_MAX])
{
    (void)grouped_value(rng_next(&world->rng), 1, value);
    switch (rng_below(&world->rng, 5)) {
    case 0:
        return 0;
    case 1:
        return RECORD_NUMBER_BYTES - 1;
    case 2:
        value[0] = 0xdc; /* an array, but of the longer form */
        break;
    case 3:
        value[0] = 0x82; /* a map */
        break;
    default:
        value[1] = 0xd3; /* signed */
    }
    return RECORD_NUMBER_BYTES;
}

static uint64_t some_number(struct world *world, const struct slot *slot)
{
    switch (rng_below(&world->rng, 4)) {
    case 0:
        return slot->number;
    case 1:
        return rng_below(&world->rng, 20); /* that others have as well */
    case 2:
        return UINT64_MAX >> (1 + rng_below(&world->rng, 63));
    default:
        return ++world->number;
    }
}

static void some_value(struct world *world, struct slot *slot)
{
    if (rng_below(&world->rng, 10) == 0) {
        slot->value_size = some_malformed(world, slot->value);
        slot->number = 0;
        return;
    }
    slot->number = some_number(world, slot);
    memset(slot->value, 0, sizeof slot->value);
    (void)grouped_value(slot->number, 0, slot->value);
    slot->value_size = OWNER_VALUE + (size_t)rng_below(&world->rng, VALUE_MAX - OWNER_VALUE);
}

/* ---- the oracle ---- */

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* Is the place before (< 0) or behind the slot? */
static int compare_place(const struct index_key *key, const struct slot *slot, bool by_owner)
{
    int order = compare_numbers(key->run, slot->run);
    if (order == 0 && by_owner)
        order = bytes_compare(key->owner, owner_of(slot));
    if (order == 0)
        order = compare_numbers(key->number, slot->number);
    return order != 0 ? order : bytes_compare(key->key, key_of(slot));
}

static int compare_slots(const void *a, const void *b, void *by_owner)
{
    const struct slot *x = *(const struct slot *const *)a, *y = *(const struct slot *const *)b;
    struct index_key key = {x->run, owner_of(x), x->number, key_of(x)};
    return compare_place(&key, y, *(bool *)by_owner);
}

static struct record_key record_key_of(const struct slot *slot)
{
    return (struct record_key){slot->run, slot->kind, key_of(slot)};
}

/* What the index of this partition should be; how many. */
static size_t expect(const struct world *world, unsigned partition, unsigned id,
                     const struct slot *out[static SLOTS])
{
    bool by_owner = rows[id].by_owner;
    size_t n = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        const struct slot *slot = &world->slots[i];
        struct record_key key = record_key_of(slot);
        if (slot->there && slot->kind == rows[id].kind &&
            store_partition_index(world->store, store_hash(world->store, &key)) == partition)
            out[n++] = slot;
    }
    qsort_r(out, n, sizeof *out, compare_slots, &by_owner);
    return n;
}

/* From any place on. */
static void check_seek(struct world *world, enum index_id id, const struct omap *index,
                       const struct slot *const *expected, size_t n)
{
    const struct slot *some = &world->slots[rng_below(&world->rng, CKPTS)];
    struct index_key key = {.run = (uint32_t)rng_below(&world->rng, RUNS + 2),
                            .owner = rows[id].by_owner ? owner_of(some) : BYTES_NONE,
                            .number = rng_below(&world->rng, 2) ? some->number : world->number / 2};
    struct omap_iter iter;
    size_t rank = 0;
    if (rng_below(&world->rng, 2) == 0)
        key.key = key_of(some);
    while (rank < n && compare_place(&key, expected[rank], rows[id].by_owner) > 0)
        rank++;
    assert_int_equal(omap_rank(index, &key), rank);
    omap_seek(index, &key, &iter);
    const struct record *record = omap_next(&iter);
    assert_int_equal(record == NULL, rank == n);
    if (record == NULL)
        return;
    assert_true(bytes_equal(record_key_bytes(record), key_of(expected[rank])));
    assert_int_equal(index_within(id, record, &key),
                     record_run(record) == key.run &&
                         (!rows[id].by_owner || bytes_equal(owner_of(expected[rank]), key.owner)));
}

static void check_index(struct world *world, unsigned partition, enum index_id id)
{
    const struct omap *index = &world->store->partitions[partition].indexes[id];
    const struct slot *expected[SLOTS];
    size_t n = expect(world, partition, id, expected);
    struct omap_iter iter;
    omap_check(index);
    assert_int_equal(index->count, n);
    omap_seek(index, NULL, &iter);
    for (size_t i = 0; i < n; i++) {
        struct record_key key = record_key_of(expected[i]);
        struct record *record = omap_next(&iter);
        assert_non_null(record);
        assert_ptr_equal(record, grouped_find(world->store, &key));
        assert_true(bytes_equal(record_value(record),
                                (struct bytes){expected[i]->value, expected[i]->value_size}));
    }
    assert_null(omap_next(&iter));
    for (int i = 0; i < 10; i++)
        check_seek(world, id, index, expected, n);
}

static void check(struct world *world)
{
    (void)fixture_check(world->store);
    for (unsigned p = 0; p < world->store->n_partitions; p++)
        for (unsigned id = 0; id < INDEX_COUNT; id++)
            check_index(world, p, (enum index_id)id);
}

/* ---- transactions ---- */

static void some_change(struct world *world, struct txn *txn, bool last)
{
    struct slot *slot = &world->planned[rng_below(&world->rng, SLOTS)];
    struct record_spec spec = {.key = record_key_of(slot)};
    uint64_t hash = store_hash(world->store, &spec.key);
    slot->there = rng_below(&world->rng, 3) != 0;
    if (!slot->there) {
        assert_int_equal(txn_del(txn, &spec.key, hash), 0);
        return;
    }
    some_value(world, slot);
    spec.value = (struct bytes){slot->value, slot->value_size};
    assert_int_equal((last ? txn_put_last : txn_put)(txn, &spec, hash), 0);
}

static void some_transaction(struct world *world)
{
    struct txn_set all = {0};
    struct txn txn;
    memcpy(world->planned, world->slots, sizeof world->slots);
    txn_init(&txn, world->store, FIXTURE_NOW_MS);
    txn_set_all(&all, world->store);
    assert_int_equal(txn_lock_set(&txn, NULL, &all, 0), 0);
    unsigned n = 1 + (unsigned)rng_below(&world->rng, 6);
    txn.many = n > 1;
    while (n-- > 0)
        some_change(world, &txn, n == 0);
    if (rng_below(&world->rng, 8) > 0) {
        (void)txn_commit(&txn);
        memcpy(world->slots, world->planned, sizeof world->slots);
    }
    txn_deinit(&txn);
}

static struct world *world_create(void)
{
    const char *seed = getenv("CAIRN_SEED");
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->rng.state = seed != NULL ? strtoull(seed, NULL, 10) : 1;
    print_message("seed %llu\n", (unsigned long long)world->rng.state);
    for (unsigned i = 0; i < SLOTS; i++)
        name_slot(&world->slots[i], i);
    world->store = fixture_open(4, 1);
    return world;
}

static void world_destroy(struct world *world)
{
    store_destroy(world->store);
    free(world);
}

static void model(void **state)
{
    struct world *world = world_create();
    (void)state;
    for (int i = 0; i < 3 * STEPS; i++) {
        some_transaction(world);
        if (i % 50 == 0)
            check(world);
    }
    check(world);
    world_destroy(world);
}

/* Or recovery would delete what is in runs that it has not heard of. */
static void open_runs(struct store *store)
{
    for (unsigned number = 2; number <= RUNS; number++) {
        struct run *run;
        char name[16];
        (void)snprintf(name, sizeof name, "run%u", number);
        assert_int_equal(run_open(store->runs, bytes_of(name), &run), 0);
        assert_int_equal(run_id(run), number);
        run_unref(run);
    }
}

static void restarts(void **state)
{
    struct world *world = world_create();
    struct replay_report report = {0};
    struct logged logged;
    (void)state;
    logged_open(&logged);
    for (unsigned i = 0; i < RESTARTS; i++) {
        logged_begin(&logged, world->store, &report.end);
        open_runs(world->store);
        for (int step = 0; step < STEPS; step++)
            some_transaction(world);
        check(world);
        logged_end(world->store);
        store_destroy(world->store);
        world->store = logged_recover(&logged, i % 3, &report);
        check(world);
    }
    world_destroy(world);
    logged_close(&logged);
}

/* ---- memory ---- */

/* A checkpoint of one of three groups. */
struct ckpt {
    uint8_t key[MEMBER_KEY], value[VALUE_MAX];
    struct record_spec spec;
};

static const struct record_spec *ckpt_of(unsigned i, uint64_t number, struct ckpt *out)
{
    char rest[16];
    struct group group = {1, KIND_session, bytes_of("session"), 1 + i % 3};
    (void)snprintf(rest, sizeof rest, "%u", i);
    out->spec =
        (struct record_spec){.key = {1, KIND_ckpt, grouped_key(&group, bytes_of(rest), out->key)},
                             .value = grouped_value(number, 0, out->value)};
    return &out->spec;
}

/* With a value of so many bytes. */
static int put_ckpt_of(struct store *store, unsigned i, uint64_t number, size_t bytes)
{
    struct ckpt ckpt = {0};
    struct record_spec spec = *ckpt_of(i, number, &ckpt);
    spec.value.size = bytes;
    return grouped_put(store, &spec);
}

static int put_ckpt(struct store *store, unsigned i, uint64_t number)
{
    return put_ckpt_of(store, i, number, OWNER_VALUE);
}

static void del_ckpt(struct store *store, unsigned i)
{
    struct ckpt ckpt;
    grouped_del(store, &ckpt_of(i, 0, &ckpt)->key);
}

static void counted(void **state)
{
    struct store *store = fixture_open(1, 1);
    struct partition *partition = &store->partitions[0];
    (void)state;
    put(store, "kv", "costs nothing here");
    assert_int_equal(index_bytes(partition->indexes), 0);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(put_ckpt(store, i, i), 0);
    uint64_t bytes = index_bytes(partition->indexes), sum = 0;
    for (unsigned id = 0; id < INDEX_COUNT; id++)
        sum += partition->indexes[id].bytes;
    assert_int_equal(bytes, sum);
    assert_true(bytes > 2 * MANY * sizeof(void *)); /* two of the indexes have them */
    assert_true(bytes < 4 * MANY * sizeof(void *));
    assert_int_equal(partition_bytes(partition), partition->record_bytes + partition->order.bytes +
                                                     hmap_bytes(&partition->table) + bytes);
    for (unsigned i = 0; i < MANY; i++)
        del_ckpt(store, i);
    assert_true(index_bytes(partition->indexes) < bytes / 10);
    (void)fixture_check(store);
    store_destroy(store);
}

/* Refused, it has done nothing; then it is done. Returns how often it was refused. */
static unsigned put_without_memory(struct store *store, unsigned i, uint64_t number, size_t bytes)
{
    size_t before = fixture_check(store);
    unsigned refused = 0;
    int err = ERR_OUT_OF_MEMORY;
    for (unsigned long n = 1; err != 0; n++) {
        mem_fail_after(n, 0);
        err = put_ckpt_of(store, i, number, bytes);
        mem_fail_after(0, 0);
        assert_true(err == 0 || err == ERR_OUT_OF_MEMORY);
        if (err != 0)
            assert_int_equal(fixture_check(store), before);
        refused += err != 0;
    }
    return refused;
}

static void without_memory(void **state)
{
    struct store *store = fixture_open(1, 1);
    unsigned refused = 0;
    (void)state;
#ifndef CAIRN_FAULTS
    skip();
#endif
    for (unsigned i = 0; i < FEW; i++)
        refused += put_without_memory(store, i * 7 % FEW, i, OWNER_VALUE);
    for (unsigned i = 0; i < FEW; i++) /* another record, to another place */
        refused += put_without_memory(store, i, i * 11 % FEW, VALUE_MAX);
    for (unsigned i = 0; i < FEW; i++) /* the same, to another place */
        (void)put_without_memory(store, i, i * 13 % FEW, VALUE_MAX - 1);
    assert_int_equal(fixture_check(store), FEW);
    assert_true(refused > 2 * FEW + INDEX_COUNT); /* not for the record alone */
    store_destroy(store);
}

/* FEW checkpoints in one transaction, as many of them new as are not there yet. */
static int put_at_once(struct store *store, unsigned factor)
{
    struct txn_set all = {0};
    struct txn txn;
    int err = 0;
    txn_init(&txn, store, FIXTURE_NOW_MS);
    txn.many = true;
    txn_set_all(&all, store);
    assert_int_equal(txn_lock_set(&txn, NULL, &all, 0), 0);
    for (unsigned i = 0; i < FEW && err == 0; i++) {
        struct ckpt ckpt;
        const struct record_spec *spec = ckpt_of(i, i * factor % FEW, &ckpt);
        err = txn_put(&txn, spec, store_hash(store, &spec->key));
    }
    if (err == 0)
        (void)txn_commit(&txn);
    txn_deinit(&txn);
    return err;
}

/* All that a large transaction will need is taken before, or it does nothing. */
static void at_once(void **state)
{
    struct store *store = fixture_open(1, 1);
    unsigned refused = 0;
    (void)state;
    for (unsigned factor = 1; factor < 8; factor += 2) {
        size_t before = fixture_check(store);
        int err = ERR_OUT_OF_MEMORY;
        for (unsigned long n = 1; err != 0; n += 7) {
            mem_fail_after(n, 0); /* never, in a build without */
            err = put_at_once(store, factor);
            mem_fail_after(0, 0);
            refused += err != 0;
            assert_int_equal(fixture_check(store), err == 0 ? FEW : before);
        }
    }
    print_message("%u transactions refused\n", refused);
    store_destroy(store);
}

/* Without memory for the indexes there is no store after a restart. */
static void build_without_memory(void **state)
{
    unsigned refused = 0;
    int err = ERR_OUT_OF_MEMORY;
    (void)state;
#ifndef CAIRN_FAULTS
    skip();
#endif
    for (unsigned long n = 1; err != 0; n++, refused += err != 0) {
        struct store *store = fixture_open(1, 1);
        store->partitions[0].unordered = true;
        for (unsigned i = 0; i < 200; i++)
            assert_int_equal(put_ckpt(store, i, 1000 - i), 0);
        assert_int_equal(index_bytes(store->partitions[0].indexes), 0);
        mem_fail_after(n, 0);
        err = order_build(&store->partitions[0]);
        mem_fail_after(0, 0);
        assert_true(err == 0 || err == ERR_OUT_OF_MEMORY);
        assert_int_equal(store->partitions[0].unordered, err != 0);
        if (err == 0)
            assert_int_equal(fixture_check(store), 200);
        store_destroy(store);
    }
    assert_true(refused > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model),
        cmocka_unit_test(restarts),
        cmocka_unit_test(counted),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(build_without_memory),
        cmocka_unit_test(at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
