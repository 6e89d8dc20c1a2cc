/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Timer wheel: examples, and seeded random adds, removes, moves and time jumps against an array of
 * due times. Every node comes exactly once, never early, and at the latest with the tick after it.
 *
 * CAIRN_SEED sets the seed of the random test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/ds/wheel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YEAR_MS INT64_C(31536000000)

static uint64_t rng_state = 1;

static uint64_t rng(uint64_t below)
{
    rng_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = rng_state;
    x = (x ^ (x >> 31)) * UINT64_C(0x7fb5d329728ea185);
    x = (x ^ (x >> 27)) * UINT64_C(0x81dadef4bc2dd44d);
    return (x ^ (x >> 33)) % below;
}

static struct wheel_node *pop(struct wheel *wheel, int64_t now_ms)
{
    int budget = 1000000;
    struct wheel_node *node = wheel_pop_due(wheel, now_ms, &budget);
    assert_true(budget > 0);
    return node;
}

static void test_empty(void **state)
{
    (void)state;
    struct wheel wheel;
    wheel_init(&wheel, 1000);
    assert_int_equal(wheel_next_ms(&wheel), INT64_MAX);
    assert_null(pop(&wheel, INT64_MAX));
    assert_null(pop(&wheel, 0));
    assert_null(pop(&wheel, -5));
}

static void test_example(void **state)
{
    (void)state;
    struct wheel wheel;
    struct wheel_node a;
    struct wheel_node b;
    struct wheel_node c;
    wheel_init(&wheel, 1000);
    wheel_add(&wheel, &a, 999);  /* the past */
    wheel_add(&wheel, &b, 1001); /* rounded up to 1004 */
    wheel_add(&wheel, &c, 1000 + YEAR_MS);
    assert_true(wheel_next_ms(&wheel) <= 1000);
    assert_ptr_equal(pop(&wheel, 1000), &a);
    assert_null(a.link);
    assert_null(pop(&wheel, 1003));
    assert_int_equal(wheel_next_ms(&wheel), 1004);
    assert_ptr_equal(pop(&wheel, 1004), &b);
    assert_null(pop(&wheel, 999 + YEAR_MS));
    assert_ptr_equal(pop(&wheel, 1000 + YEAR_MS), &c);
    assert_int_equal(wheel.count, 0);
}

/* Beyond the top level (8.7 years), and at the ends of the range. */
static void test_far(void **state)
{
    (void)state;
    struct wheel wheel;
    struct wheel_node node[4];
    wheel_init(&wheel, 0);
    wheel_add(&wheel, &node[0], INT64_MAX);
    wheel_add(&wheel, &node[1], 100 * YEAR_MS);
    wheel_add(&wheel, &node[2], 9 * YEAR_MS);
    wheel_add(&wheel, &node[3], -7);
    assert_ptr_equal(pop(&wheel, 0), &node[3]);
    assert_null(pop(&wheel, 9 * YEAR_MS - 1));
    assert_ptr_equal(pop(&wheel, 9 * YEAR_MS), &node[2]);
    assert_null(pop(&wheel, 100 * YEAR_MS - 1));
    assert_ptr_equal(pop(&wheel, 100 * YEAR_MS), &node[1]);
    assert_true(wheel_next_ms(&wheel) > 100 * YEAR_MS);
    wheel_remove(&wheel, &node[0]);
    assert_int_equal(wheel_next_ms(&wheel), INT64_MAX);
}

/* Many nodes in one slot: no call does more than its budget, and all get out. */
static void test_budget(void **state)
{
    (void)state;
    enum { N = 20000 };
    struct wheel wheel;
    struct wheel_node *nodes = calloc(N, sizeof *nodes);
    wheel_init(&wheel, 0);
    for (size_t i = 0; i < N; i++)
        wheel_add(&wheel, &nodes[i], YEAR_MS);
    size_t calls = 0;
    while (wheel.count > 0) {
        int budget = 50;
        while (wheel_pop_due(&wheel, 3 * YEAR_MS, &budget) != NULL)
            ;
        assert_true(budget == 0 || wheel.count == 0);
        calls++;
    }
    assert_true(calls >= N / 50 && calls <= 7 * N / 50);
    free(nodes);
}

static void test_moved(void **state)
{
    (void)state;
    struct wheel wheel;
    struct wheel_node node[3];
    struct wheel_node copy[3];
    wheel_init(&wheel, 0);
    for (size_t i = 0; i < 3; i++)
        wheel_add(&wheel, &node[i], 100);
    for (size_t i = 0; i < 3; i++) {
        copy[i] = node[i];
        wheel_moved(&copy[i]);
        memset(&node[i], 0xee, sizeof node[i]);
    }
    wheel_remove(&wheel, &copy[1]);
    assert_ptr_equal(pop(&wheel, 100), &copy[2]);
    assert_ptr_equal(pop(&wheel, 100), &copy[0]);
    assert_null(pop(&wheel, 100));
}

/* The clock steps back an hour: nothing is early by the new time, nothing is lost. */
static void test_back(void **state)
{
    (void)state;
    const int64_t hour = 3600000;
    struct wheel wheel;
    struct wheel_node node[3];
    wheel_init(&wheel, 10 * hour);
    wheel_add(&wheel, &node[0], 10 * hour + 100);
    assert_null(pop(&wheel, 9 * hour));
    wheel_add(&wheel, &node[1], 9 * hour + 1000);
    wheel_add(&wheel, &node[2], 9 * hour + 5000);
    assert_null(pop(&wheel, 9 * hour + 999));
    assert_ptr_equal(pop(&wheel, 9 * hour + 1000), &node[1]);
    assert_null(pop(&wheel, 9 * hour));
    assert_ptr_equal(pop(&wheel, 9 * hour + 5000), &node[2]);
    assert_null(pop(&wheel, 10 * hour + 99));
    assert_ptr_equal(pop(&wheel, 10 * hour + 100), &node[0]);
}

