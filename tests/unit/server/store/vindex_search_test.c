/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a search returns besides the nearest: equal scores by key, the first keys of many that
 * are as far; all of the k there are, whatever the filter, by walk or by scan; min_score;
 * several queries at once; what it would cost.
 *
 * CAIRN_SEED sets the seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/vindex.h"

#include "proto/filter.h"
#include "tests/unit/server/store/collection.h"

enum { MANY = 200 };

static uint64_t seed;

struct rig {
    struct store *store;
    struct collection c;
    struct vindex *vindex;
    struct vindex_searcher *searcher;
};

static void rig_open(struct rig *rig, enum vec_index index)
{
    struct vec_config config = {.metric = METRIC_L2, .index = index, .m = 8, .ef_construction = 60};
    rig->store = fixture_open(4, 4);
    assert_int_equal(workers_start(2, &rig->store->workers), 0);
    collection_open(&rig->c, rig->store, &config, seed);
    rig->vindex = collection_index(&rig->c);
    rig->searcher = vindex_searcher_create();
}

static void rig_close(struct rig *rig)
{
    vindex_searcher_destroy(rig->searcher);
    vindex_unref(rig->vindex);
    workers_stop(rig->store->workers);
    rig->store->workers = NULL;
    store_destroy(rig->store);
}

static struct vindex_result run(struct rig *rig, const struct vindex_query *query)
{
    struct vindex_result result;
    vindex_enter(rig->vindex);
    assert_int_equal(vindex_search(rig->vindex, rig->searcher, query, 1, &result), 0);
    vindex_leave(rig->vindex); /* nobody writes */
    return result;
}

/* All with one vector, in any order of keys: the first keys. */
static void ties(void **state)
{
    struct rig rig;
    float vector[COLLECTION_DIM] = {1};
    struct vindex_query query = {.vector = vector, .k = 7, .exact = true};
    (void)state;
    rig_open(&rig, VEC_FLAT);
    for (unsigned i = 0; i < MANY; i++) {
        unsigned key = i * 77 % MANY; /* each once */
        rig.c.vectors[key][0] = key == 150 ? 1 : 2;
        collection_write(&rig.c, key);
    }
    struct vindex_result result = run(&rig, &query);
    assert_int_equal(result.count, 7);
    assert_int_equal(collection_number(result.hits[0].record), 150);
    for (unsigned i = 1; i < 7; i++)
        assert_int_equal(collection_number(result.hits[i].record), i - 1);
    query.k = MANY * 2;
    result = run(&rig, &query);
    assert_int_equal(result.count, MANY);
    for (unsigned i = 2; i < MANY; i++)
        assert_true(collection_number(result.hits[i - 1].record) <
                    collection_number(result.hits[i].record));
    rig_close(&rig);
}

/* Tag 0: one of all; 1: a fiftieth; 2: half; 3: the rest. */
static uint8_t tag_of(unsigned key)
{
    return key == 321 ? 0 : key % 50 == 7 ? 1 : key % 2 == 0 ? 2 : 3;
}

static void filters(void **state)
{
    static struct filter filter;
    struct problem problem;
    struct rig rig;
    float vector[COLLECTION_DIM];
    (void)state;
    rig_open(&rig, VEC_HNSW);
    for (unsigned key = 0; key < COLLECTION_KEYS; key++) {
        collection_random_vector(&rig.c.rng, rig.c.vectors[key]);
        rig.c.tags[key] = tag_of(key);
        collection_write(&rig.c, key);
    }
    collection_settle(&rig.c);
    for (unsigned tag = 0; tag < 5; tag++) {
        uint8_t text[4] = {0x81, 0xa1, 't', (uint8_t)tag}; /* 4: none has it */
        struct vindex_query query = {.vector = vector, .k = COLLECTION_K, .filter = &filter};
        assert_int_equal(filter_compile(&filter, (struct bytes){text, sizeof text}, &problem), 0);
        for (int i = 0; i < 20; i++) {
            double kth = 0;
            collection_random_vector(&rig.c.rng, vector);
            struct vindex_result result = run(&rig, &query);
            size_t n = tag == 4 ? 0 : collection_best(&rig.c, vector, tag, COLLECTION_K, &kth);
            assert_int_equal(result.count, n);
            for (size_t j = 0; j < n; j++)
                assert_int_equal(rig.c.tags[collection_number(result.hits[j].record)], tag);
            assert_true(!result.exact || n == 0 || result.hits[n - 1].score > kth - 1e-5);
        }
    }
    rig_close(&rig);
}

static void min_score(void **state)
{
    struct rig rig;
    float vector[COLLECTION_DIM];
    struct vindex_query query = {.vector = vector, .k = COLLECTION_KEYS, .exact = true};
    (void)state;
    rig_open(&rig, VEC_FLAT);
    for (unsigned key = 0; key < COLLECTION_KEYS; key++)
        collection_upsert(&rig.c, key);
    for (int i = 0; i < 20; i++) {
        collection_random_vector(&rig.c.rng, vector);
        query.has_min_score = false;
        struct vindex_result all = run(&rig, &query);
        assert_int_equal(all.count, COLLECTION_KEYS);
        query.has_min_score = true;
        query.min_score = (all.hits[99].score + all.hits[100].score) / 2;
        assert_int_equal(run(&rig, &query).count, 100);
        query.min_score = 1.5;
        assert_int_equal(run(&rig, &query).count, 0);
    }
    rig_close(&rig);
}

