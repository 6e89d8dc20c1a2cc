/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Deleting from the graph: half of the rows again and again, all, the entry, a whole region; rounds
 * that are given up, that lack memory, that several mend while others insert and search.
 */
#include "tests/unit/server/ds/hnsw_world.h"

#include <pthread.h>

static void free_row(void *context, uint32_t slot)
{
    struct world *world = context;
    assert_int_equal(rows_state(&world->rows, slot), ROW_TAIL);
    assert_true(rows_dead(&world->rows, slot));
    void *item = rows_item(&world->rows, slot);
    rows_free(&world->rows, slot);
    free(item);
}

/* A round of mending, `budget` rows at a time. */
static void mend(struct world *world, uint32_t budget)
{
    bool done = false;
    assert_int_equal(rows_reserve(&world->rows, 1), 0);
    assert_int_equal(hnsw_mend_begin(world->hnsw), 0);
    while (!done)
        assert_int_equal(hnsw_mend_step(world->hnsw, world->scratch, budget, &done), 0);
    hnsw_mend_end(world->hnsw, free_row, world);
    assert_true(hnsw_sound(world->hnsw));
    assert_int_equal(hnsw_count(world->hnsw), world->rows.n_alive);
}

static unsigned kill_if(struct world *world, bool (*wanted)(struct world *, uint32_t slot))
{
    unsigned n = 0;
    for (uint32_t slot = 0; slot < world->rows.n_slots; slot++)
        if (rows_state(&world->rows, slot) == ROW_LINKED && !rows_dead(&world->rows, slot) &&
            wanted(world, slot)) {
            rows_kill(&world->rows, slot);
            n++;
        }
    return n;
}

static bool one_of_two(struct world *world, uint32_t slot)
{
    (void)slot;
    return rng_next(&world->rng) % 2 == 0;
}

static bool every_one(struct world *world, uint32_t slot)
{
    (void)world;
    (void)slot;
    return true;
}

static bool one_side(struct world *world, uint32_t slot)
{
    return rows_vector(&world->rows, slot)[0] > 0;
}

static void churn(bool clustered, bool int8)
{
    enum { N = 600 };
    struct world world;
    world_open(&world, 16, METRIC_L2, int8, clustered, 8, 40);
    world_fill(&world, 0, N);
    double before = world_recall(&world, 40, 10, 40), after = 0;
    size_t bytes = hnsw_bytes(world.hnsw) + rows_bytes(&world.rows);
    uint32_t next = N;
    for (int round = 0; round < 10; round++) {
        unsigned n = kill_if(&world, one_of_two);
        mend(&world, 7);
        double between = world_recall(&world, 40, 10, 40);
        world_fill(&world, next, next + n);
        next += n;
        after = world_recall(&world, 40, 10, 40);
        if (round % 3 == 0)
            print_message("round %d: recall %.4f, refilled %.4f\n", round, between, after);
        assert_true(between >= before - 0.05);
        assert_true(after >= before - 0.05);
    }
    assert_true(world.rows.n_slots == N); /* slots are used again */
    assert_true(hnsw_bytes(world.hnsw) + rows_bytes(&world.rows) <= bytes + bytes / 10);
    world_close(&world);
}

static void half_ten_times(void **state)
{
    (void)state;
    churn(true, false);
    churn(false, false);
    churn(true, true);
}

static void all_of_them(void **state)
{
    (void)state;
    struct world world;
    struct hit hits[10];
    float vector[8] = {0};
    world_open(&world, 8, METRIC_L2, false, true, 8, 40);
    for (uint32_t round = 0; round < 3; round++) {
        world_fill(&world, round * 200, round * 200 + 200);
        assert_int_equal(kill_if(&world, every_one), 200);
        assert_int_equal(world_search(&world, vector, 10, 10, hits), 0);
        mend(&world, 1000);
        assert_int_equal(hnsw_count(world.hnsw), 0);
    }
    mend(&world, 1); /* of nothing */
    world_fill(&world, 1000, 1050);
    assert_int_equal(world_search(&world, vector, 10, 50, hits), 10);
    world_close(&world);
}

