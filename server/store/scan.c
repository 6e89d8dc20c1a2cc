/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ordered scans: a merge of the ordered maps of all partitions.
 *
 *   partition 0   a   d   h        heads, sorted:  b(1) d(0) e(2)
 *   partition 1   b   f            take the first, advance its partition, put its next record
 *   partition 2   e   g            back into its place
 *
 * After a slice of SCAN_SLICE records the locks are given back; the scan then goes on behind the
 * last key, which is why a change in between can neither repeat nor skip an old record.
 *
 * Threads: as transactions; all partitions are locked during a slice.
 * Failures: memory for the bounds.
 */
#include "server/store/scan.h"

#include "common/err.h"

#include <limits.h>

struct scan_head {
    struct omap_iter iter;
    const struct record *record;
    struct bytes key; /* of the record */
};

/* One slice at work. */
struct scan_merge {
    const struct scan *scan;
    struct record_key low, high;
    unsigned n_heads;
    struct scan_head heads[STORE_PARTITIONS_MAX];
};

/* The smallest bytes that are above everything with this prefix; empty if there are none. */
static int scan_successor(struct bytes prefix, struct buf *out)
{
    int err = buf_append(out, prefix.data, prefix.size);
    while (out->size > 0 && out->data[out->size - 1] == 0xff)
        out->size--;
    if (out->size > 0)
        out->data[out->size - 1]++;
    return err;
}

static int scan_set(struct buf *bound, struct bytes value)
{
    bound->size = 0;
    return buf_append(bound, value.data, value.size);
}

int scan_init(struct scan *scan, const struct run *run, enum record_kind kind, struct bytes prefix,
              struct bytes from, struct bytes to, struct bytes after, bool reverse)
{
    *scan = (struct scan){.run = run_id(run), .kind = (uint8_t)kind, .reverse = reverse};
    int err = scan_set(&scan->low, bytes_compare(from, prefix) > 0 ? from : prefix);
    if (err == 0)
        err = scan_successor(prefix, &scan->high);
    scan->high_open = scan->high.size == 0;
    if (err == 0 && to.size > 0 &&
        (scan->high_open || bytes_compare(to, buf_bytes(&scan->high)) < 0)) {
        err = scan_set(&scan->high, to);
        scan->high_open = false;
    }
    if (err != 0 || after.data == NULL)
        return err;
    if (!reverse && bytes_compare(after, buf_bytes(&scan->low)) >= 0) {
        scan->low_exclusive = true;
        return scan_set(&scan->low, after);
    }
    if (reverse && (scan->high_open || bytes_compare(after, buf_bytes(&scan->high)) < 0)) {
        scan->high_open = false;
        return scan_set(&scan->high, after);
    }
    return 0;
}

void scan_deinit(struct scan *scan)
{
    buf_deinit(&scan->low);
    buf_deinit(&scan->high);
}

static struct record_key scan_low(const struct scan *scan)
{
    return (struct record_key){scan->run, scan->kind, buf_bytes(&scan->low)};
}

static struct record_key scan_high(const struct scan *scan)
{
    if (scan->high_open)
        return (struct record_key){scan->run, (uint8_t)(scan->kind + 1), BYTES_NONE};
    return (struct record_key){scan->run, scan->kind, buf_bytes(&scan->high)};
}

/* Advance a head to the next record inside the range. False: there is none. */
static bool scan_step(const struct scan_merge *merge, struct scan_head *head)
{
    const struct scan *scan = merge->scan;
    head->record = scan->reverse ? omap_previous(&head->iter) : omap_next(&head->iter);
    if (head->record == NULL || record_run(head->record) != scan->run ||
        record_kind_of(head->record) != scan->kind)
        return false;
    head->key = record_key_bytes(head->record);
    if (scan->reverse)
        return bytes_compare(head->key, merge->low.bytes) >= 0;
    return scan->high_open || bytes_compare(head->key, merge->high.bytes) < 0;
}

/* Does a come before b in the direction of the scan? */
static bool scan_before(const struct scan *scan, struct bytes a, struct bytes b)
{
    int order = bytes_compare(a, b);
    return scan->reverse ? order > 0 : order < 0;
}

/* Let the head at the front sink to its place among the others, which are sorted. */
static void scan_sink(struct scan_merge *merge)
{
    struct scan_head head = merge->heads[0];
    unsigned i = 0;
    for (; i + 1 < merge->n_heads && scan_before(merge->scan, merge->heads[i + 1].key, head.key);
         i++)
        merge->heads[i] = merge->heads[i + 1];
    if (i > 0)
        merge->heads[i] = head;
}

static void scan_open(struct scan_merge *merge, struct store *store)
{
    const struct record_key *start = merge->scan->reverse ? &merge->high : &merge->low;
    merge->n_heads = 0;
    for (unsigned p = 0; p < store->n_partitions; p++) {
        struct scan_head head;
        omap_seek(&store->partitions[p].order, start, &head.iter);
        bool inside = scan_step(merge, &head);
        if (inside && merge->scan->low_exclusive && bytes_equal(head.key, merge->low.bytes))
            inside = scan_step(merge, &head); /* it is the one we go on behind */
        if (!inside)
            continue;
        memmove(&merge->heads[1], &merge->heads[0], merge->n_heads * sizeof merge->heads[0]);
        merge->heads[0] = head;
        merge->n_heads++;
        scan_sink(merge);
    }
}

