/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Counting references anew: after a recovery from the log everything is readable, goes when its
 * last checkpoint goes, and not before; sessions of many runs and partitions with other records
 * between; what is missing, malformed or unused is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/server/ops/ckpt_lab.h"
#include "tests/unit/server/store/logged.h"

enum { STEPS = 150, STATE = 6000 };

/* The state of a step: what came before, with a little more changed. */
static struct bytes state_of(unsigned step)
{
    static uint8_t state[STATE];
    struct rng rng = {1};
    for (size_t i = 0; i < sizeof state; i++)
        state[i] = (uint8_t)rng_next(&rng);
    for (unsigned i = 0; i < step; i++)
        state[i * 31] = (uint8_t)i;
    return (struct bytes){state, sizeof state};
}

static void save_steps(struct lab *lab, unsigned steps, uint8_t (*hashes)[CKPT_HASH_BYTES])
{
    uint64_t bytes;
    for (unsigned step = 0; step < steps; step++) {
        struct bytes previous = {hashes[step == 0 ? 0 : step - 1], step == 0 ? 0 : CKPT_HASH_BYTES};
        lab_begin(lab);
        assert_int_equal(lab_save(lab, step, state_of(step), previous, hashes[step], &bytes), 0);
        lab_end(lab, true);
    }
}

static void delete_one(struct lab *lab, unsigned id)
{
    uint64_t freed;
    lab_begin(lab);
    assert_int_equal(lab_delete(lab, id, &freed), 0);
    lab_end(lab, true);
}

/* All steps from `from` on are there; then none is. */
static void read_and_delete(struct lab *lab, unsigned from, uint8_t (*hashes)[CKPT_HASH_BYTES])
{
    for (unsigned step = from; step < STEPS; step++) {
        lab_begin(lab);
        lab_assert_state(lab, hashes[step], state_of(step));
        lab_end(lab, false);
        delete_one(lab, step);
    }
    assert_int_equal(fixture_check(lab->store), 0);
}

static void test_after_recovery(void **state)
{
    static uint8_t hashes[STEPS][CKPT_HASH_BYTES];
    struct replay_report report = {0};
    struct ckpt_recounted counts;
    struct logged logged;
    struct lab lab;
    (void)state;
    logged_open(&logged);
    lab_open(&lab, "s");
    logged_begin(&logged, lab.store, &report.end);
    save_steps(&lab, STEPS, hashes);
    for (unsigned id = 0; id < 40; id++)
        delete_one(&lab, id);
    struct ckpt_recounted before = lab_check(&lab);
    logged_end(lab.store);
    store_destroy(lab.store);

    struct store *store = logged_recover(&logged, 0, &report);
    lab_open_in(&lab, store, run_id(store->default_run), "s");
    ckpt_state_recount(store, lab_manifest_of, &counts);
    assert_memory_equal(&counts, &before, sizeof counts);
    (void)lab_check(&lab);
    read_and_delete(&lab, 40, hashes);
    store_destroy(store);
    logged_close(&logged);
}

static void put_kind(struct lab *lab, enum record_kind kind, const char *rest)
{
    char key[GROUP_PREFIX_MAX + 64];
    size_t size = lab->space.prefix.size;
    memcpy(key, lab->prefix, size);
    memcpy(key + size, rest, strlen(rest));
    struct record_spec spec = {
        .key = {lab->space.run, (uint8_t)kind, {(uint8_t *)key, size + strlen(rest)}},
        .value = bytes_of("\x91\xcf\1\2\3\4\5\6\7\xff and more")};
    if (kind == KIND_kv)
        spec.key.bytes.size = size;
    lab_begin(lab);
    assert_int_equal(txn_put(&lab->txn, &spec, store_hash(lab->store, &spec.key)), 0);
    lab_end(lab, true);
}

/* Many sessions in many runs, some of which have only other kinds, and some only pieces. */
static void test_among_others(void **state)
{
    enum { RUNS = 40, EACH = 3 };
    static uint8_t hashes[STEPS][CKPT_HASH_BYTES];
    struct store *store = fixture_open(4, 1);
    struct ckpt_recounted counts, all = {0};
    (void)state;
    for (unsigned r = 0; r < RUNS; r++) {
        struct run *run;
        char name[16];
        snprintf(name, sizeof name, "run-%u", r);
        assert_int_equal(run_open(store->runs, bytes_of(name), &run), 0);
        for (unsigned s = 0; s < EACH; s++) {
            struct lab lab;
            snprintf(name, sizeof name, "session-%u", s);
            lab_open_in(&lab, store, run_id(run), name);
            if (r % 2 == 0)
                put_kind(&lab, KIND_kv, "");
            if (r % 3 == 0)
                put_kind(&lab, KIND_write, "a write");
            if (r % 5 == 0)
                put_kind(&lab, KIND_note, "a note");
            if (r % 7 == 0)
                put_kind(&lab, KIND_blob, "of another form");
            if (r % 4 != 3)
                save_steps(&lab, 3 + r % 2, hashes);
            all.manifests += r % 4 != 3 ? 3 + r % 2 : 0;
        }
        run_unref(run);
    }
    struct lab lab;
    lab_open_in(&lab, store, 0, "s");
    counts = lab_check(&lab);
    assert_int_equal(counts.manifests, all.manifests);
    store_destroy(store);
}

static void test_missing_and_unused(void **state)
{
    static uint8_t hashes[3][CKPT_HASH_BYTES];
    static const uint8_t nothing[CKPT_HASH_BYTES];
    struct ckpt_recounted counts;
    struct lab lab;
    (void)state;
    lab_open(&lab, "s");
    save_steps(&lab, 3, hashes);
    size_t pieces = (size_t)lab_check(&lab).pieces;
    lab_begin(&lab);
    assert_int_equal(lab_put(&lab, 2, nothing), 0);   /* what it referred to is not unreferenced */
    assert_int_equal(lab_put(&lab, 3, hashes[0]), 0); /* one more, not counted */
    lab_end(&lab, true);
    ckpt_state_recount(lab.store, lab_manifest_of, &counts);
    assert_int_equal(counts.missing, 1);
    assert_int_equal(counts.unused, 1); /* the last manifest; it still refers to its base */
    assert_int_equal(counts.pieces, pieces);
    lab_begin(&lab);
    assert_int_equal(
        ckpt_piece_count(&lab.space, CKPT_MANIFEST, (struct bytes){hashes[0], CKPT_HASH_BYTES}), 3);
    lab_end(&lab, false);
    put_kind(&lab, KIND_piece, "m");                 /* no hash, no content */
    put_kind(&lab, KIND_piece, "m0123456789abcdef"); /* no manifest */
    put_kind(&lab, KIND_piece, "");
    ckpt_state_recount(lab.store, lab_manifest_of, &counts);
    assert_int_equal(counts.missing, 1);
    assert_int_equal(counts.unused, 4);
    lab_close(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_after_recovery),
        cmocka_unit_test(test_among_others),
        cmocka_unit_test(test_missing_and_unused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
