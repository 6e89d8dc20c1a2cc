/* SPDX-License-Identifier: BSD-3-Clause
 *
 * States of checkpoints on a real store: what is stored is read back byte for byte; equal states
 * are stored once; what nobody refers to goes, and nothing else; a transaction that is given up,
 * also for want of memory, changes nothing; chains end; damage is found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/ops/ckpt_manifest.h"
#include "tests/unit/server/ops/ckpt_lab.h"

/* A map of so many keys with values of so many bytes, made of a seed for each. */
static void pack_state(struct buf *out, const uint32_t *seeds, size_t keys, size_t value_bytes)
{
    out->size = 0;
    assert_int_equal(pack_map(out, keys), 0);
    for (size_t i = 0; i < keys; i++) {
        char key[32];
        uint8_t value[4096];
        struct rng rng = {seeds[i]};
        snprintf(key, sizeof key, "key-%zu", i);
        for (size_t k = 0; k < value_bytes; k++)
            value[k] = (uint8_t)('a' + rng_below(&rng, 26));
        assert_int_equal(pack_str(out, bytes_of(key)), 0);
        assert_int_equal(pack_str(out, (struct bytes){value, value_bytes}), 0);
    }
}

static struct bytes hash_bytes(const uint8_t *hash)
{
    return (struct bytes){hash, CKPT_HASH_BYTES};
}

/* Save and commit. */
static uint64_t save(struct lab *lab, unsigned id, struct bytes state, struct bytes previous,
                     uint8_t *out_hash)
{
    uint64_t bytes;
    lab_begin(lab);
    assert_int_equal(lab_save(lab, id, state, previous, out_hash, &bytes), 0);
    lab_end(lab, true);
    return bytes;
}

static void assert_saved(struct lab *lab, const uint8_t *hash, struct bytes state)
{
    lab_begin(lab);
    lab_assert_state(lab, hash, state);
    lab_end(lab, false);
}

static uint64_t delete (struct lab *lab, unsigned id)
{
    uint64_t freed;
    lab_begin(lab);
    assert_int_equal(lab_delete(lab, id, &freed), 0);
    lab_end(lab, true);
    return freed;
}

static void test_small_is_not_cut(void **state)
{
    static uint8_t data[CKPT_STATE_MIN];
    uint8_t hash[CKPT_HASH_BYTES] = {0};
    uint64_t bytes;
    bool cut = true;
    struct lab lab;
    (void)state;
    lab_open(&lab, "s");
    lab_begin(&lab);
    struct bytes small = {data, sizeof data - 1};
    assert_int_equal(ckpt_state_plan(&lab.space, small, BYTES_NONE, hash, &cut, &bytes), 0);
    assert_false(cut);
    assert_int_equal(bytes, 0);
    assert_int_equal(lab.txn.n_effects, 0);
    struct bytes enough = {data, sizeof data};
    assert_int_equal(ckpt_state_plan(&lab.space, enough, BYTES_NONE, hash, &cut, &bytes), 0);
    assert_true(cut);
    lab_end(&lab, false);
    lab_close(&lab);
}

static void test_steps(void **state)
{
    uint32_t seeds[100];
    uint8_t hashes[200][CKPT_HASH_BYTES];
    struct buf packed;
    struct lab lab;
    (void)state;
    lab_open(&lab, "a session");
    buf_init(&packed);
    for (uint32_t i = 0; i < LENGTH_OF(seeds); i++)
        seeds[i] = i;
    for (unsigned step = 0; step < LENGTH_OF(hashes); step++) {
        struct bytes previous = step == 0 ? BYTES_NONE : hash_bytes(hashes[step - 1]);
        seeds[step % LENGTH_OF(seeds)] = 1000 + step;
        pack_state(&packed, seeds, LENGTH_OF(seeds), 300);
        (void)save(&lab, step, buf_bytes(&packed), previous, hashes[step]);
        assert_saved(&lab, hashes[step], buf_bytes(&packed));
    }
    struct ckpt_recounted counts = lab_check(&lab);
    assert_int_equal(counts.manifests, LENGTH_OF(hashes));
    uint64_t freed = 0;
    for (unsigned step = 0; step < LENGTH_OF(hashes) - 1; step++)
        freed += delete (&lab, step);
    assert_saved(&lab, hashes[LENGTH_OF(hashes) - 1], buf_bytes(&packed)); /* the last one */
    counts = lab_check(&lab);
    assert_true(counts.manifests <= 1 + CKPT_DEPTH_MAX);
    freed += delete (&lab, LENGTH_OF(hashes) - 1);
    counts = lab_check(&lab);
    assert_int_equal(counts.manifests + counts.pieces, 0);
    assert_int_equal(fixture_check(lab.store), 0);
    buf_deinit(&packed);
    lab_close(&lab);
}

