/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Items of files of checkpoints: see ckpt_item.h.
 *
 * Threads: pure. Failures: none; what is no item, or no row, is said to be none.
 */
#include "client/cli/ckpt_item.h"

#include "proto/mp.h"

enum { ITEM_ROW = 4 };

/* The next value, packed. */
static bool item_value(struct mp_reader *reader, struct bytes *out)
{
    const uint8_t *start = reader->at;
    if (mp_skip(reader, CKPT_ITEM_DEPTH) != 0)
        return false;
    *out = (struct bytes){start, (size_t)(reader->at - start)};
    return true;
}

bool ckpt_item_read(struct bytes packed, struct ckpt_item *out)
{
    struct mp_reader reader = mp_reader_of(packed);
    struct bytes key, value;
    struct mp mp;
    bool text;
    *out = (struct ckpt_item){.checkpoint = false};
    if (mp_read(&reader, &mp) != 0 || mp.kind != MP_MAP)
        return false;
    for (uint32_t i = 0; i < mp.count; i++) {
        if (mp_read_bytes(&reader, &key, &text) != 0 || !item_value(&reader, &value))
            return false;
        struct mp_reader inner = mp_reader_of(value);
        out->checkpoint = out->checkpoint || bytes_equal(key, bytes_of("id"));
        if (bytes_equal(key, bytes_of("session")) &&
            mp_read_bytes(&inner, &out->session, &text) != 0)
            return false;
        if (bytes_equal(key, bytes_of("blobs")))
            out->blobs = value;
    }
    return out->session.size > 0;
}

struct ckpt_item_rows ckpt_item_rows(const struct ckpt_item *item)
{
    struct mp_reader reader = mp_reader_of(item->blobs);
    struct mp mp;
    if (item->blobs.size == 0 || mp_read(&reader, &mp) != 0 || mp.kind != MP_ARRAY)
        return (struct ckpt_item_rows){.left = 0};
    return (struct ckpt_item_rows){
        .rest = {reader.at, (size_t)(reader.end - reader.at)}, .left = mp.count, .row = UINT32_MAX};
}

bool ckpt_item_next(struct ckpt_item_rows *rows)
{
    struct mp_reader reader = mp_reader_of(rows->rest);
    struct bytes row;
    struct mp mp;
    if (rows->left == 0 || !item_value(&reader, &row))
        return false;
    rows->rest = (struct bytes){reader.at, (size_t)(reader.end - reader.at)};
    rows->left--;
    rows->row++;
    rows->bytes = BYTES_NONE;
    struct mp_reader inner = mp_reader_of(row);
    if (mp_read(&inner, &mp) == 0 && mp.kind == MP_ARRAY && mp.count == ITEM_ROW)
        for (int i = 0; i < ITEM_ROW; i++)
            if (!item_value(&inner, &rows->bytes))
                return false;
    return true;
}

bool ckpt_item_is_bytes(struct bytes packed)
{
    struct mp_reader reader = mp_reader_of(packed);
    struct bytes bytes;
    bool text;
    return packed.size > 0 && mp_read_bytes(&reader, &bytes, &text) == 0;
}
