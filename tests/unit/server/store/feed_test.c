/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The feed: what is told of which effects, whole transactions in the order of versions, a ring that
 * moves on, seeking, and threads that write and read at the same time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/rng.h"
#include "server/store/clear.h"

#include "tests/unit/server/store/logged.h"

#include <pthread.h>

enum { LARGE = 60000, THREADS = 3, EACH = 30000 };

static struct store *open_fed(unsigned n_threads)
{
    struct store *store = fixture_open(4, n_threads);
    assert_int_equal(store_start_feed(store), 0);
    return store;
}

/* A reader of its own, from the beginning. */
struct view {
    struct feed *feed;
    struct feed_reader reader;
    struct feed_cursor cursor;
};

static struct view view_from(struct store *store, uint64_t version)
{
    struct view view = {.feed = store->feed};
    (void)feed_seek(store->feed, version, &view.cursor);
    return view;
}

static enum feed_result view_next(struct view *view, const struct feed_item **out_item)
{
    return feed_next(view->feed, &view->reader, &view->cursor, feed_end(view->feed), out_item);
}

/* The next event is this: "7.0 put key". */
static void assert_next(struct view *view, const char *text)
{
    const struct feed_item *item;
    char found[200];
    enum feed_result result = view_next(view, &item);
    if (result == FEED_END)
        (void)snprintf(found, sizeof found, "end");
    else if (result == FEED_LOST)
        (void)snprintf(found, sizeof found, "lost to %llu", (unsigned long long)view->cursor.after);
    else
        (void)snprintf(found, sizeof found, "%llu.%u %s %s %.*s", (unsigned long long)item->version,
                       item->index, event_name(item->event), record_kind_name(item->kind),
                       item->key_size < LARGE ? item->key_size : 2, (const char *)item->key);
    assert_string_equal(found, text);
}

static void view_close(struct view *view)
{
    feed_reader_close(view->feed, &view->reader);
}

/* A transaction that puts, or deletes where the value is NULL. */
static uint64_t change(struct store *store, unsigned n, const char *const keys[], const char *value)
{
    struct txn_set set = {0};
    struct txn txn;
    txn_init(&txn, store, FIXTURE_NOW_MS);
    txn_set_all(&set, store);
    assert_int_equal(txn_lock_set(&txn, store->default_run, &set, 0), 0);
    txn.many = true;
    for (unsigned i = 0; i < n; i++) {
        struct record_spec spec =
            fixture_spec(store, keys[i], bytes_of(value != NULL ? value : ""), 0);
        uint64_t hash = store_hash(store, &spec.key);
        assert_int_equal(
            value != NULL ? txn_put(&txn, &spec, hash) : txn_del(&txn, &spec.key, hash), 0);
    }
    uint64_t version = txn_commit(&txn);
    txn_deinit(&txn);
    return version;
}

static void test_off(void **state)
{
    struct store *store = fixture_open(4, 1);
    struct feed_cursor cursor;
    (void)state;
    put(store, "a", "1");
    put(store, "b", "1");
    assert_false(feed_is_on(store->feed));
    assert_int_equal(store_start_feed(store), 0);
    assert_int_equal(store_start_feed(store), 0);
    struct view view = view_from(store, 2);
    assert_next(&view, "end");
    put(store, "c", "1");
    assert_next(&view, "3.0 put kv c");
    assert_true(feed_seek(store->feed, 2, &cursor));
    assert_false(feed_seek(store->feed, 1, &cursor)); /* nobody kept what came after */
    assert_true(cursor.after == 2);
    view_close(&view);
    store_destroy(store);
}

static void test_effects(void **state)
{
    static const char *const pair[] = {"b", "c"};
    struct store *store = open_fed(1);
    struct view view = view_from(store, 0);
    (void)state;
    put(store, "a", "1");
    put(store, "a", "2"); /* in place */
    (void)change(store, 2, pair, "x");
    (void)change(store, 1, pair, NULL);
    assert_int_equal(fixture_put(store, "t", bytes_of("1"), FIXTURE_NOW_MS + 5), 0);
    for (unsigned i = 0; i < store->n_partitions; i++)
        (void)store_sweep(store, i, FIXTURE_NOW_MS + 100, 100);
    assert_next(&view, "1.0 put kv a");
    assert_next(&view, "2.0 put kv a");
    assert_next(&view, "3.0 put kv b");
    assert_next(&view, "3.1 put kv c");
    assert_next(&view, "4.0 del kv b");
    assert_next(&view, "5.0 put kv t");
    assert_next(&view, "6.0 expired kv t");
    assert_next(&view, "end");
    view_close(&view);
    store_destroy(store);
}

