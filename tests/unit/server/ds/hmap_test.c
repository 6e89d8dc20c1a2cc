/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hash map: examples, and seeded random operations against an array of what must be in the map.
 *
 * Hashes are drawn so that homes and tags collide often. Checked besides the answers: an operation
 * rehashes a bounded number of items, a reservation holds whatever is removed, a walk misses
 * nothing, a failed allocation changes nothing.
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
#include "server/ds/hmap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct item {
    uint64_t key;
    uint64_t hash;
    unsigned seen;
    bool in_map;
};

static uint64_t rng_state = 1;
static size_t n_hashed;   /* calls of item_hash */
static size_t n_compared; /* calls of item_equal */

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 31)) * UINT64_C(0x7fb5d329728ea185);
    x = (x ^ (x >> 27)) * UINT64_C(0x81dadef4bc2dd44d);
    return x ^ (x >> 33);
}

static size_t rng(size_t below)
{
    rng_state += UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mix(rng_state) % below);
}

static bool item_equal(const void *item, const void *key)
{
    n_compared++;
    return ((const struct item *)item)->key == *(const uint64_t *)key;
}

static uint64_t item_hash(const void *item, const void *context)
{
    assert_ptr_equal(context, &n_hashed);
    n_hashed++;
    return ((const struct item *)item)->hash;
}

static const struct hmap_type item_type = {item_equal, item_hash, &n_hashed};

static void add(struct hmap *map, struct item *item)
{
    assert_int_equal(hmap_reserve(map, 1), 0);
    hmap_insert(map, item->hash, item);
    item->in_map = true;
}

static void drop(struct hmap *map, struct item *item)
{
    hmap_remove(map, item->hash, item);
    item->in_map = false;
}

/* At most 4/5 full, with what is still to come from the old table. */
static void check_load(const struct hmap *map)
{
    size_t slots = map->now.slots == NULL ? 0 : map->now.mask + 1;
    assert_true((map->now.used + map->now.tombs + map->old.used) * 5 <= slots * 4);
}

static void items_init(struct item *items, size_t n)
{
    memset(items, 0, n * sizeof *items);
    for (size_t i = 0; i < n; i++)
        items[i] = (struct item){.key = i, .hash = mix(i + 1)};
}

static void test_empty(void **state)
{
    (void)state;
    struct hmap map;
    uint64_t key = 1;
    size_t position = 0;
    hmap_init(&map, &item_type);
    assert_null(hmap_find(&map, 1, &key));
    assert_null(hmap_peek(&map, 1));
    size_t slots = 10;
    assert_null(hmap_walk(&map, &position, &slots));
    assert_int_equal(position, 0);
    hmap_prefetch(&map, 1);
    assert_int_equal(hmap_bytes(&map), 0);
    assert_int_equal(hmap_reserve(&map, 0), 0);
    hmap_deinit(&map);
}

static void test_example(void **state)
{
    (void)state;
    struct hmap map;
    struct item a = {.key = 1, .hash = UINT64_C(0x1111000000000007)};
    struct item b = {.key = 2, .hash = UINT64_C(0x2222000000000007)}; /* same home, other tag */
    struct item c = {.key = 3, .hash = UINT64_C(0x1111000000000007)}; /* same home, same tag */
    struct item a2 = a;
    hmap_init(&map, &item_type);
    add(&map, &a);
    add(&map, &b);
    add(&map, &c);
    assert_int_equal(hmap_bytes(&map), 64);
    assert_ptr_equal(hmap_find(&map, a.hash, &a.key), &a);
    assert_ptr_equal(hmap_find(&map, b.hash, &b.key), &b);
    assert_ptr_equal(hmap_find(&map, c.hash, &c.key), &c);
    assert_ptr_equal(hmap_peek(&map, b.hash), &b);
    drop(&map, &b); /* leaves a tombstone that c is found behind */
    assert_null(hmap_find(&map, b.hash, &b.key));
    assert_ptr_equal(hmap_find(&map, c.hash, &c.key), &c);
    hmap_replace(&map, a.hash, &a, &a2);
    assert_ptr_equal(hmap_find(&map, a.hash, &a.key), &a2);
    assert_int_equal(hmap_count(&map), 2);
    hmap_deinit(&map);
}

