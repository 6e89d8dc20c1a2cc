/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values of checkpoints as bytes.
 *
 *   [ number u64, created_at, flags, parent, message, tags, trigger, metadata, checkpoint,
 *     channel_versions, state, manifest, state_bytes, checksum bin 32 ]
 *
 * One MessagePack array; the number in its long form (RECORD_NUMBERED), all else as the caller gave
 * it. The checksum is SHA-256 over namespace and id, each behind its size as 4 bytes big-endian,
 * and the value up to the checksum. What is stored elsewhere has its own: the manifest and pieces
 * are found by the hash of their content.
 *
 * A blob is a count, [channel, version, type, ...] and the CRC-32 of that array. A write or note is
 * the CRC-32 of an array and the array: in front it is told from values that have none, whatever
 * bit is damaged.
 *
 * Threads: pure functions.
 * Failures: bytes that are no such array are DATA_DAMAGED.
 */
#include "common/err.h"
#include "proto/pack.h"
#include "server/ops/ckpt.h"

#include <endian.h>
#include <libdeflate.h>

enum {
    VALUE_FIELDS = 14,
    VALUE_NS_TEXT = 1, /* flags */
    VALUE_TAIL = 2 + CKPT_CHECKSUM,
    VALUE_SEAL = 5, /* of a blob or row: a u32 in the long form */
    VALUE_SEAL_HEAD = 0xce,
};

static const struct bytes value_nil = {(const uint8_t *)"\xc0", 1};

/* An array header and a number in their long forms: what RECORD_NUMBERED wants. */
static int value_begin(struct buf *out, unsigned fields, uint64_t number)
{
    uint8_t head[RECORD_NUMBER_BYTES] = {(uint8_t)(0x90 | fields), 0xcf};
    number = htobe64(number);
    memcpy(head + 2, &number, sizeof number);
    return buf_append(out, head, sizeof head);
}

static void value_hash_part(struct ckpt_hasher *hasher, struct bytes part)
{
    uint32_t size = htobe32((uint32_t)part.size);
    ckpt_hasher_add(hasher, (struct bytes){(const uint8_t *)&size, sizeof size});
    ckpt_hasher_add(hasher, part);
}

static int value_checksum(struct bytes value, struct bytes ns, struct bytes id,
                          uint8_t out[static CKPT_CHECKSUM])
{
    struct ckpt_hasher hasher;
    int err = ckpt_hasher_init(&hasher);
    if (err == 0)
        err = ckpt_hasher_begin(&hasher);
    if (err == 0) {
        value_hash_part(&hasher, ns);
        value_hash_part(&hasher, id);
        ckpt_hasher_add(&hasher, value);
        ckpt_hasher_end(&hasher, out);
    }
    ckpt_hasher_deinit(&hasher);
    return err;
}

static int value_add(struct buf *out, struct bytes encoded)
{
    if (encoded.size == 0)
        encoded = value_nil;
    return buf_append(out, encoded.data, encoded.size);
}

int ckpt_encode(struct buf *out, const struct ckpt_value *v, struct bytes ns, struct bytes id)
{
    size_t start = out->size;
    uint8_t checksum[CKPT_CHECKSUM];
    const struct bytes views[] = {v->parent,   v->message,    v->tags,     v->trigger,
                                  v->metadata, v->checkpoint, v->versions, v->state};
    int err = value_begin(out, VALUE_FIELDS, v->number);
    if (err == 0)
        err = pack_uint(out, v->created_at);
    if (err == 0)
        err = pack_uint(out, v->ns_text ? VALUE_NS_TEXT : 0);
    for (size_t i = 0; i < LENGTH_OF(views) && err == 0; i++)
        err = value_add(out, views[i]);
    if (err == 0)
        err = v->manifest.size > 0 ? pack_bin(out, v->manifest) : pack_nil(out);
    if (err == 0)
        err = pack_uint(out, v->state_bytes);
    if (err == 0)
        err =
            value_checksum((struct bytes){out->data + start, out->size - start}, ns, id, checksum);
    return err != 0 ? err : pack_bin(out, (struct bytes){checksum, sizeof checksum});
}

