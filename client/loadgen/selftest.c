/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The command loadgen selftest.
 *
 *   for each test: run -> not as expected, and threads had to wait for a CPU? again, a few times
 *
 * How: on a machine that does other things a figure may be off without any fault of loadgen. How
 * long our threads were ready to run while others ran (the kernel's run-queue delay) tells the two
 * apart.
 *
 * Invariants: what stands is the last try of a test.
 * Threads: the main thread. Failures: exit codes.
 */
#include "client/loadgen/selftest.h"

#include "client/loadgen/selftest_law.h"
#include "client/loadgen/text.h"
#include "client/loadgen/writer.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/num.h"

#include <getopt.h>

enum { SELFTEST_TRIES = 3, SELFTEST_RATES = 16 };

#define SELFTEST_BUSY_SHARE 0.01 /* of the time waited for a CPU: then figures may be off */

struct selftest {
    struct selftest_rig rig;
    struct writer json;
    bool as_json;
    const char *only; /* NULL: all tests */
    double rates[SELFTEST_RATES];
    unsigned n_rates;
    unsigned wrong, busy, tests;
    double trusted; /* the highest rate that was kept */
};

static const char selftest_usage[] =
    "Usage: loadgen selftest [--quick] [--rate N]... [--threads N] [--only TEST] [--json]\n"
    "\n"
    "Measures servers, built in, whose latencies are known beforehand, and says whether loadgen "
    "can\n"
    "be believed on this machine, as busy as it is now, and at which rates.\n"
    "\n"
    "  --quick       about 20 seconds instead of two minutes\n"
    "  --rate N      a rate you mean to use; default: 100, 1000, 10000, 50000\n"
    "  --threads N   threads for the rates; default: 1\n"
    "  --only TEST   one test alone, or rate\n"
    "  --json        one JSON object\n"
    "\n"
    "Tests\n";

static const char selftest_codes[] =
    "\n"
    "Exit status: 0 all is as it must be; 1 something is not; 2 wrong usage; 3 something is not,\n"
    "but the machine did other things meanwhile, so that nothing is shown: try again.\n";

static void selftest_help(void)
{
    fputs(selftest_usage, stdout);
    for (unsigned i = 0; i < SELFTEST_COUNT; i++)
        printf("  %-13s %s%s\n", selftest_laws[i].name, selftest_laws[i].text,
               selftest_laws[i].full_only ? "; not with --quick" : "");
    printf("  %-13s %s\n", "rate", "as many requests as were asked for, evenly");
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

static const char *selftest_verdict(const struct selftest_finding *finding, bool busy)
{
    return selftest_finding_good(finding) ? "ok" : busy ? "machine too busy" : "WRONG";
}

static void selftest_print_finding(const struct selftest_finding *finding, bool busy)
{
    char bounds[64];
    selftest_bounds(finding, bounds, sizeof bounds);
    bool whole = finding->high == finding->low || finding->high >= 10000;
    printf("%-13s %-34s %20s %12.*f %-3s %s\n", finding->test, finding->figure, bounds,
           whole ? 0 : 3, finding->measured, finding->unit, selftest_verdict(finding, busy));
}

static void selftest_write_finding(struct writer *json, const struct selftest_finding *finding,
                                   bool busy)
{
    writer_open_line(json, NULL, '{');
    writer_text(json, "test", finding->test);
    writer_text(json, "figure", finding->figure);
    writer_text(json, "unit", finding->unit);
    writer_real(json, "low", finding->low);
    writer_real(json, "high", finding->high);
    writer_real(json, "measured", finding->measured);
    writer_text(json, "verdict", selftest_verdict(finding, busy));
    writer_close(json, '}');
}

static void selftest_show(struct selftest *self, unsigned first, bool busy)
{
    for (unsigned i = first; i < self->rig.n_findings; i++) {
        if (self->as_json)
            selftest_write_finding(&self->json, &self->rig.findings[i], busy);
        else
            selftest_print_finding(&self->rig.findings[i], busy);
    }
    fflush(stdout);
}

/* ---- running ---- */

static bool selftest_all_good(const struct selftest_rig *rig, unsigned first)
{
    for (unsigned i = first; i < rig->n_findings; i++)
        if (!selftest_finding_good(&rig->findings[i]))
            return false;
    return true;
}

/* A test: one of the table, or (NULL) of a rate. */
static bool selftest_try(struct selftest *self, const struct selftest_law *law, double rate)
{
    self->rig.busy = 0;
    self->rig.test = law != NULL ? law->name : "rate";
    bool done = law != NULL ? law->run(&self->rig) : selftest_rate(&self->rig, rate);
    if (!done)
        fprintf(stderr, "loadgen selftest: %s: %s\n", self->rig.test, self->rig.failure.text);
    return done;
}

/* Run a test until it is good, or is not on a machine that had time for it. */
static void selftest_test(struct selftest *self, const struct selftest_law *law, double rate)
{
    unsigned first = self->rig.n_findings;
    bool good = false, busy = true, done = true;
    for (unsigned i = 0; i < SELFTEST_TRIES && done && busy && !good && !run_interrupted(); i++) {
        self->rig.n_findings = first;
        done = selftest_try(self, law, rate);
        good = done && selftest_all_good(&self->rig, first);
        busy = self->rig.busy > SELFTEST_BUSY_SHARE;
    }
    selftest_show(self, first, busy);
    self->tests++;
    if (good && law == NULL && rate > self->trusted)
        self->trusted = rate;
    if (!good)
        *(busy && done ? &self->busy : &self->wrong) += 1;
}

static bool selftest_wanted(const struct selftest *self, const char *name, bool full_only)
{
    return self->only != NULL ? strcmp(self->only, name) == 0 : !(full_only && self->rig.quick);
}

static void selftest_tests(struct selftest *self)
{
    for (unsigned i = 0; i < SELFTEST_COUNT; i++)
        if (selftest_wanted(self, selftest_laws[i].name, selftest_laws[i].full_only))
            selftest_test(self, &selftest_laws[i], 0);
    for (unsigned i = 0; i < self->n_rates; i++)
        if (selftest_wanted(self, "rate", false))
            selftest_test(self, NULL, self->rates[i]);
}

static enum selftest_exit selftest_code(const struct selftest *self)
{
    return self->wrong > 0 ? SELFTEST_WRONG : self->busy > 0 ? SELFTEST_BUSY : SELFTEST_GOOD;
}

/* ---- verdict ---- */

static const char *selftest_sentence(enum selftest_exit code)
{
    switch (code) {
    case SELFTEST_GOOD:
        return "loadgen can be believed on this machine";
    case SELFTEST_BUSY:
        return "the machine was too busy with other things to tell; try again when it is not";
    case SELFTEST_WRONG:
    case SELFTEST_USAGE:
        break;
    }
    return "do not believe what loadgen measures on this machine: see what is WRONG above";
}

static void selftest_end(struct selftest *self)
{
    enum selftest_exit code = selftest_code(self);
    char rate[TEXT_SIZE];
    text_count((uint64_t)self->trusted, rate);
    if (self->as_json) {
        writer_close(&self->json, ']');
        writer_real(&self->json, "trusted_per_sec", self->trusted);
        writer_uint(&self->json, "wrong", self->wrong);
        writer_uint(&self->json, "busy", self->busy);
        writer_text(&self->json, "verdict", selftest_sentence(code));
        writer_close(&self->json, '}');
        return;
    }
    printf("\n%s", selftest_sentence(code));
    if (self->trusted > 0)
        printf("; rates up to %s a second are kept (%u thread%s)", rate, self->rig.threads,
               self->rig.threads == 1 ? "" : "s");
    puts(".");
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

static int selftest_option(struct selftest *self, int option, const char *word)
{
    int64_t threads;
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
    case 't':
        if (!selftest_number(optarg, 64, &threads))
            return selftest_wrong("--threads takes a number from 1 to 64, not ", optarg);
        self->rig.threads = (unsigned)threads;
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
