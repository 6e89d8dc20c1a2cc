/* SPDX-License-Identifier: BSD-3-Clause
 *
 * loadgen: measures a running server.
 *
 *   options -> plan -> connect -> preload -> for each test: warm-up, measure, report
 *                                                      or: two servers in turn (--vs)
 *                                                      or: rate after rate (--knee)
 *
 * How: one set of connections to a server serves all phases. An interrupt (Ctrl-C) ends the phase,
 * and what was measured until then is reported.
 *
 * Invariants: results go to standard output, everything else to standard error.
 * Threads: see client/loadgen/run.c.
 * Failures: exit code 1 if --vs finds the second server worse; 2 for wrong usage; 3 if what was
 * measured is not what was asked for: no server, requests that failed, values that are wrong, an
 * interrupt.
 */
#include "build_version.h"
#include "client/loadgen/compare.h"
#include "client/loadgen/csv.h"
#include "client/loadgen/dry_run.h"
#include "client/loadgen/files.h"
#include "client/loadgen/help.h"
#include "client/loadgen/html.h"
#include "client/loadgen/mix_print.h"
#include "client/loadgen/report.h"
#include "client/loadgen/selftest.h"
#include "client/loadgen/session.h"
#include "client/loadgen/verify.h"
#include "common/clock.h"
#include "proto/op.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

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

static int session_point(struct session *session, const struct workload *workload)
{
    if (session->n_sides == SESSION_SIDES)
        return session_versus(session, workload);
    if (session->options.knee)
        return session_knee(session, workload);
    if (session->sweep.n > 0)
        return session_sweep(session, workload);
    return session_single(session, workload);
}

/* A test, at each operating point if it has some. */
static int session_one(struct session *session, const struct workload *workload)
{
    int err = 0;
    for (size_t i = 0; i < vector_session_points(session, workload) && err == 0; i++)
        if (!run_interrupted())
            err = session_point(session, vector_session_point(session, workload, i));
    return err;
}

/* Each test once. */
static int session_all(struct session *session)
{
    const struct plan *plan = &session->sides[0].plan;
    int err = 0;
    if (plan->own != NULL)
        return session_one(session, plan->own);
    for (unsigned i = 0; i < WORKLOAD_COUNT && err == 0 && !run_interrupted(); i++)
        if (plan->tests[i])
            err = session_one(session, &workload_table[i]);
    return err;
}

static void session_head(const struct session *session)
{
    const struct options *options = &session->options;
    if (options->csv)
        csv_head(stdout, options->csv_ext ? &session->sides[0].plan : NULL);
    if (options->csv || options->json || options->quiet)
        return;
    for (unsigned i = 0; i < session->n_sides; i++) {
        const struct side *side = &session->sides[i];
        if (side->name[0] != 0)
            printf("%s: ", side->name);
        report_head(stdout, &side->plan, side->target.name);
    }
    if (session->sweep.n > 0)
        printf("each test for %s; above is the first\n", options->sweep);
}

static void session_tests(struct session *session)
{
    bool ahead = !sweep_changes_keys(&session->sweep); /* else for each value */
    int err = 0;
    session_head(session);
    for (unsigned i = 0; i < session->n_sides && err == 0; i++)
        err = ahead ? session_preload(session, &session->sides[i]) : 0;
    for (unsigned i = 0; i < session->n_sides && err == 0; i++)
        err = ahead ? session_check_keys(session, &session->sides[i]) : 0;
    do
        err = err != 0 ? err : session_all(session);
    while (session->options.loop && err == 0 && !run_interrupted());
}

static int usage_error(const char *detail)
{
    fprintf(stderr, "loadgen: %s\n", detail);
    return EXIT_USAGE;
}

/* The servers cannot do what was asked for. Returns -1. */
static int session_misused(struct session *session, const char *detail)
{
    session_lost(session, detail);
    session->exit_code = EXIT_USAGE;
    return -1;
}

/* ---- servers ---- */

/* A server of this address, which is not connected to yet. 0, or -1 when told. */
static int side_init(struct session *session, struct side *side)
{
    struct failure failure = {.kind = FAILURE_NONE};
    char detail[PLAN_DETAIL_SIZE];
    int timeout_ms = (int)session->options.timeout;
    if (target_init(&side->target, &side->address, timeout_ms, &failure) != 0)
        return session_failed(session, &failure);
    return plan_use(&side->plan, side->target.driver, detail) == 0
               ? 0
               : session_misused(session, detail);
}

static bool session_knows_nothing(struct bytes word)
{
    (void)word;
    return false;
}

