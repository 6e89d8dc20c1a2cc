/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For tests of the store with a log: a directory of its own, a log without a thread, and the way
 * back from it into another store.
 */
#pragma once

#include "tests/unit/server/store/fixture.h"

#include "server/store/recover.h"
#include "server/wal/replay.h"
#include "server/wal/wal.h"

#include <unistd.h>

static const struct store_id logged_id = {"logged store id"};

struct logged {
    char path[64];
    struct dir *dir;
};

static inline void logged_open(struct logged *logged)
{
    (void)snprintf(logged->path, sizeof logged->path, "/tmp/cairn-store-XXXXXX");
    assert_non_null(mkdtemp(logged->path));
    assert_int_equal(dir_open(logged->path, &logged->dir), 0);
}

static inline bool logged_unlink(void *context, const char *name)
{
    struct dir *dir = context;
    return dir->ops->remove(dir, name) == 0;
}

static inline void logged_close(struct logged *logged)
{
    assert_int_equal(logged->dir->ops->list(logged->dir, logged_unlink, logged->dir), 0);
    dir_close(logged->dir);
    assert_int_equal(rmdir(logged->path), 0);
}

/* Give the store a log behind `end`. */
static inline void logged_begin(struct logged *logged, struct store *store,
                                const struct wal_end *end)
{
    char text[256] = "";
    struct wal_options options = {.dir = logged->dir,
                                  .store = logged_id,
                                  .segment_bytes = SEGMENT_BYTES_MIN,
                                  .staging_bytes = 1 << 20,
                                  .n_threads = 1,
                                  .sync_interval_ms = 100,
                                  .sync_entries = 1000,
                                  .no_thread = true};
    assert_int_equal(wal_open(&options, end, &store->wal, text), 0);
}

static inline void logged_end(struct store *store)
{
    assert_int_equal(wal_close(store->wal), 0);
    store->wal = NULL;
}

/* A new store from what is in the directory. */
static inline struct store *logged_recover(struct logged *logged, unsigned n_threads,
                                           struct replay_report *out_report)
{
    struct store *store =
        fixture_open(8, n_threads + 1); /* partitions may be others than they were */
    struct recovery recovery;
    struct replay_options options = {
        .dir = logged->dir, .store = &logged_id, .entry = recover_entry, .context = &recovery};
    assert_int_equal(recover_begin(&recovery, store, n_threads), 0);
    assert_int_equal(replay_settle(logged->dir, out_report), 0);
    int err = replay_run(&options, out_report);
    if (err != 0)
        fail_msg("%s %s", out_report->problem, recovery.problem);
    assert_int_equal(recover_finish(&recovery), 0);
    recover_end(&recovery);
    return store;
}
