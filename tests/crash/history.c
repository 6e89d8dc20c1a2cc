/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The oracle of the explorer.
 *
 *   must be there   every LSN up to `floor`, in the snapshot or in the log
 *   may be there    those up to `appended`, without a hole
 *   nothing else    each body is the one that was appended under its LSN
 */
#include "tests/crash/history.h"

#include "common/err.h"
#include "common/rng.h"
#include "tests/crash/log_driver.h"

#include <inttypes.h>

enum { BODY_MAX = 80 * 1024 };

struct bytes history_body(uint64_t seed)
{
    static uint8_t body[BODY_MAX + 8];
    static const uint32_t below[16] = {1,   8,   32,  64,   64,   100,  200,  200,
                                       200, 400, 600, 1000, 2000, 5000, 9000, BODY_MAX};
    struct rng rng = {seed};
    unsigned kind = (unsigned)rng_below(&rng, 400);
    size_t size = (size_t)rng_below(&rng, below[kind < 2 ? 15 : kind % 15]);
    bool zeros = rng_below(&rng, 8) == 0;
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = zeros ? 0 : rng_next(&rng);
        memcpy(body + i, &word, sizeof word);
    }
    return (struct bytes){body, size};
}

struct comparison {
    const struct history *history;
    uint64_t last;
    char *text;
};

static int compare_entry(void *context, const struct entry *entry)
{
    struct comparison *c = context;
    uint64_t lsn = entry->lsn;
    if (lsn != c->last + 1)
        (void)snprintf(c->text, 800, "LSN %" PRIu64 " follows %" PRIu64, lsn, c->last);
    else if (lsn > c->history->appended)
        (void)snprintf(c->text, 800, "LSN %" PRIu64 " was never appended", lsn);
    else if (!bytes_equal(entry->body, history_body(c->history->bodies[lsn - 1])))
        (void)snprintf(c->text, 800, "LSN %" PRIu64 " has another body", lsn);
    c->last = lsn;
    return c->text[0] == 0 ? 0 : -1000;
}

/* As a start judges them (server/storage_recover.c). */
static int compare_log(struct comparison *c, struct simfs *fs, struct history_found *found)
{
    struct replay_options options = {.dir = simfs_dir(fs),
                                     .store = &log_driver_store,
                                     .after_lsn = found->snapshots.lsn,
                                     .entry = compare_entry,
                                     .context = c};
    int err = replay_run(&options, &found->replay);
    if (err != 0 || found->replay.end.last_lsn >= found->snapshots.newest)
        return err;
    (void)snprintf(found->replay.problem, sizeof found->replay.problem,
                   "the log ends at LSN %" PRIu64 ", but there is a snapshot of LSN %" PRIu64,
                   found->replay.end.last_lsn, found->snapshots.newest);
    return ERR_DATA_DAMAGED;
}

int history_compare(const struct history *history, struct simfs *fs, uint64_t floor,
                    struct history_found *out_found, char out_text[static 800])
{
    struct comparison c = {.history = history, .text = out_text};
    const struct replay_report *report = &out_found->replay;
    int err = snapshots_load(fs, history, &out_found->snapshots, out_text);
    if (err != 0)
        return err;
    c.last = out_found->snapshots.lsn;
    err = compare_log(&c, fs, out_found);
    REQUIRE(simfs_open_files(fs) == 0);
    if (err != 0 && out_text[0] == 0)
        (void)snprintf(out_text, 800, "refused: %s", report->problem);
    else if (out_text[0] == 0 && c.last < floor)
        (void)snprintf(out_text, 800, "LSN %" PRIu64 " was promised, but the log ends at %" PRIu64,
                       floor, c.last);
    else if (out_text[0] == 0 && report->synced_lsn > report->end.last_lsn)
        (void)snprintf(out_text, 800, "more is called synced than there is");
    return err;
}
