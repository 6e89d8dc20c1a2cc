/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What workers do for an index: a tail of any length is linked, and writers are told when it is too
 * long; auto becomes a graph when it is large; half of a collection deleted and put again ten times
 * leaves neither tombstones nor memory behind, and is still found; writers that wait for room take
 * no more slots than there should be.
 *
 * CAIRN_SEED sets the seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/vindex.h"

#include "tests/unit/server/store/collection.h"

enum { CHURNS = 10, FOUND_OF = 200 };

static uint64_t seed;

static struct store *open_with_workers(void)
{
    struct store *store = fixture_open(4, 4);
    assert_int_equal(workers_start(2, &store->workers), 0);
    return store;
}

static void close_with_workers(struct store *store)
{
    workers_stop(store->workers);
    store->workers = NULL;
    store_destroy(store);
}

static struct vindex_figures figures_of(struct collection *c)
{
    struct vindex_figures figures;
    struct vindex *vindex = collection_index(c);
    vindex_figures(vindex, &figures);
    vindex_unref(vindex);
    return figures;
}

/* How many of the vectors are the first that a search for them finds. */
static unsigned found_of(struct collection *c)
{
    struct vindex *vindex = collection_index(c);
    struct vindex_searcher *searcher = vindex_searcher_create();
    unsigned found = 0;
    for (unsigned key = 0; key < FOUND_OF; key++) {
        struct vindex_query query = {.vector = c->vectors[key], .k = 1};
        struct vindex_result result;
        vindex_enter(vindex);
        assert_int_equal(vindex_search(vindex, searcher, &query, 1, &result), 0);
        found += result.count == 1 && collection_number(result.hits[0].record) == key;
        vindex_leave(vindex);
    }
    vindex_searcher_destroy(searcher);
    vindex_unref(vindex);
    return found;
}

/* A collection with all its keys. */
static void fill(struct collection *c, struct store *store, enum vec_index index, uint32_t m,
                 uint32_t ef_construction)
{
    struct vec_config config = {.index = index, .m = m, .ef_construction = ef_construction};
    collection_open(c, store, &config, seed);
    for (unsigned key = 0; key < COLLECTION_KEYS; key++)
        collection_upsert(c, key);
}

/* Until nothing is to be done any more. */
static void wait_idle(struct collection *c)
{
    struct vindex *vindex = collection_index(c);
    bool busy = true;
    while (busy) {
        vindex_schedule(vindex);
        busy = atomic_load(&vindex->tasks[0].busy) || atomic_load(&vindex->mending);
        (void)sched_yield();
    }
    vindex_unref(vindex);
}

/* What a writer does who has `more` vectors: wait, and help. */
static void wait_for_room(struct collection *c, size_t more)
{
    struct vindex *vindex = collection_index(c);
    struct partition *partition = collection_partition(c);
    for (bool crowded = true; crowded;) {
        partition_lock(partition);
        crowded = vindex_is_crowded(vindex, more);
        partition_unlock(partition);
        vindex_help(vindex, workers_count(c->store->workers)); /* as one more worker */
        (void)sched_yield();
    }
    vindex_unref(vindex);
}

/* Slots are not many more than the vectors, however fast they go and come. */
static void slots_are_bounded(void **state)
{
    enum { BATCH = 20, MOST = COLLECTION_KEYS + VINDEX_SPARE_MIN + BATCH };
    struct store *store = open_with_workers();
    struct collection c;
    (void)state;
    fill(&c, store, VEC_HNSW, 8, 60);
    collection_settle(&c);
    struct vindex *vindex = collection_index(&c);
    for (unsigned at = 0; at < CHURNS * COLLECTION_KEYS; at += BATCH) { /* all replaced */
        wait_for_room(&c, BATCH);
        for (unsigned key = at; key < at + BATCH; key++)
            collection_upsert(&c, key % COLLECTION_KEYS);
        assert_in_range(vindex->rows.n_slots, COLLECTION_KEYS, MOST);
    }
    for (unsigned key = 0; key < COLLECTION_KEYS; key++)
        collection_delete(&c, key);
    for (unsigned at = 0; at < COLLECTION_KEYS; at += BATCH) {
        wait_for_room(&c, BATCH);
        for (unsigned key = at; key < at + BATCH; key++)
            collection_upsert(&c, key);
        assert_in_range(vindex->rows.n_slots, COLLECTION_KEYS, MOST);
    }
    vindex_unref(vindex);
    collection_settle(&c);
    assert_true(found_of(&c) > FOUND_OF * 93 / 100);
    close_with_workers(store);
}

