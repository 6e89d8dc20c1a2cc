/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Codes: no element is off by more than half a step, and the largest is 127 steps.
 *
 * CAIRN_SEED sets the seed.
 */
#include "tests/unit/server/ds/vectors.h"

#include "server/ds/rows_code.h"

#include <float.h>

enum { DIM_MAX = 300 };

static void check_code(const struct rows *rows, const float *vector)
{
    int8_t code[DIM_MAX];
    memset(code, 99, sizeof code);
    double step = rows_code(rows, vector, code), largest = 0, squares = 0;
    double length = sqrt(rows_square(vector, rows->dim));
    double factor = rows->metric == METRIC_COSINE ? 1 / length : 1;
    int greatest = 0;
    for (unsigned i = 0; i < rows->dim; i++)
        largest = fmax(largest, fabs(vector[i] * factor));
    for (unsigned i = 0; i < rows->dim; i++) {
        double error = fabs(code[i] * step - vector[i] * factor);
        if (error > largest / 127 * 0.501 + 127 * FLT_TRUE_MIN)
            fail_msg("element %u, %g, is %d times %g", i, (double)vector[i], code[i], step);
        greatest = abs(code[i]) > greatest ? abs(code[i]) : greatest;
        squares += code[i] * step * code[i] * step;
    }
    assert_int_equal(greatest, 127);
    if (squares > 1e-30 && squares < 1e30)
        assert_true(fabs(rows_code_square(rows, code) * step * step / squares - 1) < 1e-6);
}

static void test_errors(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    static const float sizes[] = {1e-44f, 1e-38f, 1e-20f, 0.001f, 1, 1000, 1e20f, FLT_MAX};
    for (unsigned metric = 0; metric < METRIC_COUNT; metric++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (int round = 0; round < 50; round++) {
                struct rows rows;
                float vector[DIM_MAX];
                unsigned dim = 1 + (unsigned)rng_below(&rng, DIM_MAX);
                rows_init(&rows, dim, (enum metric)metric, true, kernels_best());
                random_vector(&rng, vector, dim, sizes[s]);
                vector[rng_below(&rng, dim)] = sizes[s];
                check_code(&rows, vector);
                rows_deinit(&rows);
            }
}

/* What is loaded is what was stored, to half a step; the same code, and no more than dim bytes. */
static void test_stored(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    for (int round = 0; round < 500; round++) {
        float vector[DIM_MAX], back[DIM_MAX], largest = 0;
        unsigned dim = 1 + (unsigned)rng_below(&rng, DIM_MAX);
        uint8_t *stored = malloc(code_stored_bytes(dim));
        assert_non_null(stored);
        random_vector(&rng, vector, dim, round % 3 == 0 ? 1e-20f : round % 3 == 1 ? 1 : FLT_MAX);
        for (unsigned i = 0; i < dim; i++)
            largest = fmaxf(largest, fabsf(vector[i]));
        code_store(vector, dim, stored);
        assert_true(code_check_stored(stored, dim));
        code_load(stored, dim, back);
        for (unsigned i = 0; i < dim; i++)
            assert_true(fabs((double)back[i] - vector[i]) <= largest / 127 * 0.501);
        stored[ROWS_CODE_HEAD + dim / 2] = 0x80;
        assert_false(code_check_stored(stored, dim));
        stored[ROWS_CODE_HEAD + dim / 2] = 0x81;
        assert_true(code_check_stored(stored, dim));
        memcpy(stored, "\0\0\xc0\x7f", 4); /* NaN */
        assert_false(code_check_stored(stored, dim));
        memcpy(stored, "\xff\xff\x7f\x7f", 4); /* too large for 127 of it */
        assert_false(code_check_stored(stored, dim));
        memcpy(stored, "\0\0\x80\xbf", 4); /* -1 */
        assert_false(code_check_stored(stored, dim));
        free(stored);
    }
}

/* Code and rest together are nearer by the factor of the rest, and their square is exact. */
static void test_rest(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    for (int round = 0; round < 500; round++) {
        struct rows rows;
        float vector[DIM_MAX];
        int8_t code[DIM_MAX], rest[DIM_MAX];
        unsigned dim = 1 + (unsigned)rng_below(&rng, DIM_MAX);
        rows_init(&rows, dim, METRIC_L2, CODES_ONLY, kernels_best());
        random_vector(&rng, vector, dim, 1);
        double step = rows_code(&rows, vector, code), sum = 0;
        double square = rows_code_rest(&rows, vector, code, rest);
        for (unsigned i = 0; i < dim; i++) {
            double both = code[i] + rest[i] / (double)CODE_REST;
            assert_true(fabs(both * step - vector[i]) <= step / CODE_REST * 0.501 + 1e-6);
            sum += both * both;
        }
        assert_true(fabs(square - sum) <= 1e-9 * sum);
        rows_deinit(&rows);
    }
}

static void test_examples(void **state)
{
    (void)state;
    struct rows rows;
    float vector[4] = {-254, 3, 0, 200.9f}, zeros[4] = {0};
    int8_t code[4];
    rows_init(&rows, 4, METRIC_DOT, true, kernels_best());
    assert_true(rows_code(&rows, vector, code) == 2);
    const int8_t expected[4] = {-127, 2, 0, 100};
    assert_memory_equal(code, expected, 4);
    assert_true(rows_code(&rows, zeros, code) == 0);
    assert_memory_equal(code, "\0\0\0", 4);
    rows_deinit(&rows);
    rows_init(&rows, 4, METRIC_COSINE, true, kernels_best());
    assert_true(rows_code(&rows, zeros, code) == 0);
    rows_deinit(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_stored),
        cmocka_unit_test(test_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
