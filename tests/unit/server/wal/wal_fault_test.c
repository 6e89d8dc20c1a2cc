/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server/wal/wal on a bad disk: every operation fails once, at every place; the disk is full, and
 * then no longer. What was said to be durable is there, and after a failure nothing is written.
 */
#include "tests/unit/server/wal/harness.h"

/* ---- errors ---- */

/* A run through everything the log does to a disk. */
static void script(struct harness *h)
{
    for (int i = 0; i < 24; i++) {
        harness_fill(h->wal, 9000);
        if (i % 2 == 0)
            wal_step(h->wal);
        if (i % 5 == 0)
            (void)!wal_write(h->wal, i);
        if (i == 12)
            (void)!wal_trim(h->wal, 6, 6);
    }
    harness_fill(h->wal, 2 * SEGMENT_BYTES_MIN);
    harness_fill(h->wal, 10);
    for (int i = 0; i < 3; i++)
        wal_step(h->wal);
}

/* What was promised would survive a power failure at this moment. */
static void check_promise(struct harness *h, uint64_t durable)
{
    struct reading safe = {.number = 0};
    reading_durable(&safe, h->watch);
    if (durable > 0)
        assert_true(safe.lsn >= durable);
}

static void check_final(struct harness *h)
{
    assert_int_equal(wal_state(h->wal), WAL_FAILED);
    assert_int_equal(h->failed, 1);
    assert_int_equal(h->state, WAL_FAILED);
    assert_non_null(strstr(h->text, h->watch->path));
    assert_false(wal_wait_durable(h->wal, harness_fill(h->wal, 10)));
    for (int i = 0; i < 10; i++) {
        uint64_t lsn = harness_fill(h->wal, 100000); /* goes nowhere, and takes no room */
        assert_false(wal_write(h->wal, lsn));
        wal_step(h->wal);
    }
    assert_int_equal(h->failed, 1);
    assert_int_equal(h->watch->after, 0); /* R18: no retry, no further write */
}

/* No space is no failure where nothing was promised yet. */
static bool may_pass(const char *what)
{
    return strcmp(what, "open") == 0 || strcmp(what, "allocate") == 0 ||
           strcmp(what, "rename") == 0 || strcmp(what, "remove") == 0;
}

/* Returns whether there was a call to fail. */
static bool fail_one(unsigned long at, int err, bool strict)
{
    struct harness h;
    harness_init(&h);
    h.options.strict = strict;
    h.watch->fail_at = at;
    h.watch->fail_err = err;
    int opened = harness_try_open(&h);
    if (opened == 0) {
        script(&h);
        uint64_t durable = wal_durable_lsn(h.wal);
        check_promise(&h, durable);
        if (h.watch->broken)
            check_final(&h);
        else if (wal_state(h.wal) == WAL_OPEN)
            assert_int_equal(durable, 26);
        else
            assert_int_equal(wal_state(h.wal), WAL_FAILED);
        if (err == -ENOSPC && h.watch->failed_at != 0 && may_pass(h.watch->failed))
            assert_int_equal(wal_state(h.wal), WAL_OPEN);
        (void)wal_close(h.wal);
    } else {
        assert_true(opened == ERR_IO || opened == ERR_DISK_FULL);
        assert_int_equal(h.failed, 0); /* the caller was told */
    }
    check_promise(&h, 0);
    bool failed = h.watch->failed_at != 0;
    if (!failed) {
        assert_int_equal(opened, 0);
        assert_true(harness_read(&h).clean);
    }
    harness_deinit(&h);
    return failed;
}

static void every_call(int err)
{
    for (int strict = 0; strict < 2; strict++) {
        unsigned long n = 1;
        while (fail_one(n, err, strict))
            n++;
        print_message("%lu calls failed\n", n - 1);
        assert_true(n > 60);
    }
}

static void every_call_eio(void **state)
{
    (void)state;
    every_call(-EIO);
}

static void every_call_enospc(void **state)
{
    (void)state;
    every_call(-ENOSPC);
}

/* ---- power failures ---- */

