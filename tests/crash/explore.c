/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The crash explorer: runs a writer of the log over a file system that forgets (tests/lib/simfs.h),
 * crashes it at its file operations, and looks at each state that the next start could find.
 *
 *   life    settle, compare, open; then appends, writes, syncs, snapshots at random, perhaps an I/O
 *           error; at the end a clean close and the next start, or none
 *   crash   before each operation on a file, several: process or power, each with its own seed;
 *           the state is compared with the history, and now and then lived on, some lives deep
 *   damage  of a state at rest: must be refused, or be one that replay.c says it cannot know of;
 *           of the newest of two snapshots: the older one and the log give back everything
 *
 * Compared: nothing that was promised is missing, nothing is there that was not appended, no hole;
 * a state that a crash can leave is never refused; damaged bytes are never taken for good.
 *
 *   explore [--writer wal|logwriter] [--states N] [--seed S] [--break NAME | --break-all]
 *
 * With --break a rule of the log or of snapshots is broken, and it is an error if nothing is found.
 * Prints how
 * many states were looked at; a finding is printed with what repeats it, and ends with 1.
 */
#include "common/err.h"
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
    enum snapshots_break snapshots_broken;
    int keep; /* snapshots, of the file system being looked at */
    uint64_t seed, states_max;
    uint64_t states, kills, cuts, lives, faults, damages, refused, unnoticed;
    uint64_t snapshots, loaded; /* taken; states that begin with one */
    char finding[1200];         /* the first; then all stops */
};

