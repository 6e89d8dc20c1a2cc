/* SPDX-License-Identifier: BSD-3-Clause
 *
 * loadgen: measures a running server.
 *
 *   options -> plan -> connect -> preload -> for each test: warm-up, measure, report
 *
 * How: one set of connections serves all phases. An interrupt (Ctrl-C) ends the phase, and what was
 * measured until then is reported.
 *
 * Invariants: results go to standard output, everything else to standard error.
 * Threads: see client/loadgen/run.c.
 * Failures: exit code 2 for wrong usage; 3 if what was measured is not what was asked for: no
 * server, requests that failed, values that are wrong, an interrupt.
 */
#include "build_version.h"
#include "client/loadgen/compare.h"
#include "client/loadgen/csv.h"
#include "client/loadgen/dry_run.h"
#include "client/loadgen/files.h"
#include "client/loadgen/help.h"
#include "client/loadgen/html.h"
#include "client/loadgen/report.h"
#include "client/loadgen/report_json.h"
#include "client/loadgen/run.h"
#include "client/loadgen/selftest.h"
#include "client/loadgen/verify.h"
#include "client/loadgen/warning.h"
#include "common/clock.h"
#include "common/err.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_INVALID = 3 };

/* All that main hands down. */
struct session {
    struct options options;
    struct address address;
    struct plan plan;
    struct workload_own own; /* the request on the command line, if there is one */
    struct target target;
    struct run run;
    struct progress progress;
    struct writer json;
    FILE *document;           /* in memory, what json writes to; NULL: neither --json nor --html */
    struct report_run report; /* what the report says besides results */
    struct files files;       /* what is written besides */
    struct result result;     /* of the last phase */
    int exit_code;
};

/* The first Ctrl-C ends the phase; one that comes a second later or more, the process. */
static void on_interrupt(int signal)
{
    static volatile uint64_t first_ns;
    uint64_t now = clock_mono_ns();
    if (!run_interrupted())
        first_ns = now;
    else if (now - first_ns > 1000000000)
        _exit(128 + signal);
    run_interrupt();
}

