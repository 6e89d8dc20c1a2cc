/* SPDX-License-Identifier: BSD-3-Clause
 *
 * No row is left without a way to it: a few that are far from all others come and go again and
 * again, and each that lives is found.
 */
#include "tests/unit/server/ds/hnsw_world.h"

#include "server/ds/hnsw_impl.h"

enum { DIM = 4, LINE = 500, FEW = 5, DEAD_MOST = 256 };

struct outliers {
    struct world world;
    float vectors[FEW][DIM];
    uint32_t slots[FEW]; /* ROWS_NONE: not there */
    uint32_t next, dead;
};

static void free_row(void *context, uint32_t slot)
{
    struct world *world = context;
    void *item = rows_item(&world->rows, slot);
    rows_free(&world->rows, slot);
    free(item);
}

static void mend(struct world *world)
{
    bool done = false;
    assert_int_equal(rows_reserve(&world->rows, 1), 0);
    assert_int_equal(hnsw_mend_begin(world->hnsw), 0);
    while (!done)
        assert_int_equal(hnsw_mend_step(world->hnsw, world->scratch, 7, &done), 0);
    hnsw_mend_end(world->hnsw, free_row, world);
    assert_true(hnsw_sound(world->hnsw));
}

/* A line, which has no room for far ones in its lists. */
static void outliers_make(struct outliers *of)
{
    world_open(&of->world, DIM, METRIC_L2, CODES_NONE, false, 16, 200);
    for (uint32_t i = 0; i < LINE; i++)
        world_insert(&of->world, i, (float[DIM]){9, 9, 9, (float)i});
    for (unsigned i = 0; i < FEW; i++)
        of->slots[i] = ROWS_NONE;
    of->next = LINE;
    of->dead = 0;
}

static void outliers_kill(struct outliers *of, unsigned which)
{
    if (of->slots[which] == ROWS_NONE)
        return;
    rows_kill(&of->world.rows, of->slots[which]);
    of->slots[which] = ROWS_NONE;
    of->dead++;
}

static void outliers_put(struct outliers *of, unsigned which)
{
    float vector[DIM] = {(float)rng_below(&of->world.rng, 100), 0, 0, 1};
    outliers_kill(of, which);
    memcpy(of->vectors[which], vector, sizeof vector);
    of->slots[which] = world_insert(&of->world, of->next++, vector);
}

static unsigned outliers_lost(struct outliers *of)
{
    struct hit hits[FEW];
    unsigned lost = 0;
    for (unsigned i = 0; i < FEW; i++)
        if (of->slots[i] != ROWS_NONE)
            lost += world_search(&of->world, of->vectors[i], 1, 200, hits) != 1 ||
                    hits[0].distance != 0;
    return lost;
}

static void all_are_found(void **state)
{
    (void)state;
    struct outliers of;
    unsigned lost = 0;
    outliers_make(&of);
    for (int step = 0; step < 4000; step++) {
        unsigned which = (unsigned)rng_below(&of.world.rng, FEW);
        if (rng_below(&of.world.rng, 10) < 3)
            outliers_kill(&of, which);
        else
            outliers_put(&of, which);
        if (of.dead > DEAD_MOST) {
            mend(&of.world);
            of.dead = 0;
        }
        lost += outliers_lost(&of);
    }
    print_message("lost %u times\n", lost);
    assert_int_equal(lost, 0);
    world_close(&of.world);
}

/* Nobody links to it any more. */
static void forget(struct world *world, uint32_t slot)
{
    uint32_t list[2 * HNSW_M_MAX];
    for (uint32_t row = 0; row < world->rows.n_slots; row++) {
        unsigned n = links_get(world->hnsw, row, 0, list), kept = 0;
        for (unsigned i = 0; i < n; i++)
            if (list[i] != slot)
                list[kept++] = list[i];
        links_set(world->hnsw, row, 0, list, kept);
    }
}

/* A round finds rows that nobody links to, and groups that only they themselves link to, even if
 * there is nothing else to mend. */
static void a_round_brings_back(void **state)
{
    (void)state;
    enum { N = 300, LOST = 40 };
    struct world world;
    struct hit hits[1];
    float vectors[N][DIM];
    world_open(&world, DIM, METRIC_L2, CODES_NONE, true, 4, 40);
    for (uint32_t i = 0; i < N; i++) {
        world_vector(&world, &world.rng, vectors[i]);
        if (i % 2 == 1 && i < LOST) /* beside the one before */
            for (unsigned e = 0; e < DIM; e++)
                vectors[i][e] = vectors[i - 1][e] + 0.01f;
        world_insert(&world, i, vectors[i]);
    }
    for (uint32_t i = 0; i < LOST; i++)
        if (level_of(world.hnsw, i) == 0)
            forget(&world, i);
    for (uint32_t i = 2; i < LOST; i += 2) /* two of a kind */
        if (level_of(world.hnsw, i) == 0 && level_of(world.hnsw, i + 1) == 0) {
            links_set(world.hnsw, i, 0, (uint32_t[]){i + 1}, 1);
            links_set(world.hnsw, i + 1, 0, (uint32_t[]){i}, 1);
        }
    unsigned lost = 0;
    for (uint32_t i = 0; i < N; i++)
        lost += world_search(&world, vectors[i], 1, 100, hits) != 1 || hits[0].slot != i;
    assert_true(lost >= LOST / 2);
    mend(&world);
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(world_search(&world, vectors[i], 1, 100, hits), 1);
        assert_int_equal(hits[0].slot, i);
    }
    world_close(&world);
}

static void without_memory(void **state)
{
    (void)state;
#ifndef CAIRN_FAULTS
    skip();
#endif
    struct world world;
    bool done = false;
    unsigned failed = 0;
    world_open(&world, DIM, METRIC_L2, CODES_NONE, true, 4, 40);
    world_fill(&world, 0, 200);
    for (uint32_t i = 0; i < 100; i++)
        if (level_of(world.hnsw, i) == 0)
            forget(&world, i);
    assert_int_equal(hnsw_mend_begin(world.hnsw), 0);
    for (unsigned fail = 1; !done; fail++) {
        mem_fail_after(fail % 3 + 1, 0);
        int r = hnsw_mend_step(world.hnsw, world.scratch, 10, &done);
        mem_fail_after(0, 0);
        assert_true(r == 0 || (r == ERR_OUT_OF_MEMORY && !done));
        failed += r != 0;
    }
    assert_true(failed > 0);
    hnsw_mend_end(world.hnsw, free_row, &world);
    assert_true(hnsw_sound(world.hnsw));
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_found),
        cmocka_unit_test(a_round_brings_back),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
