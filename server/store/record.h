/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A record: the one kind of stored thing. (run, kind, key) -> { value, version, expires_at_ms }.
 *
 * A record is one block of memory with a head of 14 bytes for small ones; its layout is known to
 * record.c alone. Whoever holds the lock of its partition may read it; only apply changes it
 * (server/store/partition.c).
 */
#pragma once

#include "common/bytes.h"
#include "common/check.h"
#include "server/ds/wheel.h"

struct record;

enum record_kind {
    KIND_none = 0,
#define KIND(number, name, owner, beside, flags, text) KIND_##name = (number),
#include "server/store/kinds.def"
#undef KIND
    KIND_NONE = 0,
    KIND_MAX = 63
};

/* Flags of a kind. */
enum {
    RECORD_EVICTS = 1,
    RECORD_NUMBERED = 2,
    RECORD_LOGGED_ONLY = 4,
    RECORD_INDEXED = 8,
    RECORD_SUMMED = 16,
};

/* What kinds.def says of a kind; all 0 for numbers it does not have. */
struct record_kind_row {
    const char *name; /* NULL: there is no such kind */
    uint8_t owner;    /* enum record_kind */
    uint8_t beside;   /* the same */
    uint8_t flags;
};
extern const struct record_kind_row record_kinds[KIND_MAX + 1];

/* Are there records of this kind in partitions? */
static inline bool record_kind_stored(unsigned kind)
{
    return record_kinds[kind].name != NULL && !(record_kinds[kind].flags & RECORD_LOGGED_ONLY);
}

/* The number of a kind, or KIND_NONE. */
enum record_kind record_kind_find(struct bytes name);

/* The sequence number a value of a RECORD_NUMBERED kind begins with: it is a MessagePack array of
 * up to 15 whose first element is an unsigned integer of 64 bits. 0 if it is not. */
enum { RECORD_NUMBER_BYTES = 10 }; /* array header, type, number */
uint64_t record_number_of(struct bytes value);

/* The numbers a value of a RECORD_SUMMED kind ends with: MessagePack, unsigned integers of 64 bits,
 * and that in the long form. 0 where they are not. */
enum { RECORD_SUMMED_NUMBERS = 2, RECORD_SUMMED_BYTES = 9 /* each: type, number */ };
void record_summed(struct bytes value, uint64_t out_numbers[static RECORD_SUMMED_NUMBERS]);

/* The number (u32 little-endian) that a value begins with, and a new one in its place: for what is
 * derived from other records, which no log tells. 0 if the value is shorter. */
enum { RECORD_COUNT_BYTES = 4 };
uint32_t record_count(const struct record *record);
void record_set_count(struct record *record, uint32_t count);
void record_write_count(uint8_t out[static RECORD_COUNT_BYTES], uint32_t count);

/* The name of a kind. */
const char *record_kind_name(enum record_kind kind);

/* Where a record is found: order is run, kind, then key bytes by memcmp. */
struct record_key {
    uint32_t run;
    uint8_t kind;
    struct bytes bytes;
};

/* What a record is made of. Views are copied. */
struct record_spec {
    struct record_key key;
    bool text; /* the key came as str and is valid UTF-8: give it back as str */
    struct bytes value;
    int64_t expires_at_ms; /* 0: never */
};

/* A new record with version 0; NULL without memory. Freed by record_destroy (NULL is fine). */
struct record *record_create(const struct record_spec *spec) MUST_USE;
void record_destroy(struct record *record);

/* Can this record take the new content without moving? Same key; the block neither too small nor
 * more than twice too large, and expiry present in both or in neither. */
bool record_fits(const struct record *record, const struct record_spec *spec);

/* Replace the content of a record that fits. The expiry node is not touched. */
void record_overwrite(struct record *record, const struct record_spec *spec);

void record_set_version(struct record *record, uint64_t version);

/* Reading. Views end with the lock of the partition. */
struct bytes record_key_bytes(const struct record *record);
struct bytes record_value(const struct record *record);
uint32_t record_run(const struct record *record);
uint8_t record_kind_of(const struct record *record);
uint64_t record_version(const struct record *record);
bool record_is_text(const struct record *record);

/* When it expires (0: never), and whether it has. */
int64_t record_expires_at_ms(const struct record *record);
bool record_expired(const struct record *record, int64_t now_ms);

/* The timer node of a record that expires, and back; NULL for one that does not. */
struct wheel_node *record_wheel_node(struct record *record);
struct record *record_of_wheel_node(struct wheel_node *node);

/* Mark as used since the clock hand last passed; clear and return the mark. For eviction. */
void record_touch(const struct record *record);
bool record_untouch(struct record *record);

/* Bytes of memory the record occupies. */
size_t record_memory(const struct record *record);

/* For hash table and ordered map: `key` is a struct record_key. */
bool record_equal(const void *record, const void *key);
int record_compare(const void *key, const void *record);
