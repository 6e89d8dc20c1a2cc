/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pieces: see ckpt_piece.h.
 *
 * Invariant: a key is looked up right before anything is planned for it, from the same memory: a
 * transaction remembers what it met by where the key stands (txn_find).
 *
 * Threads: the partition of the group is locked by space->txn.
 * Failures: planning may run out of memory; giving the transaction up undoes everything.
 */
#include "server/ops/ckpt_piece.h"

#include "common/err.h"
#include "common/mem.h"

/* A key, its hash, and what the transaction has there. */
struct piece_place {
    struct record_key key;
    uint64_t hash;
    const struct record *record; /* or NULL */
    uint8_t bytes[CKPT_PIECE_KEY_MAX];
};

size_t ckpt_piece_key(struct bytes prefix, enum ckpt_piece_type type, struct bytes hash,
                      uint8_t out[static CKPT_PIECE_KEY_MAX])
{
    REQUIRE(prefix.size <= GROUP_PREFIX_MAX && hash.size == CKPT_HASH_BYTES);
    memcpy(out, prefix.data, prefix.size);
    out[prefix.size] = (uint8_t)type;
    memcpy(out + prefix.size + 1, hash.data, hash.size);
    return prefix.size + 1 + hash.size;
}

struct bytes ckpt_piece_content(const struct record *record)
{
    struct bytes value = record_value(record);
    if (value.size < RECORD_COUNT_BYTES)
        return BYTES_NONE;
    return (struct bytes){value.data + RECORD_COUNT_BYTES, value.size - RECORD_COUNT_BYTES};
}

static void piece_look_up(const struct ckpt_space *space, enum ckpt_piece_type type,
                          struct bytes hash, struct piece_place *place)
{
    size_t size = ckpt_piece_key(space->prefix, type, hash, place->bytes);
    place->key = (struct record_key){space->run, KIND_piece, {place->bytes, size}};
    place->hash = store_hash(space->store, &place->key);
    place->record = txn_find(space->txn, &place->key, place->hash);
}

bool ckpt_piece_find(const struct ckpt_space *space, enum ckpt_piece_type type, struct bytes hash,
                     struct bytes *out_content)
{
    struct piece_place place;
    piece_look_up(space, type, hash, &place);
    if (place.record == NULL)
        return false;
    *out_content = ckpt_piece_content(place.record);
    return true;
}

uint32_t ckpt_piece_count(const struct ckpt_space *space, enum ckpt_piece_type type,
                          struct bytes hash)
{
    struct piece_place place;
    piece_look_up(space, type, hash, &place);
    return place.record == NULL ? 0 : record_count(place.record);
}

static int piece_put(const struct ckpt_space *space, const struct piece_place *place,
                     struct bytes content)
{
    uint8_t *value = mem_alloc(RECORD_COUNT_BYTES + content.size);
    struct record_spec spec = {.key = place->key,
                               .value = {value, RECORD_COUNT_BYTES + content.size}};
    if (value == NULL)
        return ERR_OUT_OF_MEMORY;
    record_write_count(value, 1);
    memcpy(value + RECORD_COUNT_BYTES, content.data, content.size);
    int err = txn_put(space->txn, &spec, place->hash); /* copies the value */
    mem_free(value);
    return err;
}

int ckpt_piece_ref(const struct ckpt_space *space, enum ckpt_piece_type type, struct bytes hash)
{
    struct piece_place place;
    piece_look_up(space, type, hash, &place);
    return place.record == NULL ? ERR_DATA_DAMAGED : txn_count(space->txn, place.record, 1);
}

int ckpt_piece_add(const struct ckpt_space *space, enum ckpt_piece_type type, struct bytes hash,
                   struct bytes content, bool *out_new, uint64_t *bytes)
{
    struct piece_place place;
    piece_look_up(space, type, hash, &place);
    *out_new = place.record == NULL;
    if (place.record != NULL)
        return txn_count(space->txn, place.record, 1);
    *bytes += place.key.bytes.size + RECORD_COUNT_BYTES + content.size;
    return piece_put(space, &place, content);
}

int ckpt_piece_unref(const struct ckpt_space *space, enum ckpt_piece_type type, struct bytes hash,
                     uint64_t *bytes)
{
    struct piece_place place;
    piece_look_up(space, type, hash, &place);
    if (place.record == NULL)
        return 0;
    if (record_count(place.record) != 1)
        return txn_count(space->txn, place.record, -1);
    struct record_key key = place.key;
    *bytes += key.bytes.size + record_value(place.record).size;
    key.bytes = record_key_bytes(place.record);
    if (record_version(place.record) == 0) { /* planned: its memory goes at once */
        int err = txn_keep(space->txn, place.key.bytes, &key.bytes);
        if (err != 0)
            return err;
    }
    return txn_del(space->txn, &key, place.hash);
}
