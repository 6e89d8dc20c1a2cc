/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sorting records: see order.h.
 *
 * Inserting a million records into a tree costs some twenty comparisons each, nearly all of them
 * with a record that is not in the caches. To sort them at the end takes two looks at each:
 *
 *   all keys      users:00000042:name     what all have in common is left out
 *                 users:00000043:name
 *                 users:00010000:age
 *                 ---------^^^^^^^^       the 8 bytes behind it are a number: sorted by that
 *
 * by distribution, a byte at a time from the last to the first, without those in which all agree
 * (Knuth, The Art of Computer Programming 3, 5.2.5). Records with the same number are sorted in the
 * same way by what follows, or, if they are few or the keys are very long, by comparison.
 *
 * The key of a record is taken as run (4 bytes, big-endian), kind, and bytes of the key, followed
 * by zeros; equal numbers may so be different keys, but never in the other order.
 *
 * Threads: pure but for the memory of the records, which nobody may change meanwhile.
 * Failures: order_build, for memory; the partition is as before.
 */
#include "server/store/order.h"

#include "common/err.h"
#include "common/mem.h"
#include "common/prefetch.h"

#include <endian.h>
#include <stdlib.h>

enum {
    ORDER_FEW = 12,   /* so many are sorted by comparison */
    ORDER_DEPTH = 64, /* so often by what follows: bounds the stack */
    ORDER_AHEAD = 12, /* records fetched ahead */
    ORDER_HEAD = 5,   /* bytes of run and kind */
    ORDER_DIGITS = 8,
};

/* ---- the key as bytes ---- */

struct order_key {
    uint8_t head[ORDER_HEAD];
    struct bytes bytes;
};

static struct order_key order_key(const struct record *record)
{
    struct order_key key = {.bytes = record_key_bytes(record)};
    uint32_t run = htobe32(record_run(record));
    memcpy(key.head, &run, sizeof run);
    key.head[4] = record_kind_of(record);
    return key;
}

/* The 8 bytes at `offset`, as a number. */
static uint64_t order_prefix(const struct record *record, size_t offset)
{
    struct order_key key = order_key(record);
    uint8_t to[8] = {0};
    size_t n = 0;
    for (; offset + n < ORDER_HEAD && n < sizeof to; n++)
        to[n] = key.head[offset + n];
    size_t from = offset + n - ORDER_HEAD;
    if (from < key.bytes.size) {
        size_t left = key.bytes.size - from;
        memcpy(to + n, key.bytes.data + from, left < sizeof to - n ? left : sizeof to - n);
    }
    uint64_t prefix;
    memcpy(&prefix, to, sizeof prefix);
    return be64toh(prefix);
}

/* Bytes that both keys begin with; at most `limit`. */
static size_t order_common(const struct order_key *a, const struct order_key *b, size_t limit)
{
    size_t n = 0;
    while (n < ORDER_HEAD && n < limit && a->head[n] == b->head[n])
        n++;
    if (n < ORDER_HEAD)
        return n;
    size_t size = a->bytes.size < b->bytes.size ? a->bytes.size : b->bytes.size;
    limit = limit - ORDER_HEAD < size ? limit - ORDER_HEAD : size;
    n = 0;
    while (n < limit && a->bytes.data[n] == b->bytes.data[n])
        n++;
    return ORDER_HEAD + n;
}

static void order_prefetch(const struct order_item *items, size_t i, size_t n)
{
    if (i + ORDER_AHEAD < n)
        prefetch(items[i + ORDER_AHEAD].record);
}

/* What the keys of all have in common. */
static size_t order_common_all(const struct order_item *items, size_t n)
{
    struct order_key first = order_key(items[0].record);
    size_t common = ORDER_HEAD + first.bytes.size;
    for (size_t i = 1; i < n && common > 0; i++) {
        struct order_key key = order_key(items[i].record);
        order_prefetch(items, i, n);
        common = order_common(&first, &key, common);
    }
    return common;
}

/* ---- sorting ---- */

