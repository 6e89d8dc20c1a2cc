/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ropes: see ckpt_rope.h.
 *
 *   manifests    first --> base --> ... --> full       found from the first to the last,
 *   ropes              <--      <-- ... <--            made from the last to the first: each from
 *                                                      its parts and the rope of its base
 *
 * A range of the base takes the slices it covers, the first and the last of them cut. Ranges go
 * forward, so the base is walked once a level: in all, time is in proportion to the bytes of the
 * chain and CKPT_DEPTH_MAX times the slices.
 *
 * Threads: the partition of the group is locked by space->txn.
 * Failures: no memory; records that are missing or malformed.
 */
#include "server/ops/ckpt_rope.h"

#include "common/err.h"
#include "common/mem.h"
#include "server/ops/ckpt_manifest.h"

struct rope_source {
    const struct ckpt_space *space;
    struct ckpt_hasher *hasher; /* or NULL */
};

/* A place in the rope of the base. */
struct rope_cursor {
    const struct ckpt_rope *rope;
    size_t slice, offset;
};

void ckpt_rope_deinit(struct ckpt_rope *rope)
{
    mem_free(rope->slices);
    *rope = (struct ckpt_rope){0};
}

/* Room for more slices. */
static int rope_reserve(struct ckpt_rope *rope, size_t more)
{
    if (rope->capacity - rope->count >= more)
        return 0;
    size_t capacity = (rope->count + more) * 2;
    struct bytes *slices = mem_realloc(rope->slices, capacity * sizeof *slices);
    if (slices == NULL)
        return ERR_OUT_OF_MEMORY;
    rope->slices = slices;
    rope->capacity = capacity;
    return 0;
}

static int rope_push(struct ckpt_rope *rope, struct bytes slice)
{
    int err = rope_reserve(rope, 1);
    if (err == 0)
        rope->slices[rope->count++] = slice;
    return err;
}

/* Step over `size` bytes, and add the slices to `to`, which has room for all that are left. False
 * if there are fewer bytes. */
static bool rope_step(struct rope_cursor *cursor, uint64_t size, struct bytes *to, size_t *count)
{
    const struct bytes *slice = cursor->rope->slices + cursor->slice;
    const struct bytes *end = cursor->rope->slices + cursor->rope->count;
    size_t offset = cursor->offset, n = *count;
    while (slice != end && slice->size - offset <= size) { /* to its end */
        to[n++] = (struct bytes){slice->data + offset, slice->size - offset};
        size -= slice->size - offset;
        offset = 0;
        slice++;
    }
    if (size > 0 && slice != end) {
        to[n++] = (struct bytes){slice->data + offset, (size_t)size};
        offset += (size_t)size;
        size = 0;
    }
    cursor->slice = (size_t)(slice - cursor->rope->slices);
    cursor->offset = offset;
    *count = n;
    return size == 0;
}

static int rope_push_range(struct ckpt_rope *rope, struct rope_cursor *base, uint64_t skip,
                           uint64_t size)
{
    size_t passed = rope->count; /* what is skipped is added, too, and then overwritten */
    if (base->rope->count == base->slice)
        return ERR_DATA_DAMAGED;
    int err = rope_reserve(rope, base->rope->count - base->slice + 1);
    if (err != 0)
        return err;
    if (!rope_step(base, skip, rope->slices, &passed) ||
        !rope_step(base, size, rope->slices, &rope->count))
        return ERR_DATA_DAMAGED;
    return 0;
}

/* The content of a piece or manifest, of the right hash if that is to be checked. */
static int rope_find(const struct rope_source *source, enum ckpt_piece_type type, struct bytes hash,
                     struct bytes *out_content)
{
    uint8_t actual[CKPT_HASH_BYTES];
    if (!ckpt_piece_find(source->space, type, hash, out_content))
        return ERR_DATA_DAMAGED;
    if (source->hasher == NULL)
        return 0;
    int err = ckpt_hasher_make(source->hasher, *out_content, actual);
    if (err == 0 && memcmp(actual, hash.data, sizeof actual) != 0)
        err = ERR_DATA_DAMAGED;
    return err;
}

static int rope_push_piece(const struct rope_source *source, const struct ckpt_part *part,
                           struct ckpt_rope *rope)
{
    struct bytes content;
    int err = rope_find(source, CKPT_PIECE, part->bytes, &content);
    if (err == 0 && content.size != part->size)
        err = ERR_DATA_DAMAGED;
    return err != 0 ? err : rope_push(rope, content);
}

/* Fill an empty rope from a manifest and the rope of its base. */
static int rope_make(const struct rope_source *source, struct ckpt_manifest manifest,
                     const struct ckpt_rope *base, struct ckpt_rope *rope)
{
    struct rope_cursor cursor = {.rope = base};
    struct ckpt_part part;
    int err = 0, more = 0;
    uint64_t bytes = (uint64_t)(manifest.end - manifest.at);
    rope->count = 0;
    while (err == 0 && (more = ckpt_manifest_next(&manifest, &part)) == 1) {
        bytes += part.type == CKPT_PART_PIECE ? part.size : 0;
        if (part.type == CKPT_PART_RANGE)
            err = rope_push_range(rope, &cursor, part.skip, part.size);
        else if (part.type == CKPT_PART_PIECE)
            err = rope_push_piece(source, &part, rope);
        else
            err = rope_push(rope, part.bytes);
    }
    rope->on_top_bytes = manifest.depth > 0 ? base->on_top_bytes + bytes : 0;
    return err != 0 ? err : more;
}

/* The manifests of a chain, from the first down. */
static int rope_find_chain(const struct rope_source *source, struct bytes hash,
                           struct ckpt_manifest chain[static CKPT_DEPTH_MAX + 1])
{
    struct bytes content;
    for (unsigned n = 0;; n++) {
        int err = rope_find(source, CKPT_MANIFEST, hash, &content);
        if (err == 0)
            err = ckpt_manifest_open(content, &chain[n]);
        if (err == 0 && n > 0 && chain[n].depth + 1 != chain[n - 1].depth)
            err = ERR_DATA_DAMAGED;
        if (err != 0)
            return err;
        if (chain[n].depth == 0)
            return 0;
        hash = chain[n].base;
    }
}

int ckpt_rope_load(const struct ckpt_space *space, struct bytes hash, struct ckpt_hasher *hasher,
                   struct ckpt_rope *rope)
{
    struct ckpt_manifest chain[CKPT_DEPTH_MAX + 1];
    struct rope_source source = {space, hasher};
    struct ckpt_rope base = {0};
    int err = rope_find_chain(&source, hash, chain);
    if (err != 0)
        return err;
    for (unsigned n = chain[0].depth + 1; n-- > 0 && err == 0;) {
        struct ckpt_rope swap = base;
        base = *rope;
        *rope = swap;
        err = rope_make(&source, chain[n], &base, rope);
    }
    ckpt_rope_deinit(&base);
    rope->size = chain[0].size;
    rope->depth = chain[0].depth;
    return err;
}

int ckpt_rope_read(const struct ckpt_rope *rope, struct buf *out)
{
    int err = buf_reserve(out, (size_t)rope->size);
    for (size_t i = 0; i < rope->count && err == 0; i++)
        err = buf_append(out, rope->slices[i].data, rope->slices[i].size);
    return err;
}
