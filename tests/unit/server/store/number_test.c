/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sequence numbers over restarts: whatever of the log and of snapshots is left, and whether the
 * records that had the last ones are, no number is given away a second time. Nor is one skipped
 * that nobody was given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/store/store.h"

#include "tests/unit/server/store/grouped.h"
#include "tests/unit/server/store/saved.h"

enum { BULK = 2000, MANY = 300 };

struct numbers {
    struct logged logged;
    struct store *store;
    uint64_t last; /* that was given away */
};

static int begin(void **state)
{
    struct wal_end end = {0};
    struct numbers *numbers = calloc(1, sizeof *numbers);
    assert_non_null(numbers);
    logged_open(&numbers->logged);
    numbers->store = fixture_open(4, 1);
    logged_begin(&numbers->logged, numbers->store, &end);
    *state = numbers;
    return 0;
}

static int end(void **state)
{
    struct numbers *numbers = *state;
    if (numbers->store->wal != NULL) /* a test has failed while it was closed */
        logged_end(numbers->store);
    store_destroy(numbers->store);
    logged_close(&numbers->logged);
    free(numbers);
    return 0;
}

/* The next, which no one had. */
static uint64_t take(struct numbers *numbers)
{
    uint64_t number = store_next_number(numbers->store, 1);
    assert_int_equal(number, numbers->last + 1);
    return numbers->last = number;
}

/* A session that has the next number, in a value that takes some space on the disk. */
static void use(struct numbers *numbers, const char *name)
{
    static uint8_t value[BULK];
    struct record_spec spec = {
        .key = {run_id(numbers->store->default_run), KIND_session, bytes_of(name)},
        .value = {value, sizeof value}};
    (void)grouped_value(take(numbers), 0, value);
    assert_int_equal(grouped_put(numbers->store, &spec), 0);
}

static void forget(struct numbers *numbers, const char *name)
{
    struct record_key key = {run_id(numbers->store->default_run), KIND_session, bytes_of(name)};
    grouped_del(numbers->store, &key);
}

/* What has the last number is gone. */
static void use_some(struct numbers *numbers)
{
    use(numbers, "a");
    use(numbers, "b");
    use(numbers, "newest");
    forget(numbers, "newest");
}

static void save(struct numbers *numbers)
{
    struct save_options options = saved_options(&numbers->logged);
    struct save_report report;
    assert_int_equal(save_run(numbers->store, &options, &report), 0);
}

/* The number that a store made of what is on the disk would give away. */
static uint64_t next_of(struct store *store)
{
    uint64_t number = store_next_number(store, 1);
    (void)fixture_check(store);
    store_destroy(store);
    return number;
}

static void assert_log_knows(struct numbers *numbers)
{
    struct replay_report report;
    logged_end(numbers->store);
    for (unsigned n_threads = 0; n_threads < 3; n_threads++)
        assert_int_equal(next_of(logged_recover(&numbers->logged, n_threads, &report)),
                         numbers->last + 1);
    logged_begin(&numbers->logged, numbers->store, &report.end);
}

static void assert_snapshot_knows(const struct numbers *numbers, bool log)
{
    for (unsigned n_threads = 1; n_threads < 4; n_threads += 2)
        assert_int_equal(next_of(saved_load(&numbers->logged, n_threads, log)), numbers->last + 1);
}

/* ---- what is left of it ---- */

static void begins_with_one(void **state)
{
    struct numbers *numbers = *state;
    assert_log_knows(numbers);
    save(numbers);
    assert_snapshot_knows(numbers, false);
    use(numbers, "a");
    assert_log_knows(numbers);
    assert_int_equal(numbers->last, 1);
}

static void log_only(void **state)
{
    struct numbers *numbers = *state;
    use_some(numbers);
    assert_log_knows(numbers);
    forget(numbers, "a");
    forget(numbers, "b");
    assert_log_knows(numbers);
}

/* The one that stands there has a lower number, or none. */
static void overwritten(void **state)
{
    struct numbers *numbers = *state;
    use_some(numbers);
    use(numbers, "a");
    grouped_put_owner(numbers->store, "a", 1, 0, 0);
    assert_log_knows(numbers);
    save(numbers);
    assert_snapshot_knows(numbers, false);
}

static void snapshot_only(void **state)
{
    struct numbers *numbers = *state;
    use_some(numbers);
    save(numbers);
    assert_snapshot_knows(numbers, false);
}

/* Numbers that no record ever had: only a snapshot can tell. */
static void unused(void **state)
{
    struct numbers *numbers = *state;
    assert_int_equal(store_next_number(numbers->store, 100), 1);
    numbers->last = 100;
    (void)take(numbers);
    save(numbers);
    assert_snapshot_knows(numbers, false);
}

