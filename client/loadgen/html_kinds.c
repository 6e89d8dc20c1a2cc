/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The kinds of requests of a mix over time, in the page.
 *
 * How: a pair of small plots for each kind, throughput above latency, all on the same axis of time,
 * so that they can be compared by looking along a row.
 *
 * Invariants: text from the JSON is escaped; what is missing or of another type is left out.
 * Threads: any; no state. Failures: without memory a figure is left out.
 */
#include "client/loadgen/html.h"

#include "client/loadgen/html_plot.h"
#include "client/loadgen/html_text.h"
#include "client/loadgen/load.h"
#include "common/mem.h"

#include <math.h>

/* What all plots share. */
struct kinds_axes {
    struct plot_axis time, rate, latency;
};

static double kinds_end(const json_t *row)
{
    return (load_number(row, "t_ns") + load_number(row, "length_ns")) / 1e9;
}

static void kinds_measure(const json_t *series, double *end, double *rate, double *low,
                          double *high)
{
    size_t i;
    json_t *row;
    json_array_foreach(series, i, row)
    {
        double median = load_number(row, "median_ns");
        *end = fmax(*end, kinds_end(row));
        *rate = fmax(*rate, load_number(row, "ops_per_sec"));
        *low = median > 0 ? fmin(*low, median) : *low;
        *high = fmax(*high, load_number(row, "p99_ns"));
    }
}

/* Axes that hold all kinds. False: there are no two intervals to draw. */
static bool kinds_axes_of(json_t *kinds, struct kinds_axes *out)
{
    double end = 0, rate = 0, low = INFINITY, high = 0;
    bool any = false;
    const char *name;
    json_t *kind;
    json_object_foreach(kinds, name, kind)
    {
        const json_t *series = json_object_get(kind, "series");
        any = any || json_array_size(series) > 1;
        kinds_measure(series, &end, &rate, &low, &high);
    }
    if (!any || end <= 0 || rate <= 0 || !isfinite(low) || high <= 0)
        return false;
    *out = (struct kinds_axes){.time = {.low = 0, .high = end},
                               .rate = plot_axis_linear(rate),
                               .latency = plot_axis_log(low, high)};
    return true;
}

static void kinds_rate_plot(FILE *out, const json_t *series, const struct kinds_axes *axes)
{
    struct plot plot = {.out = out, .x = axes->time, .y = axes->rate};
    size_t i;
    json_t *row;
    plot_open(&plot, "low", "Throughput over time");
    plot_grid_y(&plot);
    fprintf(out, "<path class=\"area\" d=\"M0 %d", PLOT_SIZE);
    json_array_foreach(series, i, row)
        fprintf(out, "V%.1fH%.1f", plot_at_y(&plot, load_number(row, "ops_per_sec")),
                plot_at_x(&plot, kinds_end(row)));
    fprintf(out, "V%dZ\"/>\n</svg>\n", PLOT_SIZE);
    plot_labels_y(&plot, PLOT_SHORT);
    plot_close(&plot);
}

static void kinds_latency_plot(FILE *out, const json_t *series, const struct kinds_axes *axes)
{
    static const struct {
        const char *kind, *key;
    } lines[] = {{"p99", "p99_ns"}, {"median", "median_ns"}};
    struct plot plot = {.out = out, .x = axes->time, .y = axes->latency};
    struct plot_point *room = mem_calloc(json_array_size(series) + 1, sizeof *room);
    plot_open(&plot, "tall", "Latency over time");
    plot_grid_y(&plot);
    for (size_t line = 0; line < LENGTH_OF(lines) && room != NULL; line++) {
        size_t i, n = 0;
        json_t *row;
        json_array_foreach(series, i, row)
        {
            double middle = kinds_end(row) - load_number(row, "length_ns") / 2e9;
            double ns = load_number(row, lines[line].key);
            room[n++] = (struct plot_point){middle, ns > 0 ? ns : NAN};
        }
        plot_line(&plot, lines[line].kind, room, n);
    }
    fputs("</svg>\n", out);
    plot_labels_y(&plot, PLOT_DURATION);
    plot_labels_x(&plot, PLOT_SECONDS);
    plot_close(&plot);
    mem_free(room);
}

void html_kinds_over_time(FILE *out, const json_t *result)
{
    json_t *kinds = json_object_get(result, "by_request"), *kind;
    struct kinds_axes axes;
    const char *name;
    if (!kinds_axes_of(kinds, &axes))
        return;
    fputs("<h3>Kinds of requests over time</h3><p><span class=\"key\"><i class=\"area\"></i>"
          "requests/s</span> <span class=\"key\"><i class=\"median\"></i>p50</span> "
          "<span class=\"key\"><i class=\"p99\"></i>p99</span></p>\n<div class=\"kinds\">\n",
          out);
    json_object_foreach(kinds, name, kind)
    {
        const json_t *series = json_object_get(kind, "series");
        fputs("<figure><b>", out);
        html_escape(out, name);
        fputs("</b>\n", out);
        kinds_rate_plot(out, series, &axes);
        kinds_latency_plot(out, series, &axes);
        fputs("</figure>\n", out);
    }
    fputs("</div>\n", out);
}