static void churn(void **state)
{
    struct store *store = open_with_workers();
    struct collection c;
    uint64_t first = 0;
    (void)state;
    fill(&c, store, VEC_HNSW, 8, 60);
    collection_settle(&c);
    assert_true(found_of(&c) > FOUND_OF * 95 / 100);
    for (int i = 0; i < CHURNS; i++) {
        for (unsigned key = i % 2; key < COLLECTION_KEYS; key += 2)
            collection_delete(&c, key);
        wait_idle(&c);
        for (unsigned key = i % 2; key < COLLECTION_KEYS; key += 2)
            collection_upsert(&c, key);
        collection_settle(&c);
        wait_idle(&c);
        struct vindex_figures figures = figures_of(&c);
        first = i == 0 ? figures.bytes : first;
        assert_int_equal(figures.count, COLLECTION_KEYS);
        assert_true(figures.tombstones <= VINDEX_DEAD_MIN + COLLECTION_KEYS / VINDEX_DEAD_SHARE);
        assert_true(figures.bytes <= first + first / 10);
        assert_true(found_of(&c) > FOUND_OF * 93 / 100);
    }
    struct vindex *vindex = collection_index(&c);
    assert_true(hnsw_sound(atomic_load(&vindex->hnsw)));
    vindex_unref(vindex);
    close_with_workers(store);
}

/* Without workers nothing is linked, and everything found. */
static void no_workers(void **state)
{
    struct store *store = fixture_open(4, 1);
    struct collection c;
    (void)state;
    fill(&c, store, VEC_HNSW, 8, 60);
    assert_int_equal(figures_of(&c).tail, COLLECTION_KEYS);
    assert_int_equal(found_of(&c), FOUND_OF);
    struct vindex *vindex = collection_index(&c);
    assert_false(vindex_is_behind(vindex));
    assert_false(vindex_is_crowded(vindex, 1000000));
    vindex_unref(vindex);
    store_destroy(store);
}

/* A vector that is told of nowhere else. */
static void put_plain(struct collection *c, unsigned key)
{
    uint8_t bytes[GROUP_PREFIX_MAX + 2];
    struct record_key record_key = collection_key(c, key, bytes);
    struct buf value = {0};
    float vector[COLLECTION_DIM];
    collection_random_vector(&c->rng, vector);
    assert_int_equal(vec_write_vector(&value, COLLECTION_DIM, VEC_BIN, vector, BYTES_NONE), 0);
    collection_change(c, &record_key, buf_bytes(&value));
    buf_deinit(&value);
}

static void automatic(void **state)
{
    struct store *store = open_with_workers();
    struct collection c;
    (void)state;
    fill(&c, store, VEC_AUTO, 4, 10);
    wait_idle(&c);
    assert_false(figures_of(&c).graph);
    for (unsigned key = 0; key < VEC_AUTO_FROM; key++) /* keys of two bytes, as many as it takes */
        put_plain(&c, key);
    collection_settle(&c);
    assert_true(figures_of(&c).graph);
    assert_int_equal(figures_of(&c).linked, VEC_AUTO_FROM);
    close_with_workers(store);
}

int main(void)
{
    seed = collection_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(churn),
        cmocka_unit_test(slots_are_bounded),
        cmocka_unit_test(no_workers),
        cmocka_unit_test(automatic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