static void check_now(void *context)
{
    struct harness *h = context;
    check_promise(h, h->wal == NULL ? h->end.last_lsn : wal_durable_lsn(h->wal));
}

/* Wherever the power fails, what is left is whole: every segment that has its name has its header,
 * and ends where the next one says. */
static void power_failures(void **state)
{
    (void)state;
    for (int strict = 0; strict < 2; strict++) {
        struct harness h;
        harness_init(&h);
        h.options.strict = strict;
        h.watch->synced = check_now;
        h.watch->context = &h;
        for (int run = 0; run < 3; run++) {
            assert_int_equal(harness_try_open(&h), 0);
            script(&h);
            assert_int_equal(wal_close(h.wal), 0);
            h.wal = NULL;
            (void)harness_read(&h);
            check_now(&h);
        }
        harness_deinit(&h);
    }
}

/* A process that dies leaves a tail that is in no danger but that of the power: the next one makes
 * it durable before it says where it ends. */
static void tail_is_settled(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    h.options.strict = false;
    harness_open(&h);
    assert_true(wal_write(h.wal, harness_fill(h.wal, 100)));
    h.watch->fail_at = h.watch->calls + 1; /* the sync of wal_close */
    h.watch->fail_err = -EIO;
    assert_int_equal(wal_close(h.wal), ERR_IO);
    h.wal = NULL;
    assert_int_equal(harness_read(&h).lsn, 1);
    h.watch->synced = check_now;
    h.watch->context = &h;
    h.end.last_lsn = 1;
    struct reading safe = {.number = 0};
    reading_durable(&safe, h.watch);
    assert_int_equal(safe.lsn, 0);
    assert_int_equal(harness_try_open(&h), 0);
    check_promise(&h, 1);
    assert_int_equal(wal_close(h.wal), 0);
    harness_deinit(&h);
}

static void write_meanwhile(void *context)
{
    struct harness *h = context;
    if (wal_durable_lsn(h->wal) == 0 && wal_written_lsn(h->wal) == 1)
        assert_true(wal_write(h->wal, harness_fill(h->wal, 10)));
}

/* What is written while a sync runs is not durable by it. */
static void sync_covers_the_past(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    harness_open(&h);
    h.watch->synced = write_meanwhile;
    h.watch->context = &h;
    harness_fill(h.wal, 10);
    wal_step(h.wal);
    assert_int_equal(wal_written_lsn(h.wal), 2);
    assert_int_equal(wal_durable_lsn(h.wal), 1);
    wal_step(h.wal);
    assert_int_equal(wal_durable_lsn(h.wal), 2);
    assert_int_equal(h.watch->syncs, 2);
    assert_int_equal(wal_close(h.wal), 0);
    assert_int_equal(harness_read(&h).entries, 2);
    harness_deinit(&h);
}

/* A thread that waits learns of it. */
static void waiters_learn(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    h.options.no_thread = false;
    harness_open(&h);
    assert_true(wal_wait_durable(h.wal, harness_fill(h.wal, 10)));
    pthread_mutex_lock(&h.watch->lock);
    h.watch->fail_at = h.watch->calls + 2; /* the sync after the write */
    h.watch->fail_err = -EIO;
    pthread_mutex_unlock(&h.watch->lock);
    uint64_t lsn = harness_fill(h.wal, 10);
    while (wal_wait_durable(h.wal, lsn))
        lsn = harness_fill(h.wal, 10); /* a watermark or a spare took the turn */
    HARNESS_AWAIT(h.failed == 1);
    for (int i = 0; i < 3; i++) /* still taken, more than there is room for, and dropped */
        harness_fill(h.wal, 48 << 20);
    assert_int_equal(wal_close(h.wal), ERR_IO);
    check_promise(&h, lsn - 1);
    harness_deinit(&h);
}

/* ---- disk full ---- */

enum { FULL_SEGMENT = 1 << 20, FULL_RESERVE = FULL_SEGMENT / 8 };

static void set_full(struct watch *w, int how, bool full)
{
    pthread_mutex_lock(&w->lock);
    w->full_open = full && how == 0;
    w->full_allocate = full && how == 1;
    w->full_write = full && how == 2;
    w->full_spare = full && how == 3;
    pthread_mutex_unlock(&w->lock);
}

