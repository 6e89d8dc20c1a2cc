/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Groups: see group.h.
 *
 *   partition->orphans --> reap { group, kind } --> next
 *                                   '-- the range of this kind, from its beginning, until it is
 *                                       empty; then the next kind with the same owner
 *
 * Invariants
 *   1. Records of a group whose owner is not there, or has another generation, are read by nobody.
 *   2. A generation is never used again: store_next_number, which never goes back.
 *
 * Threads: the lock of the partition is held.
 * Failures: memory for what is to be reaped, before anything has changed. Reaping itself has none.
 */
#include "server/store/group.h"

#include "common/err.h"
#include "common/mem.h"

#include <endian.h>

struct reap {
    struct reap *next;
    uint32_t run;
    uint8_t owner, kind; /* kind: being deleted */
    size_t prefix_size;
    uint8_t prefix[GROUP_PREFIX_MAX];
};

/* A bit for each kind that owns others. */
static const uint64_t group_owners = 0
#define KIND(number, name, owner, beside, flags, text) | (uint64_t)1 << KIND_##owner
#include "server/store/kinds.def"
#undef KIND
    ;

bool group_owns(uint8_t kind)
{
    return kind != KIND_none && group_owners >> kind & 1;
}

size_t group_write_prefix(const struct group *group, uint8_t out[static GROUP_PREFIX_MAX])
{
    uint64_t generation = htobe64(group->generation);
    REQUIRE(group->name.size > 0 && group->name.size <= GROUP_NAME_MAX);
    out[0] = (uint8_t)group->name.size;
    memcpy(out + 1, group->name.data, group->name.size);
    memcpy(out + 1 + group->name.size, &generation, sizeof generation);
    return 1 + group->name.size + sizeof generation;
}

size_t group_prefix_size(struct bytes key)
{
    return 1 + (size_t)key.data[0] + sizeof(uint64_t);
}

bool group_read(const struct record_key *key, struct group *out_group, struct bytes *out_rest)
{
    struct bytes bytes = key->bytes;
    if (record_kinds[key->kind].owner == KIND_none || bytes.size == 0 || bytes.data[0] == 0 ||
        bytes.size < group_prefix_size(bytes))
        return false;
    size_t size = group_prefix_size(bytes);
    uint64_t generation;
    memcpy(&generation, bytes.data + size - sizeof generation, sizeof generation);
    *out_group = (struct group){key->run,
                                record_kinds[key->kind].owner,
                                {bytes.data + 1, bytes.data[0]},
                                be64toh(generation)};
    *out_rest = (struct bytes){bytes.data + size, bytes.size - size};
    return true;
}

struct bytes group_name(struct bytes key)
{
    if (key.size == 0 || key.size < 1 + (size_t)key.data[0])
        return key;
    return (struct bytes){key.data + 1, key.data[0]};
}

uint64_t group_generation(struct bytes owner_value)
{
    /* Behind the number stands another of the same form. */
    enum { UINT64 = 0xcf, AT = RECORD_NUMBER_BYTES };
    uint64_t generation;
    if (owner_value.size < AT + 1 + sizeof generation || owner_value.data[AT] != UINT64)
        return 0;
    memcpy(&generation, owner_value.data + AT + 1, sizeof generation);
    return be64toh(generation);
}

/* ---- reaping ---- */

struct reap *reap_create(const struct group *group)
{
    struct reap *reap = mem_calloc(1, sizeof *reap);
    if (reap == NULL)
        return NULL;
    reap->run = group->run;
    reap->owner = group->owner;
    reap->prefix_size = group_write_prefix(group, reap->prefix);
    return reap;
}

void reap_destroy(struct reap *reap)
{
    mem_free(reap);
}

void group_orphan(struct partition *partition, struct reap *reap)
{
    reap->next = partition->orphans;
    partition->orphans = reap;
}

void group_forget(struct partition *partition)
{
    struct reap *reap;
    while ((reap = partition->orphans) != NULL) {
        partition->orphans = reap->next;
        reap_destroy(reap);
    }
}

static void reap_delete(struct store *store, struct partition *partition, struct record *record)
{
    struct effect effect = {.type = EFFECT_DEL, .old = record};
    effect.spec.key =
        (struct record_key){record_run(record), record_kind_of(record), record_key_bytes(record)};
    effect.hash = store_hash(store, &effect.spec.key);
    partition_apply(partition, &effect);
}

/* Delete records of one kind. False: there are no more. */
static bool reap_some(struct store *store, struct partition *partition, const struct reap *reap,
                      int *budget)
{
    struct record_key from = {reap->run, reap->kind, {reap->prefix, reap->prefix_size}};
    while (*budget > 0) {
        struct omap_iter iter;
        omap_seek(&partition->order, &from, &iter);
        struct record *record = omap_next(&iter);
        if (record == NULL || record_run(record) != reap->run ||
            record_kind_of(record) != reap->kind ||
            !bytes_start_with(record_key_bytes(record), from.bytes))
            return false;
        reap_delete(store, partition, record);
        --*budget;
    }
    return true;
}

void group_reap(struct store *store, struct partition *partition, int *budget)
{
    struct reap *reap;
    while (*budget > 0 && (reap = partition->orphans) != NULL) {
        if (reap->kind != KIND_NONE && reap_some(store, partition, reap, budget))
            continue;
        --*budget; /* to look costs as much as to delete, and there may be many with nothing */
        do
            reap->kind++;
        while (reap->kind <= KIND_MAX && record_kinds[reap->kind].owner != reap->owner);
        if (reap->kind <= KIND_MAX)
            continue;
        partition->orphans = reap->next;
        reap_destroy(reap);
    }
}

/* ---- after recovery ---- */

static bool group_has_owner(const struct store *store, const struct partition *partition,
                            const struct group *group)
{
    struct record_key key = {group->run, group->owner, group->name};
    const struct record *owner = partition_find(partition, store_hash(store, &key), &key);
    return owner != NULL && group_generation(record_value(owner)) == group->generation;
}

/* The record at or behind *at, which becomes its place; NULL at the end. */
static const struct record *group_seek(const struct partition *partition, struct record_key *at)
{
    struct omap_iter iter;
    omap_seek(&partition->order, at, &iter);
    const struct record *record = omap_next(&iter);
    if (record != NULL)
        *at = (struct record_key){record_run(record), record_kind_of(record),
                                  record_key_bytes(record)};
    return record;
}

int group_find_ownerless(struct store *store, struct partition *partition)
{
    uint8_t prefix[GROUP_PREFIX_MAX];
    struct record_key at = {0};
    struct group group;
    struct bytes rest;
    while (group_seek(partition, &at) != NULL) {
        if (!group_read(&at, &group, &rest)) {
            at = (struct record_key){at.run, (uint8_t)(at.kind + 1), BYTES_NONE};
            continue;
        }
        if (!group_has_owner(store, partition, &group)) {
            struct reap *reap = reap_create(&group);
            if (reap == NULL)
                return ERR_OUT_OF_MEMORY;
            group_orphan(partition, reap);
        }
        group.generation++; /* behind all of this one */
        at.bytes = (struct bytes){prefix, group_write_prefix(&group, prefix)};
    }
    return 0;
}
