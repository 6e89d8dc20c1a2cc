/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Effects to bytes and back: see the drawing in codec.h.
 *
 * Invariant: what codec_write wrote, codec_next gives back, effect by effect.
 *
 * Threads: pure functions.
 * Failures: reading refuses what is not exactly a body; it takes no memory.
 */
#include "server/store/codec.h"

#include "common/err.h"
#include "server/wal/little.h"

enum {
    CODEC_DEL_HEAD = 4 + 1 + 1 + 4,
    CODEC_PUT_HEAD = CODEC_DEL_HEAD + 4,
    CODEC_EXPIRES = 8,
    CODEC_BATCH_HEAD = 4,
};

static size_t codec_spec_size(const struct record_spec *spec)
{
    return CODEC_PUT_HEAD + spec->key.bytes.size + spec->value.size +
           (spec->expires_at_ms != 0 ? CODEC_EXPIRES : 0);
}

size_t codec_effect_size(const struct effect *effect)
{
    return effect->type == EFFECT_DEL ? CODEC_DEL_HEAD + effect->spec.key.bytes.size
                                      : codec_spec_size(&effect->spec);
}

static uint8_t codec_effect_type(const struct effect *effect)
{
    return effect->type == EFFECT_DEL ? ENTRY_DEL : ENTRY_PUT;
}

uint8_t codec_type(const struct effect *effects, size_t count)
{
    return count == 1 ? codec_effect_type(&effects[0]) : ENTRY_BATCH;
}

size_t codec_size(const struct effect *effects, size_t count)
{
    if (count == 1)
        return codec_effect_size(&effects[0]);
    size_t size = CODEC_BATCH_HEAD + count;
    for (size_t i = 0; i < count; i++)
        size += codec_effect_size(&effects[i]);
    return size;
}

/* ---- writing ---- */

static uint8_t *codec_put_bytes(uint8_t *to, struct bytes bytes)
{
    if (bytes.size > 0)
        memcpy(to, bytes.data, bytes.size);
    return to + bytes.size;
}

static uint8_t *codec_put_key(uint8_t *to, const struct record_key *key, uint8_t flags)
{
    little_write_u32(to, key->run);
    to[4] = key->kind;
    to[5] = flags;
    little_write_u32(to + 6, (uint32_t)key->bytes.size);
    return to + CODEC_DEL_HEAD;
}

static uint8_t *codec_put_spec(uint8_t *to, const struct record_spec *spec)
{
    bool expires = spec->expires_at_ms != 0;
    uint8_t flags =
        (uint8_t)((spec->text ? CODEC_FLAG_TEXT : 0) | (expires ? CODEC_FLAG_EXPIRES : 0));
    to = codec_put_key(to, &spec->key, flags);
    little_write_u32(to, (uint32_t)spec->value.size);
    to = codec_put_bytes(to + 4, spec->key.bytes);
    to = codec_put_bytes(to, spec->value);
    if (expires)
        little_write_u64(to, (uint64_t)spec->expires_at_ms);
    return to + (expires ? CODEC_EXPIRES : 0);
}

static uint8_t *codec_put_effect(uint8_t *to, const struct effect *effect)
{
    if (effect->type == EFFECT_PUT)
        return codec_put_spec(to, &effect->spec);
    to = codec_put_key(to, &effect->spec.key, 0);
    return codec_put_bytes(to, effect->spec.key.bytes);
}

void codec_write(uint8_t *to, const struct effect *effects, size_t count)
{
    if (count == 1) {
        (void)codec_put_effect(to, &effects[0]);
        return;
    }
    little_write_u32(to, (uint32_t)count);
    to += CODEC_BATCH_HEAD;
    for (size_t i = 0; i < count; i++) {
        *to++ = codec_effect_type(&effects[i]);
        to = codec_put_effect(to, &effects[i]);
    }
}

size_t codec_record_size(const struct record_spec *spec)
{
    return CODEC_RECORD_HEAD + codec_spec_size(spec);
}

void codec_write_record(uint8_t *to, const struct record_spec *spec, uint64_t version)
{
    little_write_u64(to, version);
    (void)codec_put_spec(to + CODEC_RECORD_HEAD, spec);
}

void codec_write_entry(uint8_t *to, const struct entry *entry)
{
    to[0] = entry->type;
    little_write_u32(to + 1, (uint32_t)entry->body.size);
    little_write_u64(to + 5, entry->lsn);
    (void)codec_put_bytes(to + CODEC_ENTRY_HEAD, entry->body);
}

/* ---- reading ---- */

