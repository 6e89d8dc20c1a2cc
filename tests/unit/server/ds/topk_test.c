/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The k nearest: seeded random offers, many of them of equal distance, against sorting all.
 *
 * CAIRN_SEED sets the seed.
 */
#include "tests/unit/common/seed.h"

#include "server/ds/topk.h"

#include <stdlib.h>

enum { OFFERS_MAX = 300 };

static int compare(const void *a, const void *b)
{
    const struct hit *left = a, *right = b;
    return hit_before(*left, *right) ? -1 : hit_before(*right, *left);
}

static void check_equal(const struct hit *is, const struct hit *expected, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(is[i].slot, expected[i].slot);
        assert_true(is[i].distance == expected[i].distance);
    }
}

/* `k` of `n`, distances from a few values if `values` is small. */
static void check_offers(struct rng *rng, size_t k, size_t n, uint64_t values)
{
    struct hit all[OFFERS_MAX], hits[OFFERS_MAX];
    struct topk topk = {.hits = hits, .k = k};
    for (size_t i = 0; i < n; i++)
        all[i] = (struct hit){(float)rng_below(rng, values), (uint32_t)i};
    for (size_t i = n; i > 1; i--) { /* in any order */
        size_t other = rng_below(rng, i);
        struct hit hit = all[i - 1];
        all[i - 1] = all[other];
        all[other] = hit;
    }
    for (size_t i = 0; i < n; i++) {
        bool wanted = topk_wants(&topk, all[i].distance);
        struct hit root = topk.count > 0 ? hits[0] : (struct hit){0};
        bool taken = topk.count < k || hit_before(all[i], root);
        assert_true(wanted || !taken);
        topk_offer(&topk, all[i]);
    }
    assert_int_equal(topk.count, n < k ? n : k);
    topk_sort(&topk);
    qsort(all, n, sizeof *all, compare);
    check_equal(hits, all, topk.count);
}

static void test_against_sorting(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    for (int round = 0; round < 3000; round++) {
        size_t k = 1 + rng_below(&rng, rng_below(&rng, 2) == 0 ? 5 : OFFERS_MAX);
        size_t n = rng_below(&rng, OFFERS_MAX + 1);
        check_offers(&rng, k, n, 1 + rng_below(&rng, rng_below(&rng, 2) == 0 ? 4 : 100000));
    }
}

static void test_lower_slot_stays(void **state)
{
    (void)state;
    struct hit hits[1];
    struct topk topk = {.hits = hits, .k = 1};
    topk_offer(&topk, (struct hit){1, 5});
    topk_offer(&topk, (struct hit){1, 7});
    assert_int_equal(hits[0].slot, 5);
    assert_true(topk_wants(&topk, 1));
    topk_offer(&topk, (struct hit){1, 3});
    assert_int_equal(hits[0].slot, 3);
    assert_false(topk_wants(&topk, 1.5f));
}

static void test_tied(void **state)
{
    (void)state;
    struct hit hits[2];
    struct topk topk = {.hits = hits, .k = 2};
    topk_offer(&topk, (struct hit){1, 5});
    topk_offer(&topk, (struct hit){3, 7});
    assert_false(topk.tied);
    topk_offer(&topk, (struct hit){3, 9}); /* refused, as near as the farthest */
    assert_true(topk.tied);
    topk_offer(&topk, (struct hit){2, 2}); /* the farthest is nearer now */
    assert_false(topk.tied);
    topk_offer(&topk, (struct hit){2, 1}); /* puts out one that is as near */
    assert_true(topk.tied);
    topk_offer(&topk, (struct hit){9, 1});
    assert_true(topk.tied);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_sorting),
        cmocka_unit_test(test_lower_slot_stays),
        cmocka_unit_test(test_tied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
