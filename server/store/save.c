/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Saving the store: see save.h.
 *
 *   begin LSN | runs | records, partition by partition, in slices  | end LSN | effects | graphs
 *             `------ others commit meanwhile ----------------------'     read from the log
 *
 * The walk alone is no instant: some records are as they were at its beginning, others newer. Each
 * carries its version, and whatever was committed behind the begin LSN follows as effects; so all
 * of it together, loaded by the rules of recovery, is the store at the end LSN.
 *
 *   1. An effect up to the begin LSN is in what the walk meets: who took the LSN holds the lock of
 *      the partition (or of the table of runs) until it is applied.
 *   2. A record the walk meets is at most as new as the end LSN, which is taken after the walk.
 *   3. The log on the disk reaches the end LSN before the snapshot is visible. Otherwise a power
 *      failure could leave a snapshot ahead of the log, and LSNs would be used again.
 *
 * The effects are read from the log, where they are anyway, rather than gathered from those who
 * commit: that costs writers nothing, and no memory. A store without a log can be saved only while
 * nobody writes to it.
 *
 * Numbers of runs are never used again, also those of runs that are gone: the log may hold records
 * with them. So the first of the runs has no name, and the last number that was given away; one
 * that every store begins with and that is not there any more has the number RUN_NOWHERE.
 *
 * Threads: one save belongs to one thread; others use the store. The lock of a partition is held
 * for SAVE_SLICE records, or SAVE_SLICE_BYTES and one record.
 * Failures: the first is kept and told by save_end, which leaves nothing of the file.
 */
#include "server/store/save.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/mutant.h"
#include "server/store/codec.h"
#include "server/store/give_way.h"
#include "server/store/vindex_file.h"
#include "server/wal/little.h"
#include "server/wal/replay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    SAVE_SLICE = 64,
    SAVE_SLICE_BYTES = 64 * 1024,
    SAVE_RUNS_PAGE = 64,
    SAVE_SYNC_BYTES = 8 << 20, /* so that a sync of the log waits for no more than that */
};

struct save {
    struct store *store;
    struct save_options options;
    struct snapshot_writer *writer;
    struct save_report *report; /* the caller's */
    int err;
    uint64_t begin_lsn, records, effects, start_ns;
    struct give_way give_way;
    unsigned partition; /* being walked */
    bool begun;         /* something of it was walked: the record at_run, at_kind, at */
    uint32_t at_run;
    uint8_t at_kind;
    struct buf at;
    struct buf chunk; /* being filled */
};

/* ---- failures ---- */

static int save_fail(struct save *save, int err, const char *what)
{
    (void)snprintf(save->report->problem, sizeof save->report->problem, "%s", what);
    return save->err = err;
}

/* `err` is 0 or a negative errno. */
static int save_wrote(struct save *save, int err)
{
    if (err == 0)
        return 0;
    if (err == -ENOMEM)
        return save_fail(save, ERR_OUT_OF_MEMORY, "no memory to write a snapshot");
    bool full = err == -ENOSPC || err == -EDQUOT;
    char what[256];
    (void)snprintf(what, sizeof what, "%.150s: writing a snapshot: %s", save->options.dir->path,
                   strerrordesc_np(-err));
    return save_fail(save, full ? ERR_DISK_FULL : ERR_IO, what);
}

static int save_no_memory(struct save *save)
{
    return save_fail(save, ERR_OUT_OF_MEMORY, "no memory to make a snapshot");
}

static void save_rest(struct save *save)
{
    if (save->options.give_way)
        give_way_rest(&save->give_way);
}

/* ---- chunks ---- */

/* Room for `size` more bytes, counted as used; NULL without memory. */
static uint8_t *save_room(struct save *save, size_t size)
{
    if (buf_reserve(&save->chunk, size) != 0) {
        (void)save_no_memory(save);
        return NULL;
    }
    save->chunk.size += size;
    return save->chunk.data + save->chunk.size - size;
}

/* Write the chunk, if it has at least so many bytes. */
static int save_flush(struct save *save, size_t least)
{
    if (save->err != 0 || save->chunk.size == 0 || save->chunk.size < least)
        return save->err;
    int err = snapshot_put_chunk(save->writer, buf_bytes(&save->chunk));
    save_rest(save);
    save->chunk.size = 0;
    if (save->chunk.capacity > 4 * (size_t)SNAPSHOT_CHUNK_BYTES)
        buf_deinit(&save->chunk);
    return save_wrote(save, err);
}

/* End the chunk, and begin a section. */
static int save_begin_section(struct save *save, enum snapshot_section section)
{
    int err = save_flush(save, 0);
    return err != 0 ? err : save_wrote(save, snapshot_begin_section(save->writer, section));
}

static int save_put(struct save *save, const struct record_spec *spec, uint64_t version)
{
    uint8_t *to = save_room(save, codec_record_size(spec));
    if (to != NULL)
        codec_write_record(to, spec, version);
    return save->err;
}

/* ---- runs ---- */

static int save_put_run(struct save *save, struct bytes name, uint32_t number)
{
    uint8_t value[RUN_VALUE_BYTES];
    struct record_spec spec = {.key = {RUN_NOWHERE, KIND_run, name}};
    run_write_value(number, value);
    spec.value = (struct bytes){value, sizeof value};
    int err = save_put(save, &spec, save->begin_lsn);
    return err != 0 ? err : save_flush(save, SNAPSHOT_CHUNK_BYTES);
}

/* The last sequence number that was given away, if any was. */
static int save_put_counter(struct save *save)
{
    uint64_t number = atomic_load(&save->store->number);
    struct record_spec spec = {.key = {RUN_NOWHERE, KIND_counter, bytes_of(STORE_NUMBER)}};
    uint8_t value[sizeof number];
    if (number == 0)
        return 0;
    little_write_u64(value, number);
    spec.value = (struct bytes){value, sizeof value};
    return save_put(save, &spec, save->begin_lsn);
}

/* What is to be known besides the names. */
static int save_put_numbers(struct save *save)
{
    struct run_table *runs = save->store->runs;
    struct bytes first = bytes_of("default");
    struct run *run = run_find(runs, first);
    int err = save_put_counter(save);
    if (err == 0)
        err = save_put_run(save, BYTES_NONE, run_last_number(runs));
    if (err == 0 && run == NULL)
        err = save_put_run(save, first, RUN_NOWHERE);
    run_unref(run);
    return err;
}

static int save_runs(struct save *save)
{
    struct run *runs[SAVE_RUNS_PAGE], *last = NULL;
    size_t n = SAVE_RUNS_PAGE;
    int err = save_put_numbers(save);
    while (err == 0 && n == SAVE_RUNS_PAGE) {
        struct bytes from = last == NULL ? BYTES_NONE : run_name(last);
        n = run_page(save->store->runs, from, last != NULL, SAVE_RUNS_PAGE, runs);
        run_unref(last);
        last = NULL;
        for (size_t i = 0; i < n; i++) {
            if (err == 0)
                err = save_put_run(save, run_name(runs[i]), run_id(runs[i]));
            run_unref(last);
            last = runs[i];
        }
    }
    run_unref(last);
    return err;
}

/* ---- records ---- */

/* Behind what was walked before, or at the beginning. */
static void save_seek(const struct save *save, const struct partition *partition,
                      struct omap_iter *out_iter)
{
    struct record_key at = {save->at_run, save->at_kind, buf_bytes(&save->at)};
    struct omap_iter peek;
    omap_seek(&partition->order, save->begun ? &at : NULL, out_iter);
    peek = *out_iter;
    const struct record *first = omap_next(&peek);
    if (save->begun && first != NULL && record_compare(&at, first) == 0)
        *out_iter = peek;
}

static int save_remember(struct save *save, const struct record *record)
{
    struct bytes key = record_key_bytes(record);
    save->at.size = 0;
    save->at_run = record_run(record);
    save->at_kind = record_kind_of(record);
    save->begun = true;
    return buf_append(&save->at, key.data, key.size) == 0 ? 0 : save_no_memory(save);
}

/* Expired ones too: they go when the log says so. */
static int save_record(struct save *save, const struct record *record)
{
    struct record_spec spec = {
        .key = {record_run(record), record_kind_of(record), record_key_bytes(record)},
        .text = record_is_text(record),
        .value = record_value(record),
        .expires_at_ms = record_expires_at_ms(record),
    };
    save->records++;
    return save_put(save, &spec, record_version(record));
}

/* The partition is locked. *out_end: it has no more. */
static int save_slice(struct save *save, const struct partition *partition, bool *out_end)
{
    size_t full = save->chunk.size + SAVE_SLICE_BYTES;
    const struct record *record, *last = NULL;
    struct omap_iter iter;
    int err = 0;
    save_seek(save, partition, &iter);
    for (int i = 0; i < SAVE_SLICE && save->chunk.size < full && err == 0; i++) {
        record = omap_next(&iter);
        *out_end = record == NULL;
        if (record == NULL)
            break;
        err = save_record(save, record);
        last = record;
    }
    return err != 0 || last == NULL ? err : save_remember(save, last);
}

static int save_walk(struct save *save)
{
    struct partition *partition = &save->store->partitions[save->partition];
    bool end = false;
    if (buf_reserve(&save->chunk, 2 * (size_t)SAVE_SLICE_BYTES) != 0)
        return save_no_memory(save);
    partition_lock(partition);
    int err = save_slice(save, partition, &end);
    partition_unlock(partition);
    if (end) {
        save->partition++;
        save->begun = false;
    }
    return err != 0 ? err : save_flush(save, SNAPSHOT_CHUNK_BYTES);
}

int save_step(struct save *save, bool *out_done)
{
    if (save->err == 0 && save->partition < save->store->n_partitions)
        (void)save_walk(save);
    save_rest(save);
    *out_done = save->partition == save->store->n_partitions;
    return save->err;
}

/* ---- effects ---- */

static int save_on_entry(void *context, const struct entry *entry)
{
    struct save *save = context;
    uint8_t *to = save_room(save, CODEC_ENTRY_HEAD + entry->body.size);
    if (to == NULL)
        return save->err;
    codec_write_entry(to, entry);
    save->effects++;
    return save_flush(save, SNAPSHOT_CHUNK_BYTES);
}

/* Until the log on the disk reaches this LSN. */
static int save_wait_log(struct save *save, uint64_t end_lsn)
{
    struct wal *wal = save->store->wal;
    if (wal == NULL)
        return 0;
    bool durable = wal_wait_durable(wal, end_lsn);
    if (wal_state(wal) == WAL_FAILED)
        return save_fail(save, ERR_IO, "the log has failed");
    if (!durable || wal_state(wal) == WAL_FULL)
        return save_fail(save, ERR_DISK_FULL, "the disk is full, so the log cannot be synced");
    return 0;
}

static int save_effects(struct save *save, uint64_t end_lsn)
{
    struct replay_report report;
    struct replay_options options = {.dir = save->options.dir,
                                     .store = &save->options.id,
                                     .after_lsn = save->begin_lsn,
                                     .until_lsn = end_lsn,
                                     .entry = save_on_entry,
                                     .context = save};
    int err = save_wait_log(save, end_lsn);
    if (err == 0)
        err = save_begin_section(save, SNAPSHOT_EFFECTS);
    if (err != 0 || end_lsn == save->begin_lsn || MUTANT(snapshot_skips_effects))
        return err;
    err = replay_run(&options, &report);
    if (err != 0 && save->err == 0)
        return save_fail(save, err, report.problem);
    return err != 0 ? err : save_flush(save, 0);
}

/* ---- graphs ---- */

static int save_graph(struct save *save, struct vindex *vindex)
{
    uint32_t slot = 0;
    bool done = false;
    vindex_pin(vindex, true);
    while (save->err == 0 && !done) {
        if (vindex_save_part(vindex, &slot, &save->chunk, &done) != 0)
            (void)save_no_memory(save);
        (void)save_flush(save, 0);
        save_rest(save);
    }
    vindex_pin(vindex, false);
    return save->err;
}

static int save_graphs_of(struct save *save, struct partition *partition, bool *begun)
{
    struct buf list = {0};
    int err = vindex_list_graphs(partition, &list) == 0 ? 0 : save_no_memory(save);
    struct vindex **graphs = (struct vindex **)(void *)list.data;
    for (size_t i = 0; i < list.size / sizeof *graphs; i++) {
        if (err == 0 && !*begun)
            err = save_begin_section(save, SNAPSHOT_GRAPHS);
        *begun = true;
        if (err == 0)
            err = save_graph(save, graphs[i]);
        vindex_unref(graphs[i]);
    }
    buf_deinit(&list);
    return err;
}

/* Of indexes, as they are by now; none: not even a section. */
static int save_graphs(struct save *save)
{
    bool begun = false;
    int err = 0;
    for (unsigned i = 0; i < save->store->n_partitions && err == 0; i++)
        err = save_graphs_of(save, &save->store->partitions[i], &begun);
    return err;
}

/* ---- the whole ---- */

static void save_destroy(struct save *save)
{
    buf_deinit(&save->at);
    buf_deinit(&save->chunk);
    mem_free(save);
}

static int save_start(struct save *save)
{
    const struct save_options *options = &save->options;
    struct snapshot_options file = {.dir = options->dir,
                                    .store = options->id,
                                    .created_us = (uint64_t)clock_wall_ms() * 1000,
                                    .compress = options->compress,
                                    .bytes_per_s = options->bytes_per_s,
                                    .stop = options->stop,
                                    .sync_bytes = SAVE_SYNC_BYTES};
    int err = save_wrote(save, snapshot_create(&file, &save->writer));
    if (err != 0)
        return err;
    err = save_begin_section(save, SNAPSHOT_RUNS);
    if (err == 0)
        err = save_runs(save);
    return err != 0 ? err : save_begin_section(save, SNAPSHOT_RECORDS);
}

int save_begin(struct store *store, const struct save_options *options, struct save **out_save,
               struct save_report *out_report)
{
    struct save *save = mem_calloc(1, sizeof *save);
    *out_report = (struct save_report){0};
    if (save == NULL)
        return ERR_OUT_OF_MEMORY;
    save->store = store;
    save->options = *options;
    save->start_ns = clock_mono_ns();
    give_way_begin(&save->give_way);
    save->begin_lsn = atomic_load(&store->version);
    save->report = out_report;
    int err = save_start(save);
    if (err == 0) {
        *out_save = save;
        return 0;
    }
    if (save->writer != NULL)
        snapshot_abandon(save->writer);
    save_destroy(save);
    return err;
}

int save_end(struct save *save)
{
    struct save_report *report = save->report;
    uint64_t end_lsn = atomic_load(&save->store->version);
    int err = save->err != 0 ? save->err : save_effects(save, end_lsn);
    if (err == 0)
        err = save_graphs(save);
    report->begin_lsn = save->begin_lsn;
    report->final_lsn = end_lsn;
    report->records = save->records;
    report->effects = save->effects;
    report->bytes = snapshot_bytes(save->writer);
    if (err == 0)
        err = save_wrote(save, snapshot_commit(save->writer, end_lsn, save->records));
    else
        snapshot_abandon(save->writer);
    report->took_ns = clock_mono_ns() - save->start_ns;
    save_destroy(save);
    return err;
}

int save_run(struct store *store, const struct save_options *options,
             struct save_report *out_report)
{
    struct save *save;
    bool done = false;
    int err = save_begin(store, options, &save, out_report);
    if (err != 0)
        return err;
    while (!done && err == 0) {
        err = save_step(save, &done);
        if (err == 0 && options->stop != NULL && atomic_load(options->stop))
            err = save_fail(save, ERR_SHUTTING_DOWN, "the snapshot was given up");
    }
    return save_end(save);
}

int save_trim(struct store *store, struct dir *dir, int keep)
{
    uint64_t lsns[SAVE_KEEP_MAX];
    REQUIRE(keep > 0 && keep <= SAVE_KEEP_MAX);
    int n = snapshot_list(dir, lsns, keep);
    if (n <= 0)
        return n;
    int err = wal_trim(store->wal, lsns[0], n == keep ? lsns[n - 1] : 0);
    return err != 0 ? err : snapshot_trim(dir, keep);
}