static void snapshot_and_log(void **state)
{
    struct numbers *numbers = *state;
    use_some(numbers);
    save(numbers);
    use_some(numbers);
    assert_true(wal_wait_durable(numbers->store->wal, atomic_load(&numbers->store->version)));
    assert_snapshot_knows(numbers, true);
}

/* Taken while the snapshot walks; neither the records nor the counter of its beginning tell. */
static void during_snapshot(void **state)
{
    struct numbers *numbers = *state;
    struct save_options options = saved_options(&numbers->logged);
    struct save_report report;
    struct save *walk;
    use_some(numbers);
    assert_int_equal(save_begin(numbers->store, &options, &walk, &report), 0);
    for (bool done = false; !done;) {
        use_some(numbers);
        assert_int_equal(save_step(walk, &done), 0);
    }
    use_some(numbers);
    assert_int_equal(save_end(walk), 0);
    assert_snapshot_knows(numbers, false);
}

static uint64_t count_segments(const struct numbers *numbers)
{
    struct wal_figures figures;
    wal_figures(numbers->store->wal, &figures);
    return figures.segments;
}

static void trimmed(void **state)
{
    struct numbers *numbers = *state;
    uint64_t segments = 0;
    for (int i = 0; i < 3; i++) {
        for (int n = 0; n < MANY; n++) {
            use(numbers, "newest");
            assert_true(wal_write(numbers->store->wal, atomic_load(&numbers->store->version)));
            if (n % 50 == 0)
                wal_step(numbers->store->wal);
        }
        forget(numbers, "newest");
        save(numbers);
        segments = count_segments(numbers);
        for (int n = 0; n < 2 * MANY; n++) { /* that say nothing of numbers */
            put(numbers->store, "k", "v");
            assert_true(wal_write(numbers->store->wal, atomic_load(&numbers->store->version)));
        }
        assert_int_equal(save_trim(numbers->store, numbers->logged.dir, 1), 0);
    }
    assert_true(count_segments(numbers) < segments);
    assert_snapshot_knows(numbers, true);
    assert_snapshot_knows(numbers, false);
}

/* ---- again and again ---- */

static void restart(struct numbers *numbers, bool from_snapshot)
{
    struct replay_report report;
    logged_end(numbers->store);
    store_destroy(numbers->store);
    numbers->store = logged_recover(&numbers->logged, 1, &report);
    if (from_snapshot) {
        store_destroy(numbers->store);
        numbers->store = saved_load(&numbers->logged, 1, true);
    }
    logged_begin(&numbers->logged, numbers->store, &report.end);
}

static void many_restarts(void **state)
{
    struct numbers *numbers = *state;
    for (int i = 0; i < 5; i++) {
        use_some(numbers);
        restart(numbers, i > 0);
        use_some(numbers);
        save(numbers);
        restart(numbers, true);
    }
    assert_int_equal(numbers->last, 5 * 2 * 3);
}

/* ---- where numbers are ---- */

/* The generation of a group is a number, too: that of the owner, or of a member that came first. */
static void generations(void **state)
{
    struct numbers *numbers = *state;
    struct group group = {run_id(numbers->store->default_run), KIND_session, bytes_of("a"), 0};
    uint64_t number = take(numbers);
    grouped_put_owner(numbers->store, "a", number, take(numbers), 0);
    assert_log_knows(numbers);
    forget(numbers, "a");
    assert_log_knows(numbers);
    group.generation = take(numbers);
    grouped_put_member(numbers->store, &group, KIND_blob, 1);
    assert_log_knows(numbers);
    grouped_put_member(numbers->store, &group, KIND_ckpt, (unsigned)take(numbers));
    assert_log_knows(numbers);
}

/* What begins like a number, in a kind that has none. */
static void no_numbers(void **state)
{
    struct numbers *numbers = *state;
    uint8_t value[OWNER_VALUE];
    assert_int_equal(fixture_put(numbers->store, "kv", grouped_value(1000, 2000, value), 0), 0);
    assert_log_knows(numbers);
    save(numbers);
    assert_snapshot_knows(numbers, true);
}

#define NUMBERS(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NUMBERS(begins_with_one), NUMBERS(log_only),   NUMBERS(overwritten),
        NUMBERS(snapshot_only),   NUMBERS(unused),     NUMBERS(snapshot_and_log),
        NUMBERS(during_snapshot), NUMBERS(trimmed),    NUMBERS(many_restarts),
        NUMBERS(generations),     NUMBERS(no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
