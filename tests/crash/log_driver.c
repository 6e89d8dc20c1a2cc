/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The two writers behind one table.
 */
#include "tests/crash/log_driver.h"

#include "common/err.h"

#include <errno.h>

const struct store_id log_driver_store = {"crash explorer"};

/* ---- server/wal/wal.c, stepped by hand ---- */

static int wal_driver_open(struct simfs *fs, const struct wal_end *end,
                           const struct wal_end *proved, uint64_t seed, enum logwriter_break broken,
                           void **out_log)
{
    char text[256];
    struct wal *wal = NULL;
    struct wal_options options = {.dir = simfs_dir(fs),
                                  .store = log_driver_store,
                                  .segment_bytes = LOG_DRIVER_SEGMENT,
                                  .staging_bytes = 1 << 20,
                                  .n_threads = 1,
                                  .strict = seed % 2 == 0,
                                  .sync_interval_ms = 1000,
                                  .sync_entries = 1000,
                                  .no_thread = true};
    (void)proved; /* it syncs what it believes */
    REQUIRE(broken == BREAK_NOTHING);
    int err = wal_open(&options, end, &wal, text);
    *out_log = wal;
    return err;
}

static void wal_driver_append(void *log, uint8_t type, struct bytes body)
{
    uint64_t lsn;
    uint8_t *to = wal_begin(log, type, body.size, &lsn);
    if (body.size > 0)
        memcpy(to, body.data, body.size);
    wal_end(log);
}

static int wal_driver_result(struct wal *log)
{
    return wal_state(log) == WAL_OPEN ? 0 : ERR_IO;
}

static int wal_driver_write(void *log)
{
    struct wal_figures figures;
    wal_figures(log, &figures);
    return wal_write(log, figures.appended_lsn) ? wal_driver_result(log) : ERR_IO;
}

static int wal_driver_sync(void *log)
{
    wal_step(log);
    return wal_driver_result(log);
}

/* The first step syncs, the second finds nothing to sync. */
static int wal_driver_idle(void *log)
{
    wal_step(log);
    wal_step(log);
    return wal_driver_result(log);
}

static int wal_driver_trim(void *log, uint64_t snapshot_lsn, uint64_t keep_lsn)
{
    int err = wal_trim(log, snapshot_lsn, keep_lsn);
    return err != 0 ? err : wal_driver_result(log);
}

static int wal_driver_close(void *log)
{
    return wal_close(log);
}

static uint64_t wal_driver_written(void *log)
{
    return wal_written_lsn(log);
}

static uint64_t wal_driver_durable(void *log)
{
    return wal_durable_lsn(log);
}

static void wal_driver_abandon(void *log, struct simfs *fs)
{
    simfs_watch(fs, NULL, NULL);
    simfs_fail(fs, 1, EIO, true);
    (void)wal_close(log);
}

const struct log_driver log_driver_wal = {
    .name = "wal",
    .open = wal_driver_open,
    .append = wal_driver_append,
    .write = wal_driver_write,
    .sync = wal_driver_sync,
    .idle = wal_driver_idle,
    .trim = wal_driver_trim,
    .close = wal_driver_close,
    .written = wal_driver_written,
    .durable = wal_driver_durable,
    .abandon = wal_driver_abandon,
};

/* ---- tests/lib/logwriter.c ---- */

static int writer_driver_open(struct simfs *fs, const struct wal_end *end,
                              const struct wal_end *proved, uint64_t seed,
                              enum logwriter_break broken, void **out_log)
{
    struct logwriter *writer = NULL;
    struct logwriter_options options = {.dir = simfs_dir(fs),
                                        .store = log_driver_store,
                                        .segment_bytes = LOG_DRIVER_SEGMENT,
                                        .salt = (uint32_t)seed,
                                        .broken = broken};
    int err = logwriter_open(&options, end, proved, &writer);
    *out_log = writer;
    return err;
}

static void writer_driver_append(void *log, uint8_t type, struct bytes body)
{
    (void)logwriter_append(log, type, body);
}

static int writer_driver_write(void *log)
{
    return logwriter_write(log);
}

static int writer_driver_sync(void *log)
{
    return logwriter_sync(log);
}

static int writer_driver_idle(void *log)
{
    int err = logwriter_sync(log);
    if (err == 0)
        (void)logwriter_append(log, ENTRY_WATERMARK, BYTES_NONE);
    return err != 0 ? err : logwriter_sync(log);
}

static int writer_driver_trim(void *log, uint64_t snapshot_lsn, uint64_t keep_lsn)
{
    (void)snapshot_lsn;
    return logwriter_trim(log, keep_lsn);
}

static int writer_driver_close(void *log)
{
    return logwriter_close(log, true);
}

static uint64_t writer_driver_written(void *log)
{
    return logwriter_written_lsn(log);
}

static uint64_t writer_driver_durable(void *log)
{
    return logwriter_durable_lsn(log);
}

static void writer_driver_abandon(void *log, struct simfs *fs)
{
    (void)fs;
    logwriter_abandon(log);
}

const struct log_driver log_driver_writer = {
    .name = "logwriter",
    .open = writer_driver_open,
    .append = writer_driver_append,
    .write = writer_driver_write,
    .sync = writer_driver_sync,
    .idle = writer_driver_idle,
    .trim = writer_driver_trim,
    .close = writer_driver_close,
    .written = writer_driver_written,
    .durable = writer_driver_durable,
    .abandon = writer_driver_abandon,
};
