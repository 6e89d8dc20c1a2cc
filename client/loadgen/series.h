/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A phase over time: requests, errors and latencies of each interval of it, how late requests were
 * sent, and CPU time. The intervals have 0.2 s; whenever there are too many, each two become one.
 * About 6 MiB.
 */
#pragma once

#include "client/loadgen/cells.h"
#include "client/loadgen/snapshot.h"

enum {
    SERIES_ROWS = 300,
    SERIES_INTERVAL_NS = 200000000,
};

struct series_row {
    uint64_t start_ns, length_ns;  /* from the begin of the phase */
    uint64_t requests, errors;     /* requests: successful ones */
    uint64_t max_ns;               /* as exact as a bucket of the histogram */
    uint32_t bucket[HIST_BUCKETS]; /* replies by latency, as in common/hist.h */
    struct cells slip;             /* of an open loop: how late requests were sent */
    struct snapshot_used used;     /* CPU time */
    uint64_t conn_ns;              /* how long connections were used, all together */
};

struct series {
    unsigned n;
    uint64_t interval_ns;
    uint64_t begun_ns, seen_ns; /* clock of the caller: of the phase, of the last row */
    uint64_t errors;            /* until the last row */
    struct hist before;         /* the same, and the two below */
    struct hist slip_before;
    struct snapshot_cpu cpu_before;
    uint64_t conn_before;
    struct series_row row[SERIES_ROWS];
};

/* Start at the time of a snapshot, before any request. */
void series_init(struct series *series, const struct snapshot *begun);

/* What there is by now. A row is added when an interval is over, or at the end (`last`) for the
 * rest. */
void series_update(struct series *series, const struct snapshot *seen, bool last);

/* Whether series_update would add a row, so that a snapshot need only be taken then. */
bool series_due(const struct series *series, uint64_t now_ns);

/* The rows of another phase, as if it had followed at once. */
void series_append(struct series *into, const struct series *from);

/* Add a row to one that it follows. */
void series_join(struct series_row *into, const struct series_row *from);

/* How many connections were used, on average. */
double series_connections(const struct series_row *row);

/* As hist_quantile. */
uint64_t series_quantile(const struct series_row *row, double q);

/* Of n rows one behind the other: requests, requests per second, and as series_quantile. */
uint64_t series_requests(const struct series_row *rows, unsigned n);
double series_rate(const struct series_row *rows, unsigned n);
uint64_t series_quantile_of(const struct series_row *rows, unsigned n, double q);

/* By how much the rate of the last third of the time differs from that of the first, relative to
 * the higher of the two, 0..1; 0 if there are too few rows to tell. */
double series_drift(const struct series *series);
