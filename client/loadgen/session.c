/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What all ways of measuring share: phases with their failures, and the document of the results.
 *
 * How: the document is written to memory while tests run, so that all that is made of it hands out
 * the same, whole, at the end; also after an interrupt.
 *
 * Invariants: the first reason decides the exit code.
 * Threads: the main thread. Failures: told on standard error; -1 ends the session.
 */
#include "client/loadgen/session.h"

#include "client/loadgen/vector_session.h"
#include "client/loadgen/warning.h"
#include "common/err.h"

#include <inttypes.h>
#include <sys/mman.h>

int session_failed(struct session *session, const struct failure *failure)
{
    fprintf(stderr, "loadgen: %s\n", failure->text);
    if (session->findings.failure.kind == FAILURE_NONE)
        session->findings.failure = *failure;
    if (session->exit_code == 0)
        session->exit_code = failure_exit_code(failure);
    return -1;
}

void session_invalid(struct session *session)
{
    if (session->exit_code == 0)
        session->exit_code = EXIT_INVALID;
}

void session_lost(struct session *session, const char *detail)
{
    struct failure failure = {.kind = FAILURE_NONE};
    (void)failure_set(&failure, FAILURE_LOCAL, "%s", detail);
    (void)session_failed(session, &failure);
}

int session_open(struct session *session, struct side *side)
{
    const struct options *options = &session->options;
    struct failure failure = {.kind = FAILURE_NONE};
    int err = run_open(&side->run, &side->plan, &side->target, options->server_pid, &failure);
    side->run.ask_cpu_time = session->n_sides == SESSION_SIDES || options->server_stats;
    return err == 0 ? 0 : session_failed(session, &failure);
}

int session_phase(struct session *session, struct side *side, struct phase *phase,
                  const char *label)
{
    session->progress.label = label;
    run_phase(&side->run, phase, &session->progress, &session->result);
    phase_deinit(phase);
    const struct worker_counts *counts = &session->result.counts;
    if (counts->errors > 0 || counts->corrupt > 0 || counts->stale > 0)
        session->exit_code = EXIT_INVALID;
    return session->result.failure.kind == FAILURE_NONE ? 0 : -1;
}

int session_prelude(struct session *session, struct side *side, struct phase *phase,
                    const char *label)
{
    const struct result *result = &session->result;
    struct failure failure = {.kind = FAILURE_NONE};
    if (session_phase(session, side, phase, label) != 0)
        return session_failed(session, &result->failure);
    if (result->counts.errors == 0)
        return 0;
    (void)failure_set(&failure, FAILURE_REPLY, "%s: the server refused requests: %s", label,
                      result->first_error);
    return session_failed(session, &failure);
}

int session_cannot(struct session *session, int err)
{
    struct failure failure = {.kind = FAILURE_NONE};
    (void)failure_set(&failure, FAILURE_LOCAL, "%s",
                      err == ERR_OUT_OF_MEMORY
                          ? "out of memory"
                          : "a request may have at most 256 words and 16 keys, values and "
                            "numbers, and brackets that match");
    (void)session_failed(session, &failure);
    session->exit_code = err == ERR_OUT_OF_MEMORY ? session->exit_code : EXIT_USAGE;
    return -1;
}

static int session_load(struct session *session, struct side *side, enum preload what)
{
    struct phase phase;
    if (!side->plan.preload || !plan_needs(&side->plan, what) || run_interrupted())
        return 0;
    int err = phase_init_preload(&phase, &side->plan, what);
    if (err != 0)
        return session_cannot(session, err);
    return session_prelude(session, side, &phase, "preload");
}

/* Does the server have as many keys as --preload=N has written? */
static int session_check_preload(struct session *session, const struct side *side)
{
    const struct plan *plan = &side->plan;
    uint64_t there;
    if (plan->preload_keys == 0 || !plan_needs(plan, PRELOAD_KEYS) || run_interrupted())
        return 0;
    if (probe_keys(&side->target, &there) != 0) {
        fputs("loadgen: --preload: the server does not tell how many keys it has\n", stderr);
        return 0;
    }
    if (there >= plan->preload_keys)
        return 0;
    fprintf(stderr,
            "loadgen: --preload: %" PRIu64 " keys were written, but the server has %" PRIu64
            ": it deletes them to make room, or they expire\n",
            plan->preload_keys, there);
    session_invalid(session);
    return -1;
}

int session_preload(struct session *session, struct side *side)
{
    int err = session_load(session, side, PRELOAD_KEYS);
    if (err == 0)
        err = session_check_preload(session, side);
    if (err == 0)
        err = session_load(session, side, PRELOAD_SESSIONS);
    return err != 0 ? err : vector_session_load(session, side);
}

