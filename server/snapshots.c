/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A thread that takes snapshots, one at a time: see snapshots.h.
 *
 *   wait: request, snapshot.wal_bytes, snapshot.interval_ms
 *   save_run -> the file is durable and visible -> save_trim: the log and older snapshots
 *
 * After a failure nothing is removed, and no snapshot is begun by itself for SNAPSHOTS_RETRY_NS.
 *
 * Threads: the thread; figures and requests of others are under `lock`, which is not held while a
 * snapshot is taken.
 * Failures: logged and counted; the log goes on growing meanwhile.
 */
#include "server/snapshots.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/thread.h"
#include "server/server.h"
#include "server/wal/wal.h"

#include <signal.h>
#include <string.h>

#define SNAPSHOTS_POLL_NS  UINT64_C(250000000)
#define SNAPSHOTS_RETRY_NS UINT64_C(10000000000)

struct snapshots {
    struct server *server;
    pthread_t thread;
    uv_mutex_t lock;
    uv_cond_t work;
    bool requested, stopping;
    atomic_bool give_up;
    struct snapshots_figures figures;
    /* Of the thread alone. */
    uint64_t wal_bytes_then; /* of the log, when the last began; wraps */
    uint64_t last_ns, failed_ns;
};

/* The options in force. */
struct snapshots_rules {
    uint64_t wal_bytes, interval_ns, bytes_per_s;
    bool on_shutdown, compress;
    int keep;
};

static struct snapshots_rules snapshots_rules(struct server *server)
{
    const struct config *config = server->config;
    uv_mutex_lock(&server->config_lock);
    struct snapshots_rules rules = {
        .wal_bytes = (uint64_t)config_int(config, OPTION_snapshot_wal_bytes),
        .interval_ns = (uint64_t)config_int(config, OPTION_snapshot_interval_ms) * 1000000,
        .bytes_per_s = (uint64_t)config_int(config, OPTION_snapshot_bytes_per_s),
        .on_shutdown = config_bool(config, OPTION_snapshot_on_shutdown),
        .compress = config_bool(config, OPTION_snapshot_compression),
        .keep = (int)config_int(config, OPTION_snapshot_keep),
    };
    uv_mutex_unlock(&server->config_lock);
    return rules;
}

static uint64_t snapshots_log_bytes(const struct snapshots *snapshots)
{
    struct wal_figures figures;
    wal_figures(snapshots->server->store->wal, &figures);
    return figures.bytes;
}

/* ---- one snapshot ---- */

static void snapshots_trim(struct server *server, int keep)
{
    int err = save_trim(server->store, server->storage.dir, keep);
    if (err != 0)
        log_warn("snapshot", "%s: what the snapshot makes superfluous could not be removed: %s",
                 server->storage.dir->path, strerror(-err));
}

static void snapshots_note(struct snapshots *snapshots, int err, const struct save_report *report)
{
    struct snapshots_figures *figures = &snapshots->figures;
    uv_mutex_lock(&snapshots->lock);
    figures->running = false;
    memcpy(figures->problem, report->problem, sizeof figures->problem);
    if (err == 0) {
        figures->taken++;
        figures->last = *report;
        figures->last_at_ms = clock_wall_ms();
    } else if (err != ERR_SHUTTING_DOWN) {
        figures->failures++;
    }
    uv_mutex_unlock(&snapshots->lock);
}

static void snapshots_tell(int err, const struct save_report *report)
{
    if (err == 0)
        log_notice("snapshot", "LSN %llu in %.3f s: %llu records, %llu effects meanwhile, %llu KiB",
                   (unsigned long long)report->final_lsn, (double)report->took_ns / 1e9,
                   (unsigned long long)report->records, (unsigned long long)report->effects,
                   (unsigned long long)report->bytes >> 10);
    else if (err != ERR_SHUTTING_DOWN)
        log_error("snapshot", "failed: %s. The log is kept as it is",
                  report->problem[0] != '\0' ? report->problem : err_text(err));
}

/* The figures say that it is running. */
static void snapshots_take(struct snapshots *snapshots, const struct snapshots_rules *rules,
                           bool last)
{
    struct server *server = snapshots->server;
    struct save_options options = {.dir = server->storage.dir,
                                   .id = server->storage.id,
                                   .compress = rules->compress,
                                   .bytes_per_s = last ? 0 : rules->bytes_per_s,
                                   .give_way = !last,
                                   .stop = last ? NULL : &snapshots->give_up};
    struct save_report report;
    uint64_t bytes = snapshots_log_bytes(snapshots), now_ns = clock_mono_ns();
    int err = save_run(server->store, &options, &report);
    snapshots_tell(err, &report);
    if (err == 0) {
        snapshots->wal_bytes_then = bytes;
        snapshots->last_ns = now_ns;
        snapshots_trim(server, rules->keep);
    }
    snapshots->failed_ns = err == 0 ? 0 : now_ns;
    snapshots_note(snapshots, err, &report);
}

/* ---- when ---- */

static bool snapshots_new_data(const struct snapshots *snapshots)
{
    return atomic_load(&snapshots->server->store->version) != snapshots->figures.last.final_lsn;
}

