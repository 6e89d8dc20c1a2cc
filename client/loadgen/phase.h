/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One phase of a run: preload, warm-up or measurement of one test. Made before the workers start,
 * only read while they run.
 */
#pragma once

#include "client/loadgen/driver.h"
#include "client/loadgen/plan.h"
#include "client/loadgen/stream.h"

struct phase {
    const struct driver *driver;
    const struct workload *workload;
    struct frame frames[WORKLOAD_SHAPES]; /* one for each shape of the workload */
    size_t frame_bytes;                   /* of the larger one */
    struct stream stream;
    uint64_t requests;    /* UINT64_MAX: until duration_ns is over */
    uint64_t duration_ns; /* 0: until `requests` are done */
    uint64_t timeout_ns;
    size_t value_bytes;
    unsigned window; /* requests in flight on a connection; at most phase_window_max */
    unsigned threads;
};

/* What is to be done; the frames are prepared. 0 or ERR_OUT_OF_MEMORY (nothing to free then). */
MUST_USE int phase_init_measure(struct phase *phase, const struct plan *plan,
                                const struct workload *workload);
MUST_USE int phase_init_warmup(struct phase *phase, const struct plan *plan,
                               const struct workload *workload);
MUST_USE int phase_init_preload(struct phase *phase, const struct plan *plan);

void phase_deinit(struct phase *phase);

/* The largest window of any phase of this plan. */
unsigned phase_window_max(const struct plan *plan);
