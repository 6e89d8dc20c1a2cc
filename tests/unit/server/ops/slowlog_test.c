/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/ops/slowlog: newest first, pages, the oldest overwritten, ids that never come again, the
 * threshold, and many loops that add while others read and reset.
 */
#include "server/ops/slowlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { CAPACITY = 5, THREADS = 4, EACH = 2000 };

static void add(struct slowlog *log, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        struct slow_request request = {.ns = log->last_id + 1, .id = 999};
        slowlog_add(log, &request);
    }
}

/* A page holds exactly these ids, ended by 0; returns how many the log holds. */
static size_t assert_page(struct slowlog *log, uint64_t before, size_t max, bool reset,
                          const uint64_t *ids)
{
    struct slow_request found[2 * CAPACITY];
    size_t held = 0, n = slowlog_read(log, before, max, reset, found, &held);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(found[i].id, ids[i]);
        assert_int_equal(found[i].ns, ids[i]);
    }
    assert_int_equal(ids[n], 0);
    return held;
}

static void order(void **state)
{
    (void)state;
    struct slowlog log;
    assert_int_equal(slowlog_init(&log, CAPACITY), 0);
    assert_int_equal(assert_page(&log, UINT64_MAX, 10, false, (uint64_t[]){0}), 0);
    assert_int_equal(assert_page(&log, 0, 10, true, (uint64_t[]){0}), 0);
    add(&log, 3);
    assert_int_equal(assert_page(&log, UINT64_MAX, 10, false, (uint64_t[]){3, 2, 1, 0}), 3);
    add(&log, 4);
    assert_int_equal(assert_page(&log, UINT64_MAX, 10, false, (uint64_t[]){7, 6, 5, 4, 3, 0}), 5);
    assert_int_equal(assert_page(&log, 8, 2, false, (uint64_t[]){7, 6, 0}), 5);
    (void)assert_page(&log, 6, 2, false, (uint64_t[]){5, 4, 0});
    (void)assert_page(&log, 4, 2, false, (uint64_t[]){3, 0});
    (void)assert_page(&log, 3, 2, false, (uint64_t[]){0}); /* overwritten */
    (void)assert_page(&log, 0, 2, false, (uint64_t[]){0});
    assert_int_equal(assert_page(&log, UINT64_MAX, 1, true, (uint64_t[]){7, 0}), 5);
    assert_int_equal(assert_page(&log, UINT64_MAX, 10, false, (uint64_t[]){0}), 0);
    add(&log, 1);
    assert_int_equal(assert_page(&log, UINT64_MAX, 10, false, (uint64_t[]){8, 0}), 1);
    (void)assert_page(&log, 8, 10, false, (uint64_t[]){0});
    slowlog_deinit(&log);
}

static void one_entry(void **state)
{
    (void)state;
    struct slowlog log;
    assert_int_equal(slowlog_init(&log, 1), 0);
    add(&log, 3);
    assert_int_equal(assert_page(&log, UINT64_MAX, 10, true, (uint64_t[]){3, 0}), 1);
    slowlog_deinit(&log);
    slowlog_deinit(&log);
    log = (struct slowlog){0};
    slowlog_deinit(&log);
}

static void threshold(void **state)
{
    (void)state;
    struct slowlog log;
    assert_int_equal(slowlog_init(&log, 1), 0);
    assert_false(slowlog_wants(&log, 3600 * (uint64_t)1000000000)); /* until it is set */
    slowlog_set_threshold(&log, 10);
    assert_false(slowlog_wants(&log, 9999));
    assert_true(slowlog_wants(&log, 10000));
    slowlog_set_threshold(&log, 0);
    assert_true(slowlog_wants(&log, 0));
    slowlog_set_threshold(&log, -1);
    assert_false(slowlog_wants(&log, UINT64_MAX - 1));
    slowlog_deinit(&log);
}

static void *write_many(void *argument)
{
    struct slowlog *log = argument;
    for (uint64_t i = 1; i <= EACH; i++) {
        struct slow_request request = {.ns = i, .request_bytes = i, .run_size = i};
        slowlog_add(log, &request);
    }
    return NULL;
}

/* What is read is whole, and ids are given once and in order. */
static void threads(void **state)
{
    (void)state;
    struct slowlog log;
    pthread_t thread[THREADS];
    struct slow_request found[CAPACITY];
    uint64_t last = 0;
    assert_int_equal(slowlog_init(&log, CAPACITY), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, write_many, &log), 0);
    while (last < THREADS * EACH) {
        size_t held, n = slowlog_read(&log, UINT64_MAX, CAPACITY, true, found, &held);
        assert_int_equal(n, held);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(found[i].id, found[0].id - i);
            assert_int_equal(found[i].ns, found[i].request_bytes);
            assert_int_equal(found[i].ns, found[i].run_size);
        }
        assert_true(n == 0 || found[n - 1].id > last); /* it was reset */
        last = n > 0 ? found[0].id : last;
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(last, THREADS * EACH);
    slowlog_deinit(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),
        cmocka_unit_test(one_entry),
        cmocka_unit_test(threshold),
        cmocka_unit_test(threads),
    };
    return cmocka_run_group_tests_name("slowlog", tests, NULL, NULL);
}
