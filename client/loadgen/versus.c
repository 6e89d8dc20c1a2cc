/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pairs of runs and what they come to.
 *
 * How: of each run the figures of metrics.def are kept, and all of it is added to the sum of its
 * side. The ratio is taken pair by pair (client/loadgen/stats.h), because the runs of a pair follow
 * each other at once.
 *
 * Invariants: every pair has a run of each side.
 * Threads: the main thread. Failures: ERR_OUT_OF_MEMORY; what cannot be compared is left out.
 */
#include "client/loadgen/versus.h"

#include "common/err.h"
#include "common/mem.h"

#include <string.h>

enum { VERSUS_CAPACITY = 16 };

int versus_init(struct versus *versus, const struct workload *workload, size_t asked,
                double threshold)
{
    *versus = (struct versus){.workload = workload, .asked = asked, .threshold = threshold};
    versus->a = mem_alloc(sizeof *versus->a);
    versus->b = mem_alloc(sizeof *versus->b);
    if (versus->a == NULL || versus->b == NULL)
        return ERR_OUT_OF_MEMORY;
    result_init(versus->a, workload);
    result_init(versus->b, workload);
    return 0;
}

void versus_deinit(struct versus *versus)
{
    mem_free(versus->pairs);
    mem_free(versus->a);
    mem_free(versus->b);
}

bool versus_b_first(size_t pair)
{
    return pair % 2 == 1;
}

int versus_add(struct versus *versus, const struct result *a, const struct result *b)
{
    if (versus->n == versus->capacity) {
        size_t capacity = versus->capacity > 0 ? 2 * versus->capacity : VERSUS_CAPACITY;
        struct versus_pair *pairs = mem_realloc(versus->pairs, capacity * sizeof *pairs);
        if (pairs == NULL)
            return ERR_OUT_OF_MEMORY;
        versus->pairs = pairs;
        versus->capacity = capacity;
    }
    metric_values(a, versus->pairs[versus->n].a);
    metric_values(b, versus->pairs[versus->n].b);
    versus->n++;
    result_merge(versus->a, a);
    result_merge(versus->b, b);
    return 0;
}

int versus_compare(const struct versus *versus, enum metric_id metric, struct comparison *out)
{
    struct stats_ratio ratio;
    double *values = mem_calloc(2 * versus->n + 1, sizeof *values);
    if (values == NULL)
        return ERR_OUT_OF_MEMORY;
    for (size_t i = 0; i < versus->n; i++) {
        values[i] = versus->pairs[i].a[metric];
        values[versus->n + i] = versus->pairs[i].b[metric];
    }
    int err = stats_ratio_of_pairs(values, values + versus->n, versus->n, COMPARISON_SEED, &ratio);
    mem_free(values);
    if (err == 0)
        *out = comparison_make(metric, &ratio, versus->threshold);
    return err == ERR_BAD_ARGUMENT ? ERR_NOT_FOUND : err;
}

enum versus_outcome versus_outcome(const struct versus *versus)
{
    enum versus_outcome outcome = VERSUS_UNKNOWN;
    for (enum metric_id i = 0; i < METRIC_COUNT; i++) {
        struct comparison comparison;
        if (versus_compare(versus, i, &comparison) != 0 || !comparison_is_judged(&comparison))
            continue;
        if (comparison_is_regression(&comparison))
            return VERSUS_WORSE;
        outcome = VERSUS_FINE;
    }
    return outcome;
}

void versus_print(FILE *out, const struct versus *versus, const char *a, const char *b)
{
    fprintf(out, "\n%s, %zu", versus->workload->title, versus->n);
    if (versus->n < versus->asked)
        fprintf(out, " of %zu", versus->asked);
    fprintf(out, " pair%s, A: %s, B: %s\n", versus->asked == 1 ? "" : "s", a, b);
    comparison_print_head(out, "A", "B");
    for (enum metric_id i = 0; i < METRIC_COUNT; i++) {
        struct comparison comparison;
        if (versus_compare(versus, i, &comparison) == 0)
            comparison_print(out, &comparison);
    }
    fflush(out);
}

void versus_print_line(FILE *out, const struct versus *versus)
{
    static const enum metric_id shown[] = {METRIC_rate, METRIC_p99};
    char text[COMPARISON_TEXT_SIZE];
    fprintf(out, "%s: B / A", versus->workload->title);
    for (size_t i = 0; i < LENGTH_OF(shown); i++) {
        struct comparison comparison;
        if (versus_compare(versus, shown[i], &comparison) != 0)
            continue;
        comparison_text(&comparison, text);
        fprintf(out, "%s %s %.3f (%.3f to %.3f, %s)", i > 0 ? ";" : "",
                metric_table[shown[i]].title, comparison.ratio.ratio, comparison.ratio.low,
                comparison.ratio.high, text);
    }
    fputc('\n', out);
    fflush(out);
}

static void versus_write_figure(struct writer *json, const struct versus *versus,
                                const struct comparison *comparison)
{
    enum metric_id id = comparison->metric;
    writer_open(json, NULL, '{');
    writer_text(json, "test", versus->workload->name);
    comparison_write(json, comparison);
    writer_open_line(json, "pairs", '[');
    for (size_t i = 0; i < versus->n; i++) {
        writer_open(json, NULL, '[');
        writer_real(json, NULL, versus->pairs[i].a[id] / metric_table[id].scale);
        writer_real(json, NULL, versus->pairs[i].b[id] / metric_table[id].scale);
        writer_close(json, ']');
    }
    writer_close(json, ']');
    writer_close(json, '}');
}

void versus_write(struct writer *json, const struct versus *versus, size_t n)
{
    if (n == 0)
        return;
    writer_open(json, "versus", '{');
    writer_real(json, "threshold", versus[0].threshold);
    writer_uint(json, "pairs_asked", versus[0].asked);
    writer_open(json, "figures", '[');
    for (size_t i = 0; i < n; i++)
        for (enum metric_id id = 0; id < METRIC_COUNT; id++) {
            struct comparison comparison;
            if (versus_compare(&versus[i], id, &comparison) == 0)
                versus_write_figure(json, &versus[i], &comparison);
        }
    writer_close(json, ']');
    writer_close(json, '}');
}

void versus_write_runs(struct writer *json, const struct versus *versus, bool of_b)
{
    writer_open(json, "runs", '[');
    for (size_t i = 0; i < versus->n; i++) {
        writer_open_line(json, NULL, '{');
        metric_write(json, of_b ? versus->pairs[i].b : versus->pairs[i].a);
        writer_close(json, '}');
    }
    writer_close(json, ']');
}
