/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Groups: the form of their keys, forwards, backwards and damaged; that an owner and all it owns
 * meet in one partition; what is deleted once the owner is gone, by expiry or before a restart,
 * and nothing else; and all of it without memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/group.h"

#include "server/store/clear.h"
#include "server/store/scan.h"
#include "tests/unit/server/store/grouped.h"
#include "tests/unit/server/store/logged.h"

enum { MEMBERS = 20, BUDGET = 7, OTHER_RUN = 77, GONE_MS = FIXTURE_NOW_MS + 1000 };

static const uint8_t owned[] = {KIND_ckpt, KIND_blob, KIND_write, KIND_note, KIND_piece};

static const uint64_t generations[] = {
    0, 1, 0xff, 0x100, 0x0102030405060708, UINT64_MAX - 1, UINT64_MAX};

static struct group group_of(const struct store *store, const char *name, uint64_t generation)
{
    return (struct group){run_id(store->default_run), KIND_session, bytes_of(name), generation};
}

/* Members of every kind that the group may have. */
static void put_members(struct store *store, const struct group *group)
{
    for (unsigned i = 0; i < LENGTH_OF(owned) * MEMBERS; i++)
        grouped_put_member(store, group, owned[i % LENGTH_OF(owned)], i);
}

static const size_t all_members = LENGTH_OF(owned) * MEMBERS;

static void sweep_all(struct store *store, int64_t now_ms)
{
    for (unsigned i = 0; i < store->n_partitions; i++) {
        while (store_sweep(store, i, now_ms, 100))
            continue;
        assert_null(store->partitions[i].orphans);
    }
    (void)fixture_check(store);
}

/* ---- keys ---- */

/* A name of this size that is no text. */
static struct bytes name_of(size_t size, unsigned salt, uint8_t out[static GROUP_NAME_MAX])
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(i * 7 + salt);
    return (struct bytes){out, size};
}

static void assert_reads(const struct group *group, uint8_t kind, struct bytes rest)
{
    uint8_t bytes[MEMBER_KEY];
    struct record_key key = {group->run, kind, grouped_key(group, rest, bytes)};
    struct group back;
    struct bytes back_rest;
    assert_true(group_read(&key, &back, &back_rest));
    assert_int_equal(back.run, group->run);
    assert_int_equal(back.owner, KIND_session);
    assert_true(bytes_equal(back.name, group->name));
    assert_true(back.generation == group->generation);
    assert_true(bytes_equal(back_rest, rest));
    assert_int_equal(group_prefix_size(key.bytes), key.bytes.size - rest.size);
    assert_true(bytes_equal(group_name(key.bytes), group->name));
}

static void round_trip(void **state)
{
    uint8_t name[GROUP_NAME_MAX];
    (void)state;
    for (size_t size = 1; size <= GROUP_NAME_MAX; size++) {
        for (size_t i = 0; i < LENGTH_OF(generations); i++) {
            struct group group = {3, KIND_session, name_of(size, (unsigned)i, name),
                                  generations[i]};
            uint8_t kind = owned[(size + i) % LENGTH_OF(owned)];
            assert_reads(&group, kind, BYTES_NONE);
            assert_reads(&group, kind, bytes_of("rest"));
        }
    }
}

/* Or else one group would be within another. */
static void no_prefix_begins_another(void **state)
{
    static const char *const names[] = {"a", "b", "ab", "aa", "\001a", "a\001"};
    uint8_t a[GROUP_PREFIX_MAX], b[GROUP_PREFIX_MAX];
    enum { NAMES = LENGTH_OF(names), ALL = NAMES * LENGTH_OF(generations) };
    (void)state;
    for (size_t i = 0; i < ALL; i++) {
        for (size_t j = 0; j < ALL; j++) {
            struct group x = {1, KIND_session, bytes_of(names[i % NAMES]), generations[i / NAMES]};
            struct group y = {1, KIND_session, bytes_of(names[j % NAMES]), generations[j / NAMES]};
            struct bytes p = {a, group_write_prefix(&x, a)}, q = {b, group_write_prefix(&y, b)};
            assert_int_equal(bytes_start_with(p, q), i == j);
        }
    }
}