/* What is left of a region whose other side has gone is still found, and so is what comes there. */
static void a_region(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 8, METRIC_L2, false, true, 8, 40);
    world_fill(&world, 0, 500);
    for (uint32_t round = 0; round < 4; round++) {
        unsigned n = kill_if(&world, one_side);
        mend(&world, 50);
        assert_true(world_recall(&world, 40, 10, 40) >= 0.95);
        world_fill(&world, 500 + round * 500, 500 + round * 500 + n);
        assert_true(world_recall(&world, 40, 10, 40) >= 0.95);
    }
    world_close(&world);
}

/* Rows are killed and inserted in the middle of a round; those are for the next one. */
static void in_the_middle(void **state)
{
    (void)state;
    struct world world;
    bool done = false;
    world_open(&world, 8, METRIC_COSINE, false, true, 8, 40);
    world_fill(&world, 0, 400);
    (void)kill_if(&world, one_of_two);
    assert_int_equal(hnsw_mend_begin(world.hnsw), 0);
    uint32_t next = 400;
    while (!done) {
        assert_int_equal(hnsw_mend_step(world.hnsw, world.scratch, 5, &done), 0);
        world_fill(&world, next, next + 3);
        next += 3;
        uint32_t slot = (uint32_t)rng_below(&world.rng, world.rows.n_slots);
        if (!rows_dead(&world.rows, slot))
            rows_kill(&world.rows, slot);
    }
    assert_int_equal(rows_reserve(&world.rows, 1), 0);
    hnsw_mend_end(world.hnsw, free_row, &world);
    assert_true(hnsw_sound(world.hnsw));
    assert_true(hnsw_count(world.hnsw) > world.rows.n_alive);
    assert_true(world_recall(&world, 40, 10, 40) >= 0.95);
    mend(&world, 100);
    assert_true(world_recall(&world, 40, 10, 40) >= 0.95);
    world_close(&world);
}

/* A row that has died before it is linked goes in the round it is linked in, or in the next. */
static void dead_before_linked(void **state)
{
    (void)state;
    struct world world;
    float vector[8];
    bool done = false;
    world_open(&world, 8, METRIC_L2, false, true, 8, 40);
    world_fill(&world, 0, 100);
    world_vector(&world, &world.rng, vector);
    uint32_t slot = world_add(&world, 100, vector);
    rows_kill(&world.rows, slot);
    rows_kill(&world.rows, 0);
    assert_int_equal(hnsw_mend_begin(world.hnsw), 0);
    assert_int_equal(hnsw_insert(world.hnsw, world.scratch, slot, 1), 0);
    while (!done)
        assert_int_equal(hnsw_mend_step(world.hnsw, world.scratch, 1000, &done), 0);
    assert_int_equal(rows_reserve(&world.rows, 1), 0);
    hnsw_mend_end(world.hnsw, free_row, &world);
    assert_true(hnsw_sound(world.hnsw));
    mend(&world, 1000);
    world_close(&world);
}

static void not_called(void *context, uint32_t slot)
{
    (void)context;
    (void)slot;
    assert_true(false);
}

static void given_up(void **state)
{
    (void)state;
    struct world world;
    bool done;
    world_open(&world, 8, METRIC_L2, false, true, 8, 40);
    world_fill(&world, 0, 300);
    (void)kill_if(&world, one_of_two);
    assert_int_equal(hnsw_mend_begin(world.hnsw), 0);
    assert_int_equal(hnsw_mend_step(world.hnsw, world.scratch, 20, &done), 0);
    assert_false(done);
    hnsw_mend_end(world.hnsw, not_called, NULL);
    assert_int_equal(hnsw_count(world.hnsw), 300);
    assert_true(hnsw_sound(world.hnsw));
    assert_true(world_recall(&world, 40, 10, 40) >= 0.95);
    mend(&world, 20);
    assert_true(world_recall(&world, 40, 10, 40) >= 0.95);
    world_close(&world);
}

