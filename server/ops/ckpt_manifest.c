/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading and writing manifests: see ckpt_manifest.h.
 *
 * Threads: pure. Failures: bytes that are no manifest; memory to write one.
 */
#include "server/ops/ckpt_manifest.h"

#include "common/err.h"

enum { NUMBER_BYTES = 5, TYPE_BITS = 2, HEAD_BYTES = 2 };

/* A number of up to 35 bits, which is more than any here may have; false if there is none. */
static bool manifest_read_number(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < NUMBER_BYTES && *at < end; i++) {
        uint8_t byte = *(*at)++;
        number |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *out = number;
            return true;
        }
    }
    return false;
}

/* The next `size` bytes as a view; false if there are fewer. */
static bool manifest_read_bytes(const uint8_t **at, const uint8_t *end, uint64_t size,
                                struct bytes *out)
{
    if ((uint64_t)(end - *at) < size)
        return false;
    *out = (struct bytes){*at, (size_t)size};
    *at += size;
    return true;
}

int ckpt_manifest_open(struct bytes content, struct ckpt_manifest *out_manifest)
{
    struct ckpt_manifest manifest = {0};
    if (content.size < HEAD_BYTES || content.data[0] != CKPT_MANIFEST_FORMAT)
        return ERR_DATA_DAMAGED;
    manifest.depth = content.data[1];
    manifest.at = content.data + HEAD_BYTES;
    manifest.end = content.data + content.size;
    if (manifest.depth > CKPT_DEPTH_MAX ||
        !manifest_read_number(&manifest.at, manifest.end, &manifest.size) ||
        manifest.size > CKPT_SIZE_MAX)
        return ERR_DATA_DAMAGED;
    if (manifest.depth > 0 &&
        !manifest_read_bytes(&manifest.at, manifest.end, CKPT_HASH_BYTES, &manifest.base))
        return ERR_DATA_DAMAGED;
    manifest.left = manifest.size;
    *out_manifest = manifest;
    return 0;
}

/* What stands behind the size of a part. */
static bool manifest_read_rest(struct ckpt_manifest *manifest, struct ckpt_part *part)
{
    switch (part->type) {
    case CKPT_PART_BYTES:
        return manifest_read_bytes(&manifest->at, manifest->end, part->size, &part->bytes);
    case CKPT_PART_PIECE:
        return manifest_read_bytes(&manifest->at, manifest->end, CKPT_HASH_BYTES, &part->bytes);
    case CKPT_PART_RANGE:
        return manifest->depth > 0 &&
               manifest_read_number(&manifest->at, manifest->end, &part->skip);
    }
    return false;
}

int ckpt_manifest_next(struct ckpt_manifest *manifest, struct ckpt_part *out_part)
{
    uint64_t head;
    if (manifest->at == manifest->end)
        return manifest->left == 0 ? 0 : ERR_DATA_DAMAGED;
    if (!manifest_read_number(&manifest->at, manifest->end, &head))
        return ERR_DATA_DAMAGED;
    struct ckpt_part part = {.type = (enum ckpt_part_type)(head & ((1 << TYPE_BITS) - 1)),
                             .size = head >> TYPE_BITS};
    if (part.size == 0 || part.size > manifest->left || !manifest_read_rest(manifest, &part))
        return ERR_DATA_DAMAGED;
    manifest->left -= part.size;
    *out_part = part;
    return 1;
}

static size_t manifest_write_number(uint8_t *out, uint64_t number)
{
    size_t n = 0;
    for (; number >= 0x80; number >>= 7)
        out[n++] = (uint8_t)(number | 0x80);
    out[n++] = (uint8_t)number;
    return n;
}

int ckpt_manifest_begin(struct buf *out, unsigned depth, uint64_t size, struct bytes base)
{
    uint8_t head[HEAD_BYTES + NUMBER_BYTES] = {CKPT_MANIFEST_FORMAT, (uint8_t)depth};
    size_t n = HEAD_BYTES;
    REQUIRE(size <= CKPT_SIZE_MAX && depth <= CKPT_DEPTH_MAX &&
            base.size == (depth > 0 ? CKPT_HASH_BYTES : 0));
    n += manifest_write_number(head + n, size);
    int err = buf_append(out, head, n);
    return err != 0 ? err : buf_append(out, base.data, base.size);
}

int ckpt_manifest_add(struct buf *out, const struct ckpt_part *part)
{
    uint8_t head[2 * NUMBER_BYTES];
    size_t n = manifest_write_number(head, part->size << TYPE_BITS | part->type);
    if (part->type == CKPT_PART_RANGE)
        n += manifest_write_number(head + n, part->skip);
    int err = buf_append(out, head, n);
    if (err != 0 || part->type == CKPT_PART_RANGE)
        return err;
    return buf_append(out, part->bytes.data, part->bytes.size);
}
