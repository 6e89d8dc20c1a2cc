/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ordered map: examples, fill after typical loads, and seeded random operations against a flag per
 * key (with prefix sums, counted anew for each check) as the model.
 *
 * Items are freed as soon as they leave the map, so that a stale separator is found by ASan.
 *
 * CAIRN_SEED sets the seed of the random test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/err.h"
#include "common/mem.h"
#include "server/ds/omap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct item {
    uint64_t key;
};

static uint64_t rng_state = 1;

static size_t rng(size_t below)
{
    rng_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = rng_state;
    x = (x ^ (x >> 31)) * UINT64_C(0x7fb5d329728ea185);
    x = (x ^ (x >> 27)) * UINT64_C(0x81dadef4bc2dd44d);
    return (size_t)((x ^ (x >> 33)) % below);
}

static size_t compares;

static int item_compare(const void *key, const void *item)
{
    compares++;
    uint64_t a = *(const uint64_t *)key;
    uint64_t b = ((const struct item *)item)->key;
    return a < b ? -1 : a > b;
}

static struct item *item_new(uint64_t key)
{
    struct item *item = malloc(sizeof *item);
    item->key = key;
    return item;
}

static void add(struct omap *map, uint64_t key)
{
    assert_int_equal(omap_reserve(map, 1), 0);
    omap_insert(map, &key, item_new(key));
}

static void drop(struct omap *map, uint64_t key)
{
    struct item *item = omap_remove(map, &key);
    assert_non_null(item);
    assert_int_equal(item->key, key);
    free(item);
}

static void clear(struct omap *map)
{
    struct omap_iter iter;
    struct item *item;
    omap_seek(map, NULL, &iter);
    while ((item = omap_next(&iter)) != NULL)
        free(item);
    omap_deinit(map);
}

static void test_empty(void **state)
{
    (void)state;
    struct omap map;
    struct omap_iter iter;
    uint64_t key = 1;
    omap_init(&map, item_compare);
    omap_seek(&map, NULL, &iter);
    assert_null(omap_next(&iter));
    omap_seek_end(&map, &iter);
    assert_null(omap_previous(&iter));
    assert_int_equal(omap_rank(&map, &key), 0);
    omap_seek_rank(&map, 0, &iter);
    assert_null(omap_next(&iter));
    assert_null(omap_remove(&map, &key));
    omap_check(&map);
    assert_int_equal(map.bytes, 0);
    omap_deinit(&map);
}

static void test_example(void **state)
{
    (void)state;
    struct omap map;
    struct omap_iter iter;
    omap_init(&map, item_compare);
    add(&map, 20);
    add(&map, 10);
    add(&map, 30);
    omap_seek(&map, &(uint64_t){15}, &iter);
    assert_int_equal(((struct item *)omap_next(&iter))->key, 20);
    assert_int_equal(((struct item *)omap_next(&iter))->key, 30);
    assert_null(omap_next(&iter));
    assert_int_equal(((struct item *)omap_previous(&iter))->key, 30);
    omap_seek(&map, &(uint64_t){20}, &iter);
    assert_int_equal(((struct item *)omap_previous(&iter))->key, 10);
    assert_null(omap_previous(&iter));
    assert_int_equal(omap_rank(&map, &(uint64_t){30}), 2);
    assert_int_equal(omap_rank(&map, &(uint64_t){31}), 3);
    omap_seek_rank(&map, 2, &iter);
    assert_int_equal(((struct item *)omap_next(&iter))->key, 30);
    omap_seek_rank(&map, 3, &iter);
    assert_null(omap_next(&iter));
    assert_int_equal(((struct item *)omap_previous(&iter))->key, 30);
    drop(&map, 10);
    drop(&map, 30);
    drop(&map, 20);
    assert_int_equal(map.height, 0);
    assert_true(map.bytes <= 1024);
    clear(&map);
}

/* Bytes of node memory per item are at most `limit` / 100. */
static void check_fill(struct omap *map, size_t limit)
{
    omap_check(map);
    assert_true(map->bytes * 100 <= map->count * limit);
}