/* Who helps looks at all rows, or at none of them; the end is the leader's. */
static void helped(void **state)
{
    (void)state;
    struct world world;
    uint32_t left, of;
    bool done = false;
    world_open(&world, 8, METRIC_L2, false, true, 8, 40);
    world_fill(&world, 0, 300);
    (void)kill_if(&world, one_of_two);
    hnsw_mend_help(world.hnsw, world.scratch, 1000); /* no round */
    assert_int_equal(hnsw_mend_begin(world.hnsw), 0);
    hnsw_mend_left(world.hnsw, &left, &of);
    assert_int_equal(left, 300);
    assert_int_equal(of, 300);
    hnsw_mend_help(world.hnsw, world.scratch, 20);
    hnsw_mend_left(world.hnsw, &left, &of);
    assert_in_range(left, 1, 299);
    hnsw_mend_help(world.hnsw, world.scratch, 1000);
    hnsw_mend_left(world.hnsw, &left, &of);
    assert_int_equal(left, 0);
    while (!done)
        assert_int_equal(hnsw_mend_step(world.hnsw, world.scratch, 1000, &done), 0);
    hnsw_mend_end(world.hnsw, free_row, &world);
    assert_true(hnsw_sound(world.hnsw));
    assert_int_equal(hnsw_count(world.hnsw), world.rows.n_alive);
    assert_true(world_recall(&world, 40, 10, 40) >= 0.95);
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
    world_open(&world, 8, METRIC_L2, false, true, 8, 40);
    world_fill(&world, 0, 300);
    (void)kill_if(&world, one_of_two);
    hnsw_scratch_destroy(world.scratch);
    world.scratch = hnsw_scratch_create();
    assert_int_equal(hnsw_mend_begin(world.hnsw), 0);
    for (unsigned fail = 1; !done; fail++) {
        mem_fail_after(fail % 4 + 1, 0);
        hnsw_mend_help(world.hnsw, world.scratch, 3);
        mem_fail_after(fail % 4 + 1, 0);
        int r = hnsw_mend_step(world.hnsw, world.scratch, 1000, &done);
        mem_fail_after(0, 0);
        assert_true(r == 0 || (r == ERR_OUT_OF_MEMORY && !done));
        failed += r != 0;
    }
    assert_true(failed > 0);
    assert_int_equal(rows_reserve(&world.rows, 1), 0);
    hnsw_mend_end(world.hnsw, free_row, &world);
    assert_true(hnsw_sound(world.hnsw));
    assert_int_equal(hnsw_count(world.hnsw), world.rows.n_alive);
    assert_true(world_recall(&world, 40, 10, 40) >= 0.95);
    world_close(&world);
}

/* ---- several threads, as the index uses it ---- */

enum { T_DIM = 8, T_ROWS = 400, T_ROUNDS = 3 };

struct shared {
    struct world world;
    pthread_rwlock_t lock;  /* read: in the graph; write: begin, end of a round, reuse of slots */
    pthread_mutex_t writer; /* rows_add, rows_kill, hnsw_reserve; the tail */
    uint32_t tail[4 * T_ROWS];
    unsigned n_tail, n_taken;
    uint32_t next;
    _Atomic bool stop;
    _Atomic unsigned searches, wrong;
};

static void *inserter(void *context)
{
    struct shared *shared = context;
    struct hnsw_scratch *scratch = hnsw_scratch_create();
    while (!shared->stop) {
        pthread_mutex_lock(&shared->writer);
        bool any = shared->n_taken < shared->n_tail;
        uint32_t slot = any ? shared->tail[shared->n_taken++] : 0;
        pthread_mutex_unlock(&shared->writer);
        if (!any) {
            sched_yield();
            continue;
        }
        pthread_rwlock_rdlock(&shared->lock);
        if (hnsw_insert(shared->world.hnsw, scratch, slot, world_level(&shared->world, slot)) != 0)
            shared->wrong++;
        pthread_rwlock_unlock(&shared->lock);
    }
    hnsw_scratch_destroy(scratch);
    return NULL;
}

/* Mends beside the leader, whenever there is a round. */
static void *helper(void *context)
{
    struct shared *shared = context;
    struct hnsw_scratch *scratch = hnsw_scratch_create();
    while (!shared->stop) {
        uint32_t left, of;
        pthread_rwlock_rdlock(&shared->lock);
        hnsw_mend_help(shared->world.hnsw, scratch, 3);
        pthread_rwlock_unlock(&shared->lock);
        hnsw_mend_left(shared->world.hnsw, &left, &of);
        if (left > of)
            shared->wrong++;
        sched_yield();
    }
    hnsw_scratch_destroy(scratch);
    return NULL;
}

