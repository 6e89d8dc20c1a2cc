/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Partitions: apply keeps table, map and wheel in step; planned inserts; the clock hand.
 *
 * Effects are made by hand; a store of one partition provides the hash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/server/store/fixture.h"

static struct effect effect_of(const struct store *store, enum effect_type type, const char *key,
                               const char *value, int64_t at)
{
    struct effect effect = {.type = type, .version = 5};
    effect.spec = fixture_spec(store, key, bytes_of(value), at);
    effect.hash = store_hash(store, &effect.spec.key);
    effect.old = partition_find(&store->partitions[0], effect.hash, &effect.spec.key);
    return effect;
}

static void apply_put(struct store *store, const char *key, const char *value, int64_t at)
{
    struct effect effect = effect_of(store, EFFECT_PUT, key, value, at);
    effect.record = record_create(&effect.spec);
    if (effect.old == NULL)
        assert_int_equal(partition_plan_insert(&store->partitions[0]), 0);
    partition_apply(&store->partitions[0], &effect);
    partition_unlock(&store->partitions[0]);
    assert_true(record_version(standing(store, key)) == 5);
    assert_true(record_expires_at_ms(standing(store, key)) == at);
}

static void test_apply(void **state)
{
    static const int64_t times[] = {0, FIXTURE_NOW_MS + 10, 0, FIXTURE_NOW_MS + 20,
                                    FIXTURE_NOW_MS + 30};
    struct store *store = fixture_open(1, 1);
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(times); i++) { /* another record takes the place */
        apply_put(store, "a", i % 2 == 0 ? "one" : "another", times[i]);
        assert_int_equal(fixture_check(store), 1);
    }
    struct effect over = effect_of(store, EFFECT_PUT, "a", "two", FIXTURE_NOW_MS + 99);
    over.version = 6;
    partition_apply(&store->partitions[0], &over); /* in place */
    assert_value(store, "a", "two");
    assert_true(record_version(standing(store, "a")) == 6);
    assert_true(record_expires_at_ms(standing(store, "a")) == FIXTURE_NOW_MS + 99);
    assert_int_equal(fixture_check(store), 1);
    struct effect del = effect_of(store, EFFECT_DEL, "a", "", 0);
    partition_apply(&store->partitions[0], &del);
    assert_int_equal(fixture_check(store), 0);
    struct effect nothing = effect_of(store, EFFECT_DEL, "a", "", 0);
    partition_apply(&store->partitions[0], &nothing);
    assert_int_equal(fixture_check(store), 0);
    store_destroy(store);
}

/* Inserts planned together are all reserved for; unlocking forgets plans that were given up. */
static void test_plan(void **state)
{
    struct store *store = fixture_open(1, 1);
    struct partition *partition = &store->partitions[0];
    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(partition_plan_insert(partition), 0);
    assert_int_equal(partition->planned, 1000);
    mem_fail_after(1, 1);
    for (int i = 0; i < 1000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%d", i);
        struct effect effect = effect_of(store, EFFECT_PUT, key, "v", 0);
        mem_fail_after(0, 0);
        effect.record = record_create(&effect.spec);
        mem_fail_after(1, 1);
        partition_apply(partition, &effect);
    }
    mem_fail_after(0, 0);
    partition_unlock(partition);
    assert_int_equal(partition->planned, 0);
    assert_int_equal(fixture_check(store), 1000);
    store_destroy(store);
}

/* The hand spares once what was used, and takes something even if all of it was. */
static void test_victim(void **state)
{
    struct store *store = fixture_open(1, 1);
    struct partition *partition = &store->partitions[0];
    char key[16];
    (void)state;
    assert_null(partition_victim(partition, 512));
    for (int i = 0; i < 500; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        put(store, key, "v");
        if (i != 250)
            record_touch(standing(store, key));
    }
    struct record *victim = partition_victim(partition, 64);
    assert_non_null(victim); /* used, as are all near the hand */
    for (int i = 0; i < 100 && victim != standing(store, "250"); i++)
        victim = partition_victim(partition, 512);
    assert_ptr_equal(victim, standing(store, "250"));
    store_destroy(store);
}

static void test_prefetch(void **state)
{
    struct store *store = fixture_open(1, 2);
    struct record_key key = fixture_key(store, "a");
    uint64_t hash = store_hash(store, &key);
    (void)state;
    partition_prefetch(&store->partitions[0], hash);
    partition_prefetch_record(&store->partitions[0], hash);
    put(store, "a", "v");
    partition_prefetch_record(&store->partitions[0], hash);
    partition_lock(&store->partitions[0]);                  /* it is free again */
    partition_prefetch_record(&store->partitions[0], hash); /* taken: nothing happens */
    partition_unlock(&store->partitions[0]);
    store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_victim),
        cmocka_unit_test(test_prefetch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
