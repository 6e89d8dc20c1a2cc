/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Snapshots of a history.
 *
 *   records   seeds of the bodies of LSN 1 .. begin      as the walk of a store finds them
 *   effects   seeds of begin + 1 .. end                  committed during the walk
 *
 * Beginning and end are steps of their own, so that the log goes on in between. Breaks that leave
 * out a sync let the file system lie about it: all else is the code of the server.
 */
#include "tests/crash/snapshots.h"

#include "common/err.h"
#include "server/wal/snapshot_format.h"
#include "tests/crash/history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { SNAPSHOTS_LIST = 16 };

const char *snapshots_break_name(enum snapshots_break broken)
{
    static const char *const names[SNAPSHOTS_BREAKS] = {
        [SNAPSHOTS_RIGHT] = "nothing",
        [SNAPSHOTS_TRIM_BEFORE_RENAME] = "snapshot_trim_before_rename",
        [SNAPSHOTS_NO_SYNC_OF_FILE] = "snapshot_no_sync_of_file",
        [SNAPSHOTS_NO_SYNC_OF_NAME] = "snapshot_no_sync_of_name",
        [SNAPSHOTS_AHEAD_OF_LOG] = "snapshot_ahead_of_log",
        [SNAPSHOTS_TRIM_TO_NEWEST] = "snapshot_trim_to_newest",
    };
    return names[broken];
}

/* ---- taking one ---- */

/* The seeds of these LSNs, in chunks of any size. */
static int put_seeds(struct snapshots *s, const struct history *history, uint64_t after_lsn,
                     uint64_t lsn, struct rng *rng)
{
    int err = 0;
    while (after_lsn < lsn && err == 0) {
        uint64_t n = 1 + rng_below(rng, lsn - after_lsn);
        err = snapshot_put_chunk(
            s->writer, (struct bytes){(const uint8_t *)&history->bodies[after_lsn], 8 * n});
        after_lsn += n;
    }
    return err;
}

static void give_up(struct snapshots *s)
{
    snapshot_abandon(s->writer);
    s->writer = NULL;
}

bool snapshots_begin(struct snapshots *s, const struct history *history, uint64_t lsn,
                     struct rng *rng)
{
    struct snapshot_options options = {
        .dir = simfs_dir(s->fs), .store = log_driver_store, .compress = rng_below(rng, 2) == 0};
    if (snapshot_create(&options, &s->writer) != 0) {
        s->writer = NULL;
        return false;
    }
    s->begin_lsn = lsn;
    int err = snapshot_begin_section(s->writer, SNAPSHOT_RECORDS);
    if (err == 0)
        err = put_seeds(s, history, 0, lsn, rng);
    if (err != 0)
        give_up(s);
    return err == 0;
}

/* False: it failed. */
static bool commit(struct snapshots *s, const struct history *history, uint64_t lsn,
                   struct rng *rng)
{
    int err = snapshot_begin_section(s->writer, SNAPSHOT_EFFECTS);
    if (err == 0)
        err = put_seeds(s, history, s->begin_lsn, lsn, rng);
    if (err != 0) {
        give_up(s);
        return false;
    }
    simfs_lie(s->fs, s->broken == SNAPSHOTS_NO_SYNC_OF_FILE,
              s->broken == SNAPSHOTS_NO_SYNC_OF_NAME);
    err = snapshot_commit(s->writer, lsn, s->begin_lsn);
    simfs_lie(s->fs, false, false);
    s->writer = NULL;
    return err == 0;
}

static bool sync_log(struct snapshots *s, void *log, uint64_t lsn)
{
    int err = 0;
    for (int i = 0; i < 2 && err == 0 && s->driver->durable(log) < lsn; i++)
        err = s->driver->sync(log);
    return err == 0 && s->driver->durable(log) >= lsn;
}

/* As save_trim does it. False: the log has failed. */
static bool trim(struct snapshots *s, void *log)
{
    uint64_t lsns[SNAPSHOTS_LIST];
    int n = snapshot_list(simfs_dir(s->fs), lsns, s->keep);
    if (n <= 0)
        return true;
    uint64_t keep_lsn = n == s->keep ? lsns[n - 1] : 0;
    if (s->broken == SNAPSHOTS_TRIM_TO_NEWEST)
        keep_lsn = lsns[0];
    if (s->driver->trim(log, lsns[0], keep_lsn) != 0)
        return false;
    (void)!snapshot_trim(simfs_dir(s->fs), s->keep); /* what is left is removed the next time */
    return true;
}

