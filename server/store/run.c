/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of runs: names in an ordered map, references counted.
 *
 * One reference belongs to the table while the run is in it. run_drop takes the run out and hands
 * that reference to the caller; the struct is freed when the last session lets go of it.
 *
 * Threads: any. One lock for the table (held for a lookup, never across a partition's lock);
 * reference counts and the dropped mark are atomic.
 * Failures: creation may fail for memory or for the limit; nothing else does.
 */
#include "server/store/run.h"

#include "common/err.h"
#include "common/mem.h"
#include "server/ds/omap.h"
#include "server/store/journal.h"

#include <endian.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct run {
    atomic_uint refs;
    atomic_bool dropped;
    uint32_t id;
    uint32_t name_size;
    uint8_t name[];
};

struct run_table {
    pthread_rwlock_t lock;
    struct omap names; /* of struct run */
    uint32_t last_id;
    struct store *store; /* whose journal is told; NULL: nobody's */
    _Atomic uint64_t runs_max;
};

struct bytes run_name(const struct run *run)
{
    return (struct bytes){run->name, run->name_size};
}

static int run_compare(const void *key, const void *item)
{
    return bytes_compare(*(const struct bytes *)key, run_name(item));
}

struct run_table *run_table_create(uint64_t runs_max, struct store *store)
{
    struct run_table *table = mem_calloc(1, sizeof *table);
    if (table == NULL)
        return NULL;
    REQUIRE(pthread_rwlock_init(&table->lock, NULL) == 0);
    omap_init(&table->names, run_compare);
    table->runs_max = runs_max;
    table->store = store;
    return table;
}

void run_table_destroy(struct run_table *table)
{
    struct omap_iter iter;
    struct run *run;
    if (table == NULL)
        return;
    omap_seek(&table->names, NULL, &iter);
    while ((run = omap_next(&iter)) != NULL)
        mem_free(run);
    omap_deinit(&table->names);
    pthread_rwlock_destroy(&table->lock);
    mem_free(table);
}

void run_table_set_max(struct run_table *table, uint64_t runs_max)
{
    table->runs_max = runs_max;
}

/* With the lock held, for reading or writing. */
static struct run *run_lookup(struct run_table *table, struct bytes name)
{
    struct omap_iter iter;
    omap_seek(&table->names, &name, &iter);
    struct run *run = omap_next(&iter);
    return run != NULL && bytes_equal(run_name(run), name) ? run_ref(run) : NULL;
}

struct run *run_find(struct run_table *table, struct bytes name)
{
    REQUIRE(pthread_rwlock_rdlock(&table->lock) == 0);
    struct run *run = run_lookup(table, name);
    pthread_rwlock_unlock(&table->lock);
    return run;
}

void run_write_value(uint32_t number, uint8_t out[static RUN_VALUE_BYTES])
{
    uint32_t big = htobe32(number);
    out[0] = 0xce; /* MessagePack: a uint32 */
    memcpy(out + 1, &big, sizeof big);
}

uint32_t run_read_value(struct bytes value)
{
    uint32_t big;
    if (value.size != RUN_VALUE_BYTES || value.data[0] != 0xce)
        return RUN_NOWHERE;
    memcpy(&big, value.data + 1, sizeof big);
    return be32toh(big);
}

/* Runs that come and go stand in the log before anything in them does. In memory alone their names
 * need no version, unless somebody watches. */
static void run_record(const struct run_table *table, const struct run *run, enum effect_type type)
{
    static const struct buf no_notes;
    uint8_t number[RUN_VALUE_BYTES];
    struct effect effect = {.type = type};
    if (table->store == NULL || (table->store->wal == NULL && !feed_is_on(table->store->feed)))
        return;
    run_write_value(run->id, number);
    effect.spec.key = (struct record_key){RUN_NOWHERE, KIND_run, run_name(run)};
    effect.spec.value = (struct bytes){number, sizeof number};
    (void)journal_record(table->store, &effect, 1, &no_notes);
}

/* With the lock held for writing. */
static int run_add(struct run_table *table, struct bytes name, uint32_t id, struct run **out_run)
{
    struct run *run = mem_alloc(sizeof *run + name.size);
    if (run == NULL || omap_reserve(&table->names, 1) != 0) {
        mem_free(run);
        return ERR_OUT_OF_MEMORY;
    }
    atomic_init(&run->refs, 2); /* the table's and the caller's */
    atomic_init(&run->dropped, false);
    run->id = id;
    run->name_size = (uint32_t)name.size;
    memcpy(run->name, name.data, name.size);
    omap_insert(&table->names, &name, run);
    table->last_id = id > table->last_id ? id : table->last_id;
    *out_run = run;
    return 0;
}

