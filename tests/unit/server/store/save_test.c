/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Snapshots of a store that is in use: seeded random transactions, runs, sweeps and clears between
 * the slices of the walk. The snapshot alone, loaded by one thread or several, must be the store
 * as it was when the walk ended; with the log behind it, the store as it is. And: what is trimmed,
 * numbers of runs, a snapshot given up, threads that write meanwhile.
 *
 * CAIRN_SEED sets the seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/save.h"

#include "tests/unit/server/store/saved.h"
#include "tests/unit/server/store/world.h"

#include <errno.h>
#include <pthread.h>

enum { SNAPSHOTS = 12, STEPS = 400, WRITERS = 3, WRITES = 3000 };

static void assert_snapshot(struct world *world, const struct logged *logged)
{
    for (unsigned n_threads = 1; n_threads <= 3; n_threads += 2) {
        struct store *back = saved_load(logged, n_threads, false);
        assert_same(world->store, back);
        store_destroy(back);
    }
}

/* A snapshot with transactions between its slices. */
static void save_among_steps(struct world *world, const struct logged *logged)
{
    struct save_options options = saved_options(logged);
    struct save_report report;
    struct save *save;
    bool done = false;
    assert_int_equal(save_begin(world->store, &options, &save, &report), 0);
    while (!done) {
        for (uint64_t n = rng_below(&world->rng, 60); n > 0; n--)
            some_step(world);
        assert_int_equal(save_step(save, &done), 0);
    }
    uint64_t version = atomic_load(&world->store->version);
    assert_int_equal(save_end(save), 0);
    assert_int_equal(report.final_lsn, version);
    assert_true(wal_durable_lsn(world->store->wal) >= version); /* else LSNs would come twice */
    assert_int_equal(report.effects, version - report.begin_lsn);
}

static void model(void **state)
{
    struct replay_report report = {0};
    struct world world;
    struct logged logged;
    (void)state;
    world_open(&world);
    logged_open(&logged);
    logged_begin(&logged, world.store, &report.end);
    for (int i = 0; i < SNAPSHOTS; i++) {
        for (int step = 0; step < STEPS; step++)
            some_step(&world);
        save_among_steps(&world, &logged);
        assert_snapshot(&world, &logged);
        for (int step = 0; step < STEPS; step++)
            some_step(&world);
        assert_true(wal_wait_durable(world.store->wal, atomic_load(&world.store->version)));
        struct store *back = saved_load(&logged, 1, true);
        assert_same(world.store, back);
        store_destroy(back);
        assert_int_equal(save_trim(world.store, logged.dir, 2), 0);
    }
    logged_end(world.store);
    store_destroy(world.store);
    logged_close(&logged);
}

/* ---- details ---- */

struct single {
    struct logged logged;
    struct store *store;
    struct save_report report;
};

static int single_open(void **state)
{
    struct wal_end end = {0};
    struct single *single = calloc(1, sizeof *single);
    assert_non_null(single);
    logged_open(&single->logged);
    single->store = fixture_open(4, 1 + WRITERS);
    logged_begin(&single->logged, single->store, &end);
    *state = single;
    return 0;
}

static int single_close(void **state)
{
    struct single *single = *state;
    logged_end(single->store);
    store_destroy(single->store);
    logged_close(&single->logged);
    free(single);
    return 0;
}

static void save_now(struct single *single)
{
    struct save_options options = saved_options(&single->logged);
    assert_int_equal(save_run(single->store, &options, &single->report), 0);
}

/* Nobody gets the number of a run that is gone, as the log may still hold records with it. */
static void numbers(void **state)
{
    struct single *single = *state;
    struct run *run, *next;
    put(single->store, "k", "v");
    assert_int_equal(run_open(single->store->runs, bytes_of("gone"), &run), 0);
    assert_true(run_drop(single->store->runs, run));
    save_now(single);
    struct store *back = saved_load(&single->logged, 1, true);
    assert_int_equal(run_open(back->runs, bytes_of("next"), &next), 0);
    assert_int_equal(run_id(next), run_id(run) + 1);
    assert_value(back, "k", "v");
    run_unref(next);
    run_unref(run);
    run_unref(run); /* the table's */
    store_destroy(back);
}

/* Records of a run that was dropped before the snapshot, and not cleared yet. */
static void left_over(void **state)
{
    struct single *single = *state;
    put(single->store, "k", "v");
    struct run *first = run_ref(single->store->default_run);
    assert_true(run_drop(single->store->runs, first));
    save_now(single);
    assert_int_equal(single->report.records, 1);
    struct store *back = saved_load(&single->logged, 1, true);
    assert_null(run_find(back->runs, bytes_of("default")));
    assert_int_equal(fixture_check(back), 0);
    store_destroy(back);
    run_unref(first);
    run_unref(first); /* the table's */
}

static unsigned count_segments(const struct single *single)
{
    struct wal_figures figures;
    wal_figures(single->store->wal, &figures);
    return (unsigned)figures.segments;
}

static void write_many(struct single *single)
{
    char key[16], value[1000] = "";
    memset(value, 'v', sizeof value - 1);
    for (int i = 0; i < 300; i++) {
        (void)snprintf(key, sizeof key, "key%d", i);
        put(single->store, key, value);
        assert_true(wal_write(single->store->wal, atomic_load(&single->store->version)));
        if (i % 50 == 0)
            wal_step(single->store->wal);
    }
}

