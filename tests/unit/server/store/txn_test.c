/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Transactions: one effect per key, reading what is planned, giving up, locks of two threads, and
 * no memory at any allocation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/server/store/fixture.h"

#include <pthread.h>
#include <unistd.h>

/* A transaction over all partitions that plans several effects. */
struct big {
    struct store *store;
    struct txn txn;
};

static void big_begin(struct big *big, struct store *store)
{
    struct txn_set set = {0};
    big->store = store;
    txn_init(&big->txn, store, FIXTURE_NOW_MS);
    txn_set_all(&set, store);
    assert_int_equal(txn_lock_set(&big->txn, store->default_run, &set, 0), 0);
    big->txn.many = true;
}

static int big_put(struct big *big, const char *key, const char *value, int64_t at)
{
    struct record_spec spec = fixture_spec(big->store, key, bytes_of(value), at);
    return txn_put(&big->txn, &spec, store_hash(big->store, &spec.key));
}

static int big_del(struct big *big, const char *key)
{
    struct record_key record_key = fixture_key(big->store, key);
    return txn_del(&big->txn, &record_key, store_hash(big->store, &record_key));
}

static void big_sees(struct big *big, const char *key, const char *value)
{
    struct record_key record_key = fixture_key(big->store, key);
    const struct record *record =
        txn_find(&big->txn, &record_key, store_hash(big->store, &record_key));
    if (value == NULL) {
        assert_null(record);
        return;
    }
    assert_non_null(record);
    assert_true(bytes_equal(record_value(record), bytes_of(value)));
}

static void test_collapse(void **state)
{
    struct store *store = fixture_open(4, 1);
    struct big big;
    (void)state;
    put(store, "old", "0");
    put(store, "gone", "0");
    big_begin(&big, store);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(big_put(&big, "old", i % 2 == 0 ? "a" : "bbbb", 0), 0);
        assert_int_equal(big_del(&big, "old"), 0);
        assert_int_equal(big_put(&big, "new", "n", FIXTURE_NOW_MS + 50 + i), 0);
    }
    assert_int_equal(big_put(&big, "old", "last", 0), 0);
    assert_int_equal(big_del(&big, "gone"), 0);
    assert_int_equal(big_put(&big, "passing", "p", 0), 0);
    assert_int_equal(big_del(&big, "passing"), 0);
    assert_int_equal(big.txn.n_effects, 4);
    assert_true(txn_commit(&big.txn) == 3);
    txn_deinit(&big.txn);
    assert_value(store, "old", "last");
    assert_value(store, "new", "n");
    assert_value(store, "gone", NULL);
    assert_value(store, "passing", NULL);
    assert_true(record_version(standing(store, "old")) == 3);
    assert_true(record_version(standing(store, "new")) == 3);
    assert_true(record_expires_at_ms(standing(store, "new")) == FIXTURE_NOW_MS + 54);
    assert_int_equal(fixture_check(store), 2);
    store_destroy(store);
}

static void test_find_planned(void **state)
{
    struct store *store = fixture_open(4, 1);
    struct big big;
    (void)state;
    put(store, "a", "0");
    assert_int_equal(fixture_put(store, "late", bytes_of("x"), FIXTURE_NOW_MS), 0);
    big_begin(&big, store);
    big_sees(&big, "a", "0");
    big_sees(&big, "late", NULL); /* expired */
    assert_int_equal(big_put(&big, "a", "1", 0), 0);
    big_sees(&big, "a", "1");
    assert_int_equal(big_del(&big, "a"), 0);
    big_sees(&big, "a", NULL);
    assert_int_equal(big_put(&big, "a", "2", FIXTURE_NOW_MS + 1), 0);
    big_sees(&big, "a", "2");
    assert_int_equal(big_put(&big, "a", "3", FIXTURE_NOW_MS), 0);
    big_sees(&big, "a", NULL); /* planned, but expired as soon as it stands */
    assert_int_equal(big_put(&big, "late", "y", 0), 0);
    big_sees(&big, "late", "y");
    (void)txn_commit(&big.txn);
    txn_deinit(&big.txn);
    assert_int_equal(fixture_check(store), 2);
    store_destroy(store);
}

/* Many keys, so that effects are found by the index. */
static void test_many_effects(void **state)
{
    struct store *store = fixture_open(4, 1);
    struct big big;
    char keys[300][16];
    (void)state;
    big_begin(&big, store);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) {
            (void)snprintf(keys[i], sizeof keys[i], "%d", i);
            assert_int_equal(big_put(&big, keys[i], round == 0 ? "no" : keys[i], 0), 0);
        }
    }
    for (int i = 0; i < 300; i++)
        big_sees(&big, keys[i], keys[i]);
    big_sees(&big, "absent", NULL);
    assert_int_equal(big.txn.n_effects, 300);
    assert_true(txn_commit(&big.txn) == 1);
    txn_deinit(&big.txn);
    assert_int_equal(fixture_check(store), 300);
    for (int i = 0; i < 300; i++)
        assert_value(store, keys[i], keys[i]);
    store_destroy(store);
}

