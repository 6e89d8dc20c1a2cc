/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Recovery: see recover.h.
 *
 * Records of a run that was dropped are deleted at the end, as live they are after the drop,
 * without a word in the log: nobody could see them any more.
 *
 * Threads: one; the store is not shared yet.
 * Failures: bytes that are no effects are refused, whatever their checksum says; without memory the
 * store is of no use.
 */
#include "server/store/recover.h"

#include "common/err.h"
#include "server/store/clear.h"
#include "server/store/codec.h"

#include <stdio.h>

void recover_init(struct recovery *recovery, struct store *store)
{
    *recovery = (struct recovery){.store = store};
}

void recover_deinit(struct recovery *recovery)
{
    buf_deinit(&recovery->dropped);
}

static int recover_run(struct recovery *recovery, const struct effect *effect)
{
    struct run_table *runs = recovery->store->runs;
    struct bytes name = effect->spec.key.bytes;
    if (effect->type == EFFECT_PUT)
        return run_restore(runs, name, run_read_value(effect->spec.value));
    uint32_t number = run_forget(runs, name);
    return number == RUN_NOWHERE ? 0 : buf_append(&recovery->dropped, &number, sizeof number);
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

static int recover_record(struct recovery *recovery, struct effect *effect)
{
    struct store *store = recovery->store;
    int err = 0;
    effect->hash = store_hash(store, &effect->spec.key);
    struct partition *partition = &store->partitions[store_partition_index(store, effect->hash)];
    effect->old = partition_find(partition, effect->hash, &effect->spec.key);
    if (effect->old != NULL && record_version(effect->old) >= effect->version)
        return 0;
    if (effect->type == EFFECT_DEL)
        partition_apply(partition, effect);
    else
        err = recover_put(partition, effect);
    store_account(store, partition);
    return err;
}

static int recover_effect(struct recovery *recovery, struct effect *effect)
{
    const struct record_key *key = &effect->spec.key;
    bool is_run = key->run == RUN_NOWHERE && key->kind == KIND_run;
    if (key->bytes.size == 0 || (key->run == RUN_NOWHERE && !is_run))
        return ERR_DATA_DAMAGED;
    recovery->effects++;
    return is_run ? recover_run(recovery, effect) : recover_record(recovery, effect);
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

int recover_finish(struct recovery *recovery)
{
    uint32_t run;
    int err = 0;
    for (size_t at = 0; at < recovery->dropped.size && err == 0; at += sizeof run) {
        memcpy(&run, recovery->dropped.data + at, sizeof run);
        err = recover_purge(recovery->store, run);
    }
    return err;
}
