/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Recovery: seeded random transactions, runs, expiry sweeps and clears on a store with a log; after
 * each of several restarts the store that comes back must be the one that went, record by record.
 * And: told twice it changes nothing, a run that was dropped leaves nothing behind, what no build
 * writes is refused.
 *
 * CAIRN_SEED sets the seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/recover.h"

#include "server/store/vec_value.h"

#include "server/store/codec.h"
#include "tests/unit/server/store/grouped.h"
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

/* ---- what is refused ---- */

enum { IN_LOG = 1, IN_RECORDS = 2, IN_RUNS = 4, RECORD = IN_LOG | IN_RECORDS };

static struct recovery *recovery_create(void)
{
    struct recovery *recovery = calloc(1, sizeof *recovery);
    assert_non_null(recovery);
    assert_int_equal(recover_begin(recovery, fixture_open(4, 1), 0), 0);
    return recovery;
}

static void recovery_destroy(struct recovery *recovery)
{
    recover_end(recovery);
    store_destroy(recovery->store);
    free(recovery);
}

static int tell_log(const struct effect *effect)
{
    struct recovery *recovery = recovery_create();
    struct buf body;
    buf_init(&body);
    size_t size = codec_size(effect, 1);
    assert_int_equal(buf_reserve(&body, size), 0);
    codec_write(body.data, effect, 1);
    struct entry entry = {codec_type(effect, 1), 5, 0, {body.data, size}};
    int err = recover_entry(recovery, &entry);
    assert_int_equal(err == 0, recover_takes_effect(effect));
    assert_int_equal(err == 0, recovery->problem[0] == '\0');
    buf_deinit(&body);
    recovery_destroy(recovery);
    return err;
}

static int tell_snapshot(const struct record_spec *spec, enum snapshot_section section)
{
    struct recovery *recovery = recovery_create();
    struct buf chunk;
    buf_init(&chunk);
    size_t size = codec_record_size(spec);
    assert_int_equal(buf_reserve(&chunk, size), 0);
    codec_write_record(chunk.data, spec, 5);
    int err = recover_chunk(recovery, 0, section, (struct bytes){chunk.data, size});
    buf_deinit(&chunk);
    recovery_destroy(recovery);
    return err;
}

/* Each place takes it, or refuses it as damaged; `where`: those that take it. */
static void assert_taken(unsigned where, const struct record_spec *spec)
{
    struct effect put = {.type = EFFECT_PUT, .spec = *spec};
    assert_int_equal(tell_log(&put), where & IN_LOG ? 0 : ERR_DATA_DAMAGED);
    assert_int_equal(tell_snapshot(spec, SNAPSHOT_RECORDS),
                     where & IN_RECORDS ? 0 : ERR_DATA_DAMAGED);
    assert_int_equal(tell_snapshot(spec, SNAPSHOT_RUNS), where & IN_RUNS ? 0 : ERR_DATA_DAMAGED);
    assert_int_equal(recover_takes_record(spec), (where & IN_RECORDS) != 0);
    assert_int_equal(recover_takes_told(spec), (where & IN_RUNS) != 0);
}

static void assert_key(unsigned where, uint32_t run, uint8_t kind, struct bytes key)
{
    struct record_spec spec = {.key = {run, kind, key}, .value = bytes_of("\xce\001\001\001\001")};
    struct effect del = {.type = EFFECT_DEL, .spec = {.key = spec.key}};
    assert_taken(where, &spec);
    assert_int_equal(tell_log(&del), where & IN_LOG ? 0 : ERR_DATA_DAMAGED);
}

static void places(void **state)
{
    (void)state;
    assert_key(RECORD, 1, KIND_kv, bytes_of("key"));
    assert_key(0, 1, KIND_kv, BYTES_NONE);
    assert_key(0, RUN_NOWHERE, KIND_kv, bytes_of("key"));
    assert_key(IN_LOG | IN_RUNS, RUN_NOWHERE, KIND_run, bytes_of("name"));
    assert_key(IN_RUNS, RUN_NOWHERE, KIND_run, BYTES_NONE);
    assert_key(0, 1, KIND_run, bytes_of("name"));
    for (unsigned kind = KIND_vector + 1; kind <= KIND_MAX; kind++)
        assert_key(0, 1, (uint8_t)kind, bytes_of("\003key12345678"));
}

