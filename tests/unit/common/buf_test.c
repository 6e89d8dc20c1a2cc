/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/buf: appending and consuming against a plain array, sizes that overflow, no memory.
 */
#include "common/buf.h"

#include "common/err.h"
#include "common/mem.h"
#include "tests/unit/common/seed.h"

static void empty(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.capacity, 0);
    assert_int_equal(buf_bytes(&buf).size, 0);
    assert_int_equal(buf_append(&buf, NULL, 0), 0);
    buf_consume(&buf, 0);
    assert_int_equal(buf.size, 0);
    buf_deinit(&buf);
    buf_deinit(&buf); /* empty again: harmless */
}

static void reserve_leaves_room(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf);
    for (size_t extra = 1; extra < 100000; extra = extra * 3 + 1) {
        assert_int_equal(buf_reserve(&buf, extra), 0);
        assert_true(buf.capacity - buf.size >= extra);
        memset(buf.data + buf.size, 0x5a, extra); /* what was promised is really there */
        buf.size += extra;
    }
    buf_deinit(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.capacity, 0);
}

/* Doubling: a megabyte, byte by byte, moves at most a few times. */
static void growth_is_geometric(void **state)
{
    (void)state;
    struct buf buf;
    unsigned moves = 0;
    buf_init(&buf);
    for (size_t i = 0; i < (1u << 20); i++) {
        size_t before = buf.capacity;
        assert_int_equal(buf_append(&buf, "x", 1), 0);
        moves += buf.capacity != before;
    }
    assert_int_equal(buf.size, 1u << 20);
    assert_true(moves <= 14);
    buf_deinit(&buf);
}

static void impossible_sizes(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf);
    assert_int_equal(buf_append(&buf, "abc", 3), 0);
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 2, SIZE_MAX - 3, SIZE_MAX / 2,
                                   SIZE_MAX / 4 - 2};
    for (size_t i = 0; i < LENGTH_OF(sizes); i++) {
        assert_int_equal(buf_reserve(&buf, sizes[i]), ERR_OUT_OF_MEMORY);
        assert_true(bytes_equal(buf_bytes(&buf), bytes_of("abc")));
    }
    buf_deinit(&buf);
}

#ifdef CAIRN_FAULTS
static void no_memory(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf);
    mem_fail_after(1, 0);
    assert_int_equal(buf_append(&buf, "abc", 3), ERR_OUT_OF_MEMORY);
    assert_null(buf.data);
    assert_int_equal(buf_append(&buf, "abc", 3), 0);
    struct buf before = buf;
    mem_fail_after(1, 0);
    assert_int_equal(buf_reserve(&buf, buf.capacity), ERR_OUT_OF_MEMORY);
    assert_memory_equal(&buf, &before, sizeof buf);
    mem_fail_after(0, 0);
    buf_deinit(&buf);
}
#endif

/* Random appends and consumes keep exactly what an array would hold. */
static void random_operations(void **state)
{
    (void)state;
    enum { ROOM = 40000 };
    struct rng rng = seed_rng();
    uint8_t *model = malloc(ROOM), chunk[700];
    size_t size = 0;
    struct buf buf;
    buf_init(&buf);
    for (int step = 0; step < 3000; step++) {
        size_t n = (size_t)rng_below(&rng, sizeof chunk);
        if (rng_below(&rng, 2) == 0 && size + n <= ROOM) {
            for (size_t i = 0; i < n; i++)
                chunk[i] = (uint8_t)rng_next(&rng);
            assert_int_equal(buf_append(&buf, chunk, n), 0);
            memcpy(model + size, chunk, n);
            size += n;
        } else {
            n = n < size ? n : size;
            buf_consume(&buf, n);
            size -= n;
            memmove(model, model + n, size);
        }
        assert_int_equal(buf.size, size);
        assert_true(size == 0 || memcmp(buf.data, model, size) == 0);
    }
    buf_deinit(&buf);
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),
        cmocka_unit_test(reserve_leaves_room),
        cmocka_unit_test(growth_is_geometric),
        cmocka_unit_test(impossible_sizes),
#ifdef CAIRN_FAULTS
        cmocka_unit_test(no_memory),
#endif
        cmocka_unit_test(random_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
