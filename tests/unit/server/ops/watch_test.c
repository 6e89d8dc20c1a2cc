/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Watches: what matches, credit, whole transactions, what is told of events that are lost, runs
 * that go and come again, and where one that resumes begins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/ops/dispatch.h"

#include "tests/unit/server/store/fixture.h"

enum { LARGE = 60000 };

struct world {
    struct store *store;
    struct limits limits;
    struct stats stats;
    struct op_env env;
    struct session session;
    struct buf out;
    char said[2000];
};

static void world_open(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->store = fixture_open(4, 1);
    w->limits = limits_default();
    w->env = (struct op_env){.store = w->store, .limits = &w->limits, .stats = &w->stats};
    session_init(&w->session, w->store, 1, true);
}

static void world_close(struct world *w)
{
    session_deinit(&w->session);
    assert_int_equal(w->session.watch_bytes, 0);
    assert_int_equal(w->env.watches.count, 0);
    watch_set_close(&w->env.watches, w->store);
    store_destroy(w->store);
    buf_deinit(&w->out);
    stats_deinit(&w->stats);
}

static struct watch *open_as(struct world *w, const struct watch_options *options)
{
    struct watch_options all = *options;
    struct watch *watch;
    if (all.run.size == 0)
        all.run = bytes_of("default");
    if (all.kind == KIND_NONE)
        all.kind = KIND_kv;
    assert_int_equal(watch_open(&w->env, &w->session, &all, &watch), 0);
    return watch;
}

static struct watch *open_prefix(struct world *w, const char *prefix)
{
    struct watch_options options = {.prefix = bytes_of(prefix)};
    return open_as(w, &options);
}

/* ---- what is said ---- */

static void say(struct world *w, const char *format, ...)
{
    size_t at = strlen(w->said);
    va_list list;
    va_start(list, format);
    (void)vsnprintf(w->said + at, sizeof w->said - at, format, list);
    va_end(list);
}

static struct mp next(struct mp_reader *reader)
{
    struct mp mp;
    assert_int_equal(mp_read(reader, &mp), 0);
    return mp;
}

static bool is(const struct mp *key, const char *name)
{
    return bytes_equal(key->bytes, bytes_of(name));
}

/* "put 7.0 key", "put 7.0 key=5" or "lagged 3-9". */
static void say_event(struct world *w, struct mp_reader *reader)
{
    struct mp map = next(reader), type = {0}, name = {0};
    uint64_t version = 0, index = 0, from = 0, value = UINT64_MAX;
    for (uint32_t i = 0; i < map.count; i++) {
        struct mp key = next(reader), field = next(reader);
        if (is(&key, "type"))
            type = field;
        else if (is(&key, "version"))
            version = field.uint;
        else if (is(&key, "index"))
            index = field.uint;
        else if (is(&key, "from_version"))
            from = field.uint;
        else if (is(&key, "key"))
            name = field;
        else if (is(&key, "value"))
            value = field.uint;
        else
            assert_true(is(&key, "kind") || is(&key, "run"));
    }
    say(w, " %.*s", (int)type.bytes.size, (const char *)type.bytes.data);
    if (from > 0)
        say(w, " %u-%u", (unsigned)from, (unsigned)version);
    else
        say(w, " %u.%u %.*s", (unsigned)version, (unsigned)index,
            name.bytes.size < 20 ? (int)name.bytes.size : 3, (const char *)name.bytes.data);
    if (value != UINT64_MAX)
        say(w, "=%u", (unsigned)value);
}

/* Let a watch tell all it can: w->said is "[1 put 7.0 a put 8.0 b][1 ...]". */
static const char *told(struct world *w, struct watch *watch)
{
    enum watch_result result;
    uint64_t end = feed_end(w->store->feed);
    w->said[0] = 0;
    w->out.size = 0;
    do {
        result = watch_pump(&w->env, watch, end, &w->out);
    } while (result == WATCH_MORE);
    assert_int_equal(result, WATCH_DONE);
    struct mp_reader reader = mp_reader_of(buf_bytes(&w->out));
    while (reader.at < reader.end) {
        assert_int_equal(next(&reader).count, 3);
        assert_int_equal(next(&reader).uint, 2);
        struct mp method = next(&reader), list = next(&reader), id = next(&reader);
        assert_true(is(&method, "watch.event"));
        say(w, "[%u", (unsigned)id.uint);
        for (uint32_t i = 1; i < list.count; i++)
            say_event(w, &reader);
        say(w, "]");
    }
    return w->said;
}