/* A planned delete of a key that is not there, then a put: the insert needs its reserve. */
static void test_del_then_put(void **state)
{
    struct store *store = fixture_open(1, 1);
    struct big big;
    (void)state;
    for (int i = 0; i < 200; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%d", i);
        big_begin(&big, store);
        assert_int_equal(big_del(&big, key), 0);
        assert_int_equal(big_put(&big, key, "v", 0), 0);
        (void)txn_commit(&big.txn);
        txn_deinit(&big.txn);
    }
    assert_int_equal(fixture_check(store), 200);
    store_destroy(store);
}

/* A key that was looked for is not taken for another one whose bytes come to stand in its place. */
static void test_find_then_other(void **state)
{
    struct store *store = fixture_open(1, 1);
    struct record_key key = fixture_key(store, "a");
    struct big big;
    (void)state;
    put(store, "a", "1");
    put(store, "b", "1");
    big_begin(&big, store);
    assert_non_null(txn_find(&big.txn, &key, store_hash(store, &key)));
    key = fixture_key(store, "b");
    assert_int_equal(txn_del(&big.txn, &key, store_hash(store, &key)), 0);
    (void)txn_commit(&big.txn);
    txn_deinit(&big.txn);
    assert_value(store, "a", "1");
    assert_value(store, "b", NULL);
    store_destroy(store);
}

static void test_abort(void **state)
{
    struct store *store = fixture_open(4, 1);
    struct big big;
    (void)state;
    put(store, "a", "1");
    big_begin(&big, store);
    assert_int_equal(big_put(&big, "a", "2", FIXTURE_NOW_MS + 9), 0);
    assert_int_equal(big_put(&big, "b", "2", 0), 0);
    assert_int_equal(big_del(&big, "a"), 0);
    txn_deinit(&big.txn);
    assert_value(store, "a", "1");
    assert_value(store, "b", NULL);
    assert_true(atomic_load(&store->version) == 1);
    assert_int_equal(fixture_check(store), 1);
    for (unsigned p = 0; p < store->n_partitions; p++)
        assert_int_equal(store->partitions[p].planned, 0);
    store_destroy(store);
}

static void test_deferred(void **state)
{
    struct store *store = fixture_open(1, 1);
    struct big big;
    (void)state;
    big_begin(&big, store);
    big.txn.deferred = true;
    assert_int_equal(big_put(&big, "a", "1", 0), 0);
    assert_true(txn_commit(&big.txn) == 0);
    txn_unlock(&big.txn);
    assert_value(store, "a", NULL);
    assert_int_equal(big_put(&big, "b", "1", 0), 0);
    assert_true(txn_commit_deferred(&big.txn) == 1);
    txn_deinit(&big.txn);
    assert_int_equal(fixture_check(store), 2);
    store_destroy(store);
}

static int big_put_last(struct big *big, const char *key, const char *value)
{
    struct record_spec spec = fixture_spec(big->store, key, bytes_of(value), 0);
    return txn_put_last(&big->txn, &spec, store_hash(big->store, &spec.key));
}

/* The last put of several writes over what stands, if that has room and nothing is planned for the
 * key; given up, it has changed nothing. */
static void test_last(void **state)
{
    struct store *store = fixture_open(1, 1);
    struct big big;
    (void)state;
    put(store, "a", "old");
    const struct record *stood = standing(store, "a");
    for (int commit = 0; commit < 2; commit++) {
        big_begin(&big, store);
        assert_int_equal(big_put(&big, "b", "1", 0), 0);
        assert_int_equal(big_put_last(&big, "a", "new"), 0);
        assert_value(store, "a", "old");
        assert_ptr_equal(big.txn.effects[1].record, NULL);
        if (commit)
            assert_true(txn_commit(&big.txn) == 2);
        txn_deinit(&big.txn);
        assert_value(store, "a", commit ? "new" : "old");
        assert_ptr_equal(standing(store, "a"), stood);
    }
    big_begin(&big, store);
    assert_int_equal(big_put(&big, "a", "2nd", 0), 0);
    assert_int_equal(big_put_last(&big, "a", "3rd"), 0);
    assert_int_equal(big_put_last(&big, "b", "does not fit: it is far too long for that"), 0);
    big_sees(&big, "a", "3rd");
    assert_true(txn_commit(&big.txn) == 3);
    txn_deinit(&big.txn);
    assert_value(store, "a", "3rd");
    assert_value(store, "b", "does not fit: it is far too long for that");
    assert_int_equal(fixture_check(store), 2);
    store_destroy(store);
}