/* Keep the tests that both servers can be asked. 0, or -1 when told: there are none. */
static int session_agree(struct session *session)
{
    struct plan *a = &session->sides[0].plan, *b = &session->sides[1].plan;
    bool any = false;
    if (session->n_sides < SESSION_SIDES)
        return 0;
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++) {
        a->tests[i] = b->tests[i] = a->tests[i] && b->tests[i];
        any = any || a->tests[i];
    }
    if (a->own != NULL) /* words that were given are of one protocol, others of any */
        any = a->driver->spelling == b->driver->spelling ||
              workload_unknown_word(a->own, session_knows_nothing) == NULL;
    if (any)
        return 0;
    return session_misused(session, "--vs: these servers speak different protocols, in which "
                                    "nothing of what was asked for is the same; try -t set,get");
}

/* Has every server the operations that were written out? 0, or -1 when told. */
static int session_check_words(struct session *session)
{
    char detail[PLAN_DETAIL_SIZE];
    for (unsigned i = 0; i < session->n_sides; i++)
        if (plan_check_words(&session->sides[i].plan, detail) != 0) {
            session->exit_code = usage_error(detail);
            return -1;
        }
    return 0;
}

static int session_connect(struct session *session)
{
    int err = 0;
    for (unsigned i = 0; i < session->n_sides && err == 0; i++)
        err = session_open(session, &session->sides[i]);
    return err;
}

/* All that a test needs. 0, or -1 when told. */
static int session_ready(struct session *session)
{
    int err = 0;
    for (unsigned i = 0; i < session->n_sides && err == 0; i++)
        err = side_init(session, &session->sides[i]);
    if (err == 0)
        err = session_agree(session);
    if (err == 0)
        err = session_check_words(session);
    if (err == 0)
        err = vector_session_make(session);
    if (err != 0)
        return err;
    if (session->options.server_stats && session->options.server_pid == 0 && session->n_sides == 1)
        session->options.server_pid = probe_process(&session->sides[0].target);
    return session_connect(session);
}

/* What is written about it says why, also if nothing could be measured. */
static void session_run(struct session *session)
{
    const struct side *a = &session->sides[0], *b = &session->sides[1];
    char detail[FILES_DETAIL_SIZE];
    session->report.target = a->target.name;
    session->report.target_b = session->n_sides == SESSION_SIDES ? b->target.name : NULL;
    int err = session_ready(session);
    session_begin_document(session);
    if (err == 0) {
        catch_interrupt();
        session_tests(session);
    }
    session_end_document(session);
    report_findings_deinit(&session->findings);
    if (files_close(&session->files, detail) != 0)
        session_lost(session, detail);
    for (unsigned i = 0; i < session->n_sides; i++)
        if (session->sides[i].run.plan != NULL)
            run_close(&session->sides[i].run);
}

/* ---- command line ---- */

/* What --vs and --knee do not go with; NULL: all is well. */
static const char *session_contradiction(const struct options *o)
{
    bool vs = o->vs[0] != 0, either = vs || o->knee, sweep = o->sweep[0] != 0;
    bool baseline = o->baseline[0] != 0 || o->save_baseline[0] != 0;
    const struct {
        bool holds;
        const char *text;
    } rules[] = {
        {vs && o->knee,
         "give --vs or --knee, not both: look for the knee of each server by itself"},
        {either && (o->given[OPTIONS_run_count] || o->discard_first),
         "--run-count is of one server and one load: --vs has --pairs, and --knee runs of its own"},
        {sweep && either, "--sweep is of one server and one load: give no --vs and no --knee"},
        {sweep && (o->loop || o->ack_log[0] != 0), "--sweep goes with no -l and no --ack-log"},
        {o->discard_first && o->run_count < 2, "--discard-first belongs to --run-count"},
        {o->run_count > 1 && o->loop, "--run-count ends by itself: give no -l"},
        {(baseline || o->gates[0] != 0) && o->loop,
         "a baseline, as --gates, takes results that end: give no -l"},
        {o->given[OPTIONS_baseline_dir] && !baseline,
         "--baseline-dir belongs to --baseline and --save-baseline"},
        {either && o->csv, "--vs and --knee print no --csv; --json has every figure"},
        {either && o->loop, "--vs and --knee end by themselves: give no -l"},
        {vs && o->server_pid > 0,
         "--vs asks both servers for their CPU time: give no --server-pid"},
        {either && (o->ndjson[0] != 0 || o->ack_log[0] != 0),
         "--vs and --knee write no --ndjson and --ack-log; --json has every figure"},
        {vs && o->hdr[0] != 0, "--vs writes no --hdr; --json has every figure"},
        {o->knee && o->rate > 0, "--knee looks for the rate itself: give no --rate"},
        {o->knee && (o->given[OPTIONS_requests] || o->duration > 0),
         "--knee measures each rate for --knee-window: give no -n and no --duration"},
        {o->knee && (o->until_ci > 0 || o->until_ci_p99 > 0),
         "--knee measures each rate for --knee-window: give no --until-ci"},
        {o->knee && strcmp(o->pipeline_mode, "window") != 0,
         "--knee sends each request when it is due: give no --pipeline-mode batch"},
        {o->knee && o->keepalive == 0, "--knee sends each request when it is due: give no -k 0"},
        {!vs && o->given[OPTIONS_pairs], "--pairs belongs to --vs, which names the second server"},
        {!vs && o->baseline[0] == 0 && o->given[OPTIONS_threshold],
         "--threshold belongs to --vs, which names the second server, and --baseline"},
        {!o->knee && (o->given[OPTIONS_slo] || o->given[OPTIONS_knee_window]),
         "--slo and --knee-window belong to --knee"},
    };
    for (size_t i = 0; i < LENGTH_OF(rules); i++)
        if (rules[i].holds)
            return rules[i].text;
    return NULL;
}

