/* SPDX-License-Identifier: BSD-3-Clause
 *
 * --sweep: measures a test for each value of an option.
 *
 *   value -> plan -> connections -> keys, if they change -> --run-count runs -> line -> next value
 *
 * How: a value is measured as if it had been given alone, on connections of its own; each has a
 * result of its own as well.
 *
 * Invariants: each point is printed when it is there.
 * Threads: the main thread. Failures: told; what was found until then is reported, -1 ends the
 * session.
 */
#include "client/loadgen/session.h"

#include "client/loadgen/csv.h"
#include "client/loadgen/report.h"

enum { SWEEP_LABEL_SIZE = 160 };

/* Use another plan, with its connections. 0, or -1 when told. */
static int sweep_install(struct session *session, unsigned value)
{
    struct side *side = &session->sides[0];
    struct plan plan;
    char detail[OPTIONS_DETAIL_SIZE];
    int err = sweep_plan(&session->sweep, value, &session->options, &side->plan, &plan, detail);
    REQUIRE(err == 0); /* it was made before, to see whether it can be */
    run_close(&side->run);
    side->plan = plan;
    if (session_open(session, side) != 0)
        return -1;
    if (!sweep_changes_keys(&session->sweep))
        return 0;
    err = session_preload(session, side);
    return err != 0 ? err : session_check_keys(session, side);
}

/* What is written while the sweep goes on. */
static void sweep_report(struct session *session, const struct sweep_table *table,
                         const struct sweep_point *point, const char *title,
                         const struct repeat *repeat)
{
    const struct options *options = &session->options;
    const struct side *side = &session->sides[0];
    char detail[FILES_DETAIL_SIZE];
    if (files_result(&session->files, &session->report, &session->result, detail) != 0)
        session_lost(session, detail);
    session_take(session, repeat);
    if (options->csv)
        csv_row(stdout, title, &session->result, options->csv_ext ? &side->plan : NULL);
    else if (options->quiet)
        report_line(stdout, title, &session->result);
    else if (!options->json)
        sweep_print_point(stdout, table, point);
    session_warn(session, side, &session->result, session_brief(session));
}

/* 0, or -1 if the session cannot go on. */
static int sweep_value(struct session *session, struct sweep_table *table, unsigned value)
{
    char step[SWEEP_STEP_SIZE], title[SWEEP_LABEL_SIZE];
    struct repeat repeat;
    if (sweep_install(session, value) != 0 || run_interrupted())
        return -1;
    sweep_step_text(&session->sweep, value, step);
    (void)snprintf(title, sizeof title, "%s %s", table->workload->title, step);
    int err = session_runs(session, table->workload, title, &repeat);
    if (err == 0 || err == SESSION_PARTIAL) {
        struct sweep_point *point = &table->points[table->n++];
        *point = sweep_point_of(value, &session->sides[0].plan, &repeat, &session->result);
        session->report.step = step;
        session->report.step_in_name = sweep_is_in_name(&session->sweep, &session->sides[0].plan);
        sweep_report(session, table, point, title, &repeat);
        session->report.step = NULL;
    }
    if (err == SESSION_PARTIAL)
        err = session_failed(session, &session->result.failure);
    repeat_deinit(&repeat);
    return err;
}

int session_sweep(struct session *session, const struct workload *workload)
{
    struct sweep_table *table = &session->findings.sweeps[session->findings.n_sweeps++];
    int err = 0;
    *table = (struct sweep_table){.sweep = &session->sweep, .workload = workload};
    if (!session_brief(session) && !session->options.json)
        sweep_print_head(stdout, table);
    for (unsigned i = 0; i < session->sweep.n && err == 0 && !run_interrupted(); i++)
        err = sweep_value(session, table, i);
    return err;
}