/* Of a deferred transaction it is copied like any other. */
static void test_last_deferred(void **state)
{
    struct store *store = fixture_open(1, 1);
    char value[] = "new";
    struct big big;
    (void)state;
    put(store, "a", "old");
    big_begin(&big, store);
    big.txn.deferred = true;
    assert_int_equal(big_put_last(&big, "a", value), 0);
    value[0] = 'x';
    big_sees(&big, "a", "new");
    assert_true(txn_commit_deferred(&big.txn) == 2);
    txn_deinit(&big.txn);
    assert_value(store, "a", "new");
    store_destroy(store);
}

/* Put, or find, a value that begins with a count. */
static uint32_t counted(struct big *big, const char *key)
{
    struct record_key record_key = fixture_key(big->store, key);
    const struct record *record =
        txn_find(&big->txn, &record_key, store_hash(big->store, &record_key));
    return record == NULL ? UINT32_MAX : record_count(record);
}

static void count(struct big *big, const char *key, int delta)
{
    struct record_key record_key = fixture_key(big->store, key);
    const struct record *record =
        txn_find(&big->txn, &record_key, store_hash(big->store, &record_key));
    assert_non_null(record);
    assert_int_equal(txn_count(&big->txn, record, delta), 0);
}

static uint32_t count_now(struct store *store, const char *key)
{
    return record_count(standing(store, key));
}

/* Counts change at once, also of what is planned, without an effect; given up, they change back. */
static void test_counts(void **state)
{
    struct store *store = fixture_open(4, 1);
    struct big big;
    (void)state;
    put(store, "a", "\x05\x01\x01\x01 a");
    uint32_t a = 0x01010105, n = 0x2020206e;
    for (int commit = 0; commit < 2; commit++) {
        big_begin(&big, store);
        count(&big, "a", 1);
        count(&big, "a", 1);
        count(&big, "a", -1);
        assert_int_equal(big_put(&big, "new", "n    ", 0), 0);
        count(&big, "new", 1);
        assert_int_equal(counted(&big, "a"), a + 1);
        assert_int_equal(counted(&big, "new"), n + 1);
        assert_int_equal(big.txn.n_effects, 1);
        if (commit)
            (void)txn_commit(&big.txn);
        txn_deinit(&big.txn);
        assert_int_equal(count_now(store, "a"), commit ? a + 1 : a);
    }
    assert_int_equal(count_now(store, "new"), n + 1);
    big_begin(&big, store); /* counted, then deleted, then given up */
    count(&big, "a", -1);
    assert_int_equal(big_del(&big, "a"), 0);
    assert_int_equal(big_put(&big, "a", "another", 0), 0);
    count(&big, "a", -1);
    txn_unlock(&big.txn);
    assert_int_equal(count_now(store, "a"), a + 1); /* as soon as others may see it */
    txn_deinit(&big.txn);
    put(store, "zero",
        "\x01"
        "x");
    put(store, "most", "\xff\xff\xff\xff");
    big_begin(&big, store);
    count(&big, "zero", -1); /* too short for a count */
    count(&big, "most", 1);
    assert_int_equal(counted(&big, "zero"), 0);
    assert_int_equal(counted(&big, "most"), UINT32_MAX);
    txn_deinit(&big.txn);
    assert_int_equal(fixture_check(store), 4);
    store_destroy(store);
}

/* The key of a delete may be a copy that the transaction keeps. */
static void test_keep(void **state)
{
    struct store *store = fixture_open(4, 1);
    struct big big;
    (void)state;
    put(store, "old", "0");
    for (int commit = 0; commit < 2; commit++) {
        char name[] = "old";
        struct record_key key = fixture_key(store, name);
        big_begin(&big, store);
        assert_int_equal(big_put(&big, "old", "1", 0), 0);
        assert_int_equal(txn_keep(&big.txn, key.bytes, &key.bytes), 0);
        memset(name, 'x', 3);
        assert_int_equal(txn_del(&big.txn, &key, store_hash(store, &key)), 0);
        if (commit)
            (void)txn_commit(&big.txn);
        txn_deinit(&big.txn);
        assert_value(store, "old", commit ? NULL : "0");
    }
    store_destroy(store);
}

static void test_dropped(void **state)
{
    struct store *store = fixture_open(4, 2);
    struct txn_set set = {0};
    struct run *run = NULL;
    struct txn txn;
    (void)state;
    assert_int_equal(run_open(store->runs, bytes_of("r"), &run), 0);
    assert_true(run_drop(store->runs, run));
    txn_init(&txn, store, FIXTURE_NOW_MS);
    txn_set_all(&set, store);
    assert_int_equal(txn_lock(&txn, run, 1, 0), TXN_RETRY);
    assert_int_equal(txn_lock_set(&txn, run, &set, 0), TXN_RETRY);
    txn_deinit(&txn);
    put(store, "a", "v"); /* nothing is left locked */
    run_unref(run);
    run_unref(run);
    store_destroy(store);
}

