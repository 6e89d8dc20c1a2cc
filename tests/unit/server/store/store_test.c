/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The store: the memory limit, refusing and evicting; accounting; the sweep; creation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/server/store/fixture.h"

enum { VALUE = 1000, KEYS = 2000 };

static uint8_t bulk_bytes[VALUE];
static const struct bytes bulk = {bulk_bytes, VALUE};

static const char *key_of(unsigned i)
{
    static char key[16];
    (void)snprintf(key, sizeof key, "key:%06u", i);
    return key;
}

/* Put until it is refused, or KEYS; returns how many were taken. */
static unsigned fill(struct store *store)
{
    for (unsigned i = 0; i < KEYS; i++)
        if (fixture_put(store, key_of(i), bulk, 0) != 0)
            return i;
    return KEYS;
}

static uint64_t bytes_held(struct store *store)
{
    struct store_figures figures;
    store_figures(store, &figures);
    return figures.bytes;
}

static void test_refuse(void **state)
{
    struct store *store = fixture_open(1, 1);
    const uint64_t limit = 1 << 20;
    (void)state;
    atomic_store(&store->memory_limit, limit);
    unsigned n = fill(store);
    assert_true(n > 600 && n < 1048);
    assert_true(bytes_held(store) <= limit);
    assert_int_equal(fixture_check(store), n);
    assert_int_equal(fixture_put(store, key_of(0), bulk, 0), ERR_OUT_OF_MEMORY);
    assert_non_null(standing(store, key_of(0))); /* as it was */
    for (unsigned i = 0; i < n; i++)
        del(store, key_of(i)); /* deletes work at the limit */
    assert_int_equal(fixture_check(store), 0);
    assert_int_equal(fill(store), n); /* and make room for as much again */
    store_destroy(store);
}

static void test_accounting(void **state)
{
    struct store *store = fixture_open(4, 1);
    (void)state;
    assert_int_equal(fill(store), KEYS);
    assert_true(atomic_load(&store->bytes) + 4 * 65536 >= bytes_held(store));
    assert_true(atomic_load(&store->bytes) <= bytes_held(store) + 4 * 65536);
    assert_true(bytes_held(store) > KEYS * VALUE);
    for (unsigned i = 0; i < KEYS; i++)
        del(store, key_of(i));
    assert_true(bytes_held(store) < 4 * 4096);
    assert_true(atomic_load(&store->bytes) < 4 * 65536);
    store_destroy(store);
}

/* At the limit every put succeeds; what is read all the time mostly stays. */
static void test_evict(void **state)
{
    struct store *store = fixture_open(4, 1);
    struct store_figures figures;
    unsigned kept = 0;
    (void)state;
    atomic_store(&store->memory_limit, 1 << 20);
    atomic_store(&store->evict, true);
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(fixture_put(store, key_of(i), bulk, 0), 0);
        for (unsigned hot = 0; hot < 50; hot++)
            if (standing(store, key_of(hot)) != NULL)
                record_touch(standing(store, key_of(hot)));
    }
    for (unsigned hot = 0; hot < 50; hot++)
        kept += standing(store, key_of(hot)) != NULL;
    assert_true(kept >= 48);
    store_figures(store, &figures);
    assert_int_equal(figures.evicted + fixture_check(store), KEYS);
    assert_true(figures.evicted > 600);
    assert_true(figures.bytes <= (1 << 20) + 4 * 65536);
    store_destroy(store);
}

/* Everything was read lately: something goes all the same, the put is not refused. */
static void test_evict_all_used(void **state)
{
    struct store *store = fixture_open(1, 1);
    (void)state;
    atomic_store(&store->memory_limit, 1 << 20);
    unsigned n = fill(store);
    atomic_store(&store->evict, true);
    for (unsigned i = 0; i < n; i++)
        record_touch(standing(store, key_of(i)));
    assert_int_equal(fixture_put(store, "another", bulk, 0), 0);
    assert_int_equal(fixture_check(store), n);
    store_destroy(store);
}

/* More than the limit at once is refused even if all else is evicted. */
static void test_evict_in_vain(void **state)
{
    struct store *store = fixture_open(1, 1);
    static uint8_t huge[1 << 16];
    (void)state;
    atomic_store(&store->memory_limit, 1 << 15);
    atomic_store(&store->evict, true);
    (void)fill(store);
    assert_int_equal(fixture_put(store, "huge", (struct bytes){huge, sizeof huge}, 0),
                     ERR_OUT_OF_MEMORY);
    (void)fixture_check(store);
    store_destroy(store);
}

static void test_sweep(void **state)
{
    struct store *store = fixture_open(1, 1);
    struct store_figures figures;
    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(fixture_put(store, key_of(i), bulk, FIXTURE_NOW_MS + 100 + i % 2), 0);
    put(store, "stays", "v");
    assert_false(store_sweep(store, 0, FIXTURE_NOW_MS + 99, 100));
    assert_int_equal(fixture_check(store), 1001); /* nothing is early */
    assert_true(store_sweep(store, 0, FIXTURE_NOW_MS + 200, 100));
    size_t left = fixture_check(store);
    assert_true(left >= 1001 - 100 && left < 1001);
    while (store_sweep(store, 0, FIXTURE_NOW_MS + 200, 100)) {
        assert_true(fixture_check(store) + 100 >= left);
        left = fixture_check(store);
    }
    assert_int_equal(fixture_check(store), 1);
    assert_value(store, "stays", "v");
    store_figures(store, &figures);
    assert_int_equal(figures.expired, 1000);
    assert_int_equal(figures.records, 1);
    assert_true(figures.version == 2001); /* deletes take versions too */
    store_destroy(store);
}

static void test_partitions(void **state)
{
    struct store *store = fixture_open(256, 1);
    unsigned used[256] = {0};
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        struct record_key key = fixture_key(store, key_of(i));
        used[store_partition_index(store, store_hash(store, &key))]++;
    }
    for (unsigned p = 0; p < 256; p++)
        assert_true(used[p] > 30 && used[p] < 160);
    store_destroy(store);
}

/* The default run dropped: its last reference is the store's. LeakSanitizer sees the rest. */
static void test_default_run_dropped(void **state)
{
    struct store *store = fixture_open(1, 1);
    (void)state;
    assert_true(run_drop(store->runs, store->default_run));
    run_unref(store->default_run); /* the table's */
    store_destroy(store);
}

#ifdef CAIRN_FAULTS
static void test_no_memory(void **state)
{
    struct store_options options = {.n_partitions = 4, .n_threads = 2, .runs_max = 10};
    struct store *store = NULL;
    (void)state;
    for (unsigned long n = 1; store == NULL; n++) {
        mem_fail_after(n, 0);
        store = store_create(&options);
        mem_fail_after(0, 0);
        assert_true(n < 20);
    }
    store_destroy(store);
    store_destroy(NULL);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuse),        cmocka_unit_test(test_accounting),
        cmocka_unit_test(test_evict),         cmocka_unit_test(test_evict_all_used),
        cmocka_unit_test(test_evict_in_vain), cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_partitions),    cmocka_unit_test(test_default_run_dropped),
#ifdef CAIRN_FAULTS
        cmocka_unit_test(test_no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
