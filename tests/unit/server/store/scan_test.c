/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Scans and counts over 1, 4 and 16 partitions against a sorted array: every prefix, bound,
 * cursor and direction; changes between pages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/scan.h"
#include "tests/unit/server/store/fixture.h"

enum { N_KEYS = 400, MAX_SEEN = 4000 };

static const char *keys[N_KEYS]; /* in order; all of them are in the store */
static char key_room[N_KEYS][8];

static int key_order(const void *a, const void *b)
{
    return bytes_compare(bytes_of(*(const char *const *)a), bytes_of(*(const char *const *)b));
}

/* Three bytes or fewer of a, b and 0xff: all of them, then numbers. */
static int make_keys(void **state)
{
    static const char letters[] = {'a', 'b', (char)0xff};
    size_t n = 0;
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        key_room[n++][0] = letters[i];
        for (unsigned j = 0; j < 3; j++) {
            memcpy(key_room[n++], (char[]){letters[i], letters[j]}, 2);
            for (unsigned k = 0; k < 3; k++)
                memcpy(key_room[n++], (char[]){letters[i], letters[j], letters[k]}, 3);
        }
    }
    for (; n < N_KEYS; n++)
        (void)snprintf(key_room[n], sizeof key_room[n], "k%u", (unsigned)n);
    for (n = 0; n < N_KEYS; n++)
        keys[n] = key_room[n];
    qsort(keys, N_KEYS, sizeof keys[0], key_order);
    return 0;
}

static struct store *filled(unsigned n_partitions)
{
    struct store *store = fixture_open(n_partitions, 1);
    struct run *other = NULL;
    for (size_t i = 0; i < N_KEYS; i++)
        put(store, keys[(i * 7) % N_KEYS], "v");
    /* Runs before and behind it are not in the way. */
    assert_int_equal(run_open(store->runs, bytes_of("other"), &other), 0);
    struct run *mine = store->default_run;
    store->default_run = other;
    for (size_t i = 0; i < N_KEYS; i += 9)
        put(store, keys[i], "other");
    store->default_run = mine;
    run_unref(other);
    return store;
}

struct page {
    char seen[MAX_SEEN][8];
    size_t n, stop_at;
};

static bool visit(void *context, const struct record *record)
{
    struct page *page = context;
    struct bytes key = record_key_bytes(record);
    memset(page->seen[page->n], 0, sizeof page->seen[0]);
    memcpy(page->seen[page->n], key.data, key.size);
    assert_true(bytes_equal(record_value(record), bytes_of("v")));
    page->n++;
    return page->n != page->stop_at;
}

struct range {
    struct bytes prefix, from, to, after;
    bool reverse;
};

/* One page behind what `page` has; true if there is more. */
static bool scan_page(struct store *store, const struct range *range, int64_t now_ms,
                      uint64_t limit, struct page *page)
{
    struct scan scan;
    bool more = false;
    assert_int_equal(scan_init(&scan, store->default_run, KIND_kv, range->prefix, range->from,
                               range->to, range->after, range->reverse),
                     0);
    assert_int_equal(
        scan_visit(store, store->default_run, &scan, now_ms, limit, visit, page, &more), 0);
    scan_deinit(&scan);
    return more;
}

/* What the sorted array says. */
static bool belongs(const struct range *range, const char *key)
{
    struct bytes bytes = bytes_of(key);
    int behind = range->after.data == NULL ? 0 : bytes_compare(bytes, range->after);
    return bytes_start_with(bytes, range->prefix) && bytes_compare(bytes, range->from) >= 0 &&
           (range->to.size == 0 || bytes_compare(bytes, range->to) < 0) &&
           (range->after.data == NULL || (range->reverse ? behind < 0 : behind > 0));
}

static void check_range(struct store *store, const struct range *range)
{
    static struct page page;
    struct range whole = *range;
    uint64_t count = 0, expected = 0;
    size_t n = 0;
    struct scan scan;
    page.n = page.stop_at = 0;
    (void)scan_page(store, range, FIXTURE_NOW_MS, UINT64_MAX, &page);
    for (size_t i = 0; i < N_KEYS; i++) {
        const char *key = keys[range->reverse ? N_KEYS - 1 - i : i];
        if (!belongs(range, key))
            continue;
        assert_true(n < page.n);
        assert_string_equal(page.seen[n++], key);
    }
    assert_int_equal(n, page.n);
    whole.after = BYTES_NONE;
    for (size_t i = 0; i < N_KEYS; i++)
        expected += belongs(&whole, keys[i]);
    assert_int_equal(scan_init(&scan, store->default_run, KIND_kv, range->prefix, range->from,
                               range->to, BYTES_NONE, false),
                     0);
    assert_int_equal(scan_count(store, store->default_run, &scan, FIXTURE_NOW_MS, &count), 0);
    scan_deinit(&scan);
    assert_int_equal(count, expected);
}

static const char *const bounds[] = {"",     "a",        "ab", "a\xff", "b\xff\xff",
                                     "\xff", "\xff\xff", "k2", "zz"};

static void check_all_ranges(unsigned n_partitions)
{
    struct store *store = filled(n_partitions);
    const size_t n = LENGTH_OF(bounds);
    for (size_t i = 0; i < n * n * n * 4; i++) {
        struct range range = {.prefix = bytes_of(bounds[i % n]),
                              .from = bytes_of(bounds[i / n % n]),
                              .to = bytes_of(bounds[i / n / n % n]),
                              .reverse = i / n / n / n % 2 == 1};
        if (i / n / n / n / 2 == 1)
            range.after = bytes_of(bounds[(i * 5 + 1) % (n - 1) + 1]);
        check_range(store, &range);
    }
    assert_int_equal(scan_count_run(store, store->default_run), N_KEYS);
    assert_int_equal(scan_count_run(store, NULL), 0);
    store_destroy(store);
}

