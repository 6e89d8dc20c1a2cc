/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Links out and in again: the same answers; and what cannot be is refused, whatever it says.
 */
#include "tests/unit/server/ds/hnsw_world.h"

struct copy {
    unsigned level;
    uint16_t counts[HNSW_LEVEL_MAX + 1];
    uint32_t *links;
};

static struct copy *read_all(const struct world *world, uint32_t n)
{
    struct copy *copies = calloc(n, sizeof *copies);
    for (uint32_t slot = 0; slot < n; slot++) {
        copies[slot].links = calloc(hnsw_links_max(world->hnsw), sizeof(uint32_t));
        assert_true(hnsw_read(world->hnsw, slot, &copies[slot].level, copies[slot].counts,
                              copies[slot].links));
    }
    return copies;
}

static void free_all(struct copy *copies, uint32_t n)
{
    for (uint32_t slot = 0; slot < n; slot++)
        free(copies[slot].links);
    free(copies);
}

/* The same rows, all in the tail; nothing linked. */
static void world_copy(const struct world *from, struct world *to, unsigned m)
{
    world_open(to, from->rows.dim, from->rows.metric, from->rows.int8, from->clustered, m, 40);
    for (uint32_t slot = 0; slot < from->rows.n_slots; slot++)
        assert_int_equal(world_add(to, slot, rows_vector(&from->rows, slot)), slot);
}

static int write_one(struct world *world, uint32_t slot, const struct copy *copy)
{
    return hnsw_write(world->hnsw, slot, copy->level, copy->counts, copy->links);
}

struct lost {
    uint32_t slots[1000];
    unsigned n;
};

static void count_lost(void *context, uint32_t slot)
{
    struct lost *lost = context;
    lost->slots[lost->n++] = slot;
}

static void round_trip(void **state)
{
    (void)state;
    enum { N = 500 };
    struct world a, b;
    struct lost lost = {.n = 0};
    world_open(&a, 16, METRIC_COSINE, false, true, 8, 40);
    world_fill(&a, 0, N);
    struct copy *copies = read_all(&a, N);
    world_copy(&a, &b, 8);
    unsigned level;
    assert_false(hnsw_read(b.hnsw, 0, &level, copies[0].counts, copies[0].links));
    for (uint32_t slot = N; slot-- > 0;) /* in any order */
        assert_int_equal(write_one(&b, slot, &copies[slot]), 0);
    hnsw_write_end(b.hnsw, count_lost, &lost);
    assert_int_equal(lost.n, 0);
    assert_true(hnsw_sound(b.hnsw));
    assert_int_equal(hnsw_count(b.hnsw), N);
    for (unsigned q = 0; q < 50; q++) {
        struct hit hits_a[10], hits_b[10];
        float vector[16];
        world_vector(&a, &a.rng, vector);
        assert_int_equal(world_search(&a, vector, 10, 300, hits_a), 10);
        assert_int_equal(world_search(&b, vector, 10, 300, hits_b), 10);
        for (unsigned i = 0; i < 10; i++)
            assert_int_equal(hits_a[i].slot, hits_b[i].slot);
    }
    world_fill(&b, N, N + 100); /* it goes on */
    assert_true(hnsw_sound(b.hnsw));
    assert_true(world_recall(&b, 40, 10, 60) >= 0.95);
    free_all(copies, N);
    world_close(&a);
    world_close(&b);
}