/* Whatever changes how much, the last checkpoint alone keeps no more than its state twice. */
static void test_chain_is_bounded(void **state)
{
    struct rng rng = {4};
    (void)state;
    for (size_t changed = 1; changed <= 100; changed = changed * 3 / 2 + 1) {
        uint32_t seeds[100] = {0};
        uint8_t hash[CKPT_HASH_BYTES], next[CKPT_HASH_BYTES];
        struct buf packed;
        struct lab lab;
        lab_open(&lab, "s");
        buf_init(&packed);
        for (unsigned step = 0; step < 80; step++) {
            size_t from = (size_t)rng_below(&rng, 100);
            for (size_t i = 0; i < changed; i++) /* together: large enough for pieces */
                seeds[(from + i) % 100] = (uint32_t)rng_next(&rng);
            pack_state(&packed, seeds, LENGTH_OF(seeds), 500);
            struct bytes previous = {hash, step == 0 ? 0 : sizeof hash};
            (void)save(&lab, step, buf_bytes(&packed), previous, next);
            memcpy(hash, next, sizeof hash);
            if (step > 0)
                (void)delete (&lab, step - 1);
            double kept = (double)lab_check(&lab).bytes;
            assert_true(kept < 2.1 * (double)packed.size);
            if (changed > 60)
                assert_true(kept < 1.1 * (double)packed.size); /* nothing of the one before */
        }
        buf_deinit(&packed);
        lab_close(&lab);
    }
}

/* The same state: the same manifest, whether found by comparing or by its hash. */
static void test_same_state(void **state)
{
    uint32_t seeds[20] = {0};
    uint8_t first[CKPT_HASH_BYTES], again[CKPT_HASH_BYTES];
    struct buf packed;
    struct lab lab;
    (void)state;
    lab_open(&lab, "s");
    buf_init(&packed);
    pack_state(&packed, seeds, LENGTH_OF(seeds), 500);
    assert_true(save(&lab, 1, buf_bytes(&packed), BYTES_NONE, first) > 0);
    size_t records = fixture_check(lab.store);
    assert_int_equal(save(&lab, 2, buf_bytes(&packed), hash_bytes(first), again), 0);
    assert_memory_equal(first, again, sizeof first);
    assert_int_equal(save(&lab, 3, buf_bytes(&packed), BYTES_NONE, again), 0);
    assert_memory_equal(first, again, sizeof first);
    assert_int_equal(save(&lab, 3, buf_bytes(&packed), hash_bytes(first), again), 0); /* replaced */
    assert_int_equal(fixture_check(lab.store), records + 2);
    (void)lab_check(&lab);
    assert_int_equal(delete (&lab, 1), 0);
    assert_int_equal(delete (&lab, 2), 0);
    (void)lab_check(&lab);
    assert_saved(&lab, first, buf_bytes(&packed));
    assert_true(delete (&lab, 3) > packed.size / 2);
    assert_int_equal(fixture_check(lab.store), 0);
    buf_deinit(&packed);
    lab_close(&lab);
}

