/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Recovery: see recover.h.
 *
 * Records of a run that was dropped are deleted at the end, as live they are after the drop,
 * without a word in the log: nobody could see them any more. They are those whose run has no name:
 * numbers of runs are never used again, which a snapshot sees to (server/store/save.c).
 *
 * Threads: one, but for records of a snapshot: several, which lock the partition of each. Nobody
 * else uses the store yet.
 * Failures: bytes that are no effects are refused, whatever their checksum says; without memory the
 * store is of no use.
 */
#include "server/store/recover.h"

#include "common/err.h"
#include "common/mutant.h"
#include "server/store/clear.h"
#include "server/store/codec.h"

#include <stdio.h>

void recover_init(struct recovery *recovery, struct store *store)
{
    *recovery = (struct recovery){.store = store};
}

static int recover_run(struct recovery *recovery, const struct effect *effect)
{
    struct run_table *runs = recovery->store->runs;
    struct bytes name = effect->spec.key.bytes;
    if (effect->type == EFFECT_PUT)
        return run_restore(runs, name, run_read_value(effect->spec.value));
    run_forget(runs, name);
    return 0;
}

static int recover_put(struct partition *partition, struct effect *effect)
{
    effect->record = record_create(&effect->spec);
    if (effect->record == NULL)
        return ERR_OUT_OF_MEMORY;
    effect->spec.key.bytes = record_key_bytes(effect->record);
    int err = effect->old == NULL ? partition_plan_insert(partition) : 0;
    if (err != 0)
        record_destroy(effect->record);
    else
        partition_apply(partition, effect);
    partition->planned = 0;
    return err;
}

static int recover_locked(struct store *store, struct partition *partition, struct effect *effect)
{
    int err = 0;
    effect->old = partition_find(partition, effect->hash, &effect->spec.key);
    if (effect->old != NULL && record_version(effect->old) >= effect->version)
        return 0;
    if (MUTANT(recovery_skips_deletes) && effect->type == EFFECT_DEL &&
        partition == store->partitions)
        return 0;
    if (effect->type == EFFECT_DEL)
        partition_apply(partition, effect);
    else
        err = recover_put(partition, effect);
    store_account(store, partition);
    return err;
}

static int recover_record(struct recovery *recovery, struct effect *effect)
{
    struct store *store = recovery->store;
    effect->hash = store_hash(store, &effect->spec.key);
    struct partition *partition = &store->partitions[store_partition_index(store, effect->hash)];
    partition_lock(partition);
    int err = recover_locked(store, partition, effect);
    partition_unlock(partition);
    return err;
}

static bool recover_is_run(const struct record_key *key)
{
    return key->run == RUN_NOWHERE && key->kind == KIND_run;
}

static int recover_effect(struct recovery *recovery, struct effect *effect)
{
    const struct record_key *key = &effect->spec.key;
    if (key->bytes.size == 0 || (key->run == RUN_NOWHERE && !recover_is_run(key)))
        return ERR_DATA_DAMAGED;
    recovery->effects++;
    return recover_is_run(key) ? recover_run(recovery, effect) : recover_record(recovery, effect);
}

int recover_entry(void *context, const struct entry *entry)
{
    struct recovery *recovery = context;
    struct codec_reader reader;
    struct effect effect;
    bool more = true;
    int err = codec_open(&reader, entry->type, entry->body);
    while (err == 0 && (err = codec_next(&reader, &effect, &more)) == 0 && more) {
        effect.version = entry->lsn;
        err = recover_effect(recovery, &effect);
    }
    if (err == ERR_DATA_DAMAGED)
        (void)snprintf(recovery->problem, sizeof recovery->problem,
                       "the entry with LSN %llu is whole, but says what no build has written",
                       (unsigned long long)entry->lsn);
    if (err != 0)
        return err;
    recovery->entries++;
    atomic_store(&recovery->store->version, entry->lsn);
    return 0;
}

/* ---- snapshots ---- */

/* Besides names with their numbers: no name, for the last number that was given away, and a name
 * with no number, for one that is not there. */
static int recover_told_run(struct recovery *recovery, const struct record_spec *spec)
{
    struct run_table *runs = recovery->store->runs;
    struct bytes name = spec->key.bytes;
    uint32_t number = run_read_value(spec->value);
    if (!recover_is_run(&spec->key))
        return ERR_DATA_DAMAGED;
    if (name.size == 0) {
        run_skip_numbers(runs, number);
        return 0;
    }
    if (number != RUN_NOWHERE)
        return run_restore(runs, name, number);
    run_forget(runs, name);
    return 0;
}

static int recover_told_record(struct recovery *recovery, const struct record_spec *spec,
                               uint64_t version)
{
    struct effect effect = {.type = EFFECT_PUT, .spec = *spec, .version = version};
    if (spec->key.run == RUN_NOWHERE || spec->key.bytes.size == 0)
        return ERR_DATA_DAMAGED;
    return recover_record(recovery, &effect);
}

static int recover_records(struct recovery *recovery, bool runs, struct bytes data)
{
    const uint8_t *at = data.data, *end = data.data + data.size;
    struct record_spec spec;
    uint64_t version, n = 0;
    int err = 0;
    for (; at < end && err == 0; n++) {
        err = codec_read_record(&at, end, &spec, &version);
        if (err == 0)
            err = runs ? recover_told_run(recovery, &spec)
                       : recover_told_record(recovery, &spec, version);
    }
    atomic_fetch_add(&recovery->records, runs ? 0 : n);
    return err;
}

static int recover_effects(struct recovery *recovery, struct bytes data)
{
    const uint8_t *at = data.data, *end = data.data + data.size;
    int err = 0;
    while (at < end && err == 0) {
        struct entry entry;
        err = codec_read_entry(&at, end, &entry);
        if (err == 0)
            err = recover_entry(recovery, &entry);
    }
    return err;
}

int recover_chunk(void *context, unsigned thread, enum snapshot_section section, struct bytes data)
{
    (void)thread;
    switch (section) {
    case SNAPSHOT_RUNS:
        return recover_records(context, true, data);
    case SNAPSHOT_RECORDS:
        return recover_records(context, false, data);
    case SNAPSHOT_EFFECTS:
        return recover_effects(context, data);
    }
    return ERR_DATA_DAMAGED;
}

/* ---- the end ---- */

static int recover_purge(struct store *store, uint32_t run)
{
    struct clear clear = {.run = run, .version = UINT64_MAX, .silent = true};
    bool done = false;
    int err = 0;
    while (err == 0 && !done)
        err = clear_step(&clear, store, 0, &done);
    clear_deinit(&clear);
    return err;
}

/* The lowest number from `from` on that records of a partition have; RUN_NOWHERE: none. */
static uint32_t recover_next_run(const struct partition *partition, uint32_t from)
{
    struct record_key key = {.run = from};
    struct omap_iter iter;
    omap_seek(&partition->order, &key, &iter);
    const struct record *record = omap_next(&iter);
    return record == NULL ? RUN_NOWHERE : record_run(record);
}

int recover_finish(struct recovery *recovery)
{
    struct store *store = recovery->store;
    struct buf numbers;
    int err = run_numbers(store->runs, &numbers);
    for (unsigned i = 0; i < store->n_partitions && err == 0; i++) {
        uint32_t run = RUN_NOWHERE;
        while (err == 0 && run < UINT32_MAX &&
               (run = recover_next_run(&store->partitions[i], run + 1)) != RUN_NOWHERE)
            if (!run_among(&numbers, run))
                err = recover_purge(store, run);
    }
    buf_deinit(&numbers);
    return err;
}
