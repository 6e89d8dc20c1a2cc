/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The crash explorer: runs a writer of the log over a file system that forgets (tests/lib/simfs.h),
 * crashes it at its file operations, and looks at each state that the next start could find.
 *
 *   life    settle, compare, open; then appends, writes, syncs, trims at random, perhaps an I/O
 *           error; at the end a clean close and the next start, or none
 *   crash   before each operation on a file, several: process or power, each with its own seed;
 *           the state is compared with the history, and now and then lived on, some lives deep
 *   damage  of a state at rest: must be refused, or be one that replay.c says it cannot know of
 *
 * Compared: nothing that was promised is missing, nothing is there that was not appended, no hole;
 * a state that a crash can leave is never refused; damaged bytes are never taken for good.
 *
 *   explore [--writer wal|logwriter] [--states N] [--seed S] [--break NAME | --break-all]
 *
 * With --break a rule of the writer is broken, and it is an error if nothing is found. Prints how
 * many states were looked at; a finding is printed with what repeats it, and ends with 1.
 */
#include "common/log.h"
#include "common/rng.h"
#include "tests/crash/damage.h"
#include "tests/crash/history.h"
#include "tests/crash/log_driver.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

enum { DEPTH = 3, STEPS = 40 };

struct explorer {
    const struct log_driver *driver;
    enum logwriter_break broken;
    uint64_t seed, states_max;
    uint64_t states, kills, cuts, lives, faults, damages, refused, unnoticed;
    char finding[1200]; /* the first; then all stops */
};

/* One run of the writer on one file system. */
struct life {
    struct explorer *explorer;
    struct simfs *fs;
    struct history history;
    struct rng rng;
    void *log;
    unsigned depth;
    unsigned crash_one_in; /* operations */
};

static void live(struct explorer *explorer, struct simfs *fs, const struct history *history,
                 uint64_t seed, unsigned depth);

static bool is_over(const struct explorer *explorer)
{
    return explorer->finding[0] != 0 || explorer->states >= explorer->states_max;
}

static void find(struct explorer *explorer, const char *where, const char *text)
{
    if (explorer->finding[0] == 0)
        (void)snprintf(explorer->finding, sizeof explorer->finding, "%s: %s", where, text);
}

/* ---- crashes ---- */

static void note_promises(struct life *life)
{
    const struct log_driver *driver = life->explorer->driver;
    uint64_t written = driver->written(life->log), durable = driver->durable(life->log);
    if (written > life->history.written)
        life->history.written = written;
    if (durable > life->history.durable)
        life->history.durable = durable;
}

/* Look at what a crash leaves, and sometimes go on from there. */
static void crash(struct life *life, enum simfs_crash how)
{
    static const char *const names[] = {"process died", "power cut, ordered", "power cut, weak"};
    struct explorer *explorer = life->explorer;
    struct replay_report report;
    char text[800];
    if (is_over(explorer))
        return;
    uint64_t seed = rng_next(&life->rng);
    struct simfs *after = simfs_crash(life->fs, how, seed);
    explorer->states++;
    explorer->kills += how == SIMFS_KILL;
    explorer->cuts += how != SIMFS_KILL;
    (void)history_compare(&life->history, after,
                          how == SIMFS_KILL ? life->history.written : life->history.durable,
                          &report, text);
    if (text[0] != 0)
        find(explorer, names[how], text);
    else if (life->depth > 0 && rng_below(&life->rng, 40) == 0)
        live(explorer, after, &life->history, rng_next(&life->rng), life->depth - 1);
    simfs_destroy(after);
}

static void before_call(void *context, enum simfs_call call, const char *name)
{
    struct life *life = context;
    (void)call;
    (void)name;
    if (life->log != NULL)
        note_promises(life);
    if (rng_below(&life->rng, life->crash_one_in) != 0)
        return;
    crash(life, SIMFS_KILL);
    crash(life, SIMFS_POWER_ORDERED);
    crash(life, SIMFS_POWER_WEAK);
    crash(life, SIMFS_POWER_WEAK);
}

/* ---- damage ---- */

