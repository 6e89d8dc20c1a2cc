/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Kernels: each set this processor can run against sums in double and against the scalar set, for
 * every length up to 2100 at every offset from 0 to 15 bytes, between pages that cannot be read.
 *
 * CAIRN_SEED sets the seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/ds/distance.h"

#include "tests/unit/common/seed.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LENGTH_MAX = 2100, OFFSETS = 16, PLACE_PAGES = 4, INT8_MAX_N = 65536 };

/* Pages that can be read between two that cannot. */
struct place {
    char *begin, *end;
};

static struct place place_map(size_t pages)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *all = mmap(NULL, (pages + 2) * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(all, MAP_FAILED);
    struct place place = {all + page, all + page + pages * page};
    assert_int_equal(mprotect(place.begin, pages * page, PROT_READ | PROT_WRITE), 0);
    return place;
}

static void place_unmap(struct place place)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    munmap(place.begin - page, (size_t)(place.end - place.begin) + 2 * page);
}

/* A copy `offset` bytes from one of the ends. */
static void *place_put(struct place place, bool at_end, size_t offset, const void *data,
                       size_t size)
{
    char *to = at_end ? place.end - size - offset : place.begin + offset;
    return memcpy(to, data, size);
}

/* Sums of products and of squared differences, and how far rounding may lead from them. */
struct expected {
    double dot, dot_error, l2, l2_error;
};

static struct expected expect(const float *a, const float *b, size_t n)
{
    struct expected expected = {0};
    for (size_t i = 0; i < n; i++) {
        double product = (double)a[i] * b[i], difference = (double)a[i] - b[i];
        expected.dot += product;
        expected.dot_error += fabs(product);
        expected.l2 += difference * difference;
    }
    double ulps = ((double)n / 2 + 3) * FLT_EPSILON, least = (double)n * FLT_TRUE_MIN;
    expected.dot_error = expected.dot_error * ulps + least;
    expected.l2_error = expected.l2 * ulps + least;
    return expected;
}

static void check_near(const char *what, const struct kernels *kernels, size_t n, double is,
                       double expected, double error)
{
    if (fabs(is - expected) <= error)
        return;
    fail_msg("%s of %s, %zu elements: %g is not %g (within %g)", what, kernels->name, n, is,
             expected, error);
}

static void check_floats(const struct kernels *kernels, const float *a, const float *b, size_t n,
                         struct expected expected)
{
    check_near("dot", kernels, n, kernels->dot(a, b, n), expected.dot, expected.dot_error);
    check_near("l2", kernels, n, kernels->l2(a, b, n), expected.l2, expected.l2_error);
}

static void check_int8(const struct kernels *kernels, const int8_t *a, const int8_t *b, size_t n,
                       int32_t expected)
{
    int32_t is = kernels->dot_int8(a, b, n);
    if (is != expected)
        fail_msg("dot_int8 of %s, %zu elements: %d is not %d", kernels->name, n, is, expected);
}

/* From `-size` to `size`. */
static float random_float(struct rng *rng, float size)
{
    return ((float)rng_below(rng, 2000001) / 1000000 - 1) * size;
}

static void fill(struct rng *rng, float *elements, size_t n, float size)
{
    for (size_t i = 0; i < n; i++)
        elements[i] = random_float(rng, size);
}

static void test_floats(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    struct place place_a = place_map(PLACE_PAGES), place_b = place_map(PLACE_PAGES);
    static float a[LENGTH_MAX], b[LENGTH_MAX];
    fill(&rng, a, LENGTH_MAX, 1);
    fill(&rng, b, LENGTH_MAX, 1);
    for (size_t n = 0; n <= LENGTH_MAX; n++) {
        struct expected expected = expect(a, b, n);
        for (size_t i = 0; i < 2 * OFFSETS; i++) {
            const float *at_a = place_put(place_a, i % 2 != 0, i / 2, a, n * sizeof *a);
            const float *at_b = place_put(place_b, i % 2 != 0, i * 7 % OFFSETS, b, n * sizeof *b);
            const struct kernels *kernels;
            for (unsigned k = 0; (kernels = kernels_at(k)) != NULL; k++)
                check_floats(kernels, at_a, at_b, n, expected);
        }
    }
    place_unmap(place_a);
    place_unmap(place_b);
}

/* A length in which every element counts: the sums are exact, so that one left out or taken twice
 * is seen. */
