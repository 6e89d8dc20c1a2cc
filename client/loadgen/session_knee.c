/* SPDX-License-Identifier: BSD-3-Clause
 *
 * --knee: measures the rates that knee.c asks for.
 *
 *   step -> settle (a fifth of the window, not measured) -> measure -> point -> next step
 *
 * How: a step is a phase of an open loop like any other; it ends when all that was due has been
 * answered, or a window later, so that a step begins with a server that is idle.
 *
 * Invariants: each point is printed when it is there; the result that is kept besides the maximum
 * is that of the last run which confirms.
 * Threads: the main thread. Failures: told; what was found until then is reported, -1 ends the
 * session.
 */
#include "client/loadgen/session.h"

#include "client/loadgen/knee_report.h"
#include "client/loadgen/text.h"

#include <stdio.h>
#include <string.h>

enum { KNEE_SETTLE_PART = 5, KNEE_LABEL_SIZE = 96 };

/* The plan of the side, for a step. */
static struct plan knee_plan(const struct side *side, const struct knee_step *step,
                             uint64_t duration_ns)
{
    struct plan plan = side->plan;
    plan.rate = step->rate;
    plan.requests = UINT64_MAX;
    plan.duration_ns = plan.warmup_ns = duration_ns;
    plan.until_steady = false;
    plan.drain_ns = plan.drain_ns < step->duration_ns ? plan.drain_ns : step->duration_ns;
    return plan;
}

static void knee_label(const struct knee *knee, const struct knee_step *step,
                       char out[static KNEE_LABEL_SIZE])
{
    char rate[TEXT_SIZE];
    text_count((uint64_t)step->rate, rate);
    (void)snprintf(out, KNEE_LABEL_SIZE, "%s %s%s", knee->workload->title,
                   step->rate > 0 ? rate : "maximum", step->rate > 0 ? "/s" : "");
}

/* Settle, then measure into session->result. 0, or -1 when told. */
static int knee_measure(struct session *session, const struct knee *knee,
                        const struct knee_step *step)
{
    struct side *side = &session->sides[0];
    struct plan settle = knee_plan(side, step, step->duration_ns / KNEE_SETTLE_PART);
    struct plan plan = knee_plan(side, step, step->duration_ns);
    char label[KNEE_LABEL_SIZE];
    struct phase phase;
    knee_label(knee, step, label);
    int err = phase_init_warmup(&phase, &settle, knee->workload);
    if (err != 0)
        return session_cannot(session, err);
    err = session_phase(session, side, &phase, label);
    if (err == 0 && !run_interrupted()) {
        err = phase_init_measure(&phase, &plan, knee->workload);
        if (err != 0)
            return session_cannot(session, err);
        err = session_phase(session, side, &phase, label);
    }
    return err == 0 ? 0 : session_failed(session, &session->result.failure);
}

static bool knee_speaks(const struct session *session)
{
    return !session->options.quiet && !session->options.json;
}

/* Which step of the search this was, for the name of a file: "maximum", "grid_5000", and for the
 * second run at this rate "confirm_5000_2". */
static void knee_step_name(const struct knee *knee, const struct knee_step *step,
                           char out[static KNEE_LABEL_SIZE])
{
    unsigned before = 1; /* itself */
    for (size_t i = 0; i + 1 < knee->n; i++)
        before += knee->points[i].phase == step->phase && knee->points[i].offered == step->rate;
    (void)snprintf(out, KNEE_LABEL_SIZE, "%s", knee_phase_text(step->phase));
    size_t used = strlen(out);
    if (step->rate > 0)
        used += (size_t)snprintf(out + used, KNEE_LABEL_SIZE - used, "_%.0f", step->rate);
    if (before > 1)
        (void)snprintf(out + used, KNEE_LABEL_SIZE - used, "_%u", before);
}

static void knee_write_files(struct session *session, const struct knee *knee,
                             const struct knee_step *step)
{
    char name[KNEE_LABEL_SIZE], detail[FILES_DETAIL_SIZE];
    knee_step_name(knee, step, name);
    if (files_hdr(&session->files, name, &session->result, detail) != 0)
        session_lost(session, detail);
}

/* A point was measured. */
static void knee_keep(struct session *session, struct knee *knee, const struct knee_step *step)
{
    struct knee_point *point = &knee->points[knee->n++];
    *point = knee_point_of(&knee->rules, step, &session->result, session->sides[0].plan.threads);
    if (knee_speaks(session))
        knee_report_point(stdout, knee, point);
    knee_write_files(session, knee, step);
    bool last = step->phase == KNEE_CONFIRM && knee_next(knee).phase == KNEE_DONE;
    if (step->phase == KNEE_MAXIMUM || last)
        session_take(session, NULL);
    if (last)
        session_warn(session, &session->sides[0], &session->result, true);
}

static void knee_conclude(struct session *session, const struct knee *knee)
{
    struct knee_answer answer = knee_answer(knee);
    if (!session->options.json)
        knee_report_answer(stdout, knee, &answer);
    if (answer.outcome == KNEE_UNFINISHED || answer.outcome == KNEE_NOWHERE ||
        answer.outcome == KNEE_UNCONFIRMED)
        session_invalid(session);
}

int session_knee(struct session *session, const struct workload *workload)
{
    struct knee *knee = &session->findings.knees[session->findings.n_knees++];
    int err = 0;
    *knee = (struct knee){.workload = workload, .rules = session->rules};
    if (knee_speaks(session))
        knee_report_head(stdout, knee);
    for (struct knee_step step = knee_next(knee); err == 0 && step.phase != KNEE_DONE;
         step = knee_next(knee)) {
        err = knee_measure(session, knee, &step);
        if (run_interrupted())
            err = -1;
        if (err == 0)
            knee_keep(session, knee, &step);
    }
    knee_conclude(session, knee);
    return err;
}