/* What is planned and what goes in one transaction, in any order. */
static void test_within_one_transaction(void **state)
{
    uint32_t seeds[40] = {0};
    uint8_t a[CKPT_HASH_BYTES], b[CKPT_HASH_BYTES], c[CKPT_HASH_BYTES];
    struct buf one, two;
    uint64_t bytes;
    struct lab lab;
    (void)state;
    lab_open(&lab, "s");
    buf_init(&one);
    buf_init(&two);
    pack_state(&one, seeds, LENGTH_OF(seeds), 400);
    seeds[3] = 1;
    pack_state(&two, seeds, LENGTH_OF(seeds), 400);
    lab_begin(&lab);
    assert_int_equal(lab_save(&lab, 1, buf_bytes(&one), BYTES_NONE, a, &bytes), 0);
    assert_int_equal(lab_save(&lab, 2, buf_bytes(&two), hash_bytes(a), b, &bytes), 0);
    assert_true(bytes < 1000); /* on top of what is planned only */
    assert_int_equal(lab_delete(&lab, 1, &bytes), 0);
    assert_int_equal(bytes, 0); /* the base of the other */
    lab_assert_state(&lab, b, buf_bytes(&two));
    assert_int_equal(lab_delete(&lab, 2, &bytes), 0);
    assert_true(bytes > 10000);
    assert_int_equal(lab_save(&lab, 3, buf_bytes(&one), hash_bytes(a), c, &bytes), 0);
    lab_assert_state(&lab, c, buf_bytes(&one)); /* planned, deleted, planned */
    lab_end(&lab, true);
    (void)lab_check(&lab);
    assert_saved(&lab, c, buf_bytes(&one));
    lab_begin(&lab);
    assert_int_equal(lab_delete(&lab, 3, &bytes), 0);
    assert_int_equal(lab_save(&lab, 4, buf_bytes(&one), BYTES_NONE, c, &bytes), 0);
    assert_int_equal(lab_delete(&lab, 4, &bytes), 0);
    lab_end(&lab, true); /* stood, deleted, planned, deleted */
    assert_int_equal(fixture_check(lab.store), 0);
    buf_deinit(&one);
    buf_deinit(&two);
    lab_close(&lab);
}

/* ---- random operations against a copy of every state ---- */

enum { MODEL_IDS = 24, MODEL_STEPS = 1500, MODEL_ITEMS = 40 };

struct model {
    struct lab lab;
    struct rng rng;
    struct buf states[MODEL_IDS];  /* of each checkpoint; empty: there is none */
    struct buf items[MODEL_ITEMS]; /* values the next state is made of */
    size_t n_items;
};

static void model_random_bytes(struct model *model, struct buf *out, size_t size)
{
    out->size = 0;
    assert_int_equal(buf_reserve(out, size + 1), 0);
    for (; out->size < size; out->size++)
        out->data[out->size] = (uint8_t)rng_next(&model->rng);
}

/* Change a few things of what the next state is made of. */
static void model_change(struct model *model)
{
    for (uint64_t n = rng_below(&model->rng, 4); n > 0; n--) {
        size_t at = (size_t)rng_below(&model->rng, model->n_items + 1);
        struct buf *item = &model->items[at < MODEL_ITEMS ? at : 0];
        uint64_t what = rng_below(&model->rng, 8);
        if (at == model->n_items && at < MODEL_ITEMS)
            model->n_items++;
        if (what == 0 && model->n_items > 1) { /* one less: the others move */
            struct buf first = model->items[0];
            memmove(model->items, model->items + 1, (MODEL_ITEMS - 1) * sizeof first);
            model->items[MODEL_ITEMS - 1] = first;
            model->n_items--;
        } else if (what < 3 && item->size > 0) { /* a byte */
            item->data[rng_below(&model->rng, item->size)] ^= 1;
        } else if (what < 5) { /* longer */
            assert_int_equal(buf_append(item, "and something more", 18), 0);
        } else {
            model_random_bytes(model, item, (size_t)rng_below(&model->rng, what == 7 ? 9000 : 300));
        }
    }
}

/* A map with nested lists; or any bytes. Never smaller than what is cut. */
static void model_pack(struct model *model, struct buf *out)
{
    out->size = 0;
    bool opaque = rng_below(&model->rng, 8) == 0;
    if (!opaque) {
        assert_int_equal(pack_map(out, 2), 0);
        assert_int_equal(pack_str(out, bytes_of("messages")), 0);
        assert_int_equal(pack_array(out, model->n_items), 0);
    }
    for (size_t i = 0; i < model->n_items; i++) {
        struct bytes item = buf_bytes(&model->items[i]);
        if (opaque)
            assert_int_equal(buf_append(out, item.data, item.size), 0);
        else
            assert_int_equal(i % 3 == 0 ? pack_bin(out, item) : pack_str(out, item), 0);
    }
    if (!opaque) {
        assert_int_equal(pack_str(out, bytes_of("step")), 0);
        assert_int_equal(pack_uint(out, rng_below(&model->rng, 300)), 0);
    }
    while (out->size < CKPT_STATE_MIN)
        assert_int_equal(buf_append(out, "........", 8), 0);
}

