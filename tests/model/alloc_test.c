/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Failing allocations with a log: a fixed script of requests, log writes and syncs, snapshots and
 * restarts, in which the n-th allocation of every step fails, for n = 1, 2, ... until a whole run
 * meets none any more.
 *
 *   each step   armed: it does what it should, or is refused with OUT_OF_MEMORY and has done
 *               nothing; then it is done again without trouble
 *   the end     the store is as the oracle says, and what a restart makes of snapshot and log is
 *               the same, record by record
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/pack.h"
#include "server/store/save.h"
#include "tests/model/driver.h"
#include "tests/unit/server/store/world.h"

enum { VALUE_MAX = 30000, FAILS_MAX = 200 };

struct script {
    struct driver driver;
    struct logged logged;
    unsigned long n;
    bool sticky;
    unsigned refused; /* steps */
};

/* ---- one step after the other ---- */

static void arm(struct script *s)
{
    s->driver.fail_nth = s->n;
    s->driver.fail_sticky = s->sticky;
}

static void disarm(struct script *s)
{
    s->driver.fail_nth = 0;
}

/* The log without trouble: all that was committed is written and synced. */
static void settle(struct script *s)
{
    struct wal *wal = s->driver.store->wal;
    uint64_t version = atomic_load(&s->driver.store->version);
    for (int i = 0; i < 4; i++)
        wal_step(wal);
    assert_true(wal_write(wal, version) && wal_durable_lsn(wal) == version);
    assert_int_equal(wal_state(wal), WAL_OPEN);
}

static void write_log(struct script *s)
{
    struct wal *wal = s->driver.store->wal;
    arm(s);
    driver_arm(&s->driver);
    (void)wal_write(wal, atomic_load(&s->driver.store->version));
    driver_disarm(&s->driver);
    driver_arm(&s->driver);
    wal_step(wal);
    driver_disarm(&s->driver);
    disarm(s);
    assert_true(wal_state(wal) != WAL_FAILED);
    settle(s);
}

static void request(struct script *s, const struct call *call)
{
    uint64_t refused = s->driver.refused;
    arm(s);
    driver_run(&s->driver, call);
    disarm(s);
    driver_check(&s->driver);
    if (s->driver.refused > refused) {
        s->refused++;
        driver_run(&s->driver, call);
    }
    write_log(s);
}

/* ---- requests ---- */

static struct model_key key_of(const char *text)
{
    return (struct model_key){bytes_of(text), true};
}

/* A str of this size, encoded: a view of `buf`. */
static struct bytes value_of(struct buf *buf, size_t size)
{
    static uint8_t bytes[VALUE_MAX];
    size_t start = buf->size;
    memset(bytes, 'v', sizeof bytes);
    assert_int_equal(buf_reserve(buf, 4 * VALUE_MAX), 0);
    assert_int_equal(pack_str(buf, (struct bytes){bytes, size}), 0);
    return (struct bytes){buf->data + start, buf->size - start};
}

static void put_one(struct script *s, const char *key, size_t size, unsigned options)
{
    struct buf buf;
    buf_init(&buf);
    struct call call = {.op = OP_kv_put, .options = options, .n = 1, .ttl_ms = 100000};
    call.key[0] = key_of(key);
    call.value[0] = value_of(&buf, size);
    request(s, &call);
    buf_deinit(&buf);
}

static void call_key(struct script *s, enum op_id op, const char *key, unsigned options)
{
    struct call call = {.op = op, .options = options, .n = 1, .ttl_ms = 50000, .delta = 7};
    call.key[0] = key_of(key);
    call.value[0] = bytes_of("appended");
    call.data_text = true;
    request(s, &call);
}

static void call_keys(struct script *s, enum op_id op, size_t size)
{
    static const char *const keys[CALL_ITEMS] = {"m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"};
    struct buf buf;
    buf_init(&buf);
    struct call call = {.op = op, .n = CALL_ITEMS};
    for (unsigned i = 0; i < CALL_ITEMS; i++) {
        call.key[i] = key_of(keys[i]);
        call.value[i] = i == 0 ? value_of(&buf, size) : call.value[0];
    }
    request(s, &call);
    buf_deinit(&buf);
}