static void catch_interrupt(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Say what went wrong; the first failure decides the exit code. */
static int session_failed(struct session *session, const struct failure *failure)
{
    fprintf(stderr, "loadgen: %s\n", failure->text);
    if (session->exit_code == 0)
        session->exit_code = failure_exit_code(failure);
    return -1;
}

/* Run one phase; its frames are freed. 0, or -1 if the run cannot go on. */
static int session_phase(struct session *session, struct phase *phase, const char *label)
{
    session->progress.label = label;
    run_phase(&session->run, phase, &session->progress, &session->result);
    phase_deinit(phase);
    if (session->result.counts.errors > 0 || session->result.counts.corrupt > 0)
        session->exit_code = EXIT_INVALID;
    return session->result.failure.kind == FAILURE_NONE ? 0 : -1;
}

/* What is not measured: its errors would make what is measured meaningless. */
static int session_prelude(struct session *session, struct phase *phase, const char *label)
{
    const struct result *result = &session->result;
    if (session_phase(session, phase, label) != 0)
        return session_failed(session, &result->failure);
    if (result->counts.errors == 0)
        return 0;
    fprintf(stderr, "loadgen: %s: the server refused requests: %s\n", label, result->first_error);
    return -1;
}

/* A phase could not be made. */
static int session_cannot(struct session *session, int err)
{
    struct failure failure = {.kind = FAILURE_NONE};
    (void)failure_set(&failure, FAILURE_LOCAL, "%s",
                      err == ERR_OUT_OF_MEMORY
                          ? "out of memory"
                          : "a request may have at most 256 words, 16 keys and 16 values, and "
                            "brackets that match");
    (void)session_failed(session, &failure);
    session->exit_code = err == ERR_OUT_OF_MEMORY ? session->exit_code : EXIT_USAGE;
    return -1;
}

/* A file could not be written: results were lost, which is a failure. */
static void session_lost(struct session *session, const char *detail)
{
    struct failure failure = {.kind = FAILURE_NONE};
    (void)failure_set(&failure, FAILURE_LOCAL, "%s", detail);
    (void)session_failed(session, &failure);
}

static void session_report(struct session *session)
{
    char detail[FILES_DETAIL_SIZE];
    if (files_result(&session->files, &session->report, &session->result, detail) != 0)
        session_lost(session, detail);
    if (session->document != NULL)
        report_json_test(&session->json, &session->report, false, &session->result);
    if (session->options.json)
        return;
    if (session->options.csv)
        csv_row(stdout, &session->result, session->options.csv_ext ? &session->plan : NULL);
    else if (session->options.quiet)
        report_line(stdout, &session->result);
    else
        report_summary(stdout, &session->plan, &session->result);
}

/* With -q and --csv there is no summary: what must not be overlooked goes to standard error. */
static void session_warn(struct session *session)
{
    bool holds[WARNING_COUNT];
    const struct result *result = &session->result;
    if (result->first_corrupt[0] != 0)
        fprintf(stderr, "loadgen: %s\n", result->first_corrupt);
    warning_check(&session->plan, result, holds);
    for (unsigned i = 0; i < WARNING_COUNT; i++)
        if (holds[i] && session->options.strict)
            session->exit_code = EXIT_INVALID;
    if (!session->options.quiet && !session->options.csv)
        return;
    bool any = false;
    for (unsigned i = 0; i < WARNING_COUNT; i++) {
        if (!holds[i])
            continue;
        if (!any)
            fprintf(stderr, "loadgen: %s: warnings:", result->workload->title);
        fprintf(stderr, "%s %s", any ? "," : "", warning_table[i].name);
        any = true;
    }
    if (any)
        fputc('\n', stderr);
    if (result->first_error[0] != 0)
        fprintf(stderr, "loadgen: first error: %s\n", result->first_error);
}

static int session_test(struct session *session, const struct workload *workload)
{
    struct phase phase;
    int err;
    if (session->plan.warmup_ns > 0) {
        err = phase_init_warmup(&phase, &session->plan, workload);
        if (err != 0)
            return session_cannot(session, err);
        if (session_prelude(session, &phase, "warm-up") != 0)
            return -1;
    }
    if (run_interrupted())
        return -1;
    err = phase_init_measure(&phase, &session->plan, workload);
    if (err != 0)
        return session_cannot(session, err);
    err = session_phase(session, &phase, workload->title);
    session_report(session);
    session_warn(session);
    return err == 0 ? 0 : session_failed(session, &session->result.failure);
}

static int session_preload(struct session *session)
{
    struct phase phase;
    if (!session->plan.preload)
        return 0;
    int err = phase_init_preload(&phase, &session->plan);
    if (err != 0)
        return session_cannot(session, err);
    return session_prelude(session, &phase, "preload");
}

static void session_begin_document(struct session *session)
{
    const struct options *options = &session->options;
    if (!options->json && options->html[0] == 0 && session->files.ndjson.out == NULL)
        return;
    probe_read(&session->target, &session->report.server);
    environment_read(&session->report.environment);
    files_begin(&session->files, &session->report);
    if (!options->json && options->html[0] == 0)
        return;
    int fd = memfd_create("loadgen", MFD_CLOEXEC);
    session->document = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (session->document == NULL) {
        (void)session_cannot(session, ERR_OUT_OF_MEMORY);
        return;
    }
    writer_init(&session->json, session->document);
    report_json_begin(&session->json, &session->report);
}

static void session_print_document(FILE *document)
{
    char text[BUFSIZ];
    size_t size;
    rewind(document);
    while ((size = fread(text, 1, sizeof text, document)) > 0)
        (void)fwrite(text, 1, size, stdout);
}

/* Hand out what was written: to standard output, and as a page. */
static void session_end_document(struct session *session)
{
    const struct options *options = &session->options;
    struct failure failure = {.kind = FAILURE_NONE};
    char detail[HTML_DETAIL_SIZE];
    if (session->document == NULL)
        return;
    report_json_end(&session->json, NULL, 0);
    if (options->json)
        session_print_document(session->document);
    rewind(session->document);
    if (options->html[0] != 0 && html_write_file(options->html, session->document, detail) != 0) {
        (void)failure_set(&failure, FAILURE_LOCAL, "%s", detail);
        (void)session_failed(session, &failure);
    }
    fclose(session->document);
}

/* Each test once. */
static int session_all(struct session *session)
{
    int err = 0;
    if (session->options.n_words > 0)
        return session_test(session, &session->own.workload);
    for (unsigned i = 0; i < WORKLOAD_COUNT && err == 0 && !run_interrupted(); i++)
        if (session->plan.tests[i])
            err = session_test(session, &workload_table[i]);
    return err;
}

static void session_tests(struct session *session)
{
    const struct options *options = &session->options;
    char detail[FILES_DETAIL_SIZE];
    session_begin_document(session);
    if (options->csv)
        csv_head(stdout, options->csv_ext);
    else if (!options->json && !options->quiet)
        report_head(stdout, &session->plan, session->target.name);
    int err = session_preload(session);
    do
        err = err != 0 ? err : session_all(session);
    while (options->loop && err == 0 && !run_interrupted());
    session_end_document(session);
    if (files_close(&session->files, detail) != 0)
        session_lost(session, detail);
}

static int usage_error(const char *detail)
{
    fprintf(stderr, "loadgen: %s\n", detail);
    return EXIT_USAGE;
}

static void session_run(struct session *session)
{
    const struct options *options = &session->options;
    struct failure failure = {.kind = FAILURE_NONE};
    session->report.target = session->target.name;
    char detail[PLAN_DETAIL_SIZE];
    int err = target_init(&session->target, &session->address, (int)options->timeout, &failure);
    if (err != 0) {
        (void)session_failed(session, &failure);
        return;
    }
    if (plan_use(&session->plan, session->target.driver, detail) != 0) {
        session->exit_code = usage_error(detail);
        return;
    }
    err = run_open(&session->run, &session->plan, &session->target, options->server_pid, &failure);
    if (err != 0)
        (void)session_failed(session, &failure);
    else {
        catch_interrupt();
        session_tests(session);
    }
    run_close(&session->run);
}

int main(int argc, char **argv)
{
    static struct session session; /* large: histograms */
    char detail[OPTIONS_DETAIL_SIZE], html_detail[HTML_DETAIL_SIZE];
    uint64_t cpu;
    if (argc > 1 && strcmp(argv[1], "compare") == 0)
        return compare_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "report") == 0)
        return html_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "selftest") == 0)
        return selftest_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "verify") == 0)
        return verify_main(argc - 1, argv + 1);
    clock_init();
    struct options *options = &session.options;
    if (options_parse(argc, argv, options, detail) != 0)
        return usage_error(detail);
    options->csv = options->csv || options->csv_ext;
    if (options->help)
        help_print(stdout);
    else if (options->version)
        puts("loadgen " CAIRN_VERSION);
    if (options->help || options->version)
        return 0;
    if (plan_make(options, cpu_count(), &session.plan, detail) != 0 ||
        address_of_options(options, &session.address, detail) != 0)
        return usage_error(detail);
    if (options->dry_run) {
        dry_run_print(stdout, options, &session.address, &session.plan);
        return 0;
    }
    if (options->html[0] != 0 && html_check_file(options->html, html_detail) != 0)
        return usage_error(html_detail);
    if (files_open(&session.files, options, &session.plan, html_detail) != 0)
        return usage_error(html_detail);
    if (options->n_words > 0)
        workload_own_init(&session.own, options->words, options->n_words);
    if (options->server_pid > 0 && cpu_time_of(options->server_pid, &cpu) != 0)
        return usage_error("--server-pid: there is no such process on this machine");
    session.report =
        (struct report_run){.options = options, .plan = &session.plan, .argc = argc, .argv = argv};
    progress_init(&session.progress, options->interval, options->given[OPTIONS_interval]);
    session.progress.ndjson = &session.files.ndjson;
    raise_file_limit();
    session_run(&session);
    if (run_interrupted()) {
        fputs("loadgen: interrupted\n", stderr);
        session.exit_code = session.exit_code == 0 ? EXIT_INVALID : session.exit_code;
    }
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        session.exit_code = session.exit_code == 0 ? EXIT_INVALID : session.exit_code;
    return session.exit_code;
}