static int value_read_uint(struct mp_reader *reader, uint64_t *out)
{
    struct mp mp;
    if (mp_read(reader, &mp) != 0 || mp.kind != MP_UINT)
        return ERR_DATA_DAMAGED;
    *out = mp.uint;
    return 0;
}

static int value_read_view(struct mp_reader *reader, struct bytes *out)
{
    const uint8_t *start = reader->at;
    if (mp_skip(reader, MP_DEPTH_MAX) != 0)
        return ERR_DATA_DAMAGED;
    *out = (struct bytes){start, (size_t)(reader->at - start)};
    return 0;
}

/* nil or a bin. */
static int value_read_manifest(struct mp_reader *reader, struct bytes *out)
{
    struct mp mp;
    *out = BYTES_NONE;
    if (mp_read(reader, &mp) != 0 || (mp.kind != MP_NIL && mp.kind != MP_BIN))
        return ERR_DATA_DAMAGED;
    if (mp.kind == MP_BIN)
        *out = mp.bytes;
    return 0;
}

int ckpt_decode(struct bytes from, struct ckpt_value *v)
{
    struct mp_reader reader = mp_reader_of(from);
    struct bytes *views[] = {&v->parent,   &v->message,    &v->tags,     &v->trigger,
                             &v->metadata, &v->checkpoint, &v->versions, &v->state};
    struct mp head;
    uint64_t flags;
    int err = mp_read(&reader, &head) == 0 && head.kind == MP_ARRAY && head.count == VALUE_FIELDS
                  ? value_read_uint(&reader, &v->number)
                  : ERR_DATA_DAMAGED;
    if (err == 0)
        err = value_read_uint(&reader, &v->created_at);
    if (err == 0)
        err = value_read_uint(&reader, &flags);
    for (size_t i = 0; i < LENGTH_OF(views) && err == 0; i++)
        err = value_read_view(&reader, views[i]);
    if (err == 0)
        err = value_read_manifest(&reader, &v->manifest);
    if (err == 0)
        err = value_read_uint(&reader, &v->state_bytes);
    if (err != 0 || reader.end - reader.at != VALUE_TAIL)
        return ERR_DATA_DAMAGED;
    v->ns_text = (flags & VALUE_NS_TEXT) != 0;
    return 0;
}

bool ckpt_checksum_holds(struct bytes value, struct bytes ns, struct bytes id)
{
    uint8_t checksum[CKPT_CHECKSUM];
    if (value.size < VALUE_TAIL)
        return false;
    struct bytes covered = {value.data, value.size - VALUE_TAIL};
    return value_checksum(covered, ns, id, checksum) == 0 &&
           memcmp(checksum, value.data + value.size - CKPT_CHECKSUM, CKPT_CHECKSUM) == 0;
}

static void value_write_seal(struct bytes of, uint8_t out[static VALUE_SEAL])
{
    uint32_t crc = htobe32(libdeflate_crc32(0, of.data, of.size));
    out[0] = VALUE_SEAL_HEAD;
    memcpy(out + 1, &crc, sizeof crc);
}

static bool value_seal_holds(const uint8_t seal[static VALUE_SEAL], struct bytes of)
{
    uint8_t right[VALUE_SEAL];
    value_write_seal(of, right);
    return memcmp(seal, right, sizeof right) == 0;
}

int ckpt_seal_blob(struct buf *out, size_t start)
{
    uint8_t seal[VALUE_SEAL];
    value_write_seal((struct bytes){out->data + start, out->size - start}, seal);
    return buf_append(out, seal, sizeof seal);
}

bool ckpt_blob_row(struct bytes value, struct bytes *out_row)
{
    if (value.size <= RECORD_COUNT_BYTES)
        return false;
    struct mp_reader reader = mp_reader_of(
        (struct bytes){value.data + RECORD_COUNT_BYTES, value.size - RECORD_COUNT_BYTES});
    if (value_read_view(&reader, out_row) != 0)
        return false;
    if (mp_at_end(&reader)) /* saved before blobs had one */
        return true;
    return reader.end - reader.at == VALUE_SEAL && value_seal_holds(reader.at, *out_row);
}

