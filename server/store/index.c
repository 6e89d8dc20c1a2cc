/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Indexes: see index.h.
 *
 *   ckpt_of_session   run | prefix of the group | number | key     --> record
 *   ckpt_of_run       run |                       number | key     --> record
 *
 * Numbers are different, but what was read from a disk may not be true to that, so the key decides
 * in the end.
 *
 * Invariant: a record is where its value says; whoever changes the value takes it out before.
 *
 * Threads: as the partition. Failures: memory, which is reserved while planning.
 */
#include "server/store/index.h"

#include "common/err.h"
#include "common/mem.h"
#include "server/store/group.h"

#include <stdlib.h>

struct index_row {
    uint8_t kind;
    bool by_owner;
};

static const struct index_row index_rows[INDEX_COUNT] = {
#define INDEX(name, kind, by_owner, text) [INDEX_##name] = {KIND_##kind, by_owner},
#include "server/store/indexes.def"
#undef INDEX
};

/* The prefix of the group in the key of a record; all of it where it has none. */
static struct bytes index_owner(struct bytes key)
{
    size_t size = key.size == 0 ? 0 : group_prefix_size(key);
    return (struct bytes){key.data, size < key.size ? size : key.size};
}

static struct index_key index_key_of(const struct record *record, bool by_owner)
{
    struct bytes key = record_key_bytes(record);
    return (struct index_key){.run = record_run(record),
                              .owner = by_owner ? index_owner(key) : BYTES_NONE,
                              .number = record_number_of(record_value(record)),
                              .key = key};
}

static int index_compare(const struct index_key *a, const struct index_key *b)
{
    if (a->run != b->run)
        return a->run < b->run ? -1 : 1;
    int order = bytes_compare(a->owner, b->owner);
    if (order != 0)
        return order;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return bytes_compare(a->key, b->key);
}

static int index_compare_by_owner(const void *key, const void *item)
{
    struct index_key of = index_key_of(item, true);
    return index_compare(key, &of);
}

static int index_compare_by_run(const void *key, const void *item)
{
    struct index_key of = index_key_of(item, false);
    return index_compare(key, &of);
}

void index_init(struct omap indexes[static INDEX_COUNT])
{
    for (unsigned i = 0; i < INDEX_COUNT; i++)
        omap_init(&indexes[i],
                  index_rows[i].by_owner ? index_compare_by_owner : index_compare_by_run);
}

void index_deinit(struct omap indexes[static INDEX_COUNT])
{
    for (unsigned i = 0; i < INDEX_COUNT; i++)
        omap_deinit(&indexes[i]);
}

int index_reserve(struct omap indexes[static INDEX_COUNT], size_t changes)
{
    int err = 0;
    for (unsigned i = 0; i < INDEX_COUNT && err == 0; i++)
        err = omap_reserve(&indexes[i], changes);
    return err;
}

void index_insert(struct omap indexes[static INDEX_COUNT], struct record *record)
{
    for (unsigned i = 0; i < INDEX_COUNT; i++) {
        if (index_rows[i].kind != record_kind_of(record))
            continue;
        struct index_key key = index_key_of(record, index_rows[i].by_owner);
        omap_insert(&indexes[i], &key, record);
    }
}

void index_remove(struct omap indexes[static INDEX_COUNT], struct record *record)
{
    for (unsigned i = 0; i < INDEX_COUNT; i++) {
        if (index_rows[i].kind != record_kind_of(record))
            continue;
        struct index_key key = index_key_of(record, index_rows[i].by_owner);
        REQUIRE(omap_remove(&indexes[i], &key) == record);
    }
}

static int index_order_by_owner(const void *a, const void *b)
{
    struct index_key key = index_key_of(*(void *const *)a, true);
    return index_compare_by_owner(&key, *(void *const *)b);
}

static int index_order_by_run(const void *a, const void *b)
{
    struct index_key key = index_key_of(*(void *const *)a, false);
    return index_compare_by_run(&key, *(void *const *)b);
}

int index_build(struct omap indexes[static INDEX_COUNT], void *const *records, size_t n)
{
    int err = 0;
    size_t numbered = 0;
    for (size_t i = 0; i < n; i++)
        numbered += (record_kinds[record_kind_of(records[i])].flags & RECORD_NUMBERED) != 0;
    if (numbered == 0)
        return 0;
    void **items = mem_alloc(numbered * sizeof *items);
    for (unsigned id = 0; id < INDEX_COUNT && items != NULL && err == 0; id++) {
        size_t count = 0;
        for (size_t i = 0; i < n; i++)
            if (record_kind_of(records[i]) == index_rows[id].kind)
                items[count++] = records[i];
        qsort(items, count, sizeof *items,
              index_rows[id].by_owner ? index_order_by_owner : index_order_by_run);
        err = omap_build(&indexes[id], items, count);
    }
    err = items == NULL ? ERR_OUT_OF_MEMORY : err;
    mem_free(items);
    return err;
}

size_t index_bytes(const struct omap indexes[static INDEX_COUNT])
{
    size_t bytes = 0;
    for (unsigned i = 0; i < INDEX_COUNT; i++)
        bytes += indexes[i].bytes;
    return bytes;
}

bool index_within(enum index_id id, const struct record *record, const struct index_key *key)
{
    struct index_key of = index_key_of(record, index_rows[id].by_owner);
    return of.run == key->run && bytes_equal(of.owner, key->owner);
}
