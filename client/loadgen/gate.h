/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Gates: bounds that results have to keep, from a file (bench/gates.json).
 *
 *   {"gates": [{"name": "SET over the wire", "result": "set*memory", "metric": "p99_ns",
 *               "stretch": 500000, "target": 1000000, "acceptable": 2000000,
 *               "counts": true, "from": "where the figure comes from"}]}
 *
 * result is a pattern of names with * and ?. Worse than acceptable is missed. A gate that does not
 * count is printed as context and misses nothing: its figures were taken under other conditions.
 *
 *   gate_open -> gate_judge for each result -> gate_print, gate_write -> gate_close
 */
#pragma once

#include "client/loadgen/load.h"
#include "client/loadgen/metric.h"
#include "client/loadgen/writer.h"

/* A row of the file; texts belong to it. */
struct gate {
    const char *name, *pattern;
    const struct metric *metric;
    double stretch, target, acceptable; /* 0: there is none */
    bool counts;
};

/* What a result came to. */
struct gate_outcome {
    size_t gate;
    double value;
    char *result; /* its name */
};

struct gates {
    json_t *file; /* NULL: there are no gates */
    struct gate *rows;
    struct gate_outcome *outcomes;
    size_t n, n_outcomes;
};

/* Read the file. 0, or ERR_IO, ERR_BAD_ARGUMENT or ERR_OUT_OF_MEMORY with a sentence; gate_close is
 * due either way. */
MUST_USE int gate_open(struct gates *gates, const char *path,
                       char out_detail[static LOAD_DETAIL_SIZE]);
void gate_close(struct gates *gates);

/* Hold the figures of a result against all gates that are for it. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int gate_judge(struct gates *gates, const char *result,
                        const double values[static METRIC_COUNT]);

/* How many that count were missed. */
unsigned gate_missed(const struct gates *gates);

/* A line for each outcome, and one for each gate for which there was no result, or, unless they are
 * to be `listed`, how many these are. */
void gate_print(FILE *out, const struct gates *gates, bool listed);

/* The member "gates" of the report (docs/loadgen-json.md), if there are gates. */
void gate_write(struct writer *json, const struct gates *gates);