int ckpt_row_begin(struct buf *out)
{
    static const uint8_t room[VALUE_SEAL];
    out->size = 0;
    return buf_append(out, room, sizeof room);
}

struct bytes ckpt_row_end(struct buf *out)
{
    value_write_seal((struct bytes){out->data + VALUE_SEAL, out->size - VALUE_SEAL}, out->data);
    return buf_bytes(out);
}

bool ckpt_row(struct bytes value, enum record_kind kind, struct bytes *out_row)
{
    enum { WRITE_FIELDS = 5, NOTE_FIELDS = 4 };
    uint32_t fields = kind == KIND_write ? WRITE_FIELDS : NOTE_FIELDS;
    bool sealed = value.size >= VALUE_SEAL && value.data[0] == VALUE_SEAL_HEAD;
    size_t skip = sealed ? VALUE_SEAL : 0;
    *out_row = (struct bytes){value.data + skip, value.size - skip};
    if (sealed && !value_seal_holds(value.data, *out_row))
        return false;
    struct mp_reader reader = mp_reader_of(*out_row), whole = reader;
    struct mp mp;
    return mp_read(&reader, &mp) == 0 && mp.kind == MP_ARRAY && mp.count == fields &&
           mp_skip(&whole, MP_DEPTH_MAX) == 0 && mp_at_end(&whole);
}

struct bytes ckpt_blob_manifest(struct bytes value)
{
    enum { PIECES_FIELDS = 5, BEFORE = 3 };
    if (value.size <= RECORD_COUNT_BYTES)
        return BYTES_NONE;
    struct mp_reader reader = mp_reader_of(
        (struct bytes){value.data + RECORD_COUNT_BYTES, value.size - RECORD_COUNT_BYTES});
    struct mp mp;
    if (mp_read(&reader, &mp) != 0 || mp.kind != MP_ARRAY || mp.count != PIECES_FIELDS)
        return BYTES_NONE;
    for (int i = 0; i < BEFORE; i++)
        if (mp_skip(&reader, MP_DEPTH_MAX) != 0)
            return BYTES_NONE;
    if (mp_read(&reader, &mp) != 0 || mp.kind != MP_BIN || mp.bytes.size != CKPT_HASH_BYTES)
        return BYTES_NONE;
    return mp.bytes;
}

/* The name of a piece is the hash of its content. */
static bool value_piece_holds(struct bytes key, struct bytes value)
{
    struct ckpt_hasher hasher;
    uint8_t hash[CKPT_HASH_BYTES];
    if (key.size < sizeof hash || value.size < RECORD_COUNT_BYTES)
        return false;
    struct bytes content = {value.data + RECORD_COUNT_BYTES, value.size - RECORD_COUNT_BYTES};
    bool holds = ckpt_hasher_init(&hasher) == 0 && ckpt_hasher_make(&hasher, content, hash) == 0 &&
                 memcmp(hash, key.data + key.size - sizeof hash, sizeof hash) == 0;
    ckpt_hasher_deinit(&hasher);
    return holds;
}

bool ckpt_record_holds(const struct record_spec *spec)
{
    struct bytes ns, id, row;
    switch (spec->key.kind) {
    case KIND_ckpt:
        return ckpt_key_parts(spec->key.bytes, &ns, &id) &&
               ckpt_checksum_holds(spec->value, ns, id);
    case KIND_blob: /* or nothing but a count: named, and never saved */
        return spec->value.size == RECORD_COUNT_BYTES || ckpt_blob_row(spec->value, &row);
    case KIND_write:
    case KIND_note:
        return ckpt_row(spec->value, (enum record_kind)spec->key.kind, &row);
    case KIND_piece:
        return value_piece_holds(spec->key.bytes, spec->value);
    default:
        return true;
    }
}