/* In a block of its own size, so that nothing behind it is read unnoticed. */
static bool reads(uint8_t kind, const void *bytes, size_t size)
{
    uint8_t *block = mem_alloc(size + 1);
    assert_non_null(block);
    uint8_t *copy = block + 1; /* its end is that of the block */
    memcpy(copy, bytes, size);
    struct record_key key = {1, kind, {copy, size}};
    struct group group;
    struct bytes rest;
    bool good = group_read(&key, &group, &rest);
    struct bytes name = group_name(key.bytes);
    assert_true(name.data + name.size <= copy + size);
    mem_free(block);
    return good;
}

static void malformed_keys(void **state)
{
    static const uint8_t whole[] = "\003abc\0\0\0\0\0\0\0\007rest";
    enum { PREFIX = 1 + 3 + 8 };
    (void)state;
    for (size_t size = 0; size < sizeof whole; size++)
        for (size_t i = 0; i < LENGTH_OF(owned); i++)
            assert_int_equal(reads(owned[i], whole, size), size >= PREFIX);
    assert_false(reads(KIND_ckpt, "\0abcdefghijklmnop", 17)); /* no name */
    assert_false(reads(KIND_ckpt, "\377abcdefghijklmnop", 17));
    assert_false(reads(KIND_kv, whole, sizeof whole)); /* nobody owns these */
    assert_false(reads(KIND_session, whole, sizeof whole));
    assert_false(reads(KIND_MAX, whole, sizeof whole));
}

/* Bytes that are no value of an owner have no generation. */
static uint64_t generation_of(const void *value, size_t size)
{
    uint8_t *copy = mem_alloc(size + (size == 0));
    assert_non_null(copy);
    memcpy(copy, value, size);
    uint64_t generation = group_generation((struct bytes){copy, size});
    mem_free(copy);
    return generation;
}

static void generation_of_owner(void **state)
{
    uint8_t value[OWNER_VALUE + 1] = {0};
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(generations); i++) {
        (void)grouped_value(5, generations[i], value);
        assert_true(generation_of(value, OWNER_VALUE) == generations[i]);
        assert_true(generation_of(value, OWNER_VALUE + 1) == generations[i]);
        for (size_t size = 0; size < OWNER_VALUE; size++)
            assert_true(generation_of(value, size) == 0);
    }
    value[RECORD_NUMBER_BYTES] = 0xce; /* shorter than it should be */
    assert_true(generation_of(value, OWNER_VALUE) == 0);
}

/* ---- routing ---- */

static unsigned route(const struct store *store, uint8_t kind, struct bytes key)
{
    struct record_key record_key = {2, kind, key};
    return store_partition_index(store, store_hash(store, &record_key));
}

/* All partitions that groups with names of this store meet in. */
static size_t assert_routes(const struct store *store)
{
    uint8_t name[GROUP_NAME_MAX], key[MEMBER_KEY];
    bool met[STORE_PARTITIONS_MAX] = {false};
    size_t n = 0;
    for (size_t size = 1; size <= GROUP_NAME_MAX; size++) {
        struct group group = {2, KIND_session, name_of(size, 0, name), size};
        unsigned at = route(store, KIND_session, group.name);
        for (size_t i = 0; i < LENGTH_OF(generations) * LENGTH_OF(owned); i++) {
            group.generation = generations[i / LENGTH_OF(owned)];
            struct bytes rest = {key, i % 9};
            struct bytes bytes = grouped_key(&group, rest, key);
            assert_int_equal(route(store, owned[i % LENGTH_OF(owned)], bytes), at);
        }
        n += !met[at];
        met[at] = true;
    }
    return n;
}

static void routing(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= STORE_PARTITIONS_MAX; n *= 2) {
        struct store *store = fixture_open(n, 1);
        size_t met = assert_routes(store);
        assert_true(met <= n && met >= (n > 32 ? 32 : n)); /* and not all groups in one */
        store_destroy(store);
    }
}

