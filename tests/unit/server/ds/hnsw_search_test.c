/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Searching: what a search may be told, and rows that die before it or meanwhile.
 */
#include "tests/unit/server/ds/hnsw_world.h"

static bool accept_tenth(void *context, const void *item)
{
    ++*(unsigned *)context;
    return ((const struct item *)item)->id % 10 == 3;
}

static void what_a_search_is_told(void **state)
{
    (void)state;
    enum { N = 600, TENTH = N / 10 };
    struct world world;
    unsigned asked = 0;
    struct hit hits[TENTH + 10], exact[N];
    float vector[16];
    world_open(&world, 16, METRIC_L2, false, true, 8, 40);
    world_fill(&world, 0, N);
    world_vector(&world, &world.rng, vector);
    assert_int_equal(world_exact(&world, vector, N, exact), N);

    void *storage = aligned_alloc(64, (rows_query_bytes(&world.rows) + 63) / 64 * 64);
    struct rows_query query;
    rows_query(&world.rows, vector, storage, &query);
    struct topk topk = {.hits = hits, .k = TENTH + 10};
    struct hnsw_search search = {.query = &query,
                                 .within = INFINITY,
                                 .accept = accept_tenth,
                                 .context = &asked,
                                 .visits_max = UINT64_MAX,
                                 .topk = &topk};
    assert_int_equal(hnsw_search(world.hnsw, world.scratch, &search), 0);
    assert_int_equal(topk.count, TENTH); /* all there are, though k is more */
    assert_true(asked >= TENTH && asked <= search.scanned);

    /* What is among the hits already does not come twice. */
    assert_int_equal(hnsw_search(world.hnsw, world.scratch, &search), 0);
    assert_int_equal(topk.count, TENTH);
    topk_sort(&topk);
    for (unsigned i = 1; i < TENTH; i++)
        assert_true(hit_before(hits[i - 1], hits[i]));

    topk.count = 0; /* within a distance */
    search.accept = NULL;
    search.within = exact[4].distance;
    search.ef = 100;
    assert_int_equal(hnsw_search(world.hnsw, world.scratch, &search), 0);
    assert_int_equal(topk.count, 5);
    assert_false(search.gave_up);

    topk.count = 0; /* not for ever */
    search.within = INFINITY;
    search.visits_max = 20;
    assert_int_equal(hnsw_search(world.hnsw, world.scratch, &search), 0);
    assert_true(search.gave_up && search.scanned < 100);
    free(storage);
    world_close(&world);
}

/* A search that began before a row was killed may still find it; one that begins now does not. */
static void dead_rows(void **state)
{
    (void)state;
    struct world world;
    struct hit hits[5], old[5];
    float vector[16];
    world_open(&world, 16, METRIC_L2, false, true, 8, 40);
    world_fill(&world, 0, 300);
    world_vector(&world, &world.rng, vector);
    void *storage = aligned_alloc(64, (rows_query_bytes(&world.rows) + 63) / 64 * 64);
    struct rows_query query;
    rows_query(&world.rows, vector, storage, &query);
    assert_int_equal(world_search(&world, vector, 5, 300, hits), 5);
    for (unsigned i = 0; i < 5; i++)
        rows_kill(&world.rows, hits[i].slot);
    struct topk topk = {.hits = old, .k = 5};
    struct hnsw_search search = {
        .query = &query, .within = INFINITY, .ef = 300, .visits_max = UINT64_MAX, .topk = &topk};
    assert_int_equal(hnsw_search(world.hnsw, world.scratch, &search), 0);
    topk_sort(&topk);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(old[i].slot, hits[i].slot);
    assert_int_equal(world_search(&world, vector, 5, 300, old), 5);
    for (unsigned i = 0; i < 25; i++)
        assert_int_not_equal(old[i / 5].slot, hits[i % 5].slot);
    free(storage);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_search_is_told),
        cmocka_unit_test(dead_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
