/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Vectors of a session.
 *
 * How: vectors are made once, for both servers of --vs. They are stored by an ordinary phase of
 * batches; then vec.info is asked until nothing is left to be linked.
 *
 * Invariants: nothing here happens while a test is timed.
 * Threads: the main thread; making vectors and looking for neighbours use all CPUs.
 * Failures: told on standard error; -1 ends the session.
 */
#include "client/loadgen/vector_session.h"

#include "client/loadgen/session.h"
#include "client/loadgen/vector_report.h"
#include "common/clock.h"
#include "common/err.h"

#include <inttypes.h>
#include <unistd.h>

enum { SESSION_POLL_US = 5000, SESSION_POLL_MAX_US = 200000 };

int vector_session_check(struct session *session, char out_detail[static VECTOR_DETAIL_SIZE])
{
    const struct options *options = &session->options;
    struct plan *plan = &session->sides[0].plan;
    const char *wrong = NULL;
    plan->vectors.used = plan_has(plan, SHAPE_VECTORS);
    REQUIRE(vector_efs_parse(options->ef, &session->vectors.efs)); /* plan_make has read it */
    if (!plan->vectors.used)
        return 0;
    if (options->given[OPTIONS_keyspace])
        wrong = "the keys of vectors are those of --vectors: give no -r";
    else if ((options->vs[0] != 0 || options->knee || options->sweep[0] != 0) &&
             session->vectors.efs.n > 1)
        wrong = "--vs, --knee and --sweep measure one operating point: give one --ef";
    else if (plan->vectors.spec.n > 0)
        plan->keys = plan->vectors.spec.n;
    if (wrong == NULL)
        return 0;
    (void)snprintf(out_detail, VECTOR_DETAIL_SIZE, "%s", wrong);
    return ERR_BAD_ARGUMENT;
}

/* What should be found, if a test asks. */
static int session_ask_oracle(struct session *session, const struct plan *plan)
{
    const struct vector_plan *vectors = &plan->vectors;
    if (!vectors->recall || !plan_has(plan, SHAPE_SEARCHES))
        return 0;
    bool many = plan_has(plan, SHAPE_MANY);
    uint64_t queries = session->vectors.set.spec.queries, requests = plan->requests;
    const struct vector_question question = {
        .k = vectors->k,
        .reach = many || requests > queries ? queries : requests,
        .sample = vectors->sample,
    };
    return vector_oracle_make(&session->vectors.oracle, &session->vectors.set, &question,
                              plan->cpus);
}

int vector_session_make(struct session *session)
{
    struct vector_session *vectors = &session->vectors;
    const struct plan *plan = &session->sides[0].plan;
    struct failure failure = {.kind = FAILURE_NONE};
    char detail[VECTOR_DETAIL_SIZE] = "";
    if (!plan_has(plan, SHAPE_VECTORS))
        return 0;
    int err = vector_set_make(&vectors->set, &plan->vectors.spec, plan->cpus, detail);
    if (err == 0 && (err = session_ask_oracle(session, plan)) != 0)
        (void)snprintf(detail, sizeof detail, "out of memory for --recall; lower --queries");
    if (err != 0) {
        (void)failure_set(&failure, FAILURE_LOCAL, "%s", detail);
        (void)session_failed(session, &failure);
        session->exit_code = err == ERR_BAD_ARGUMENT ? EXIT_USAGE : session->exit_code;
        return -1;
    }
    for (unsigned i = 0; i < session->n_sides; i++)
        plan_set_vectors(&session->sides[i].plan, &vectors->set,
                         vectors->oracle.n > 0 ? &vectors->oracle : NULL);
    return 0;
}

void vector_session_deinit(struct session *session)
{
    vector_set_deinit(&session->vectors.set);
    vector_oracle_deinit(&session->vectors.oracle);
}

/* ---- storing ---- */

