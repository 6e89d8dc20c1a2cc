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
 * Failures: exit code 1 if a request failed, 2 for wrong usage, 3 without a server.
 */
#include "build_version.h"
#include "client/loadgen/compare.h"
#include "client/loadgen/help.h"
#include "client/loadgen/html.h"
#include "client/loadgen/report.h"
#include "client/loadgen/report_json.h"
#include "client/loadgen/run.h"
#include "client/loadgen/warning.h"
#include "common/clock.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_REQUEST_FAILED = 1, EXIT_USAGE = 2 };

/* All that main hands down. */
struct session {
    struct options options;
    struct plan plan;
    struct target target;
    struct run run;
    struct progress progress;
    struct writer json;
    FILE *document;           /* in memory, what json writes to; NULL: neither --json nor --html */
    struct report_run report; /* what the report says besides results */
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
    if (session->result.counts.errors > 0 && session->exit_code == 0)
        session->exit_code = EXIT_REQUEST_FAILED;
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

static int session_no_memory(struct session *session)
{
    struct failure failure = {.kind = FAILURE_NONE};
    (void)failure_set(&failure, FAILURE_LOCAL, "out of memory");
    return session_failed(session, &failure);
}

static void session_report(struct session *session)
{
    if (session->document != NULL)
        report_json_test(&session->json, &session->report, false, &session->result);
    if (session->options.json)
        return;
    if (session->options.quiet)
        report_line(stdout, &session->result);
    else
        report_summary(stdout, &session->plan, &session->result);
}

/* With -q there is no summary: what must not be overlooked goes to standard error. */
static void session_warn(const struct session *session)
{
    bool holds[WARNING_COUNT];
    const struct result *result = &session->result;
    if (!session->options.quiet)
        return;
    warning_check(&session->plan, result, holds);
    for (unsigned i = 0; i < WARNING_COUNT; i++)
        if (holds[i])
            fprintf(stderr, "loadgen: %s: warning: %s\n", result->workload->title,
                    warning_table[i].name);
    if (result->first_error[0] != 0)
        fprintf(stderr, "loadgen: first error: %s\n", result->first_error);
}

static int session_test(struct session *session, const struct workload *workload)
{
    struct phase phase;
    if (session->plan.warmup_ns > 0) {
        if (phase_init_warmup(&phase, &session->plan, workload) != 0)
            return session_no_memory(session);
        if (session_prelude(session, &phase, "warm-up") != 0)
            return -1;
    }
    if (run_interrupted())
        return -1;
    if (phase_init_measure(&phase, &session->plan, workload) != 0)
        return session_no_memory(session);
    int result = session_phase(session, &phase, workload->title);
    session_report(session);
    session_warn(session);
    return result == 0 ? 0 : session_failed(session, &session->result.failure);
}

static int session_preload(struct session *session)
{
    struct phase phase;
    if (!session->plan.preload)
        return 0;
    if (phase_init_preload(&phase, &session->plan) != 0)
        return session_no_memory(session);
    return session_prelude(session, &phase, "preload");
}

static void session_begin_document(struct session *session)
{
    const struct options *options = &session->options;
    if (!options->json && options->html[0] == 0)
        return;
    int fd = memfd_create("loadgen", MFD_CLOEXEC);
    session->document = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (session->document == NULL) {
        (void)session_no_memory(session);
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

static void session_tests(struct session *session)
{
    const struct options *options = &session->options;
    session_begin_document(session);
    if (!options->json && !options->quiet)
        report_head(stdout, &session->plan, session->target.name);
    int err = session_preload(session);
    for (unsigned i = 0; i < WORKLOAD_COUNT && err == 0 && !run_interrupted(); i++)
        if (session->plan.tests[i])
            err = session_test(session, &workload_table[i]);
    session_end_document(session);
}

static void session_run(struct session *session)
{
    const struct options *options = &session->options;
    struct failure failure = {.kind = FAILURE_NONE};
    session->report.target = session->target.name;
    int err = target_init(&session->target, options->host, (int)options->port, options->socket,
                          session->plan.driver, (int)options->timeout, &failure);
    if (err != 0) {
        (void)session_failed(session, &failure);
        return;
    }
    err = run_open(&session->run, &session->plan, &session->target, options->server_pid, &failure);
    if (err != 0)
        (void)session_failed(session, &failure);
    else {
        catch_interrupt();
        probe_read(&session->target, &session->report.server);
        environment_read(&session->report.environment);
        session_tests(session);
    }
    run_close(&session->run);
}

static int usage_error(const char *detail)
{
    fprintf(stderr, "loadgen: %s\n", detail);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    static struct session session; /* large: histograms */
    char detail[OPTIONS_DETAIL_SIZE];
    uint64_t cpu;
    if (argc > 1 && strcmp(argv[1], "compare") == 0)
        return compare_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "report") == 0)
        return html_main(argc - 1, argv + 1);
    clock_init();
    struct options *options = &session.options;
    if (options_parse(argc, argv, options, detail) != 0)
        return usage_error(detail);
    if (options->help)
        help_print(stdout);
    else if (options->version)
        puts("loadgen " CAIRN_VERSION);
    if (options->help || options->version)
        return 0;
    if (plan_make(options, cpu_count(), &session.plan, detail) != 0)
        return usage_error(detail);
    if (options->server_pid > 0 && cpu_time_of(options->server_pid, &cpu) != 0)
        return usage_error("--server-pid: there is no such process on this machine");
    session.report =
        (struct report_run){.options = options, .plan = &session.plan, .argc = argc, .argv = argv};
    progress_init(&session.progress, options->interval, options->given[OPTIONS_interval]);
    raise_file_limit();
    session_run(&session);
    if (run_interrupted()) {
        fputs("loadgen: interrupted\n", stderr);
        session.exit_code = session.exit_code == 0 ? EXIT_REQUEST_FAILED : session.exit_code;
    }
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        session.exit_code = session.exit_code == 0 ? EXIT_REQUEST_FAILED : session.exit_code;
    return session.exit_code;
}