/* What decides the slot in the table differs from record to record of a group. */
static void spread(void **state)
{
    struct store *store = fixture_open(256, 1);
    struct group group = group_of(store, "one", 1);
    uint8_t key[MEMBER_KEY];
    uint64_t low = 0, high = 0, first = 0;
    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        struct record_key record_key = {
            1, KIND_blob, grouped_key(&group, (struct bytes){(uint8_t *)&i, sizeof i}, key)};
        uint64_t hash = store_hash(store, &record_key);
        first = i == 0 ? hash : first;
        low |= hash ^ first;
        high |= (hash ^ first) & STORE_ROUTE_BITS;
    }
    assert_true(high == 0 && low == ~STORE_ROUTE_BITS);
    store_destroy(store);
}

/* ---- reaping ---- */

static void orphan(struct store *store, const struct group *group)
{
    struct record_key owner = {group->run, group->owner, group->name};
    struct reap *reap = reap_create(group);
    assert_non_null(reap);
    group_orphan(grouped_partition(store, &owner), reap);
}

/* A transaction that deletes the owner orphans the group if it commits, and only then. */
static void orphaned_by_a_transaction(void **state)
{
    struct store *store = fixture_open(4, 1);
    const struct group group = group_of(store, "s", 7);
    struct record_key owner = {group.run, group.owner, group.name};
    uint64_t hash = store_hash(store, &owner);
    (void)state;
    grouped_put_owner(store, "s", 1, 7, 0);
    put_members(store, &group);
    for (int commit = 0; commit < 2; commit++) {
        struct txn txn;
        txn_init(&txn, store, FIXTURE_NOW_MS);
        assert_int_equal(txn_lock(&txn, NULL, hash, 0), 0);
        assert_int_equal(txn_del(&txn, &owner, hash), 0);
        assert_int_equal(txn_orphan(&txn, &group, hash), 0);
        if (commit)
            (void)txn_commit(&txn);
        txn_deinit(&txn);
        sweep_all(store, FIXTURE_NOW_MS);
        assert_int_equal(grouped_count(store, &group), commit ? 0 : all_members);
        assert_true((grouped_find(store, &owner) != NULL) == !commit);
    }
    store_destroy(store);
}

/* To clear owners deletes what they own, and nothing else. */
static void cleared_owners(void **state)
{
    struct store *store = fixture_open(4, 1);
    const struct group a = group_of(store, "a", 7), b = group_of(store, "b", 8);
    struct clear clear;
    bool done = false;
    (void)state;
    grouped_put_owner(store, "a", 1, 7, 0);
    grouped_put_owner(store, "b", 2, 8, 0);
    put_members(store, &a);
    put_members(store, &b);
    put(store, "a", "stays");
    assert_int_equal(clear_init(&clear, store, store->default_run, KIND_collection, bytes_of("a")),
                     0);
    while (!done)
        assert_int_equal(clear_step(&clear, store, FIXTURE_NOW_MS, &done), 0);
    assert_int_equal(clear.deleted, 0);
    clear_again(&clear, KIND_session);
    for (done = false; !done;) {
        uint64_t before = clear.deleted;
        assert_int_equal(clear_step(&clear, store, FIXTURE_NOW_MS, &done), 0);
        assert_true(clear.deleted <= before + 1);
    }
    assert_int_equal(clear.deleted, 1);
    clear_deinit(&clear);
    sweep_all(store, FIXTURE_NOW_MS);
    assert_int_equal(grouped_count(store, &a), 0);
    assert_int_equal(grouped_count(store, &b), all_members);
    assert_value(store, "a", "stays");
    store_destroy(store);
}

/* A value, the collection of the same name and its vectors are in one partition. */
static void beside(void **state)
{
    struct store *store = fixture_open(64, 1);
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t prefix[GROUP_PREFIX_MAX];
        char name[16];
        (void)snprintf(name, sizeof name, "%u", i);
        struct group group = {1, KIND_collection, bytes_of(name), i};
        struct record_key value = {1, KIND_kv, group.name}, own = {1, KIND_collection, group.name};
        struct record_key vector = {1, KIND_vector, {prefix, group_write_prefix(&group, prefix)}};
        unsigned p = store_partition_index(store, store_hash(store, &value));
        assert_true(store_hash(store, &value) != store_hash(store, &own));
        assert_int_equal(store_partition_index(store, store_hash(store, &own)), p);
        assert_int_equal(store_partition_index(store, store_hash(store, &vector)), p);
    }
    store_destroy(store);
}