/* Put until the state changes; returns the LSN. */
static uint64_t put_until_full(struct harness *h)
{
    uint64_t lsn = 0;
    for (int i = 0; i < 10000 && wal_state(h->wal) == WAL_OPEN; i++) {
        lsn = harness_fill(h->wal, 1000);
        assert_true(wal_write(h->wal, lsn));
    }
    assert_int_equal(wal_state(h->wal), WAL_FULL);
    return lsn;
}

static void full_and_back(int how)
{
    struct harness h;
    harness_init(&h);
    h.options.segment_bytes = FULL_SEGMENT;
    assert_int_equal(harness_try_open(&h), 0);
    set_full(h.watch, how, true);
    wal_step(h.wal);
    assert_int_equal(wal_state(h.wal), WAL_OPEN); /* there is room in the first one */
    assert_false(wal_refuses(h.wal, true, FULL_SEGMENT - FULL_RESERVE - SEGMENT_HEADER_BYTES));
    assert_true(wal_refuses(h.wal, true, FULL_SEGMENT - FULL_RESERVE - SEGMENT_HEADER_BYTES + 1));
    uint64_t lsn = put_until_full(&h);
    assert_true(lsn > (FULL_SEGMENT - FULL_RESERVE) / 1100);
    wal_step(h.wal);
    assert_int_equal(h.changed, 1);
    assert_int_equal(h.state, WAL_FULL);
    assert_false(wal_refuses(h.wal, false, 0)); /* what frees space still goes */
    assert_true(wal_refuses(h.wal, true, 0));
    while (!wal_refuses(h.wal, false, 0)) {
        lsn = harness_fill(h.wal, 1000);
        assert_true(wal_wait_durable(h.wal, lsn));
    }
    for (int i = 0; i < 100; i++) /* more than there is room for */
        harness_fill(h.wal, 1000);
    assert_false(wal_write(h.wal, lsn + 100));
    wal_step(h.wal);
    assert_true(wal_durable_lsn(h.wal) >= lsn);
    assert_int_equal(wal_state(h.wal), WAL_FULL);
    set_full(h.watch, how, false);
    unsigned told = h.durable;
    wal_step(h.wal);
    wal_step(h.wal);
    assert_int_equal(wal_state(h.wal), WAL_OPEN);
    assert_int_equal(h.state, WAL_OPEN);
    assert_false(wal_refuses(h.wal, true, 0));
    assert_true(h.durable > told);
    assert_int_equal(wal_durable_lsn(h.wal), lsn + 100);
    assert_int_equal(h.failed, 0);
    assert_int_equal(wal_close(h.wal), 0);
    struct reading r = harness_read(&h);
    assert_int_equal(r.entries, lsn + 100);
    assert_true(r.clean);
    harness_deinit(&h);
}

static void full_and_back_all(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++)
        full_and_back(how);
}

/* The first segment is full before anybody knew that there will be no other. */
static void full_by_surprise(void **state)
{
    struct harness h;
    (void)state;
    harness_init(&h);
    assert_int_equal(harness_try_open(&h), 0);
    set_full(h.watch, 0, true);
    uint64_t lsn = 0;
    for (int i = 0; i < 100; i++)
        lsn = harness_fill(h.wal, 1000);
    assert_false(wal_write(h.wal, lsn));
    assert_true(wal_written_lsn(h.wal) > 50);
    assert_int_equal(wal_state(h.wal), WAL_FULL);
    assert_true(wal_refuses(h.wal, false, 0));
    assert_false(wal_has_room(h.wal));
    set_full(h.watch, 0, false);
    assert_true(wal_write(h.wal, lsn));
    assert_int_equal(wal_state(h.wal), WAL_OPEN);
    assert_false(wal_refuses(h.wal, false, 0));
    assert_int_equal(wal_close(h.wal), 0);
    assert_int_equal(harness_read(&h).lsn, lsn);
    harness_deinit(&h);
}

/* With threads: the disk is full, and something too large for what is left waits for room. Returns
 * its LSN; all before it are written. */