static void test_notes(void **state)
{
    struct store *store = open_fed(1);
    struct view view = view_from(store, 0);
    struct record_spec spec = fixture_spec(store, "named", bytes_of("1"), 0);
    struct record_key other = fixture_key(store, "other"), passing = fixture_key(store, "passing");
    uint64_t hash = store_hash(store, &spec.key);
    struct txn_set set = {0};
    struct txn txn;
    (void)state;
    txn_init(&txn, store, FIXTURE_NOW_MS);
    txn_set_all(&set, store);
    assert_int_equal(txn_lock_set(&txn, store->default_run, &set, 0), 0);
    txn.many = true;
    assert_int_equal(txn_put(&txn, &spec, hash), 0);
    assert_int_equal(txn_del(&txn, &passing, store_hash(store, &passing)), 0); /* is not there */
    assert_int_equal(txn_note(&txn, &spec.key, true, hash, EVENT_evicted), 0);
    assert_int_equal(txn_note(&txn, &other, true, store_hash(store, &other), EVENT_expired), 0);
    (void)txn_commit(&txn);
    txn_deinit(&txn);
    assert_next(&view, "1.0 evicted kv named");
    assert_next(&view, "1.2 expired kv other");
    assert_next(&view, "end");
    view_close(&view);
    store_destroy(store);
}

static void test_runs(void **state)
{
    struct store *store = open_fed(1);
    struct view view = view_from(store, 0);
    struct run *run;
    (void)state;
    assert_int_equal(run_open(store->runs, bytes_of("r"), &run), 0);
    assert_true(run_drop(store->runs, run));
    const struct feed_item *item;
    assert_int_equal(view_next(&view, &item), FEED_ITEM);
    assert_int_equal(item->event, EVENT_created);
    assert_int_equal(item->run, run_id(run));
    assert_false(feed_drops_after(store->feed, 2));
    assert_true(feed_drops_after(store->feed, 1));
    assert_int_equal(view_next(&view, &item), FEED_ITEM);
    assert_int_equal(item->event, EVENT_dropped);
    assert_int_equal(item->run, run_id(run));
    run_unref(run);
    run_unref(run);
    assert_next(&view, "end");
    view_close(&view);
    store_destroy(store);
}

/* A run is found among chunks that have nothing about any. */
static void test_find_run(void **state)
{
    struct store *store = open_fed(1);
    struct view view = view_from(store, 0);
    char *key = calloc(1, LARGE + 1);
    struct run *run;
    (void)state;
    memset(key, 'k', LARGE);
    for (unsigned i = 0; i < 10; i++) {
        if (i == 7) {
            assert_int_equal(run_open(store->runs, bytes_of("other"), &run), 0);
            run_unref(run);
            assert_int_equal(run_open(store->runs, bytes_of("r"), &run), 0);
            run_unref(run);
        }
        put(store, key, "1");
    }
    const struct feed_item *item =
        feed_find_run(store->feed, &view.reader, view.cursor, bytes_of("r"));
    assert_non_null(item);
    assert_true(item->version == 9 && item->event == EVENT_created);
    view.cursor.after = 9;
    assert_null(feed_find_run(store->feed, &view.reader, view.cursor, bytes_of("r")));
    assert_null(feed_find_run(store->feed, &view.reader, view.cursor, bytes_of("nope")));
    assert_next(&view, "10.0 put kv kk");
    view_close(&view);
    free(key);
    store_destroy(store);
}