static size_t all_records(struct store *store)
{
    return fixture_check(store);
}

/* In slices, each of which does no more than it may; returns how many there were. */
static unsigned reap_in_slices(struct store *store)
{
    struct partition *partition = &store->partitions[0];
    unsigned slices = 0;
    for (; partition->orphans != NULL; slices++) {
        size_t before = all_records(store);
        int budget = BUDGET;
        group_reap(store, partition, &budget);
        size_t deleted = before - all_records(store);
        assert_true(deleted <= BUDGET && budget >= 0 && budget <= BUDGET - (int)deleted);
        assert_true(partition->orphans == NULL || budget == 0);
    }
    return slices;
}

static void reaps_only_its_own(void **state)
{
    struct store *store = fixture_open(1, 1);
    const struct group gone = group_of(store, "b", 0x100);
    const struct group stay[] = {
        group_of(store, "b", 0xff),      group_of(store, "b", 0x101),
        group_of(store, "a", 0x100),     group_of(store, "c", 0x100),
        group_of(store, "b\001", 0x100), {OTHER_RUN, KIND_session, bytes_of("b"), 0x100}};
    uint8_t prefix[GROUP_PREFIX_MAX];
    (void)state;
    put_members(store, &gone);
    for (size_t i = 0; i < LENGTH_OF(stay); i++)
        put_members(store, &stay[i]);
    struct record_spec kv = {
        .key = {gone.run, KIND_kv, {prefix, group_write_prefix(&gone, prefix)}}};
    assert_int_equal(grouped_put(store, &kv), 0);
    grouped_put_owner(store, "b", 1, 0x101, 0);
    uint64_t version = atomic_load(&store->version);
    orphan(store, &gone);
    assert_true(reap_in_slices(store) >= all_members / BUDGET);
    assert_int_equal(grouped_count(store, &gone), 0);
    for (size_t i = 0; i < LENGTH_OF(stay); i++)
        assert_int_equal(grouped_count(store, &stay[i]), all_members);
    assert_int_equal(fixture_check(store), LENGTH_OF(stay) * all_members + 2);
    assert_true(atomic_load(&store->version) == version); /* not a word in the log */
    store_destroy(store);
}

static void put_alone(struct store *store, uint32_t run, uint8_t kind, struct bytes key)
{
    struct record_spec spec = {.key = {run, kind, key}};
    assert_int_equal(grouped_put(store, &spec), 0);
}

/* What follows its last record and has the same key, but is of another kind, or run. */
static void reaps_to_its_end(void **state)
{
    const uint32_t runs[] = {1, 2};
    const uint8_t kinds[] = {KIND_MAX, KIND_piece};
    uint8_t prefix[GROUP_PREFIX_MAX];
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(runs); i++) {
        struct store *store = fixture_open(1, 1);
        const struct group gone = group_of(store, "b", 5);
        struct bytes key = {prefix, group_write_prefix(&gone, prefix)};
        put_alone(store, gone.run, KIND_piece, key);
        put_alone(store, runs[i], kinds[i], key);
        orphan(store, &gone);
        (void)reap_in_slices(store);
        struct record_key stays = {runs[i], kinds[i], key};
        assert_non_null(grouped_find(store, &stays));
        assert_int_equal(fixture_check(store), 1);
        store_destroy(store);
    }
}

/* Names of groups that have nothing are work, too. */
static void many_empty(void **state)
{
    struct store *store = fixture_open(1, 1);
    const struct group group = group_of(store, "nothing", 1);
    unsigned slices = 0;
    (void)state;
    for (int i = 0; i < 100; i++)
        orphan(store, &group);
    while (store_sweep(store, 0, FIXTURE_NOW_MS, BUDGET))
        slices++;
    assert_null(store->partitions[0].orphans);
    assert_true(slices >= 100 / BUDGET);
    orphan(store, &group); /* forgotten with the store */
    store_destroy(store);
}

/* ---- expiry ---- */

