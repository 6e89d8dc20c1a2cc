/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The simplest writer of a log that keeps the rules on which replay stands (server/wal/replay.c):
 * one thread, everything staged in one buffer. It is what server/wal/wal.c is compared with, makes
 * logs for tests of replay, and can break each rule, to see that the rig finds out.
 */
#pragma once

#include "server/wal/wal.h"

enum logwriter_break {
    BREAK_NOTHING,
    BREAK_ACK_BEFORE_SYNC,     /* durable when written */
    BREAK_NO_SYNC_AT_ROTATION, /* the old segment is not synced before the next one */
    BREAK_NO_SYNC_OF_HEADER,   /* entries may reach the disk before it, and say it is there */
    BREAK_NO_SYNC_OF_NAMES,    /* neither of the new segment nor of the spare */
    BREAK_NO_REWRITE,          /* what recovery read is believed to be on the disk */
    BREAK_WATERMARK_AHEAD,     /* says that everything before an entry was synced */
    BREAK_CHAIN,               /* each entry begins its CRC with the salt */
    BREAK_TRIM_NEWEST_FIRST,
    BREAK_APPEND_AFTER_END, /* recovery goes on in the old segment, at its recorded end less one
                               entry */
    BREAK_COUNT,
};

struct logwriter_options {
    struct dir *dir;
    struct store_id store;
    uint64_t segment_bytes;
    uint32_t salt; /* of the first segment; the next ones count up */
    enum logwriter_break broken;
};

struct logwriter;

/* Name of a break, for messages. */
const char *logwriter_break_name(enum logwriter_break broken);

/* What lies between `proved` and `end` is written anew, in the new segment. */
MUST_USE int logwriter_open(const struct logwriter_options *options, const struct wal_end *end,
                            const struct wal_end *proved, struct logwriter **out_writer);
/* Stage an entry; its LSN. */
uint64_t logwriter_append(struct logwriter *writer, uint8_t type, struct bytes body);
/* Give what is staged to the kernel. */
MUST_USE int logwriter_write(struct logwriter *writer);
/* And sync it. */
MUST_USE int logwriter_sync(struct logwriter *writer);
/* Remove segments without entries above this LSN. */
MUST_USE int logwriter_trim(struct logwriter *writer, uint64_t keep_lsn);
uint64_t logwriter_appended_lsn(const struct logwriter *writer);
uint64_t logwriter_written_lsn(const struct logwriter *writer);
uint64_t logwriter_durable_lsn(const struct logwriter *writer);
/* Sync, and if `clean` note a clean shutdown. */
MUST_USE int logwriter_close(struct logwriter *writer, bool clean);
/* As the death of the process does: nothing more is written. */
void logwriter_abandon(struct logwriter *writer);