/* Take `size` bytes. False: there are not so many. */
static bool codec_take(const uint8_t **at, const uint8_t *end, size_t size, struct bytes *out)
{
    if ((size_t)(end - *at) < size)
        return false;
    *out = (struct bytes){*at, size};
    *at += size;
    return true;
}

static bool codec_take_key(const uint8_t **at, const uint8_t *end, struct record_key *out_key,
                           uint8_t *out_flags, size_t *out_key_size)
{
    struct bytes head;
    if (!codec_take(at, end, CODEC_DEL_HEAD, &head))
        return false;
    out_key->run = little_read_u32(head.data);
    out_key->kind = head.data[4];
    *out_flags = head.data[5];
    *out_key_size = little_read_u32(head.data + 6);
    return out_key->kind != KIND_NONE && out_key->kind <= KIND_MAX;
}

static bool codec_take_spec(const uint8_t **at, const uint8_t *end, struct record_spec *out_spec)
{
    struct bytes size, expires;
    size_t key_size;
    uint8_t flags;
    if (!codec_take_key(at, end, &out_spec->key, &flags, &key_size) ||
        !codec_take(at, end, 4, &size) || !codec_take(at, end, key_size, &out_spec->key.bytes) ||
        !codec_take(at, end, little_read_u32(size.data), &out_spec->value))
        return false;
    out_spec->text = (flags & CODEC_FLAG_TEXT) != 0;
    out_spec->expires_at_ms = 0;
    if (!(flags & CODEC_FLAG_EXPIRES))
        return flags <= CODEC_FLAG_TEXT;
    if (!codec_take(at, end, CODEC_EXPIRES, &expires))
        return false;
    out_spec->expires_at_ms = (int64_t)little_read_u64(expires.data);
    return flags <= (CODEC_FLAG_TEXT | CODEC_FLAG_EXPIRES) && out_spec->expires_at_ms != 0;
}

static bool codec_take_effect(struct codec_reader *reader, struct effect *effect)
{
    size_t key_size;
    uint8_t flags;
    if (reader->type == ENTRY_PUT) {
        effect->type = EFFECT_PUT;
        return codec_take_spec(&reader->at, reader->end, &effect->spec);
    }
    effect->type = EFFECT_DEL;
    return reader->type == ENTRY_DEL &&
           codec_take_key(&reader->at, reader->end, &effect->spec.key, &flags, &key_size) &&
           flags == 0 && codec_take(&reader->at, reader->end, key_size, &effect->spec.key.bytes);
}

int codec_open(struct codec_reader *reader, uint8_t type, struct bytes body)
{
    struct bytes count;
    *reader = (struct codec_reader){body.data, body.data + body.size, type, 1, type == ENTRY_BATCH};
    if (!reader->batch)
        return type == ENTRY_PUT || type == ENTRY_DEL ? 0 : ERR_DATA_DAMAGED;
    if (!codec_take(&reader->at, reader->end, CODEC_BATCH_HEAD, &count))
        return ERR_DATA_DAMAGED;
    reader->left = little_read_u32(count.data);
    return 0;
}

int codec_next(struct codec_reader *reader, struct effect *out_effect, bool *out_more)
{
    struct effect effect = {0};
    struct bytes type;
    *out_more = reader->left > 0;
    if (reader->left == 0)
        return reader->at == reader->end ? 0 : ERR_DATA_DAMAGED;
    reader->left--;
    if (reader->batch) {
        if (!codec_take(&reader->at, reader->end, 1, &type))
            return ERR_DATA_DAMAGED;
        reader->type = type.data[0];
    }
    if (!codec_take_effect(reader, &effect))
        return ERR_DATA_DAMAGED;
    *out_effect = effect;
    return 0;
}

int codec_read_record(const uint8_t **at, const uint8_t *end, struct record_spec *out_spec,
                      uint64_t *out_version)
{
    struct bytes version;
    if (!codec_take(at, end, CODEC_RECORD_HEAD, &version) || !codec_take_spec(at, end, out_spec))
        return ERR_DATA_DAMAGED;
    *out_version = little_read_u64(version.data);
    return 0;
}

int codec_read_entry(const uint8_t **at, const uint8_t *end, struct entry *out_entry)
{
    struct bytes head, body;
    if (!codec_take(at, end, CODEC_ENTRY_HEAD, &head) ||
        !codec_take(at, end, little_read_u32(head.data + 1), &body))
        return ERR_DATA_DAMAGED;
    *out_entry =
        (struct entry){.type = head.data[0], .lsn = little_read_u64(head.data + 5), .body = body};
    return 0;
}
