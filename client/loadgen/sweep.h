/* SPDX-License-Identifier: BSD-3-Clause
 *
 * --sweep OPTION=V1,V2,...: the same tests for each value of an option, as one table. Here is which
 * values there are, and what came of each; session_sweep.c measures.
 */
#pragma once

#include "client/loadgen/keys.h"
#include "client/loadgen/options.h"
#include "client/loadgen/plan.h"
#include "client/loadgen/repeat.h"
#include "client/loadgen/warning.h"

enum { SWEEP_VALUES = 64, SWEEP_NAME_SIZE = 32, SWEEP_TEXT_SIZE = 24 };

struct sweep {
    char name[SWEEP_NAME_SIZE]; /* as it is written: "clients" */
    enum options_id id;
    char values[SWEEP_VALUES][SWEEP_TEXT_SIZE]; /* no two alike */
    unsigned n;                                 /* 0: no sweep */
};

/* Read what --sweep says and set the first value in the options. 0, or ERR_BAD_ARGUMENT with a
 * sentence. */
MUST_USE int sweep_parse(struct sweep *sweep, struct options *options,
                         char out_detail[static OPTIONS_DETAIL_SIZE]);

/* The plan for a value, `like` the one of the first. 0, or ERR_BAD_ARGUMENT with a sentence. */
MUST_USE int sweep_plan(const struct sweep *sweep, unsigned value, const struct options *options,
                        const struct plan *like, struct plan *out,
                        char out_detail[static OPTIONS_DETAIL_SIZE]);

/* Does another value take other keys or values, so that they must be written again? */
bool sweep_changes_keys(const struct sweep *sweep);

/* "clients=10" */
enum { SWEEP_STEP_SIZE = SWEEP_NAME_SIZE + SWEEP_TEXT_SIZE + 2 };
void sweep_step_text(const struct sweep *sweep, unsigned value,
                     char out_text[static SWEEP_STEP_SIZE]);

/* Does the name of a result say by itself which value this is (client/loadgen/report_json.h)? */
bool sweep_is_in_name(const struct sweep *sweep, const struct plan *plan);

/* What was measured at a value; of several runs medians. */
struct sweep_point {
    unsigned value;
    double figures[METRIC_COUNT];
    struct stats_spread rate; /* over the runs */
    size_t runs;
    double offered; /* open loop: requests a second asked for; else 0 */
    double busiest; /* share of the time the busiest thread of loadgen was on a CPU */
    uint64_t max_ns, errors;
    bool warnings[WARNING_COUNT];
};

/* A test. */
struct sweep_table {
    const struct sweep *sweep;
    const struct workload *workload;
    struct sweep_point points[SWEEP_VALUES]; /* as far as it came */
    unsigned n;
};

/* `result` is of all runs together. */
struct sweep_point sweep_point_of(unsigned value, const struct plan *plan,
                                  const struct repeat *repeat, const struct result *result);

/* The head of the table, then its lines as they come. */
void sweep_print_head(FILE *out, const struct sweep_table *table);
void sweep_print_point(FILE *out, const struct sweep_table *table, const struct sweep_point *point);

/* The member "sweep" of the report, of n tests (docs/loadgen-json.md). */
void sweep_write(struct writer *json, const struct sweep_table *tables, size_t n);