static int order_compare(const void *a, const void *b)
{
    const struct record *x = ((const struct order_item *)a)->record;
    struct record_key key = {record_run(x), record_kind_of(x), record_key_bytes(x)};
    return record_compare(&key, ((const struct order_item *)b)->record);
}

static void order_sort_few(struct order_item *items, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct order_item item = items[i];
        size_t j = i;
        for (; j > 0 && order_compare(&items[j - 1], &item) > 0; j--)
            items[j] = items[j - 1];
        items[j] = item;
    }
}

static unsigned order_digit(uint64_t prefix, unsigned digit)
{
    return (prefix >> (8 * digit)) & 0xff;
}

/* By one digit, keeping the order of those in which it is the same. */
static void order_distribute(const struct order_item *from, struct order_item *to, size_t n,
                             unsigned digit)
{
    size_t at[256] = {0}, sum = 0;
    for (size_t i = 0; i < n; i++)
        at[order_digit(from[i].prefix, digit)]++;
    for (size_t d = 0; d < LENGTH_OF(at); d++) {
        size_t count = at[d];
        at[d] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        to[at[order_digit(from[i].prefix, digit)]++] = from[i];
}

static void order_by_prefix(struct order_item *items, struct order_item *scratch, size_t n)
{
    struct order_item *from = items, *to = scratch;
    uint64_t differ = 0;
    for (size_t i = 1; i < n; i++)
        differ |= items[i].prefix ^ items[0].prefix;
    for (unsigned digit = 0; digit < ORDER_DIGITS; digit++) {
        if (order_digit(differ, digit) == 0)
            continue;
        order_distribute(from, to, n, digit);
        struct order_item *other = from;
        from = to;
        to = other;
    }
    if (from != items)
        memcpy(items, from, n * sizeof *items);
}

static void order_sort_deep(struct order_item *items, struct order_item *scratch, size_t n,
                            unsigned depth);

/* Those with the same prefix stand together, but in no order. */
static void order_sort_equal(struct order_item *items, struct order_item *scratch, size_t n,
                             unsigned depth)
{
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && items[end].prefix == items[i].prefix)
            end++;
        if (end - i > 1)
            order_sort_deep(items + i, scratch, end - i, depth + 1);
        i = end;
    }
}

static void order_sort_deep(struct order_item *items, struct order_item *scratch, size_t n,
                            unsigned depth)
{
    if (n <= ORDER_FEW) {
        order_sort_few(items, n);
        return;
    }
    if (depth == ORDER_DEPTH) {
        qsort(items, n, sizeof *items, order_compare);
        return;
    }
    size_t common = order_common_all(items, n);
    for (size_t i = 0; i < n; i++) {
        order_prefetch(items, i, n);
        items[i].prefix = order_prefix(items[i].record, common);
    }
    order_by_prefix(items, scratch, n);
    order_sort_equal(items, scratch, n, depth);
}

void order_sort(struct order_item *items, struct order_item *scratch, size_t n)
{
    order_sort_deep(items, scratch, n, 0);
}

/* ---- the map ---- */

static void order_gather(struct partition *partition, struct order_item *items)
{
    size_t position = 0, slots = SIZE_MAX, n = 0;
    struct record *record;
    while ((record = hmap_walk(&partition->table, &position, &slots)) != NULL)
        items[n++].record = record;
    REQUIRE(n == hmap_count(&partition->table));
}

int order_build(struct partition *partition)
{
    size_t n = hmap_count(&partition->table);
    struct order_item *items = mem_alloc((2 * n + 1) * sizeof *items);
    if (items == NULL)
        return ERR_OUT_OF_MEMORY;
    order_gather(partition, items);
    order_sort(items, items + n, n);
    void **records = (void **)(void *)(items + n);
    for (size_t i = 0; i < n; i++)
        records[i] = items[i].record;
    int err = omap_build(&partition->order, records, n);
    if (err == 0)
        err = index_build(partition->indexes, records, n);
    if (err == 0)
        err = sums_build(&partition->sums, records, n);
    mem_free(items);
    partition->unordered = err != 0;
    return err;
}