/* Slices of a clear are deletes; of a run that is gone nothing is told. */
static void test_clear(void **state)
{
    struct store *store = open_fed(1);
    struct clear clear;
    bool done = false;
    (void)state;
    for (int i = 0; i < 2; i++) {
        put(store, "k", "1");
        struct view view = view_from(store, atomic_load(&store->version));
        assert_int_equal(clear_init(&clear, store, store->default_run, KIND_NONE, BYTES_NONE), 0);
        clear.silent = i == 1;
        for (done = false; !done;)
            assert_int_equal(clear_step(&clear, store, FIXTURE_NOW_MS, &done), 0);
        clear_deinit(&clear);
        assert_next(&view, i == 0 ? "2.0 del kv k" : "end");
        view_close(&view);
    }
    store_destroy(store);
}

static void test_with_a_log(void **state)
{
    static const char *const pair[] = {"b", "c"};
    struct store *store = fixture_open(4, 1);
    struct wal_end end = {0};
    struct logged logged;
    (void)state;
    logged_open(&logged);
    logged_begin(&logged, store, &end);
    put(store, "a", "1");
    assert_int_equal(store_start_feed(store), 0);
    struct view view = view_from(store, 1);
    assert_true(change(store, 2, pair, "1") == 2);
    del(store, "a");
    assert_next(&view, "2.0 put kv b");
    assert_next(&view, "2.1 put kv c");
    assert_next(&view, "3.0 del kv a");
    assert_next(&view, "end");
    view_close(&view);
    logged_end(store);
    store_destroy(store);
    logged_close(&logged);
}

/* Keys of all sizes until the ring has moved on several times. Who is slow loses a range, and goes
 * on right behind it; who is not sees everything. */
static void test_moves_on(void **state)
{
    struct store *store = open_fed(1);
    struct view quick = view_from(store, 0), slow = view_from(store, 0);
    struct rng rng = {.state = 7};
    char *key = calloc(1, LARGE + 1);
    uint64_t seen = 0, lost = 0;
    const struct feed_item *item;
    enum feed_result result;
    (void)state;
    for (unsigned i = 1; i <= 400; i++) {
        memset(key, 'k', LARGE);
        size_t size = 1 + rng_below(&rng, LARGE);
        key[size] = 0;
        put(store, key, "1");
        assert_int_equal(view_next(&quick, &item), FEED_ITEM);
        assert_true(item->version == i && item->key_size == size);
        assert_int_equal(view_next(&quick, &item), FEED_END);
        if (i % 100 != 0)
            continue;
        while ((result = view_next(&slow, &item)) != FEED_END) {
            if (result == FEED_LOST) {
                assert_true(slow.cursor.after > seen);
                seen = slow.cursor.after;
                lost++;
                continue;
            }
            assert_true(item->version == ++seen);
        }
        assert_true(seen == i);
    }
    assert_true(lost == 4);
    view_close(&quick);
    view_close(&slow);
    free(key);
    store_destroy(store);
}

static void test_seek(void **state)
{
    static const char *const three[] = {"x", "y", "z"};
    struct store *store = open_fed(1);
    struct feed_cursor cursor;
    const struct feed_item *item;
    char *key = calloc(1, LARGE + 1);
    uint64_t newest, first = 0;
    (void)state;
    memset(key, 'k', 20000);
    for (unsigned i = 0; i < 50; i++) {
        put(store, key, "1");
        (void)change(store, 3, three, "1");
        put(store, key, "2");
    }
    newest = atomic_load(&store->version);
    for (uint64_t version = 0; version <= newest; version++) {
        bool whole = feed_seek(store->feed, version, &cursor);
        struct view view = {.feed = store->feed, .cursor = cursor};
        if (whole && first == 0)
            first = version;
        assert_true(whole == (first != 0));
        assert_true(cursor.after == version || !whole);
        if (version == newest) {
            assert_next(&view, "end");
        } else {
            assert_int_equal(view_next(&view, &item), FEED_ITEM);
            assert_true(item->version == cursor.after + 1 && item->index == 0);
        }
        view_close(&view);
    }
    assert_true(first > 0 && first < newest);
    free(key);
    store_destroy(store);
}