static uint64_t wait_on_full(struct harness *h)
{
    harness_init(h);
    h->options.no_thread = false;
    h->options.segment_bytes = FULL_SEGMENT;
    set_full(h->watch, 3, true);
    assert_int_equal(harness_try_open(h), 0);
    HARNESS_AWAIT(h->watch->refused > 0); /* else the first segment is full before that is known */
    set_full(h->watch, 0, true);
    put_until_full(h);
    HARNESS_AWAIT(h->state == WAL_FULL);
    assert_true(wal_has_room(h->wal));
    uint64_t lsn = harness_fill(h->wal, FULL_SEGMENT);
    assert_false(wal_write(h->wal, lsn));
    assert_false(wal_wait_durable(h->wal, lsn)); /* nobody waits for what may never come */
    assert_int_equal(wal_written_lsn(h->wal), lsn - 1);
    assert_false(wal_has_room(h->wal));
    assert_true(wal_refuses(h->wal, false, 0));
    assert_false(wal_is_behind(h->wal)); /* reads go on */
    return lsn;
}

/* The log thread writes it when there is room, and tells. */
static void full_and_back_by_thread(void **state)
{
    struct harness h;
    (void)state;
    uint64_t lsn = wait_on_full(&h);
    set_full(h.watch, 0, false);
    HARNESS_AWAIT(wal_durable_lsn(h.wal) >= lsn);
    HARNESS_AWAIT(h.state == WAL_OPEN && !wal_refuses(h.wal, false, 0));
    assert_true(wal_has_room(h.wal));
    assert_int_equal(wal_close(h.wal), 0);
    assert_int_equal(h.failed, 0);
    assert_true(harness_read(&h).clean);
    harness_deinit(&h);
}

/* Or never: then what was written before is durable all the same. */
static void full_to_the_end(void **state)
{
    struct harness h;
    (void)state;
    uint64_t lsn = wait_on_full(&h);
    assert_int_equal(wal_close(h.wal), ERR_DISK_FULL);
    check_promise(&h, lsn - 1);
    assert_int_equal(harness_read(&h).lsn, lsn - 1);
    assert_int_equal(h.failed, 0);
    harness_deinit(&h);
}

/* A start on a full disk says so. */
static void full_at_start(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct harness h;
        harness_init(&h);
        set_full(h.watch, how, true);
        assert_int_equal(harness_try_open(&h), ERR_DISK_FULL);
        set_full(h.watch, how, false);
        assert_int_equal(harness_try_open(&h), 0);
        assert_int_equal(wal_close(h.wal), 0);
        harness_deinit(&h);
    }
}

/* Closing on a full disk keeps what is durable, and says what could not be written. */
static void full_at_close(void **state)
{
    for (int too_much = 0; too_much < 2; too_much++) {
        struct harness h;
        (void)state;
        harness_init(&h);
        assert_int_equal(harness_try_open(&h), 0);
        set_full(h.watch, 0, true);
        uint64_t lsn = harness_fill(h.wal, SEGMENT_BYTES_MIN - SEGMENT_HEADER_BYTES -
                                               ENTRY_OVERHEAD); /* to the brim */
        assert_true(wal_wait_durable(h.wal, lsn));
        if (too_much)
            harness_fill(h.wal, 1);
        assert_int_equal(wal_close(h.wal), too_much ? ERR_DISK_FULL : 0);
        struct reading r = harness_read(&h);
        assert_int_equal(r.lsn, 1);
        assert_false(r.clean);
        harness_deinit(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_eio),       cmocka_unit_test(every_call_enospc),
        cmocka_unit_test(power_failures),       cmocka_unit_test(tail_is_settled),
        cmocka_unit_test(sync_covers_the_past), cmocka_unit_test(waiters_learn),
        cmocka_unit_test(full_and_back_all),    cmocka_unit_test(full_and_back_by_thread),
        cmocka_unit_test(full_at_start),        cmocka_unit_test(full_by_surprise),
        cmocka_unit_test(full_at_close),        cmocka_unit_test(full_to_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
