/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keys of the records of a session: see ckpt.h.
 *
 * Invariant: all parts have at most CKPT_ID_MAX bytes, which handlers check (ckpt_id_arg), so every
 * key fits into CKPT_KEY_MAX.
 *
 * Threads: pure functions.
 */
#include "common/err.h"
#include "server/ops/ckpt.h"

#include <endian.h>

int ckpt_id_arg(struct op_ctx *ctx, const struct arg *arg, const char *what, struct ckpt_id *out)
{
    *out = (struct ckpt_id){BYTES_NONE, true};
    if (!arg->present)
        return 0;
    if (arg->bytes.size > CKPT_ID_MAX)
        return problem_set(ctx->problem, ERR_LIMIT_EXCEEDED, "%s: '%s' has more than %d bytes",
                           ctx->request->op->name, what, CKPT_ID_MAX);
    *out = (struct ckpt_id){arg->bytes, arg->text && mp_utf8_valid(arg->bytes)};
    return 0;
}

static void key_begin(const struct ckpt_session *s, enum record_kind kind, struct ckpt_key *out)
{
    memcpy(out->bytes, s->prefix, s->prefix_size);
    out->key = (struct record_key){s->key.run, (uint8_t)kind, {out->bytes, s->prefix_size}};
}

static void key_add(struct ckpt_key *key, const void *data, size_t size)
{
    REQUIRE(key->key.bytes.size + size <= CKPT_KEY_MAX);
    if (size > 0)
        memcpy(key->bytes + key->key.bytes.size, data, size);
    key->key.bytes.size += size;
}

/* A size byte and the bytes. */
static void key_add_part(struct ckpt_key *key, struct bytes part)
{
    uint8_t size = (uint8_t)part.size;
    REQUIRE(part.size <= CKPT_ID_MAX);
    key_add(key, &size, 1);
    key_add(key, part.data, part.size);
}

/* Bytes such that order is kept, and that nothing that follows can change it. */
static void key_add_ordered(struct ckpt_key *key, struct bytes part)
{
    static const uint8_t zero[2] = {0, 0xff}, end[2] = {0, 0};
    for (size_t i = 0; i < part.size; i++)
        key_add(key, part.data[i] == 0 ? zero : part.data + i, part.data[i] == 0 ? 2 : 1);
    key_add(key, end, sizeof end);
}

static void key_end(const struct ckpt_session *s, struct ckpt_key *key)
{
    key->hash = store_hash_owned(s->ctx->store, &key->key, s->hash);
}

void ckpt_ns_key(const struct ckpt_session *s, struct bytes ns, struct ckpt_key *out)
{
    key_begin(s, KIND_ckpt, out);
    key_add_part(out, ns);
}

void ckpt_key(const struct ckpt_session *s, struct bytes ns, struct bytes id, struct ckpt_key *out)
{
    ckpt_ns_key(s, ns, out);
    key_add(out, id.data, id.size);
    key_end(s, out);
}

void ckpt_blob_key(const struct ckpt_session *s, struct bytes ns, struct bytes channel,
                   struct bytes version, struct ckpt_key *out)
{
    key_begin(s, KIND_blob, out);
    key_add_part(out, ns);
    key_add_part(out, channel);
    key_add(out, version.data, version.size);
    key_end(s, out);
}

void ckpt_of_key(const struct ckpt_session *s, enum record_kind kind, struct bytes ns,
                 struct bytes id, struct ckpt_key *out)
{
    key_begin(s, kind, out);
    key_add_part(out, ns);
    key_add_part(out, id);
}

void ckpt_write_key(const struct ckpt_session *s, struct bytes ns, struct bytes id,
                    struct bytes task, int32_t idx, struct ckpt_key *out)
{
    uint32_t ordered = htobe32((uint32_t)idx + 0x80000000u);
    ckpt_of_key(s, KIND_write, ns, id, out);
    key_add_ordered(out, task);
    key_add(out, &ordered, sizeof ordered);
    key_end(s, out);
}

void ckpt_write_key_at(const struct ckpt_session *s, int32_t idx, struct ckpt_key *key)
{
    uint32_t ordered = htobe32((uint32_t)idx + 0x80000000u);
    memcpy(key->bytes + key->key.bytes.size - sizeof ordered, &ordered, sizeof ordered);
    key_end(s, key);
}

void ckpt_note_key(const struct ckpt_session *s, struct bytes ns, struct bytes id, uint64_t number,
                   struct ckpt_key *out)
{
    number = htobe64(number);
    ckpt_of_key(s, KIND_note, ns, id, out);
    key_add(out, &number, sizeof number);
    key_end(s, out);
}

void ckpt_raw_key(const struct ckpt_session *s, enum record_kind kind, struct bytes rest,
                  struct ckpt_key *out)
{
    key_begin(s, kind, out);
    key_add(out, rest.data, rest.size);
    key_end(s, out);
}

void ckpt_key_after(struct ckpt_key *key)
{
    size_t *size = &key->key.bytes.size;
    while (*size > 0 && key->bytes[*size - 1] == 0xff)
        --*size;
    REQUIRE(*size > 0); /* a generation is never all ones */
    key->bytes[*size - 1]++;
}

/* Take a part off the front. */
static bool key_take(struct bytes *rest, struct bytes *out)
{
    if (rest->size == 0 || rest->size - 1 < rest->data[0])
        return false;
    *out = (struct bytes){rest->data + 1, rest->data[0]};
    *rest = (struct bytes){rest->data + 1 + out->size, rest->size - 1 - out->size};
    return true;
}

static bool key_rest(struct bytes key, struct bytes *out_rest)
{
    if (key.size == 0 || key.size < group_prefix_size(key))
        return false;
    size_t size = group_prefix_size(key);
    *out_rest = (struct bytes){key.data + size, key.size - size};
    return true;
}

bool ckpt_key_parts(struct bytes key, struct bytes *out_ns, struct bytes *out_id)
{
    return key_rest(key, out_id) && key_take(out_id, out_ns) && out_id->size > 0;
}

bool ckpt_note_parts(struct bytes key, struct bytes *out_ns, struct bytes *out_id,
                     uint64_t *out_number)
{
    struct bytes rest;
    if (!key_rest(key, &rest) || !key_take(&rest, out_ns) || !key_take(&rest, out_id) ||
        rest.size != sizeof *out_number)
        return false;
    memcpy(out_number, rest.data, sizeof *out_number);
    *out_number = be64toh(*out_number);
    return true;
}
