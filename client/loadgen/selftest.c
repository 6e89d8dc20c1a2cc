/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The command loadgen selftest.
 *
 *   for each test: run -> not as expected, and the machine may be to blame? again, a few times
 *
 * How: on a machine that does other things a figure may be off without any fault of loadgen. How
 * long our threads were ready to run while others ran (the kernel's run-queue delay), and how late
 * a witness woke up meanwhile, tells the two apart: a figure that is off by more is wrong.
 *
 * Invariants: what stands is the last try of a test.
 * Threads: the main thread. Failures: exit codes.
 */
#include "client/loadgen/selftest.h"

#include "client/loadgen/help.h"
#include "client/loadgen/selftest_arrivals.h"
#include "client/loadgen/selftest_law.h"
#include "client/loadgen/text.h"
#include "client/loadgen/writer.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/num.h"

#include <getopt.h>

enum { SELFTEST_TRIES = 3, SELFTEST_TRIES_MAX = 100, SELFTEST_RATES = 16, SELFTEST_THREADS = 64 };

static const uint64_t selftest_rate_ms = 5000, selftest_rate_quick_ms = 1000;

/* What is to be thought of a test, or a figure. */
enum selftest_verdict { SELFTEST_OK, SELFTEST_EXCUSED, SELFTEST_BAD };

/* A test that was run. */
struct selftest_outcome {
    const char *test;
    double rate; /* of a test of a rate; else 0 */
    double seconds;
    unsigned tries;
    enum selftest_verdict verdict;
};

struct selftest {
    struct selftest_rig rig;
    struct writer json;
    bool as_json;
    const char *only; /* NULL: all tests */
    unsigned tries;   /* of a test, on a busy machine */
    double rates[SELFTEST_RATES];
    unsigned n_rates;
    struct selftest_outcome outcomes[SELFTEST_COUNT + SELFTEST_RATES];
    unsigned n_outcomes;
    double trusted; /* the highest rate that was kept */
};

static const char selftest_usage[] =
    "Usage: loadgen selftest [--quick] [--rate N]... [--threads N] [--protocol NAME]\n"
    "                        [--only TEST] [--tries N] [--json]\n"
    "\n"
    "Measures servers, built in, whose latencies are known beforehand, and says whether loadgen "
    "can\n"
    "be believed on this machine, as busy as it is now, and at which rates.\n"
    "\n"
    "  --quick       the shorter times below, half a minute instead of three and a half\n"
    "  --rate N      a rate you mean to use; default: 100, 1000, 10000, 50000\n"
    "  --threads N   threads for the rates; default: 1\n"
    "  --protocol NAME\n"
    "                how to talk to them: resp2, resp3, msgpack; default: resp2\n"
    "  --only TEST   one test alone, or rate\n"
    "  --tries N     run a test so often on a busy machine before giving up; default: 3\n"
    "  --json        one JSON object\n"
    "\n"
    "Tests\n";

static const char selftest_codes[] =
    "\n"
    "Exit status: 0 all is as it must be; 1 something is not; 2 wrong usage; 3 something is not,\n"
    "but the machine did other things meanwhile, so that nothing is shown: try again.\n";

static void selftest_help_row(const char *name, double quick, double full, const char *text)
{
    int size = quick > 0 ? printf("  %-13s %5.1f %6.1f  ", name, quick, full)
                         : printf("  %-13s %5s %6.1f  ", name, "-", full);
    help_wrap(stdout, text, (size_t)size, (size_t)size);
}

static void selftest_help(void)
{
    fputs(selftest_usage, stdout);
    printf("  %-13s %5s %6s  seconds, with --quick and without\n", "", "quick", "full");
    for (unsigned i = 0; i < SELFTEST_COUNT; i++) {
        const struct selftest_law *law = &selftest_laws[i];
        selftest_help_row(law->name, law->loads * law->quick_ms / 1e3,
                          law->loads * law->full_ms / 1e3, law->text);
    }
    selftest_help_row("rate", selftest_rate_quick_ms / 1e3, selftest_rate_ms / 1e3,
                      "for each rate: as many requests as were asked for, evenly");
    fputs(selftest_codes, stdout);
}

/* ---- output ---- */

/* "1.00 to 1.15 ms", or "16" where nothing else will do. */
static void selftest_bounds(const struct selftest_finding *finding, char *out, size_t size)
{
    double width = finding->high - finding->low;
    int digits = finding->high >= 1000 || (width >= 1 && finding->high >= 100) ? 0 : 2;
    if (width <= 0)
        (void)snprintf(out, size, "%.0f", finding->low);
    else
        (void)snprintf(out, size, "%.*f to %.*f", digits, finding->low, digits, finding->high);
}

static const char *selftest_verdict_text(enum selftest_verdict verdict)
{
    static const char *const texts[] = {"ok", "machine too busy", "WRONG"};
    return texts[verdict];
}

static enum selftest_verdict selftest_judge(const struct selftest_rig *rig,
                                            const struct selftest_finding *finding)
{
    if (selftest_finding_good(finding))
        return SELFTEST_OK;
    return selftest_finding_excused(rig, finding) ? SELFTEST_EXCUSED : SELFTEST_BAD;
}

static void selftest_print_finding(const struct selftest_finding *finding,
                                   enum selftest_verdict verdict)
{
    char bounds[64];
    selftest_bounds(finding, bounds, sizeof bounds);
    bool whole = finding->high == finding->low || finding->high >= 10000;
    printf("%-13s %-34s %20s %12.*f %-3s %s\n", finding->test, finding->figure, bounds,
           whole ? 0 : 3, finding->measured, finding->unit, selftest_verdict_text(verdict));
}

static void selftest_write_finding(struct writer *json, const struct selftest_finding *finding,
                                   enum selftest_verdict verdict)
{
    writer_open_line(json, NULL, '{');
    writer_text(json, "test", finding->test);
    writer_text(json, "figure", finding->figure);
    writer_text(json, "unit", finding->unit);
    writer_real(json, "low", finding->low);
    writer_real(json, "high", finding->high);
    writer_real(json, "measured", finding->measured);
    writer_text(json, "verdict", selftest_verdict_text(verdict));
    writer_close(json, '}');
}

static void selftest_show(struct selftest *self, unsigned first)
{
    for (unsigned i = first; i < self->rig.n_findings; i++) {
        const struct selftest_finding *finding = &self->rig.findings[i];
        enum selftest_verdict verdict = selftest_judge(&self->rig, finding);
        if (self->as_json)
            selftest_write_finding(&self->json, finding, verdict);
        else
            selftest_print_finding(finding, verdict);
    }
    fflush(stdout);
}

/* ---- running ---- */

/* The worst verdict on the figures of a test. */
static enum selftest_verdict selftest_worst(const struct selftest_rig *rig, unsigned first)
{
    enum selftest_verdict worst = SELFTEST_OK;
    for (unsigned i = first; i < rig->n_findings; i++) {
        enum selftest_verdict verdict = selftest_judge(rig, &rig->findings[i]);
        worst = verdict > worst ? verdict : worst;
    }
    return worst;
}

static uint64_t selftest_time_ms(const struct selftest *self, const struct selftest_law *law)
{
    if (law == NULL)
        return self->rig.quick ? selftest_rate_quick_ms : selftest_rate_ms;
    return self->rig.quick && law->quick_ms > 0 ? law->quick_ms : law->full_ms;
}

/* A test: one of the table, or (NULL) of a rate. */
static bool selftest_try(struct selftest *self, const struct selftest_law *law, double rate)
{
    struct selftest_rig *rig = &self->rig;
    rig->spent_ns = rig->lost_ns = 0;
    rig->time_ns = selftest_time_ms(self, law) * 1000000;
    rig->test = law != NULL ? law->name : "rate";
    bool done = law != NULL ? law->run(rig) : selftest_rate(rig, rate);
    if (!done)
        fprintf(stderr, "loadgen selftest: %s: %s\n", rig->test, rig->failure.text);
    return done;
}

/* Run a test until it is good, or is not by more than the machine may be blamed for. */
static void selftest_test(struct selftest *self, const struct selftest_law *law, double rate)
{
    unsigned first = self->rig.n_findings;
    uint64_t begun = clock_mono_ns();
    struct selftest_outcome *outcome = &self->outcomes[self->n_outcomes++];
    *outcome = (struct selftest_outcome){.rate = rate, .verdict = SELFTEST_EXCUSED};
    while (outcome->tries < self->tries && outcome->verdict == SELFTEST_EXCUSED &&
           !run_interrupted()) {
        self->rig.n_findings = first;
        outcome->tries++;
        bool done = selftest_try(self, law, rate);
        outcome->verdict = done ? selftest_worst(&self->rig, first) : SELFTEST_BAD;
    }
    outcome->test = self->rig.test;
    outcome->seconds = (double)(clock_mono_ns() - begun) / 1e9;
    selftest_show(self, first);
    if (outcome->verdict == SELFTEST_OK && rate > self->trusted)
        self->trusted = rate;
}

static bool selftest_wanted(const struct selftest *self, const char *name, bool full_only)
{
    return self->only != NULL ? strcmp(self->only, name) == 0 : !(full_only && self->rig.quick);
}

static void selftest_tests(struct selftest *self)
{
    for (unsigned i = 0; i < SELFTEST_COUNT; i++)
        if (selftest_wanted(self, selftest_laws[i].name, selftest_laws[i].quick_ms == 0))
            selftest_test(self, &selftest_laws[i], 0);
    for (unsigned i = 0; i < self->n_rates; i++)
        if (selftest_wanted(self, "rate", false))
            selftest_test(self, NULL, self->rates[i]);
}

static unsigned selftest_count(const struct selftest *self, enum selftest_verdict verdict)
{
    unsigned count = 0;
    for (unsigned i = 0; i < self->n_outcomes; i++)
        count += self->outcomes[i].verdict == verdict;
    return count;
}

static enum selftest_exit selftest_code(const struct selftest *self)
{
    if (selftest_count(self, SELFTEST_BAD) > 0)
        return SELFTEST_WRONG;
    return selftest_count(self, SELFTEST_EXCUSED) > 0 ? SELFTEST_BUSY : SELFTEST_GOOD;
}

/* ---- verdict ---- */

static const char *selftest_sentence(enum selftest_exit code)
{
    switch (code) {
    case SELFTEST_GOOD:
        return "loadgen can be believed on this machine";
    case SELFTEST_BUSY:
        return "nothing is wrong, but not all could be measured here: the machine is too busy";
    case SELFTEST_WRONG:
    case SELFTEST_USAGE:
        break;
    }
    return "do not believe what loadgen measures on this machine: see what is WRONG above";
}

/* The names of tests with this verdict, if there are any, behind `what`. */
static void selftest_print_names(const struct selftest *self, enum selftest_verdict verdict,
                                 const char *what)
{
    const char *before = what;
    for (unsigned i = 0; i < self->n_outcomes; i++) {
        const struct selftest_outcome *outcome = &self->outcomes[i];
        if (outcome->verdict != verdict)
            continue;
        printf("%s%s", before, outcome->test);
        if (outcome->rate > 0)
            printf(" %.0f", outcome->rate);
        before = ", ";
    }
    if (before != what)
        puts(".");
}

static void selftest_write_outcomes(struct selftest *self)
{
    struct writer *json = &self->json;
    writer_open(json, "tests", '[');
    for (unsigned i = 0; i < self->n_outcomes; i++) {
        const struct selftest_outcome *outcome = &self->outcomes[i];
        writer_open_line(json, NULL, '{');
        writer_text(json, "test", outcome->test);
        if (outcome->rate > 0)
            writer_real(json, "rate", outcome->rate);
        writer_text(json, "verdict", selftest_verdict_text(outcome->verdict));
        writer_uint(json, "tries", outcome->tries);
        writer_real(json, "seconds", outcome->seconds);
        writer_close(json, '}');
    }
    writer_close(json, ']');
}

static void selftest_end_json(struct selftest *self)
{
    writer_close(&self->json, ']');
    selftest_write_outcomes(self);
    writer_real(&self->json, "trusted_per_sec", self->trusted);
    writer_uint(&self->json, "wrong", selftest_count(self, SELFTEST_BAD));
    writer_uint(&self->json, "busy", selftest_count(self, SELFTEST_EXCUSED));
    writer_text(&self->json, "verdict", selftest_sentence(selftest_code(self)));
    writer_close(&self->json, '}');
}

static void selftest_end(struct selftest *self)
{
    char rate[TEXT_SIZE];
    double seconds = 0;
    if (self->as_json) {
        selftest_end_json(self);
        return;
    }
    for (unsigned i = 0; i < self->n_outcomes; i++)
        seconds += self->outcomes[i].seconds;
    text_count((uint64_t)self->trusted, rate);
    printf("\n%s", selftest_sentence(selftest_code(self)));
    if (self->trusted > 0)
        printf("; rates up to %s a second are kept (%u thread%s)", rate, self->rig.threads,
               self->rig.threads == 1 ? "" : "s");
    puts(".");
    selftest_print_names(self, SELFTEST_EXCUSED, "Could not be measured here: ");
    selftest_print_names(self, SELFTEST_BAD, "Wrong: ");
    printf("It took %.0f s.\n", seconds);
}

static void selftest_begin(struct selftest *self)
{
    if (!self->as_json) {
        printf("%-13s %-34s %20s %12s %-3s %s\n", "test", "figure", "expected", "measured", "",
               "verdict");
        return;
    }
    writer_init(&self->json, stdout);
    writer_open(&self->json, NULL, '{');
    writer_text(&self->json, "tool", "loadgen selftest");
    writer_bool(&self->json, "quick", self->rig.quick);
    writer_uint(&self->json, "threads", self->rig.threads);
    writer_text(&self->json, "protocol", self->rig.driver->name);
    writer_open(&self->json, "findings", '[');
}

/* ---- command line ---- */

static int selftest_wrong(const char *detail, const char *what)
{
    fprintf(stderr, "loadgen selftest: %s%s; see loadgen selftest --help\n", detail, what);
    return SELFTEST_USAGE;
}

static bool selftest_number(const char *text, int64_t max, int64_t *out)
{
    int64_t value;
    if (num_parse_int(text, &value) != 0 || value < 1 || value > max)
        return false;
    *out = value;
    return true;
}

static int selftest_add_rate(struct selftest *self, const char *text)
{
    int64_t rate;
    if (!selftest_number(text, 1000000, &rate))
        return selftest_wrong("--rate takes a number from 1 to 1000000, not ", text);
    if (self->n_rates == SELFTEST_RATES)
        return selftest_wrong("at most 16 times ", "--rate");
    self->rates[self->n_rates++] = (double)rate;
    return 0;
}

static int selftest_set_only(struct selftest *self, const char *name)
{
    self->only = name;
    bool known = strcmp(name, "rate") == 0;
    for (unsigned i = 0; i < SELFTEST_COUNT; i++)
        known = known || strcmp(name, selftest_laws[i].name) == 0;
    return known ? 0 : selftest_wrong("there is no test ", name);
}

static int selftest_set_protocol(struct selftest *self, const char *name)
{
    self->rig.driver = driver_find(name);
    return self->rig.driver != NULL
               ? 0
               : selftest_wrong("--protocol takes resp2, resp3 or msgpack, not ", name);
}

static int selftest_option(struct selftest *self, int option, const char *word)
{
    int64_t number;
    switch (option) {
    case 'q':
        self->rig.quick = true;
        return 0;
    case 'j':
        self->as_json = true;
        return 0;
    case 'r':
        return selftest_add_rate(self, optarg);
    case 'o':
        return selftest_set_only(self, optarg);
    case 'p':
        return selftest_set_protocol(self, optarg);
    case 't':
        if (!selftest_number(optarg, SELFTEST_THREADS, &number))
            return selftest_wrong("--threads takes a number from 1 to 64, not ", optarg);
        self->rig.threads = (unsigned)number;
        return 0;
    case 'n':
        if (!selftest_number(optarg, SELFTEST_TRIES_MAX, &number))
            return selftest_wrong("--tries takes a number from 1 to 100, not ", optarg);
        self->tries = (unsigned)number;
        return 0;
    case ':':
        return selftest_wrong("a value is missing after ", word);
    default:
        return selftest_wrong("unknown option ", word);
    }
}

/* 0; SELFTEST_USAGE; below 0: help was asked for. */
static int selftest_parse(struct selftest *self, int argc, char **argv)
{
    static const struct option options[] = {{"quick", no_argument, NULL, 'q'},
                                            {"rate", required_argument, NULL, 'r'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"only", required_argument, NULL, 'o'},
                                            {"protocol", required_argument, NULL, 'p'},
                                            {"tries", required_argument, NULL, 'n'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    static const double usual[] = {100, 1000, 10000, 50000};
    int option, err = 0;
    optind = 0; /* start over, also the second time */
    opterr = 0;
    while (err == 0 && (option = getopt_long(argc, argv, ":", options, NULL)) != -1)
        err = option == 'h' ? -1 : selftest_option(self, option, argv[optind - 1]);
    if (err == 0 && optind < argc)
        err = selftest_wrong("there is nothing to do with ", argv[optind]);
    if (self->n_rates == 0) {
        memcpy(self->rates, usual, sizeof usual);
        self->n_rates = LENGTH_OF(usual);
    }
    return err;
}

int selftest_main(int argc, char **argv)
{
    struct selftest *self = mem_calloc(1, sizeof *self);
    if (self == NULL)
        return selftest_wrong("out of memory", "");
    self->rig.threads = 1;
    self->rig.driver = &driver_resp2;
    self->tries = SELFTEST_TRIES;
    int err = selftest_parse(self, argc, argv);
    if (err < 0)
        selftest_help();
    if (err != 0) {
        mem_free(self);
        return err < 0 ? SELFTEST_GOOD : err;
    }
    clock_init();
    selftest_begin(self);
    selftest_tests(self);
    selftest_end(self);
    enum selftest_exit code = selftest_code(self);
    selftest_release(&self->rig);
    mem_free(self);
    return (int)code;
}