/* put, incr, incr, append, del in one transaction. */
static void call_batch(struct script *s)
{
    struct buf buf;
    buf_init(&buf);
    struct call calls[5] = {{.op = OP_kv_put, .n = 1},
                            {.op = OP_kv_incr, .n = 1, .options = CALL_DELTA, .delta = -3},
                            {.op = OP_kv_incr, .n = 1, .options = CALL_DELTA, .delta = 3},
                            {.op = OP_kv_append, .n = 1, .data_text = true},
                            {.op = OP_kv_del, .n = 1}};
    static const char *const keys[] = {"b", "left", "right", "b", "m1"};
    for (size_t i = 0; i < LENGTH_OF(calls); i++)
        calls[i].key[0] = key_of(keys[i]);
    calls[0].value[0] = value_of(&buf, 20);
    calls[3].value[0] = bytes_of("more");
    struct call call = {
        .op = OP_batch, .options = CALL_ATOMIC, .n = LENGTH_OF(calls), .calls = calls};
    request(s, &call);
    buf_deinit(&buf);
}

static void clear(struct script *s, const char *prefix)
{
    struct call call = {.op = OP_kv_clear, .options = CALL_PREFIX, .prefix = bytes_of(prefix)};
    request(s, &call);
}

static void open_run(struct script *s, const char *name)
{
    struct run *run = NULL;
    arm(s);
    driver_arm(&s->driver);
    int err = run_open(s->driver.store->runs, bytes_of(name), &run);
    driver_disarm(&s->driver);
    disarm(s);
    assert_true(err == 0 || err == ERR_OUT_OF_MEMORY);
    if (err != 0) {
        assert_null(run_find(s->driver.store->runs, bytes_of(name)));
        assert_int_equal(run_open(s->driver.store->runs, bytes_of(name), &run), 0);
        s->refused++;
    }
    run_unref(run);
    write_log(s);
}

static void requests(struct script *s, int round)
{
    put_one(s, "a", 3, 0);
    put_one(s, "a", 4, CALL_TTL);
    put_one(s, "large", VALUE_MAX, CALL_RETURN_OLD);
    open_run(s, round == 0 ? "run1" : "run2");
    call_key(s, OP_kv_incr, "n", CALL_DELTA);
    call_key(s, OP_kv_append, "text", 0);
    call_key(s, OP_kv_expire, "text", 0);
    call_keys(s, OP_kv_mput, 300);
    call_batch(s);
    call_key(s, OP_kv_persist, "a", 0);
    put_one(s, "large", VALUE_MAX - 1, 0);
    call_key(s, OP_kv_del, "large", CALL_RETURN_OLD);
    if (round > 0)
        call_keys(s, OP_kv_mdel, 1);
    clear(s, "m");
    put_one(s, "last", 100, 0);
}

/* ---- snapshots and restarts ---- */

/* Nothing of a snapshot that failed is left. */
static bool is_of_snapshot(void *context, const char *name)
{
    *(int *)context += strncmp(name, "snap", 4) == 0;
    return true;
}

static int count_snapshots(const struct script *s)
{
    int n = 0;
    assert_int_equal(s->logged.dir->ops->list(s->logged.dir, is_of_snapshot, &n), 0);
    return n;
}

static void snapshot(struct script *s)
{
    struct save_options options = {.dir = s->logged.dir, .id = logged_id, .compress = true};
    struct save_report report;
    int before = count_snapshots(s);
    arm(s);
    driver_arm(&s->driver);
    int err = save_run(s->driver.store, &options, &report);
    driver_disarm(&s->driver);
    if (err != 0) {
        assert_int_equal(err, ERR_OUT_OF_MEMORY);
        assert_int_equal(count_snapshots(s), before);
        s->refused++;
        assert_int_equal(save_run(s->driver.store, &options, &report), 0);
    }
    driver_arm(&s->driver);
    err = save_trim(s->driver.store, s->logged.dir, 2);
    driver_disarm(&s->driver);
    disarm(s);
    if (err != 0)
        assert_int_equal(save_trim(s->driver.store, s->logged.dir, 2), 0);
    driver_check(&s->driver);
    settle(s);
}

