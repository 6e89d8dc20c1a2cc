/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The small MessagePack writer and reader of cairn.h, for programs without one of their own.
 *
 * How: proto/pack over a buffer, proto/mp over a view; only types and names are translated.
 *
 * Invariants: a packer that once failed stays failed until it is cleared, and shows no bytes.
 * Threads: one at a time for each packer; reading is pure.
 * Failures: out of memory makes the packer empty; reading past the end is CAIRN_PROTOCOL.
 */
#include "client/lib/client.h"
#include "common/mem.h"
#include "proto/pack.h"

struct cairn_packer {
    struct buf buf;
    bool failed;
};

struct cairn_packer *cairn_packer_create(void)
{
    return mem_calloc(1, sizeof(struct cairn_packer));
}

void cairn_packer_destroy(struct cairn_packer *packer)
{
    if (packer != NULL)
        buf_deinit(&packer->buf);
    mem_free(packer);
}

void cairn_packer_clear(struct cairn_packer *packer)
{
    packer->buf.size = 0;
    packer->failed = false;
}

static void packer_keep(struct cairn_packer *packer, int err)
{
    packer->failed = packer->failed || err != 0;
}

void cairn_pack_nil(struct cairn_packer *packer)
{
    packer_keep(packer, pack_nil(&packer->buf));
}

void cairn_pack_bool(struct cairn_packer *packer, bool value)
{
    packer_keep(packer, pack_bool(&packer->buf, value));
}

void cairn_pack_int(struct cairn_packer *packer, int64_t value)
{
    packer_keep(packer, pack_int(&packer->buf, value));
}

void cairn_pack_uint(struct cairn_packer *packer, uint64_t value)
{
    packer_keep(packer, pack_uint(&packer->buf, value));
}

void cairn_pack_real(struct cairn_packer *packer, double value)
{
    packer_keep(packer, pack_real(&packer->buf, value));
}

void cairn_pack_str(struct cairn_packer *packer, struct cairn_bytes text)
{
    packer_keep(packer, pack_str(&packer->buf, client_bytes(text)));
}

void cairn_pack_bin(struct cairn_packer *packer, struct cairn_bytes bytes)
{
    packer_keep(packer, pack_bin(&packer->buf, client_bytes(bytes)));
}

void cairn_pack_array(struct cairn_packer *packer, uint32_t count)
{
    packer_keep(packer, pack_array(&packer->buf, count));
}

void cairn_pack_map(struct cairn_packer *packer, uint32_t pairs)
{
    packer_keep(packer, pack_map(&packer->buf, pairs));
}

/* A failed packer shows the reserved byte, which no call accepts. */
struct cairn_bytes cairn_packer_bytes(const struct cairn_packer *packer)
{
    return packer->failed ? cairn_view("\xc1", 1) : client_public(buf_bytes(&packer->buf));
}

static enum cairn_kind packer_kind(enum mp_kind kind)
{
    static const enum cairn_kind kinds[] = {
        [MP_NIL] = CAIRN_NIL,  [MP_BOOL] = CAIRN_BOOL,  [MP_UINT] = CAIRN_UINT,
        [MP_SINT] = CAIRN_INT, [MP_FLOAT] = CAIRN_REAL, [MP_STR] = CAIRN_STR,
        [MP_BIN] = CAIRN_BIN,  [MP_EXT] = CAIRN_EXT,    [MP_ARRAY] = CAIRN_ARRAY,
        [MP_MAP] = CAIRN_MAP,
    };
    return kinds[kind];
}

int cairn_unpack(struct cairn_bytes *rest, struct cairn_item *out_item)
{
    struct mp_reader reader = mp_reader_of(client_bytes(*rest));
    struct mp mp;
    if (mp_read(&reader, &mp) != 0)
        return CAIRN_PROTOCOL;
    struct cairn_item item = {.kind = packer_kind(mp.kind)};
    if (mp.kind == MP_STR || mp.kind == MP_BIN || mp.kind == MP_EXT)
        item.as.bytes = client_public(mp.bytes);
    else if (mp.kind == MP_ARRAY || mp.kind == MP_MAP)
        item.count = mp.count;
    else if (mp.kind == MP_BOOL)
        item.as.boolean = mp.boolean;
    else if (mp.kind == MP_FLOAT)
        item.as.real = mp.real;
    else if (mp.kind != MP_NIL)
        item.as.uint = mp.uint; /* the same 64 bits as sint */
    *out_item = item;
    *rest = (struct cairn_bytes){reader.at, (size_t)(reader.end - reader.at)};
    return CAIRN_OK;
}

int cairn_unpack_skip(struct cairn_bytes *rest)
{
    struct mp_reader reader = mp_reader_of(client_bytes(*rest));
    if (frame_skip(&reader) != 0)
        return CAIRN_PROTOCOL;
    *rest = (struct cairn_bytes){reader.at, (size_t)(reader.end - reader.at)};
    return CAIRN_OK;
}
