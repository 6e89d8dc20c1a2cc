/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Compares two files of results, and results with gates.
 *
 *   OLD -> results by name --+
 *                            +-> each figure of metrics.def: samples -> ratio -> verdict -> line
 *   NEW -> results by name --+
 *
 * How: a sample is a run if the file has several (`runs`), else an interval of the only run
 * (`series`), else the figure itself, from which nothing can be concluded. The ratio is that of the
 * figures of the whole run; the interval comes from the samples. Where a single run was unstable,
 * nothing is concluded either: the next one would be different again.
 *
 * Invariants: files come from anywhere; what is not as expected is as good as absent.
 * Threads: the main thread. Failures: told on standard error, exit code 2.
 */
#include "client/loadgen/compare.h"

#include "client/loadgen/baseline.h"
#include "client/loadgen/comparison.h"
#include "client/loadgen/gate.h"
#include "client/loadgen/load.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/num.h"

#include <getopt.h>
#include <string.h>

static const char compare_usage[] =
    "Usage: loadgen compare [--threshold PERCENT] [--gates FILE] OLD.json NEW.json\n"
    "       loadgen compare --baseline NAME NEW.json\n"
    "       loadgen compare --gates FILE NEW.json\n"
    "\n"
    "Compares what loadgen --json wrote: figures with the 95 % confidence interval of their "
    "ratio.\n"
    "A figure is better or worse if the interval excludes 1 and the change is above the "
    "threshold.\n"
    "\n"
    "  --threshold PERCENT    Changes up to this do not matter. Default: 5.\n"
    "  --baseline NAME        OLD.json is what --save-baseline NAME has kept.\n"
    "  --baseline-dir DIR     Where it is, if not where loadgen keeps baselines.\n"
    "  --gates FILE           Bounds that the results of NEW have to keep (bench/gates.json).\n"
    "\n"
    "Exit status: 0 nothing is worse; 1 a regression, or a gate was missed; 2 wrong usage; 3 too "
    "few\n"
    "runs to judge anything.\n";

struct compare {
    FILE *out;
    double threshold;
    const char *gates, *baseline, *baseline_dir;
    unsigned judged, regressions, improvements, gates_missed;
    bool intervals; /* samples were intervals of one run */
};

/* ---- samples ---- */

struct compare_samples {
    double *values;
    size_t n;
};

/* The figure of each element of the array. 0 or ERR_OUT_OF_MEMORY. */
static int compare_collect(const json_t *array, const struct metric *metric,
                           struct compare_samples *out)
{
    size_t size = json_array_size(array);
    out->n = 0;
    out->values = mem_calloc(size + 1, sizeof *out->values);
    if (out->values == NULL)
        return ERR_OUT_OF_MEMORY;
    for (size_t i = 0; i < size; i++) {
        double value = metric_of_json(metric, json_array_get(array, i));
        if (value > 0)
            out->values[out->n++] = value;
    }
    return 0;
}

static int compare_samples_of(const json_t *result, const struct metric *metric, bool *out_interval,
                              struct compare_samples *out)
{
    const char *const arrays[] = {"runs", "series"};
    for (size_t i = 0; i < LENGTH_OF(arrays); i++) {
        int err = compare_collect(json_object_get(result, arrays[i]), metric, out);
        if (err != 0)
            return err;
        *out_interval = i == 1;
        if (out->n >= 2)
            return 0;
        mem_free(out->values);
    }
    *out_interval = false;
    out->values = mem_calloc(1, sizeof *out->values);
    out->n = 1;
    if (out->values == NULL)
        return ERR_OUT_OF_MEMORY;
    out->values[0] = metric_of_json(metric, result);
    return 0;
}

/* The ratio of the figures of the whole run, with the interval that its parts gave, moved there. */
static void compare_center(const json_t *a, const json_t *b, const struct metric *metric,
                           struct stats_ratio *ratio)
{
    double whole_a = metric_of_json(metric, a), whole_b = metric_of_json(metric, b);
    if (whole_a <= 0 || whole_b <= 0)
        return;
    double shift = whole_b / whole_a / ratio->ratio;
    ratio->a = whole_a;
    ratio->b = whole_b;
    ratio->ratio *= shift;
    ratio->low *= shift;
    ratio->high *= shift;
}

