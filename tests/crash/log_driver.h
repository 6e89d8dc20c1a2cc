/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A writer of the log as the crash explorer sees it: server/wal/wal.c, or tests/lib/logwriter.c,
 * which can break each rule.
 */
#pragma once

#include "tests/lib/logwriter.h"
#include "tests/lib/simfs.h"

struct log_driver {
    const char *name;
    /* All of them: 0, or an error, after which only `abandon` is called. */
    int (*open)(struct simfs *fs, const struct wal_end *end, const struct wal_end *proved,
                uint64_t seed, enum logwriter_break broken, void **out_log);
    void (*append)(void *log, uint8_t type, struct bytes body);
    int (*write)(void *log);
    int (*sync)(void *log);
    int (*idle)(void *log); /* long enough for a watermark */
    int (*trim)(void *log, uint64_t snapshot_lsn, uint64_t keep_lsn);
    int (*close)(void *log); /* clean; the log is gone */
    uint64_t (*written)(void *log);
    uint64_t (*durable)(void *log);
    /* Let go of memory; what it still writes must fail. */
    void (*abandon)(void *log, struct simfs *fs);
};

extern const struct log_driver log_driver_wal, log_driver_writer;

extern const struct store_id log_driver_store;

enum { LOG_DRIVER_SEGMENT = SEGMENT_BYTES_MIN };