static int model_save(struct model *model, struct buf *states)
{
    unsigned id = (unsigned)rng_below(&model->rng, MODEL_IDS);
    unsigned from = (unsigned)rng_below(&model->rng, MODEL_IDS);
    uint8_t previous[CKPT_HASH_BYTES], hash[CKPT_HASH_BYTES];
    bool has = lab_hash(&model->lab, from, previous);
    uint64_t bytes;
    model_change(model);
    model_pack(model, &states[id]);
    int err = lab_save(&model->lab, id, buf_bytes(&states[id]),
                       has ? hash_bytes(previous) : BYTES_NONE, hash, &bytes);
    if (err == 0)
        lab_assert_state(&model->lab, hash, buf_bytes(&states[id]));
    return err;
}

/* Some saves and deletes in one transaction, which is given up now and then, or finds no memory. */
static void model_step(struct model *model)
{
    struct buf states[MODEL_IDS];
    bool commit = rng_below(&model->rng, 5) != 0, fails = rng_below(&model->rng, 6) == 0;
    uint64_t freed;
    int err = 0;
    for (unsigned i = 0; i < MODEL_IDS; i++) {
        buf_init(&states[i]);
        assert_int_equal(buf_append(&states[i], model->states[i].data, model->states[i].size), 0);
    }
    lab_begin(&model->lab);
    if (fails)
        mem_fail_after((unsigned long)rng_below(&model->rng, 60) + 1, 1);
    for (uint64_t n = 1 + rng_below(&model->rng, 3); n > 0 && err == 0; n--) {
        unsigned id = (unsigned)rng_below(&model->rng, MODEL_IDS);
        if (!fails && rng_below(&model->rng, 3) != 0) {
            err = model_save(model, states);
        } else {
            states[id].size = 0;
            err = lab_delete(&model->lab, id, &freed);
        }
    }
    assert_true(err == 0 || fails);
    mem_fail_after(0, 0);
    commit = commit && err == 0;
    lab_end(&model->lab, commit);
    for (unsigned i = 0; i < MODEL_IDS; i++) {
        struct buf keep = commit ? states[i] : model->states[i];
        buf_deinit(commit ? &model->states[i] : &states[i]);
        model->states[i] = keep;
    }
}

static void model_check(struct model *model)
{
    uint8_t hash[CKPT_HASH_BYTES];
    (void)lab_check(&model->lab);
    lab_begin(&model->lab);
    for (unsigned i = 0; i < MODEL_IDS; i++) {
        assert_int_equal(lab_hash(&model->lab, i, hash), model->states[i].size > 0);
        if (model->states[i].size > 0)
            lab_assert_state(&model->lab, hash, buf_bytes(&model->states[i]));
    }
    lab_end(&model->lab, false);
}

static void test_random(void **state)
{
    static struct model model;
    const char *seed = getenv("SEED");
    (void)state;
    model = (struct model){.rng = {seed != NULL ? strtoull(seed, NULL, 0) : 6}};
    printf("SEED=%llu\n", (unsigned long long)model.rng.state);
    lab_open(&model.lab, "a session of the model");
    for (unsigned step = 0; step < MODEL_STEPS; step++) {
        model_step(&model);
        if (step % 10 == 0)
            model_check(&model);
    }
    model_check(&model);
    for (unsigned i = 0; i < MODEL_IDS; i++)
        (void)delete (&model.lab, i);
    assert_int_equal(fixture_check(model.lab.store), 0);
    for (unsigned i = 0; i < MODEL_IDS; i++)
        buf_deinit(&model.states[i]);
    for (unsigned i = 0; i < MODEL_ITEMS; i++)
        buf_deinit(&model.items[i]);
    lab_close(&model.lab);
}