static void *searcher(void *context)
{
    struct shared *shared = context;
    struct hnsw_scratch *scratch = hnsw_scratch_create();
    struct rng rng = {.state = (uintptr_t)&scratch};
    void *storage = aligned_alloc(64, 1024);
    while (!shared->stop) {
        float vector[T_DIM];
        struct hit hits[10];
        struct rows_query query;
        world_vector(&shared->world, &rng, vector);
        pthread_rwlock_rdlock(&shared->lock);
        rows_query(&shared->world.rows, vector, storage, &query);
        struct topk topk = {.hits = hits, .k = 10};
        struct hnsw_search search = {
            .query = &query, .within = INFINITY, .ef = 30, .visits_max = UINT64_MAX, .topk = &topk};
        if (hnsw_search(shared->world.hnsw, scratch, &search) != 0)
            shared->wrong++;
        for (size_t i = 0; i < topk.count; i++) { /* the item is there, and alive for the query */
            const struct item *item = rows_item(&shared->world.rows, hits[i].slot);
            if (item->id >= 100 * T_ROWS ||
                !rows_alive(&shared->world.rows, hits[i].slot, query.clock))
                shared->wrong++;
        }
        pthread_rwlock_unlock(&shared->lock);
        shared->searches++;
    }
    free(storage);
    hnsw_scratch_destroy(scratch);
    return NULL;
}

/* The writer's part of a round: new rows, some deaths. */
static void write_some(struct shared *shared)
{
    struct world *world = &shared->world;
    float vector[T_DIM];
    pthread_mutex_lock(&shared->writer);
    shared->n_tail = shared->n_taken = 0;
    for (unsigned i = 0; i < T_ROWS; i++) {
        world_vector(world, &world->rng, vector);
        shared->tail[shared->n_tail++] = world_add(world, shared->next++, vector);
    }
    (void)kill_if(world, one_of_two);
    pthread_mutex_unlock(&shared->writer);
}

static void wait_for_tail(struct shared *shared)
{
    for (bool all = false; !all;) {
        pthread_mutex_lock(&shared->writer);
        all = shared->n_taken == shared->n_tail;
        pthread_mutex_unlock(&shared->writer);
        sched_yield();
    }
}

static void several_threads(void **state)
{
    (void)state;
    struct shared *shared = calloc(1, sizeof *shared);
    world_open(&shared->world, T_DIM, METRIC_L2, false, true, 6, 20);
    pthread_rwlock_init(&shared->lock, NULL);
    pthread_mutex_init(&shared->writer, NULL);
    void *(*const bodies[])(void *) = {inserter, inserter, searcher, searcher, helper, helper};
    enum { THREADS = sizeof bodies / sizeof *bodies };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, bodies[i], shared), 0);
    for (int round = 0; round < T_ROUNDS; round++) {
        write_some(shared);
        pthread_rwlock_wrlock(&shared->lock);
        assert_int_equal(hnsw_mend_begin(shared->world.hnsw), 0);
        pthread_rwlock_unlock(&shared->lock);
        for (bool done = false; !done;) {
            pthread_rwlock_rdlock(&shared->lock);
            assert_int_equal(hnsw_mend_step(shared->world.hnsw, shared->world.scratch, 10, &done),
                             0);
            pthread_rwlock_unlock(&shared->lock);
        }
        pthread_rwlock_wrlock(&shared->lock);
        hnsw_mend_end(shared->world.hnsw, free_row, &shared->world);
        pthread_rwlock_unlock(&shared->lock);
        wait_for_tail(shared);
    }
    for (unsigned seen = shared->searches; shared->searches < seen + 10;)
        sched_yield();
    shared->stop = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared->wrong, 0);
    assert_true(hnsw_sound(shared->world.hnsw));
    mend(&shared->world, 1000);
    assert_true(world_recall(&shared->world, 30, 10, 60) >= 0.9);
    world_close(&shared->world);
    pthread_rwlock_destroy(&shared->lock);
    pthread_mutex_destroy(&shared->writer);
    free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_ten_times),
        cmocka_unit_test(all_of_them),
        cmocka_unit_test(a_region),
        cmocka_unit_test(in_the_middle),
        cmocka_unit_test(dead_before_linked),
        cmocka_unit_test(given_up),
        cmocka_unit_test(helped),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