#define assert_told(w, watch, text) assert_string_equal(told(w, watch), text)

/* A transaction of n puts: prefix0, prefix1 ... */
static void put_many(struct world *w, const char *prefix, unsigned n)
{
    char(*keys)[32] = calloc(n, sizeof *keys);
    struct txn_set set = {0};
    struct txn txn;
    txn_init(&txn, w->store, FIXTURE_NOW_MS);
    txn_set_all(&set, w->store);
    assert_int_equal(txn_lock_set(&txn, w->store->default_run, &set, 0), 0);
    txn.many = true;
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "%s%u", prefix, i);
        struct record_spec spec = fixture_spec(w->store, keys[i], bytes_of("\x01"), 0);
        assert_int_equal(txn_put(&txn, &spec, store_hash(w->store, &spec.key)), 0);
    }
    (void)txn_commit(&txn);
    txn_deinit(&txn);
    free(keys);
}

static void put_large(struct world *w, unsigned n)
{
    static char key[LARGE + 1];
    memset(key, 'x', LARGE);
    for (unsigned i = 0; i < n; i++)
        put(w->store, key, "\x01");
}

/* So much that the ring holds nothing older, nor the reader, which other watches use, too. */
static void turn_ring(struct world *w)
{
    char *key = calloc(1, LARGE + 1);
    memset(key, '~', LARGE);
    for (unsigned i = 0; i < 20; i++)
        put(w->store, key, "\x01");
    feed_reader_close(w->store->feed, &w->env.watches.reader);
    free(key);
}

/* ---- tests ---- */

static void test_matching(void **state)
{
    struct world w;
    struct run *other;
    (void)state;
    world_open(&w);
    put(w.store, "before", "\x01");
    struct watch *all = open_prefix(&w, ""), *some = open_prefix(&w, "user:");
    struct watch_options elsewhere = {.run = bytes_of("other")};
    struct watch *run = open_as(&w, &elsewhere);
    put(w.store, "user:1", "\x01");
    put(w.store, "user", "\x01");
    del(w.store, "user:1");
    assert_told(&w, all, "[1 put 2.0 user:1 put 3.0 user del 4.0 user:1]");
    assert_told(&w, some, "[2 put 2.0 user:1 del 4.0 user:1]");
    assert_told(&w, run, "");
    assert_told(&w, all, "");
    assert_int_equal(run_open(w.store->runs, bytes_of("other"), &other), 0);
    run_unref(other);
    assert_told(&w, all, "");
    assert_true(all->cursor.after == 5 && all->events == 3);
    world_close(&w);
}

static void test_values(void **state)
{
    struct world w;
    struct watch_options options = {.values = true};
    (void)state;
    world_open(&w);
    struct watch *watch = open_as(&w, &options);
    put(w.store, "a", "\x05");
    put(w.store, "b", "\x06");
    put(w.store, "b", "\x07");
    put(w.store, "c", "\x08");
    del(w.store, "c");
    assert_told(&w, watch, "[1 put 1.0 a=5 put 2.0 b put 3.0 b=7 put 4.0 c del 5.0 c]");
    world_close(&w);
}

static void test_credit(void **state)
{
    struct world w;
    struct watch_options options = {.prefix = bytes_of("k"), .limited = true};
    (void)state;
    world_open(&w);
    struct watch *watch = open_as(&w, &options);
    put(w.store, "other", "\x01");
    put(w.store, "k1", "\x01");
    assert_told(&w, watch, "");
    assert_true(watch->parked && watch->cursor.after == 1);
    assert_true(watch_add_credit(watch, 0) == 0);
    assert_true(watch->parked);
    assert_true(watch_add_credit(watch, 2) == 2);
    put(w.store, "k2", "\x01");
    put(w.store, "k3", "\x01");
    assert_told(&w, watch, "[1 put 2.0 k1 put 3.0 k2]");
    assert_true(watch_add_credit(watch, 1) == 1);
    assert_told(&w, watch, "[1 put 4.0 k3]");
    put_many(&w, "k", 4); /* not divided */
    (void)watch_add_credit(watch, 2);
    assert_told(&w, watch, "[1 put 5.0 k0 put 5.1 k1 put 5.2 k2 put 5.3 k3]");
    assert_true(watch->credit == 0);
    assert_true(watch_add_credit(watch, ((uint64_t)1 << 53) - 1) == ((uint64_t)1 << 53) - 1);
    assert_true(watch_add_credit(watch, ((uint64_t)1 << 53) - 1) == ((uint64_t)1 << 53) - 1);
    world_close(&w);
}

