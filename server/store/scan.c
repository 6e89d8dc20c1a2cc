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

struct scan_head {
    struct omap_iter iter;
    const struct record *record;
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

/* The next record of a partition that is inside the range, or NULL. */
static const struct record *scan_step(struct scan_merge *merge, struct omap_iter *iter)
{
    const struct record *record = merge->scan->reverse ? omap_previous(iter) : omap_next(iter);
    if (record == NULL)
        return NULL;
    if (merge->scan->reverse)
        return record_compare(&merge->low, record) <= 0 ? record : NULL;
    if (merge->scan->low_exclusive && record_compare(&merge->low, record) == 0)
        return scan_step(merge, iter); /* at most once: keys are unique */
    return record_compare(&merge->high, record) > 0 ? record : NULL;
}

/* Does a come before b in the direction of the scan? Both are of one run and kind. */
static bool scan_before(const struct scan *scan, const struct record *a, const struct record *b)
{
    int order = bytes_compare(record_key_bytes(a), record_key_bytes(b));
    return scan->reverse ? order > 0 : order < 0;
}

/* Put a head into its place among the n that are sorted behind position `at`. */
static void scan_place(struct scan_merge *merge, struct scan_head head, unsigned at)
{
    unsigned i = at;
    for (; i + 1 < merge->n_heads &&
           scan_before(merge->scan, merge->heads[i + 1].record, head.record);
         i++)
        merge->heads[i] = merge->heads[i + 1];
    merge->heads[i] = head;
}

static void scan_open(struct scan_merge *merge, struct store *store)
{
    merge->n_heads = 0;
    for (unsigned p = store->n_partitions; p-- > 0;) {
        struct scan_head head;
        const struct record_key *start = merge->scan->reverse ? &merge->high : &merge->low;
        omap_seek(&store->partitions[p].order, start, &head.iter);
        head.record = scan_step(merge, &head.iter);
        if (head.record == NULL)
            continue;
        /* Make room at the front, then let it sink to its place. */
        memmove(&merge->heads[1], &merge->heads[0], merge->n_heads * sizeof merge->heads[0]);
        merge->n_heads++;
        scan_place(merge, head, 0);
    }
}

/* Take the first record and advance. */
static const struct record *scan_take(struct scan_merge *merge)
{
    if (merge->n_heads == 0)
        return NULL;
    struct scan_head head = merge->heads[0];
    const struct record *taken = head.record;
    head.record = scan_step(merge, &head.iter);
    if (head.record != NULL) {
        scan_place(merge, head, 0);
        return taken;
    }
    merge->n_heads--;
    memmove(&merge->heads[0], &merge->heads[1], merge->n_heads * sizeof merge->heads[0]);
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
    struct scan_merge merge = {.scan = scan, .low = scan_low(scan), .high = scan_high(scan)};
    const struct record *record = NULL;
    bool stopped = false;
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
    return record == NULL || *out_end ? 0 : scan_go_on_behind(scan, record_key_bytes(record));
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

static void scan_sweep(struct store *store, int64_t now_ms)
{
    enum { SWEEP_BUDGET = 1024 };
    for (unsigned i = 0; i < store->n_partitions; i++)
        while (store_sweep(store, i, now_ms, SWEEP_BUDGET))
            continue;
}

int scan_count(struct store *store, const struct run *run, const struct scan *scan, int64_t now_ms,
               uint64_t *out_count)
{
    struct record_key low = scan_low(scan), high = scan_high(scan);
    struct txn_set set = {0};
    struct txn txn;
    uint64_t count = 0;
    scan_sweep(store, now_ms);
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
