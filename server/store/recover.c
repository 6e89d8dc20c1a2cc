/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Recovery: see recover.h.
 *
 * Records of a run that was dropped are deleted at the end, as live they are after the drop,
 * without a word in the log: nobody could see them any more. They are those whose run has no name:
 * numbers of runs are never used again, which a snapshot sees to (server/store/save.c). Neither are
 * sequence numbers and generations: whatever record has one shows that it was given away.
 *
 * Effects of the log are handed to lanes; those of the table of runs are applied here, at once:
 * nothing compares them with records before the end. Records of a snapshot come in no order, each
 * once, and are applied by those who read them.
 *
 * Threads: one, but for records of a snapshot: several, which lock the partition of each. Nobody
 * else uses the store yet.
 * Failures: bytes that are no effects are refused, whatever their checksum says; without memory the
 * store is of no use.
 */
#include "server/store/recover.h"

#include "common/err.h"
#include "common/mem.h"
#include "common/thread.h"
#include "server/store/clear.h"
#include "server/store/codec.h"
#include "server/store/group.h"
#include "server/store/order.h"
#include "server/store/recover_lanes.h"
#include "server/store/vindex_file.h"
#include "server/wal/little.h"

#include <stdio.h>

enum { RECOVER_AT_ONCE = 64 }; /* records of a snapshot under one lock */

int recover_begin(struct recovery *recovery, struct store *store, unsigned n_threads)
{
    *recovery = (struct recovery){.store = store, .n_threads = n_threads};
    for (unsigned i = 0; i < store->n_partitions; i++)
        store->partitions[i].unordered = true;
    return recover_lanes_create(store, n_threads, &recovery->lanes);
}