static void test_every_element_counts(void **state)
{
    (void)state;
    static float a[LENGTH_MAX], b[LENGTH_MAX], zeros[LENGTH_MAX];
    for (size_t i = 0; i < LENGTH_MAX; i++) {
        a[i] = (float)(i % 7) - 3;
        b[i] = (float)(i % 5) - 1;
    }
    const struct kernels *kernels;
    for (unsigned k = 0; (kernels = kernels_at(k)) != NULL; k++) {
        double dot = 0, square = 0;
        for (size_t n = 0; n <= LENGTH_MAX; n++) {
            check_near("dot", kernels, n, kernels->dot(a, b, n), dot, 0);
            check_near("l2", kernels, n, kernels->l2(a, zeros, n), square, 0);
            if (n < LENGTH_MAX) {
                dot += (double)a[n] * b[n];
                square += (double)a[n] * a[n];
            }
        }
    }
}

static void test_sizes_of_elements(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    static const float sizes[] = {1e-45f, 1e-40f, FLT_MIN, 1e-20f, 1e-10f, 1e10f, 1e17f};
    static float a[LENGTH_MAX], b[LENGTH_MAX];
    const struct kernels *kernels;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t n = 1; n <= LENGTH_MAX; n += 1 + rng_below(&rng, 40)) {
            fill(&rng, a, n, sizes[s]);
            fill(&rng, b, n, rng_below(&rng, 2) == 0 ? 1 : sizes[s]);
            for (unsigned k = 0; (kernels = kernels_at(k)) != NULL; k++)
                check_floats(kernels, a, b, n, expect(a, b, n));
        }
    }
    a[0] = b[0] = FLT_MAX;
    for (unsigned k = 0; (kernels = kernels_at(k)) != NULL; k++) {
        assert_true(isinf(kernels->dot(a, b, LENGTH_MAX)));
        b[0] = -FLT_MAX;
        assert_true(isinf(kernels->l2(a, b, LENGTH_MAX)));
        b[0] = FLT_MAX;
    }
}

static int32_t expect_int8(const int8_t *a, const int8_t *b, size_t n)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void fill_int8(struct rng *rng, int8_t *elements, size_t n)
{
    for (size_t i = 0; i < n; i++)
        elements[i] = (int8_t)((int)rng_below(rng, 255) - 127);
}

static void test_int8(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    struct place place_a = place_map(1), place_b = place_map(1);
    static int8_t a[LENGTH_MAX], b[LENGTH_MAX];
    fill_int8(&rng, a, LENGTH_MAX);
    fill_int8(&rng, b, LENGTH_MAX);
    for (size_t n = 0; n <= LENGTH_MAX; n++) {
        int32_t expected = expect_int8(a, b, n);
        for (size_t i = 0; i < 2 * OFFSETS; i++) {
            const int8_t *at_a = place_put(place_a, i % 2 != 0, i / 2, a, n);
            const int8_t *at_b = place_put(place_b, i % 2 != 0, i * 7 % OFFSETS, b, n);
            const struct kernels *kernels;
            for (unsigned k = 0; (kernels = kernels_at(k)) != NULL; k++)
                check_int8(kernels, at_a, at_b, n, expected);
        }
    }
    place_unmap(place_a);
    place_unmap(place_b);
}

static void test_largest_int8(void **state)
{
    (void)state;
    static int8_t a[INT8_MAX_N], b[INT8_MAX_N];
    memset(a, 127, sizeof a);
    const struct kernels *kernels;
    for (unsigned k = 0; (kernels = kernels_at(k)) != NULL; k++) {
        memset(b, 127, sizeof b);
        check_int8(kernels, a, b, INT8_MAX_N, 127 * 127 * INT8_MAX_N);
        memset(b, -127, sizeof b);
        check_int8(kernels, a, b, INT8_MAX_N, -127 * 127 * INT8_MAX_N);
        check_int8(kernels, b, b, INT8_MAX_N, 127 * 127 * INT8_MAX_N);
    }
}

static void test_choice(void **state)
{
    (void)state;
    const struct kernels *kernels;
    unsigned k;
    for (k = 0; (kernels = kernels_at(k)) != NULL; k++)
        print_message("%s\n", kernels->name);
    assert_ptr_equal(kernels_best(), kernels_at(0));
    assert_ptr_equal(kernels_best(), kernels_at(0));
    assert_string_equal(kernels_at(k - 1)->name, "scalar");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_every_element_counts),
        cmocka_unit_test(test_sizes_of_elements),
        cmocka_unit_test(test_int8),
        cmocka_unit_test(test_largest_int8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