/* Other tags are not compared; tag 0 matches neither empty slots nor tombstones. */
static void test_tag(void **state)
{
    (void)state;
    struct hmap map;
    struct item items[5];
    uint64_t key = 99;
    hmap_init(&map, &item_type);
    for (uint64_t i = 0; i < 5; i++) {
        items[i] = (struct item){.key = i, .hash = (i + 1) << 48 | 3};
        add(&map, &items[i]);
    }
    n_compared = 0;
    assert_null(hmap_find(&map, UINT64_C(9) << 48 | 3, &key));
    drop(&map, &items[2]);
    assert_null(hmap_find(&map, 3, &key));
    assert_null(hmap_peek(&map, 3));
    assert_int_equal(n_compared, 0);
    assert_ptr_equal(hmap_find(&map, items[4].hash, &items[4].key), &items[4]);
    assert_int_equal(n_compared, 1);
    hmap_deinit(&map);
}

/* A removed slot before an empty one is empty again: no tombstones pile up, no rehash is needed. */
static void test_no_tombstone_at_end(void **state)
{
    (void)state;
    struct hmap map;
    struct item items[4];
    hmap_init(&map, &item_type);
    for (uint64_t i = 0; i < 4; i++)
        items[i] = (struct item){.key = i, .hash = 7}; /* a chain that wraps around */
    for (unsigned round = 0; round < 1000; round++) {
        for (size_t i = 0; i < 4; i++)
            add(&map, &items[i]);
        drop(&map, &items[1]);
        assert_int_equal(map.now.tombs, 1);
        add(&map, &items[1]); /* takes the tombstone */
        assert_int_equal(map.now.tombs, 0);
        drop(&map, &items[1]);
        for (size_t i = 4; i-- > 2;)
            drop(&map, &items[i]);
        assert_int_equal(map.now.tombs, 0); /* the one in the middle, too */
        drop(&map, &items[0]);
    }
    assert_int_equal(hmap_bytes(&map), 64);
    hmap_deinit(&map);
}

/* 4/5 full without growing; used slots and tombstones count. */
static void test_load(void **state)
{
    (void)state;
    struct hmap map;
    struct item items[2000];
    items_init(items, 2000);
    hmap_init(&map, &item_type);
    size_t most = 0;
    for (size_t i = 0; i < 2000; i++) {
        size_t before = map.now.mask + 1;
        add(&map, &items[i]);
        if (before > 1 && map.now.mask + 1 > before)
            assert_int_equal(i, before * 4 / 5);
        assert_true(map.now.used + map.now.tombs + map.old.used <= (map.now.mask + 1) * 4 / 5);
        most = hmap_bytes(&map) > most ? hmap_bytes(&map) : most;
    }
    assert_int_equal(most, (4096 + 2048) * 8);
    for (size_t i = 0; i < 2000; i++)
        drop(&map, &items[i]);
    assert_int_equal(hmap_bytes(&map), 64);
    hmap_deinit(&map);
}

/* What is still in the old table needs room in the new one besides what is promised. */
static void test_reserve_while_migrating(void **state)
{
    (void)state;
    struct hmap map;
    struct item items[111];
    items_init(items, 111);
    hmap_init(&map, &item_type);
    for (size_t i = 0; i < 51; i++)
        add(&map, &items[i]);
    assert_int_equal(hmap_reserve(&map, 1), 0);
    assert_non_null(map.old.slots);
    assert_int_equal(hmap_reserve(&map, 60), 0);
    for (size_t i = 51; i < 111; i++)
        hmap_insert(&map, items[i].hash, &items[i]);
    check_load(&map);
    for (size_t i = 0; i < 111; i++)
        assert_ptr_equal(hmap_find(&map, items[i].hash, &items[i].key), &items[i]);
    hmap_deinit(&map);
}