static void test_fill_ascending(void **state)
{
    (void)state;
    struct omap map;
    omap_init(&map, item_compare);
    for (uint64_t key = 0; key < 50000; key++)
        add(&map, key);
    check_fill(&map, 900);
    clear(&map);
    for (uint64_t key = 50000; key-- > 0;)
        add(&map, key);
    check_fill(&map, 900);
    clear(&map);
}

/* Runs of keys between others: after two of a run each further one takes two compares, or a search
 * where a leaf was full. */
static void test_runs(void **state)
{
    enum { RUNS = 300, LENGTH = 10, GAP = 1000, SEARCH = 14 };
    struct omap map;
    (void)state;
    omap_init(&map, item_compare);
    for (uint64_t i = 0; i < RUNS; i++)
        add(&map, i * 7919 % RUNS * GAP);
    compares = 0;
    for (uint64_t i = 0; i < RUNS; i++)
        for (uint64_t j = 1; j <= LENGTH; j++) {
            add(&map, i * 7919 % RUNS * GAP + j);
            omap_check(&map);
        }
    assert_true(compares < (size_t)RUNS * (3 * SEARCH + 2 * LENGTH));
    assert_int_equal(map.count, RUNS * (LENGTH + 1));
    struct omap_iter iter;
    omap_seek(&map, NULL, &iter);
    for (uint64_t i = 0; i < RUNS; i++)
        for (uint64_t j = 0; j <= LENGTH; j++)
            assert_int_equal(((struct item *)omap_next(&iter))->key, i * GAP + j);
    clear(&map);
}

/* What was inserted last leaves, with its leaf or all others, before what would follow it comes. */
static void test_run_that_lost_its_head(void **state)
{
    struct omap map;
    (void)state;
    omap_init(&map, item_compare);
    for (uint64_t n = 1; n < 300; n++) {
        for (uint64_t key = 1; key <= n; key++)
            add(&map, key);
        for (uint64_t key = n; key > n % 3; key--)
            drop(&map, key);
        add(&map, n + 1);
        add(&map, n + 2);
        omap_check(&map);
        drop(&map, n + 1);
        drop(&map, n + 2);
        for (uint64_t key = n % 3; key > 0; key--)
            drop(&map, key);
        omap_check(&map);
    }
    omap_deinit(&map);
}

/* The first and the last leaf may hold a single item; take that away again. */
static void test_ends(void **state)
{
    (void)state;
    struct omap map;
    omap_init(&map, item_compare);
    for (uint64_t n = 1; n < 64 * 60; n++) {
        add(&map, 10000 - n);
        add(&map, 10000 + n);
        if (n % 64 > 2 && n % 64 < 62)
            continue;
        drop(&map, 10000 - n);
        drop(&map, 10000 + n);
        omap_check(&map);
        add(&map, 10000 - n);
        add(&map, 10000 + n);
        omap_check(&map);
    }
    for (uint64_t n = 64 * 60; n-- > 1;) {
        drop(&map, 10000 - n);
        omap_check(&map);
    }
    for (uint64_t n = 64 * 60; n-- > 1;)
        drop(&map, 10000 + n);
    assert_int_equal(map.height, 0);
    clear(&map);
}

static void test_fill_runs(void **state)
{
    (void)state;
    struct omap map;
    omap_init(&map, item_compare);
    for (uint64_t i = 0; i < 50000; i++)
        add(&map, (uint64_t)rng(20) << 32 | i);
    check_fill(&map, 950);
    clear(&map);
}

static void test_fill_random(void **state)
{
    (void)state;
    enum { N = 50000, KEYS = 2 * N };
    struct omap map;
    bool *present = calloc(KEYS, 1);
    omap_init(&map, item_compare);
    while (map.count < N) {
        uint64_t key = rng(KEYS);
        if (!present[key])
            add(&map, key);
        present[key] = true;
    }
    check_fill(&map, 1100);
    for (size_t i = 0; i < 4 * N; i++) {
        uint64_t key = rng(KEYS);
        present[key] ? drop(&map, key) : add(&map, key);
        present[key] = !present[key];
    }
    check_fill(&map, 1200);
    for (size_t target = map.count / 2; map.count > target;) {
        uint64_t key = rng(KEYS);
        if (present[key])
            drop(&map, key);
        present[key] = false;
    }
    check_fill(&map, 1400); /* removing at random leaves leaves at least 3/5 full on average */
    free(present);
    clear(&map);
}

