/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The runs of a test in the page (--run-count).
 *
 * How: a line for each figure: its median, the interval as a bar, and each run as a dot, between
 * the lowest and the highest run.
 *
 * Invariants: text from the JSON is escaped; what is missing or of another type is left out.
 * Threads: any; no state. Failures: none; without several runs nothing is written.
 */
#include "client/loadgen/html.h"

#include "client/loadgen/html_text.h"
#include "client/loadgen/load.h"
#include "client/loadgen/metric.h"

#include <math.h>
#include <string.h>

/* The row of metrics.def with this key; NULL: there is none. */
static const struct metric *repeat_metric(const char *key)
{
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        if (strcmp(metric_table[i].key, key) == 0)
            return &metric_table[i];
    return NULL;
}

struct repeat_scale {
    double low, high;
};

static double repeat_at(const struct repeat_scale *scale, double value)
{
    double share = (value - scale->low) / (scale->high - scale->low);
    return scale->high > scale->low ? 4 + 92 * fmin(fmax(share, 0), 1) : 50;
}

static struct repeat_scale repeat_scale_of(const json_t *runs, const struct metric *metric)
{
    struct repeat_scale scale = {INFINITY, 0};
    size_t i;
    json_t *run;
    json_array_foreach(runs, i, run)
    {
        double value = metric_of_json(metric, run) / metric->scale;
        scale.low = fmin(scale.low, value);
        scale.high = fmax(scale.high, value);
    }
    return scale;
}

static void repeat_dots(FILE *out, const json_t *runs, const struct metric *metric,
                        const json_t *figure)
{
    struct repeat_scale scale = repeat_scale_of(runs, metric);
    double low = load_number(figure, "low"), high = load_number(figure, "high");
    size_t i;
    json_t *run;
    fputs("<td class=\"runs minor\"><div>", out);
    if (high > 0)
        fprintf(out, "<i style=\"left:%.1f%%;width:%.1f%%\"></i>", repeat_at(&scale, low),
                repeat_at(&scale, high) - repeat_at(&scale, low));
    json_array_foreach(runs, i, run)
        fprintf(out, "<u style=\"left:%.1f%%\"></u>",
                repeat_at(&scale, metric_of_json(metric, run) / metric->scale));
    fprintf(out, "<b style=\"left:%.1f%%\"></b></div></td>",
            repeat_at(&scale, load_number(figure, "median")));
}

static void repeat_row(FILE *out, const json_t *runs, const json_t *figure)
{
    const struct metric *metric = repeat_metric(load_text(figure, "metric"));
    char median[HTML_NUMBER_SIZE], low[HTML_NUMBER_SIZE], high[HTML_NUMBER_SIZE];
    if (metric == NULL)
        return;
    html_number(load_number(figure, "median"), median);
    html_number(load_number(figure, "low"), low);
    html_number(load_number(figure, "high"), high);
    fprintf(out, "<tr><th>%s <small>%s</small></th><td>%s</td>", metric->title, metric->unit,
            median);
    if (load_number(figure, "high") > 0)
        fprintf(out, "<td>%s to %s</td>", low, high);
    else
        fputs("<td>-</td>", out);
    if (json_object_get(figure, "cv") != NULL)
        fprintf(out, "<td>%.1f&nbsp;%%</td>", 100 * load_number(figure, "cv"));
    else
        fputs("<td>-</td>", out);
    repeat_dots(out, runs, metric, figure);
    fputs("</tr>\n", out);
}

void html_repeats(FILE *out, const json_t *result)
{
    const json_t *repeats = json_object_get(result, "repeats");
    const json_t *runs = json_object_get(result, "runs");
    size_t i;
    json_t *figure;
    if (json_array_size(json_object_get(repeats, "figures")) == 0)
        return;
    fprintf(out,
            "<h3>%zu runs</h3><p class=\"note\">All figures above are of all runs together. Dots "
            "are the runs, between the lowest and the highest; the bar is the 95&nbsp;%% "
            "confidence interval of the median%s.</p>\n"
            "<div class=\"scroll\"><table><thead><tr><th>figure</th><th>median</th>"
            "<th>95&nbsp;%% interval</th><th>variation</th><th class=\"runs minor\">runs</th></tr>"
            "</thead><tbody>\n",
            json_array_size(runs),
            json_is_true(json_object_get(repeats, "discarded")) ? "; one run before is not counted"
                                                                : "");
    json_array_foreach(json_object_get(repeats, "figures"), i, figure)
        repeat_row(out, runs, figure);
    fputs("</tbody></table></div>\n", out);
}