static void damage(struct life *life)
{
    struct explorer *explorer = life->explorer;
    struct replay_report report;
    struct damage damage;
    char text[800], where[260];
    struct simfs *after = simfs_crash(life->fs, SIMFS_POWER_ORDERED, rng_next(&life->rng));
    if (!is_over(explorer) && damage_do(after, &life->rng, &damage)) {
        explorer->states++;
        explorer->damages++;
        int err = history_compare(&life->history, after, life->history.durable, &report, text);
        bool lost = strstr(text, "was promised") != NULL;
        explorer->refused += err != 0;
        explorer->unnoticed += err == 0 && lost;
        (void)snprintf(where, sizeof where, "damage, %s", damage.what);
        if (err == -1000 || (err == 0 && text[0] != 0 && (!lost || damage.must_refuse)))
            find(explorer, where, text);
        if (err != 0 && err != -1000 && report.problem[0] == 0)
            find(explorer, where, "refused without a word");
    }
    simfs_destroy(after);
}

/* ---- lives ---- */

static void append_some(struct life *life)
{
    struct history *history = &life->history;
    unsigned n = 1 + (unsigned)rng_below(&life->rng, rng_below(&life->rng, 6) == 0 ? 30 : 3);
    for (; n > 0 && history->appended < HISTORY_MAX; n--) {
        static const uint8_t types[] = {ENTRY_BATCH, ENTRY_PUT, ENTRY_DEL};
        uint64_t seed = rng_next(&life->rng);
        history->bodies[history->appended++] = seed;
        life->explorer->driver->append(life->log, types[seed % 3], history_body(seed));
    }
}

/* A snapshot, which may be ahead of what is synced of the log, and is durable before the log is
 * trimmed. */
static int trim(struct life *life)
{
    struct history *history = &life->history;
    uint64_t range = history->written - history->snapshot;
    history->snapshot += rng_below(&life->rng, range + 1);
    if (history->durable < history->snapshot)
        history->durable = history->snapshot;
    return life->explorer->driver->trim(life->log, history->snapshot);
}

static int step(struct life *life)
{
    const struct log_driver *driver = life->explorer->driver;
    unsigned what = (unsigned)rng_below(&life->rng, 20);
    if (what < 10)
        append_some(life);
    if (what < 13)
        return driver->write(life->log);
    if (what < 18)
        return driver->sync(life->log);
    if (what == 18)
        return driver->idle(life->log);
    return rng_below(&life->rng, 3) == 0 ? trim(life) : driver->idle(life->log);
}

/* One call fails, or all from one on. What comes of it: nothing more is promised. */
static void plan_fault(struct life *life)
{
    static const int errors[] = {EIO, ENOSPC, EROFS, EDQUOT};
    if (rng_below(&life->rng, 3) != 0)
        return;
    life->explorer->faults++;
    simfs_fail(life->fs, 1 + rng_below(&life->rng, 150),
               errors[rng_below(&life->rng, LENGTH_OF(errors))], rng_below(&life->rng, 2) == 0);
}

/* The process is gone. If a sync had failed, the kernel shows what the disk does not have: a start
 * must not believe it. */
static void end_badly(struct life *life)
{
    void *log = life->log;
    life->log = NULL;
    life->explorer->driver->abandon(log, life->fs);
    for (unsigned i = 0; i < 20; i++)
        crash(life, SIMFS_KILL);
    crash(life, SIMFS_POWER_ORDERED);
    crash(life, SIMFS_POWER_WEAK);
}

static void end_well(struct life *life)
{
    void *log = life->log;
    life->log = NULL;
    life->history.written = life->history.durable = life->history.appended;
    if (life->explorer->driver->close(log) != 0)
        find(life->explorer, "close", "failed without a reason");
    REQUIRE(simfs_open_files(life->fs) == 0);
    for (unsigned i = 0; i < 12; i++)
        damage(life);
    crash(life, SIMFS_POWER_WEAK);
    if (life->depth > 0 && !is_over(life->explorer))
        live(life->explorer, life->fs, &life->history, rng_next(&life->rng), life->depth - 1);
}

static void run(struct life *life)
{
    unsigned steps = 1 + (unsigned)rng_below(&life->rng, STEPS);
    int err = 0;
    for (; steps > 0 && err == 0 && !is_over(life->explorer); steps--) {
        err = step(life);
        note_promises(life);
    }
    if (err == 0 && rng_below(&life->rng, 4) == 0) {
        err = life->explorer->driver->idle(life->log);
        note_promises(life);
        for (unsigned i = 0; i < 6 && err == 0; i++)
            damage(life);
    }
    simfs_watch(life->fs, NULL, NULL);
    if (err != 0 || rng_below(&life->rng, 2) == 0 || is_over(life->explorer)) {
        end_badly(life);
        return;
    }
    simfs_fail(life->fs, 0, 0, false);
    end_well(life);
}

