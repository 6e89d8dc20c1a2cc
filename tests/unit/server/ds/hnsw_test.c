/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The graph: what it finds, measured against an exact scan; the smallest graphs; levels.
 */
#include "tests/unit/server/ds/hnsw_world.h"

static void check_recall(unsigned dim, enum metric metric, enum rows_codes codes, bool clustered,
                         double least)
{
    enum { N = 600 };
    struct world world;
    world_open(&world, dim, metric, codes, clustered, 16, 40);
    world_fill(&world, 0, N);
    double recall = world_recall(&world, 40, 10, 60);
    print_message("dim %u metric %d codes %d clustered %d: recall %.4f\n", dim, metric, codes,
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
            check_recall(dims[d], METRIC_L2, CODES_NONE, clustered, 0.95);
            check_recall(dims[d], METRIC_COSINE, CODES_NONE, clustered, 0.95);
            check_recall(dims[d], METRIC_COSINE, CODES_BESIDE, clustered, 0.95);
            check_recall(dims[d], METRIC_COSINE, CODES_ONLY, clustered, 0.95);
        }
    check_recall(16, METRIC_L2, CODES_BESIDE, true, 0.95);
    check_recall(16, METRIC_L2, CODES_ONLY, true, 0.95);
    /* Of products the longest vectors are everybody's nearest; graphs are worse at it. */
    check_recall(16, METRIC_DOT, CODES_NONE, true, 0.85);
    check_recall(16, METRIC_DOT, CODES_BESIDE, false, 0.85);
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
    assert_in_range(hnsw_level(world.hnsw, 0), 10, HNSW_LEVEL_MAX);
    assert_int_equal(hnsw_level(world.hnsw, UINT64_MAX), 0);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_nearest),
        cmocka_unit_test(smallest_graphs),
        cmocka_unit_test(levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