int session_check_keys(struct session *session, struct side *side)
{
    struct phase phase;
    const struct plan *plan = &side->plan;
    double expected = plan->expects_hits ? plan->expect_hits : 1;
    if (!plan->keys_check || run_interrupted())
        return 0;
    int err = phase_init_sample(&phase, plan);
    if (err != 0)
        return session_cannot(session, err);
    err = session_prelude(session, side, &phase, "keys check");
    struct report_keys *keys = &session->findings.keys[side - session->sides];
    keys->found = session->result.counts.hits;
    keys->read = keys->found + session->result.counts.misses;
    keys->expected = expected;
    if (err != 0 || (double)keys->found >= expected * (double)keys->read)
        return err;
    fprintf(stderr,
            "loadgen: %s%s--keys-check: %" PRIu64 " of %" PRIu64 " keys are there, and %.6g %% "
            "should be: write them before (--preload), or see whether -r, --key-prefix and "
            "--key-file are as when they were written\n",
            side->name, side->name[0] != 0 ? ": " : "", keys->found, keys->read, 100 * expected);
    session_invalid(session);
    return -1;
}

/* Does anything need the document? */
static bool session_has_document(const struct session *session)
{
    const struct options *options = &session->options;
    return options->json || options->json_file[0] != 0 || options->html[0] != 0 ||
           options->markdown[0] != 0 || options->gates[0] != 0 ||
           run_folder_wanted(&session->folder) || baseline_wanted(&session->baseline);
}

/* Is the server asked what it has counted? */
static bool session_asks(const struct session *session)
{
    const struct options *options = &session->options;
    return options->server_stats || options->durability[0] != 0 || session_has_document(session);
}

static void session_ask_again(const struct side *side, const struct server_state *before,
                              struct result *result)
{
    struct server_state after;
    server_stats_read(&side->target, &after);
    after.ungreeted = result->server_told.asked;
    server_stats_change(before, &after, &result->server);
}

int session_measure(struct session *session, struct side *side, const struct workload *workload,
                    const char *label)
{
    struct phase phase;
    struct steady warmup = {.enough = true};
    int err;
    if (side->plan.warmup_ns > 0) {
        err = phase_init_warmup(&phase, &side->plan, workload);
        if (err != 0)
            return session_cannot(session, err);
        if (session_prelude(session, side, &phase, "warm-up") != 0)
            return -1;
        warmup = session->result.length;
    }
    if (run_interrupted())
        return -1;
    err = phase_init_measure(&phase, &side->plan, workload);
    if (err != 0)
        return session_cannot(session, err);
    struct server_state before = {.known = false};
    if (session_asks(session))
        server_stats_read(&side->target, &before);
    err = session_phase(session, side, &phase, label) == 0 ? 0 : SESSION_PARTIAL;
    session->result.warmup = warmup;
    if (err == 0 && before.known)
        session_ask_again(side, &before, &session->result);
    return err;
}

bool session_brief(const struct session *session)
{
    return session->options.quiet || session->options.csv;
}

void session_warn(struct session *session, const struct side *side, const struct result *result,
                  bool tell)
{
    bool holds[WARNING_COUNT], any = false;
    const char *space = side->name[0] != 0 ? ": " : "";
    if (result->first_corrupt[0] != 0)
        fprintf(stderr, "loadgen: %s%s%s\n", side->name, space, result->first_corrupt);
    if (result->first_stale[0] != 0)
        fprintf(stderr, "loadgen: %s%s%s\n", side->name, space, result->first_stale);
    warning_check(&side->plan, result, holds);
    for (unsigned i = 0; i < WARNING_COUNT; i++) {
        if (!holds[i])
            continue;
        if (session->options.strict || i == WARNING_unexpected_hits)
            session->exit_code = EXIT_INVALID;
        if (tell && !any)
            fprintf(stderr, "loadgen: %s%s%s: warnings:", side->name, space,
                    result->workload->title);
        if (tell)
            fprintf(stderr, "%s %s", any ? "," : "", warning_table[i].name);
        any = true;
    }
    if (tell && any)
        fputc('\n', stderr);
    if (tell && result->first_error[0] != 0)
        fprintf(stderr, "loadgen: %s%sfirst error: %s\n", side->name, space, result->first_error);
}

/* ---- the document ---- */

static void session_describe(struct session *session)
{
    struct report_run *report = &session->report;
    environment_read(&report->environment);
    if (session->findings.failure.kind != FAILURE_NONE)
        return; /* it is no use to ask servers */
    probe_read(&session->sides[0].target, &report->server);
    if (session->n_sides == SESSION_SIDES)
        probe_read(&session->sides[1].target, &report->server_b);
}

