/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Distances of rows against distances in double, for vectors of ordinary and of absurd size; how
 * far codes may be off; scores and the distances they stand for.
 *
 * CAIRN_SEED sets the seed.
 */
#include "tests/unit/server/ds/vectors.h"

#include <float.h>

enum { DIM_MAX = 200, ROWS = 40 };

struct fixture {
    struct rows rows;
    struct item *items[ROWS];
    float vectors[ROWS][DIM_MAX];
    float query_vector[DIM_MAX];
    struct rows_query query;
    void *storage;
};

static void fixture_add(struct fixture *fixture, struct rng *rng, uint32_t i)
{
    uint16_t back = random_back(rng);
    fixture->items[i] = item_make_for(&fixture->rows, i, back, fixture->vectors[i]);
    assert_int_equal(rows_reserve(&fixture->rows, 1), 0);
    assert_int_equal(rows_add(&fixture->rows, item_vector(fixture->items[i], back), back), i);
}

/* Rows with elements up to `size`, and a query: half of them near it. */
static void fixture_make(struct fixture *fixture, struct rng *rng, enum metric metric,
                         enum rows_codes codes, float size)
{
    unsigned dim = 1 + (unsigned)rng_below(rng, DIM_MAX);
    rows_init(&fixture->rows, dim, metric, codes, kernels_at(rng_below(rng, 2) == 0 ? 0 : 1));
    random_vector(rng, fixture->query_vector, dim, size);
    fixture->query_vector[0] = size;
    for (uint32_t i = 0; i < ROWS; i++) {
        random_vector(rng, fixture->vectors[i], dim, size);
        fixture->vectors[i][0] = size;
        for (unsigned e = 1; i % 2 == 0 && e < dim; e++)
            fixture->vectors[i][e] = fixture->query_vector[e] * (1 + (float)e / 1000);
        fixture_add(fixture, rng, i);
    }
    fixture->storage = query_storage(&fixture->rows);
    rows_query(&fixture->rows, fixture->query_vector, fixture->storage, &fixture->query);
}

static void fixture_drop(struct fixture *fixture)
{
    for (uint32_t i = 0; i < ROWS; i++)
        free(fixture->items[i]);
    free(fixture->storage);
    rows_deinit(&fixture->rows);
}

static double bounded(double distance)
{
    return fmax(-FLT_MAX, fmin(FLT_MAX, distance));
}

static double absolute_dot(const float *a, const float *b, unsigned dim)
{
    double sum = 0;
    for (unsigned i = 0; i < dim; i++)
        sum += fabs((double)a[i] * b[i]);
    return sum;
}

/* How far rounding leads. */
static double rounding(enum metric metric, const float *a, const float *b, unsigned dim)
{
    double ulps = (dim / 2.0 + 8) * FLT_EPSILON;
    double of = metric == METRIC_COSINE ? 1
                : metric == METRIC_L2   ? fabs(distance_of(metric, a, b, dim))
                                        : absolute_dot(a, b, dim);
    return fmin(of, FLT_MAX) * ulps + dim * FLT_TRUE_MIN;
}

static void check_within(const char *what, double is, double expected, double error)
{
    if (!(fabs(is - expected) <= error))
        fail_msg("%s: %.9g is not %.9g (within %g)", what, is, expected, error);
}

static void check_full(const struct fixture *fixture)
{
    const struct rows *rows = &fixture->rows;
    const float *query = fixture->query_vector;
    for (uint32_t i = 0; i < ROWS; i++) {
        const float *row = fixture->vectors[i], *next = fixture->vectors[(i + 1) % ROWS];
        double expected = bounded(distance_of(rows->metric, query, row, rows->dim));
        double error = rounding(rows->metric, query, row, rows->dim);
        check_within("full", rows_distance(rows, &fixture->query, i), expected, error);
        if (rows->int8)
            continue;
        check_within("fast", rows_distance_fast(rows, &fixture->query, i), expected, error);
        check_within("between", rows_distance_between(rows, i, (i + 1) % ROWS),
                     bounded(distance_of(rows->metric, row, next, rows->dim)),
                     rounding(rows->metric, row, next, rows->dim));
    }
}

static const float sizes[] = {1e-44f, 1e-38f, 1e-20f, 0.01f, 1, 100, 1e10f, 1e19f, 1e30f, FLT_MAX};

