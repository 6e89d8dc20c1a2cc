/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inserting: equal vectors, the same graph from the same inserts, no memory at every point.
 */
#include "tests/unit/server/ds/hnsw_world.h"

/* A thousand of one vector, others around: all can be reached. */
static void equal_vectors(void **state)
{
    (void)state;
    enum { SAME = 1000, OTHERS = 200, ALL = SAME + OTHERS };
    for (int order = 0; order < 2; order++) {
        struct world world;
        struct hit hits[ALL];
        float same[8] = {1, 1, 0, 0, 1, 0, 0, 1};
        world_open(&world, 8, METRIC_COSINE, false, false, 16, 200);
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
        cmocka_unit_test(equal_vectors),
        cmocka_unit_test(deterministic),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
