/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The graph: what it finds, measured against an exact scan; the smallest graphs; equal vectors; what
 * a search may be told.
 */
#include "tests/unit/server/ds/hnsw_world.h"

static void check_recall(unsigned dim, enum metric metric, bool int8, bool clustered, double least)
{
    enum { N = 600 };
    struct world world;
    world_open(&world, dim, metric, int8, clustered, 16, 40);
    world_fill(&world, 0, N);
    double recall = world_recall(&world, 40, 10, 60);
    print_message("dim %u metric %d int8 %d clustered %d: recall %.4f\n", dim, metric, int8,
                  clustered, recall);
    assert_true(recall >= least);
    assert_true(hnsw_sound(world.hnsw));
    assert_int_equal(hnsw_count(world.hnsw), N);
    world_close(&world);
}

static void finds_the_nearest(void **state)
{
    (void)state;
    static const unsigned dims[] = {3, 16, 128};
    for (unsigned d = 0; d < LENGTH_OF(dims); d++)
        for (int clustered = 0; clustered < 2; clustered++) {
            check_recall(dims[d], METRIC_L2, false, clustered, 0.95);
            check_recall(dims[d], METRIC_COSINE, false, clustered, 0.95);
            check_recall(dims[d], METRIC_COSINE, true, clustered, 0.95);
        }
    check_recall(16, METRIC_L2, true, true, 0.95);
    /* Of products the longest vectors are everybody's nearest; graphs are worse at it. */
    check_recall(16, METRIC_DOT, false, true, 0.85);
    check_recall(16, METRIC_DOT, true, false, 0.85);
}

static void smallest_graphs(void **state)
{
    (void)state;
    struct world world;
    struct hit hits[10];
    float vector[3] = {1, 2, 3};
    world_open(&world, 3, METRIC_L2, false, false, 4, 10);
    assert_int_equal(world_search(&world, vector, 10, 10, hits), 0);
    assert_true(hnsw_sound(world.hnsw));
    uint32_t slot = world_insert(&world, 0, vector);
    assert_int_equal(world_search(&world, vector, 10, 10, hits), 1);
    assert_int_equal(hits[0].slot, slot);
    assert_true(hits[0].distance == 0);
    world_fill(&world, 1, 7);
    assert_int_equal(world_search(&world, vector, 10, 1, hits), 7); /* k above what there is */
    for (uint32_t i = 0; i < 7; i++)
        rows_kill(&world.rows, i);
    assert_int_equal(world_search(&world, vector, 10, 10, hits), 0);
    assert_int_equal(hnsw_count(world.hnsw), 7);
    /* All are dead, and yet what comes now must be found. */
    vector[0] = 100;
    slot = world_insert(&world, 8, vector);
    assert_int_equal(world_search(&world, vector, 10, 10, hits), 1);
    assert_int_equal(hits[0].slot, slot);
    world_close(&world);
}

/* A thousand of one vector, others around: all can be reached. */
static void equal_vectors(void **state)
{
    (void)state;
    enum { SAME = 1000, OTHERS = 200, ALL = SAME + OTHERS };
    for (int order = 0; order < 2; order++) {
        struct world world;
        struct hit hits[ALL];
        float same[8] = {1, 1, 0, 0, 1, 0, 0, 1};
        world_open(&world, 8, METRIC_COSINE, false, false, 8, 40);
        if (order == 0)
            world_fill(&world, SAME, ALL);
        for (uint32_t id = 0; id < SAME; id++)
            world_insert(&world, id, same);
        if (order == 1)
            world_fill(&world, SAME, ALL);
        assert_true(hnsw_sound(world.hnsw));
        assert_int_equal(world_search(&world, same, 10, 40, hits), 10);
        for (unsigned i = 0; i < 10; i++)
            assert_true(hits[i].distance <= -0.9999f);
        size_t n = world_search(&world, same, ALL, ALL, hits);
        print_message("%zu of %u reached\n", n, (unsigned)ALL);
        assert_true(n >= ALL * 99 / 100);
        double recall = world_recall(&world, 40, 10, 60);
        print_message("equal vectors %d: recall of all %.4f\n", order, recall);
        assert_true(recall >= 0.9);
        world_close(&world);
    }
}

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

