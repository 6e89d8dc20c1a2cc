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
        assert_true(fabs(rows_code_square(rows, code, (float)step) / squares - 1) < 1e-6);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