/* What the command line makes or names besides: a test, a file of keys. 0 or an error with a
 * sentence. */
static int session_inputs(struct session *session, char out_detail[static OPTIONS_DETAIL_SIZE])
{
    const struct options *options = &session->options;
    struct plan *plan = &session->sides[0].plan;
    bool own = true;
    int err = 0;
    if (options->n_words > 0)
        mix_of_words(&session->mix, options->words, options->n_words);
    else if (options->mix[0] != 0)
        err = mix_of_list(&session->mix, options->mix, out_detail);
    else if (options->script[0] != 0)
        err = mix_of_script(&session->mix, options->script, out_detail);
    else if (options->command)
        err = mix_of_commands(&session->mix, options, out_detail);
    else
        own = false;
    if (err == 0 && own)
        plan_set_own(plan, &session->mix.workload);
    if (err == 0 && options->key_file[0] != 0) {
        err = keys_read(&session->keys, options->key_file, out_detail);
        plan_set_keys(plan, options, &session->keys);
    }
    return err;
}

/* Can every value of --sweep be measured? 0 or an error with a sentence. */
static int session_check_sweep(const struct session *session,
                               char out_detail[static OPTIONS_DETAIL_SIZE])
{
    struct plan plan;
    int err = 0;
    for (unsigned i = 0; i < session->sweep.n && err == 0; i++)
        err = sweep_plan(&session->sweep, i, &session->options, &session->sides[0].plan, &plan,
                         out_detail);
    return err;
}

/* --randomize: a seed that can be typed. */
static void session_randomize(struct options *options)
{
    uint32_t seed;
    if (!options->randomize)
        return;
    REQUIRE(getrandom(&seed, sizeof seed, 0) == sizeof seed); /* so few bytes never fail */
    options->seed = seed;
}

static int tell_environment(void)
{
    struct environment environment;
    environment_read(&environment);
    environment_print(stdout, &environment, cpu_count());
    return 0;
}

/* The processes of the measurement: is the server there, and on which CPUs do they run? 0, or an
 * error with a sentence. */
static int session_place(const struct session *session, char out_detail[static OPTIONS_DETAIL_SIZE])
{
    int64_t server = session->options.server_pid;
    uint64_t cpu;
    if (server <= 0 || cpu_time_of(server, &cpu) == 0)
        return pin_processes(&session->sides[0].plan.pin, server, out_detail);
    (void)snprintf(out_detail, OPTIONS_DETAIL_SIZE,
                   "--server-pid: there is no such process on this machine");
    return -1;
}

/* What people want to know of what begins now. */
static void session_tell(struct session *session)
{
    const struct options *options = &session->options;
    const struct side *side = &session->sides[0];
    session->progress.shown = session->progress.shown && !options->quiet_progress;
    if (options->randomize)
        fprintf(stderr, "loadgen: this is --seed %" PRId64 "\n", options->seed);
    if (!options->show_config)
        return;
    fputs("This is done:\n", stderr);
    dry_run_show(stderr, &side->address, &side->plan);
    if (session->sweep.n > 0)
        fprintf(stderr, "  for each test and %s; above is the first\n", options->sweep);
}

/* The two ways of measuring that have options of their own. 0 or the exit code, when told. */
static int session_ways(struct session *session)
{
    const struct options *options = &session->options;
    const char *wrong = session_contradiction(options);
    char detail[ADDRESS_DETAIL_SIZE];
    if (wrong != NULL)
        return usage_error(wrong);
    session->threshold = options->threshold / 100;
    session->rules = (struct knee_rules){.quantile = 0.99,
                                         .window_ns = (uint64_t)options->knee_window * 1000000u,
                                         .poisson = session->sides[0].plan.poisson};
    if (options->slo[0] != 0 && !knee_parse_slo(options->slo, &session->rules))
        return usage_error("--slo takes a percentile and a time, as p99=5ms or p99.9=800us");
    session->n_sides = 1;
    session->sides[0].name = "";
    if (options->vs[0] == 0)
        return 0;
    session->n_sides = SESSION_SIDES;
    session->sides[0].name = "A";
    session->sides[1].name = "B";
    session->sides[1].plan = session->sides[0].plan;
    if (address_parse(options->vs, &session->sides[1].address, detail) == 0)
        return 0;
    fputs("loadgen: --vs: ", stderr);
    fprintf(stderr, "%s\n", detail);
    return EXIT_USAGE;
}