/* What indexes read must be what it should; a delete has no value. */
static void values_of_indexes(void **state)
{
    struct vec_collection collection = {
        .number = 1, .generation = 2, .config = {.dim = 2, .m = 16, .ef_construction = 200}};
    uint8_t own[VEC_COLLECTION_BYTES_MAX];
    float elements[2] = {1, 2};
    struct buf value = {0};
    struct record_spec spec = {.key = {1, KIND_collection, bytes_of("c")}};
    struct effect effect = {.type = EFFECT_DEL};
    (void)state;
    spec.value = (struct bytes){own, vec_write_collection(&collection, own)};
    assert_true(recover_takes_record(&spec));
    spec.value.size--;
    assert_false(recover_takes_record(&spec));
    assert_int_equal(vec_write_vector(&value, 2, VEC_BIN, elements, BYTES_NONE), 0);
    spec = (struct record_spec){.key = {1, KIND_vector, bytes_of("\003key12345678x")},
                                .value = buf_bytes(&value)};
    assert_true(recover_takes_record(&spec));
    spec.value.size--;
    assert_false(recover_takes_record(&spec));
    effect.spec = (struct record_spec){.key = spec.key};
    assert_true(recover_takes_effect(&effect));
    buf_deinit(&value);
}

static void counters(void **state)
{
    uint8_t value[9] = {0, 0, 0, 0, 0, 0, 0, 0x7f};
    struct record_spec spec = {.key = {RUN_NOWHERE, KIND_counter, bytes_of("number")},
                               .value = {value, 8}};
    (void)state;
    assert_taken(IN_RUNS, &spec);
    spec.value.size = 7;
    assert_taken(0, &spec);
    spec.value.size = 9;
    assert_taken(0, &spec);
    spec.value.size = 8;
    value[7] = 0x80; /* more than there can have been */
    assert_taken(0, &spec);
    value[7] = 0;
    spec.key.bytes = bytes_of("numbers");
    assert_taken(0, &spec);
    spec.key = (struct record_key){1, KIND_counter, bytes_of("number")};
    assert_taken(0, &spec);
}

/* A record of a snapshot shows by itself that its number was given away. */
static void shown_number(void **state)
{
    struct recovery *recovery = recovery_create();
    uint8_t value[OWNER_VALUE], chunk[128];
    struct record_spec spec = {.key = {1, KIND_session, bytes_of("a")},
                               .value = grouped_value(41, 7, value)};
    (void)state;
    codec_write_record(chunk, &spec, 5);
    assert_int_equal(recover_chunk(recovery, 0, SNAPSHOT_RECORDS,
                                   (struct bytes){chunk, codec_record_size(&spec)}),
                     0);
    assert_int_equal(store_next_number(recovery->store, 1), 42);
    recovery_destroy(recovery);
}

/* The two numbers of an owner. */
static void assert_numbers(unsigned where, uint64_t number, uint64_t generation)
{
    uint8_t value[OWNER_VALUE];
    struct record_spec spec = {.key = {1, KIND_session, bytes_of("a")},
                               .value = grouped_value(number, generation, value)};
    assert_taken(where, &spec);
}

static void owners(void **state)
{
    uint8_t name[GROUP_NAME_MAX + 1] = {0};
    (void)state;
    assert_key(RECORD, 1, KIND_session, (struct bytes){name, GROUP_NAME_MAX});
    assert_key(0, 1, KIND_session, (struct bytes){name, GROUP_NAME_MAX + 1});
    assert_key(RECORD, 1, KIND_kv, (struct bytes){name, GROUP_NAME_MAX + 1});
    assert_numbers(RECORD, 0, 0);
    assert_numbers(RECORD, STORE_NUMBER_MAX, STORE_NUMBER_MAX);
    assert_numbers(0, STORE_NUMBER_MAX + 1, 1);
    assert_numbers(0, 1, UINT64_MAX);
}

static void members(void **state)
{
    static const uint8_t kinds[] = {KIND_ckpt, KIND_blob, KIND_write, KIND_note, KIND_piece};
    static const uint8_t whole[] = "\003abc\0\0\0\0\0\0\0\007r";
    enum { PREFIX = 1 + 3 + 8 };
    uint8_t key[MEMBER_KEY];
    struct group group = {1, KIND_session, bytes_of("abc"), STORE_NUMBER_MAX};
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(kinds); i++) {
        for (size_t size = 0; size < sizeof whole; size++)
            assert_key(size < PREFIX ? 0 : RECORD, 1, kinds[i], (struct bytes){whole, size});
        assert_key(0, 1, kinds[i], (struct bytes){(const uint8_t *)"\0abcdefghijk", 12});
        group.generation = STORE_NUMBER_MAX;
        assert_key(RECORD, 1, kinds[i], grouped_key(&group, BYTES_NONE, key));
        group.generation++;
        assert_key(0, 1, kinds[i], grouped_key(&group, BYTES_NONE, key));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model),
        cmocka_unit_test(twice),
        cmocka_unit_test(same_memory),
        cmocka_unit_test(places),
        cmocka_unit_test(values_of_indexes),
        cmocka_unit_test(counters),
        cmocka_unit_test(shown_number),
        cmocka_unit_test(owners),

        cmocka_unit_test(members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