/* No memory at any allocation of a save and a delete. */
static void test_no_memory(void **state)
{
    uint32_t seeds[30] = {0};
    uint8_t a[CKPT_HASH_BYTES], b[CKPT_HASH_BYTES];
    struct buf one, two;
    struct lab lab;
    int err = ERR_OUT_OF_MEMORY;
    (void)state;
    lab_open(&lab, "s");
    buf_init(&one);
    buf_init(&two);
    pack_state(&one, seeds, LENGTH_OF(seeds), 400);
    for (size_t i = 0; i < 10; i++)
        seeds[i * 3] = (uint32_t)i + 1;
    pack_state(&two, seeds, LENGTH_OF(seeds), 400);
    (void)save(&lab, 1, buf_bytes(&one), BYTES_NONE, a);
    for (unsigned long n = 1; err != 0; n++) {
        uint64_t bytes;
        lab_begin(&lab);
        mem_fail_after(n, 0);
        err = lab_save(&lab, 1, buf_bytes(&two), hash_bytes(a), b, &bytes);
        if (err == 0)
            err = lab_save(&lab, 2, buf_bytes(&two), BYTES_NONE, b, &bytes);
        if (err == 0)
            err = lab_delete(&lab, 1, &bytes);
        mem_fail_after(0, 0);
        assert_true(err == 0 || err == ERR_OUT_OF_MEMORY);
        lab_end(&lab, err == 0);
        (void)lab_check(&lab);
        assert_saved(&lab, err == 0 ? b : a, buf_bytes(err == 0 ? &two : &one));
        if (err == 0)
            assert_true(n > 10);
    }
    buf_deinit(&one);
    buf_deinit(&two);
    lab_close(&lab);
}

/* ---- damage ---- */

/* Put a piece of this content there, under any hash. */
static void put_piece(struct lab *lab, enum ckpt_piece_type type, uint8_t name,
                      struct bytes content)
{
    uint8_t hash[CKPT_HASH_BYTES] = {name};
    uint64_t bytes = 0;
    bool new;
    lab_begin(lab);
    assert_int_equal(ckpt_piece_add(&lab->space, type, hash_bytes(hash), content, &new, &bytes), 0);
    lab_end(lab, true);
}

static int read_err(struct lab *lab, uint8_t name)
{
    uint8_t hash[CKPT_HASH_BYTES] = {name};
    struct buf out;
    buf_init(&out);
    lab_begin(lab);
    int err = ckpt_state_read(&lab->space, hash_bytes(hash), &out);
    if (err != 0)
        assert_int_equal(out.size, 0);
    buf_deinit(&out);
    lab_end(lab, false);
    return err;
}

struct bad {
    const char *what;
    struct bytes content;
    bool good;
};

#define BAD(what, text)                                                                            \
    {                                                                                              \
        what, {(const uint8_t *)(text), sizeof(text) - 1}, false                                   \
    }
#define GOOD(what, text)                                                                           \
    {                                                                                              \
        what, {(const uint8_t *)(text), sizeof(text) - 1}, true                                    \
    }
#define HASH(name) name "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

static void test_damaged_manifests(void **state)
{
    /* Base 'a': five bytes. Piece 'p': three bytes. */
    static const struct bad cases[] = {
        GOOD("a base", "\1\0\5\24hello"),
        BAD("nothing", ""),
        BAD("a format to come", "\2\0\5\24hello"),
        BAD("no size", "\1\0"),
        BAD("a size that does not end", "\1\0\xff\xff\xff\xff\xff\1"),
        BAD("more than a state may have", "\1\0\x81\x80\x80\x80\4\24hello"),
        BAD("less than the size", "\1\0\6\24hello"),
        BAD("more than the size", "\1\0\4\24hello"),
        BAD("cut", "\1\0\5\24hell"),
        BAD("an empty part", "\1\0\5\24hello\0"),
        BAD("an unknown part", "\1\0\5\27hello"),
        BAD("a range without a base", "\1\0\5\26\0"),
        GOOD("a piece", "\1\0\3\15" HASH("p")),
        BAD("a piece that is not there", "\1\0\3\15" HASH("q")),
        BAD("a piece of another size", "\1\0\4\21" HASH("p")),
        BAD("half a hash", "\1\0\3\15p\0\0\0"),
        GOOD("a range", "\1\1\2" HASH("a") "\12\3"),
        BAD("a range behind the end", "\1\1\3" HASH("a") "\16\3"),
        BAD("a range that begins there", "\1\1\1" HASH("a") "\6\5"),
        BAD("a base that is not there", "\1\1\2" HASH("x") "\12\3"),
        BAD("half a base", "\1\1\2a\0\0"),
        BAD("a base of another depth", "\1\2\2" HASH("a") "\12\3"),
        BAD("too deep", "\1\101\2" HASH("a") "\12\3"),
        BAD("its own base", "\1\1\2" HASH("m") "\12\3"),
    };
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        uint8_t hash[CKPT_HASH_BYTES] = {'m'};
        struct ckpt_recounted counts;
        uint64_t freed;
        struct lab lab;
        lab_open(&lab, "s");
        put_piece(&lab, CKPT_MANIFEST, 'a', cases[0].content);
        put_piece(&lab, CKPT_PIECE, 'p', bytes_of("one"));
        put_piece(&lab, CKPT_MANIFEST, 'm', cases[i].content);
        int expected = cases[i].good ? 0 : ERR_DATA_DAMAGED;
        if (read_err(&lab, 'm') != expected)
            fail_msg("%s: %s", cases[i].what, cases[i].good ? "refused" : "taken");
        lab_begin(&lab);
        assert_int_equal(ckpt_state_verify(&lab.space, hash_bytes(hash)), ERR_DATA_DAMAGED);
        assert_int_equal(ckpt_state_unref(&lab.space, hash_bytes(hash), &freed), 0);
        lab_end(&lab, true);
        ckpt_state_recount(lab.store, lab_manifest_of, &counts);
        lab_close(&lab);
    }
}