/* The same inserts make the same graph. */
static void deterministic(void **state)
{
    (void)state;
    struct world a, b;
    world_open(&a, 16, METRIC_COSINE, false, true, 6, 30);
    world_open(&b, 16, METRIC_COSINE, false, true, 6, 30);
    world_fill(&a, 0, 300);
    world_fill(&b, 0, 300);
    size_t room = hnsw_links_max(a.hnsw);
    uint32_t *links = calloc(2 * room, sizeof *links);
    for (uint32_t slot = 0; slot < 300; slot++) {
        unsigned level_a, level_b;
        uint16_t counts_a[HNSW_LEVEL_MAX + 1] = {0}, counts_b[HNSW_LEVEL_MAX + 1] = {0};
        assert_true(hnsw_read(a.hnsw, slot, &level_a, counts_a, links));
        assert_true(hnsw_read(b.hnsw, slot, &level_b, counts_b, links + room));
        assert_int_equal(level_a, level_b);
        assert_memory_equal(counts_a, counts_b, sizeof counts_a);
        size_t n = 0;
        for (unsigned l = 0; l <= level_a; l++)
            n += counts_a[l];
        assert_memory_equal(links, links + room, n * sizeof *links);
    }
    free(links);
    world_close(&a);
    world_close(&b);
}

static void levels(void **state)
{
    (void)state;
    struct world world;
    unsigned at_least[4] = {0};
    world_open(&world, 3, METRIC_L2, false, false, 16, 40);
    for (uint64_t i = 0; i < 100000; i++)
        for (unsigned l = 0; l < 4; l++)
            at_least[l] += hnsw_level(world.hnsw, rng_next(&world.rng)) >= l;
    assert_int_equal(at_least[0], 100000);
    assert_in_range(at_least[1], 5750, 6750); /* 1 in 16: 6250 */
    assert_in_range(at_least[2], 300, 480);   /* 390 */
    assert_int_equal(hnsw_level(world.hnsw, 0), HNSW_LEVEL_MAX);
    assert_int_equal(hnsw_level(world.hnsw, UINT64_MAX), 0);
    world_close(&world);
}

/* Every allocation of every step fails once: an error, and the graph is as it was. */
static void without_memory(void **state)
{
    (void)state;
#ifndef CAIRN_FAULTS
    skip();
#endif
    struct world world;
    unsigned failed = 0;
    float vector[8];
    world_open(&world, 8, METRIC_L2, false, false, 4, 20);
    for (uint32_t id = 0; id < 100; id++) {
        world_vector(&world, &world.rng, vector);
        uint32_t slot = world_add(&world, id, vector);
        for (unsigned fail = 1;; fail++) {
            if (id % 10 == 0) { /* a scratch that has nothing yet */
                hnsw_scratch_destroy(world.scratch);
                world.scratch = hnsw_scratch_create();
            }
            mem_fail_after(fail, 0);
            int r = hnsw_insert(world.hnsw, world.scratch, slot, id % 4);
            mem_fail_after(0, 0);
            assert_true(hnsw_sound(world.hnsw));
            assert_int_equal(hnsw_count(world.hnsw), id + (r == 0));
            if (r == 0)
                break;
            assert_int_equal(r, ERR_OUT_OF_MEMORY);
            failed++;
        }
    }
    assert_true(failed > 100);
    assert_true(world_recall(&world, 20, 5, 50) > 0.9);
    mem_fail_after(1, 0);
    assert_null(hnsw_create(&world.rows, 4, 10));
    for (unsigned fail = 1; fail <= 4; fail++) {
        struct hnsw *hnsw = hnsw_create(&world.rows, 4, 10);
        mem_fail_after(fail, 0);
        assert_int_equal(hnsw_reserve(hnsw, 10), ERR_OUT_OF_MEMORY);
        mem_fail_after(0, 0);
        assert_int_equal(hnsw_reserve(hnsw, 10), 0);
        hnsw_destroy(hnsw);
    }
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_nearest), cmocka_unit_test(smallest_graphs),
        cmocka_unit_test(equal_vectors),     cmocka_unit_test(what_a_search_is_told),
        cmocka_unit_test(dead_rows),         cmocka_unit_test(deterministic),
        cmocka_unit_test(levels),            cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