/* One run of the writer on one file system. */
struct life {
    struct explorer *explorer;
    struct simfs *fs;
    struct history history;
    struct snapshots snapshots;
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

/* What a start finds where nobody did any damage; `text` says what is wrong, or is empty. */
static void judge(struct explorer *explorer, const struct history *history, struct simfs *fs,
                  uint64_t floor, struct history_found *out_found, char text[static 800])
{
    (void)history_compare(history, fs, floor, out_found, text);
    if (text[0] == 0 && out_found->snapshots.damaged > 0)
        (void)snprintf(text, 800, "a snapshot under its own name is not whole");
    explorer->loaded += out_found->snapshots.lsn != 0;
}

/* Look at what a crash leaves, and sometimes go on from there. */
static void crash(struct life *life, enum simfs_crash how)
{
    static const char *const names[] = {"process died", "power cut, ordered", "power cut, weak"};
    struct explorer *explorer = life->explorer;
    struct history_found found;
    char text[800];
    if (is_over(explorer))
        return;
    uint64_t seed = rng_next(&life->rng);
    struct simfs *after = simfs_crash(life->fs, how, seed);
    explorer->states++;
    explorer->kills += how == SIMFS_KILL;
    explorer->cuts += how != SIMFS_KILL;
    judge(explorer, &life->history, after,
          how == SIMFS_KILL ? life->history.written : life->history.durable, &found, text);
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

static void damage_log(struct life *life, struct simfs *after)
{
    struct explorer *explorer = life->explorer;
    struct history_found found;
    struct damage damage;
    char text[800], where[260];
    uint64_t lsn = 0;
    (void)snapshot_list(simfs_dir(after), &lsn, 1);
    if (!damage_do(after, &life->rng, lsn, &damage))
        return;
    explorer->states++;
    explorer->damages++;
    int err = history_compare(&life->history, after, life->history.durable, &found, text);
    bool lost = strstr(text, "was promised") != NULL;
    explorer->refused += err != 0;
    explorer->unnoticed += err == 0 && lost;
    (void)snprintf(where, sizeof where, "damage, %s", damage.what);
    if (err == -1000 || (err == 0 && text[0] != 0 && (!lost || damage.must_refuse)))
        find(explorer, where, text);
    if (err != 0 && err != -1000 && found.replay.problem[0] == 0)
        find(explorer, where, "refused without a word");
}

/* An older snapshot takes its place; if none is kept, and the log is trimmed, it is refused. So is
 * one whose format is not known, as nobody can know that the number is wrong. */
static void damage_snapshot(struct life *life, struct simfs *after)
{
    struct explorer *explorer = life->explorer;
    struct history_found found;
    char text[800], what[200], where[260];
    if (!snapshots_damage(after, &life->rng, what))
        return;
    explorer->states++;
    explorer->damages++;
    int err = history_compare(&life->history, after, life->history.durable, &found, text);
    explorer->refused += err != 0;
    (void)snprintf(where, sizeof where, "damage, %s", what);
    bool refused = err != 0 && err != -1000;
    if (text[0] != 0 && (!refused || (explorer->keep > 1 && err != ERR_DATA_FORMAT)))
        find(explorer, where, text);
}

static void damage(struct life *life)
{
    struct simfs *after = simfs_crash(life->fs, SIMFS_POWER_ORDERED, rng_next(&life->rng));
    if (!is_over(life->explorer)) {
        if (rng_below(&life->rng, 6) == 0)
            damage_snapshot(life, after);
        else
            damage_log(life, after);
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

/* Begin a snapshot, or finish the one that was begun. */
static int take_snapshot(struct life *life)
{
    struct snapshots *snapshots = &life->snapshots;
    if (snapshots->writer == NULL) {
        (void)snapshots_begin(snapshots, &life->history, life->history.appended, &life->rng);
        return 0;
    }
    life->explorer->snapshots++;
    return snapshots_end(snapshots, &life->history, life->log, &life->rng) ? 0 : ERR_IO;
}

static int step(struct life *life)
{
    const struct log_driver *driver = life->explorer->driver;
    unsigned what = (unsigned)rng_below(&life->rng, 23);
    if (what < 10)
        append_some(life);
    if (what < 13)
        return driver->write(life->log);
    if (what < 18)
        return driver->sync(life->log);
    return what < 20 ? driver->idle(life->log) : take_snapshot(life);
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
    snapshots_abandon(&life->snapshots);
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
    if (err != 0 || life->snapshots.writer != NULL || rng_below(&life->rng, 3) == 0 ||
        is_over(life->explorer)) {
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
    struct history_found found;
    char text[800];
    REQUIRE(life != NULL);
    *life = (struct life){.explorer = explorer,
                          .fs = fs,
                          .history = *history,
                          .snapshots = {.fs = fs,
                                        .driver = explorer->driver,
                                        .keep = explorer->keep,
                                        .broken = explorer->snapshots_broken},
                          .rng = {seed},
                          .depth = depth,
                          .crash_one_in = 1 + (unsigned)(seed % 8)};
    explorer->lives++;
    if (explorer->broken != BREAK_NO_REWRITE && replay_settle(simfs_dir(fs), &found.replay) != 0)
        find(explorer, "settle", found.replay.problem);
    judge(explorer, history, fs, history->durable, &found, text);
    if (text[0] != 0)
        find(explorer, "start", text);
    const struct wal_end *end = &found.replay.end;
    life->history.appended = life->history.written = end->last_lsn;
    plan_fault(life);
    simfs_watch(fs, before_call, life);
    void *log = NULL;
    int err = explorer->driver->open(fs, end, &found.replay.proved, seed, explorer->broken, &log);
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
        explorer->keep = 1 + (int)rng_below(&rng, 2);
        live(explorer, fs, &nothing, rng_next(&rng), DEPTH);
        simfs_destroy(fs);
    }
}

/* ---- program ---- */

/* Rules that can be broken, by number: those of the log, then those of snapshots. */
enum { BREAKS = BREAK_COUNT + SNAPSHOTS_BREAKS - 1 };

static enum logwriter_break log_break(int broken)
{
    return broken < BREAK_COUNT ? (enum logwriter_break)broken : BREAK_NOTHING;
}

static enum snapshots_break snapshots_break(int broken)
{
    return broken < BREAK_COUNT ? SNAPSHOTS_RIGHT
                                : (enum snapshots_break)(broken - BREAK_COUNT + 1);
}

static const char *break_name(int broken)
{
    return broken < BREAK_COUNT ? logwriter_break_name(log_break(broken))
                                : snapshots_break_name(snapshots_break(broken));
}

static void print_figures(const struct explorer *e, int broken)
{
    printf("%s, %s broken, seed %" PRIu64 ": states: %" PRIu64 " (%" PRIu64 " kills, %" PRIu64
           " power cuts, %" PRIu64 " damages: %" PRIu64 " refused, %" PRIu64
           " beyond knowing), lives: %" PRIu64 ", with an I/O error: %" PRIu64
           ", snapshots: %" PRIu64 ", states that begin with one: %" PRIu64 "\n",
           e->driver->name, break_name(broken), e->seed, e->states, e->kills, e->cuts, e->damages,
           e->refused, e->unnoticed, e->lives, e->faults, e->snapshots, e->loaded);
}

struct arguments {
    const struct log_driver *driver;
    uint64_t states, seed;
    int broken; /* -1: all, one after the other */
};

/* 0: as it should be. The rules of the log can be broken in tests/lib/logwriter only. */
static int explore_with(int broken, const struct arguments *a)
{
    struct explorer explorer = {.driver = a->driver,
                                .broken = log_break(broken),
                                .snapshots_broken = snapshots_break(broken),
                                .seed = a->seed,
                                .states_max = a->states};
    if (log_break(broken) != BREAK_NOTHING)
        explorer.driver = &log_driver_writer;
    explore(&explorer);
    print_figures(&explorer, broken);
    if (explorer.finding[0] != 0)
        printf("  %s: %s\n", broken == 0 ? "FOUND" : "caught", explorer.finding);
    else if (broken != 0)
        printf("  NOT CAUGHT\n");
    return (explorer.finding[0] != 0) != (broken != 0);
}

static int parse_break(const char *name)
{
    for (int i = 0; i < BREAKS; i++)
        if (strcmp(name, break_name(i)) == 0)
            return i;
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
}

int main(int argc, char **argv)
{
    struct arguments a = {.driver = &log_driver_wal, .states = 5000, .seed = 1};
    int failed = 0;
    parse(argc, argv, &a);
    log_set_level(LOG_LEVEL_ERROR - 1);
    if (a.broken != -1)
        return explore_with(a.broken, &a);
    for (int i = 1; i < BREAKS; i++)
        failed |= explore_with(i, &a);
    return failed;
}