/* Two threads lock the same partitions, named in opposite orders, and add to one number. */
struct crossing {
    struct store *store;
    bool backwards;
};

enum { CROSSINGS = 5000 };

static int64_t number_now(struct txn *txn, const struct record_key *key, uint64_t hash)
{
    int64_t number = 0;
    const struct record *record = txn_find(txn, key, hash);
    if (record != NULL)
        memcpy(&number, record_value(record).data, sizeof number);
    return number;
}

static void *cross(void *context)
{
    const struct crossing *self = context;
    static const char *const keys[] = {"a", "b", "c", "d", "e"};
    for (int n = 0; n < CROSSINGS; n++) {
        struct txn_set set = {0};
        struct txn txn;
        txn_init(&txn, self->store, FIXTURE_NOW_MS);
        for (size_t i = 0; i < LENGTH_OF(keys); i++) {
            size_t k = self->backwards ? LENGTH_OF(keys) - 1 - i : i;
            struct record_key key = fixture_key(self->store, keys[k]);
            txn_set_add(&set, self->store, store_hash(self->store, &key));
        }
        REQUIRE(txn_lock_set(&txn, self->store->default_run, &set, 1) == 0);
        txn.many = true;
        for (size_t i = 0; i < LENGTH_OF(keys); i++) {
            struct record_key key = fixture_key(self->store, keys[i]);
            uint64_t hash = store_hash(self->store, &key);
            int64_t number = number_now(&txn, &key, hash) + 1;
            struct record_spec spec = {key, true, {(const uint8_t *)&number, sizeof number}, 0};
            REQUIRE(txn_put(&txn, &spec, hash) == 0);
        }
        (void)txn_commit(&txn);
        txn_deinit(&txn);
    }
    return NULL;
}

static void test_crossing(void **state)
{
    struct store *store = fixture_open(16, 2);
    struct crossing sides[2] = {{store, false}, {store, true}};
    pthread_t threads[2];
    (void)state;
    alarm(60); /* ends a deadlock */
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, cross, &sides[i]), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    alarm(0);
    int64_t number;
    memcpy(&number, record_value(standing(store, "c")).data, sizeof number);
    assert_true(number == 2 * CROSSINGS);
    assert_int_equal(fixture_check(store), 5);
    store_destroy(store);
}

#ifdef CAIRN_FAULTS
/* New, replaced and deleted keys in one transaction; false if memory ran out. */
static bool try_all(struct store *store, unsigned long fail_at)
{
    struct big big;
    int err = 0;
    char key[16];
    big_begin(&big, store);
    mem_fail_after(fail_at, 0);
    for (int i = 0; i < 100 && err == 0; i++) {
        (void)snprintf(key, sizeof key, "n%d", i);
        err = big_put(&big, key, "new", i % 3 == 0 ? FIXTURE_NOW_MS + 7 : 0);
    }
    if (err == 0)
        err = big_put(&big, "old1", "replaced", FIXTURE_NOW_MS + 5);
    if (err == 0)
        err = big_del(&big, "old2");
    if (err == 0)
        err = big_put(&big, "n5", "again", 0);
    if (err == 0)
        (void)txn_commit(&big.txn);
    mem_fail_after(0, 0);
    txn_deinit(&big.txn);
    return err == 0;
}

static void test_no_memory(void **state)
{
    struct store *store = fixture_open(2, 1);
    unsigned long n = 1;
    (void)state;
    put(store, "old1", "1");
    put(store, "old2", "2");
    for (; !try_all(store, n); n++) {
        assert_int_equal(fixture_check(store), 2);
        assert_value(store, "old1", "1");
        assert_value(store, "old2", "2");
        assert_true(atomic_load(&store->version) == 2);
    }
    assert_true(n > 100); /* each record was one allocation at least */
    assert_int_equal(fixture_check(store), 101);
    assert_value(store, "old1", "replaced");
    assert_value(store, "n5", "again");
    store_destroy(store);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collapse),     cmocka_unit_test(test_find_planned),
        cmocka_unit_test(test_many_effects), cmocka_unit_test(test_del_then_put),
        cmocka_unit_test(test_abort),        cmocka_unit_test(test_find_then_other),
        cmocka_unit_test(test_counts),       cmocka_unit_test(test_keep),
        cmocka_unit_test(test_last),         cmocka_unit_test(test_last_deferred),
        cmocka_unit_test(test_deferred),     cmocka_unit_test(test_dropped),
#ifdef CAIRN_FAULTS
        cmocka_unit_test(test_no_memory),
#endif
        cmocka_unit_test(test_crossing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