static void test_ranges(void **state)
{
    (void)state;
    check_all_ranges(1);
    check_all_ranges(4);
    check_all_ranges(16);
}

/* Pages of any size add up to the whole; the limit and the visitor end a page. */
static void test_pages(void **state)
{
    static const unsigned limits[] = {1, 2, 7, SCAN_SLICE - 1, SCAN_SLICE, SCAN_SLICE + 1, N_KEYS};
    static struct page page;
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(limits) * 4; i++) {
        struct store *store = filled(i % 4 < 2 ? 4 : 16);
        struct range range = {.reverse = i % 2 == 1};
        unsigned limit = limits[i / 4];
        bool more = true;
        char after[8];
        page.n = page.stop_at = 0;
        for (size_t pages = 0; more; pages++) {
            size_t before = page.n;
            more = scan_page(store, &range, FIXTURE_NOW_MS, limit, &page);
            assert_true(page.n - before == limit || !more);
            assert_true(pages <= N_KEYS / limit + 1);
            memcpy(after, page.seen[page.n - 1], sizeof after);
            range.after = bytes_of(after);
        }
        assert_int_equal(page.n, N_KEYS);
        for (size_t k = 0; k < N_KEYS; k++)
            assert_string_equal(page.seen[k], keys[range.reverse ? N_KEYS - 1 - k : k]);
        page.n = 0;
        page.stop_at = 3;
        range.after = BYTES_NONE;
        assert_true(scan_page(store, &range, FIXTURE_NOW_MS, UINT64_MAX, &page));
        assert_int_equal(page.n, 3);
        store_destroy(store);
    }
}

/* Between pages odd keys go away and come back: even ones come exactly once. */
static void test_changes_between_pages(void **state)
{
    static struct page page;
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct store *store = filled(1u << (i / 2 * 2));
        struct range range = {.reverse = i % 2 == 1};
        bool more = true;
        char after[8];
        size_t even = 0;
        page.n = page.stop_at = 0;
        for (unsigned round = 0; more; round++) {
            more = scan_page(store, &range, FIXTURE_NOW_MS, 5, &page);
            memcpy(after, page.seen[page.n - 1], sizeof after);
            range.after = bytes_of(after);
            for (size_t k = 1; k < N_KEYS; k += 2) {
                if ((k / 2 + round) % 2 == 0)
                    del(store, keys[k]);
                else
                    put(store, keys[k], "v");
            }
        }
        for (size_t s = 0; s < page.n; s++) {
            const char *seen = page.seen[s];
            const char **found = bsearch(&seen, keys, N_KEYS, sizeof keys[0], key_order);
            even += (found - keys) % 2 == 0;
            if (s > 0) /* in order, so nothing comes twice */
                assert_true((bytes_compare(bytes_of(page.seen[s - 1]), bytes_of(seen)) < 0) !=
                            range.reverse);
        }
        assert_int_equal(even, N_KEYS / 2);
        store_destroy(store);
    }
}

/* What has expired is not shown, even if whole slices of it come one after the other. */
static void test_expired(void **state)
{
    static struct page page;
    struct store *store = fixture_open(4, 1);
    struct range range = {0};
    struct scan scan;
    uint64_t count;
    char key[8];
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof key, "%03u", i);
        assert_int_equal(
            fixture_put(store, key, bytes_of("v"), i % 500 == 499 ? 0 : FIXTURE_NOW_MS + 40), 0);
    }
    page.n = page.stop_at = 0;
    assert_false(scan_page(store, &range, FIXTURE_NOW_MS + 39, 1000, &page));
    assert_int_equal(page.n, 1000);
    page.n = 0;
    (void)scan_page(store, &range, FIXTURE_NOW_MS + 40, 2, &page);
    assert_int_equal(page.n, 2);
    assert_string_equal(page.seen[1], "999");
    assert_int_equal(scan_init(&scan, store->default_run, KIND_kv, BYTES_NONE, BYTES_NONE,
                               BYTES_NONE, BYTES_NONE, false),
                     0);
    assert_int_equal(scan_count(store, store->default_run, &scan, FIXTURE_NOW_MS + 40, &count), 0);
    assert_int_equal(count, 2);
    scan_deinit(&scan);
    assert_int_equal(fixture_check(store), 2);
    store_destroy(store);
}

static void test_dropped(void **state)
{
    struct store *store = filled(4);
    struct run *run = run_find(store->runs, bytes_of("other"));
    struct page page = {.n = 0};
    struct scan scan;
    uint64_t count;
    bool more;
    (void)state;
    assert_int_equal(
        scan_init(&scan, run, KIND_kv, BYTES_NONE, BYTES_NONE, BYTES_NONE, BYTES_NONE, false), 0);
    assert_true(run_drop(store->runs, run));
    assert_int_equal(scan_visit(store, run, &scan, FIXTURE_NOW_MS, 9, visit, &page, &more),
                     TXN_RETRY);
    assert_int_equal(scan_count(store, run, &scan, FIXTURE_NOW_MS, &count), TXN_RETRY);
    assert_int_equal(page.n, 0);
    scan_deinit(&scan);
    run_unref(run);
    run_unref(run);
    store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),  cmocka_unit_test(test_changes_between_pages),
        cmocka_unit_test(test_pages),   cmocka_unit_test(test_expired),
        cmocka_unit_test(test_dropped),
    };
    return cmocka_run_group_tests(tests, make_keys, NULL);
}