/* ---- random operations ---- */

enum { MODEL_NODES = 1500 };

struct model {
    struct wheel wheel;
    struct wheel_node *node[MODEL_NODES]; /* NULL: not in the wheel */
    int64_t at_ms[MODEL_NODES];
    int64_t now_ms;
    int64_t highest_ms; /* now has been there */
    size_t count;
};

/* A span of random magnitude, 1 ms to 16 years. */
static int64_t model_span(void)
{
    return (int64_t)rng(UINT64_C(1) << (1 + rng(39)));
}

static void model_add(struct model *model, size_t i)
{
    int64_t at_ms = model->now_ms + model_span() - (int64_t)rng(50);
    model->node[i] = malloc(sizeof(struct wheel_node));
    model->at_ms[i] = at_ms;
    wheel_add(&model->wheel, model->node[i], at_ms);
    model->count++;
}

static void model_remove(struct model *model, size_t i)
{
    wheel_remove(&model->wheel, model->node[i]);
    free(model->node[i]);
    model->node[i] = NULL;
    model->count--;
}

static void model_move(struct model *model, size_t i)
{
    struct wheel_node *copy = malloc(sizeof *copy);
    *copy = *model->node[i];
    wheel_moved(copy);
    free(model->node[i]);
    model->node[i] = copy;
}

static void model_came(struct model *model, const struct wheel_node *node)
{
    size_t i = 0;
    while (i < MODEL_NODES && model->node[i] != node)
        i++;
    assert_true(i < MODEL_NODES);
    assert_int_equal(node->at_ms, model->at_ms[i]);
    assert_true(model->at_ms[i] <= model->now_ms);
    assert_null(node->link);
    free(model->node[i]);
    model->node[i] = NULL;
    model->count--;
}

/* Nothing is left that is due; only after the clock has gone back, 64 ticks later. */
static void model_check(const struct model *model)
{
    int64_t late = model->now_ms < model->highest_ms ? 65 * WHEEL_TICK_MS : WHEEL_TICK_MS;
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < MODEL_NODES; i++)
        if (model->node[i] != NULL && model->at_ms[i] < first)
            first = model->at_ms[i];
    assert_true(first > model->now_ms - late);
    assert_int_equal(model->wheel.count, model->count);
    if (model->count == 0)
        first = model->now_ms;
    int64_t next = wheel_next_ms(&model->wheel);
    int64_t latest = (first > model->now_ms ? first : model->now_ms) + late - 1;
    assert_true(model->count == 0 ? next == INT64_MAX : next <= latest);
    /* The bits say which slots are occupied. */
    for (unsigned level = 0; level < WHEEL_LEVELS; level++)
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
            assert_int_equal(model->wheel.occupied[level] >> slot & 1,
                             model->wheel.slot[level][slot] != NULL);
}

static void model_advance(struct model *model, bool back)
{
    int64_t step = rng(20) == 0 ? model_span() : (int64_t)rng(300);
    if (back && rng(10) == 0)
        model->now_ms -= step < model->now_ms ? step : model->now_ms;
    else if (rng(10) == 0 && wheel_next_ms(&model->wheel) != INT64_MAX &&
             wheel_next_ms(&model->wheel) > model->now_ms)
        model->now_ms = wheel_next_ms(&model->wheel); /* as a server that sleeps until then */
    else
        model->now_ms += step;
    if (model->now_ms > model->highest_ms)
        model->highest_ms = model->now_ms;
    int budget = (int)rng(100);
    const struct wheel_node *node;
    while ((node = wheel_pop_due(&model->wheel, model->now_ms, &budget)) != NULL)
        model_came(model, node);
    if (budget > 0)
        model_check(model);
}

static void model_run(struct model *model, size_t steps, bool back)
{
    for (size_t step = 0; step < steps; step++) {
        size_t i = (size_t)rng(MODEL_NODES);
        if (model->node[i] == NULL)
            model_add(model, i);
        else if (rng(4) == 0)
            model_remove(model, i);
        else
            model_move(model, i);
        if (step % 8 == 0)
            model_advance(model, back);
    }
    for (size_t i = 0; i < 200 * MODEL_NODES && model->count > 0; i++) {
        model->now_ms += 20 * YEAR_MS / 16;
        model->highest_ms = model->now_ms;
        const struct wheel_node *node = pop(&model->wheel, model->now_ms);
        if (node != NULL)
            model_came(model, node);
    }
    assert_int_equal(model->count, 0);
}

static void test_model(void **state)
{
    (void)state;
    const char *seed = getenv("CAIRN_SEED");
    rng_state = seed == NULL ? 1 : strtoull(seed, NULL, 0);
    print_message("CAIRN_SEED=%llu\n", (unsigned long long)rng_state);
    struct model *model = calloc(1, sizeof *model);
    for (unsigned round = 0; round < 10; round++) {
        model->now_ms = (int64_t)rng(UINT64_C(1) << (1 + rng(45)));
        model->highest_ms = model->now_ms;
        wheel_init(&model->wheel, model->now_ms);
        model_run(model, 15000, round % 2 == 1);
    }
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),  cmocka_unit_test(test_example), cmocka_unit_test(test_far),
        cmocka_unit_test(test_budget), cmocka_unit_test(test_moved),   cmocka_unit_test(test_back),
        cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