/* Two snapshots are kept, and the log back to the older one; before there are two, all of it. */
static void trimmed(void **state)
{
    struct single *single = *state;
    uint64_t lsns[4], older = 0;
    unsigned before = 0;
    for (int i = 0; i < 4; i++) {
        write_many(single);
        save_now(single);
        unsigned segments = count_segments(single);
        assert_int_equal(save_trim(single->store, single->logged.dir, 2), 0);
        int n = snapshot_list(single->logged.dir, lsns, 4);
        assert_int_equal(n, i == 0 ? 1 : 2);
        assert_int_equal(lsns[0], single->report.final_lsn);
        if (i == 0)
            assert_int_equal(count_segments(single), segments);
        else
            assert_true(count_segments(single) < segments && lsns[1] == older);
        if (i > 1)
            assert_in_range(count_segments(single), before - 1, before + 1);
        before = count_segments(single);
        older = lsns[0];
    }
    struct store *back = saved_load(&single->logged, 1, true);
    assert_same(single->store, back);
    store_destroy(back);
}

/* A store that nobody writes to needs no log: what --accept-loss saves. */
static void without_log(void **state)
{
    struct single *single = *state;
    write_many(single);
    logged_end(single->store);
    atomic_store(&single->store->version, 5000);
    save_now(single);
    assert_int_equal(single->report.final_lsn, 5000);
    assert_int_equal(single->report.effects, 0);
    struct store *back = saved_load(&single->logged, 3, false);
    assert_same(single->store, back);
    store_destroy(back);
    struct wal_end end = {.last_lsn = 5000, .segment_number = 100};
    logged_begin(&single->logged, single->store, &end);
    put(single->store, "next", "v");
    assert_int_equal(atomic_load(&single->store->version), 5001);
}

static void given_up(void **state)
{
    struct single *single = *state;
    atomic_bool stop = true;
    struct save_options options = saved_options(&single->logged);
    uint64_t lsn;
    options.stop = &stop;
    write_many(single);
    assert_int_equal(save_run(single->store, &options, &single->report), ERR_SHUTTING_DOWN);
    assert_non_null(strstr(single->report.problem, "given up"));
    assert_int_equal(snapshot_list(single->logged.dir, &lsn, 1), 0);
    int file = single->logged.dir->ops->open(single->logged.dir, "snap.tmp", FILE_READ);
    assert_int_equal(file, -ENOENT);
}

/* The log has grown by many chunks meanwhile: its entries come back in their order. */
static void many_effects(void **state)
{
    struct single *single = *state;
    struct save_options options = saved_options(&single->logged);
    struct save *save;
    char value[9000] = "";
    options.compress = false;
    memset(value, 'v', sizeof value - 1);
    assert_int_equal(save_begin(single->store, &options, &save, &single->report), 0);
    for (int i = 0; i < 300; i++) {
        put(single->store, "k", value);
        del(single->store, "k");
        put(single->store, i % 2 == 0 ? "even" : "odd", "v");
    }
    assert_true(wal_write(single->store->wal, atomic_load(&single->store->version)));
    for (bool done = false; !done;)
        assert_int_equal(save_step(save, &done), 0);
    assert_int_equal(save_end(save), 0);
    assert_true(single->report.bytes > 8 * (uint64_t)SNAPSHOT_CHUNK_BYTES);
    assert_int_equal(single->report.effects, 900);
    for (int i = 0; i < 5; i++) {
        struct store *back = saved_load(&single->logged, 4, false);
        assert_same(single->store, back);
        store_destroy(back);
    }
}

/* Large values, and more runs than fit on a page. */
static void large(void **state)
{
    struct single *single = *state;
    size_t size = 3 << 20;
    uint8_t *value = mem_calloc(1, size);
    assert_non_null(value);
    for (int i = 0; i < 200; i++) {
        char name[16];
        struct run *run;
        (void)snprintf(name, sizeof name, "run%d", i);
        assert_int_equal(run_open(single->store->runs, bytes_of(name), &run), 0);
        run_unref(run);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(fixture_put(single->store, (const char *[]){"a", "b", "c", "d"}[i],
                                     (struct bytes){value, size}, 0),
                         0);
    save_now(single);
    struct store *back = saved_load(&single->logged, 3, true);
    assert_same(single->store, back);
    store_destroy(back);
    mem_free(value);
}

/* ---- threads ---- */

struct writer {
    struct store *store;
    unsigned number;
    pthread_t thread;
};

static void *writer_main(void *arg)
{
    struct writer *writer = arg;
    struct rng rng = {writer->number + 1};
    for (int i = 0; i < WRITES; i++) {
        char key[32], value[16];
        uint64_t version;
        (void)snprintf(key, sizeof key, "%u-%u", writer->number, (unsigned)rng_below(&rng, 500));
        (void)snprintf(value, sizeof value, "%d", i);
        if (rng_below(&rng, 4) == 0)
            del(writer->store, key);
        else
            REQUIRE(fixture_put_among(writer->store, key, bytes_of(value), 0, &version) == 0);
    }
    return NULL;
}

static void threads(void **state)
{
    struct single *single = *state;
    struct writer writers[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.store = single->store, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, writer_main, &writers[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        save_now(single);
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
    assert_true(wal_wait_durable(single->store->wal, atomic_load(&single->store->version)));
    struct store *back = saved_load(&single->logged, 3, true);
    assert_same(single->store, back);
    store_destroy(back);
}

#define SINGLE(name) cmocka_unit_test_setup_teardown(name, single_open, single_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model), SINGLE(numbers),  SINGLE(left_over),
        SINGLE(trimmed),         SINGLE(given_up), SINGLE(many_effects),
        SINGLE(large),           SINGLE(threads),  SINGLE(without_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