/* A file that is nowhere; NULL: there is no memory. */
static FILE *session_memory(void)
{
    int fd = memfd_create("loadgen", MFD_CLOEXEC);
    return fd >= 0 ? fdopen(fd, "w+") : NULL;
}

void session_begin_document(struct session *session)
{
    bool document = session_has_document(session);
    char detail[RUN_FOLDER_DETAIL_SIZE];
    if (!document && session->files.ndjson.out == NULL)
        return;
    session_describe(session);
    files_begin(&session->files, &session->report);
    if (!document)
        return;
    session->document = session_memory();
    if (session->document == NULL) {
        (void)session_cannot(session, ERR_OUT_OF_MEMORY);
        return;
    }
    bool ready = session->findings.failure.kind == FAILURE_NONE; /* else it stays as it was */
    if (ready && run_folder_begin(&session->folder, session->report.time_ms, detail) != 0)
        session_lost(session, detail);
    writer_init(&session->json, session->document);
    report_json_begin(&session->json, &session->report);
}

/* What all results have in common: of what side, and is it to be believed and good enough? */
static void session_judge(struct session *session, bool of_b, const struct result *result)
{
    char name[REPORT_NAME_SIZE];
    double values[METRIC_COUNT];
    struct report_findings *findings = &session->findings;
    validity_add(&findings->validity, &session->sides[of_b].plan, result);
    report_json_name(&session->report, of_b, result, name);
    metric_values(result, values);
    if (gate_judge(&findings->gates, name, values) != 0)
        (void)session_cannot(session, ERR_OUT_OF_MEMORY);
}

void session_take(struct session *session, const struct repeat *repeat)
{
    if (session->document == NULL)
        return;
    report_json_test(&session->json, &session->report, &session->result, repeat);
    session_judge(session, false, &session->result);
}

void session_take_sides(struct session *session, const struct versus *versus)
{
    for (unsigned side = 0; side < SESSION_SIDES && session->document != NULL; side++) {
        report_json_side(&session->json, &session->report, versus, side == 1);
        session_judge(session, side == 1, side == 1 ? versus->b : versus->a);
    }
}

/* Judgements go where they do not disturb what programs read. */
static FILE *session_judgements(const struct session *session)
{
    return session->options.json || session->options.csv ? stderr : stdout;
}

static void session_end_gates(struct session *session)
{
    const struct gates *gates = &session->findings.gates;
    if (gates->file == NULL)
        return;
    gate_print(session_judgements(session), gates, false);
    if (gate_missed(gates) > 0 && session->exit_code == 0)
        session->exit_code = EXIT_WORSE;
}

/* How the document compares with the baseline, to people and into `said`. */
static void session_compare(struct session *session, const json_t *document, FILE *said)
{
    int status = baseline_compare(&session->baseline, document, said);
    session->exit_code = session->exit_code == 0 ? status : session->exit_code;
    if (!files_copy(said, session_judgements(session)))
        session_invalid(session);
}

static void session_save_baseline(struct session *session)
{
    const struct baseline *baseline = &session->baseline;
    char detail[BASELINE_DETAIL_SIZE];
    if (baseline->save[0] == 0)
        return;
    if (session->exit_code != 0) {
        fprintf(stderr,
                "loadgen: baseline %s is left as it was: these results are not worth keeping\n",
                baseline->save);
        return;
    }
    rewind(session->document);
    if (baseline_save(baseline, session->document, detail) != 0)
        session_lost(session, detail);
}

/* What is made of the whole document. */
static void session_hand_out(struct session *session, const json_t *document, FILE *said)
{
    char detail[FILES_DETAIL_SIZE];
    if (files_document(&session->files, session->document, document, detail) != 0)
        session_lost(session, detail);
    session_end_gates(session);
    session_compare(session, document, said);
    session_save_baseline(session);
    if (run_folder_write(&session->folder, session->document, document, said, detail) != 0)
        session_lost(session, detail);
    if (run_folder_end(&session->folder, document, session->exit_code, detail) != 0)
        session_lost(session, detail);
}

void session_end_document(struct session *session)
{
    json_error_t error;
    if (session->document == NULL)
        return;
    session->findings.validity.interrupted = run_interrupted();
    if (run_interrupted())
        session_invalid(session);
    report_json_end(&session->json, &session->findings);
    if (session->options.json && !files_copy(session->document, stdout))
        session_invalid(session);
    rewind(session->document);
    json_t *document = json_loadf(session->document, 0, &error);
    FILE *said = session_memory();
    if (document == NULL || said == NULL)
        session_lost(session, document == NULL ? error.text : "out of memory");
    else
        session_hand_out(session, document, said);
    if (said != NULL)
        fclose(said);
    json_decref(document);
    fclose(session->document);
}
