/* SPDX-License-Identifier: BSD-3-Clause
 *
 * --vs: measures a test on two servers in turn.
 *
 *   A B   discarded: what is cold is warm then
 *   B A   A B   B A ...   --pairs of them
 *
 * How: a run is measured whole before the next begins, so that the servers never compete; the same
 * seed gives all runs the same requests. A pair counts when both of its runs are complete.
 *
 * Invariants: what was compared until an interrupt or a failure is reported.
 * Threads: the main thread. Failures: told with the side they belong to; -1 ends the session.
 */
#include "client/loadgen/session.h"

#include "common/err.h"
#include "common/mem.h"

#include <inttypes.h>

enum { VERSUS_LABEL_SIZE = 96 };

/* One run of a side, into session->result. 0, or -1 when told. */
static int versus_run(struct session *session, unsigned at, size_t pair, struct versus *versus)
{
    char label[VERSUS_LABEL_SIZE];
    struct side *side = &session->sides[at];
    struct result *all = at == 0 ? versus->a : versus->b;
    (void)snprintf(label, sizeof label, "%s %s %zu/%zu", side->name, versus->workload->title, pair,
                   versus->asked);
    int err = session_measure(session, side, versus->workload, label);
    if (err != SESSION_PARTIAL)
        return err;
    (void)failure_set(&all->failure, session->result.failure.kind, "%s, %s: %s", side->name,
                      side->target.name, session->result.failure.text);
    return session_failed(session, &all->failure);
}

/* Both runs of a pair; number 0 is discarded. */
static int versus_pair(struct session *session, size_t pair, struct versus *versus,
                       struct result *first)
{
    bool b_first = versus_b_first(pair);
    int err = versus_run(session, b_first ? 1 : 0, pair, versus);
    if (err != 0 || run_interrupted())
        return -1;
    *first = session->result;
    err = versus_run(session, b_first ? 0 : 1, pair, versus);
    if (err != 0 || run_interrupted())
        return -1;
    if (pair == 0)
        return 0;
    err = b_first ? versus_add(versus, &session->result, first)
                  : versus_add(versus, first, &session->result);
    return err == 0 ? 0 : session_cannot(session, err);
}

static void versus_report(struct session *session, const struct versus *versus)
{
    const struct side *a = &session->sides[0], *b = &session->sides[1];
    session_take_sides(session, versus);
    if (session->options.quiet)
        versus_print_line(stdout, versus);
    else if (!session->options.json)
        versus_print(stdout, versus, a->target.name, b->target.name);
    session_warn(session, a, versus->a, true);
    session_warn(session, b, versus->b, true);
}

static void versus_conclude(struct session *session, const struct versus *versus)
{
    switch (versus_outcome(versus)) {
    case VERSUS_WORSE:
        session->exit_code = session->exit_code == 0 ? EXIT_WORSE : session->exit_code;
        break;
    case VERSUS_UNKNOWN:
        fprintf(stderr,
                "loadgen: %s: nothing could be judged: it takes %d complete pairs, and there are "
                "%zu\n",
                versus->workload->title, STATS_RUNS_MIN, versus->n);
        session_invalid(session);
        break;
    case VERSUS_FINE:
        break;
    }
}

int session_versus(struct session *session, const struct workload *workload)
{
    struct versus *versus = &session->findings.versus[session->findings.n_versus++];
    struct result *first = mem_alloc(sizeof *first);
    int err = versus_init(versus, workload, (size_t)session->options.pairs, session->threshold);
    if (err != 0 || first == NULL)
        err = session_cannot(session, ERR_OUT_OF_MEMORY);
    else {
        for (size_t pair = 0; pair <= versus->asked && err == 0; pair++)
            err = versus_pair(session, pair, versus, first);
        versus_report(session, versus);
        versus_conclude(session, versus);
    }
    mem_free(first);
    return err;
}