static void refused(void **state)
{
    (void)state;
    struct world world;
    struct lost lost = {.n = 0};
    float vector[4] = {1, 2, 3, 4};
    world_open(&world, 4, METRIC_L2, false, false, 4, 20);
    for (uint32_t id = 0; id < 20; id++)
        (void)world_add(&world, id, vector);
    rows_kill(&world.rows, 19);
    assert_int_equal(rows_reserve(&world.rows, 1), 0);
    void *item = rows_item(&world.rows, 19);
    rows_free(&world.rows, 19);
    free(item);
    uint32_t links[4 * (2 + HNSW_LEVEL_MAX)] = {0};
    uint16_t counts[HNSW_LEVEL_MAX + 2] = {0};
    assert_int_equal(hnsw_links_max(world.hnsw), LENGTH_OF(links));

#define REFUSED(slot, level)                                                                       \
    assert_int_equal(hnsw_write(world.hnsw, slot, level, counts, links), ERR_DATA_DAMAGED)
    REFUSED(5, HNSW_LEVEL_MAX + 1);
    REFUSED(5, UINT32_MAX);
    REFUSED(20, 0);
    REFUSED(ROWS_NONE, 0);
    REFUSED(19, 0); /* a free slot */
    counts[0] = 9;  /* above 2M */
    for (uint32_t i = 0; i < 9; i++)
        links[i] = i + 6;
    REFUSED(5, 0);
    counts[0] = UINT16_MAX; /* a negative number, to who reads it so */
    REFUSED(5, 0);
    counts[0] = 2;
    links[0] = 5; /* itself */
    REFUSED(5, 0);
    links[0] = links[1]; /* twice */
    REFUSED(5, 0);
    links[0] = 20; /* beyond */
    REFUSED(5, 0);
    links[0] = ROWS_NONE;
    REFUSED(5, 0);
    links[0] = 19; /* free */
    REFUSED(5, 0);
    links[0] = 6;
    links[1] = 7;
    counts[1] = 5; /* above M */
    REFUSED(5, 1);
    counts[1] = 1;
    links[2] = 5; /* itself, on level 1 */
    REFUSED(5, 1);
#undef REFUSED
    assert_int_equal(hnsw_count(world.hnsw), 0);
    assert_int_equal(rows_state(&world.rows, 5), ROW_TAIL);
    links[2] = 8;
    assert_int_equal(hnsw_write(world.hnsw, 5, 1, counts, links), 0);
    assert_int_equal(hnsw_write(world.hnsw, 5, 1, counts, links), ERR_DATA_DAMAGED); /* again */

    /* 6, 7 and 8 were never written: 5 has lost all. */
    hnsw_write_end(world.hnsw, count_lost, &lost);
    assert_int_equal(lost.n, 1);
    assert_int_equal(lost.slots[0], 5);
    assert_int_equal(hnsw_count(world.hnsw), 0);
    assert_true(hnsw_sound(world.hnsw));
    assert_int_equal(world_search(&world, vector, 1, 1, &(struct hit){0}), 0);
    world_close(&world);
}

/* Links that are possible each, but not together, or are missing: what is left is sound, and whole
 * when the lost ones have been inserted. */
static void damaged(void **state)
{
    (void)state;
    enum { N = 300, ROUNDS = 20 };
    struct world a;
    world_open(&a, 8, METRIC_L2, false, true, 4, 40);
    world_fill(&a, 0, N);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct world b;
        struct lost lost = {.n = 0};
        struct copy *copies = read_all(&a, N);
        world_copy(&a, &b, 4);
        for (unsigned i = 0; i < 5 * round; i++) {
            struct copy *copy = &copies[rng_below(&a.rng, N)];
            switch (rng_below(&a.rng, 4)) {
            case 0:
                copy->level = (unsigned)rng_below(&a.rng, HNSW_LEVEL_MAX + 2);
                break;
            case 1:
                copy->counts[rng_below(&a.rng, 3)] = (uint16_t)rng_below(&a.rng, 12);
                break;
            default:
                copy->links[rng_below(&a.rng, 12)] = (uint32_t)rng_below(&a.rng, N + 2);
            }
        }
        for (uint32_t slot = 0; slot < N; slot++) {
            int r = write_one(&b, slot, &copies[slot]);
            assert_true(r == 0 || r == ERR_DATA_DAMAGED);
            if (r != 0)
                count_lost(&lost, slot);
        }
        hnsw_write_end(b.hnsw, count_lost, &lost);
        assert_true(hnsw_sound(b.hnsw));
        assert_int_equal(hnsw_count(b.hnsw), N - lost.n);
        for (unsigned i = 0; i < lost.n; i++)
            assert_int_equal(
                hnsw_insert(b.hnsw, b.scratch, lost.slots[i], world_level(&b, lost.slots[i])), 0);
        assert_true(hnsw_sound(b.hnsw));
        assert_int_equal(hnsw_count(b.hnsw), N);
        assert_true(world_recall(&b, 20, 10, 60) >= 0.95);
        free_all(copies, N);
        world_close(&b);
    }
    world_close(&a);
}

static void without_memory(void **state)
{
    (void)state;
#ifndef CAIRN_FAULTS
    skip();
#endif
    struct world world;
    float vector[4] = {1, 2, 3, 4};
    uint16_t counts[3] = {1, 1, 1};
    uint32_t links[3] = {1, 1, 1};
    world_open(&world, 4, METRIC_L2, false, false, 4, 20);
    for (uint32_t id = 0; id < 2; id++)
        (void)world_add(&world, id, vector);
    mem_fail_after(1, 0);
    assert_int_equal(hnsw_write(world.hnsw, 0, 2, counts, links), ERR_OUT_OF_MEMORY);
    mem_fail_after(0, 0);
    assert_int_equal(rows_state(&world.rows, 0), ROW_TAIL);
    assert_int_equal(hnsw_count(world.hnsw), 0);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(refused),
        cmocka_unit_test(damaged),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
