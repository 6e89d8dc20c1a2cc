/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing files of checkpoints: see ckpt_writer.h.
 *
 * How: a table says of each blob that was written, by its SHA-256, where; the next one with the
 * same bytes becomes a reference to that place. The table does not grow: where all places that a
 * hash may have are taken, the oldest of them is forgotten, and its blob written once more.
 *
 * Invariants: references are to earlier items, and to a blob that stands there whole.
 * Threads: pure but for the FILE. Failures: no memory; what cannot be packed.
 */
#include "client/cli/ckpt_writer.h"

#include "client/cli/ckpt_file.h"
#include "client/cli/ckpt_item.h"
#include "client/cli/json.h"
#include "common/err.h"
#include "common/mem.h"
#include "proto/pack.h"

#include <openssl/evp.h>

enum {
    WRITER_PLACES = 1 << 16,
    WRITER_WAYS = 8,        /* places that one hash may have */
    WRITER_BLOB_BYTES = 64, /* a smaller one is written whole */
};

struct ckpt_place {
    uint8_t hash[CKPT_FILE_HASH];
    uint64_t item; /* from 1; 0: the place is free */
    uint32_t row;
};

static int writer_put(struct ckpt_writer *writer, const void *data, size_t size)
{
    fwrite(data, 1, size, writer->out);
    return EVP_DigestUpdate(writer->digest, data, size) == 1 ? 0 : ERR_OUT_OF_MEMORY;
}

int ckpt_writer_begin(struct ckpt_writer *writer, FILE *out, bool json)
{
    struct bytes head = ckpt_file_head(json);
    *writer = (struct ckpt_writer){.out = out, .json = json, .digest = ckpt_file_digest()};
    if (writer->digest == NULL)
        return ERR_OUT_OF_MEMORY;
    return writer_put(writer, head.data, head.size);
}

/* A value as it stands in the file, in writer->line if it had to be made. */
static int writer_form(struct ckpt_writer *writer, struct bytes packed, struct bytes *out)
{
    *out = packed;
    if (!writer->json)
        return 0;
    writer->line.size = 0;
    int err = json_out_exact(packed, &writer->line);
    if (err == 0)
        err = buf_append(&writer->line, "\n", 1);
    *out = buf_bytes(&writer->line);
    return err;
}

/* ---- blobs ---- */

/* The place of this hash; or the one it is to have, which may be of another one. */
static struct ckpt_place *writer_place(struct ckpt_writer *writer, const uint8_t *hash)
{
    uint32_t at;
    memcpy(&at, hash, sizeof at);
    struct ckpt_place *oldest = NULL;
    for (uint32_t i = 0; i < WRITER_WAYS; i++) {
        struct ckpt_place *place = &writer->places[(at + i) % WRITER_PLACES];
        if (place->item > 0 && memcmp(place->hash, hash, CKPT_FILE_HASH) == 0)
            return place;
        if (oldest == NULL || place->item < oldest->item)
            oldest = place;
    }
    return oldest;
}

static int writer_refer(const struct ckpt_place *place, struct buf *out)
{
    int err = pack_array(out, 2);
    if (err == 0)
        err = pack_uint(out, place->item);
    return err != 0 ? err : pack_uint(out, place->row);
}

/* Add the bytes of a blob to the item that is being made, or where they are. */
static int writer_blob(struct ckpt_writer *writer, const struct ckpt_item_rows *rows)
{
    struct buf *out = &writer->item;
    struct bytes bytes = rows->bytes;
    uint8_t hash[CKPT_FILE_HASH];
    if (bytes.size < WRITER_BLOB_BYTES)
        return buf_append(out, bytes.data, bytes.size);
    if (writer->places == NULL)
        writer->places = mem_calloc(WRITER_PLACES, sizeof *writer->places);
    if (writer->places == NULL ||
        EVP_Digest(bytes.data, bytes.size, hash, NULL, EVP_sha256(), NULL) != 1)
        return ERR_OUT_OF_MEMORY;
    struct ckpt_place *place = writer_place(writer, hash);
    bool same = place->item > 0 && memcmp(place->hash, hash, sizeof hash) == 0;
    if (same && place->item < writer->count)
        return writer_refer(place, out);
    *place = (struct ckpt_place){.item = writer->count, .row = rows->row};
    memcpy(place->hash, hash, sizeof hash);
    return buf_append(out, bytes.data, bytes.size);
}

/* The item with references in place of blobs that were written. */
static int writer_fold(struct ckpt_writer *writer, struct bytes *packed)
{
    struct ckpt_item item;
    const uint8_t *done = packed->data, *end = packed->data + packed->size;
    int err = 0;
    if (!ckpt_item_read(*packed, &item))
        return 0;
    struct ckpt_item_rows rows = ckpt_item_rows(&item);
    writer->item.size = 0;
    while (err == 0 && ckpt_item_next(&rows)) {
        if (!ckpt_item_is_bytes(rows.bytes))
            continue;
        err = buf_append(&writer->item, done, (size_t)(rows.bytes.data - done));
        if (err == 0)
            err = writer_blob(writer, &rows);
        done = rows.bytes.data + rows.bytes.size;
    }
    if (err == 0)
        err = buf_append(&writer->item, done, (size_t)(end - done));
    *packed = buf_bytes(&writer->item);
    return err;
}

/* ---- items ---- */

int ckpt_writer_add(struct ckpt_writer *writer, struct bytes packed)
{
    struct bytes form;
    writer->count++;
    int err = writer_fold(writer, &packed);
    if (err == 0)
        err = writer_form(writer, packed, &form);
    return err != 0 ? err : writer_put(writer, form.data, form.size);
}

static int writer_pack_end(const struct ckpt_writer *writer, const char *hex, struct buf *out)
{
    int err = pack_map(out, 2);
    (void)(err == 0 && (err = pack_str(out, bytes_of("sha256"))) == 0 &&
           (err = pack_str(out, bytes_of(hex))) == 0 &&
           (err = pack_str(out, bytes_of("count"))) == 0 &&
           (err = pack_uint(out, writer->count)) == 0);
    return err;
}

int ckpt_writer_end(struct ckpt_writer *writer)
{
    char hex[CKPT_FILE_HEX + 1];
    struct buf packed;
    struct bytes form;
    buf_init(&packed);
    int err = ckpt_file_digest_end(writer->digest, hex);
    if (err == 0)
        err = writer_pack_end(writer, hex, &packed);
    if (err == 0)
        err = writer_form(writer, buf_bytes(&packed), &form);
    if (err == 0)
        fwrite(form.data, 1, form.size, writer->out);
    buf_deinit(&packed);
    return err;
}

void ckpt_writer_deinit(struct ckpt_writer *writer)
{
    EVP_MD_CTX_free(writer->digest);
    mem_free(writer->places);
    buf_deinit(&writer->line);
    buf_deinit(&writer->item);
}
