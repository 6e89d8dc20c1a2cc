/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Results as they come, for programs that follow a run: one JSON object a line (--ndjson),
 * described in docs/loadgen-json.md. Each has a "type": config, sample, warning, result.
 */
#pragma once

#include "client/loadgen/report_json.h"

struct ndjson {
    FILE *out; /* NULL: nothing is written */
};

/* An interval of a phase. */
struct ndjson_sample {
    const char *label;            /* "SET", "preload" */
    uint64_t begin_ns, length_ns; /* from the begin of the phase */
    uint64_t errors;
    const struct hist *latency; /* of the interval */
    const struct hist *slip;    /* how late requests were sent */
    struct snapshot_used used;  /* CPU time, also of the */
    unsigned threads;
    uint64_t conn_ns; /* how long connections were used, all together */
    const struct workload *workload;
    const struct hist *kinds; /* the same of each kind of request; NULL: there is only one */
};

void ndjson_config(struct ndjson *ndjson, const struct report_run *run);
void ndjson_sample(struct ndjson *ndjson, const struct ndjson_sample *sample);

/* The warnings of a result, then itself. */
void ndjson_result(struct ndjson *ndjson, const struct report_run *run,
                   const struct result *result);