/* Is it time, without a request? */
static bool snapshots_due(const struct snapshots *snapshots, const struct snapshots_rules *rules)
{
    uint64_t now_ns = clock_mono_ns();
    if (snapshots->failed_ns != 0 && now_ns - snapshots->failed_ns < SNAPSHOTS_RETRY_NS)
        return false;
    if (!snapshots_new_data(snapshots) || wal_state(snapshots->server->store->wal) != WAL_OPEN)
        return false;
    if (rules->wal_bytes != 0 &&
        snapshots_log_bytes(snapshots) - snapshots->wal_bytes_then >= rules->wal_bytes)
        return true;
    return rules->interval_ns != 0 && now_ns - snapshots->last_ns >= rules->interval_ns;
}

/* With the lock. */
static void snapshots_turn(struct snapshots *snapshots)
{
    uv_mutex_unlock(&snapshots->lock);
    struct snapshots_rules rules = snapshots_rules(snapshots->server);
    bool due = snapshots_due(snapshots, &rules);
    uv_mutex_lock(&snapshots->lock);
    if (snapshots->requested || due) {
        snapshots->requested = false;
        snapshots->figures.running = true;
        uv_mutex_unlock(&snapshots->lock);
        snapshots_take(snapshots, &rules, false);
        uv_mutex_lock(&snapshots->lock);
    }
    if (!snapshots->requested && !snapshots->stopping)
        (void)uv_cond_timedwait(&snapshots->work, &snapshots->lock, SNAPSHOTS_POLL_NS);
}

static void *snapshots_main(void *arg)
{
    struct snapshots *snapshots = arg;
    uv_mutex_lock(&snapshots->lock);
    while (!snapshots->stopping)
        snapshots_turn(snapshots);
    uv_mutex_unlock(&snapshots->lock);
    return NULL;
}

bool snapshots_request(struct snapshots *snapshots)
{
    uv_mutex_lock(&snapshots->lock);
    bool starts = !snapshots->figures.running;
    if (starts) {
        snapshots->requested = snapshots->figures.running = true;
        uv_cond_signal(&snapshots->work);
    }
    uv_mutex_unlock(&snapshots->lock);
    return starts;
}

void snapshots_figures(struct snapshots *snapshots, struct snapshots_figures *out_figures)
{
    uv_mutex_lock(&snapshots->lock);
    *out_figures = snapshots->figures;
    uv_mutex_unlock(&snapshots->lock);
}

/* ---- start and end ---- */

/* The snapshot that the server started from is the last there is. */
static void snapshots_inherit(struct snapshots *snapshots)
{
    const struct storage_report *report = &snapshots->server->storage.report;
    struct snapshots_figures *figures = &snapshots->figures;
    figures->last = (struct save_report){.final_lsn = report->snapshot.final_lsn,
                                         .records = report->snapshot.records,
                                         .bytes = report->snapshot.bytes};
    figures->last_at_ms = (int64_t)(report->snapshot.created_us / 1000);
    snapshots->wal_bytes_then = 0 - report->log_bytes;
    snapshots->last_ns = clock_mono_ns();
}

int snapshots_start(struct server *server, struct snapshots **out_snapshots)
{
    struct snapshots *snapshots = mem_calloc(1, sizeof *snapshots);
    if (snapshots == NULL)
        return ERR_OUT_OF_MEMORY;
    snapshots->server = server;
    snapshots_inherit(snapshots);
    REQUIRE(uv_mutex_init(&snapshots->lock) == 0);
    REQUIRE(uv_cond_init(&snapshots->work) == 0);
    if (thread_create(&snapshots->thread, snapshots_main, snapshots) == 0) {
        *out_snapshots = snapshots;
        return 0;
    }
    uv_cond_destroy(&snapshots->work);
    uv_mutex_destroy(&snapshots->lock);
    mem_free(snapshots);
    return ERR_OUT_OF_MEMORY;
}

/* From here on a signal ends the process by itself: everything is in the log. */
static void snapshots_take_last(struct snapshots *snapshots)
{
    struct snapshots_rules rules = snapshots_rules(snapshots->server);
    const struct server *server = snapshots->server;
    if (!rules.on_shutdown || server->phase != SERVER_STOPPING || !snapshots_new_data(snapshots) ||
        wal_state(server->store->wal) != WAL_OPEN)
        return;
    notify_send(&server->notify,
                "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=Stopping: writing a snapshot");
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGINT, SIG_DFL);
    snapshots_take(snapshots, &rules, true);
}

void snapshots_stop(struct snapshots *snapshots)
{
    if (snapshots == NULL)
        return;
    atomic_store(&snapshots->give_up, true);
    uv_mutex_lock(&snapshots->lock);
    snapshots->stopping = true;
    uv_cond_signal(&snapshots->work);
    uv_mutex_unlock(&snapshots->lock);
    REQUIRE(pthread_join(snapshots->thread, NULL) == 0);
    snapshots_take_last(snapshots);
    uv_cond_destroy(&snapshots->work);
    uv_mutex_destroy(&snapshots->lock);
    mem_free(snapshots);
}
