/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/wal/staging: what is added stays in order, halves take turns, pages are given back.
 */
#include "server/wal/staging.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static void turns(void **state)
{
    struct staging staging;
    (void)state;
    assert_true(staging_init(&staging, 100000));
    for (int round = 0; round < 5; round++) {
        uint8_t *first = staging_add(&staging, 10);
        uint64_t since = staging_filling(&staging)->since_ticks;
        assert_true(since != 0);
        assert_ptr_equal(staging_add(&staging, 1000), first + 10);
        assert_int_equal(staging_filling(&staging)->since_ticks, since); /* of the oldest */
        staging_swap(&staging);
        assert_ptr_equal(staging_draining(&staging)->base, first);
        assert_int_equal(staging_draining(&staging)->used, 1010);
        assert_int_equal(staging_filling(&staging)->used, 0);
        staging_empty(staging_draining(&staging));
        assert_int_equal(staging_draining(&staging)->since_ticks, 0);
    }
    (void)staging_add(&staging, 100000); /* to the last byte */
    staging_deinit(&staging);
}

static size_t pages_in_memory(const void *base, size_t size)
{
    size_t n = size / (size_t)sysconf(_SC_PAGESIZE), count = 0;
    unsigned char *in = calloc(n, 1);
    assert_int_equal(mincore((void *)(uintptr_t)base, size, in), 0);
    for (size_t i = 0; i < n; i++)
        count += in[i] & 1;
    free(in);
    return count * (size_t)sysconf(_SC_PAGESIZE);
}

static void give_back(void **state)
{
    const size_t size = 16 << 20;
    struct staging staging;
    (void)state;
    assert_true(staging_init(&staging, size));
    memset(staging_add(&staging, size), 1, size);
    staging_swap(&staging);
    struct staging_half *half = staging_draining(&staging);
    assert_int_equal(pages_in_memory(half->base, size), size);
    staging_give_back(half);
    staging_empty(half);
    assert_int_equal(pages_in_memory(half->base, size), STAGING_KEPT);
    staging_deinit(&staging);
}

static void no_room(void **state)
{
    struct staging staging;
    (void)state;
    assert_false(staging_init(&staging, (size_t)1 << 62));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns),
        cmocka_unit_test(give_back),
        cmocka_unit_test(no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
