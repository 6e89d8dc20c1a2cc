/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Counting the references to manifests and pieces anew, after recovery: see ckpt_state.h.
 *
 * Each partition is walked in order, twice, from one of the three kinds to the next: first all
 * counts become 0, then every record that refers to others adds to theirs. What it refers to is of
 * the same group, hence in the same partition.
 *
 * Threads: one, before there are others. Failures: none; records that are malformed refer to
 * nothing.
 */
#include "server/ops/ckpt_manifest.h"
#include "server/ops/ckpt_state.h"
#include "server/store/group.h"

struct recount {
    struct store *store;
    struct partition *partition;
    ckpt_manifest_of_fn manifest_of;
    struct ckpt_recounted counts;
};

typedef void (*recount_visit_fn)(struct recount *recount, struct record *record);

static struct record_key recount_key(const struct record *record)
{
    return (struct record_key){record_run(record), record_kind_of(record),
                               record_key_bytes(record)};
}

/* Visit all records of the three kinds, in order; others are skipped by kind. */
static void recount_walk(struct recount *recount, recount_visit_fn visit)
{
    static const uint8_t kinds[] = {KIND_ckpt, KIND_blob, KIND_piece};
    struct omap_iter iter;
    struct record *record;
    unsigned next = 0; /* of the kinds, in run `at.run` */
    struct record_key at = {0, kinds[0], BYTES_NONE};
    omap_seek(&recount->partition->order, &at, &iter);
    while ((record = omap_next(&iter)) != NULL) {
        uint8_t kind = record_kind_of(record);
        if (record_run(record) != at.run)
            next = 0;
        at.run = record_run(record);
        while (next < LENGTH_OF(kinds) && kinds[next] < kind)
            next++;
        if (next < LENGTH_OF(kinds) && kinds[next] == kind) {
            visit(recount, record);
            continue;
        }
        if (next == LENGTH_OF(kinds) && at.run == UINT32_MAX)
            return;
        at = next < LENGTH_OF(kinds) ? (struct record_key){at.run, kinds[next], BYTES_NONE}
                                     : (struct record_key){at.run + 1, kinds[0], BYTES_NONE};
        next = next < LENGTH_OF(kinds) ? next : 0;
        omap_seek(&recount->partition->order, &at, &iter);
    }
}

/* One more reference to a piece of the group that a record with this key is of. */
static void recount_refer(struct recount *recount, const struct record_key *from,
                          enum ckpt_piece_type type, struct bytes hash)
{
    uint8_t bytes[CKPT_PIECE_KEY_MAX];
    struct bytes prefix = {from->bytes.data, group_prefix_size(from->bytes)};
    struct record_key key = {
        from->run, KIND_piece, {bytes, ckpt_piece_key(prefix, type, hash, bytes)}};
    struct record *record =
        partition_find(recount->partition, store_hash(recount->store, &key), &key);
    if (record == NULL)
        recount->counts.missing++;
    else if (record_count(record) < UINT32_MAX)
        record_set_count(record, record_count(record) + 1);
}

static void recount_manifest(struct recount *recount, const struct record_key *from,
                             const struct record *record)
{
    struct ckpt_manifest manifest;
    struct ckpt_part part;
    if (ckpt_manifest_open(ckpt_piece_content(record), &manifest) != 0)
        return;
    if (manifest.depth > 0)
        recount_refer(recount, from, CKPT_MANIFEST, manifest.base);
    while (ckpt_manifest_next(&manifest, &part) == 1)
        if (part.type == CKPT_PART_PIECE)
            recount_refer(recount, from, CKPT_PIECE, part.bytes);
}

/* ---- what is done to each record ---- */

static void recount_clear(struct recount *recount, struct record *record)
{
    (void)recount;
    if (record_kind_of(record) != KIND_ckpt && record_count(record) != 0)
        record_set_count(record, 0);
}

static void recount_add(struct recount *recount, struct record *record)
{
    struct record_key key = recount_key(record);
    struct group group;
    struct bytes rest, hash;
    if (!group_read(&key, &group, &rest))
        return;
    if (key.kind == KIND_piece) {
        if (rest.size == 1 + CKPT_HASH_BYTES && rest.data[0] == CKPT_MANIFEST)
            recount_manifest(recount, &key, record);
        return;
    }
    hash = recount->manifest_of(record);
    if (hash.size == CKPT_HASH_BYTES)
        recount_refer(recount, &key, CKPT_MANIFEST, hash);
}

static void recount_report(struct recount *recount, struct record *record)
{
    struct record_key key = recount_key(record);
    struct group group;
    struct bytes rest;
    if (key.kind != KIND_piece || !group_read(&key, &group, &rest))
        return;
    if (rest.size > 0 && rest.data[0] == CKPT_MANIFEST)
        recount->counts.manifests++;
    else
        recount->counts.pieces++;
    recount->counts.bytes += key.bytes.size + record_value(record).size;
    recount->counts.unused += record_count(record) == 0;
}

void ckpt_state_recount(struct store *store, ckpt_manifest_of_fn manifest_of,
                        struct ckpt_recounted *out_counts)
{
    struct recount recount = {.store = store, .manifest_of = manifest_of};
    for (unsigned i = 0; i < store->n_partitions; i++) {
        recount.partition = &store->partitions[i];
        partition_lock(recount.partition);
        recount_walk(&recount, recount_clear);
        recount_walk(&recount, recount_add);
        recount_walk(&recount, recount_report);
        partition_unlock(recount.partition);
    }
    *out_counts = recount.counts;
}
