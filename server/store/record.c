/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Layout of a record in memory.
 *
 *   [ struct wheel_node, 24 bytes, only with EXPIRES ]
 *   [ head u64 | run u32 | key size u8/u16 | value size u8/u32 | key | value ]
 *   ^ struct record *
 *
 *   head:  bits 0..52 version, 53..57 flags, 58..63 kind
 *
 * Sizes up to 255 take one byte, larger ones 2 (key) or 4 (value), told by flags: a record with a
 * 16-byte key and 64 bytes of value takes 96 bytes in all, which is a size class of the allocator.
 *
 * Invariants
 *   1. The block is aligned to 8, and so is the record, as the node has 24 bytes.
 *   2. The key never changes during the life of a record (the ordered map points at it).
 *
 * Threads: under the lock of the partition. The TOUCHED flag is set by readers under that lock too.
 */
#include "server/store/record.h"

#include "common/mem.h"

#include <endian.h>

struct record {
    uint64_t head;
    uint32_t run;
    uint8_t rest[];
};

#define RECORD_VERSION_MASK (((uint64_t)1 << 53) - 1)

enum { RECORD_FLAG_SHIFT = 53, RECORD_KIND_SHIFT = 58, RECORD_HEAD = 12, RECORD_NODE = 24 };

#define RECORD_WIDE_KEY   ((uint64_t)1 << RECORD_FLAG_SHIFT)
#define RECORD_WIDE_VALUE ((uint64_t)2 << RECORD_FLAG_SHIFT)
#define RECORD_EXPIRES    ((uint64_t)4 << RECORD_FLAG_SHIFT)
#define RECORD_TEXT       ((uint64_t)8 << RECORD_FLAG_SHIFT)
#define RECORD_TOUCHED    ((uint64_t)16 << RECORD_FLAG_SHIFT)

_Static_assert(sizeof(struct wheel_node) == RECORD_NODE, "the node in front keeps the alignment");

