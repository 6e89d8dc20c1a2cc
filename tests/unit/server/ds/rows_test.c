/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows: seeded random adds, kills, moves and frees against an array, with every query clock there
 * was since the last free; limits and failing memory.
 *
 * CAIRN_SEED sets the seed.
 */
#include "tests/unit/server/ds/vectors.h"

#include "common/err.h"
#include "common/mem.h"

enum { MODEL_MAX = 700, MODEL_STEPS = 20000, DIM = 5 };

/* What a slot should be. */
struct model_row {
    struct item *item;
    uint16_t back;
    enum row_state state;
    bool dead;
    uint32_t died_at; /* clock of the last query that may see it */
};

struct model {
    struct rows rows;
    struct rng rng;
    struct model_row slots[MODEL_MAX];
    uint32_t n_slots, n_alive, n_free, next_key;
    uint32_t first_clock; /* queries from before this one may be on their way no more */
};

static void model_add(struct model *model)
{
    bool reuses = model->n_free > 0;
    if (!reuses && model->n_slots == MODEL_MAX)
        return;
    float vector[DIM];
    random_vector(&model->rng, vector, DIM, 1);
    uint16_t back = random_back(&model->rng);
    struct item *item = item_make(model->next_key++, back, vector, DIM);
    assert_int_equal(rows_reserve(&model->rows, 1), 0);
    uint32_t slot = rows_add(&model->rows, item_vector(item, back), back);
    if (reuses)
        assert_int_equal(model->slots[slot].state, ROW_FREE);
    else
        assert_int_equal(slot, model->n_slots);
    model->n_slots += !reuses;
    model->n_free -= reuses;
    model->n_alive++;
    model->slots[slot] = (struct model_row){item, back, ROW_TAIL, false, 0};
}

static void model_move(struct model *model, uint32_t slot)
{
    struct model_row *row = &model->slots[slot];
    uint16_t back = random_back(&model->rng);
    struct item *item =
        item_make(row->item->key, back, (const float *)((char *)row->item + row->back), DIM);
    rows_move(&model->rows, slot, item_vector(item, back), back);
    free(row->item);
    row->item = item;
    row->back = back;
}

static void model_kill(struct model *model, uint32_t slot)
{
    model->slots[slot].dead = true;
    model->slots[slot].died_at = atomic_load(&model->rows.clock);
    rows_kill(&model->rows, slot);
    model->n_alive--;
}

static void model_free(struct model *model, uint32_t slot)
{
    rows_free(&model->rows, slot);
    free(model->slots[slot].item);
    model->slots[slot].item = NULL;
    model->slots[slot].state = ROW_FREE;
    model->n_free++;
    model->first_clock = atomic_load(&model->rows.clock);
}

static void model_step(struct model *model)
{
    uint64_t what = rng_below(&model->rng, 10);
    if (what < 4 || model->n_slots == 0) {
        model_add(model);
        return;
    }
    uint32_t slot = (uint32_t)rng_below(&model->rng, model->n_slots);
    struct model_row *row = &model->slots[slot];
    if (row->state == ROW_FREE)
        return;
    if (what < 5) {
        model_move(model, slot);
    } else if (what < 6) {
        row->state = row->state == ROW_TAIL ? ROW_LINKED : ROW_TAIL;
        rows_set_state(&model->rows, slot, row->state);
    } else if (!row->dead) {
        model_kill(model, slot);
    } else {
        model_free(model, slot);
    }
}

static void check_slot(const struct model *model, uint32_t slot)
{
    const struct model_row *row = &model->slots[slot];
    const struct rows *rows = &model->rows;
    assert_int_equal(rows_state(rows, slot), row->state);
    assert_int_equal(rows_dead(rows, slot), row->dead);
    uint32_t now = atomic_load(&rows->clock);
    for (uint32_t clock = model->first_clock; (int32_t)(now - clock) >= 0; clock++) {
        bool alive = !row->dead || (row->state != ROW_FREE && (int32_t)(row->died_at - clock) >= 0);
        if (clock != 0)
            assert_int_equal(rows_alive(rows, slot, clock), alive);
    }
    if (row->state == ROW_FREE)
        return;
    assert_ptr_equal(rows_item(rows, slot), row->item);
    assert_ptr_equal(rows_vector(rows, slot), item_vector(row->item, row->back));
}

static void check_model(const struct model *model)
{
    assert_int_equal(atomic_load(&model->rows.n_slots), model->n_slots);
    assert_int_equal(model->rows.n_alive, model->n_alive);
    for (uint32_t slot = 0; slot < model->n_slots; slot++)
        check_slot(model, slot);
}

/* `clock`: where it begins. */
static void run_model(enum metric metric, bool int8, uint32_t clock)
{
    static struct model model;
    model = (struct model){.rng = seed_rng(), .first_clock = clock};
    rows_init(&model.rows, DIM, metric, int8, kernels_best());
    assert_int_equal(atomic_load(&model.rows.clock), 1);
    atomic_store(&model.rows.clock, clock);
    for (int step = 0; step < MODEL_STEPS; step++) {
        model_step(&model);
        if (step % 100 == 0 || model.n_slots < 5)
            check_model(&model);
    }
    check_model(&model);
    for (uint32_t slot = 0; slot < model.n_slots; slot++)
        free(model.slots[slot].item);
    rows_deinit(&model.rows);
}