static void many(void **state)
{
    enum { QUERIES = 9 };
    struct rig rig;
    float vectors[QUERIES][COLLECTION_DIM];
    struct vindex_query queries[QUERIES];
    struct vindex_result results[QUERIES];
    (void)state;
    rig_open(&rig, VEC_FLAT);
    for (unsigned key = 0; key < COLLECTION_KEYS; key++)
        collection_upsert(&rig.c, key);
    for (unsigned i = 0; i < QUERIES; i++) {
        collection_random_vector(&rig.c.rng, vectors[i]);
        queries[i] = (struct vindex_query){.vector = vectors[i], .k = i + 1};
    }
    vindex_enter(rig.vindex);
    assert_int_equal(vindex_search(rig.vindex, rig.searcher, queries, QUERIES, results), 0);
    for (unsigned i = 0; i < QUERIES; i++) {
        double kth;
        assert_int_equal(results[i].count, i + 1);
        (void)collection_best(&rig.c, vectors[i], 4, i + 1, &kth);
        assert_true(fabs(results[i].hits[i].score - kth) < 1e-5);
        assert_true(results[i].exact);
    }
    vindex_leave(rig.vindex);
    rig_close(&rig);
}

/* Queries of every kind in one call, so that some share a pass and others walk: each finds what it
 * finds alone. */
static void mixed(enum vec_index index)
{
    enum { QUERIES = 70 };
    static struct filter filter;
    struct problem problem;
    struct rig rig;
    float vectors[QUERIES][COLLECTION_DIM];
    struct vindex_query queries[QUERIES];
    struct vindex_result results[QUERIES];
    struct vindex_searcher *other = vindex_searcher_create();
    const uint8_t text[] = {0x81, 0xa1, 't', 2};
    rig_open(&rig, index);
    assert_int_equal(filter_compile(&filter, (struct bytes){text, sizeof text}, &problem), 0);
    for (unsigned key = 0; key < COLLECTION_KEYS; key++)
        collection_upsert(&rig.c, key);
    collection_settle(&rig.c);
    for (unsigned i = 0; i < QUERIES; i++) {
        collection_random_vector(&rig.c.rng, vectors[i]);
        queries[i] = (struct vindex_query){.vector = vectors[i],
                                           .k = 1 + rng_below(&rig.c.rng, 30),
                                           .ef = rng_below(&rig.c.rng, 3) * 200,
                                           .exact = i < 40 || i % 3 == 0,
                                           .filter = i % 4 == 1 ? &filter : NULL,
                                           .has_min_score = i % 5 == 2,
                                           .min_score = 0.2};
    }
    vindex_enter(rig.vindex);
    assert_int_equal(vindex_search(rig.vindex, rig.searcher, queries, QUERIES, results), 0);
    for (unsigned i = 0; i < QUERIES; i++) {
        struct vindex_result alone;
        assert_int_equal(vindex_search(rig.vindex, other, &queries[i], 1, &alone), 0);
        assert_int_equal(results[i].count, alone.count);
        if (queries[i].exact) /* a walk with a filter is planned by how long others took */
            assert_true(results[i].exact && results[i].scanned == alone.scanned);
        for (size_t j = 0; j < alone.count && results[i].exact == alone.exact; j++) {
            assert_ptr_equal(results[i].hits[j].record, alone.hits[j].record);
            assert_true(results[i].hits[j].score == alone.hits[j].score);
        }
    }
    vindex_leave(rig.vindex);
    vindex_searcher_destroy(other);
    rig_close(&rig);
}

static void together(void **state)
{
    (void)state;
    mixed(VEC_FLAT);
    mixed(VEC_HNSW);
}

/* A walk that would meet about every row is none. */
static void looks_at_all(void **state)
{
    struct rig rig;
    float vector[COLLECTION_DIM] = {1};
    struct vindex_query query = {.vector = vector, .k = 10};
    (void)state;
    rig_open(&rig, VEC_HNSW);
    for (unsigned key = 0; key < COLLECTION_KEYS; key++)
        collection_upsert(&rig.c, key);
    collection_settle(&rig.c);
    assert_false(run(&rig, &query).exact);
    query.ef = COLLECTION_KEYS / 2 - 1;
    assert_false(run(&rig, &query).exact);
    query.ef = COLLECTION_KEYS / 2;
    struct vindex_result result = run(&rig, &query);
    assert_true(result.exact);
    assert_int_equal(result.scanned, COLLECTION_KEYS);
    query.ef = 0;
    query.k = COLLECTION_KEYS / 2; /* ef is at least that */
    assert_true(run(&rig, &query).exact);
    rig_close(&rig);
}

static void cost(void **state)
{
    struct rig rig;
    float vector[COLLECTION_DIM] = {1};
    struct vindex_query query = {.vector = vector, .k = 10};
    (void)state;
    rig_open(&rig, VEC_FLAT);
    assert_int_equal(run(&rig, &query).count, 0);
    uint64_t empty = vindex_cost_ns(rig.vindex, &query);
    for (unsigned key = 0; key < COLLECTION_KEYS; key++)
        collection_upsert(&rig.c, key);
    assert_true(vindex_cost_ns(rig.vindex, &query) > empty);
    rig_close(&rig);
}

int main(void)
{
    seed = collection_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ties), cmocka_unit_test(filters),  cmocka_unit_test(min_score),
        cmocka_unit_test(many), cmocka_unit_test(together), cmocka_unit_test(looks_at_all),
        cmocka_unit_test(cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
