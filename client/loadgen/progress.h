/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The line that tells how a phase is going, on standard error; and the intervals of --ndjson.
 */
#pragma once

#include "client/loadgen/ndjson.h"
#include "client/loadgen/snapshot.h"

enum { PROGRESS_BARS = 20 };

struct progress {
    bool shown;           /* print at all */
    bool bars;            /* with a picture of the rates so far: the terminal has UTF-8 */
    bool terminal;        /* rewrite one line, instead of printing one after the other */
    uint64_t interval_ns; /* between lines */

    const char *label;       /* what is going on: "SET", "preload" ... */
    uint64_t begun, printed; /* clock_mono_ns */
    struct hist before;      /* all replies, when the last line was printed */
    struct hist slip_before;
    struct snapshot_cpu cpu_before;
    uint64_t conn_before;
    uint64_t errors_before;
    struct hist kinds_before[WORKLOAD_SHAPES]; /* by kind of request */
    struct hist kinds[WORKLOAD_SHAPES];        /* what came since */
    double rates[PROGRESS_BARS];               /* of the last intervals, the latest last */
    unsigned n_rates;
    struct ndjson *ndjson; /* intervals are written to it as well; NULL: none */
};

/* Print each interval_ms (0: never); only to a terminal unless `asked` for. Set ndjson after it. */
void progress_init(struct progress *progress, int64_t interval_ms, bool asked);

/* A phase begins; set label before. Then, whenever it is time, what there is by now. */
void progress_begin(struct progress *progress, const struct snapshot *begun);
bool progress_due(const struct progress *progress, uint64_t now_ns);
void progress_update(struct progress *progress, const struct phase *phase,
                     const struct snapshot *seen);

/* It has ended: clear the line, and write the last interval, of whatever length. */
void progress_end(struct progress *progress, const struct phase *phase,
                  const struct snapshot *seen);