static void test_model(void **state)
{
    (void)state;
    run_model(METRIC_COSINE, false, 1);
    run_model(METRIC_L2, true, 1);
    run_model(METRIC_DOT, true, 1);
}

static void test_clock_goes_round(void **state)
{
    (void)state;
    run_model(METRIC_L2, false, UINT32_MAX - 1000);
}

/* A row that died is there for those who began before, not for those who began since; but if rows
 * were frozen, for both. */
static void test_query_clock(void **state)
{
    (void)state;
    struct rows rows;
    float vector[2] = {1, 2};
    struct rows_query before, after;
    rows_init(&rows, 2, METRIC_L2, false, kernels_best());
    void *storage = query_storage(&rows);
    assert_int_equal(rows_reserve(&rows, 2), 0);
    uint32_t slot = rows_add(&rows, vector, 0), kept = rows_add(&rows, vector, 0);
    rows_query(&rows, vector, storage, &before);
    rows_kill(&rows, slot);
    rows_query(&rows, vector, storage, &after);
    assert_true(rows_alive(&rows, slot, before.clock));
    assert_false(rows_alive(&rows, slot, after.clock));
    rows_freeze(&rows);
    rows_kill(&rows, kept);
    rows_query(&rows, vector, storage, &after);
    assert_true(rows_alive(&rows, kept, before.clock));
    assert_true(rows_alive(&rows, kept, after.clock));
    assert_false(rows_alive(&rows, slot, after.clock));
    free(storage);
    rows_deinit(&rows);
}

static void test_chunks(void **state)
{
    (void)state;
    uint32_t slot = 0, i;
    for (unsigned chunk = 0; chunk < 12; chunk++)
        for (uint32_t at = 0; at < 16u << chunk; at++, slot++) {
            assert_int_equal(rows_chunk_of(slot, &i), chunk);
            assert_int_equal(i, at);
        }
    assert_int_equal(rows_chunk_of(ROWS_MAX - 1, &i), ROWS_CHUNKS - 1);
    assert_int_equal(i, (UINT32_C(1) << (ROWS_FIRST_BITS + ROWS_CHUNKS - 1)) - 1);
}

static void test_limit(void **state)
{
    (void)state;
    struct rows rows;
    float vector[3] = {1, 2, 3};
    rows_init(&rows, 3, METRIC_DOT, false, kernels_best());
    assert_int_equal(rows_reserve(&rows, ROWS_MAX + 1), ERR_LIMIT_EXCEEDED);
    assert_int_equal(rows_reserve(&rows, UINT32_MAX), ERR_LIMIT_EXCEEDED);
    assert_int_equal(rows_reserve(&rows, 1), 0);
    rows_add(&rows, vector, 0);
    assert_int_equal(rows_reserve(&rows, ROWS_MAX), ERR_LIMIT_EXCEEDED);
    rows_deinit(&rows);
}

/* Whatever fails, what was reserved before stays so, and nothing leaks. */
static void test_failing_memory(void **state)
{
    (void)state;
    struct rows rows;
    float vector[3] = {1, 2, 3};
    rows_init(&rows, 3, METRIC_L2, true, kernels_best());
    uint32_t added = 0;
    for (unsigned long nth = 1; nth < 12; nth++) {
        mem_fail_after(nth, 0);
        int result = rows_reserve(&rows, 500 - added);
        mem_fail_after(0, 0);
        for (; added < rows.capacity && added < nth * 10; added++)
            assert_int_equal(rows_add(&rows, vector, 0), added);
        if (result == 0)
            break;
        assert_int_equal(result, ERR_OUT_OF_MEMORY);
    }
    assert_int_equal(rows_reserve(&rows, 500 - added), 0);
    for (; added < 500; added++)
        assert_int_equal(rows_add(&rows, vector, 0), added);
    for (uint32_t slot = 0; slot < 500; slot++) {
        rows_kill(&rows, slot);
        rows_free(&rows, slot);
    }
    assert_int_equal(rows.n_alive, 0);
    rows_deinit(&rows);
}

static void test_bytes(void **state)
{
    (void)state;
    struct rows rows;
    float vector[128] = {1};
    rows_init(&rows, 128, METRIC_COSINE, false, kernels_best());
    assert_int_equal(rows_bytes(&rows), 0);
    assert_int_equal(rows_reserve(&rows, 100), 0);
    for (int i = 0; i < 100; i++)
        rows_add(&rows, vector, 0);
    assert_in_range(rows_bytes(&rows), 1600, 2000);
    rows_deinit(&rows);
    rows_init(&rows, 128, METRIC_L2, true, kernels_best());
    assert_int_equal(rows_reserve(&rows, 100), 0);
    for (int i = 0; i < 100; i++)
        rows_add(&rows, vector, 0);
    assert_in_range(rows_bytes(&rows), 1600 + 12800 + 800, 1600 + 12800 + 1200);
    rows_deinit(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),          cmocka_unit_test(test_clock_goes_round),
        cmocka_unit_test(test_query_clock),    cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_limit),          cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
