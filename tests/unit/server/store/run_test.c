/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runs: find, open, the limit, dropping, pages, and threads that open and drop the same names.
 *
 * References that are lost or given back twice are found by ASan.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/err.h"
#include "common/mem.h"
#include "server/store/run.h"

#include <pthread.h>

static struct run *open_run(struct run_table *table, const char *name)
{
    struct run *run = NULL;
    assert_int_equal(run_open(table, bytes_of(name), &run), 0);
    assert_true(bytes_equal(run_name(run), bytes_of(name)));
    return run;
}

static void test_open(void **state)
{
    struct run_table *table = run_table_create(10, NULL);
    (void)state;
    assert_null(run_find(table, bytes_of("a")));
    struct run *a = open_run(table, "a"), *b = open_run(table, "b");
    assert_ptr_equal(open_run(table, "a"), a);
    assert_ptr_equal(run_find(table, bytes_of("a")), a);
    assert_int_not_equal(run_id(a), run_id(b));
    assert_int_not_equal(run_id(a), RUN_NOWHERE);
    assert_int_equal(run_id(NULL), RUN_NOWHERE);
    assert_null(run_find(table, bytes_of("aa")));
    for (int i = 0; i < 3; i++)
        run_unref(a);
    run_unref(b);
    run_unref(NULL);
    assert_ptr_equal(run_find(table, bytes_of("a")), a); /* the table keeps it */
    run_unref(a);
    run_table_destroy(table);
}

static void test_limit(void **state)
{
    struct run_table *table = run_table_create(2, NULL);
    struct run *c = NULL;
    (void)state;
    struct run *a = open_run(table, "a"), *b = open_run(table, "b");
    assert_int_equal(run_open(table, bytes_of("c"), &c), ERR_LIMIT_EXCEEDED);
    assert_null(c);
    assert_ptr_equal(open_run(table, "a"), a); /* one that exists needs no room */
    run_unref(a);
    assert_true(run_drop(table, b));
    run_unref(b);
    c = open_run(table, "c");
    run_table_set_max(table, 3);
    struct run *d = open_run(table, "d");
    run_unref(a);
    run_unref(b);
    run_unref(c);
    run_unref(d);
    run_table_destroy(table);
}

static void test_drop(void **state)
{
    struct run_table *table = run_table_create(10, NULL);
    (void)state;
    struct run *a = open_run(table, "a");
    uint32_t id = run_id(a);
    assert_false(run_is_dropped(a));
    assert_true(run_drop(table, a));
    assert_true(run_is_dropped(a));
    assert_false(run_is_dropped(NULL));
    assert_false(run_drop(table, a));
    assert_null(run_find(table, bytes_of("a")));
    struct run *again = open_run(table, "a");
    assert_int_not_equal(run_id(again), id); /* numbers are never reused */
    assert_false(run_drop(table, a));        /* the new one of that name is not meant */
    assert_false(run_is_dropped(again));
    run_unref(again);
    run_unref(a); /* the table's */
    run_unref(a); /* our own */
    run_table_destroy(table);
}

static void test_page(void **state)
{
    static const char *const names[] = {"a", "a/1", "a/2", "b", "c"};
    struct run_table *table = run_table_create(10, NULL);
    struct run *page[8];
    (void)state;
    for (size_t i = LENGTH_OF(names); i-- > 0;)
        run_unref(open_run(table, names[i]));
    assert_int_equal(run_page(table, BYTES_NONE, false, 8, page), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_true(bytes_equal(run_name(page[i]), bytes_of(names[i])));
        run_unref(page[i]);
    }
    assert_int_equal(run_page(table, bytes_of("a/1"), false, 2, page), 2);
    assert_true(bytes_equal(run_name(page[0]), bytes_of("a/1")));
    run_unref(page[0]);
    run_unref(page[1]);
    assert_int_equal(run_page(table, bytes_of("a/1"), true, 1, page), 1);
    assert_true(bytes_equal(run_name(page[0]), bytes_of("a/2")));
    run_unref(page[0]);
    assert_int_equal(run_page(table, bytes_of("c"), true, 1, page), 0);
    run_table_destroy(table);
}

#ifdef CAIRN_FAULTS
static void test_no_memory(void **state)
{
    struct run *run = NULL;
    (void)state;
    mem_fail_after(1, 0);
    assert_null(run_table_create(10, NULL));
    struct run_table *table = run_table_create(10, NULL);
    for (unsigned long n = 1; run == NULL; n++) {
        mem_fail_after(n, 0);
        int err = run_open(table, bytes_of("a"), &run);
        mem_fail_after(0, 0);
        assert_true(err == 0 || err == ERR_OUT_OF_MEMORY);
        assert_true((err == 0) == (run != NULL));
        assert_true(n < 10);
    }
    run_unref(run);
    run_table_destroy(table);
}
#endif

enum { THREADS = 4, ROUNDS = 3000 };

static void *open_and_drop(void *context)
{
    static const char *const names[] = {"x", "y", "z"};
    struct run_table *table = context;
    uintptr_t dropped = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct run *run = NULL, *page[3];
        REQUIRE(run_open(table, bytes_of(names[i % 3]), &run) == 0);
        if (i % 5 == 0 && run_drop(table, run)) {
            dropped++;
            run_unref(run);
        }
        for (size_t n = run_page(table, BYTES_NONE, false, 3, page); n > 0; n--)
            run_unref(page[n - 1]);
        run_unref(run);
    }
    return (void *)dropped;
}

static void test_threads(void **state)
{
    struct run_table *table = run_table_create(4, NULL);
    pthread_t threads[THREADS];
    uintptr_t dropped = 0;
    void *result;
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_drop, table), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        dropped += (uintptr_t)result;
    }
    assert_true(dropped > 0 && dropped <= THREADS * (ROUNDS / 5 + 1));
    struct run *last = open_run(table, "last");
    assert_true(run_id(last) >= dropped);
    run_unref(last);
    run_table_destroy(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),      cmocka_unit_test(test_limit),
        cmocka_unit_test(test_drop),      cmocka_unit_test(test_page),
#ifdef CAIRN_FAULTS
        cmocka_unit_test(test_no_memory),
#endif
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
