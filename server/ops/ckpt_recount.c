/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Counts, after recovery, how many checkpoints name each blob: the counts in log and snapshots are
 * those of some moment.
 *
 * Threads: nobody else uses the store yet.
 * Failures: a checkpoint that cannot be read is DATA_DAMAGED when somebody asks for it; it names
 * nothing here.
 */
#include "common/err.h"
#include "common/log.h"
#include "server/ops/ckpt.h"

/* The blobs that a checkpoint names. */
static void recount_named(struct store *store, const struct partition *partition,
                          const struct record *record)
{
    struct op_ctx ctx = {.store = store};
    struct ckpt_session s = {.ctx = &ctx, .key = {.run = record_run(record)}};
    uint8_t version[CKPT_VERSION_MAX];
    struct bytes key = record_key_bytes(record), ns, id, channel;
    struct ckpt_value value;
    uint32_t count;
    size_t size;
    struct mp mp;
    if (!ckpt_key_parts(key, &ns, &id) || ckpt_decode(record_value(record), &value) != 0)
        return;
    struct record_key owner = {s.key.run, KIND_session, group_name(key)};
    s.hash = store_hash(store, &owner);
    s.prefix_size = group_prefix_size(key);
    memcpy(s.prefix, key.data, s.prefix_size);
    struct mp_reader reader = ckpt_array(value.versions, &count);
    while (count-- > 0 && mp_read(&reader, &mp) == 0 &&
           ckpt_read_version(&reader, &channel, version, &size)) {
        struct ckpt_key blob;
        ckpt_blob_key(&s, ns, channel, (struct bytes){version, size}, &blob);
        struct record *named = partition_find(partition, blob.hash, &blob.key);
        if (named != NULL)
            record_set_count(named, record_count(named) + 1);
    }
}

/* What refers to pieces. */
static struct bytes recount_manifest(const struct record *record)
{
    struct ckpt_value value;
    if (record_kind_of(record) == KIND_blob)
        return ckpt_blob_manifest(record_value(record));
    if (ckpt_decode(record_value(record), &value) != 0)
        return BYTES_NONE;
    return value.manifest;
}

void ckpt_recount(struct store *store)
{
    struct ckpt_recounted counts;
    ckpt_state_recount(store, recount_manifest, &counts); /* clears counts of blobs, too */
    for (unsigned i = 0; i < store->n_partitions; i++) {
        const struct partition *partition = &store->partitions[i];
        const struct record *record;
        struct omap_iter iter;
        omap_seek(&partition->indexes[INDEX_ckpt_of_run], NULL, &iter);
        while ((record = omap_next(&iter)) != NULL)
            recount_named(store, partition, record);
    }
    if (counts.missing > 0)
        log_warn("ckpt", "%llu parts of states are missing; ckpt.validate tells whose",
                 (unsigned long long)counts.missing);
}
