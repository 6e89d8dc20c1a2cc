/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Snapshot files: sections of chunks of opaque bytes. Does not know what is in a record.
 *
 *   snap-<final LSN, 16 hex>.snap
 *   | CAIRN_SNAP | version u32 | created us u64 | final LSN u64 | records u64 | sections u8 |
 *   | type u8, length u64 | chunk chunk ... | type, length | chunk ... | store id, crc u32 |
 *   chunk: | raw u32 | stored u32 | crc u32 of stored bytes | stored bytes |   LZ4 if stored < raw
 *
 * All little-endian. Sections stand in the order of their types, each at most once; length counts
 * the bytes of its chunks. No chunk is empty. CRCs are CRC-32 (IEEE). The one at the end is that
 * of, one after the other: the heads of all chunks (12 bytes each), the heads of all sections (9
 * each), the header (39), the store id (16). So every byte is under exactly one CRC: stored bytes
 * under that of their chunk, all others under that at the end; and a chunk that is missing, of
 * another place or of another file changes the heads.
 *
 * Written under a temporary name; synced, renamed, and the directory synced, in this order. A file
 * is either whole, with every checksum right, or it is refused. docs/formats.md has one drawn.
 *
 * A writer belongs to one thread, and a directory has one at a time. Reading hands out chunks to
 * several.
 */
#pragma once

#include "common/buf.h"
#include "server/wal/segment.h"

#include <stdatomic.h>

enum {
    SNAPSHOT_FORMAT = 1,
    SNAPSHOT_CHUNK_BYTES = 256 * 1024, /* about: a chunk ends with the record that fills it */
    SNAPSHOT_CHUNK_MAX = 80 << 20,     /* a record of the largest size fits */
};

/* Sections, in the order of the file. Numbers on disk: never reused. */
enum snapshot_section {
    SNAPSHOT_RUNS = 1,    /* names and numbers of runs */
    SNAPSHOT_RECORDS = 2, /* as the walk found them */
    SNAPSHOT_EFFECTS = 3, /* bodies of log entries committed during the walk, in order: u8 type, u32
                             size, u64 lsn, body */
    SNAPSHOT_GRAPHS = 4,  /* parts of indexes, to be believed or not (server/store/vindex_file.h) */
};

struct snapshot_writer;

struct snapshot_options {
    struct dir *dir;
    struct store_id store;
    uint64_t created_us; /* since 1970 */
    bool compress;
    uint64_t bytes_per_s;    /* to disk; 0: as fast as it goes */
    const atomic_bool *stop; /* no waiting for bytes_per_s when it is true; NULL: never */
    uint64_t sync_bytes;     /* begin to sync what is written after so many; 0: only at the end */
};

/* Functions of a writer return 0 or a negative errno; after an error only abandon it. */
MUST_USE int snapshot_create(const struct snapshot_options *options,
                             struct snapshot_writer **out_writer);
MUST_USE int snapshot_begin_section(struct snapshot_writer *writer, enum snapshot_section section);
/* One chunk, of at most SNAPSHOT_CHUNK_MAX bytes; none if it is empty. */
MUST_USE int snapshot_put_chunk(struct snapshot_writer *writer, struct bytes chunk);
/* Of the file so far. */
uint64_t snapshot_bytes(const struct snapshot_writer *writer);
/* Make it whole, durable and visible under its name, in place of one with the same LSN; the writer
 * is gone either way. 0 or a negative errno; then nothing is left of it, or if the error came after
 * it took another's place, one of the two. */
MUST_USE int snapshot_commit(struct snapshot_writer *writer, uint64_t final_lsn, uint64_t records);
void snapshot_abandon(struct snapshot_writer *writer);

/* ---- reading ---- */

struct snapshot_info {
    char name[FILE_NAME_MAX + 1];
    struct store_id store;
    uint64_t created_us, final_lsn, records, bytes;
    uint32_t format;
};

/* All names of snapshots, newest (highest LSN) first; up to `max`. Returns how many, or a negative
 * errno. */
int snapshot_list(struct dir *dir, uint64_t *out_lsns, int max);

struct snapshot_load {
    struct dir *dir;
    unsigned n_threads; /* that call `chunk`, the caller's among them (1: no other is made), for
                           records. Chunks of other sections are told in order, by the caller's;
                           each section is finished before the next begins */
    /* What the file says of itself, before it is known to be true. May be NULL. */
    void (*begin)(void *context, const struct snapshot_info *info);
    /* One chunk, uncompressed, good. `thread`: 0..n_threads-1. Not 0 ends the load with that. */
    int (*chunk)(void *context, unsigned thread, enum snapshot_section section, struct bytes data);
    /* Read so far: called by any of the threads, by one at a time. May be NULL. */
    void (*progress)(void *context, uint64_t done_bytes, uint64_t all_bytes);
    void *context;
};

/* 0 and *out_info; ERR_DATA_DAMAGED, ERR_DATA_FORMAT, ERR_IO, ERR_OUT_OF_MEMORY or what `chunk`
 * returned, with out_text (file, offset, what, and what to do). What `chunk` was told counts only
 * after 0: damage may be found at the end. */
MUST_USE int snapshot_read(const struct snapshot_load *load, uint64_t lsn,
                           struct snapshot_info *out_info, char out_text[static 512]);

/* Remove snapshots but the newest `keep`, the oldest first, and what an interrupted writer left.
 * Not while there is a writer. 0 or a negative errno. */
MUST_USE int snapshot_trim(struct dir *dir, int keep);

/* Rename a snapshot that was found damaged to snap-<LSN>.damaged, so that it does not count as one.
 * 0 or a negative errno. */
MUST_USE int snapshot_set_aside(struct dir *dir, uint64_t lsn);
