/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For tests of snapshots: how one is made in the directory of a log, and the way back from it.
 */
#pragma once

#include "tests/unit/server/store/logged.h"

#include "server/store/save.h"

static inline struct save_options saved_options(const struct logged *logged)
{
    return (struct save_options){.dir = logged->dir, .id = logged_id, .compress = true};
}

/* A new store from the newest snapshot and, if `log`, what follows it in the log. */
static inline struct store *saved_load(const struct logged *logged, unsigned n_threads, bool log)
{
    struct store *store = fixture_open(8, n_threads);
    struct snapshot_info info;
    struct replay_report report;
    struct recovery recovery;
    struct snapshot_load options = {
        .dir = logged->dir, .n_threads = n_threads, .chunk = recover_chunk, .context = &recovery};
    char text[512];
    uint64_t lsn;
    assert_int_equal(snapshot_list(logged->dir, &lsn, 1), 1);
    assert_int_equal(recover_begin(&recovery, store, n_threads), 0);
    if (snapshot_read(&options, lsn, &info, text) != 0)
        fail_msg("%s", text);
    assert_memory_equal(&info.store, &logged_id, sizeof logged_id);
    assert_int_equal(recovery.records, info.records);
    struct replay_options replay = {.dir = logged->dir,
                                    .store = &logged_id,
                                    .after_lsn = lsn,
                                    .entry = recover_entry,
                                    .context = &recovery};
    if (log && replay_run(&replay, &report) != 0)
        fail_msg("%s %s", report.problem, recovery.problem);
    assert_int_equal(recover_finish(&recovery), 0);
    recover_end(&recovery);
    uint64_t last = log && report.end.last_lsn > lsn ? report.end.last_lsn : lsn;
    atomic_store(&store->version, last);
    return store;
}
