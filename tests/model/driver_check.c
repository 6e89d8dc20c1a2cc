/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Comparing the whole store with the oracle, and every invariant that partition.c promises.
 *
 * Threads: one; the store must be at rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/model/compare.h"
#include "tests/model/driver.h"

#include <stdlib.h>

static void check_that(const struct driver *d, bool holds, const char *what)
{
    if (!holds)
        driver_fail(d, what);
}

/* A record is where its hash says, in table and map; returns whether it is live. */
static bool check_record(struct driver *d, unsigned p, struct record *record)
{
    struct record_key key = {record_run(record), record_kind_of(record), record_key_bytes(record)};
    uint64_t hash = store_hash(d->store, &key);
    int64_t at = record_expires_at_ms(record);
    struct wheel_node *node = record_wheel_node(record);
    check_that(d, store_partition_index(d->store, hash) == p, "a record is in a wrong partition");
    check_that(d, partition_find(&d->store->partitions[p], hash, &key) == record,
               "map and table differ");
    check_that(d, (at != 0) == (node != NULL && node->link != NULL), "wheel and expiry differ");
    check_that(
        d, record_version(record) <= atomic_load(&d->store->version) && record_version(record) > 0,
        "a version from the future");
    return !record_expired(record, d->env.now_ms);
}

static size_t check_partition(struct driver *d, unsigned p)
{
    const struct partition *partition = &d->store->partitions[p];
    struct record *record, *before = NULL;
    size_t n = 0, expiring = 0, live = 0;
    uint64_t bytes = 0;
    struct omap_iter iter;
    omap_check(&partition->order);
    omap_seek(&partition->order, NULL, &iter);
    for (; (record = omap_next(&iter)) != NULL; before = record, n++) {
        if (before != NULL) {
            struct record_key key = {record_run(before), record_kind_of(before),
                                     record_key_bytes(before)};
            check_that(d, record_compare(&key, record) < 0, "the map is not in order");
        }
        live += check_record(d, p, record);
        bytes += record_memory(record);
        expiring += record_expires_at_ms(record) != 0;
    }
    check_that(d, n == partition->order.count, "count of the map");
    check_that(d, n == hmap_count(&partition->table), "count of the table");
    check_that(d, expiring == partition->expiry.count, "count of the wheel");
    check_that(d, bytes == partition->record_bytes, "record_bytes");
    return live;
}

static bool check_entry(const struct driver *d, struct entry_view view)
{
    struct run *run = run_find(d->store->runs, model_run_names[view.run]);
    struct record_key key = {run_id(run), KIND_kv, view.key};
    uint64_t hash = store_hash(d->store, &key);
    unsigned p = store_partition_index(d->store, hash);
    const struct record *record = partition_find(&d->store->partitions[p], hash, &key);
    run_unref(run);
    return record != NULL && value_same(view.value, record_value(record)) &&
           record_version(record) == view.version && record_is_text(record) == view.text &&
           record_expires_at_ms(record) == view.expires_at_ms;
}

void driver_check(struct driver *d)
{
    size_t live = 0;
    for (unsigned p = 0; p < d->store->n_partitions; p++)
        live += check_partition(d, p);
    for (size_t i = 0; i < d->oracle.n; i++) {
        if (!oracle_is_live(&d->oracle, i))
            continue;
        check_that(d, check_entry(d, oracle_at(&d->oracle, i)), "a record is not as expected");
        live--;
    }
    check_that(d, live == 0, "records that should not be there");
}