/* What is reserved suffices, into an empty map, a full one, and with removes in between. */
/* Built at once, of every size up to three levels and some beyond; then used like any other. */
static void test_build(void **state)
{
    (void)state;
    enum { SMALL = 2000, LARGE = 300000 };
    struct item **items = malloc(LARGE * sizeof *items);
    for (size_t n = 0; n <= LARGE; n = n < SMALL ? n + 1 : n * 5) {
        struct omap map;
        omap_init(&map, item_compare);
        for (size_t i = 0; i < n; i++)
            items[i] = item_new(2 * i);
        assert_int_equal(omap_build(&map, (void *const *)items, n), 0);
        assert_int_equal(map.count, n);
        assert_int_equal(map.n_spare, 0);
        omap_check(&map);
        struct omap_iter iter;
        omap_seek(&map, NULL, &iter);
        for (size_t i = 0; i < n; i++)
            assert_ptr_equal(omap_next(&iter), items[i]);
        assert_null(omap_next(&iter));
        for (unsigned i = 0; i < 20 && n > 0; i++) {
            uint64_t odd = 2 * rng(n) + 1, even = 2 * rng(n);
            add(&map, odd);
            omap_check(&map);
            drop(&map, odd);
            drop(&map, even);
            omap_check(&map);
            add(&map, even);
            assert_int_equal(omap_rank(&map, &even), even / 2);
        }
        clear(&map);
    }
    free(items);
}

static void test_reserve(void **state)
{
    (void)state;
    struct omap map;
    omap_init(&map, item_compare);
    assert_int_equal(omap_reserve(&map, 5000), 0);
    assert_true(map.bytes < 5000 * 64);
    for (uint64_t key = 0; key < 5000; key++)
        omap_insert(&map, &(uint64_t){key * 1000}, item_new(key * 1000));
    size_t bytes = map.bytes;
    assert_int_equal(omap_reserve(&map, 500), 0);
    for (uint64_t key = 0; key < 5000; key += 2)
        drop(&map, key * 1000);
    for (uint64_t key = 1; key <= 500; key++)
        omap_insert(&map, &(uint64_t){key * 9990 + 5}, item_new(key * 9990 + 5));
    omap_check(&map);
    for (uint64_t key = 1; key < 1000; key++)
        add(&map, key); /* gives the surplus back */
    assert_true(map.n_spare <= map.height + 2);
    assert_true(map.bytes < bytes);
    clear(&map);
}

static void test_out_of_memory(void **state)
{
    (void)state;
#ifdef CAIRN_FAULTS
    struct omap map;
    omap_init(&map, item_compare);
    mem_fail_after(1, 0);
    assert_int_equal(omap_reserve(&map, 1), ERR_OUT_OF_MEMORY);
    for (uint64_t key = 0; key < 2000; key++) {
        mem_fail_after(1 + rng(2), 1);
        while (omap_reserve(&map, 1) != 0) {
            omap_check(&map);
            mem_fail_after(2, 1);
        }
        omap_insert(&map, &key, item_new(key)); /* must not allocate */
    }
    mem_fail_after(1, 1);
    for (uint64_t key = 0; key < 2000; key += 2)
        drop(&map, key);
    omap_check(&map);
    mem_fail_after(0, 0);
    clear(&map);
#else
    skip();
#endif
}

/* ---- random operations ---- */

enum { MODEL_KEYS = 20000 };

struct model {
    struct omap map;
    struct item *item[MODEL_KEYS]; /* by key, NULL: absent; keys in the map are 2 * index + 1 */
    size_t rank[MODEL_KEYS + 1];   /* number of items below */
    size_t count;
};

static uint64_t model_key(size_t i)
{
    return 2 * i + 1;
}

/* Keys come at random, in runs up or down, or at the ends. */
static size_t model_pick(size_t step)
{
    size_t mode = step / 500 % 5;
    size_t run = step / 500 * 7919 % MODEL_KEYS;
    if (mode == 1)
        return (run + step) % MODEL_KEYS;
    if (mode == 2)
        return (run + MODEL_KEYS - step % MODEL_KEYS) % MODEL_KEYS;
    if (mode == 3)
        return rng(2) == 0 ? rng(300) : MODEL_KEYS - 1 - rng(300);
    return rng(MODEL_KEYS);
}

