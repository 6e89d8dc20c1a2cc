/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/ops/ckpt_cut: sizes within their bounds and near their average, the same cuts for the same
 * content, and the same again soon behind a change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/rng.h"
#include "server/ops/ckpt_cut.h"

#include <stdlib.h>

enum { SIZE = 1 << 20 };

static uint8_t *random_bytes(uint64_t seed, unsigned values)
{
    struct rng rng = {seed};
    uint8_t *data = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)rng_below(&rng, values);
    return data;
}

/* Ends of the pieces, measured from the end of the data; how many there are. */
static size_t cut_all(struct bytes bytes, size_t *ends)
{
    size_t n = 0;
    while (bytes.size > 0) {
        size_t size = ckpt_cut(bytes);
        assert_true(size > 0 && size <= bytes.size && size <= CKPT_CUT_MAX);
        assert_true(size > CKPT_CUT_MIN || size == bytes.size);
        bytes = (struct bytes){bytes.data + size, bytes.size - size};
        ends[n++] = bytes.size;
    }
    return n;
}

static void test_sizes(void **state)
{
    static size_t ends[SIZE / CKPT_CUT_MIN + 1];
    (void)state;
    for (unsigned values = 2; values <= 256; values *= 2) {
        uint8_t *data = random_bytes(values, values);
        size_t n = cut_all((struct bytes){data, SIZE}, ends);
        assert_in_range(SIZE / n, CKPT_CUT_AVERAGE * 3 / 4, CKPT_CUT_AVERAGE * 3 / 2);
        free(data);
    }
    uint8_t *data = random_bytes(1, 1); /* the same byte throughout */
    assert_true(cut_all((struct bytes){data, SIZE}, ends) > 0);
    free(data);
    assert_int_equal(ckpt_cut(BYTES_NONE), 0);
}

/* What stands behind a change is cut as before, from a few pieces on. */
static void test_cuts_meet_again(void **state)
{
    static size_t before[SIZE / CKPT_CUT_MIN + 1], after[SIZE / CKPT_CUT_MIN + 1];
    uint8_t *data = random_bytes(5, 64);
    size_t n = cut_all((struct bytes){data, SIZE}, before);
    (void)state;
    for (size_t skip = 1; skip < 20000; skip += 997) {
        size_t m = cut_all((struct bytes){data + skip, SIZE - skip}, after), same = 0;
        for (size_t i = n, k = m; i > 0 && k > 0 && before[i - 1] == after[k - 1]; i--, k--)
            same++;
        assert_true(same + 20 > m);
    }
    free(data);
}

/* Cuts of a format that was written once should stay where they are: or nothing is shared with what
 * an older version stored. */
static void test_cuts_stay(void **state)
{
    static size_t ends[SIZE / CKPT_CUT_MIN + 1];
    uint8_t *data = random_bytes(7, 256);
    uint64_t sum = 0;
    (void)state;
    size_t n = cut_all((struct bytes){data, SIZE}, ends);
    for (size_t i = 0; i < n; i++)
        sum = sum * 31 + ends[i];
    assert_int_equal(n, 492);
    assert_true(sum == 0x4c814f9471cb9f05);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_cuts_meet_again),
        cmocka_unit_test(test_cuts_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