static void test_lagged(void **state)
{
    struct world w;
    struct watch_options options = {.prefix = bytes_of("k"), .limited = true, .credit = 1};
    (void)state;
    world_open(&w);
    struct watch *watch = open_as(&w, &options), *idle = open_prefix(&w, "k");
    put(w.store, "k1", "\x01");
    put(w.store, "k2", "\x01");
    assert_told(&w, watch, "[1 put 1.0 k1]");
    for (int i = 0; i < 3; i++) { /* it is told once, of all of it */
        turn_ring(&w);
        assert_told(&w, watch, "");
        if (i == 1) /* this one looks at events for which it has no credit */
            watch->parked = false;
    }
    put(w.store, "k3", "\x01");
    (void)watch_add_credit(watch, 5);
    const char *said = told(&w, watch);
    assert_memory_equal(said, "[1 lagged 2-", 12);
    assert_non_null(strstr(said, " put 63.0 k3]"));
    assert_true(watch->losses == 1 && watch->credit == 4);
    assert_memory_equal(told(&w, idle), "[2 lagged 1-", 12);
    assert_told(&w, idle, "");
    world_close(&w);
}

/* The ring moves on behind the first transaction of a notification, where the next chunk would
 * have shown whether there is more of it: that is lost, too, and the notification is whole. */
static void test_lagged_at_once(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    struct watch *watch = open_prefix(&w, "k");
    put(w.store, "k1", "\x01");
    assert_told(&w, watch, "[1 put 1.0 k1]"); /* the reader holds the first chunk */
    put_large(&w, 2);
    put(w.store, "k2", "\x01"); /* the last in it */
    put_large(&w, 40);
    assert_memory_equal(told(&w, watch), "[1 lagged 4-", 12); /* k2 is of version 4 */
    assert_int_equal(w.said[strlen(w.said) - 1], ']');
    put(w.store, "k3", "\x01");
    assert_told(&w, watch, "[1 put 45.0 k3]");
    world_close(&w);
}

static void test_resume(void **state)
{
    struct world w;
    struct watch_options options = {.resume = true, .from_version = 2};
    (void)state;
    world_open(&w);
    put(w.store, "a", "\x01");
    (void)open_prefix(&w, "");
    put(w.store, "b", "\x01");
    put(w.store, "c", "\x01");
    assert_told(&w, open_as(&w, &options), "[2 put 3.0 c]");
    options.from_version = 3;
    assert_told(&w, open_as(&w, &options), "");
    options.from_version = 1; /* when the feed began */
    assert_told(&w, open_as(&w, &options), "[4 put 2.0 b put 3.0 c]");
    options.from_version = 0;
    struct watch *watch = open_as(&w, &options);
    assert_true(watch->cursor.after == 1);
    assert_told(&w, watch, "[5 gap 1-1 put 2.0 b put 3.0 c]");
    options.from_version = 4; /* of a server that is not this one */
    assert_told(&w, open_as(&w, &options), "[6 gap 1-3]");
    options = (struct watch_options){
        .resume = true, .from_version = 2, .history_given = true, .history = w.store->history};
    assert_told(&w, open_as(&w, &options), "[7 put 3.0 c]");
    options.history++;
    assert_told(&w, open_as(&w, &options), "[8 gap 1-3]");
    world_close(&w);
}

static uint64_t put_in_run(struct world *w, const char *name, const char *key)
{
    struct run *run;
    assert_int_equal(run_open(w->store->runs, bytes_of(name), &run), 0);
    struct record_spec spec = {{run_id(run), KIND_kv, bytes_of(key)}, true, bytes_of("\x01"), 0};
    uint64_t hash = store_hash(w->store, &spec.key);
    struct txn txn;
    txn_init(&txn, w->store, FIXTURE_NOW_MS);
    assert_int_equal(txn_lock(&txn, run, hash, 0), 0);
    assert_int_equal(txn_put(&txn, &spec, hash), 0);
    uint64_t version = txn_commit(&txn);
    txn_deinit(&txn);
    run_unref(run);
    return version;
}

static void drop_run(struct world *w, const char *name)
{
    struct run *run = run_find(w->store->runs, bytes_of(name));
    assert_true(run_drop(w->store->runs, run));
    run_unref(run);
    run_unref(run);
}