/* What is read and written besides, as far as that can be known before anything is measured. 0 or
 * the exit code, when told. */
static int session_open_files(struct session *session)
{
    const struct options *options = &session->options;
    char detail[FILES_DETAIL_SIZE], baseline_detail[BASELINE_DETAIL_SIZE];
    if (options->gates[0] != 0 && gate_open(&session->findings.gates, options->gates, detail) != 0)
        return usage_error(detail);
    if (baseline_open(&session->baseline, options, baseline_detail) != 0)
        return usage_error(baseline_detail);
    if (files_open(&session->files, options, &session->sides[0].plan, detail) != 0 ||
        run_folder_open(&session->folder, options->out_dir, detail) != 0)
        return usage_error(detail);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} subcommands[] = {
#define SUBCOMMAND(name, run, arguments, text) {#name, run},
#include "client/loadgen/subcommands.def"
#undef SUBCOMMAND
};

/* Print what was asked for, if that is all: --help, --version, --workload help. */
static bool answered(const struct options *options)
{
    bool list = strcmp(options->workload, OPTIONS_LIST) == 0;
    if (options->help)
        help_print(stdout);
    else if (options->version)
        puts("loadgen " CAIRN_VERSION);
    else if (list)
        help_print_workloads(stdout);
    return options->help || options->version || list;
}

/* --print-script and --dry-run. The exit code. */
static int print_plan(const struct session *session)
{
    char detail[MIX_PRINT_DETAIL_SIZE];
    const struct side *side = &session->sides[0];
    const struct driver *driver = side->address.driver;
    enum spelling spelling = driver != NULL ? driver->spelling : SPELLING_RPC;
    if (session->options.print_script)
        return mix_print(stdout, &side->plan, spelling, detail) == 0 ? 0 : usage_error(detail);
    dry_run_print(stdout, &side->address, &side->plan);
    if (session->sweep.n > 0)
        printf("  for each test and %s; above is the first\n", session->options.sweep);
    return 0;
}

int main(int argc, char **argv)
{
    static struct session session; /* large: histograms */
    char detail[OPTIONS_DETAIL_SIZE];
    clock_init();
    op_init();
    for (size_t i = 0; argc > 1 && i < LENGTH_OF(subcommands); i++)
        if (strcmp(argv[1], subcommands[i].name) == 0)
            return subcommands[i].run(argc - 1, argv + 1);
    struct options *options = &session.options;
    if (options_parse(argc, argv, options, detail) != 0)
        return usage_error(detail);
    options->csv = options->csv || options->csv_ext;
    if (!options->help && sweep_parse(&session.sweep, options, detail) != 0)
        return usage_error(detail);
    if (answered(options))
        return 0;
    struct side *side = &session.sides[0];
    if (options->env)
        return tell_environment();
    session_randomize(options);
    if (plan_make(options, cpu_count(), &side->plan, detail) != 0 ||
        session_inputs(&session, detail) != 0 || vector_session_check(&session, detail) != 0 ||
        plan_check(&side->plan, detail) != 0 || session_check_sweep(&session, detail) != 0 ||
        address_of_options(options, &side->address, detail) != 0)
        return usage_error(detail);
    int wrong = session_ways(&session);
    if (wrong != 0)
        return wrong;
    if (options->print_script || options->dry_run)
        return print_plan(&session);
    wrong = session_open_files(&session);
    if (wrong != 0)
        return wrong;
    if (session_place(&session, detail) != 0)
        return usage_error(detail);
    session.report = (struct report_run){.options = options,
                                         .plan = &side->plan,
                                         .plan_b = &session.sides[1].plan,
                                         .time_ms = clock_wall_ms(),
                                         .argc = argc,
                                         .argv = argv};
    progress_init(&session.progress, options->interval, options->given[OPTIONS_interval]);
    session.progress.ndjson = &session.files.ndjson;
    raise_file_limit();
    session_tell(&session);
    session_run(&session);
    vector_session_deinit(&session);
    mix_deinit(&session.mix);
    keys_deinit(&session.keys);
    baseline_close(&session.baseline);
    options_deinit(options);
    if (run_interrupted()) {
        fputs("loadgen: interrupted\n", stderr);
        session_invalid(&session);
    }
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        session_invalid(&session);
    return session.exit_code;
}