bool snapshots_end(struct snapshots *s, const struct history *history, void *log, struct rng *rng)
{
    uint64_t lsn = history->appended;
    if (s->broken != SNAPSHOTS_AHEAD_OF_LOG && !sync_log(s, log, lsn)) {
        give_up(s);
        return false;
    }
    if (s->broken == SNAPSHOTS_TRIM_BEFORE_RENAME && s->driver->trim(log, lsn, lsn) != 0)
        return false;
    return !commit(s, history, lsn, rng) || trim(s, log);
}

void snapshots_abandon(struct snapshots *s)
{
    if (s->writer == NULL)
        return;
    simfs_watch(s->fs, NULL, NULL);
    simfs_fail(s->fs, 1, EIO, true);
    give_up(s);
}

/* ---- finding one ---- */

struct loading {
    const struct history *history;
    uint64_t lsn;
    char *text;
};

static int compare_chunk(void *context, unsigned thread, enum snapshot_section section,
                         struct bytes data)
{
    struct loading *loading = context;
    uint64_t n = data.size / 8;
    (void)thread;
    (void)section;
    if (data.size % 8 != 0 || loading->lsn + n > loading->history->appended ||
        memcmp(data.data, &loading->history->bodies[loading->lsn], data.size) != 0) {
        (void)snprintf(loading->text, 800,
                       "the snapshot holds what was not appended as LSN %" PRIu64,
                       loading->lsn + 1);
        return ERR_INTERNAL;
    }
    loading->lsn += n;
    return 0;
}

/* 0, or an error with text; -1000: it is good, but not right. */
static int load(struct simfs *fs, const struct history *history, uint64_t lsn,
                char out_text[static 800])
{
    struct loading loading = {history, 0, out_text};
    struct snapshot_load options = {
        .dir = simfs_dir(fs), .n_threads = 1, .chunk = compare_chunk, .context = &loading};
    struct snapshot_info info;
    char why[512];
    out_text[0] = 0;
    int err = snapshot_read(&options, lsn, &info, why);
    if (out_text[0] == 0 && err == 0 && loading.lsn != lsn)
        (void)snprintf(out_text, 800, "the snapshot of LSN %" PRIu64 " holds %" PRIu64, lsn,
                       loading.lsn);
    if (out_text[0] != 0)
        return -1000;
    if (err != 0)
        (void)snprintf(out_text, 800, "refused: %s", why);
    return err;
}

int snapshots_load(struct simfs *fs, const struct history *history,
                   struct snapshots_found *out_found, char out_text[static 800])
{
    uint64_t lsns[SNAPSHOTS_LIST];
    int n = snapshot_list(simfs_dir(fs), lsns, SNAPSHOTS_LIST);
    *out_found = (struct snapshots_found){.newest = n > 0 ? lsns[0] : 0};
    for (int i = 0; i < n; i++) {
        int err = load(fs, history, lsns[i], out_text);
        out_found->lsn = err == 0 ? lsns[i] : 0;
        if (err != ERR_DATA_DAMAGED)
            return err;
        out_found->damaged++;
    }
    out_text[0] = 0;
    return 0;
}

/* ---- damage ---- */

bool snapshots_damage(struct simfs *fs, struct rng *rng, char out_what[static 200])
{
    static const char *const kinds[] = {"missing, not cut", "cut", "a bit flipped",
                                        "a sector of zeros"};
    char name[FILE_NAME_MAX + 1];
    uint64_t lsn;
    if (snapshot_list(simfs_dir(fs), &lsn, 1) != 1)
        return false;
    snapshot_name(lsn, name);
    struct bytes content = simfs_content(fs, name);
    unsigned kind = (unsigned)rng_below(rng, LENGTH_OF(kinds));
    size_t at = (size_t)rng_below(rng, content.size);
    (void)snprintf(out_what, 200, "%s: %s at offset %zu", name, kinds[kind], at);
    if (kind == 0) {
        simfs_drop(fs, name);
        return true;
    }
    uint8_t *now = malloc(content.size);
    REQUIRE(now != NULL);
    memcpy(now, content.data, content.size);
    if (kind == 2)
        now[at] ^= (uint8_t)(1 << rng_below(rng, 8));
    if (kind == 3)
        memset(now + at, 0, content.size - at < SIMFS_SECTOR ? content.size - at : SIMFS_SECTOR);
    bool changed = kind == 1 || memcmp(now, content.data, content.size) != 0;
    simfs_put(fs, name, (struct bytes){now, kind == 1 ? at : content.size});
    free(now);
    return changed;
}