static void model_put(struct model *model, size_t i)
{
    uint64_t key = model_key(i);
    struct item *item = item_new(key);
    if (model->item[i] != NULL) {
        omap_replace(&model->map, &key, item);
        free(model->item[i]);
    } else {
        assert_int_equal(omap_reserve(&model->map, 1), 0);
        omap_insert(&model->map, &key, item);
        model->count++;
    }
    model->item[i] = item;
}

static void model_remove(struct model *model, size_t i)
{
    uint64_t key = model_key(i);
    struct item *item = omap_remove(&model->map, &key);
    assert_ptr_equal(item, model->item[i]);
    model->count -= item != NULL;
    free(item);
    model->item[i] = NULL;
}

/* Walk some items from a random key up and down. */
static void model_walk(struct model *model)
{
    struct omap_iter up;
    struct omap_iter down;
    uint64_t key = rng(2 * MODEL_KEYS + 2);
    size_t i = key / 2; /* first item >= key */
    size_t j = key / 2;
    omap_seek(&model->map, &key, &up);
    down = up;
    for (size_t n = rng(200); n > 0; n--) {
        while (i < MODEL_KEYS && model->item[i] == NULL)
            i++;
        assert_ptr_equal(omap_next(&up), i < MODEL_KEYS ? model->item[i] : NULL);
        i += i < MODEL_KEYS;
        while (j > 0 && model->item[j - 1] == NULL)
            j--;
        assert_ptr_equal(omap_previous(&down), j > 0 ? model->item[j - 1] : NULL);
        j -= j > 0;
    }
}

static void model_check(struct model *model)
{
    struct omap_iter iter;
    omap_check(&model->map);
    assert_int_equal(model->map.count, model->count);
    omap_seek(&model->map, NULL, &iter);
    for (size_t i = 0; i < MODEL_KEYS; i++) {
        uint64_t key = model_key(i);
        model->rank[i + 1] = model->rank[i] + (model->item[i] != NULL);
        if (model->item[i] != NULL)
            assert_ptr_equal(omap_next(&iter), model->item[i]);
        if (i % 7 == 0 && model->item[i] != NULL) {
            struct omap_iter ranked;
            omap_seek_rank(&model->map, model->rank[i], &ranked);
            assert_ptr_equal(omap_next(&ranked), model->item[i]);
        }
        if (i % 7 == 0) {
            assert_int_equal(omap_rank(&model->map, &key), model->rank[i]);
            key++;
            assert_int_equal(omap_rank(&model->map, &key), model->rank[i + 1]);
        }
    }
    assert_null(omap_next(&iter));
    omap_seek_end(&model->map, &iter);
    for (size_t i = MODEL_KEYS; i-- > 0;)
        if (model->item[i] != NULL)
            assert_ptr_equal(omap_previous(&iter), model->item[i]);
    assert_null(omap_previous(&iter));
}

static void test_model(void **state)
{
    (void)state;
    const char *seed = getenv("CAIRN_SEED");
    rng_state = seed == NULL ? 1 : strtoull(seed, NULL, 0);
    print_message("CAIRN_SEED=%llu\n", (unsigned long long)rng_state);
    struct model *model = calloc(1, sizeof *model);
    omap_init(&model->map, item_compare);
    for (size_t step = 0; step < 240000; step++) {
        size_t i = model_pick(step);
        bool grow = step / 60000 % 2 == 0;
        if (rng(5) == 0 ? grow : !grow)
            model_remove(model, i);
        else if (grow || rng(2) == 0)
            model_put(model, i);
        if (step % 64 == 0)
            model_walk(model);
        if (step % 4999 == 0 || model->count < 3)
            model_check(model);
    }
    for (size_t n = 0; n < MODEL_KEYS; n++)
        model_remove(model, n * 7919 % MODEL_KEYS);
    assert_null(model->map.root);
    model_check(model);
    omap_deinit(&model->map);
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_fill_ascending),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_run_that_lost_its_head),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_fill_runs),
        cmocka_unit_test(test_fill_random),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
