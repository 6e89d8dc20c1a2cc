/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Effects as bytes: bodies of log entries, and records of a snapshot.
 *
 *   put:    | run u32 | kind u8 | flags u8 | key size u32 | value size u32 | key | value |
 *           | expires_at_ms i64, if the flag says so |
 *   del:    | run u32 | kind u8 | flags u8 | key size u32 | key |
 *   batch:  | count u32 | then each: type u8 (of a log entry), put or del |
 *   record: | version u64 | put |
 *   entry:  | type u8 | size u32 | lsn u64 | body |        of the log, in a snapshot
 *
 * Little-endian. The version of an effect is the LSN of its entry. Runs are records of kind run
 * outside of all runs (RUN_NOWHERE): the key is the name, the value the number. docs/formats.md
 * has examples.
 */
#pragma once

#include "server/store/effect.h"
#include "server/wal/entry.h"

#include <stddef.h>

enum { CODEC_FLAG_TEXT = 1, CODEC_FLAG_EXPIRES = 2, CODEC_RECORD_HEAD = 8, CODEC_ENTRY_HEAD = 13 };

/* The type of a log entry that holds these effects (at least one), and the size of its body. */
uint8_t codec_type(const struct effect *effects, size_t count);
size_t codec_size(const struct effect *effects, size_t count);

/* Write the body: codec_size bytes. */
void codec_write(uint8_t *to, const struct effect *effects, size_t count);

/* Bytes a single effect adds to a body. */
size_t codec_effect_size(const struct effect *effect);

/* A record of a snapshot. */
size_t codec_record_size(const struct record_spec *spec);
void codec_write_record(uint8_t *to, const struct record_spec *spec, uint64_t version);

/* An entry of the log in a snapshot: CODEC_ENTRY_HEAD bytes and its body. */
void codec_write_entry(uint8_t *to, const struct entry *entry);

/* ---- reading: what stands on a disk is not trusted ---- */

struct codec_reader {
    const uint8_t *at, *end;
    uint8_t type;  /* of the entry, or of each effect of a batch */
    uint32_t left; /* effects */
    bool batch;
};

/* Begin to read the body of an entry of this type. 0 or ERR_DATA_DAMAGED. */
MUST_USE int codec_open(struct codec_reader *reader, uint8_t type, struct bytes body);

/* The next effect, with views of the body: type and spec are set, the rest is zero. *out_more:
 * there was one. 0 or ERR_DATA_DAMAGED, also when bytes are left over at the end. */
MUST_USE int codec_next(struct codec_reader *reader, struct effect *out_effect, bool *out_more);

/* The record at *at, which moves behind it. */
MUST_USE int codec_read_record(const uint8_t **at, const uint8_t *end, struct record_spec *out_spec,
                               uint64_t *out_version);

/* The same with an entry of the log, whose body is a view. */
MUST_USE int codec_read_entry(const uint8_t **at, const uint8_t *end, struct entry *out_entry);
