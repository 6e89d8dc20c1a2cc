/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Clearing in slices: partition by partition, in key order, as ordinary delete effects.
 *
 *   partition 0   [ deleted ... at ][ to come ... ]
 *   partition 1   [ to come ... ]
 *
 * A slice looks at no more than 4 * CLEAR_SLICE records, so that records too new to go do not make
 * it long.
 *
 * Threads: one clear belongs to one thread at a time; the partition is locked during a slice.
 * Failures: without memory a slice does nothing and may be tried again.
 */
#include "server/store/clear.h"

#include "common/err.h"
#include "server/store/group.h"

enum { CLEAR_LOOK = 4 * CLEAR_SLICE };

int clear_init(struct clear *clear, struct store *store, const struct run *run,
               enum record_kind kind, struct bytes prefix)
{
    *clear = (struct clear){.run = run_id(run), .kind = (uint8_t)kind};
    clear->version = atomic_load(&store->version);
    return buf_append(&clear->prefix, prefix.data, prefix.size);
}

void clear_again(struct clear *clear, enum record_kind kind)
{
    clear->kind = (uint8_t)kind;
    clear->partition = 0;
    clear->begun = false;
}

void clear_deinit(struct clear *clear)
{
    buf_deinit(&clear->prefix);
    buf_deinit(&clear->at);
}

static bool clear_in_range(const struct clear *clear, const struct record *record)
{
    if (record == NULL || record_run(record) != clear->run)
        return false;
    return clear->kind == KIND_NONE ||
           (record_kind_of(record) == clear->kind &&
            bytes_start_with(record_key_bytes(record), buf_bytes(&clear->prefix)));
}

/* Where the slice begins: behind `at`, or at the start of the range. */
static void clear_seek(const struct clear *clear, const struct partition *partition,
                       struct omap_iter *out_iter)
{
    struct record_key start = {clear->run, clear->kind, buf_bytes(&clear->prefix)};
    struct omap_iter peek;
    if (clear->begun)
        start = (struct record_key){clear->run, clear->at_kind, buf_bytes(&clear->at)};
    omap_seek(&partition->order, &start, out_iter);
    peek = *out_iter;
    const struct record *first = omap_next(&peek);
    if (clear->begun && first != NULL && record_compare(&start, first) == 0)
        *out_iter = peek;
}

static int clear_remember(struct clear *clear, const struct record *record)
{
    struct bytes key = record_key_bytes(record);
    int err = buf_reserve(&clear->at, key.size); /* on failure the slice begins where it did */
    if (err != 0)
        return err;
    clear->at.size = 0;
    clear->at_kind = record_kind_of(record);
    clear->begun = true;
    return buf_append(&clear->at, key.data, key.size);
}

/* Records that this one owns are not in the range: they go when the transaction has. */
static int clear_orphan(struct txn *txn, const struct record *record, uint64_t hash)
{
    struct group group = {record_run(record), record_kind_of(record), record_key_bytes(record),
                          group_generation(record_value(record))};
    return txn_orphan(txn, &group, hash);
}

/* Plan the deletes of one slice. *out_end: the partition has no more. */
static int clear_plan(struct clear *clear, struct txn *txn, size_t *out_deleted, bool *out_end)
{
    struct partition *partition = &txn->store->partitions[clear->partition];
    const struct record *record = NULL, *last = NULL;
    struct omap_iter iter;
    bool owners = clear->kind != KIND_NONE && group_owns(clear->kind);
    size_t deleted = 0, most = owners ? 1 : CLEAR_SLICE;
    int err = 0;
    clear_seek(clear, partition, &iter);
    for (int looked = 0; looked < CLEAR_LOOK && deleted < most && err == 0; looked++) {
        record = omap_next(&iter);
        if (!clear_in_range(clear, record)) {
            *out_end = true;
            break;
        }
        last = record;
        if (record_version(record) > clear->version)
            continue;
        struct record_key key = {record_run(record), record_kind_of(record),
                                 record_key_bytes(record)};
        uint64_t hash = store_hash(txn->store, &key);
        err = txn_del(txn, &key, hash);
        if (err == 0 && owners)
            err = clear_orphan(txn, record, hash);
        deleted++;
    }
    if (err == 0 && last != NULL)
        err = clear_remember(clear, last);
    *out_deleted = deleted;
    return err;
}

int clear_step(struct clear *clear, struct store *store, int64_t now_ms, bool *out_done)
{
    struct txn_set set = {0};
    struct txn txn;
    size_t deleted = 0;
    bool end = false;
    if (clear->partition == store->n_partitions) {
        *out_done = true;
        return 0;
    }
    set.bits[clear->partition / 64] |= (uint64_t)1 << (clear->partition % 64);
    txn_init(&txn, store, now_ms);
    txn.silent = clear->silent;
    int err = txn_lock_set(&txn, NULL, &set, 0);
    if (err == 0)
        err = clear_plan(clear, &txn, &deleted, &end);
    if (err == 0)
        (void)txn_commit(&txn);
    txn_deinit(&txn);
    if (err != 0)
        return err;
    clear->deleted += deleted;
    if (end) {
        clear->partition++;
        clear->begun = false;
    }
    *out_done = clear->partition == store->n_partitions;
    return 0;
}