static void owner_expires(void **state)
{
    struct store *store = fixture_open(4, 1);
    const struct group gone = group_of(store, "gone", 5), next = group_of(store, "gone", 6);
    const struct group stays = group_of(store, "stays", 5), later = group_of(store, "later", 7);
    struct store_figures figures;
    (void)state;
    grouped_put_owner(store, "gone", 1, 5, GONE_MS);
    grouped_put_owner(store, "stays", 2, 5, 0);
    grouped_put_owner(store, "later", 3, 7, GONE_MS + 500);
    put_members(store, &gone);
    put_members(store, &next);
    put_members(store, &stays);
    put_members(store, &later);
    assert_int_equal(fixture_put(store, "kv", bytes_of("v"), GONE_MS), 0); /* owns nothing */
    sweep_all(store, GONE_MS - 1);
    assert_int_equal(grouped_count(store, &gone), all_members);
    sweep_all(store, GONE_MS + 10);
    store_figures(store, &figures);
    assert_int_equal(figures.expired, 2);
    assert_int_equal(grouped_count(store, &gone), 0);
    assert_int_equal(grouped_count(store, &next), all_members);
    assert_int_equal(grouped_count(store, &stays), all_members);
    assert_int_equal(grouped_count(store, &later), all_members);
    assert_int_equal(fixture_check(store), 3 * all_members + 2);
    store_destroy(store);
}

/* Without memory to remember its group the owner stays, but it is as expired as it was. */
static void expires_without_memory(void **state)
{
    struct store *store = fixture_open(1, 1);
    const struct group gone = group_of(store, "gone", 5);
    struct record_key key = {gone.run, KIND_session, gone.name};
    (void)state;
#ifndef CAIRN_FAULTS
    skip();
#endif
    grouped_put_owner(store, "gone", 1, 5, GONE_MS);
    put_members(store, &gone);
    mem_fail_after(1, 1);
    (void)store_sweep(store, 0, GONE_MS + 10, 100);
    mem_fail_after(0, 0);
    const struct record *record = grouped_find(store, &key);
    assert_non_null(record);
    assert_int_equal(record_expires_at_ms(record), GONE_MS);
    assert_int_equal(grouped_count(store, &gone), all_members);
    sweep_all(store, GONE_MS + 14);
    assert_int_equal(fixture_check(store), 0);
    store_destroy(store);
}

/* Who counts pays for what has expired in his range, but not for what sessions leave behind. */
static void counting_does_not_reap(void **state)
{
    struct store *store = fixture_open(1, 1);
    const struct group gone = group_of(store, "gone", 5), late = group_of(store, "late", 6);
    struct scan scan;
    uint64_t count;
    (void)state;
    grouped_put_owner(store, "late", 1, 6, GONE_MS);
    put_members(store, &gone);
    put_members(store, &late);
    put(store, "stays", "v");
    assert_int_equal(fixture_put(store, "kv", bytes_of("v"), GONE_MS), 0);
    orphan(store, &gone);
    assert_int_equal(scan_init(&scan, store->default_run, KIND_kv, BYTES_NONE, BYTES_NONE,
                               BYTES_NONE, BYTES_NONE, false),
                     0);
    assert_int_equal(scan_count(store, store->default_run, &scan, GONE_MS + 10, &count), 0);
    assert_int_equal(count, 1);
    scan_deinit(&scan);
    assert_int_equal(grouped_count(store, &gone), all_members);
    assert_int_equal(grouped_count(store, &late), all_members);
    sweep_all(store, GONE_MS + 10);
    assert_int_equal(fixture_check(store), 1);
    store_destroy(store);
}

/* ---- after recovery ---- */

static void restart(struct logged *logged, struct store **store, unsigned n_threads)
{
    struct replay_report report;
    logged_end(*store);
    store_destroy(*store);
    *store = logged_recover(logged, n_threads, &report);
    (void)fixture_check(*store);
    logged_begin(logged, *store, &report.end);
}