/* A transaction that the ring cannot hold is lost as a whole. */
static void test_too_large(void **state)
{
    enum { N = 60 };
    struct store *store = open_fed(1);
    char *keys[N];
    (void)state;
    for (unsigned i = 0; i < N; i++) {
        keys[i] = calloc(1, LARGE + 1);
        memset(keys[i], 'k', LARGE);
        keys[i][0] = (char)('0' + i);
    }
    put(store, "a", "1");
    struct view view = view_from(store, 0);
    assert_true(change(store, N, (const char *const *)keys, "1") == 2);
    assert_next(&view, "lost to 2");
    assert_next(&view, "end");
    put(store, "b", "1");
    assert_next(&view, "3.0 put kv b");
    view_close(&view);
    for (unsigned i = 0; i < N; i++)
        free(keys[i]);
    store_destroy(store);
}

/* What a reader holds stays as it is, while the ring goes round and round. */
static void test_held(void **state)
{
    struct store *store = open_fed(2);
    struct view view = view_from(store, 0);
    const struct feed_item *item;
    char *key = calloc(1, LARGE + 1);
    (void)state;
    put(store, "first", "1");
    assert_int_equal(view_next(&view, &item), FEED_ITEM);
    memset(key, 'k', LARGE);
    for (unsigned i = 0; i < 200; i++)
        put(store, key, "1");
    assert_true(item->version == 1 && memcmp(item->key, "first", 5) == 0);
    assert_int_equal(view_next(&view, &item), FEED_ITEM); /* of the chunk it holds */
    while (item->version < 3 && view_next(&view, &item) == FEED_ITEM)
        continue;
    view_close(&view);
    free(key);
    store_destroy(store);
}

/* ---- threads ---- */

struct writer {
    struct store *store;
    unsigned number;
};

static void *write_many(void *context)
{
    const struct writer *writer = context;
    char key[64];
    uint64_t version;
    for (unsigned i = 0; i < EACH; i++) {
        (void)snprintf(key, sizeof key, "%u:%u %024u", writer->number, i % 50, 0);
        assert_int_equal(fixture_put_among(writer->store, key, bytes_of("1"), 0, &version), 0);
    }
    return NULL;
}

/* Every version is seen once, in order, or is in a range that was lost. */
static void *read_all(void *context)
{
    struct store *store = context;
    struct view view = view_from(store, 0);
    const struct feed_item *item;
    uint64_t seen = 0;
    while (seen < (uint64_t)THREADS * EACH) {
        enum feed_result result = view_next(&view, &item);
        if (result == FEED_LOST) {
            assert_true(view.cursor.after > seen);
            seen = view.cursor.after;
        } else if (result == FEED_ITEM) {
            assert_true(item->version == seen + 1);
            seen = item->version;
        }
    }
    view_close(&view);
    return NULL;
}

static void test_threads(void **state)
{
    struct store *store = open_fed(THREADS + 1);
    pthread_t threads[THREADS + 2];
    struct writer writers[THREADS];
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[THREADS + i], NULL, read_all, store), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){store, i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS + 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    store_destroy(store);
}

static void count_wake(void *context)
{
    (*(unsigned *)context)++;
}

static void test_telling(void **state)
{
    struct store *store = open_fed(1);
    unsigned woken = 0;
    struct feed_listener listener = {.wake = count_wake, .context = &woken};
    (void)state;
    feed_listen(store->feed, &listener);
    feed_listen(store->feed, &listener);
    feed_tell(store->feed);
    assert_int_equal(woken, 0); /* it does not wait */
    atomic_store(&listener.waits, true);
    feed_tell(store->feed);
    feed_tell(store->feed);
    assert_int_equal(woken, 1);
    feed_listen_no_more(store->feed, &listener);
    atomic_store(&listener.waits, true);
    feed_tell(store->feed);
    assert_int_equal(woken, 1);
    store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off),        cmocka_unit_test(test_effects),
        cmocka_unit_test(test_notes),      cmocka_unit_test(test_runs),
        cmocka_unit_test(test_find_run),   cmocka_unit_test(test_clear),
        cmocka_unit_test(test_with_a_log), cmocka_unit_test(test_moves_on),
        cmocka_unit_test(test_seek),       cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_held),       cmocka_unit_test(test_threads),
        cmocka_unit_test(test_telling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
