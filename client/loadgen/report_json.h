/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Results for programs: one JSON object for a run, described in docs/loadgen-json.md. It is what
 * loadgen compare and loadgen report read, and what --html is made from.
 */
#pragma once

#include "client/loadgen/environment.h"
#include "client/loadgen/failure.h"
#include "client/loadgen/gate.h"
#include "client/loadgen/knee.h"
#include "client/loadgen/writer.h"
#include "client/loadgen/options.h"
#include "client/loadgen/plan.h"
#include "client/loadgen/probe.h"
#include "client/loadgen/repeat.h"
#include "client/loadgen/result.h"
#include "client/loadgen/sweep.h"
#include "client/loadgen/validity.h"
#include "client/loadgen/vector_session.h"
#include "client/loadgen/versus.h"

#define REPORT_JSON_VERSION "2.0"

/* What stands before the results. */
struct report_run {
    const struct options *options;
    const struct plan *plan;
    const char *target;
    struct probe server;
    const char *target_b; /* --vs: the other server; NULL: there is none */
    const struct plan *plan_b;
    struct probe server_b;
    struct environment environment;
    const char *step;  /* --sweep: "clients=10", of this result; NULL: none */
    bool step_in_name; /* the name of the result says it anyway */
    int64_t time_ms;   /* when it began, since 1970 */
    int argc;          /* the command */
    char *const *argv;
};

/* What --keys-check found. */
struct report_keys {
    uint64_t read, found; /* 0: nothing was checked */
    double expected;      /* share, 0..1 */
};

/* What stands behind them: comparisons (--vs), knees (--knee) and sweeps (--sweep), one for each
 * test, the keys of each server, and how the results are judged. */
struct report_findings {
    struct failure failure; /* why not all was measured that was asked for */
    struct report_keys keys[2];
    struct versus versus[WORKLOAD_COUNT + 1];
    size_t n_versus;
    struct knee knees[WORKLOAD_COUNT + 1];
    size_t n_knees;
    struct sweep_table sweeps[WORKLOAD_COUNT + 1];
    size_t n_sweeps;
    struct vector_build builds[2]; /* collections of vectors */
    struct validity validity;      /* of all results */
    struct gates gates;            /* and what they came to by them */
};

void report_findings_deinit(struct report_findings *findings);

/* begin, then test for each, then end. No name may come twice: of a test that is run several times,
 * write one result and the runs it is made of; `repeat` may be NULL. */
void report_json_begin(struct writer *json, const struct report_run *run);
void report_json_test(struct writer *json, const struct report_run *run,
                      const struct result *result, const struct repeat *repeat);

/* Instead of a test: all runs of it by one side of two servers. */
void report_json_side(struct writer *json, const struct report_run *run,
                      const struct versus *versus, bool of_b);

/* `findings` may be NULL: there are none. */
void report_json_end(struct writer *json, const struct report_findings *findings);

enum { REPORT_NAME_SIZE = 224 };

/* The name of a result, which says what a figure depends on: "get/d64/c50/P1/memory"; of two
 * servers "A/get/..." and "B/get/...". */
void report_json_name(const struct report_run *run, bool of_b, const struct result *result,
                      char out_name[static REPORT_NAME_SIZE]);