static int session_wait(struct session *session, const struct side *side,
                        struct vector_build *build)
{
    struct failure failure = {.kind = FAILURE_NONE};
    const struct vector_plan *plan = &side->plan.vectors;
    uint64_t begin = clock_mono_ns();
    for (useconds_t pause = SESSION_POLL_US; !run_interrupted(); usleep(pause)) {
        if (vector_server_info(&side->target, plan, &build->state, &failure) != 0)
            return session_failed(session, &failure);
        if (vector_state_is_built(&build->state))
            return 0;
        if (clock_mono_ns() - begin > plan->patience_ns)
            break;
        pause = pause * 2 < SESSION_POLL_MAX_US ? pause * 2 : SESSION_POLL_MAX_US;
    }
    if (!run_interrupted())
        (void)failure_set(&failure, FAILURE_SILENT,
                          "%" PRIu64 " of %" PRIu64 " vectors are not in the index after %.0f s "
                          "(--build-timeout)",
                          build->state.tail, build->state.count, (double)plan->patience_ns / 1e9);
    return failure.kind == FAILURE_NONE ? -1 : session_failed(session, &failure);
}

static int session_store(struct session *session, struct side *side, struct vector_build *build)
{
    struct phase phase;
    int err = phase_init_preload(&phase, &side->plan, PRELOAD_VECTORS);
    if (err != 0)
        return session_cannot(session, err);
    uint64_t begin = clock_mono_ns();
    if (session_prelude(session, side, &phase, "vectors") != 0)
        return -1;
    build->load_ns = clock_mono_ns() - begin;
    err = session_wait(session, side, build);
    build->build_ns = clock_mono_ns() - begin;
    build->vectors = side->plan.vectors.set->spec.n;
    return err;
}

/* Others than these make what is found another than what should be. */
static void session_compare_count(const struct side *side, const struct vector_state *state)
{
    const struct vector_plan *plan = &side->plan.vectors;
    if (plan->oracle == NULL || state->count == plan->set->spec.n)
        return;
    fprintf(stderr,
            "loadgen: collection %s has %" PRIu64 " vectors, and recall is counted as if it had "
            "the %" PRIu64 " of --vectors: store them with --preload, in a --collection of their "
            "own\n",
            plan->collection, state->count, plan->set->spec.n);
}

int vector_session_load(struct session *session, struct side *side)
{
    struct failure failure = {.kind = FAILURE_NONE};
    struct vector_build *build = &session->findings.builds[side - session->sides];
    int err = 0;
    if (!plan_needs(&side->plan, PRELOAD_VECTORS) || run_interrupted())
        return 0;
    if (vector_server_create(&side->target, &side->plan.vectors, &failure) != 0)
        return session_failed(session, &failure);
    if (side->plan.preload)
        err = session_store(session, side, build);
    else if (vector_server_info(&side->target, &side->plan.vectors, &build->state, &failure) != 0)
        return session_failed(session, &failure);
    if (err == 0)
        session_compare_count(side, &build->state);
    if (err == 0 && !session_brief(session) && !session->options.json)
        vector_report_build(stdout, build);
    return err;
}

/* ---- operating points ---- */

size_t vector_session_points(const struct session *session, const struct workload *workload)
{
    return workload_has(workload, SHAPE_SEARCHES) ? session->vectors.efs.n : 1;
}

const struct workload *vector_session_point(struct session *session,
                                            const struct workload *workload, size_t i)
{
    struct vector_session *vectors = &session->vectors;
    bool own = workload < workload_table || workload >= workload_table + WORKLOAD_COUNT;
    size_t row = own ? WORKLOAD_COUNT : (size_t)(workload - workload_table);
    uint64_t ef = vectors->efs.ef[i];
    if (!workload_has(workload, SHAPE_SEARCHES))
        return workload;
    for (unsigned side = 0; side < session->n_sides; side++)
        session->sides[side].plan.vectors.ef = ef;
    char *title = vectors->title[row][i];
    (void)snprintf(title, VECTOR_TITLE_SIZE, "%.60s, k %" PRIu64 ", ef %" PRIu64, workload->title,
                   session->sides[0].plan.vectors.k, ef);
    vectors->workload[row][i] = *workload;
    vectors->workload[row][i].title = title;
    return &vectors->workload[row][i];
}
