/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Graphs in snapshots: what is saved is there again without being built, and finds the same; what
 * changed behind the snapshot, by the log or while it was made, is found as well; while it is made
 * no slot is used again.
 *
 * CAIRN_SEED sets the seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/vindex_file.h"

#include "tests/unit/server/store/collection.h"

static uint64_t seed;

static const struct vec_config config = {.index = VEC_HNSW, .m = 8, .ef_construction = 60};

struct saved_world {
    struct logged logged;
    struct collection c;
};

static void world_begin(struct saved_world *world)
{
    struct replay_report report = {0};
    struct store *store = fixture_open(8, 4);
    logged_open(&world->logged);
    logged_begin(&world->logged, store, &report.end);
    assert_int_equal(workers_start(2, &store->workers), 0);
    collection_open(&world->c, store, &config, seed);
    for (unsigned key = 0; key < COLLECTION_KEYS; key++)
        collection_upsert(&world->c, key);
    collection_settle(&world->c);
}

static void world_end(struct saved_world *world)
{
    struct store *store = world->c.store;
    workers_stop(store->workers);
    store->workers = NULL;
    logged_end(store);
    store_destroy(store);
    logged_close(&world->logged);
}

static void save_all(struct saved_world *world)
{
    struct save_options options = saved_options(&world->logged);
    struct save_report report;
    assert_int_equal(save_run(world->c.store, &options, &report), 0);
}

/* Keys and scores of one search. */
struct found {
    size_t count;
    unsigned keys[COLLECTION_K];
};

static struct found find(const struct collection *c, const float *vector, bool exact)
{
    struct vindex *vindex = collection_index(c);
    struct vindex_searcher *searcher = vindex_searcher_create();
    struct vindex_query query = {.vector = vector, .k = COLLECTION_K, .exact = exact};
    struct vindex_result result;
    struct found found = {0};
    vindex_enter(vindex);
    assert_int_equal(vindex_search(vindex, searcher, &query, 1, &result), 0);
    found.count = result.count;
    for (size_t i = 0; i < result.count; i++)
        found.keys[i] = collection_number(result.hits[i].record);
    vindex_leave(vindex);
    vindex_unref(vindex);
    vindex_searcher_destroy(searcher);
    return found;
}

static struct vindex_figures figures_of(const struct collection *c)
{
    struct vindex_figures figures;
    struct vindex *vindex = collection_index(c);
    vindex_figures(vindex, &figures);
    vindex_unref(vindex);
    return figures;
}

/* The same keys; those that are not there are for the caller to know. */
static void check_same(struct collection *c, const struct collection *other, bool exact)
{
    for (int i = 0; i < 50; i++) {
        float vector[COLLECTION_DIM];
        collection_random_vector(&c->rng, vector);
        struct found a = find(c, vector, exact), b = find(other, vector, exact);
        assert_int_equal(a.count, b.count);
        assert_memory_equal(a.keys, b.keys, a.count * sizeof a.keys[0]);
    }
}

static struct collection other_of(const struct saved_world *world, struct store *store)
{
    struct collection other = world->c;
    other.store = store;
    return other;
}

static void not_built_again(void **state)
{
    struct saved_world world;
    (void)state;
    world_begin(&world);
    save_all(&world);
    for (unsigned n = 1; n <= 3; n += 2) {
        struct store *back = saved_load(&world.logged, n, false);
        struct collection other = other_of(&world, back);
        struct vindex_figures figures = figures_of(&other);
        assert_int_equal(figures.linked, COLLECTION_KEYS);
        assert_int_equal(figures.tail, 0);
        check_same(&world.c, &other, false);
        store_destroy(back);
    }
    world_end(&world);
}

static void changes_behind(void **state)
{
    struct saved_world world;
    (void)state;
    world_begin(&world);
    save_all(&world);
    for (int i = 0; i < 200; i++)
        collection_step(&world.c);
    assert_true(wal_wait_durable(world.c.store->wal, atomic_load(&world.c.store->version)));
    struct store *back = saved_load(&world.logged, 1, true);
    struct collection other = other_of(&world, back);
    struct vindex_figures figures = figures_of(&other);
    assert_true(figures.linked > COLLECTION_KEYS / 3);
    assert_true(figures.tail > 0);
    check_same(&world.c, &other, true);
    assert_int_equal(workers_start(2, &back->workers), 0);
    workers_stop(back->workers); /* the index was made without: it has no tasks */
    back->workers = NULL;
    check_same(&world.c, &other, true);
    store_destroy(back);
    world_end(&world);
}

/* Steps between the parts. */
static void changes_meanwhile(void **state)
{
    struct saved_world world;
    struct buf part = {0};
    bool done = false;
    uint32_t slot = 0;
    uint64_t nodes = 0, all = 0;
    (void)state;
    world_begin(&world);
    struct vindex *vindex = collection_index(&world.c);
    vindex_pin(vindex, true);
    while (!done) {
        part.size = 0;
        assert_int_equal(vindex_save_part(vindex, &slot, &part, &done), 0);
        assert_true(vindex_check_part(buf_bytes(&part), &nodes));
        all += nodes;
        for (int i = 0; i < 100; i++)
            collection_step(&world.c);
    }
    assert_true(atomic_load(&vindex->rows.n_slots) > COLLECTION_KEYS);
    vindex_pin(vindex, false);
    assert_true(all >= COLLECTION_KEYS / 2);
    vindex_unref(vindex);
    buf_deinit(&part);
    world_end(&world);
}

static void only_graphs(void **state)
{
    struct store *store = fixture_open(4, 1);
    struct vec_config flat = {.index = VEC_FLAT, .m = 8, .ef_construction = 60};
    struct collection c;
    struct buf list = {0};
    (void)state;
    collection_open(&c, store, &flat, seed);
    collection_upsert(&c, 1);
    assert_int_equal(vindex_list_graphs(collection_partition(&c), &list), 0);
    assert_int_equal(list.size, 0);
    buf_deinit(&list);
    store_destroy(store);
}

int main(void)
{
    seed = collection_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_built_again),
        cmocka_unit_test(changes_behind),
        cmocka_unit_test(changes_meanwhile),
        cmocka_unit_test(only_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