/* A chain may be so deep, and no deeper, also if somebody else made it. */
static void test_depth(void **state)
{
    struct buf content;
    struct lab lab;
    (void)state;
    lab_open(&lab, "s");
    buf_init(&content);
    put_piece(&lab, CKPT_MANIFEST, 1, (struct bytes){(const uint8_t *)"\1\0\5\24hello", 9});
    for (uint8_t depth = 1; depth <= CKPT_DEPTH_MAX + 8; depth++) {
        uint8_t head[] = {1, depth, 5, depth};
        content.size = 0;
        assert_int_equal(buf_append(&content, head, sizeof head), 0);
        assert_int_equal(buf_append(&content, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\26\0", 17), 0);
        put_piece(&lab, CKPT_MANIFEST, (uint8_t)(depth + 1), buf_bytes(&content));
        assert_int_equal(read_err(&lab, (uint8_t)(depth + 1)),
                         depth <= CKPT_DEPTH_MAX ? 0 : ERR_DATA_DAMAGED);
    }
    buf_deinit(&content);
    lab_close(&lab);
}

/* Change a byte of the content of every piece. */
static void damage_all(struct lab *lab)
{
    for (unsigned p = 0; p < lab->store->n_partitions; p++) {
        struct omap_iter iter;
        struct record *record;
        omap_seek(&lab->store->partitions[p].order, NULL, &iter);
        while ((record = omap_next(&iter)) != NULL)
            if (record_kind_of(record) == KIND_piece)
                ((uint8_t *)(uintptr_t)record_value(record).data)[RECORD_COUNT_BYTES + 5] ^= 1;
    }
}

/* What cannot be read is no base: the state is stored whole. */
static void test_damaged_previous(void **state)
{
    uint32_t seeds[30] = {0};
    uint8_t first[CKPT_HASH_BYTES], second[CKPT_HASH_BYTES], other[CKPT_HASH_BYTES] = {9};
    struct buf packed;
    struct lab lab;
    (void)state;
    lab_open(&lab, "s");
    buf_init(&packed);
    pack_state(&packed, seeds, LENGTH_OF(seeds), 400);
    (void)save(&lab, 1, buf_bytes(&packed), BYTES_NONE, first);
    damage_all(&lab);
    lab_begin(&lab);
    assert_int_equal(ckpt_state_verify(&lab.space, hash_bytes(first)), ERR_DATA_DAMAGED);
    lab_end(&lab, false);
    for (size_t i = 0; i < LENGTH_OF(seeds); i++)
        seeds[i] = (uint32_t)i + 1;
    pack_state(&packed, seeds, LENGTH_OF(seeds), 400);
    assert_true(save(&lab, 2, buf_bytes(&packed), hash_bytes(first), second) > packed.size);
    assert_saved(&lab, second, buf_bytes(&packed));
    assert_int_equal(save(&lab, 3, buf_bytes(&packed), hash_bytes(other), second), 0);
    assert_int_equal(save(&lab, 4, buf_bytes(&packed), bytes_of("no hash"), second), 0);
    assert_saved(&lab, second, buf_bytes(&packed));
    buf_deinit(&packed);
    lab_close(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_is_not_cut),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_chain_is_bounded),
        cmocka_unit_test(test_same_state),
        cmocka_unit_test(test_within_one_transaction),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_damaged_manifests),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_damaged_previous),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