static void live(struct explorer *explorer, struct simfs *fs, const struct history *history,
                 uint64_t seed, unsigned depth)
{
    struct life *life = calloc(1, sizeof *life);
    struct replay_report report;
    char text[800];
    REQUIRE(life != NULL);
    *life = (struct life){explorer, fs, *history, {seed}, NULL, depth, 1 + (unsigned)(seed % 8)};
    explorer->lives++;
    if (explorer->broken != BREAK_NO_REWRITE && replay_settle(simfs_dir(fs), &report) != 0)
        find(explorer, "settle", report.problem);
    if (history_compare(history, fs, history->durable, &report, text) != 0 || text[0] != 0)
        find(explorer, "start", text);
    if (report.end.last_lsn < history->snapshot) { /* the log is behind: begin anew */
        report.end.last_lsn = history->snapshot;
        report.end.end_offset = report.end.end_crc = 0;
        report.proved = report.end;
    }
    life->history.appended = life->history.written = report.end.last_lsn;
    plan_fault(life);
    simfs_watch(fs, before_call, life);
    void *log = NULL;
    int err = explorer->driver->open(fs, &report.end, &report.proved, seed, explorer->broken, &log);
    life->log = log;
    if (err == 0) {
        note_promises(life);
        run(life);
    }
    simfs_watch(fs, NULL, NULL);
    free(life);
}

static void explore(struct explorer *explorer)
{
    static const struct history nothing;
    struct rng rng = {explorer->seed};
    while (!is_over(explorer)) {
        struct simfs *fs = simfs_create();
        live(explorer, fs, &nothing, rng_next(&rng), DEPTH);
        simfs_destroy(fs);
    }
}

/* ---- program ---- */

static void print_figures(const struct explorer *e)
{
    printf("%s, %s broken, seed %" PRIu64 ": states: %" PRIu64 " (%" PRIu64 " kills, %" PRIu64
           " power cuts, %" PRIu64 " damages: %" PRIu64 " refused, %" PRIu64
           " beyond knowing), lives: %" PRIu64 ", with an I/O error: %" PRIu64 "\n",
           e->driver->name, logwriter_break_name(e->broken), e->seed, e->states, e->kills, e->cuts,
           e->damages, e->refused, e->unnoticed, e->lives, e->faults);
}

struct arguments {
    const struct log_driver *driver;
    uint64_t states, seed;
    int broken; /* -1: all, one after the other */
};

/* 0: as it should be. */
static int explore_with(enum logwriter_break broken, const struct arguments *a)
{
    struct explorer explorer = {
        .driver = a->driver, .broken = broken, .seed = a->seed, .states_max = a->states};
    explore(&explorer);
    print_figures(&explorer);
    if (explorer.finding[0] != 0)
        printf("  %s: %s\n", broken == BREAK_NOTHING ? "FOUND" : "caught", explorer.finding);
    else if (broken != BREAK_NOTHING)
        printf("  NOT CAUGHT\n");
    return (explorer.finding[0] != 0) != (broken != BREAK_NOTHING);
}

static int parse_break(const char *name)
{
    for (enum logwriter_break i = 0; i < BREAK_COUNT; i++)
        if (strcmp(name, logwriter_break_name(i)) == 0)
            return (int)i;
    fprintf(stderr, "explore: there is no break '%s'\n", name);
    exit(64);
}

static void parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"writer", required_argument, NULL, 'w'}, {"states", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},   {"break", required_argument, NULL, 'b'},
        {"break-all", no_argument, NULL, 'a'},    {0}};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'w')
            arguments->driver = strcmp(optarg, "wal") == 0 ? &log_driver_wal : &log_driver_writer;
        else if (c == 'n')
            arguments->states = strtoull(optarg, NULL, 10);
        else if (c == 's')
            arguments->seed = strtoull(optarg, NULL, 10);
        else if (c == 'b')
            arguments->broken = parse_break(optarg);
        else if (c == 'a')
            arguments->broken = -1;
        else
            exit(64);
    }
    if (arguments->broken != BREAK_NOTHING)
        arguments->driver = &log_driver_writer;
}

int main(int argc, char **argv)
{
    struct arguments a = {.driver = &log_driver_wal, .states = 5000, .seed = 1};
    int failed = 0;
    parse(argc, argv, &a);
    log_set_level(LOG_LEVEL_ERROR - 1);
    if (a.broken != -1)
        return explore_with((enum logwriter_break)a.broken, &a);
    for (enum logwriter_break i = BREAK_NOTHING + 1; i < BREAK_COUNT; i++)
        failed |= explore_with(i, &a);
    return failed;
}