/* 0; ERR_BAD_ARGUMENT if one of them does not have this figure; ERR_OUT_OF_MEMORY. */
static int compare_figure(struct compare *compare, const json_t *a, const json_t *b,
                          enum metric_id id, struct comparison *out)
{
    const struct metric *metric = &metric_table[id];
    struct compare_samples of_a = {NULL, 0}, of_b = {NULL, 0};
    struct stats_ratio ratio;
    bool interval_a = false, interval_b = false;
    int err = compare_samples_of(a, metric, &interval_a, &of_a);
    if (err == 0)
        err = compare_samples_of(b, metric, &interval_b, &of_b);
    if (err == 0)
        err = stats_ratio_of_groups(of_a.values, of_a.n, of_b.values, of_b.n, COMPARISON_SEED,
                                    &ratio);
    if (err == 0 && (interval_a || interval_b)) {
        compare_center(a, b, metric, &ratio);
        compare->intervals = true;
    }
    if (err == 0)
        *out = comparison_make(id, &ratio, compare->threshold);
    if (err == 0 && (interval_a || interval_b) && stats_is_unstable(&out->ratio))
        out->verdict = STATS_TOO_FEW; /* who knows what a second run would have been */
    mem_free(of_a.values);
    mem_free(of_b.values);
    return err;
}

/* ---- results ---- */

/* What makes a result worth less: named below its table. */
static void compare_print_warnings(FILE *out, const char *side, const json_t *result)
{
    size_t i;
    const json_t *warning;
    json_array_foreach(json_object_get(result, "warnings"), i, warning)
        fprintf(out, "  warning: %s: %s\n", side, load_text(warning, "name"));
}

static void compare_result(struct compare *compare, const char *name, const json_t *a,
                           const json_t *b)
{
    fprintf(compare->out, "\n%s\n", name);
    comparison_print_head(compare->out, "old", "new");
    for (enum metric_id id = 0; id < METRIC_COUNT; id++) {
        struct comparison comparison;
        if (compare_figure(compare, a, b, id, &comparison) != 0)
            continue;
        comparison_print(compare->out, &comparison);
        compare->judged += comparison_is_judged(&comparison);
        compare->regressions += comparison_is_regression(&comparison);
        compare->improvements += comparison.verdict == STATS_BETTER;
    }
    compare_print_warnings(compare->out, "old", a);
    compare_print_warnings(compare->out, "new", b);
}

static void compare_only(FILE *out, json_t *results, const json_t *others, const char *side)
{
    const char *name;
    json_t *result;
    json_object_foreach(results, name, result) if (json_object_get(others, name) == NULL)
        fprintf(out, "\n%s: only in %s\n", name, side);
}

static void compare_results(struct compare *compare, const json_t *a, const json_t *b)
{
    json_t *old = json_object_get(a, "results"), *new = json_object_get(b, "results");
    const char *name;
    json_t *result;
    json_object_foreach(new, name, result)
    {
        const json_t *before = json_object_get(old, name);
        if (before != NULL)
            compare_result(compare, name, before, result);
    }
    compare_only(compare->out, old, new, "old");
    compare_only(compare->out, new, old, "new");
    if (compare->intervals)
        fputs(
            "\nThe 95 % intervals are from the time within one run each: what differs from run to "
            "run is not in\nthem. Several runs (--run-count), best in turn (--vs), are better "
            "evidence.\n",
            compare->out);
}

static int compare_summary(const struct compare *compare, bool two)
{
    if (two)
        fprintf(compare->out, "\n%u worse, %u better, of %u figures compared\n",
                compare->regressions, compare->improvements, compare->judged);
    if (compare->regressions > 0 || compare->gates_missed > 0)
        return COMPARE_REGRESSION;
    if (two && compare->judged == 0) {
        fputs("Nothing could be judged: measure for longer (--duration 10), or the same tests.\n",
              compare->out);
        return COMPARE_INVALID;
    }
    return COMPARE_OK;
}