static void test_distances(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    static struct fixture fixture;
    for (unsigned metric = 0; metric < METRIC_COUNT; metric++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (int round = 0; round < 20; round++) {
                fixture_make(&fixture, &rng, (enum metric)metric, round % 2 != 0, sizes[s]);
                check_full(&fixture);
                fixture_drop(&fixture);
            }
}

/* An element is off by half a step at most, so a product by half a step times the sum of the other
 * side, from both sides; and a difference by a step at most. */
static double code_error(const struct rows *rows, const float *a, const float *b)
{
    double sum_a = 0, sum_b = 0, most_a = 0, most_b = 0, differences = 0;
    for (unsigned i = 0; i < rows->dim; i++) {
        sum_a += fabs(a[i]);
        sum_b += fabs(b[i]);
        most_a = fmax(most_a, fabs(a[i]));
        most_b = fmax(most_b, fabs(b[i]));
        differences += fabs((double)a[i] - b[i]);
    }
    double half_a = most_a / 254, half_b = most_b / 254, both = half_a + half_b;
    if (rows->metric == METRIC_L2)
        return 2 * both * differences + rows->dim * both * both;
    double error = half_a * sum_b + half_b * sum_a + rows->dim * half_a * half_b;
    if (rows->metric == METRIC_DOT)
        return error;
    return error / sqrt(dot_of(a, a, rows->dim)) / sqrt(dot_of(b, b, rows->dim));
}

static void check_codes(const struct fixture *fixture, float size)
{
    const struct rows *rows = &fixture->rows;
    const float *query = fixture->query_vector;
    for (uint32_t i = 0; i < ROWS; i++) {
        const float *row = fixture->vectors[i], *next = fixture->vectors[(i + 1) % ROWS];
        double rounds = rows->metric == METRIC_COSINE ? 1e-5 : 1e-5 * size * size * rows->dim;
        float fast = rows_distance_fast(rows, &fixture->query, i);
        check_within("fast", fast, distance_of(rows->metric, query, row, rows->dim),
                     code_error(rows, query, row) * 1.001 + rounds);
        assert_true(rows->metric != METRIC_L2 || fast >= 0);
        check_within("between", rows_distance_between(rows, i, (i + 1) % ROWS),
                     distance_of(rows->metric, row, next, rows->dim),
                     code_error(rows, row, next) * 1.001 + rounds);
    }
}

static void test_codes(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    static struct fixture fixture;
    for (unsigned metric = 0; metric < METRIC_COUNT; metric++)
        for (int round = 0; round < 100; round++) {
            float size = round % 2 == 0 ? 1 : round % 3 == 0 ? 0.001f : 1000;
            fixture_make(&fixture, &rng, (enum metric)metric, CODES_BESIDE, size);
            check_codes(&fixture, size);
            fixture_drop(&fixture);
        }
}

/* A query of codes is off by half a step of its rest at most, in every element. */
static double rest_error(const struct rows *rows, const float *query, const float *row)
{
    double sum = 0, most = 0, differences = 0;
    for (unsigned i = 0; i < rows->dim; i++) {
        sum += fabs(row[i]);
        most = fmax(most, fabs(query[i]));
        differences += fabs((double)query[i] - row[i]);
    }
    double half = most / CODE_MAX / CODE_REST / 2;
    if (rows->metric == METRIC_L2)
        return 2 * half * differences + rows->dim * half * half;
    if (rows->metric == METRIC_DOT)
        return half * sum;
    return half * sum / sqrt(dot_of(query, query, rows->dim)) / sqrt(dot_of(row, row, rows->dim));
}

/* Codes only: distances are those of the rounded vectors. */
static void test_codes_only(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    static struct fixture fixture;
    for (unsigned metric = 0; metric < METRIC_COUNT; metric++)
        for (int round = 0; round < 100; round++) {
            float size = round % 2 == 0 ? 1 : round % 3 == 0 ? 0.001f : 1000;
            fixture_make(&fixture, &rng, (enum metric)metric, CODES_ONLY, size);
            const struct rows *rows = &fixture.rows;
            for (uint32_t i = 0; i < ROWS; i++) {
                const float *row = fixture.vectors[i];
                double wanted = distance_of(rows->metric, fixture.query_vector, row, rows->dim);
                double rounds = metric == METRIC_COSINE ? 1e-6 : 1e-6 * size * size * rows->dim;
                check_within("codes only", rows_distance(rows, &fixture.query, i), wanted,
                             rest_error(rows, fixture.query_vector, row) * 1.001 + rounds);
            }
            check_codes(&fixture, size);
            fixture_drop(&fixture);
        }
}

/* By codes too, nothing is a NaN or infinite. */
static void test_absurd_codes(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    static struct fixture fixture;
    for (unsigned metric = 0; metric < METRIC_COUNT; metric++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            fixture_make(&fixture, &rng, (enum metric)metric, s % 2 ? CODES_ONLY : CODES_BESIDE,
                         sizes[s]);
            for (uint32_t i = 0; i < ROWS; i++) {
                assert_true(isfinite(rows_distance(&fixture.rows, &fixture.query, i)));
                assert_true(isfinite(rows_distance_fast(&fixture.rows, &fixture.query, i)));
                assert_true(isfinite(rows_distance_between(&fixture.rows, i, ROWS - 1 - i)));
                rows_prefetch(&fixture.rows, i);
            }
            fixture_drop(&fixture);
        }
}

static void test_zeros(void **state)
{
    (void)state;
    float zeros[3] = {0}, vector[3] = {1, 2, 2};
    for (unsigned metric = 0; metric < METRIC_COUNT; metric++)
        for (int int8 = 0; int8 < 2; int8++) {
            struct rows rows;
            struct rows_query query;
            rows_init(&rows, 3, (enum metric)metric, int8 != 0, kernels_best());
            void *storage = query_storage(&rows);
            assert_int_equal(rows_reserve(&rows, 1), 0);
            uint32_t slot = rows_add(&rows, zeros, 0);
            rows_query(&rows, vector, storage, &query);
            float expected = metric == METRIC_L2 ? 9 : 0;
            assert_true(rows_distance(&rows, &query, slot) == expected);
            assert_true(fabsf(rows_distance_fast(&rows, &query, slot) - expected) < 0.1f);
            assert_true(rows_distance_between(&rows, slot, slot) == 0);
            free(storage);
            rows_deinit(&rows);
        }
}

static void test_scores(void **state)
{
    (void)state;
    assert_true(rows_score(METRIC_COSINE, -0.5f) == 0.5f);
    assert_true(rows_score(METRIC_COSINE, -1.0000001f) == 1);
    assert_true(rows_score(METRIC_COSINE, 1.0000001f) == -1);
    assert_true(rows_score(METRIC_L2, 0) == 1);
    assert_true(rows_score(METRIC_L2, 9) == 0.25f);
    assert_true(rows_score(METRIC_DOT, -3) == 3);
    assert_true(rows_distance_of_score(METRIC_COSINE, -1) == INFINITY);
    assert_true(rows_distance_of_score(METRIC_COSINE, 1.1f) == -INFINITY);
    assert_true(rows_distance_of_score(METRIC_L2, 0) == INFINITY);
    assert_true(rows_distance_of_score(METRIC_L2, -7) == INFINITY);
    assert_true(rows_distance_of_score(METRIC_L2, 1.1f) == -INFINITY);
    assert_true(rows_distance_of_score(METRIC_DOT, -INFINITY) == INFINITY);
}

/* The distance of a score is the last that has it: the next one scores less. */
static void test_distance_of_score(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    for (unsigned metric = 0; metric < METRIC_COUNT; metric++)
        for (int round = 0; round < 20000; round++) {
            float score = (float)rng_below(&rng, 1000001) / 1000000;
            if (round % 2 == 0)
                score = rows_score((enum metric)metric, score * (round % 4 == 0 ? 1 : 1e-6f));
            if (metric == METRIC_L2 && score == 0)
                continue;
            float distance = rows_distance_of_score((enum metric)metric, score);
            assert_true(rows_score((enum metric)metric, distance) >= score);
            assert_true(rows_score((enum metric)metric, nextafterf(distance, INFINITY)) < score);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distances),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_codes_only),
        cmocka_unit_test(test_absurd_codes),
        cmocka_unit_test(test_zeros),
        cmocka_unit_test(test_scores),
        cmocka_unit_test(test_distance_of_score),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
