/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/mem: memory is as large and as aligned as asked for, and the countdown to an injected
 * failure counts every kind of allocation, of its own thread alone.
 */
#include "common/mem.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void sizes(void **state)
{
    (void)state;
    for (size_t size = 1; size < 100000; size = size * 2 + 1) {
        uint8_t *memory = mem_alloc(size);
        assert_non_null(memory);
        assert_true(mem_usable(memory) >= size);
        memset(memory, 0x5a, size);
        memory = mem_realloc(memory, 2 * size);
        assert_non_null(memory);
        assert_true(memory[0] == 0x5a && memory[size - 1] == 0x5a);
        mem_free(memory);
    }
    assert_int_equal(mem_usable(NULL), 0);
    mem_free(NULL);
}

static void zeroed(void **state)
{
    (void)state;
    uint8_t *memory = mem_calloc(100, 7);
    assert_non_null(memory);
    for (size_t i = 0; i < 700; i++)
        assert_int_equal(memory[i], 0);
    mem_free(memory);
}

static void aligned(void **state)
{
    (void)state;
    for (size_t alignment = sizeof(void *); alignment <= 4096; alignment *= 2) {
        void *memory = mem_aligned(alignment, 100);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % alignment, 0);
        mem_free(memory);
    }
}

#ifdef CAIRN_FAULTS
enum { KINDS = 4 };

static bool allocates(unsigned kind)
{
    void *memory = NULL;
    switch (kind % KINDS) {
    case 0:
        memory = mem_alloc(8);
        break;
    case 1:
        memory = mem_calloc(2, 4);
        break;
    case 2:
        memory = mem_realloc(NULL, 8);
        break;
    default:
        memory = mem_aligned(64, 64);
    }
    bool there = memory != NULL;
    mem_free(memory);
    return there;
}

static void fails_once(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 10; n++) {
        mem_fail_after(n, 0);
        for (unsigned i = 1; i < 20; i++)
            assert_int_equal(allocates(i), i != n);
    }
}

static void fails_from_then_on(void **state)
{
    (void)state;
    mem_fail_after(3, 1);
    for (unsigned i = 1; i < 20; i++)
        assert_int_equal(allocates(i), i < 3);
    mem_fail_after(0, 0);
    for (unsigned i = 0; i < 20; i++)
        assert_true(allocates(i));
}

static void *allocate_elsewhere(void *out)
{
    *(bool *)out = allocates(0);
    return NULL;
}

static void own_thread_alone(void **state)
{
    (void)state;
    pthread_t thread;
    bool there = false;
    assert_int_equal(pthread_create(&thread, NULL, allocate_elsewhere, &there), 0);
    pthread_join(thread, NULL);
    mem_fail_after(1, 1);
    there = false;
    assert_int_equal(pthread_create(&thread, NULL, allocate_elsewhere, &there), 0);
    pthread_join(thread, NULL);
    assert_true(there);
    assert_false(allocates(0));
    mem_fail_after(0, 0);
}

static void realloc_keeps(void **state)
{
    (void)state;
    char *memory = mem_alloc(8);
    memcpy(memory, "present", 8);
    mem_fail_after(1, 0);
    assert_null(mem_realloc(memory, 1000));
    assert_string_equal(memory, "present");
    mem_free(memory);
}
#else
static void never_fails(void **state)
{
    (void)state;
    mem_fail_after(1, 1);
    void *memory = mem_alloc(1);
    assert_non_null(memory);
    mem_free(memory);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(zeroed),
        cmocka_unit_test(aligned),
#ifdef CAIRN_FAULTS
        cmocka_unit_test(fails_once),
        cmocka_unit_test(fails_from_then_on),
        cmocka_unit_test(own_thread_alone),
        cmocka_unit_test(realloc_keeps),
#else
        cmocka_unit_test(never_fails),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
