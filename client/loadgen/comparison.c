/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Judges, prints and writes comparisons.
 *
 * How: numbers are shown in the unit of their figure (metrics.def), ratios always of B to A.
 *
 * Invariants: a verdict never stands without the interval it is drawn from.
 * Threads: any; no state. Failures: none; what cannot be written is lost.
 */
#include "client/loadgen/comparison.h"

#include <string.h>

struct comparison comparison_make(enum metric_id metric, const struct stats_ratio *ratio,
                                  double threshold)
{
    return (struct comparison){
        .metric = metric,
        .ratio = *ratio,
        .verdict = stats_judge(ratio, metric_table[metric].higher_is_better, threshold),
        .visible = stats_visible(ratio, threshold),
    };
}

bool comparison_is_judged(const struct comparison *comparison)
{
    return comparison->verdict != STATS_TOO_FEW && comparison->verdict != STATS_UNSTABLE;
}

bool comparison_is_regression(const struct comparison *comparison)
{
    return comparison->verdict == STATS_WORSE && metric_table[comparison->metric].judged;
}

void comparison_text(const struct comparison *comparison,
                     char out_text[static COMPARISON_TEXT_SIZE])
{
    const struct stats_ratio *ratio = &comparison->ratio;
    char seen[48] = "", varies[48] = "";
    if (comparison->verdict == STATS_NO_DIFFERENCE)
        (void)snprintf(seen, sizeof seen, " (could have seen >= %.0f %%)",
                       100 * comparison->visible);
    if (stats_is_unstable(ratio))
        (void)snprintf(varies, sizeof varies, "%s (runs vary by %.0f %%)",
                       comparison->verdict == STATS_UNSTABLE ? "" : ", unstable",
                       100 * (ratio->a_cv > ratio->b_cv ? ratio->a_cv : ratio->b_cv));
    (void)snprintf(out_text, COMPARISON_TEXT_SIZE, "%s%s%s",
                   stats_verdict_text(comparison->verdict), seen, varies);
}

void comparison_print_head(FILE *out, const char *a, const char *b)
{
    fprintf(out, "  %-22s %14s %14s  %6s  %-17s %s\n", "", a, b, "B / A", "95 % interval",
            "verdict");
}

void comparison_print(FILE *out, const struct comparison *comparison)
{
    const struct metric *metric = &metric_table[comparison->metric];
    const struct stats_ratio *ratio = &comparison->ratio;
    char name[64], a[TEXT_SIZE], b[TEXT_SIZE], interval[48], verdict[COMPARISON_TEXT_SIZE];
    (void)snprintf(name, sizeof name, "%s, %s", metric->title, metric->unit);
    metric_format(metric, ratio->a, a);
    metric_format(metric, ratio->b, b);
    (void)snprintf(interval, sizeof interval, "%.3f to %.3f", ratio->low, ratio->high);
    comparison_text(comparison, verdict);
    fprintf(out, "  %-22s %14s %14s  %6.3f  %-17s %s\n", name, a, b, ratio->ratio,
            comparison->verdict == STATS_TOO_FEW ? "-" : interval, verdict);
}

void comparison_write(struct writer *json, const struct comparison *comparison)
{
    const struct metric *metric = &metric_table[comparison->metric];
    const struct stats_ratio *ratio = &comparison->ratio;
    char verdict[COMPARISON_TEXT_SIZE];
    comparison_text(comparison, verdict);
    writer_text(json, "metric", metric->key);
    writer_text(json, "title", metric->title);
    writer_text(json, "unit", metric->unit);
    writer_real(json, "a", ratio->a / metric->scale);
    writer_real(json, "b", ratio->b / metric->scale);
    writer_real(json, "a_cv", ratio->a_cv);
    writer_real(json, "b_cv", ratio->b_cv);
    writer_real(json, "ratio", ratio->ratio);
    writer_real(json, "low", ratio->low);
    writer_real(json, "high", ratio->high);
    writer_uint(json, "runs", ratio->runs);
    writer_real(json, "visible", comparison->visible);
    writer_text(json, "verdict", stats_verdict_text(comparison->verdict));
    writer_text(json, "text", verdict);
}
