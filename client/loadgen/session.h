/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A session: what the command line asks for, the servers with their connections, and what comes of
 * it. main.c makes it; session_single.c measures one server, session_versus.c two in turn,
 * session_knee.c looks for the rate that one can keep, session_sweep.c goes through the values of
 * an option.
 */
#pragma once

#include "client/loadgen/baseline.h"
#include "client/loadgen/files.h"
#include "client/loadgen/mix.h"
#include "client/loadgen/report_json.h"
#include "client/loadgen/run.h"
#include "client/loadgen/run_folder.h"
#include "client/loadgen/vector_session.h"

enum { EXIT_WORSE = 1, EXIT_USAGE = 2, EXIT_INVALID = 3 };

/* A server, and all that depends on it. */
struct side {
    const char *name; /* "A", "B"; of the only one "" */
    struct address address;
    struct target target;
    struct plan plan; /* its tests are those that every server can be asked */
    struct run run;
};

enum { SESSION_SIDES = 2 };

struct session {
    struct options options;
    struct mix mix;   /* the test made on the command line, if there is one */
    struct keys keys; /* of --key-file */
    struct side sides[SESSION_SIDES];
    unsigned n_sides; /* 2 with --vs */
    struct progress progress;
    struct writer json;
    FILE *document;           /* in memory, what json writes to; NULL: nobody asks for it */
    struct report_run report; /* what the report says besides results */
    struct files files;       /* what is written besides */
    struct baseline baseline; /* what is kept, and what it is compared with */
    struct run_folder folder; /* of --out-dir */
    struct report_findings findings;
    struct sweep sweep; /* of --sweep */
    struct vector_session vectors;
    struct knee_rules rules; /* of --knee */
    double threshold;        /* of --vs: a change up to this does not matter */
    struct result result;    /* of the last phase */
    int exit_code;
};

/* Say what went wrong; the first failure decides the exit code. Returns -1. */
int session_failed(struct session *session, const struct failure *failure);

/* What was measured is not what was asked for: the exit code, unless there is one already. */
void session_invalid(struct session *session);

/* A file could not be written: results were lost, which is a failure. */
void session_lost(struct session *session, const char *detail);

/* A phase could not be made. Returns -1. */
int session_cannot(struct session *session, int err);

/* Open the connections of a side. 0, or -1 when told; run_close is due either way. */
MUST_USE int session_open(struct session *session, struct side *side);

/* Run one phase of a side and free its frames; session->result is what came of it. `label` is for
 * the line of progress. 0, or -1 with session->result.failure, which is not told yet. */
MUST_USE int session_phase(struct session *session, struct side *side, struct phase *phase,
                           const char *label);

/* What is not measured: its errors would make what is measured meaningless. 0, or -1 when told. */
MUST_USE int session_prelude(struct session *session, struct side *side, struct phase *phase,
                             const char *label);

/* Write all keys, if that was asked for. 0, or -1 when told. */
MUST_USE int session_preload(struct session *session, struct side *side);

/* --keys-check: see whether the keys are there. 0, or -1 when told: they are not. */
MUST_USE int session_check_keys(struct session *session, struct side *side);

enum { SESSION_PARTIAL = -2 };

/* Warm up and measure a test once, into session->result. 0; SESSION_PARTIAL if it ended early,
 * which is not told yet; -1 if nothing was measured, when told. */
MUST_USE int session_measure(struct session *session, struct side *side,
                             const struct workload *workload, const char *label);

/* Is there no summary in which warnings stand? */
bool session_brief(const struct session *session);

/* Say what must not be overlooked about a result; its warnings only if asked to `tell` them. */
void session_warn(struct session *session, const struct side *side, const struct result *result,
                  bool tell);

/* --json and whatever is made of it: the document is begun before the first test, takes each
 * result, and is handed out at the end. */
void session_begin_document(struct session *session);
void session_take(struct session *session, const struct repeat *repeat); /* may be NULL */
void session_take_sides(struct session *session, const struct versus *versus);
void session_end_document(struct session *session);

/* Measure a test of the only server --run-count times; *repeat and session->result are all runs
 * together. `title` is for the line of progress. 0; SESSION_PARTIAL if a run ended early, which is
 * not told yet; -1 if nothing was measured, when told. repeat_deinit is due either way. */
MUST_USE int session_runs(struct session *session, const struct workload *workload,
                          const char *title, struct repeat *repeat);

/* The same, reported. 0, or -1 if the session cannot go on. */
MUST_USE int session_single(struct session *session, const struct workload *workload);

/* --vs: measure a test on both servers in turn, print the comparison and keep it in the findings.
 * 0, or -1 if the session cannot go on. */
MUST_USE int session_versus(struct session *session, const struct workload *workload);

/* --knee: look for the highest rate of a test that keeps the objective, print it and keep it in the
 * findings. 0, or -1 if the session cannot go on. */
MUST_USE int session_knee(struct session *session, const struct workload *workload);

/* --sweep: measure a test for each value, print them and keep them in the findings. 0, or -1 if the
 * session cannot go on. */
MUST_USE int session_sweep(struct session *session, const struct workload *workload);