/* A run by name, whatever number it has; also where one begins in the past. */
static void test_runs(void **state)
{
    static const char *const all[] = {
        "put 2.0 a", "dropped 3.0 r", "put 5.0 b", "dropped 6.0 r", "put 8.0 c",
    };
    static const unsigned behind[] = {0, 0, 1, 2, 2, 3, 4, 4, 5};
    struct world w;
    struct watch_options options = {.run = bytes_of("r"), .prefix = BYTES_NONE};
    struct watch_options runs = {.kind = KIND_run, .prefix = bytes_of("r")};
    (void)state;
    world_open(&w);
    struct watch *watch = open_as(&w, &options), *names = open_as(&w, &runs);
    assert_true(put_in_run(&w, "r", "a") == 2);
    drop_run(&w, "r");
    assert_true(put_in_run(&w, "r", "b") == 5);
    drop_run(&w, "r");
    assert_true(put_in_run(&w, "r", "c") == 8);
    assert_told(&w, watch, "[1 put 2.0 a dropped 3.0 r put 5.0 b dropped 6.0 r put 8.0 c]");
    assert_told(&w, names,
                "[2 created 1.0 r dropped 3.0 r created 4.0 r dropped 6.0 r created 7.0 r]");
    options.resume = true;
    for (options.from_version = 0; options.from_version <= 8; options.from_version++) {
        struct watch *late = open_as(&w, &options);
        char expected[200] = "";
        unsigned first = behind[options.from_version];
        for (unsigned i = first; i < LENGTH_OF(all); i++) {
            size_t at = strlen(expected);
            if (i == first)
                at += (size_t)snprintf(expected, sizeof expected, "[%u", (unsigned)late->id);
            (void)snprintf(expected + at, sizeof expected - at, " %s%s", all[i],
                           i + 1 == LENGTH_OF(all) ? "]" : "");
        }
        assert_told(&w, late, expected);
    }
    world_close(&w);
}

/* Pages end between transactions; what is larger than a reply may be is told as lost. */
static void test_pages(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    struct watch *watch = open_prefix(&w, "k");
    put(w.store, "k", "\x01");
    put_many(&w, "k", 3000);
    put(w.store, "k", "\x01");
    w.out.size = 0;
    assert_int_equal(watch_pump(&w.env, watch, feed_end(w.store->feed), &w.out), WATCH_MORE);
    assert_true(watch->events == 3001 && watch->cursor.after == 2);
    assert_int_equal(watch_pump(&w.env, watch, feed_end(w.store->feed), &w.out), WATCH_DONE);
    assert_true(watch->events == 3002 && watch->cursor.after == 3);
    w.limits.reply_bytes = 65536;
    put(w.store, "k", "\x01");
    put_many(&w, "k", 3000);
    put(w.store, "k", "\x01");
    assert_told(&w, watch, "[1 lagged 4-5 put 6.0 k]");
    world_close(&w);
}

static void test_list(void **state)
{
    struct world w;
    (void)state;
    world_open(&w);
    struct watch *watches[4];
    for (unsigned i = 0; i < 4; i++)
        watches[i] = open_prefix(&w, "prefix");
    assert_int_equal(w.session.n_watches, 4);
    assert_ptr_equal(watch_find(&w.session, 3), watches[2]);
    assert_null(watch_find(&w.session, 0));
    assert_null(watch_find(&w.session, 5));
    assert_ptr_equal(watch_next(&w.session, 1), watches[1]);
    w.env.watches.at = watches[2];
    watch_close(watches[2]);
    assert_ptr_equal(w.env.watches.at, watches[1]);
    assert_null(watch_find(&w.session, 3));
    assert_ptr_equal(watch_next(&w.session, 2), watches[3]);
    assert_int_equal(open_prefix(&w, "")->id, 5);
    world_close(&w);
}

static void test_no_memory(void **state)
{
    struct watch_options options = {.run = bytes_of("default"), .kind = KIND_kv};
    struct watch *watch;
    (void)state;
    for (unsigned n = 1;; n++) {
        struct world w;
        world_open(&w);
        mem_fail_after(n, 1);
        int err = watch_open(&w.env, &w.session, &options, &watch);
        mem_fail_after(0, 0);
        world_close(&w);
        if (err == 0)
            break;
        assert_int_equal(err, ERR_OUT_OF_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matching),       cmocka_unit_test(test_values),
        cmocka_unit_test(test_credit),         cmocka_unit_test(test_lagged),
        cmocka_unit_test(test_lagged_at_once), cmocka_unit_test(test_resume),
        cmocka_unit_test(test_runs),           cmocka_unit_test(test_pages),
        cmocka_unit_test(test_list),           cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
