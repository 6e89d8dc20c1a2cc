/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A phase of a mix over time: what client/loadgen/series.h is for all requests, for each kind of
 * them, with less detail: latencies in cells, of intervals of a second (whenever there are too
 * many, each two become one). About 3 MiB.
 */
#pragma once

#include "client/loadgen/cells.h"
#include "client/loadgen/snapshot.h"

enum {
    KINDS_ROWS = 128,
    KINDS_INTERVAL_NS = 1000000000,
};

struct kinds_span {
    uint64_t start_ns, length_ns; /* from the begin of the phase */
    struct snapshot_used used;    /* CPU time, for all kinds together */
};

struct kinds {
    unsigned n;
    uint64_t interval_ns;
    uint64_t begun_ns, seen_ns;     /* clock of the caller: of the phase, of the last row */
    struct snapshot_cpu cpu_before; /* until the last row */
    struct kinds_span span[KINDS_ROWS];
    struct cells row[WORKLOAD_SHAPES][KINDS_ROWS]; /* by kind: successful requests by latency */
    struct hist before[WORKLOAD_SHAPES];           /* until the last row */
};

/* Start at the time of a snapshot. */
void kinds_init(struct kinds *kinds, const struct snapshot *begun);

/* Is an interval over? */
bool kinds_due(const struct kinds *kinds, uint64_t now_ns);

/* It is over, or the phase is at its end (`last`); then, of each kind, all that succeeded until
 * now. */
void kinds_next(struct kinds *kinds, const struct snapshot *seen, bool last);
void kinds_fill(struct kinds *kinds, unsigned kind, const struct hist *all);

/* The rows of another phase, as if it had followed at once. */
void kinds_append(struct kinds *into, const struct kinds *from);

/* Requests per second; those of all kinds of an interval. */
double kinds_rate(const struct kinds *kinds, unsigned kind, unsigned row);
uint64_t kinds_requests(const struct kinds *kinds, unsigned row);
