/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Versions: counted in memory; with a log they are the LSNs of its entries, one for a transaction,
 * and runs that come and go have one of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/journal.h"

#include "tests/unit/server/store/logged.h"

static void in_memory(void **state)
{
    struct store *store = fixture_open(4, 1);
    struct run *run;
    (void)state;
    put(store, "a", "1");
    assert_int_equal(run_open(store->runs, bytes_of("r"), &run), 0);
    run_unref(run);
    put(store, "a", "2");
    assert_true(record_version(standing(store, "a")) == 2);
    store_destroy(store);
}

static void with_a_log(void **state)
{
    struct store *store = fixture_open(4, 1);
    struct wal_figures figures;
    struct wal_end end = {0};
    struct logged logged;
    struct run *run;
    (void)state;
    logged_open(&logged);
    logged_begin(&logged, store, &end);
    put(store, "a", "1");
    assert_int_equal(run_open(store->runs, bytes_of("r"), &run), 0);
    put(store, "b", "2");
    del(store, "a");
    assert_true(run_drop(store->runs, run));
    run_unref(run);
    run_unref(run);
    assert_true(record_version(standing(store, "b")) == 3);
    assert_true(atomic_load(&store->version) == 5);
    wal_figures(store->wal, &figures);
    assert_true(figures.appended_lsn == 5);
    logged_end(store);
    store_destroy(store);
    logged_close(&logged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_memory),
        cmocka_unit_test(with_a_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
