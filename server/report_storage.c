/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the server tells of its log, its snapshots and its recovery.
 *
 * Threads: any loop, and any thread for report_storage_stats.
 */
#include "server/server.h"
#include "server/wal/wal.h"

static void report_uint(struct reply *reply, const char *key, uint64_t value)
{
    reply_key(reply, key);
    reply_uint(reply, value);
}

static void report_bool(struct reply *reply, const char *key, bool value)
{
    reply_key(reply, key);
    reply_bool(reply, value);
}

bool report_snapshot(void *self)
{
    return snapshots_request(((struct server *)self)->snapshots);
}

static void report_last(struct reply *reply, const struct snapshots_figures *figures)
{
    const struct save_report *last = &figures->last;
    if (figures->last_at_ms == 0) {
        reply_nil(reply);
        return;
    }
    reply_map(reply, 6);
    report_uint(reply, "lsn", last->final_lsn);
    report_uint(reply, "at_ms", (uint64_t)figures->last_at_ms);
    report_uint(reply, "took_ms", last->took_ns / 1000000);
    report_uint(reply, "records", last->records);
    report_uint(reply, "effects", last->effects);
    report_uint(reply, "bytes", last->bytes);
}

void report_snapshots(void *self, struct reply *reply)
{
    struct snapshots_figures figures;
    snapshots_figures(((struct server *)self)->snapshots, &figures);
    reply_map(reply, 5);
    report_bool(reply, "running", figures.running);
    report_uint(reply, "taken", figures.taken);
    report_uint(reply, "failures", figures.failures);
    reply_key(reply, "problem");
    if (figures.problem[0] == '\0')
        reply_nil(reply);
    else
        reply_text(reply, figures.problem);
    reply_key(reply, "last");
    report_last(reply, &figures);
}

static void report_loss(struct reply *reply, const struct storage_loss *loss)
{
    if (loss->kept_in[0] == '\0') {
        reply_nil(reply);
        return;
    }
    reply_map(reply, 7);
    reply_key(reply, "kept_in");
    reply_text(reply, loss->kept_in);
    report_uint(reply, "first_lsn", loss->first_lsn);
    report_uint(reply, "last_lsn", loss->last_lsn);
    report_uint(reply, "next_lsn", loss->next_lsn);
    report_uint(reply, "files", loss->files);
    report_uint(reply, "entries", loss->entries);
    report_uint(reply, "bytes", loss->bytes);
}

void report_recovery(void *self, struct reply *reply)
{
    const struct storage_report *report = &((struct server *)self)->storage.report;
    const struct snapshot_info *snapshot = &report->snapshot;
    const struct replay_report *replay = &report->replay;
    reply_map(reply, 5);
    report_uint(reply, "took_ms", report->took_ns / 1000000);
    reply_key(reply, "snapshot");
    if (snapshot->final_lsn == 0) {
        reply_nil(reply);
    } else {
        reply_map(reply, 4);
        report_uint(reply, "lsn", snapshot->final_lsn);
        report_uint(reply, "records", snapshot->records);
        report_uint(reply, "bytes", snapshot->bytes);
        report_uint(reply, "took_ms", report->snapshot_ns / 1000000);
    }
    report_uint(reply, "snapshots_refused", report->n_refused);
    reply_key(reply, "log");
    reply_map(reply, 9);
    report_uint(reply, "segments", replay->segments);
    report_uint(reply, "segments_covered", replay->covered);
    report_uint(reply, "entries", replay->entries);
    report_uint(reply, "bytes", replay->bytes);
    report_uint(reply, "effects", report->effects);
    report_uint(reply, "first_lsn", replay->first_lsn);
    report_uint(reply, "last_lsn", replay->end.last_lsn);
    report_uint(reply, "cut_bytes", replay->cut_bytes);
    report_bool(reply, "clean", replay->clean);
    reply_key(reply, "lost");
    report_loss(reply, &report->loss);
}

static void report_log_stats(const struct wal *wal, uint64_t *counter)
{
    struct wal_figures figures;
    wal_figures(wal, &figures);
    counter[METRIC_wal_entries] = figures.entries;
    counter[METRIC_wal_bytes] = figures.bytes;
    counter[METRIC_wal_writes] = figures.writes;
    counter[METRIC_wal_syncs] = figures.syncs;
    counter[METRIC_wal_slow_syncs] = figures.slow_syncs;
    counter[METRIC_wal_staged_bytes] = figures.staged_bytes;
    counter[METRIC_wal_segments] = figures.segments;
    counter[METRIC_wal_live_bytes] = figures.live_bytes;
    counter[METRIC_wal_appended_lsn] = figures.appended_lsn;
    counter[METRIC_wal_written_lsn] = figures.written_lsn;
    counter[METRIC_wal_durable_lsn] = figures.durable_lsn;
    counter[METRIC_wal_refuses_writes] = wal_state(wal) == WAL_FULL;
}

static void report_snapshot_stats(struct snapshots *snapshots, uint64_t *counter)
{
    struct snapshots_figures figures;
    snapshots_figures(snapshots, &figures);
    counter[METRIC_snapshots] = figures.taken;
    counter[METRIC_snapshot_failures] = figures.failures;
    counter[METRIC_snapshot_last_failed] = figures.problem[0] != '\0';
    counter[METRIC_snapshot_running] = figures.running;
    counter[METRIC_snapshot_last_lsn] = figures.last.final_lsn;
    counter[METRIC_snapshot_last_ms] = figures.last.took_ns / 1000000;
    counter[METRIC_snapshot_last_time_seconds] = (uint64_t)figures.last_at_ms / 1000;
    counter[METRIC_snapshot_bytes] = figures.last.bytes;
}

void report_storage_stats(const struct server *server, uint64_t *counter)
{
    if (server->store->wal != NULL)
        report_log_stats(server->store->wal, counter);
    if (server->snapshots != NULL)
        report_snapshot_stats(server->snapshots, counter);
}