/* Take the first record and advance. */
static const struct record *scan_take(struct scan_merge *merge)
{
    if (merge->n_heads == 0)
        return NULL;
    const struct record *taken = merge->heads[0].record;
    if (scan_step(merge, &merge->heads[0])) {
        scan_sink(merge);
    } else {
        merge->n_heads--;
        memmove(&merge->heads[0], &merge->heads[1], merge->n_heads * sizeof merge->heads[0]);
    }
    return taken;
}

static int scan_go_on_behind(struct scan *scan, struct bytes key)
{
    if (scan->reverse) {
        scan->high_open = false;
        return scan_set(&scan->high, key);
    }
    scan->low_exclusive = true;
    return scan_set(&scan->low, key);
}

/* One slice under locks. *limit is decreased; *out_end: the range or the visitor ended it. */
static int scan_slice(struct store *store, struct scan *scan, int64_t now_ms, uint64_t *limit,
                      scan_visit_fn visit, void *context, bool *out_end, bool *out_more)
{
    struct scan_merge merge; /* large: not cleared */
    const struct record *record = NULL;
    bool stopped = false;
    merge.scan = scan;
    merge.low = scan_low(scan);
    merge.high = scan_high(scan);
    scan_open(&merge, store);
    for (unsigned n = 0; n<SCAN_SLICE && * limit> 0 && !stopped; n++) {
        const struct record *next = scan_take(&merge);
        if (next == NULL)
            break;
        record = next;
        if (record_expired(record, now_ms))
            continue;
        stopped = !visit(context, record);
        --*limit;
    }
    *out_end = stopped || merge.n_heads == 0 || *limit == 0;
    *out_more = merge.n_heads > 0;
    return record == NULL ? 0 : scan_go_on_behind(scan, record_key_bytes(record));
}

struct bytes scan_cursor(const struct scan *scan)
{
    return buf_bytes(scan->reverse ? &scan->high : &scan->low);
}

int scan_visit(struct store *store, const struct run *run, struct scan *scan, int64_t now_ms,
               uint64_t limit, scan_visit_fn visit, void *context, bool *out_more)
{
    struct txn_set set = {0};
    bool end = false, more = false;
    txn_set_all(&set, store);
    while (!end) {
        struct txn txn;
        txn_init(&txn, store, now_ms);
        int err = txn_lock_set(&txn, run, &set, 0);
        if (err == 0)
            err = scan_slice(store, scan, now_ms, &limit, visit, context, &end, &more);
        txn_deinit(&txn);
        if (err != 0)
            return err;
    }
    *out_more = more;
    return 0;
}

static void scan_expire(struct store *store, int64_t now_ms)
{
    enum { SWEEP_BUDGET = 1024 };
    for (unsigned i = 0; i < store->n_partitions; i++)
        while (store_expire(store, i, now_ms, SWEEP_BUDGET))
            continue;
}

int scan_count(struct store *store, const struct run *run, const struct scan *scan, int64_t now_ms,
               uint64_t *out_count)
{
    struct record_key low = scan_low(scan), high = scan_high(scan);
    struct txn_set set = {0};
    struct txn txn;
    uint64_t count = 0;
    scan_expire(store, now_ms);
    txn_set_all(&set, store);
    txn_init(&txn, store, now_ms);
    int err = txn_lock_set(&txn, run, &set, 0);
    for (unsigned i = 0; i < store->n_partitions && err == 0; i++) {
        size_t above = omap_rank(&store->partitions[i].order, &high);
        size_t below = omap_rank(&store->partitions[i].order, &low);
        count += above > below ? above - below : 0;
    }
    txn_deinit(&txn);
    if (err == 0)
        *out_count = count;
    return err;
}

int scan_sums(struct store *store, const struct run *run, enum record_kind kind, int64_t now_ms,
              struct sums_row *out_sums)
{
    struct txn_set set = {0};
    struct txn txn;
    scan_expire(store, now_ms);
    txn_set_all(&set, store);
    txn_init(&txn, store, now_ms);
    int err = txn_lock_set(&txn, run, &set, 0);
    *out_sums = (struct sums_row){.run = run_id(run), .kind = (uint8_t)kind};
    for (unsigned i = 0; i < store->n_partitions && err == 0; i++)
        sums_read(&store->partitions[i].sums, out_sums);
    txn_deinit(&txn);
    return err;
}

uint64_t scan_count_run(struct store *store, const struct run *run)
{
    struct record_key low = {run_id(run), 0, BYTES_NONE};
    struct record_key high = {run_id(run), KIND_MAX + 1, BYTES_NONE};
    uint64_t count = 0;
    for (unsigned i = 0; i < store->n_partitions; i++) {
        struct partition *partition = &store->partitions[i];
        partition_lock(partition);
        count += omap_rank(&partition->order, &high) - omap_rank(&partition->order, &low);
        partition_unlock(partition);
    }
    return count;
}
