/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Walks over 1, 4 and 16 partitions: everything is met, nothing of other runs, whatever the page
 * size, and while the tables grow and shrink between pages; any number is a cursor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/walk.h"
#include "tests/unit/server/store/fixture.h"

enum { N_KEYS = 3000 };

static unsigned seen[2 * N_KEYS];

static bool visit(void *context, const struct record *record)
{
    char text[16] = "";
    struct bytes key = record_key_bytes(record);
    unsigned *n = context;
    assert_true(key.size < sizeof text);
    memcpy(text, key.data, key.size);
    seen[strtoul(text + 1, NULL, 10)]++;
    ++*n;
    return true;
}

static const char *key_of(unsigned i)
{
    static char text[16];
    (void)snprintf(text, sizeof text, "k%u", i);
    return text;
}

static struct store *filled(unsigned n_partitions)
{
    struct store *store = fixture_open(n_partitions, 1);
    struct run *other = NULL, *mine = store->default_run;
    for (unsigned i = 0; i < N_KEYS; i++)
        put(store, key_of(i), "v");
    assert_int_equal(run_open(store->runs, bytes_of("other"), &other), 0);
    store->default_run = other;
    for (unsigned i = 0; i < 500; i++)
        put(store, key_of(N_KEYS + i), "other");
    store->default_run = mine;
    run_unref(other);
    memset(seen, 0, sizeof seen);
    return store;
}

/* One page; how many were visited. */
static unsigned page(struct store *store, uint64_t limit, uint64_t *cursor)
{
    unsigned n = 0;
    assert_int_equal(walk_visit(store, store->default_run, (uint64_t)1 << KIND_kv, FIXTURE_NOW_MS,
                                limit, visit, &n, cursor),
                     0);
    assert_true(n <= limit);
    assert_true(*cursor < (uint64_t)1 << 53);
    return n;
}

static void everything_once(void **state)
{
    static const unsigned partitions[] = {1, 4, 16}, limits[] = {1, 7, 100, 10000};
    (void)state;
    for (size_t p = 0; p < LENGTH_OF(partitions); p++) {
        for (size_t l = 0; l < LENGTH_OF(limits); l++) {
            struct store *store = filled(partitions[p]);
            uint64_t cursor = 0;
            do
                (void)page(store, limits[l], &cursor);
            while (cursor != 0);
            for (unsigned i = 0; i < 2 * N_KEYS; i++)
                if (seen[i] != (i < N_KEYS))
                    fail_msg("%u partitions, pages of %u: key %u met %u times", partitions[p],
                             limits[l], i, seen[i]);
            store_destroy(store);
        }
    }
}

/* Keys below 1000 stay; the others go, or as many come, between the pages. */
static void while_it_changes(bool grows)
{
    struct store *store = filled(4);
    uint64_t cursor = 0;
    unsigned next = grows ? N_KEYS : 1000;
    for (unsigned pages = 0; pages == 0 || cursor != 0; pages++) {
        (void)page(store, 20, &cursor);
        for (unsigned i = 0; i < 25 && next < (grows ? 2u * N_KEYS : N_KEYS); i++, next++)
            grows ? put(store, key_of(next), "v") : del(store, key_of(next));
        assert_true(pages < 10000);
    }
    for (unsigned i = 0; i < (grows ? N_KEYS : 1000u); i++)
        if (seen[i] == 0)
            fail_msg("key %u was missed", i);
    store_destroy(store);
}

static void growing_misses_nothing(void **state)
{
    (void)state;
    while_it_changes(true);
}

static void shrinking_misses_nothing(void **state)
{
    (void)state;
    while_it_changes(false);
}

static void any_cursor(void **state)
{
    (void)state;
    struct store *store = filled(4);
    srandom(3);
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t cursor = (uint64_t)random() << 31 ^ (uint64_t)random();
        cursor = i % 3 == 0 ? cursor << 8 : i % 3 == 1 ? cursor % 5000 : cursor;
        cursor &= ((uint64_t)1 << 53) - 1;
        (void)page(store, 10, &cursor);
    }
    store_destroy(store);
}

/* A page in a store full of others' records ends all the same. */
static void nothing_to_find(void **state)
{
    (void)state;
    struct store *store = filled(1);
    struct run *empty = NULL, *mine = store->default_run;
    uint64_t cursor = 0;
    unsigned pages = 0;
    assert_int_equal(run_open(store->runs, bytes_of("empty"), &empty), 0);
    store->default_run = empty;
    do
        assert_int_equal(page(store, 1, &cursor), 0);
    while (cursor != 0 && ++pages < 100);
    assert_int_equal(cursor, 0);
    store->default_run = mine;
    run_unref(empty);
    store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_once),          cmocka_unit_test(growing_misses_nothing),
        cmocka_unit_test(shrinking_misses_nothing), cmocka_unit_test(any_cursor),
        cmocka_unit_test(nothing_to_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