static int replay_behind(struct script *s, struct recovery *recovery, uint64_t lsn,
                         struct replay_report *out_report)
{
    struct replay_options options = {.dir = s->logged.dir,
                                     .store = &logged_id,
                                     .after_lsn = lsn,
                                     .entry = recover_entry,
                                     .context = recovery};
    int err = replay_settle(s->logged.dir, out_report);
    if (err == 0)
        err = replay_run(&options, out_report);
    return err != 0 ? err : recover_finish(recovery);
}

static void on_begin(void *context, const struct snapshot_info *info)
{
    recover_expect(context, info->records);
}

/* What a start does. 0 or an error. */
static int recover_all(struct script *s, struct recovery *recovery)
{
    struct replay_report report;
    struct snapshot_load load = {.dir = s->logged.dir,
                                 .n_threads = 1,
                                 .begin = on_begin,
                                 .chunk = recover_chunk,
                                 .context = recovery};
    struct snapshot_info info;
    char text[512];
    uint64_t lsn = 0;
    int n = snapshot_list(s->logged.dir, &lsn, 1);
    int err = n < 0 ? ERR_OUT_OF_MEMORY : n == 0 ? 0 : snapshot_read(&load, lsn, &info, text);
    if (err == 0)
        err = replay_behind(s, recovery, lsn, &report);
    if (err == 0)
        atomic_store(&recovery->store->version, report.end.last_lsn);
    return err;
}

/* The failures are those of the one thread. */
static int recover(struct script *s, struct store *store)
{
    struct recovery recovery;
    int err = recover_begin(&recovery, store, 0);
    if (err == 0)
        err = recover_all(s, &recovery);
    recover_end(&recovery);
    return err;
}

static void restart(struct script *s)
{
    struct store *store = fixture_open(8, 1);
    arm(s);
    driver_arm(&s->driver);
    int err = recover(s, store);
    driver_disarm(&s->driver);
    disarm(s);
    if (err != 0) {
        assert_int_equal(err, ERR_OUT_OF_MEMORY);
        s->refused++;
        store_destroy(store);
        store = fixture_open(8, 1);
        assert_int_equal(recover(s, store), 0);
    }
    assert_same(s->driver.store, store);
    store_destroy(store);
}

/* ---- the whole ---- */

static bool run_script(struct script *s)
{
    struct wal_end end = {0};
    s->driver.fired = false;
    driver_init(&s->driver, 1, 4, 1);
    logged_open(&s->logged);
    logged_begin(&s->logged, s->driver.store, &end);
    s->driver.store->durability = s->driver.session.durability = DURABILITY_LEVEL_BUFFERED;
    for (int round = 0; round < 3; round++) {
        requests(s, round);
        restart(s);
        snapshot(s);
        restart(s);
    }
    logged_end(s->driver.store);
    bool fired = s->driver.fired;
    driver_deinit(&s->driver);
    logged_close(&s->logged);
    return fired;
}

static void every_allocation(void **state)
{
    struct script s = {.n = 0};
    (void)state;
#ifndef CAIRN_FAULTS
    skip();
#endif
    while (run_script(&s) || s.n == 0) {
        s.n++;
        assert_true(s.n < FAILS_MAX);
    }
    print_message("up to %lu allocations in a step; %u steps were refused\n", s.n - 1, s.refused);
    assert_true(s.n > 4 && s.refused > 100);
    s.sticky = true;
    for (unsigned long n = s.n; n > 0; n--) {
        s.n = n;
        (void)run_script(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation)};
    op_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
