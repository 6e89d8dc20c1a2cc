/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/value: sizes are in their range, a value that was written is recognized, and any
 * change of it is found where it is.
 */
#include "client/loadgen/value.h"

#include "common/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void sizes(void **state)
{
    (void)state;
    struct value_source source;
    struct rng rng = {1};
    unsigned seen[11] = {0};
    assert_int_equal(value_init(&source, 10, 20, false, 1), 0);
    for (unsigned i = 0; i < 11000; i++) {
        size_t size = value_size(&source, rng_next(&rng));
        assert_in_range(size, 10, 20);
        seen[size - 10]++;
    }
    for (unsigned i = 0; i < 11; i++)
        assert_in_range(seen[i], 850, 1150); /* five standard deviations */
    value_deinit(&source);
}

/* Every byte of a value matters: seeds, keys and lengths at random. */
static void changes_are_found(void **state)
{
    (void)state;
    struct value_source source;
    struct rng rng = {2};
    assert_int_equal(value_init(&source, VALUE_HEAD, 200, true, 0), 0);
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t value[200];
        size_t size = value_size(&source, rng_next(&rng));
        uint64_t key = rng_below(&rng, 1000000), write = rng_next(&rng);
        value_put(&source, value, size, key, write);
        struct bytes view = {value, size};
        assert_true(value_wrong_at(&source, view, key) == SIZE_MAX);
        assert_true(value_wrong_at(&source, view, key + 1) < 20);
        size_t at = rng_below(&rng, size);
        value[at] ^= (uint8_t)(1 + rng_below(&rng, 255));
        size_t found = value_wrong_at(&source, view, key);
        /* A change of the number of the write makes another slice expected behind it. */
        bool is_write = at >= 21 && at < 33;
        assert_true(is_write ? size == VALUE_HEAD || found != SIZE_MAX : found == at);
    }
    value_deinit(&source);
}

static void strange_lengths(void **state)
{
    (void)state;
    struct value_source source;
    uint8_t value[300];
    assert_int_equal(value_init(&source, 100, 200, true, 0), 0);
    value_put(&source, value, 200, 1, 1);
    assert_true(value_wrong_at(&source, (struct bytes){value, 0}, 1) == 0);
    assert_true(value_wrong_at(&source, (struct bytes){value, 33}, 1) == 33);
    assert_true(value_wrong_at(&source, (struct bytes){value, 99}, 1) == 99);
    assert_true(value_wrong_at(&source, (struct bytes){value, 100}, 1) == SIZE_MAX);
    assert_true(value_wrong_at(&source, (struct bytes){value, 300}, 1) == 200);
    value_deinit(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(changes_are_found),
        cmocka_unit_test(strange_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
