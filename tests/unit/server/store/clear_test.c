/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Clearing: slices, prefixes, writes meanwhile, no memory in the middle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/clear.h"
#include "tests/unit/server/store/fixture.h"

enum { N_KEYS = 3000 };

static const char *key_of(unsigned i)
{
    static char key[16];
    (void)snprintf(key, sizeof key, "%c:%05u", i % 3 == 0 ? 'a' : i % 3 == 1 ? 'b' : 'c', i);
    return key;
}

static struct store *filled(unsigned n_partitions)
{
    struct store *store = fixture_open(n_partitions, 1);
    for (unsigned i = 0; i < N_KEYS; i++)
        put(store, key_of(i), "v");
    return store;
}

static bool clear_step_ok(struct clear *clear, struct store *store)
{
    uint64_t before = clear->deleted;
    bool done = false;
    assert_int_equal(clear_step(clear, store, FIXTURE_NOW_MS, &done), 0);
    assert_true(clear->deleted - before <= CLEAR_SLICE);
    return done;
}

static void clear_begin(struct clear *clear, struct store *store, enum record_kind kind,
                        const char *prefix)
{
    assert_int_equal(clear_init(clear, store, store->default_run, kind, bytes_of(prefix)), 0);
}

static uint64_t clear_all(struct store *store, enum record_kind kind, const char *prefix)
{
    struct clear clear;
    clear_begin(&clear, store, kind, prefix);
    while (!clear_step_ok(&clear, store))
        continue;
    assert_true(clear_step_ok(&clear, store)); /* once more does nothing */
    clear_deinit(&clear);
    return clear.deleted;
}

static void test_prefix(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 16; n *= 4) {
        struct store *store = filled(n);
        assert_int_equal(clear_all(store, KIND_kv, "x"), 0);
        assert_int_equal(clear_all(store, KIND_kv, "b:"), N_KEYS / 3);
        for (unsigned i = 0; i < N_KEYS; i++)
            assert_value(store, key_of(i), i % 3 == 1 ? NULL : "v");
        assert_int_equal(clear_all(store, KIND_kv, "c:02999"), 1);
        assert_int_equal(clear_all(store, KIND_NONE, ""), N_KEYS / 3 * 2 - 1);
        assert_int_equal(fixture_check(store), 0);
        store_destroy(store);
    }
}

static void test_other_run_stays(void **state)
{
    struct store *store = filled(4);
    struct run *other = NULL, *mine = store->default_run;
    (void)state;
    assert_int_equal(run_open(store->runs, bytes_of("other"), &other), 0);
    store->default_run = other;
    put(store, "a:1", "other");
    store->default_run = mine;
    assert_int_equal(clear_all(store, KIND_NONE, ""), N_KEYS);
    assert_int_equal(fixture_check(store), 1);
    run_unref(other);
    store_destroy(store);
}

/* New keys, and old ones that were written again, stay; whatever has been cleared already. */
static void test_written_meanwhile(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 16; n *= 4) {
        struct store *store = filled(n);
        struct clear clear;
        unsigned step = 0;
        char key[24];
        clear_begin(&clear, store, KIND_kv, "a:");
        do {
            (void)snprintf(key, sizeof key, "a:new%u", step);
            put(store, key, "new");
            put(store, key_of(3 * (step * 37 % 1000)), "again");
            step++;
        } while (!clear_step_ok(&clear, store));
        for (unsigned i = 0; i < step; i++) {
            (void)snprintf(key, sizeof key, "a:new%u", i);
            assert_value(store, key, "new");
            assert_value(store, key_of(3 * (i * 37 % 1000)), "again");
        }
        assert_int_equal(fixture_check(store), N_KEYS / 3 * 2 + 2 * step);
        assert_true(clear.deleted <= N_KEYS / 3);
        clear_deinit(&clear);
        store_destroy(store);
    }
}

/* So many newer records in front that slices find nothing to delete: each still is bounded, and
 * the end is reached. */
static void test_all_newer(void **state)
{
    struct store *store = filled(1);
    struct clear clear;
    unsigned steps = 1;
    (void)state;
    clear_begin(&clear, store, KIND_kv, "");
    for (unsigned i = 0; i < N_KEYS; i++)
        put(store, key_of(i), "again");
    while (!clear_step_ok(&clear, store))
        steps++;
    assert_int_equal(clear.deleted, 0);
    assert_true(steps >= N_KEYS / (4 * CLEAR_SLICE) && steps < 100);
    clear_deinit(&clear);
    assert_int_equal(fixture_check(store), N_KEYS);
    store_destroy(store);
}

/* The record behind which a slice goes on has gone, or has come again. */
static void test_place_vanishes(void **state)
{
    struct store *store = filled(1);
    struct clear clear;
    (void)state;
    clear_begin(&clear, store, KIND_kv, "");
    assert_false(clear_step_ok(&clear, store));
    put(store, key_of(3 * (CLEAR_SLICE - 1)), "again"); /* the last one of the slice */
    assert_false(clear_step_ok(&clear, store));
    assert_int_equal(clear.deleted, 2 * CLEAR_SLICE);
    while (!clear_step_ok(&clear, store))
        continue;
    assert_int_equal(clear.deleted, N_KEYS);
    assert_int_equal(fixture_check(store), 1);
    clear_deinit(&clear);
    store_destroy(store);
}

#ifdef CAIRN_FAULTS
/* Each step fails at every allocation before it succeeds; in the end the same is gone. */
static void test_no_memory(void **state)
{
    struct store *store = filled(4);
    struct clear clear;
    bool done = false;
    (void)state;
    mem_fail_after(1, 0);
    assert_int_equal(clear_init(&clear, store, store->default_run, KIND_kv, bytes_of("b:")),
                     ERR_OUT_OF_MEMORY);
    clear_deinit(&clear);
    clear_begin(&clear, store, KIND_kv, "b:");
    for (unsigned steps = 0; !done; steps++) {
        int err = ERR_OUT_OF_MEMORY;
        for (unsigned long n = 1; err != 0; n++) {
            mem_fail_after(n, 0);
            err = clear_step(&clear, store, FIXTURE_NOW_MS, &done);
            mem_fail_after(0, 0);
            assert_true(n < 50);
        }
        assert_true(steps < 100);
    }
    assert_int_equal(clear.deleted, N_KEYS / 3);
    assert_int_equal(fixture_check(store), N_KEYS / 3 * 2);
    clear_deinit(&clear);
    store_destroy(store);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_other_run_stays),
        cmocka_unit_test(test_written_meanwhile),
        cmocka_unit_test(test_all_newer),
        cmocka_unit_test(test_place_vanishes),
#ifdef CAIRN_FAULTS
        cmocka_unit_test(test_no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
