/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keeps the figures of runs, prints and writes their medians.
 *
 * How: of each run the figures of metrics.def; all of it is added to the sum, which is what the
 * summary shows. The interval is a bootstrap of the median (client/loadgen/stats.h).
 *
 * Invariants: an interval is never given of fewer runs than it can be had from.
 * Threads: the main thread. Failures: ERR_OUT_OF_MEMORY; what is not known is left out.
 */
#include "client/loadgen/repeat.h"

#include "client/loadgen/comparison.h"
#include "common/err.h"
#include "common/mem.h"

#include <string.h>

int repeat_init(struct repeat *repeat, size_t asked, bool discarded)
{
    *repeat = (struct repeat){.asked = asked, .discarded = discarded};
    repeat->runs = mem_calloc(asked, sizeof *repeat->runs);
    repeat->all = mem_alloc(sizeof *repeat->all);
    return repeat->runs != NULL && repeat->all != NULL ? 0 : ERR_OUT_OF_MEMORY;
}

void repeat_deinit(struct repeat *repeat)
{
    mem_free(repeat->runs);
    mem_free(repeat->all);
}

void repeat_add(struct repeat *repeat, const struct result *result)
{
    REQUIRE(repeat->n < repeat->asked);
    metric_values(result, repeat->runs[repeat->n]);
    if (repeat->n++ == 0)
        *repeat->all = *result;
    else
        result_merge(repeat->all, result);
}

int repeat_figure(const struct repeat *repeat, enum metric_id metric, struct stats_spread *out)
{
    double *values = mem_calloc(repeat->n + 1, sizeof *values);
    if (values == NULL)
        return ERR_OUT_OF_MEMORY;
    for (size_t i = 0; i < repeat->n; i++)
        values[i] = repeat->runs[i][metric];
    int err = stats_spread_of(values, repeat->n, COMPARISON_SEED, out);
    mem_free(values);
    return err;
}

static bool repeat_has_interval(const struct stats_spread *spread)
{
    return spread->runs >= STATS_RUNS_MIN;
}

/* "98,120 to 101,302", or "-" */
static void repeat_interval(const struct metric *metric, const struct stats_spread *spread,
                            char *out_text, size_t size)
{
    char low[TEXT_SIZE], high[TEXT_SIZE];
    metric_format(metric, spread->low, low);
    metric_format(metric, spread->high, high);
    if (repeat_has_interval(spread))
        (void)snprintf(out_text, size, "%s to %s", low, high);
    else
        (void)snprintf(out_text, size, "-");
}

/* "4.1 %", or "-": one run does not vary. */
static void repeat_variation(const struct stats_spread *spread, char out_text[static TEXT_SIZE])
{
    if (spread->runs > 1)
        (void)snprintf(out_text, TEXT_SIZE, "%.1f %%", 100 * spread->cv);
    else
        (void)snprintf(out_text, TEXT_SIZE, "-");
}

static void repeat_print_figure(FILE *out, const struct metric *metric,
                                const struct stats_spread *spread)
{
    char name[64], median[TEXT_SIZE], interval[2 * TEXT_SIZE + 8], variation[TEXT_SIZE];
    (void)snprintf(name, sizeof name, "%s, %s", metric->title, metric->unit);
    metric_format(metric, spread->median, median);
    repeat_interval(metric, spread, interval, sizeof interval);
    repeat_variation(spread, variation);
    fprintf(out, "    %-22s %14s  %-24s %9s\n", name, median, interval, variation);
}

void repeat_print(FILE *out, const struct repeat *repeat)
{
    struct stats_spread spread;
    if (repeat->asked < 2)
        return;
    fprintf(out, "  %zu", repeat->n);
    if (repeat->n < repeat->asked)
        fprintf(out, " of %zu", repeat->asked);
    fprintf(out, " runs%s\n    %-22s %14s  %-24s %9s\n",
            repeat->discarded ? ", one before not counted" : "", "", "median", "95 % interval",
            "variation");
    for (enum metric_id i = 0; i < METRIC_COUNT; i++)
        if (repeat_figure(repeat, i, &spread) == 0)
            repeat_print_figure(out, &metric_table[i], &spread);
    if (repeat->n < STATS_RUNS_MIN)
        fprintf(out, "    an interval takes at least %d runs\n", STATS_RUNS_MIN);
    fflush(out);
}

void repeat_print_line(FILE *out, const struct repeat *repeat)
{
    static const enum metric_id shown[] = {METRIC_rate, METRIC_p99};
    struct stats_spread spread;
    if (repeat->asked < 2)
        return;
    fprintf(out, "  %zu runs, medians:", repeat->n);
    for (size_t i = 0; i < LENGTH_OF(shown); i++) {
        const struct metric *metric = &metric_table[shown[i]];
        char median[TEXT_SIZE], interval[2 * TEXT_SIZE + 8], variation[TEXT_SIZE];
        if (repeat_figure(repeat, shown[i], &spread) != 0)
            continue;
        metric_format(metric, spread.median, median);
        repeat_interval(metric, &spread, interval, sizeof interval);
        repeat_variation(&spread, variation);
        fprintf(out, "%s %s %s %s (%s, variation %s)", i > 0 ? ";" : "", metric->title, median,
                metric->unit, interval, variation);
    }
    fputc('\n', out);
    fflush(out);
}

/* ---- JSON ---- */

static void repeat_write_figure(struct writer *json, const struct metric *metric,
                                const struct stats_spread *spread)
{
    writer_open_line(json, NULL, '{');
    writer_text(json, "metric", metric->key);
    writer_text(json, "title", metric->title);
    writer_text(json, "unit", metric->unit);
    writer_real(json, "median", spread->median / metric->scale);
    if (spread->runs > 1)
        writer_real(json, "cv", spread->cv);
    if (repeat_has_interval(spread)) {
        writer_real(json, "low", spread->low / metric->scale);
        writer_real(json, "high", spread->high / metric->scale);
    }
    writer_close(json, '}');
}

static void repeat_write_runs(struct writer *json, const struct repeat *repeat)
{
    writer_open(json, "runs", '[');
    for (size_t i = 0; i < repeat->n; i++) {
        writer_open_line(json, NULL, '{');
        metric_write(json, repeat->runs[i]);
        writer_close(json, '}');
    }
    writer_close(json, ']');
}

void repeat_write(struct writer *json, const struct repeat *repeat)
{
    struct stats_spread spread;
    if (repeat->asked < 2)
        return;
    repeat_write_runs(json, repeat);
    writer_open(json, "repeats", '{');
    writer_uint(json, "asked", repeat->asked);
    writer_uint(json, "counted", repeat->n);
    writer_bool(json, "discarded", repeat->discarded);
    writer_open(json, "figures", '[');
    for (enum metric_id i = 0; i < METRIC_COUNT; i++)
        if (repeat_figure(repeat, i, &spread) == 0)
            repeat_write_figure(json, &metric_table[i], &spread);
    writer_close(json, ']');
    writer_close(json, '}');
}
