/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The metrics in the text format of Prometheus, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 */
#pragma once

#include "common/buf.h"
#include "server/ops/stats.h"
#include "server/process.h"
#include "server/store/partition.h"

#define METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* What the text is made from. */
struct metrics_source {
    const char *version;
    const struct stats *stats;          /* of all loops, with the gauges */
    const struct partition_kind *kinds; /* of the store, by number */
    struct process_figures process;
    int64_t started_ms;           /* since 1970-01-01 UTC */
    const uint64_t *loop_ages_ns; /* since each loop last came round */
    unsigned n_loops;
};

/* Append the text. 0 or ERR_OUT_OF_MEMORY (what was there before is kept, of the text a part). */
MUST_USE int metrics_text(const struct metrics_source *source, struct buf *out);