int compare_documents(FILE *out, const json_t *old, const json_t *new, double threshold)
{
    struct compare compare = {.out = out, .threshold = threshold};
    compare_results(&compare, old, new);
    return compare_summary(&compare, true);
}

/* ---- command line ---- */

static int compare_wrong(const char *detail, const char *what)
{
    fprintf(stderr, "loadgen compare: %s%s; see loadgen compare --help\n", detail, what);
    return COMPARE_USAGE;
}

static int compare_gates(struct compare *compare, const json_t *document)
{
    char detail[LOAD_DETAIL_SIZE] = "out of memory";
    double values[METRIC_COUNT];
    struct gates gates;
    const char *name;
    json_t *result;
    int err = gate_open(&gates, compare->gates, detail);
    json_object_foreach(json_object_get(document, "results"), name, result)
    {
        metric_values_of_json(result, values);
        err = err != 0 ? err : gate_judge(&gates, name, values);
    }
    if (err == 0)
        gate_print(stdout, &gates, true);
    compare->gates_missed = gate_missed(&gates);
    gate_close(&gates);
    return err == 0 ? 0 : compare_wrong(detail, "");
}

static int compare_files(struct compare *compare, char **files, int n)
{
    char detail[LOAD_DETAIL_SIZE];
    json_t *documents[2] = {NULL, NULL};
    int err = 0;
    for (int i = 0; i < n && err == 0; i++)
        if (load_results(files[i], &documents[i], detail) != 0)
            err = compare_wrong(detail, "");
    if (err == 0 && n == 2) {
        printf("old: %s\nnew: %s\n", files[0], files[1]);
        compare_results(compare, documents[0], documents[1]);
    }
    if (err == 0 && compare->gates != NULL)
        err = compare_gates(compare, documents[n - 1]);
    if (err == 0)
        err = compare_summary(compare, n == 2);
    json_decref(documents[0]);
    json_decref(documents[1]);
    return err;
}

/* The first of the two files is known by its name. */
static int compare_baseline(struct compare *compare, char *file)
{
    char path[BASELINE_PATH_SIZE], detail[BASELINE_DETAIL_SIZE];
    char *files[] = {path, file};
    if (baseline_find(compare->baseline_dir, compare->baseline, path, detail) != 0)
        return compare_wrong(detail, "");
    return compare_files(compare, files, 2);
}

/* "5", "2.5" or "5%" of change; false if it is none. */
static bool compare_percent(const char *text, double *out_share)
{
    long double percent;
    size_t size = strlen(text);
    if (size > 0 && text[size - 1] == '%')
        size--;
    if (!num_read_real((struct bytes){(const uint8_t *)text, size}, &percent) || percent < 0 ||
        percent > 1000)
        return false;
    *out_share = (double)(percent / 100);
    return true;
}

int compare_main(int argc, char **argv)
{
    static const struct option options[] = {{"threshold", required_argument, NULL, 't'},
                                            {"gates", required_argument, NULL, 'g'},
                                            {"baseline", required_argument, NULL, 'b'},
                                            {"baseline-dir", required_argument, NULL, 'd'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct compare compare = {.out = stdout, .threshold = COMPARISON_THRESHOLD, .baseline_dir = ""};
    int option;
    optind = 0; /* start over, also the second time */
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(compare_usage, stdout);
            return COMPARE_OK;
        }
        if (option == 'g')
            compare.gates = optarg;
        else if (option == 'b')
            compare.baseline = optarg;
        else if (option == 'd')
            compare.baseline_dir = optarg;
        else if (option != 't')
            return compare_wrong(option == ':' ? "a value is missing after " : "unknown option ",
                                 argv[optind - 1]);
        else if (!compare_percent(optarg, &compare.threshold))
            return compare_wrong("--threshold takes a percentage, not ", optarg);
    }
    int n = argc - optind;
    if (compare.baseline != NULL && n == 1)
        return compare_baseline(&compare, argv[optind]);
    if (compare.baseline != NULL || (n != 2 && !(n == 1 && compare.gates != NULL)))
        return compare_wrong("give two files, or one with --baseline or --gates", "");
    return compare_files(&compare, argv + optind, n);
}