void recover_expect(struct recovery *recovery, uint64_t records)
{
    const struct store *store = recovery->store;
    uint64_t each = records / store->n_partitions + records / store->n_partitions / 16;
    for (unsigned i = 0; i < store->n_partitions; i++)
        if (hmap_reserve(&store->partitions[i].table, each) != 0)
            return; /* those who insert will see */
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

static bool recover_is_run(const struct record_key *key)
{
    return key->run == RUN_NOWHERE && key->kind == KIND_run;
}

/* The highest of the numbers that it shows were given away. */
static uint64_t recover_number(const struct record_spec *spec)
{
    const struct record_kind_row *kind = &record_kinds[spec->key.kind];
    uint64_t number = kind->flags & RECORD_NUMBERED ? record_number_of(spec->value) : 0;
    uint64_t generation = 0;
    struct group group;
    struct bytes rest;
    if (group_owns(spec->key.kind))
        generation = group_generation(spec->value);
    else if (group_read(&spec->key, &group, &rest))
        generation = group.generation;
    return number > generation ? number : generation;
}

/* What indexes read is read as it stands. */
static bool recover_takes_value(const struct record_spec *spec)
{
    struct vec_collection collection;
    struct vec_vector vector;
    if (spec->key.kind == KIND_collection)
        return vec_read_collection(spec->value, &collection);
    return spec->key.kind != KIND_vector || vec_check_vector(spec->value, &vector);
}

/* A number may be in the key alone: that of an effect that deletes has no value. */
static bool recover_takes_key(const struct record_spec *spec)
{
    const struct record_key *key = &spec->key;
    const struct record_kind_row *kind = &record_kinds[key->kind];
    struct group group;
    struct bytes rest;
    if (key->run == RUN_NOWHERE || key->bytes.size == 0 || kind->name == NULL ||
        kind->flags & RECORD_LOGGED_ONLY)
        return false;
    if (group_owns(key->kind) && key->bytes.size > GROUP_NAME_MAX)
        return false;
    if (kind->owner != KIND_none && !group_read(key, &group, &rest))
        return false;
    if (key->kind == KIND_vector && (rest.size == 0 || rest.size > VEC_KEY_MAX))
        return false;
    return recover_number(spec) <= STORE_NUMBER_MAX;
}

bool recover_takes_record(const struct record_spec *spec)
{
    return recover_takes_key(spec) && recover_takes_value(spec);
}

bool recover_takes_effect(const struct effect *effect)
{
    const struct record_key *key = &effect->spec.key;
    if (recover_is_run(key))
        return key->bytes.size > 0;
    return recover_takes_key(&effect->spec) &&
           (effect->type == EFFECT_DEL || recover_takes_value(&effect->spec));
}

static bool recover_is_counter(const struct record_spec *spec)
{
    return spec->key.run == RUN_NOWHERE && spec->key.kind == KIND_counter;
}

bool recover_takes_told(const struct record_spec *spec)
{
    if (!recover_is_counter(spec))
        return recover_is_run(&spec->key);
    return bytes_equal(spec->key.bytes, bytes_of(STORE_NUMBER)) &&
           spec->value.size == sizeof(uint64_t) &&
           little_read_u64(spec->value.data) <= STORE_NUMBER_MAX;
}

static int recover_effect(struct recovery *recovery, struct effect *effect)
{
    if (!recover_takes_effect(effect))
        return ERR_DATA_DAMAGED;
    recovery->effects++;
    if (recover_is_run(&effect->spec.key))
        return recover_run(recovery, effect);
    store_raise_number(recovery->store, recover_number(&effect->spec));
    effect->hash = store_hash(recovery->store, &effect->spec.key);
    return recover_lanes_put(recovery->lanes, effect);
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

/* Besides the counter of sequence numbers, and names with their numbers: no name, for the last
 * number that was given away, and a name with no number, for one that is not there. */
static int recover_told_run(struct recovery *recovery, const struct record_spec *spec)
{
    struct run_table *runs = recovery->store->runs;
    struct bytes name = spec->key.bytes;
    uint32_t number = run_read_value(spec->value);
    if (!recover_takes_told(spec))
        return ERR_DATA_DAMAGED;
    if (recover_is_counter(spec)) {
        store_raise_number(recovery->store, little_read_u64(spec->value.data));
        return 0;
    }
    if (name.size == 0) {
        run_skip_numbers(runs, number);
        return 0;
    }
    if (number != RUN_NOWHERE)
        return run_restore(runs, name, number);
    run_forget(runs, name);
    return 0;
}

static int recover_told_runs(struct recovery *recovery, struct bytes data)
{
    const uint8_t *at = data.data, *end = data.data + data.size;
    struct record_spec spec;
    uint64_t version;
    int err = 0;
    while (at < end && err == 0) {
        err = codec_read_record(&at, end, &spec, &version);
        if (err == 0)
            err = recover_told_run(recovery, &spec);
    }
    return err;
}

/* The next record as an effect, made already: others wait for the lock under which it is applied.
 */
static int recover_read_record(struct store *store, const uint8_t **at, const uint8_t *end,
                               struct effect *out_effect)
{
    *out_effect = (struct effect){.type = EFFECT_PUT};
    struct record_spec *spec = &out_effect->spec;
    int err = codec_read_record(at, end, spec, &out_effect->version);
    if (err == 0 && !recover_takes_record(spec))
        err = ERR_DATA_DAMAGED;
    if (err != 0)
        return err;
    store_raise_number(store, recover_number(spec));
    out_effect->hash = store_hash(store, &spec->key);
    out_effect->record = record_create(spec);
    return out_effect->record == NULL ? ERR_OUT_OF_MEMORY : 0;
}

static int recover_records(struct recovery *recovery, struct bytes data)
{
    const uint8_t *at = data.data, *end = data.data + data.size;
    struct effect effects[RECOVER_AT_ONCE];
    uint64_t all = 0;
    int err = 0;
    while (at < end && err == 0) {
        size_t n = 0;
        while (n < RECOVER_AT_ONCE && at < end && err == 0) {
            err = recover_read_record(recovery->store, &at, end, &effects[n]);
            n += err == 0;
        }
        int apply_err = recover_apply(recovery->store, effects, n, true);
        err = err != 0 ? err : apply_err;
        all += n;
    }
    atomic_fetch_add(&recovery->records, all);
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

/* Keep it for the end. */
static int recover_graph(struct recovery *recovery, struct bytes data)
{
    uint64_t nodes;
    if (!vindex_check_part(data, &nodes))
        return ERR_DATA_DAMAGED;
    struct vindex_part *part = mem_alloc(sizeof *part + data.size);
    if (part == NULL)
        return ERR_OUT_OF_MEMORY;
    part->next = recovery->graphs;
    part->size = data.size;
    memcpy(part->bytes, data.data, data.size);
    recovery->graphs = part;
    return 0;
}

static void recover_forget_graphs(struct recovery *recovery)
{
    struct vindex_part *part;
    while ((part = recovery->graphs) != NULL) {
        recovery->graphs = part->next;
        mem_free(part);
    }
}

int recover_chunk(void *context, unsigned thread, enum snapshot_section section, struct bytes data)
{
    (void)thread;
    switch (section) {
    case SNAPSHOT_RUNS:
        return recover_told_runs(context, data);
    case SNAPSHOT_RECORDS:
        return recover_records(context, data);
    case SNAPSHOT_EFFECTS:
        return recover_effects(context, data);
    case SNAPSHOT_GRAPHS:
        return recover_graph(context, data);
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

static int recover_purge_all(struct store *store)
{
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

struct recover_order {
    struct store *store;
    _Atomic unsigned next; /* partition */
    atomic_int err;
};

static void recover_order(void *context, unsigned thread)
{
    struct recover_order *order = context;
    unsigned i;
    (void)thread;
    while ((i = atomic_fetch_add(&order->next, 1)) < order->store->n_partitions) {
        int err = order_build(&order->store->partitions[i]);
        store_account(order->store, &order->store->partitions[i]);
        if (err != 0)
            atomic_store(&order->err, err);
    }
}

/* What a group lost its owner for, and was not deleted yet, goes on being deleted. */
static int recover_groups(struct recovery *recovery)
{
    struct store *store = recovery->store;
    int err = 0;
    for (unsigned i = 0; i < store->n_partitions && err == 0; i++)
        err = group_find_ownerless(store, &store->partitions[i]);
    for (unsigned i = 0; i < store->n_partitions && err == 0; i++) {
        err = vindex_build(store, &store->partitions[i]);
        if (err == 0)
            err = vindex_load(&store->partitions[i], recovery->graphs);
        store_account(store, &store->partitions[i]);
    }
    if (err == ERR_DATA_DAMAGED)
        (void)snprintf(
            recovery->problem, sizeof recovery->problem,
            "a vector has not as many elements as its collection says, or is stored as another. "
            "Nothing was changed; put the files back from a copy");
    return err;
}

int recover_finish(struct recovery *recovery)
{
    struct recover_order order = {.store = recovery->store};
    int err = recover_lanes_drain(recovery->lanes);
    if (err == 0) {
        thread_share(recovery->n_threads > 0 ? recovery->n_threads : 1, recover_order, &order);
        err = atomic_load(&order.err);
    }
    if (err == 0)
        err = recover_purge_all(recovery->store);
    return err != 0 ? err : recover_groups(recovery);
}

void recover_end(struct recovery *recovery)
{
    recover_forget_graphs(recovery);
    recover_lanes_destroy(recovery->lanes);
    recovery->lanes = NULL;
}