/* Groups with an owner, of an earlier generation, without one, with one that says nothing. */
static void some_groups(struct store *store, struct group groups[static 6])
{
    struct record_spec damaged = {
        .key = {run_id(store->default_run), KIND_session, bytes_of("damaged")},
        .value = bytes_of("no array")};
    groups[0] = group_of(store, "owned", 8);
    groups[1] = group_of(store, "owned", 7);
    groups[2] = group_of(store, "nobody", 8);
    groups[3] = group_of(store, "damaged", 9);
    groups[4] = group_of(store, "nobody", STORE_NUMBER_MAX);
    groups[5] = group_of(store, "\377\377", STORE_NUMBER_MAX);
    for (size_t i = 0; i < 6; i++)
        put_members(store, &groups[i]);
    grouped_put_owner(store, "owned", 1, 8, 0);
    assert_int_equal(grouped_put(store, &damaged), 0);
}

static void ownerless(void **state)
{
    struct store *store = fixture_open(4, 1);
    struct wal_end end = {0};
    struct group groups[6];
    struct logged logged;
    (void)state;
    logged_open(&logged);
    logged_begin(&logged, store, &end);
    some_groups(store, groups);
    sweep_all(store, FIXTURE_NOW_MS); /* live: what is written before its owner stays */
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(grouped_count(store, &groups[i]), all_members);
    for (unsigned n_threads = 0; n_threads < 3; n_threads++) {
        restart(&logged, &store, n_threads);
        sweep_all(store, FIXTURE_NOW_MS);
        assert_int_equal(grouped_count(store, &groups[0]), all_members);
        for (size_t i = 1; i < 6; i++)
            assert_int_equal(grouped_count(store, &groups[i]), 0);
        assert_int_equal(fixture_check(store), all_members + 2);
    }
    struct record_key owner = {run_id(store->default_run), KIND_session, bytes_of("owned")};
    grouped_del(store, &owner); /* and the server ends before anything of it is reaped */
    restart(&logged, &store, 1);
    sweep_all(store, FIXTURE_NOW_MS);
    assert_int_equal(fixture_check(store), 1);
    logged_end(store);
    store_destroy(store);
    logged_close(&logged);
}

/* An owner that expired while nobody was there owns until it is swept. */
static void expired_meanwhile(void **state)
{
    struct store *store = fixture_open(4, 1);
    const struct group group = group_of(store, "gone", 5);
    struct wal_end end = {0};
    struct logged logged;
    (void)state;
    logged_open(&logged);
    logged_begin(&logged, store, &end);
    grouped_put_owner(store, "gone", 1, 5, GONE_MS);
    put_members(store, &group);
    restart(&logged, &store, 1);
    sweep_all(store, GONE_MS - 1);
    assert_int_equal(grouped_count(store, &group), all_members);
    sweep_all(store, GONE_MS + 10);
    assert_int_equal(fixture_check(store), 0);
    logged_end(store);
    store_destroy(store);
    logged_close(&logged);
}

static void ownerless_without_memory(void **state)
{
    struct store *store = fixture_open(1, 1);
    struct partition *partition = &store->partitions[0];
    struct group groups[6];
    unsigned long n = 1;
    (void)state;
#ifndef CAIRN_FAULTS
    skip();
#endif
    some_groups(store, groups);
    for (int err = ERR_OUT_OF_MEMORY; err != 0; n++) {
        mem_fail_after(n, 0);
        err = group_find_ownerless(store, partition);
        mem_fail_after(0, 0);
        assert_true(err == 0 || err == ERR_OUT_OF_MEMORY);
        if (err != 0)
            group_forget(partition);
    }
    assert_true(n > 5);
    sweep_all(store, FIXTURE_NOW_MS);
    assert_int_equal(fixture_check(store), all_members + 2);
    store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(no_prefix_begins_another),
        cmocka_unit_test(malformed_keys),
        cmocka_unit_test(generation_of_owner),
        cmocka_unit_test(routing),
        cmocka_unit_test(spread),
        cmocka_unit_test(beside),
        cmocka_unit_test(orphaned_by_a_transaction),
        cmocka_unit_test(cleared_owners),
        cmocka_unit_test(reaps_only_its_own),
        cmocka_unit_test(reaps_to_its_end),
        cmocka_unit_test(many_empty),
        cmocka_unit_test(owner_expires),
        cmocka_unit_test(expires_without_memory),
        cmocka_unit_test(counting_does_not_reap),
        cmocka_unit_test(ownerless),
        cmocka_unit_test(expired_meanwhile),
        cmocka_unit_test(ownerless_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