const struct record_kind_row record_kinds[KIND_MAX + 1] = {
#define KIND(number, name, owner, beside, flags, text)                                             \
    [number] = {#name, KIND_##owner, KIND_##beside, flags},
#include "server/store/kinds.def"
#undef KIND
};

enum record_kind record_kind_find(struct bytes name)
{
    for (size_t i = 0; i < LENGTH_OF(record_kinds); i++)
        if (record_kinds[i].name != NULL && bytes_equal(bytes_of(record_kinds[i].name), name))
            return (enum record_kind)i;
    return KIND_NONE;
}

uint64_t record_number_of(struct bytes value)
{
    enum { FIXARRAY = 0x90, UINT64 = 0xcf };
    uint64_t number;
    if (value.size < RECORD_NUMBER_BYTES || (value.data[0] & 0xf0) != FIXARRAY ||
        value.data[1] != UINT64)
        return 0;
    memcpy(&number, value.data + 2, sizeof number);
    return be64toh(number);
}

void record_summed(struct bytes value, uint64_t out_numbers[static RECORD_SUMMED_NUMBERS])
{
    enum { ALL = RECORD_SUMMED_NUMBERS * RECORD_SUMMED_BYTES, UINT64 = 0xcf };
    for (size_t i = 0; i < RECORD_SUMMED_NUMBERS; i++) {
        out_numbers[i] = 0;
        if (value.size < ALL)
            continue;
        const uint8_t *at = value.data + value.size - ALL + i * RECORD_SUMMED_BYTES;
        if (at[0] != UINT64)
            continue;
        memcpy(&out_numbers[i], at + 1, sizeof out_numbers[i]);
        out_numbers[i] = be64toh(out_numbers[i]);
    }
}

const char *record_kind_name(enum record_kind kind)
{
    return record_kinds[kind].name != NULL ? record_kinds[kind].name : "none";
}

static size_t record_key_width(uint64_t head)
{
    return head & RECORD_WIDE_KEY ? 2 : 1;
}

static size_t record_value_width(uint64_t head)
{
    return head & RECORD_WIDE_VALUE ? 4 : 1;
}

static uint64_t record_head(const struct record_spec *spec)
{
    return (uint64_t)spec->key.kind << RECORD_KIND_SHIFT |
           (spec->key.bytes.size > 0xff ? RECORD_WIDE_KEY : 0) |
           (spec->value.size > 0xff ? RECORD_WIDE_VALUE : 0) |
           (spec->expires_at_ms != 0 ? RECORD_EXPIRES : 0) | (spec->text ? RECORD_TEXT : 0);
}

/* Bytes of a record from its head on, without the node. */
static size_t record_size(uint64_t head, size_t key_size, size_t value_size)
{
    return RECORD_HEAD + record_key_width(head) + record_value_width(head) + key_size + value_size;
}

static size_t record_node_size(uint64_t head)
{
    return head & RECORD_EXPIRES ? RECORD_NODE : 0;
}

static size_t record_key_size(const struct record *record)
{
    uint16_t wide;
    if (!(record->head & RECORD_WIDE_KEY))
        return record->rest[0];
    memcpy(&wide, record->rest, sizeof wide);
    return wide;
}

static size_t record_value_size(const struct record *record)
{
    const uint8_t *p = record->rest + record_key_width(record->head);
    uint32_t wide;
    if (!(record->head & RECORD_WIDE_VALUE))
        return *p;
    memcpy(&wide, p, sizeof wide);
    return wide;
}

static uint8_t *record_key_at(uint64_t head, uint8_t *rest)
{
    return rest + record_key_width(head) + record_value_width(head);
}

/* Head, sizes, key and value; the key is copied first, as it may stand in the block already. */
static void record_fill(struct record *record, const struct record_spec *spec)
{
    uint64_t head = record_head(spec);
    uint16_t key_size = (uint16_t)spec->key.bytes.size;
    uint32_t value_size = (uint32_t)spec->value.size;
    uint8_t *key = record_key_at(head, record->rest);

    memmove(key, spec->key.bytes.data, key_size);
    record->head = head;
    record->run = spec->key.run;
    memcpy(record->rest, &key_size, record_key_width(head));
    memcpy(record->rest + record_key_width(head), &value_size, record_value_width(head));
    if (value_size > 0)
        memmove(key + key_size, spec->value.data, value_size); /* may be its own, unchanged */
}

struct record *record_create(const struct record_spec *spec)
{
    REQUIRE(spec->key.bytes.size <= UINT16_MAX && spec->value.size <= UINT32_MAX);
    uint64_t head = record_head(spec);
    size_t node = record_node_size(head);
    uint8_t *block = mem_alloc(node + record_size(head, spec->key.bytes.size, spec->value.size));
    if (block == NULL)
        return NULL;
    struct record *record = (struct record *)(void *)(block + node);
    record_fill(record, spec);
    if (node > 0)
        *record_wheel_node(record) = (struct wheel_node){.at_ms = spec->expires_at_ms};
    return record;
}

static void *record_block(struct record *record)
{
    return (uint8_t *)record - record_node_size(record->head);
}

void record_destroy(struct record *record)
{
    if (record != NULL)
        mem_free(record_block(record));
}

size_t record_memory(const struct record *record)
{
    return mem_usable(record_block((struct record *)(uintptr_t)record));
}

bool record_fits(const struct record *record, const struct record_spec *spec)
{
    uint64_t head = record_head(spec);
    if ((record->head ^ head) & RECORD_EXPIRES)
        return false;
    size_t size = record_size(head, spec->key.bytes.size, spec->value.size);
    size_t now = record_size(record->head, record_key_size(record), record_value_size(record));
    if (size == now)
        return true;
    size_t room = record_memory(record) - record_node_size(head);
    return size <= room && size >= room / 2;
}

void record_overwrite(struct record *record, const struct record_spec *spec)
{
    uint64_t touched = record->head & RECORD_TOUCHED;
    record_fill(record, spec);
    record->head |= touched;
}

void record_set_version(struct record *record, uint64_t version)
{
    record->head = (record->head & ~RECORD_VERSION_MASK) | version;
}

struct bytes record_key_bytes(const struct record *record)
{
    const uint8_t *rest = record->rest;
    return (struct bytes){rest + record_key_width(record->head) + record_value_width(record->head),
                          record_key_size(record)};
}

struct bytes record_value(const struct record *record)
{
    struct bytes key = record_key_bytes(record);
    return (struct bytes){key.data + key.size, record_value_size(record)};
}

uint32_t record_count(const struct record *record)
{
    struct bytes value = record_value(record);
    uint32_t count;
    if (value.size < RECORD_COUNT_BYTES)
        return 0;
    memcpy(&count, value.data, sizeof count);
    return le32toh(count);
}

void record_write_count(uint8_t out[static RECORD_COUNT_BYTES], uint32_t count)
{
    count = htole32(count);
    memcpy(out, &count, sizeof count);
}

void record_set_count(struct record *record, uint32_t count)
{
    uint8_t *value = record_key_at(record->head, record->rest) + record_key_size(record);
    if (record_value_size(record) >= RECORD_COUNT_BYTES)
        record_write_count(value, count);
}

uint32_t record_run(const struct record *record)
{
    return record->run;
}

uint8_t record_kind_of(const struct record *record)
{
    return (uint8_t)(record->head >> RECORD_KIND_SHIFT);
}

uint64_t record_version(const struct record *record)
{
    return record->head & RECORD_VERSION_MASK;
}

bool record_is_text(const struct record *record)
{
    return (record->head & RECORD_TEXT) != 0;
}

int64_t record_expires_at_ms(const struct record *record)
{
    const struct wheel_node *node = record_wheel_node((struct record *)(uintptr_t)record);
    return node == NULL ? 0 : node->at_ms;
}

bool record_expired(const struct record *record, int64_t now_ms)
{
    return (record->head & RECORD_EXPIRES) && record_expires_at_ms(record) <= now_ms;
}

struct wheel_node *record_wheel_node(struct record *record)
{
    if (!(record->head & RECORD_EXPIRES))
        return NULL;
    return record_block(record);
}

struct record *record_of_wheel_node(struct wheel_node *node)
{
    return (struct record *)(void *)((uint8_t *)node + RECORD_NODE);
}

void record_touch(const struct record *record)
{
    if (!(record->head & RECORD_TOUCHED))
        ((struct record *)(uintptr_t)record)->head |= RECORD_TOUCHED;
}

bool record_untouch(struct record *record)
{
    bool touched = (record->head & RECORD_TOUCHED) != 0;
    record->head &= ~RECORD_TOUCHED;
    return touched;
}

bool record_equal(const void *item, const void *key)
{
    const struct record *record = item;
    const struct record_key *wanted = key;
    return record->run == wanted->run && record_kind_of(record) == wanted->kind &&
           bytes_equal_short(record_key_bytes(record), wanted->bytes);
}

int record_compare(const void *key, const void *item)
{
    const struct record *record = item;
    const struct record_key *wanted = key;
    if (wanted->run != record->run)
        return wanted->run < record->run ? -1 : 1;
    uint8_t kind = record_kind_of(record);
    if (wanted->kind != kind)
        return wanted->kind < kind ? -1 : 1;
    return bytes_compare(wanted->bytes, record_key_bytes(record));
}