/* With the lock held for writing. */
static int run_create(struct run_table *table, struct bytes name, struct run **out_run)
{
    if (table->names.count >= table->runs_max || table->last_id == UINT32_MAX)
        return ERR_LIMIT_EXCEEDED;
    int err = run_add(table, name, table->last_id + 1, out_run);
    if (err == 0)
        run_record(table, *out_run, EFFECT_PUT);
    return err;
}

int run_open(struct run_table *table, struct bytes name, struct run **out_run)
{
    int err = 0;
    struct run *run = run_find(table, name);
    if (run == NULL) {
        REQUIRE(pthread_rwlock_wrlock(&table->lock) == 0);
        run = run_lookup(table, name);
        if (run == NULL)
            err = run_create(table, name, &run);
        pthread_rwlock_unlock(&table->lock);
    }
    if (err == 0)
        *out_run = run;
    return err;
}

struct run *run_ref(struct run *run)
{
    atomic_fetch_add(&run->refs, 1);
    return run;
}

void run_unref(struct run *run)
{
    if (run != NULL && atomic_fetch_sub(&run->refs, 1) == 1)
        mem_free(run);
}

bool run_drop(struct run_table *table, struct run *run)
{
    struct bytes name = run_name(run);
    REQUIRE(pthread_rwlock_wrlock(&table->lock) == 0);
    bool ours = !atomic_exchange(&run->dropped, true);
    if (ours) {
        REQUIRE(omap_remove(&table->names, &name) == run);
        run_record(table, run, EFFECT_DEL);
    }
    pthread_rwlock_unlock(&table->lock);
    return ours;
}

void run_forget(struct run_table *table, struct bytes name)
{
    struct run *run = run_lookup(table, name);
    if (run == NULL)
        return;
    atomic_store(&run->dropped, true);
    REQUIRE(omap_remove(&table->names, &name) == run);
    run_unref(run);
    run_unref(run); /* the table's */
}

void run_skip_numbers(struct run_table *table, uint32_t last)
{
    table->last_id = last > table->last_id ? last : table->last_id;
}

uint32_t run_last_number(struct run_table *table)
{
    REQUIRE(pthread_rwlock_rdlock(&table->lock) == 0);
    uint32_t last = table->last_id;
    pthread_rwlock_unlock(&table->lock);
    return last;
}

static int run_compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int run_numbers(struct run_table *table, struct buf *out_numbers)
{
    struct omap_iter iter;
    const struct run *run;
    int err = 0;
    buf_init(out_numbers);
    REQUIRE(pthread_rwlock_rdlock(&table->lock) == 0);
    omap_seek(&table->names, NULL, &iter);
    while (err == 0 && (run = omap_next(&iter)) != NULL)
        err = buf_append(out_numbers, &run->id, sizeof run->id);
    pthread_rwlock_unlock(&table->lock);
    if (out_numbers->size > 0)
        qsort(out_numbers->data, out_numbers->size / sizeof run->id, sizeof run->id,
              run_compare_numbers);
    return err;
}

bool run_among(const struct buf *numbers, uint32_t number)
{
    return numbers->size > 0 && bsearch(&number, numbers->data, numbers->size / sizeof number,
                                        sizeof number, run_compare_numbers) != NULL;
}

int run_restore(struct run_table *table, struct bytes name, uint32_t number)
{
    struct run *run = run_lookup(table, name);
    uint32_t stands = run_id(run);
    run_unref(run);
    if (stands == number)
        return 0;
    if (number == RUN_NOWHERE)
        return ERR_DATA_DAMAGED;
    run_forget(table, name); /* the run default that every store begins with */
    int err = run_add(table, name, number, &run);
    if (err == 0)
        run_unref(run);
    return err;
}

uint32_t run_id(const struct run *run)
{
    return run == NULL ? RUN_NOWHERE : run->id;
}

bool run_is_dropped(const struct run *run)
{
    return run != NULL && atomic_load_explicit(&run->dropped, memory_order_acquire);
}

size_t run_page(struct run_table *table, struct bytes from, bool exclusive, size_t max,
                struct run **out_runs)
{
    struct omap_iter iter;
    struct run *run;
    size_t n = 0;
    REQUIRE(pthread_rwlock_rdlock(&table->lock) == 0);
    omap_seek(&table->names, &from, &iter);
    while (n < max && (run = omap_next(&iter)) != NULL)
        if (!exclusive || !bytes_equal(run_name(run), from))
            out_runs[n++] = run_ref(run);
    pthread_rwlock_unlock(&table->lock);
    return n;
}
