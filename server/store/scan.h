/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ordered scans over all partitions: range, direction, page; and counting.
 *
 * A scan takes the locks for SCAN_SLICE records at a time, so a long page never holds up writers. A
 * page is therefore not one instant; what exists throughout is returned exactly once.
 */
#pragma once

#include "common/buf.h"
#include "server/store/txn.h"

enum { SCAN_SLICE = 512 }; /* about 50 us; without bound if only one thread uses the store */

/* A range of keys of one kind in one run: low <= key < high, in the order of `reverse`. */
struct scan {
    uint32_t run;
    uint8_t kind;
    bool reverse;
    bool low_exclusive;
    bool high_open; /* no upper bound within the kind */
    struct buf low, high;
};

/* A range from optional bounds (size 0: none). `after`: go on behind this key, in the
 * direction of the scan; NULL data: from the start. 0 or ERR_OUT_OF_MEMORY; scan_deinit in any
 * case. */
MUST_USE int scan_init(struct scan *scan, const struct run *run, enum record_kind kind,
                       struct bytes prefix, struct bytes from, struct bytes to, struct bytes after,
                       bool reverse);
void scan_deinit(struct scan *scan);

/* Called for each live record, under the lock of its partition; true to go on. */
typedef bool (*scan_visit_fn)(void *context, const struct record *record);

/* Visit up to `limit` records. *out_more: it ended for the limit or because visit said so, not for
 * the end of the range. 0, TXN_RETRY, or ERR_OUT_OF_MEMORY. */
MUST_USE int scan_visit(struct store *store, const struct run *run, struct scan *scan,
                        int64_t now_ms, uint64_t limit, scan_visit_fn visit, void *context,
                        bool *out_more);

/* The key of the last record visited: the cursor of a page that has one. Valid until the scan goes
 * on or ends. */
struct bytes scan_cursor(const struct scan *scan);

/* Number of records in the range, in logarithmic time. What has expired is swept first; a record
 * whose time came within the last tick of the timer wheel (4 ms) may still count. 0 or TXN_RETRY.
 * */
MUST_USE int scan_count(struct store *store, const struct run *run, const struct scan *scan,
                        int64_t now_ms, uint64_t *out_count);

/* The sums of a kind in a run (sums.h), as exact as that; at a cost that no number of records
 * changes. 0 or TXN_RETRY. */
MUST_USE int scan_sums(struct store *store, const struct run *run, enum record_kind kind,
                       int64_t now_ms, struct sums_row *out_sums);

/* Number of records of a run, all kinds; a figure for lists (records that expired but are not swept
 * yet count). */
uint64_t scan_count_run(struct store *store, const struct run *run);
