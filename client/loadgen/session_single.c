/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Measures a test of the only server: once, or --run-count times.
 *
 * How: runs follow each other on the same connections, each with its warm-up and the same requests.
 * The summary and the result are of all runs together, besides the figures of each.
 *
 * Invariants: what was measured until an interrupt or a failure is reported.
 * Threads: the main thread. Failures: told; -1 ends the session.
 */
#include "client/loadgen/session.h"

#include "client/loadgen/csv.h"
#include "client/loadgen/report.h"
#include "common/err.h"

enum { SINGLE_LABEL_SIZE = 96 };

/* One run, into session->result; it counts unless it is the one before. */
static int single_run(struct session *session, const struct workload *workload, const char *title,
                      struct repeat *repeat, bool counts)
{
    char label[SINGLE_LABEL_SIZE];
    if (!counts)
        (void)snprintf(label, sizeof label, "%s, not counted", title);
    else if (repeat->asked > 1)
        (void)snprintf(label, sizeof label, "%s %zu/%zu", title, repeat->n + 1, repeat->asked);
    else
        (void)snprintf(label, sizeof label, "%s", title);
    int err = session_measure(session, &session->sides[0], workload, label);
    bool whole = err == 0 && !run_interrupted();
    bool part = err != -1 && !whole && repeat->n == 0; /* better than nothing */
    if ((whole && counts) || part)
        repeat_add(repeat, &session->result);
    return err;
}

int session_runs(struct session *session, const struct workload *workload, const char *title,
                 struct repeat *repeat)
{
    const struct options *options = &session->options;
    int err = repeat_init(repeat, (size_t)options->run_count, options->discard_first);
    if (err != 0)
        return session_cannot(session, err);
    if (repeat->discarded)
        err = single_run(session, workload, title, repeat, false);
    while (err == 0 && repeat->n < repeat->asked && (repeat->n == 0 || !run_interrupted()))
        err = single_run(session, workload, title, repeat, true);
    if (repeat->n == 0)
        return -1;
    struct failure failure = session->result.failure;
    session->result = *repeat->all;
    session->result.failure = failure;
    return err == -1 && repeat->n > 0 ? 0 : err; /* interrupted between two runs */
}

static void single_report(struct session *session, const struct repeat *repeat)
{
    const struct options *options = &session->options;
    char detail[FILES_DETAIL_SIZE];
    if (files_result(&session->files, &session->report, &session->result, detail) != 0)
        session_lost(session, detail);
    session_take(session, repeat);
    if (options->json)
        return;
    if (options->csv) {
        csv_row(stdout, session->result.workload->title, &session->result,
                options->csv_ext ? &session->sides[0].plan : NULL);
    } else if (options->quiet) {
        report_line(stdout, session->result.workload->title, &session->result);
        repeat_print_line(stdout, repeat);
    } else {
        report_summary(stdout, &session->sides[0].plan, &session->result);
        repeat_print(stdout, repeat);
    }
}

int session_single(struct session *session, const struct workload *workload)
{
    struct repeat repeat;
    int err = session_runs(session, workload, workload->title, &repeat);
    if (err == 0 || err == SESSION_PARTIAL) {
        single_report(session, &repeat);
        session_warn(session, &session->sides[0], &session->result, session_brief(session));
    }
    if (err == SESSION_PARTIAL)
        err = session_failed(session, &session->result.failure);
    repeat_deinit(&repeat);
    return err;
}