/* A probe that wraps around into slots that have been moved goes on behind them. */
static void test_wrap_while_migrating(void **state)
{
    (void)state;
    struct hmap map;
    struct item items[60];
    hmap_init(&map, &item_type);
    for (size_t i = 0; i < 60; i++)
        items[i] = (struct item){.key = i, .hash = (i % 5) << 48 | 60};
    for (size_t i = 0; i < 51; i++)
        add(&map, &items[i]); /* slots 60..63, 0..46 of 64 */
    for (size_t n = 52; n <= 60; n++) {
        add(&map, &items[n - 1]);
        for (size_t i = 0; i < n; i++) {
            assert_ptr_equal(hmap_find(&map, items[i].hash, &items[i].key), &items[i]);
            assert_non_null(hmap_peek(&map, items[i].hash));
        }
        if (n == 52)
            assert_int_equal(map.moved, 32);
    }
    for (size_t i = 60; i-- > 0;)
        drop(&map, &items[i]);
    hmap_deinit(&map);
}

static void test_reserve_at_once(void **state)
{
    (void)state;
    enum { N = 20000 };
    struct hmap map;
    struct item *items = malloc((N + 52) * sizeof *items);
    items_init(items, N + 52);
    hmap_init(&map, &item_type);
    for (size_t i = 0; i < 52; i++)
        add(&map, &items[i]); /* 52 of 64: the next one begins to migrate */
    assert_int_equal(hmap_reserve(&map, 8), 0);
    assert_non_null(map.old.slots);
    assert_int_equal(hmap_reserve(&map, N), 0);
    for (size_t i = 0; i < 20; i++)
        drop(&map, &items[i]); /* nearly empty, but must not shrink below what is promised */
    for (size_t i = 0; i < N; i++)
        hmap_insert(&map, items[52 + i].hash, &items[52 + i]);
    for (size_t i = 20; i < N + 52; i++)
        assert_ptr_equal(hmap_find(&map, items[i].hash, &items[i].key), &items[i]);
    hmap_deinit(&map);
    free(items);
}

static void test_out_of_memory(void **state)
{
    (void)state;
#ifdef CAIRN_FAULTS
    struct hmap map;
    struct item items[64];
    items_init(items, 64);
    hmap_init(&map, &item_type);
    mem_fail_after(1, 0);
    assert_int_equal(hmap_reserve(&map, 1), ERR_OUT_OF_MEMORY);
    assert_int_equal(hmap_bytes(&map), 0);
    for (size_t i = 0; i < 51; i++)
        add(&map, &items[i]);
    mem_fail_after(1, 1);
    assert_int_equal(hmap_reserve(&map, 1), ERR_OUT_OF_MEMORY);
    for (size_t i = 0; i < 51; i++)
        assert_ptr_equal(hmap_find(&map, items[i].hash, &items[i].key), &items[i]);
    for (size_t i = 0; i < 51; i++)
        drop(&map, &items[i]); /* cannot shrink now */
    assert_int_equal(hmap_bytes(&map), 512);
    mem_fail_after(0, 0);
    add(&map, &items[0]);
    drop(&map, &items[0]);
    assert_int_equal(hmap_bytes(&map), 128);
    assert_int_equal(hmap_reserve(&map, SIZE_MAX), ERR_OUT_OF_MEMORY);
    hmap_deinit(&map);
#else
    skip();
#endif
}

/* ---- random operations ---- */

enum { MODEL_ITEMS = 6000 };

struct model {
    struct hmap map;
    struct item items[MODEL_ITEMS];
    size_t count;
    size_t position; /* of a walk under way */
};

/* A quarter shares few homes, a quarter few tags, some both. */
static uint64_t model_hash(void)
{
    uint64_t hash = mix(rng_state + rng(UINT64_MAX >> 1));
    if (rng(4) == 0)
        hash &= UINT64_C(0xffff00000000000f) | (uint64_t)rng(64) << 4;
    if (rng(4) == 0)
        hash &= UINT64_C(0x0001ffffffffffff);
    return hash;
}

