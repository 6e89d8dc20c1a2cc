/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Recovery: seeded random transactions, runs, expiry sweeps and clears on a store with a log; after
 * each of several restarts the store that comes back must be the one that went, record by record.
 * And: told twice it changes nothing, a run that was dropped leaves nothing behind.
 *
 * CAIRN_SEED sets the seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/recover.h"

#include "server/store/codec.h"
#include "tests/unit/server/store/world.h"

enum { RESTARTS = 6, STEPS = 1500 };

static void model(void **state)
{
    struct world world;
    struct replay_report report = {0};
    struct logged logged;
    (void)state;
    world_open(&world);
    logged_open(&logged);
    for (int i = 0; i < RESTARTS; i++) {
        logged_begin(&logged, world.store, &report.end);
        for (int step = 0; step < STEPS; step++)
            some_step(&world);
        logged_end(world.store);
        struct store *back = logged_recover(&logged, (unsigned)i % 4, &report);
        assert_true(report.clean);
        assert_same(world.store, back);
        store_destroy(world.store);
        world.store = back;
    }
    store_destroy(world.store);
    logged_close(&logged);
}

static struct entry put_entry(struct buf *body, uint32_t run, const char *key, uint64_t lsn)
{
    struct effect effect = {.type = EFFECT_PUT};
    effect.spec = (struct record_spec){{run, KIND_kv, bytes_of(key)}, true, bytes_of("v"), 0};
    size_t size = codec_size(&effect, 1);
    assert_int_equal(buf_reserve(body, size), 0);
    codec_write(body->data, &effect, 1);
    return (struct entry){ENTRY_PUT, lsn, 0, {body->data, size}};
}

static void twice(void **state)
{
    struct store *store = fixture_open(4, 1);
    struct recovery recovery;
    struct buf body;
    (void)state;
    buf_init(&body);
    assert_int_equal(recover_begin(&recovery, store, 0), 0);
    struct entry entry = put_entry(&body, RUN_FIRST, "k", 5);
    assert_int_equal(recover_entry(&recovery, &entry), 0);
    const struct record *record = standing(store, "k");
    assert_int_equal(recover_entry(&recovery, &entry), 0);
    assert_ptr_equal(standing(store, "k"), record); /* not even made anew */
    entry.lsn = 4;                                  /* older: what stands stays */
    assert_int_equal(recover_entry(&recovery, &entry), 0);
    assert_true(record_version(standing(store, "k")) == 5);
    entry = put_entry(&body, RUN_NOWHERE, "k", 6); /* whole, but nothing we write */
    assert_int_equal(recover_entry(&recovery, &entry), ERR_DATA_DAMAGED);
    assert_non_null(strstr(recovery.problem, "LSN 6"));
    recover_end(&recovery);
    buf_deinit(&body);
    store_destroy(store);
}

/* Values in a transaction of several effects are made one after the other in the same memory: each
 * must come back as it was when it was planned. */
static void same_memory(void **state)
{
    struct replay_report report = {0};
    struct store *store = fixture_open(4, 1);
    struct txn_set set = {0};
    struct logged logged;
    struct txn txn;
    char value[8] = "";
    static const char *const keys[] = {"a", "b", "a"};
    (void)state;
    logged_open(&logged);
    logged_begin(&logged, store, &report.end);
    txn_init(&txn, store, FIXTURE_NOW_MS);
    txn.many = true;
    txn_set_all(&set, store);
    assert_int_equal(txn_lock_set(&txn, store->default_run, &set, 0), 0);
    for (size_t i = 0; i < LENGTH_OF(keys); i++) {
        (void)snprintf(value, sizeof value, "v%zu", i);
        struct record_spec spec = fixture_spec(store, keys[i], bytes_of(value), 0);
        assert_int_equal(txn_put(&txn, &spec, store_hash(store, &spec.key)), 0);
    }
    memset(value, 'x', sizeof value);
    (void)txn_commit(&txn);
    txn_deinit(&txn);
    logged_end(store);
    store_destroy(store);
    store = logged_recover(&logged, 0, &report);
    assert_value(store, "a", "v2");
    assert_value(store, "b", "v1");
    store_destroy(store);
    logged_close(&logged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model),
        cmocka_unit_test(twice),
        cmocka_unit_test(same_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
