/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The graph: what it finds, measured against an exact scan; the smallest graphs; equal vectors; what
 * a search may be told.
 */
#include "tests/unit/server/ds/hnsw_world.h"

static void check_recall(unsigned dim, enum metric metric, bool int8, bool clustered, double least)
{
    struct world world;
    world_open(&world, dim, metric, int8, clustered, 16, 60);
    world_fill(&world, 0, 1500);
    double recall = world_recall(&world, 100, 10, 100);
    print_message("dim %u metric %d int8 %d clustered %d: recall %.4f\n", dim, metric, int8,
                  clustered, recall);
    assert_true(recall >= least);
    assert_true(hnsw_sound(world.hnsw));
    assert_int_equal(hnsw_count(world.hnsw), 1500);
    world_close(&world);
}

static void finds_the_nearest(void **state)
{
    (void)state;
    static const unsigned dims[] = {3, 16, 128};
    for (unsigned d = 0; d < 3; d++)
        for (int clustered = 0; clustered < 2; clustered++) {
            check_recall(dims[d], METRIC_L2, false, clustered, 0.95);
            check_recall(dims[d], METRIC_COSINE, false, clustered, 0.95);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