static void model_check(struct model *model)
{
    size_t position = 0;
    size_t walked = 0;
    const struct item *item;
    assert_int_equal(hmap_count(&model->map), model->count);
    for (size_t i = 0; i < MODEL_ITEMS; i++) {
        struct item *it = &model->items[i];
        uint64_t hash = it->hash;
        hmap_prefetch(&model->map, hash);
        assert_ptr_equal(hmap_find(&model->map, hash, &it->key), it->in_map ? it : NULL);
        if (it->in_map)
            assert_int_equal(((const struct item *)hmap_peek(&model->map, hash))->hash >> 48,
                             hash >> 48);
    }
    do {
        size_t slots = 1 + rng(40);
        item = hmap_walk(&model->map, &position, &slots);
        walked += item != NULL;
        assert_true(item == NULL || item->in_map);
    } while (position != 0);
    assert_int_equal(walked, model->count);
}

/* An item that stays during a walk is seen by it; `seen` is set again for what comes later. */
static void model_walk(struct model *model)
{
    size_t slots = 1 + rng(100);
    struct item *item = hmap_walk(&model->map, &model->position, &slots);
    if (item != NULL)
        item->seen = 1;
    if (model->position != 0)
        return;
    for (size_t i = 0; i < MODEL_ITEMS; i++) {
        assert_true(!model->items[i].in_map || model->items[i].seen);
        model->items[i].seen = 0;
    }
}

static void model_toggle(struct model *model, bool grow)
{
    struct item *item = &model->items[rng(MODEL_ITEMS)];
    if (item->in_map && (!grow || rng(4) == 0)) {
        drop(&model->map, item);
        item->hash = model_hash();
        model->count--;
    } else if (!item->in_map && (grow || rng(4) == 0)) {
        add(&model->map, item);
        item->seen = 1;
        model->count++;
    }
}

/* Replace by a copy elsewhere and back, with a find in between. */
static void model_replace(struct model *model)
{
    struct item *item = &model->items[rng(MODEL_ITEMS)];
    struct item copy = *item;
    if (!item->in_map)
        return;
    hmap_replace(&model->map, item->hash, item, &copy);
    assert_ptr_equal(hmap_find(&model->map, copy.hash, &copy.key), &copy);
    hmap_replace(&model->map, item->hash, &copy, item);
}

/* A batch: reserve, removes in between, inserts. */
static void model_batch(struct model *model)
{
    size_t n = rng(rng(20) == 0 ? 2000 : 20);
    size_t k = rng(MODEL_ITEMS);
    assert_int_equal(hmap_reserve(&model->map, n), 0);
    for (; n > 0; n--, k = (k + 1) % MODEL_ITEMS) {
        struct item *item = &model->items[k];
        if (item->in_map) {
            drop(&model->map, item);
            model->count--;
        } else {
            hmap_insert(&model->map, item->hash, item);
            item->in_map = true;
            item->seen = 1;
            model->count++;
        }
    }
}

static void test_model(void **state)
{
    (void)state;
    const char *seed = getenv("CAIRN_SEED");
    rng_state = seed == NULL ? 1 : strtoull(seed, NULL, 0);
    print_message("CAIRN_SEED=%llu\n", (unsigned long long)rng_state);
    struct model *model = calloc(1, sizeof *model);
    hmap_init(&model->map, &item_type);
    for (size_t i = 0; i < MODEL_ITEMS; i++) {
        model->items[i].key = i;
        model->items[i].hash = model_hash();
        model->items[i].seen = 1; /* until the first walk is over */
    }
    for (size_t step = 0; step < 400000; step++) {
        n_hashed = 0;
        model_toggle(model, step / 30000 % 2 == 0);
        assert_true(n_hashed <= 32); /* a reserve and an insert */
        check_load(&model->map);
        if (step % 3 == 0)
            model_walk(model);
        if (step % 16 == 0)
            model_replace(model);
        if (step % 1000 == 0)
            model_batch(model);
        check_load(&model->map);
        if (step % 4999 == 0)
            model_check(model);
    }
    hmap_deinit(&model->map);
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_tag),
        cmocka_unit_test(test_no_tombstone_at_end),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_reserve_at_once),
        cmocka_unit_test(test_reserve_while_migrating),
        cmocka_unit_test(test_wrap_while_migrating),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
